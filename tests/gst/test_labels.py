"""Labels that keep coming, such as number plates: GLib never frees what stands in a region's type, so they travel elsewhere."""

from __future__ import annotations

import re

import pytest

SOURCE = "videotestsrc num-buffers={} ! video/x-raw,format=RGBA,width=32,height=32"
# 100 objects per frame, each with its own label, a tenth with a class; prints the memory of the process.
PLATES = """
number = 0
def process_ip(b, m, o):
    global number
    number += 1
    if number % 250 == 0:
        print("kB:", int(open("/proc/self/statm").read().split()[1]) * 4, flush=True)
    found = [{"obj_label": f"car {number}-{index}", "rect_params": dict(left=1, top=2, width=3, height=4)} for index in range(100)]
    for index in range(10):
        found[index]["classifier"] = [{"label_info": [{"result_label": f"{number}:{index}"}]}]
    return {"frame": [{"new_object": found}]}
"""
FILLED = """
number = -1
def process_ip(b, m, o):
    global number
    number += 1
    box = {"left": 8, "top": 4, "width": 16, "height": 8}
    label = "x" * 300 if number == 0 else f"plate {number}"
    colour = [{"label_info": [{"result_label": f"colour {number}"}]}]
    found = {"obj_label": label, "class_id": 3, "rect_params": box, "classifier": colour}
    many = [{"obj_label": f"label {number}-{index}", "rect_params": box} for index in range(100)]
    return {"frame": [{"new_object": [found, {**found, "obj_label": "car"}, *many]}]}
"""
NAMER = "def process_ip(b, m, o):\n    return [{'name': found['obj_label']} for found in m['frame'][0]['object']]\n"


def test_memory_does_not_grow_with_150_000_labels(gst_launch, library):
    lib = library(PLATES)
    launched = gst_launch(f"-q {SOURCE.format(1500)} ! empycustom in-place=true custom-lib={lib} ! fakesink")
    assert launched.code == 0, launched.text
    occupied = [int(number) for number in re.findall(r"kB: (\d+)", launched.out)]
    assert len(occupied) == 6
    assert occupied[-1] - occupied[0] < 5000, occupied


def test_labels_that_no_region_has_are_those_that_were_given(gst_launch, library):
    """After conversions, for readers and for libraries that add attributes to the objects; with one line in the log."""
    filled, namer = library(FILLED, "filled.py"), library(NAMER, "namer.py")
    launched = gst_launch(
        f"-q {SOURCE.format(50)} ! empycustom in-place=true custom-lib={filled} ! videoconvert ! video/x-raw,format=I420 ! "
        f"empycustom in-place=true custom-lib={namer} ! videoscale ! video/x-raw,width=64,height=64 ! aimeta silent=false ! fakesink",
        GST_DEBUG="python-empycustom:2",
    )
    assert launched.code == 0, launched.text
    frames = [document["frame"][0]["object"] for document in launched.documents]
    for number, (plate, car, *many) in enumerate(frames):
        wanted = "x" * 300 if number == 0 else f"plate {number}"
        assert [found["obj_label"] for found in (plate, car)] == [wanted, "car"]
        assert [found["emcustom"] for found in (plate, car)] == [{"name": wanted}, {"name": "car"}]
        for found in (plate, car):
            assert found["class_id"] == 3
            assert found["classifier"][0]["label_info"][0]["result_label"] == f"colour {number}"
            assert found["rect_params"] == {"left": 16, "top": 8, "width": 32, "height": 16}
        assert [found["obj_label"] for found in many] == [f"label {number}-{index}" for index in range(100)]
    assert launched.err.count("are called label-in-EmPyCustomMeta in GStreamer's own metadata") == 1


@pytest.mark.inline("metadata on the buffer does not come back from workers")
def test_a_region_of_somebody_else_keeps_its_label(gst_launch, library):
    """One that took the id of an object of ours whose label is elsewhere."""
    filled = library(FILLED.replace('f"plate {number}"', '"x" * 400'), "filled.py")
    other = library(
        """
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GObject, GstVideo
def process_ip(b, m, o):
    api = GObject.type_from_name("GstVideoRegionOfInterestMetaAPI")
    ids = []
    while meta := b.get_meta(api):
        b.remove_meta(meta)
    for number in (1, 2):
        meta = GstVideo.buffer_add_video_region_of_interest_meta(b, "foreign", 1, 2, 3, 4)
        meta.id = number
""",
        "other.py",
    )
    launched = gst_launch(
        f"-q {SOURCE.format(3)} ! empycustom in-place=true custom-lib={filled} ! empycustom in-place=true custom-lib={other} ! "
        "aimeta silent=false ! fakesink"
    )
    assert launched.code == 0, launched.text
    for document in launched.documents:
        found = [found for found in document["frame"][0]["object"] if found["obj_label"] == "foreign"]
        assert [one["class_id"] for one in found] == [-1, -1]
