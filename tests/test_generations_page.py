"""What docs/generations.md states about the installed GStreamer is true."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.gstreamer import PYGOBJECT_VERSION, Gst
from empycustom.native import analytics
from empycustom.native.memory import BufferMap

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "generations.md").read_text(encoding="utf-8")
HEAD, _, *ROWS = ([cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|"))
CLAIMS = {row[0]: row[1:] for row in ROWS}
VERSIONS = [re.search(r"1\.\d+", cell).group() for cell in HEAD[1:-1]]
HERE = "{}.{}".format(*Gst.version())

HEADER = """
import gi
gi.require_version("Gst", "1.0"), gi.require_version("GstBase", "1.0"), gi.require_version("GstVideo", "1.0")
from gi.repository import GObject, Gst, GstBase, GstVideo
Gst.init(None)
"""
REMOVES = """
buffer = Gst.Buffer.new_allocate(None, 16, None)
GstVideo.buffer_add_video_region_of_interest_meta(buffer, "x", 1, 2, 3, 4)
buffer.foreach_meta(lambda *_: True)
print(GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, 0))
"""
FLOATS = """
def template(name, direction):
    return Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.new_any())
class Element(GstBase.BaseTransform):
    __gstmetadata__ = ("other people's", "Filter", "does nothing", "nobody")
    __gsttemplates__ = (template("src", Gst.PadDirection.SRC), template("sink", Gst.PadDirection.SINK))
GObject.type_register(Element)
Gst.Element.register(None, "theirs", 0, Element)
Gst.parse_launch("fakesrc ! theirs ! fakesink")
"""


def process(text):
    return subprocess.run([sys.executable, "-c", HEADER + text], capture_output=True, text=True, timeout=60, check=False)


def what_becomes_of_it(call):
    try:
        return str(call())
    except (KeyError, TypeError) as error:
        return type(error).__name__


def are_there(*names):
    return {0: "no", len(names): "yes"}[sum(Gst.ElementFactory.find(name) is not None for name in names)]


def onnxinference():
    element = Gst.ElementFactory.make("onnxinference")
    if element is None:
        return ""
    by_properties = element.find_property("input-image-format") is not None
    return "its properties, and metadata in the model" if by_properties else "a file `.modelinfo` beside the model"


def flipped_by_method():
    frames = []
    for element in ("identity", "videoflip method=horizontal-flip"):
        pipeline = Gst.parse_launch(f"videotestsrc num-buffers=1 ! video/x-raw,format=GRAY8 ! {element} ! appsink name=out")
        pipeline.set_state(Gst.State.PLAYING)
        buffer = pipeline.get_by_name("out").emit("pull-sample").get_buffer()
        frames.append(buffer.extract_dup(0, buffer.get_size()))
        pipeline.set_state(Gst.State.NULL)
    return "leaves the picture as it is" if frames[0] == frames[1] else "mirrors it"


def foreach_meta():
    done = process(REMOVES)
    return "ends the process" if done.returncode < 0 else {"None\n": "removes the metas"}[done.stdout]


def addresses_after_unmap():
    buffer = Gst.Buffer.new_allocate(None, 16, None)
    mapped = BufferMap(hash(buffer), writable=False)
    before = mapped.place
    mapped.unmap()
    return {before[:2]: "stay", (0, 0): "are cleared"}[mapped.place[:2]]


CAPS = Gst.Caps.from_string("video/x-raw,width=64")
PROBES = {
    "Python": lambda: ".".join(platform.python_version_tuple()[:2]),
    "PyGObject": lambda: "{}.{}".format(*PYGOBJECT_VERSION),
    "objects are written as": lambda: "GstAnalytics" if analytics.available else "region-of-interest metas",
    "`onnxinference`, `ssdobjectdetector`, `objectdetectionoverlay`": lambda: are_there(
        "onnxinference", "ssdobjectdetector", "objectdetectionoverlay"
    ),
    "`yolov8tensordec`, `ioutracker`": lambda: are_there("yolov8tensordec", "ioutracker"),
    "where `onnxinference` reads the inputs and outputs of a model": onnxinference,
    '`caps.get_structure(0)["width"]` (`caps[0]["width"]` works in all)': lambda: what_becomes_of_it(
        lambda: CAPS.get_structure(0)["width"]
    ),
    '`caps[0]["missing"]`': lambda: what_becomes_of_it(lambda: CAPS[0]["missing"]),
    "`videoflip method=horizontal-flip` (`video-direction=horiz` works in all)": flipped_by_method,
    "`Gst.Buffer.foreach_meta`": foreach_meta,
    "the addresses in a `GstMapInfo` after `gst_buffer_unmap`": addresses_after_unmap,
    'Python elements of other projects print "The created element should be floating"': lambda: (
        "yes" if "should be floating" in process(FLOATS).stderr else "no"
    ),
}
# Where something is that began at 8 of 64, and is 16 wide: place after each element.
MOVED = {"videocrop left=4": 4, "videoflip video-direction=horiz": 40}
PLACES = {
    "a region of interest after `videocrop`": ("region", ["videocrop left=4"]),
    "and after `videoflip`": ("region", ["videoflip video-direction=horiz"]),
    "an object of GstAnalytics after `videocrop` or `videoflip`": ("analytics", list(MOVED)),
}


@pytest.fixture
def claim():
    """Return what the page states about this GStreamer, by the first cell of the line."""
    if HERE not in VERSIONS:
        pytest.skip(f"the page does not cover GStreamer {HERE}")
    return lambda line: CLAIMS[line][VERSIONS.index(HERE)]


def test_lines_with_a_mark_are_tried_here():
    assert {line for line, cells in CLAIMS.items() if cells[-1] == "✓"} == {*PROBES, *PLACES}
    assert {len(cells) for cells in CLAIMS.values()} == {len(VERSIONS) + 1}


@pytest.mark.parametrize("line", PROBES)
def test_claims_are_true(claim, line):
    assert PROBES[line]() == claim(line)


def test_caps_have_items_everywhere():
    assert CAPS[0]["width"] == 64


@pytest.mark.parametrize("line", PLACES)
def test_objects_are_where_the_page_claims(claim, play, library, regions, line):
    kind, elements = PLACES[line]
    if kind == "analytics" and not analytics.available:
        assert claim(line) == ""
        return
    box = '{"left": 8, "top": 8, "width": 16, "height": 16}'
    text = f'def process_ip(b, m, o):\n    return {{"frame": [{{"new_object": [{{"rect_params": {box}}}]}}]}}\n'
    upstream = regions(("x", 8, 8, 16, 16)) if kind == "region" else library(text)
    for element in elements:
        pipeline = Gst.parse_launch(
            "videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=64,height=48 ! "
            f"empycustom in-place=true custom-lib={upstream} ! {element} ! aimeta name=meta ! fakesink"
        )
        played = play(pipeline)
        assert played.ended, played.errors
        (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
        lefts = [found["rect_params"]["left"] for found in frame["object"]]
        if "lost" in claim(line):
            assert lefts == []
        elif "not moved" in claim(line):
            assert lefts == [8]
        else:
            assert lefts == [pytest.approx(MOVED[element], abs=1)]  # GStreamer is one pixel off when it flips


@pytest.mark.parametrize("way", ["videoconvert ! video/x-raw,format=I420", "videoscale ! video/x-raw,width=32,height=24"])
def test_parameters_of_regions_are_lost_unless_a_library_adds_attributes(play, library, regions, way):
    upstream = f"empycustom in-place=true custom-lib={regions(('x', 8, 8, 16, 16, 1, {'detection': {'confidence': 0.5}}))}"
    adds = library("def process_ip(b, m, o):\n    return [{'was': o['confidence']} for o in m['frame'][0]['object']]\n")
    for elements, confidence in (
        (upstream, 0.5),
        (f"{upstream} ! {way}", 1),  # as where nobody says one
        (f"{upstream} ! empycustom in-place=true custom-lib={adds} ! {way}", 0.5),
    ):
        pipeline = Gst.parse_launch(
            f"videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=64,height=48 ! {elements} ! aimeta name=meta ! fakesink"
        )
        played = play(pipeline)
        assert played.ended, played.errors
        (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
        (found,) = frame["object"]
        assert (found["obj_label"], found["confidence"]) == ("x", confidence), elements


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
