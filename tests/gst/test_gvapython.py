"""Modules for DL Streamer's gvapython, on command lines as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from empycustom import testing
from empycustom.gstreamer import Gst

SOURCE = (
    "videotestsrc num-buffers={count} pattern=black ! video/x-raw,format={format},width={width},height={height},framerate=30/1"
)
DOCUMENTS = "aimeta silent=false ! fakesink"


@pytest.fixture
def module(library):
    """Write a module, and return its file."""
    return lambda text, name="module.py": library(text, name)


@pytest.fixture
def documents(gst_launch):
    """Run gvapython with some properties, and others behind it, and return the documents."""

    def run(*properties, count=2, format="BGR", width=64, height=48, **more):
        source = SOURCE.format(count=count, format=format, width=width, height=height)
        line = f"{source} ! {' ! '.join(f'gvapython {each}' for each in properties)} ! {DOCUMENTS}"
        launched = gst_launch(line, **more)
        assert launched.code == 0, launched.text
        return launched.documents

    return run


def test_a_function_adds_regions_and_messages(module, documents):
    file = module(
        "import json\n"
        "from gstgva import VideoFrame\n"
        "def process_frame(frame: VideoFrame) -> bool:\n"
        "    region = frame.add_region(4, 8, 20, 10, 'car', 0.75)\n"
        "    assert [each.label() for each in frame.regions()] == ['car']\n"
        "    frame.add_message(json.dumps({'width': frame.video_info().width, 'fps': frame.video_info().fps_n}))\n"
        "    frame.add_message('plain')\n"
        "    return True\n"
    )
    for document in documents(f"module={file}"):
        (frame,) = document["frame"]
        (found,) = frame["object"]
        assert (found["obj_label"], found["confidence"]) == ("car", 0.75)
        assert found["rect_params"] == {"left": 4, "top": 8, "width": 20, "height": 10}
        assert frame["emcustom"] == {"messages": [{"width": 64, "fps": 30}, "plain"]}


def test_an_object_of_a_class_gets_arguments_that_add_up_and_ends_at_the_stop(module, gst_launch):
    file = module(
        "class Logger:\n"
        "    def __init__(self, *names, **more):\n"
        "        self.calls = 0\n"
        "        print('made', names, more)\n"
        "    def write(self, frame):\n"
        "        self.calls += 1\n"
        "        return True\n"
        "    def __del__(self):\n"
        "        print('gone', self.calls)\n"
    )
    given = """arg=[1] arg='["two"]' arg=3 kwarg='{"a": 1, "b": 1}' kwarg='{"b": 2}'"""
    launched = gst_launch(f"videotestsrc num-buffers=3 ! gvapython module={file} class=Logger function=write {given} ! fakesink")
    assert launched.code == 0, launched.text
    said = [line for line in launched.out.splitlines() if line.startswith(("made", "gone"))]
    assert said == ["made (1, 'two', 3) {'a': 1, 'b': 2}", "gone 3"]


@pytest.mark.parametrize("value", ["None", "False", "0", "''"])
def test_a_false_result_drops_the_frame_and_none_is_reported_once(module, play, value):
    import empycustom

    empycustom.register()
    file = module(f"def process_frame(frame):\n    return {value}\n")
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=4 ! gvapython name=e module={file} ! fakesink name=after")
    came = []
    pipeline.get_by_name("after").set_property("signal-handoffs", True)
    pipeline.get_by_name("after").connect("handoff", lambda *_: came.append(1))
    played = play(pipeline)
    assert played.ended
    stats = pipeline.get_by_name("e").get_property("stats")
    assert (len(came), stats.get_value("dropped"), stats.get_value("processed")) == (0, 4, 4)
    reported = [text for text, _ in played.warnings if "returned None, so frames are dropped" in text]
    assert len(reported) == (value == "None")
    assert all("module.py:1:" in text for text in reported)


def test_a_result_that_is_true_lets_the_frame_go_on(module, documents):
    file = module("def process_frame(frame):\n    return frame.video_info().width > 0 and 'yes'\n")
    assert len(documents(f"module={file}")) == 2


FORMATS = {
    "BGR": (48, 64, 3),
    "BGRx": (48, 64, 4),
    "RGBA": (48, 64, 4),
    "GRAY8": (48, 64, 1),
    "I420": (72, 64, 1),
    "NV12": (72, 64, 1),
    "YUY2": (48, 64, 2),
    "Y42B": (96, 64, 1),
}
PIXELS = (
    "from gstgva import VideoFrame\n"
    "def process_frame(frame):\n"
    "    with frame.data() as pixels:\n"
    "        frame.add_message(str(list(pixels.shape)))\n"
    "        pixels[2:4, 1:5] = 200\n"
    "    return True\n"
)


@pytest.mark.parametrize(("format", "shape"), FORMATS.items())
@pytest.mark.parametrize("workers", [0, 1])
def test_pixels_have_their_shapes_and_can_be_written_whatever_the_flag_is(module, documents, format, shape, workers):
    reads = module(
        "def process_frame(frame):\n"
        "    with frame.data() as pixels:\n"
        "        frame.add_message(str(int((pixels == 200).sum())))\n"
        "    return True\n",
        "reads.py",
    )
    write = module(PIXELS)
    for document in documents(f"module={write} workers={workers}", f"module={reads}", format=format):
        first, second = document["frame"][0]["emcustom"]["messages"]
        assert first == list(shape)
        assert int(second) == 2 * 4 * shape[2]


def test_rows_with_padding_are_right(module, documents):
    file = module(
        "import numpy as np\n"
        "from gi.repository import Gst\n"
        "def process_frame(frame):\n"
        "    with frame.data(Gst.MapFlags.READ | Gst.MapFlags.WRITE) as pixels:\n"
        "        frame.add_message(str([list(pixels.shape), int(pixels[..., 0].max())]))\n"
        "        pixels[...] = 7\n"
        "    return True\n"
    )
    documents_ = documents(f"module={file}", f"module={file}", format="RGB", width=63)
    assert [each["frame"][0]["emcustom"]["messages"][1] for each in documents_] == [[[48, 63, 3], 7]] * 2
    (first, *_) = documents(f"module={file}", f"module={file}", format="I420", width=62, height=48)
    assert first["frame"][0]["emcustom"]["messages"][1] == [[72, 62, 1], 7]


def test_a_view_that_is_kept_raises_after_the_block(module):
    file = module("def process_frame(frame):\n    with frame.data() as pixels:\n        pass\n    return pixels.sum() >= 0\n")
    with pytest.raises(Exception, match=r"module\.py:4.*used after its with block"):
        testing.run(file)


def test_modules_see_what_others_have_found(module, documents):
    finds = module(
        "def process_ip(b, m, o):\n"
        "    box = {'left': 3, 'top': 4, 'width': 10, 'height': 20}\n"
        "    labels = [{'label_info': [{'result_label': 'red', 'result_prob': 0.5}]}]\n"
        "    found = {'obj_label': 'car', 'confidence': 0.25, 'object_id': 7, 'rect_params': box, 'classifier': labels}\n"
        "    return {'frame': [{'new_object': [found], 'meta': {'weather': 'rain'}}]}\n",
        "finds.py",
    )
    sees = module(
        "import json\n"
        "def process_frame(frame):\n"
        "    (region,) = frame.regions()\n"
        "    labels = [tensor.label() for tensor in region.tensors() if not tensor.is_detection()]\n"
        "    (message,) = map(json.loads, frame.messages())\n"
        "    seen = [list(region.rect()), region.label(), region.confidence(), region.object_id(), labels]\n"
        "    frame.add_message(json.dumps([*seen, message['weather'], message['objects'][0]['roi_type'], message['resolution']]))\n"
        "    return True\n"
    )
    line = f"empycustom custom-lib={finds} in-place=true ! gvapython module={sees}"
    source = SOURCE.format(count=1, format="BGR", width=64, height=48)
    import empycustom

    empycustom.register()
    pipeline = Gst.parse_launch(f"{source} ! {line} ! aimeta name=a ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    document = json.loads(pipeline.get_by_name("a").get_property("last-meta"))
    pipeline.set_state(Gst.State.NULL)
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    attributes = document["frame"][0]["emcustom"]
    expected = [[3, 4, 10, 20], "car", 0.25, 7, ["red"], "rain", "car", {"height": 48, "width": 64}]
    assert attributes == {"weather": "rain", "messages": [expected]}


def test_regions_are_changed_and_removed(module, documents):
    first = module(
        "def process_frame(frame):\n"
        "    for at in range(3):\n"
        "        frame.add_region(at * 10, 0, 8, 8, 'abc'[at], 0.5)\n"
        "    return True\n",
        "first.py",
    )
    second = module(
        "def process_frame(frame):\n"
        "    a, b, c = frame.regions()\n"
        "    frame.remove_region(b)\n"
        "    a.set_object_id(5)\n"
        "    tensor = c.add_tensor('ocr')\n"
        "    tensor.set_label('AB 12')\n"
        "    tensor['confidence'] = 0.25\n"
        "    tensor['lines'] = 2\n"
        "    return len(list(frame.regions())) == 2\n",
        "second.py",
    )
    third = module(
        "def process_frame(frame):\n"
        "    a, c = frame.regions()\n"
        "    (tensor,) = [each for each in c.tensors() if not each.is_detection()]\n"
        "    return (tensor.name(), tensor.label(), tensor['lines'], a.object_id()) == ('ocr', 'AB 12', 2, 5)\n",
        "third.py",
    )
    for workers in (0, 1):
        found = documents(*(f"module={each} workers={workers}" for each in (first, second, third)))
        assert len(found) == 2
        a, c = found[0]["frame"][0]["object"]
        assert (a["obj_label"], a["object_id"], c["obj_label"]) == ("a", 5, "c")
        (label,) = c["classifier"][0]["label_info"]
        assert (label["result_label"], label["result_prob"]) == ("AB 12", 0.25)
        assert c["emcustom"] == {"tensors": [{"name": "ocr", "label": "AB 12", "confidence": 0.25, "lines": 2}]}


def test_a_message_is_edited_by_removing_and_adding(module, documents):
    finds = module("def process_frame(frame):\n    frame.add_region(0, 0, 8, 8, 'car')\n    return True\n", "finds.py")
    edits = module(
        "import json\n"
        "def process_frame(frame):\n"
        "    for message in list(frame.messages()):\n"
        "        content = json.loads(message)\n"
        "        content['site'] = 'north'\n"
        "        frame.remove_message(message)\n"
        "        frame.add_message(json.dumps(content))\n"
        "    return True\n",
        "edits.py",
    )
    checks = module(
        "import json\n"
        "def process_frame(frame):\n"
        "    (content,) = map(json.loads, frame.messages())\n"
        "    return content['site'] == 'north' and content['objects'][0]['roi_type'] == 'car'\n",
        "checks.py",
    )
    assert len(documents(f"module={finds}", f"module={edits}", f"module={checks}")) == 2


def test_modules_of_one_name_in_different_folders_are_different_ones(tmp_path, documents):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text(f"NAME = {name!r}\n")
        text = "import helper\ndef process_frame(frame):\n    frame.add_message(helper.NAME)\n    return True\n"
        (tmp_path / name / "same.py").write_text(text)
    for document in documents(f"module={tmp_path}/a/same.py", f"module={tmp_path}/b/same"):
        assert document["frame"][0]["emcustom"]["messages"] == ["a", "b"]


@pytest.mark.parametrize("setting", ["custom-lib", "module"])
def test_empycustom_runs_such_modules_by_their_looks_or_by_name(module, gst_launch, setting):
    seen = module("from gstgva import VideoFrame\ndef anything(frame):\n    frame.add_message('1')\n    return True\n")
    for dialect in ("", "dialect=gvapython"):
        line = f"videotestsrc num-buffers=1 ! empycustom {dialect} {setting}={seen} function=anything ! {DOCUMENTS}"
        launched = gst_launch(line)
        assert launched.code == 0, launched.text
        assert launched.documents[0]["frame"][0]["emcustom"] == {"messages": ["1"]}


def test_what_modules_import_is_in_nobody_elses_environment(module, documents):
    import sys

    file = module(
        "import gstgva\nimport gstgva.util\nfrom gstgva.tensor import Tensor\ndef process_frame(frame):\n    return True\n"
    )
    result = testing.run(file)
    assert not result.dropped
    assert not [name for name in sys.modules if name.split(".")[0] == "gstgva"]


def test_programs_and_tests_run_modules_too(module):
    file = module("def process_frame(frame):\n    frame.add_message('1')\n    return len(list(frame.regions())) < 2\n")
    assert testing.run(file, testing.make_frame(objects=1)).attributes == {"messages": ["1"]}
    assert testing.run(file, testing.make_frame(objects=2)).dropped
    import empycustom

    with empycustom.process([np.zeros((48, 64, 3), np.uint8)] * 2, str(file)) as results:
        assert [result.attributes for result in results] == [{"messages": ["1"]}] * 2


THEIRS = """
from gi.repository import GstVideo
class VideoFrame:
    def __init__(self, buffer, caps=None):
        self.buffer, self.caps = buffer, caps
    def add_region(self, x, y, w, h, label):
        GstVideo.buffer_add_video_region_of_interest_meta(self.buffer, label, x, y, w, h)
"""


def test_the_package_of_dl_streamer_is_used_where_it_is_installed_but_not_in_workers(module, gst_launch, tmp_path):
    (tmp_path / "site" / "gstgva").mkdir(parents=True)
    (tmp_path / "site" / "gstgva" / "__init__.py").write_text(THEIRS)
    file = module(
        "from gstgva import VideoFrame\n"
        "def process_frame(frame):\n"
        "    print(isinstance(frame, VideoFrame), type(frame).__module__.split('.')[0])\n"
        "    if isinstance(frame, VideoFrame):\n"
        "        assert frame.caps.to_string().startswith('video/x-raw, format=(string)BGR, width=(int)64')\n"
        "    frame.add_region(1, 2, 3, 4, 'car')\n"
        "    return True\n"
    )
    source = SOURCE.format(count=1, format="BGR", width=64, height=48)
    for workers, expected in ((0, "True gstgva"), (1, "False empycustom")):
        line = f"{source} ! gvapython module={file} workers={workers} ! {DOCUMENTS}"
        launched = gst_launch(line, PYTHONPATH=str(tmp_path / "site"))
        assert launched.code == 0, launched.text
        assert expected in launched.out
        (found,) = next(json.loads(each) for each in launched.out.splitlines() if each.startswith("{"))["frame"][0]["object"]
        assert (found["obj_label"], found["rect_params"]["left"]) == ("car", 1)


CLASS = """\
class Counter:
    def __init__(self, *names, line=1):
        self.said = f"{names} {line}"
    def process(self, frame):
        frame.add_message(self.said)
        return True
"""


def test_programs_say_how_a_module_is_called(module):
    import empycustom

    file, other = module(CLASS), module("def process_ip(b, m, o):\n    return {'frame': {'own': True}}\n", "own.py")
    call = {"dialect": "gvapython", "class": "Counter", "function": "process", "arg": ["a"], "kwarg": {"line": 2}}
    expected = ["('a',) 2"]
    with testing.OpenLibrary(file, call=call) as opened:
        assert [opened.run().attributes for _ in range(2)] == [{"messages": expected}] * 2
    for workers in (0, 1):
        libraries = {"workers": [workers, 0], "call": [call, None]}
        with empycustom.process([np.zeros((48, 64, 3), np.uint8)] * 2, [str(file), str(other)], **libraries) as results:
            assert [result.attributes for result in results] == [{"messages": expected, "own": True}] * 2


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ([1], "call has to be a dict, not a list"),
        ({"clas": "A"}, "call has no 'clas'; class may be meant; it may have dialect, class, function, arg, kwarg"),
        ({"class": 3}, r"call\['class'\] has to be a str, not a int"),
        ({"kwarg": {"a": {1}}}, r"call\['kwarg'\] holds what JSON does not: "),
        ({"kwarg": [1]}, "kwarg is not a JSON object but list"),
        ({"dialect": "gva"}, r"call\['dialect'\] is one of auto, empycustom, gvapython, .*, not 'gva'"),
    ],
)
def test_a_call_that_cannot_be_is_refused(module, call, complaint):
    from empycustom.errors import PropertyError

    with pytest.raises(PropertyError, match=complaint):
        testing.run(module(CLASS), call=call)
