"""Each row of the table in the page for those who come from hailopython is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from empycustom.frames.formats import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "moving-hailopython.md").read_text()
_TABLE = PAGE.partition("## Theirs and ours")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", _TABLE, re.MULTILINE)[1:])
HEAD = "import hailo\nfrom gsthailo import VideoFrame\nfrom gi.repository import Gst\n"
OK = "    return Gst.FlowReturn.OK\n"
MAPPED = (
    "    with video_frame.map_buffer() as map_info:\n"
    "        pixels = VideoFrame.numpy_array_from_buffer(map_info, video_info=video_frame.video_info)\n"
)


def frame(text="", last=OK):
    """Return a module whose function does something with a frame."""
    return f"{HEAD}def run(video_frame: VideoFrame):\n{text}{last}"


SHAPES = {"RGB": "48 64 3", "RGBA": "48 64 4", "YUY2": "48 64 2", "I420": "72 64 1", "NV12": "72 64 1"}
SHAPE = frame(f"{MAPPED}        print('shape', *pixels.shape)\n")
# By the beginning of the first cell: the elements, the module, how many documents come (None: it fails), what is printed, or ("!"
# before it) is not, and the format of the frames where it is another one than RGB. "@" is the module's file.
CASES = {
    "`hailopython module=lib.py`": [("hailopython module=@", frame(), 2, ""), ("empycustom custom-lib=@", frame(), 2, "")],
    "`processor.py` in": [("hailopython", frame("    print('usual')\n"), 2, "usual")],
    "`function=work`": [("hailopython module=@ function=work", frame().replace("def run", "def work"), 2, "")],
    "`finalize-function=end`": [
        ("hailopython module=@ finalize-function=end", frame() + "def end():\n    print('ended')\n    return 5\n", 2, "ended")
    ],
    "`finalize-function=none`": [("hailopython module=@ finalize-function=none", frame(), 2, "")],
    "`qos` is true": [],  # test_qos_is_false
    "RGB, RGBA, YUY2": [
        *(("hailopython module=@", SHAPE, 2, f"shape {shape}", name) for name, shape in SHAPES.items()),
        ("hailopython module=@", SHAPE, None, "can't handle caps video/x-raw, format=(string)BGR", "BGR"),
        ("empycustom dialect=hailopython module=@", SHAPE, 2, "shape 48 64 3", "BGR"),
        ("empycustom dialect=hailopython module=@", SHAPE, 2, "shape 48 64 1", "GRAY8"),
    ],
    "modules are imported by name": [
        (
            "hailopython module=@ ! hailopython module=@",
            "calls = []\ndef run(video_frame):\n    calls.append(1)\n    print('calls', len(calls))\n    return 0\n",
            2,
            "!calls 3",
        )
    ],
    "`import hailo`": [("hailopython module=@", frame("    print('id', hailo.HailoUniqueID(5).get_id())\n"), 2, "id 5")],
    "`from gsthailo import VideoFrame`": [
        ("hailopython module=@", frame("    print(VideoFrame.__module__, isinstance(video_frame, VideoFrame))\n"), 2, "True"),
    ],
    "`video_frame.roi`": [
        ("hailopython module=@", frame("    print('box', video_frame.roi.get_bbox().xmax())\n"), 2, "box 1.0"),
        ("hailopython module=@ workers=1", frame("    video_frame.roi\n"), None, "is in the process of the pipeline"),
    ],
    "`video_frame.buffer`": [
        ("hailopython module=@", frame("    print('bytes', video_frame.buffer.get_size())\n"), 2, "bytes 9216")
    ],
    "`video_frame.video_info`": [
        (
            "hailopython module=@",
            frame("    info = video_frame.video_info\n    print('info', info.width, info.height, info.fps_n)\n"),
            2,
            "info 64 48 30",
        )
    ],
    "`video_frame.map_buffer()`": [
        (
            "hailopython module=@",
            frame("    with video_frame.map_buffer() as m:\n        print('size', m.size)\n"),
            2,
            "size 9216",
        ),
        ("hailopython module=@", frame(MAPPED, "    return pixels.sum()\n"), None, "used after its with block"),
    ],
    "`numpy_array_from_buffer(": [
        ("hailopython module=@", SHAPE, 2, "shape 48 64 3"),
    ],
    "returns `Gst.FlowReturn.OK`": [("hailopython module=@", frame(), 2, "")],
    "returns `False` or 0": [
        ("hailopython module=@", frame(last="    return False\n"), 2, ""),
        ("hailopython module=@", frame(last="    return 0\n"), 2, ""),
    ],
    "returns `Gst.FlowReturn.EOS`": [("hailopython module=@", frame(last="    return Gst.FlowReturn.EOS\n"), 0, "!ERROR")],
    "returns `Gst.FlowReturn.CUSTOM_SUCCESS`": [
        ("hailopython module=@", frame(last="    return Gst.FlowReturn.CUSTOM_SUCCESS\n"), 0, "!ERROR")
    ],
    "returns `Gst.FlowReturn.ERROR`": [
        (
            "hailopython module=@",
            frame(last="    return Gst.FlowReturn.ERROR\n"),
            None,
            "lib.py:4: run returned Gst.FlowReturn.ERROR",
        )
    ],
    "returns nothing": [
        ("hailopython module=@", frame(last="    pass\n"), None, "lib.py:4: run returned None"),
        ("hailopython module=@", frame(last="    pass\n"), None, "; return Gst.FlowReturn.OK"),
        ("hailopython module=@ on-error=pass", frame(last="    pass\n"), 2, ""),
    ],
    "a function that raises": [
        ("hailopython module=@", frame("    raise ValueError('no')\n"), None, "lib.py:5: run raised ValueError: no"),
        ("hailopython module=@", frame("    raise ValueError('no')\n"), None, "Traceback (most recent call last)"),
    ],
    "a missing function": [("hailopython module=@ function=walk", frame(), None, "lib.py has no walk")],
    "a missing module": [("hailopython module=other.py", frame(), None, "other.py does not exist")],
}


def test_each_row_has_a_case():
    assert len(ROWS) == len(CASES)
    for row in ROWS:
        assert [begin for begin in CASES if row.startswith(begin)], row
    assert f"[{len(FORMATS)} formats]" in PAGE


@pytest.mark.parametrize(("row", "index"), [(row, index) for row, cases in CASES.items() for index in range(len(cases))])
def test_a_row_is_what_happens(launch, library, row, index):
    elements, text, documents, printed, *pixels = CASES[row][index]
    file = library(text, "lib.py" if "@" in elements else "processor.py")
    done = launch(
        f"videotestsrc num-buffers=2 ! video/x-raw,format={pixels[0] if pixels else 'RGB'},width=64,height=48,framerate=30/1 ! "
        f"{elements.replace('@', str(file))} ! aimeta silent=false ! fakesink"
    )
    assert (done.code == 0) == (documents is not None), done.text
    if documents is not None:
        assert len(done.documents) == documents
    assert (printed.lstrip("!") in done.text) != printed.startswith("!"), done.text


def test_qos_is_false():
    import empycustom
    from empycustom.gstreamer import Gst

    empycustom.register()
    assert not Gst.ElementFactory.make("hailopython").get_property("qos")


@pytest.mark.parametrize("between", ["", "jpegenc ! jpegdec !", "video/x-raw,format=BGR ! videoconvert !"])
def test_a_line_without_a_format_gets_the_one_that_it_gets_in_tappas(hailo, play, library, between):
    """Its element takes these five formats and nothing else."""
    import empycustom
    from empycustom.gstreamer import Gst

    empycustom.register()
    formats = []
    for element in (f"hailopython module={library(frame())}", f"capsfilter caps=video/x-raw,format={{{','.join(SHAPES)}}}"):
        pipeline = Gst.parse_launch(f"videotestsrc num-buffers=1 ! {between} {element} ! appsink name=out")
        (sample,) = play(pipeline).samples
        formats.append(sample.get_caps()[0]["format"])
    assert formats[0] == formats[1] in SHAPES
