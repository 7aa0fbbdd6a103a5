"""What a module uses of another project's package is found in its text, and nothing else is."""

from __future__ import annotations

import pytest

from empycustom.library.surface import Reading, Surface

SURFACE = Surface(
    package="gstgva",
    modules={
        "": frozenset({"VideoFrame", "RegionOfInterest", "Tensor", "util"}),
        "util": frozenset({"gst_buffer_data"}),
        "tensor": frozenset({"Tensor"}),
    },
    members={
        "VideoFrame": frozenset({"regions", "add_region", "tensors", "data", "video_info", "messages", "_VideoFrame__buffer"}),
        "RegionOfInterest": frozenset({"rect", "label", "tensors", "detection"}),
        "Tensor": frozenset({"name", "data", "PRECISION"}),
    },
    gives={
        "regions": "[RegionOfInterest]",
        "add_region": "RegionOfInterest",
        "tensors": "[Tensor]",
        "detection": "Tensor",
        "messages": "[Message]",
    },
    given="VideoFrame",
    function="process_frame",
    left_out={"audio": "audio is left out", "AudioFrame": "audio is left out"},
    unmade={"VideoFrame": "the element makes it"},
    texts=frozenset({"Message"}),
    enums={"PRECISION": frozenset({"FP32", "UNSPECIFIED"})},
    keywords={("VideoFrame", "add_region"): frozenset({"x", "label", "confidence"})},
)
BODY = "def process_frame(frame):\n    {}\n    return True\n"
MISSING = {
    "an import": ("from gstgva import VideoFrame, AudioFrame\n", [(1, "gstgva has no AudioFrame here: audio is left out")]),
    "a module": ("import gstgva.audio.audio_frame\n", [(1, "gstgva has no audio.audio_frame here: audio is left out")]),
    "from a module": ("from gstgva.util import GVAJSONMeta\n", [(1, "gstgva has no util.GVAJSONMeta here")]),
    "of a module": (
        "import gstgva as g\nfrom gstgva import util\ng.util.libgst\nutil.libgst\ng.Meta\ng.Tensor\nutil.gst_buffer_data\n",
        [(3, "gstgva has no util.libgst here"), (4, "gstgva has no util.libgst here"), (5, "gstgva has no Meta here")],
    ),
    "of the frame": (
        BODY.format("frame.add_regions(1)"),
        [(2, "frame.add_regions: gstgva has no VideoFrame.add_regions here; add_region may be meant")],
    ),
    "of a region": (
        BODY.format("for each in frame.regions():\n        print(each.rect().x, each.roi_type())"),
        [(3, "each.roi_type: gstgva has no RegionOfInterest.roi_type here")],
    ),
    "of regions in other ways": (
        BODY.format(
            "found = list(frame.regions())\n    first = found[0]\n    first.aa\n    for n, r in enumerate(found):\n        r.bb\n"
            "    [t.cc for r in found for t in r.tensors()]\n    frame.add_region(1, 2, 3, 4).dd\n"
            "    next(iter(frame.tensors())).ee\n    [each for each in found if each.label()][-1].ff"
        ),
        [
            (4, "first.aa: gstgva has no RegionOfInterest.aa here"),
            (6, "r.bb: gstgva has no RegionOfInterest.bb here"),
            (7, "t.cc: gstgva has no Tensor.cc here"),
            (8, "frame.add_region(1, 2, 3, 4).dd: gstgva has no RegionOfInterest.dd here"),
            (9, "next(iter(frame.tensors())).ee: gstgva has no Tensor.ee here"),
            (10, "[each for each in found if each.label()][-1].ff: gstgva has no RegionOfInterest.ff here"),
        ],
    ),
    "by annotation": (
        "import gstgva\nfrom gstgva import VideoFrame as F\ndef a(x: F):\n    x.qqq\ndef b(x: gstgva.VideoFrame):\n    x.bb\n"
        "def c(x: 'F'):\n    def inner():\n        x.cc\n",
        [
            (4, "x.qqq: gstgva has no VideoFrame.qqq here"),
            (6, "x.bb: gstgva has no VideoFrame.bb here"),
            (9, "x.cc: gstgva has no VideoFrame.cc here"),
        ],
    ),
    "a frame that is made": (
        "from gstgva import VideoFrame\ndef probe(pad, info):\n    frame = VideoFrame(info.get_buffer())\n",
        [(3, "VideoFrame(…) cannot be made here: the element makes it")],
    ),
    "of an enum": (
        "from gstgva import Tensor\nprint(Tensor.PRECISION.FP32)\n"
        + BODY.format("for t in frame.tensors():\n        print(t.PRECISION.FP23, Tensor.PRECISION.NONE)"),
        [
            (5, "Tensor.PRECISION.NONE: gstgva has no Tensor.PRECISION.NONE here"),
            (5, "t.PRECISION.FP23: gstgva has no t.PRECISION.FP23 here; FP32 may be meant"),
        ],
    ),
    "of a message": (
        BODY.format("for m in frame.messages():\n        m.get_message()\n        m.startswith('a')"),
        [(3, "m.get_message: gstgva has no Message.get_message here; a message is a text")],
    ),
    "an argument": (
        BODY.format("frame.add_region(1, 2, label='a', confidenc=1, **more)\n    frame.regions(any=1)"),
        [(2, "frame.add_region: add_region has no argument confidenc here; confidence may be meant")],
    ),
}
FINE = {
    "what the objects of others have": BODY.format("frame.video_info().colorimetry.anything\n    frame.data().nothing"),
    "what any class has": BODY.format("for r in frame.regions():\n        r.messages()"),
    "names that are bound again": BODY.format("frame = wrap(frame)\n    frame.anything"),
    "names that are several things": BODY.format("for r in frame.regions():\n        r = r.rect()\n        r.anything"),
    "names of with": BODY.format("with frame.data() as frame:\n        frame.mean()"),
    "names that unpack": BODY.format("frame, other = other, frame\n    frame.anything"),
    "the same name in other functions": "def process_frame(frame):\n    return True\ndef draw(frame):\n    frame.anything\n",
    "arguments of lambdas": BODY.format("sorted(frame.regions(), key=lambda frame: frame.anything)"),
    "attributes of the module's own": BODY.format("frame.counted = 1\n    print(frame.counted)"),
    "what is asked for first": BODY.format("print(hasattr(frame, 'roi') and frame.roi, getattr(frame, 'other', 1))"),
    "what is caught": BODY.format("try:\n        frame.roi\n    except (KeyError, AttributeError):\n        pass"),
    "imports that are caught": "try:\n    from gstgva.audio import AudioFrame\nexcept ImportError:\n    AudioFrame = None\n",
    "private names that are there": BODY.format("frame._VideoFrame__buffer"),
    "functions that decorators change": "@swapped\ndef process_frame(frame):\n    frame.anything\n    return True\n",
    "parts of regions": BODY.format(
        "for r in list(frame.regions())[1:]:\n        r.rect()\n    frame.tensors()[0]['x'].anything"
    ),
    "other packages": "import gstgvax\nimport audio\ngstgvax.anything\n",
    "a class of the module": "from gstgva import VideoFrame\nclass VideoFrame:\n    pass\ndef f(x: VideoFrame):\n    x.anything\nVideoFrame()\n",
}


@pytest.fixture
def reading(tmp_path):
    def read(text, class_name=None, function="process_frame"):
        (tmp_path / "module.py").write_text(text)
        return Reading(str(tmp_path / "module.py"), function, class_name)

    return read


@pytest.mark.parametrize("kind", MISSING)
def test_what_is_not_there_is_found_by_line(reading, kind):
    text, expected = MISSING[kind]
    assert [tuple(each) for each in reading(text).missing(SURFACE)] == expected


@pytest.mark.parametrize("kind", FINE)
def test_what_may_be_right_is_not_reported(reading, kind):
    assert reading(FINE[kind]).missing(SURFACE) == []


def test_the_method_of_the_class_that_is_set_gets_the_frame(reading):
    text = (
        "class A:\n    def f(self, x):\n        x.qqq\n        self.bb\n"
        "class B:\n    @staticmethod\n    def f(x):\n        x.cc\n    def g(self, x):\n        x.dd\n"
    )
    assert [each.line for each in reading(text, "A", "f").missing(SURFACE)] == [3]
    assert [each.line for each in reading(text, "B", "f").missing(SURFACE)] == [8]
    assert [each.line for each in reading(text, "C", "f").missing(SURFACE)] == []


RETURNS = {
    "def process_frame(frame):\n    print(frame)\n": 1,
    "def process_frame(frame):\n    if frame:\n        return\n    def inner():\n        return True\n": 1,
    "x = 1\ndef process_frame(frame):\n    return None\n": 2,
    "def process_frame(frame):\n    if frame:\n        return True\n": None,
    "def process_frame(frame):\n    raise NotImplementedError\n": None,
    "def process_frame(frame):\n    yield frame\n": None,
    "@returns_true\ndef process_frame(frame):\n    pass\n": None,
    "process_frame = other\n": None,
}


@pytest.mark.parametrize("number", range(len(RETURNS)))
def test_a_function_that_always_returns_none_is_found(reading, number):
    text, line = [*RETURNS.items()][number]
    assert reading(text).line_without_result() == line
