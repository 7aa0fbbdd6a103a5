"""Boxes of objects stay with their objects through elements that scale, crop and convert."""

from __future__ import annotations

import json

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48,framerate=10/1"


READS_BY_NAME = """
import json
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GstVideo

def box(buffer, key):
    kind, _, number = key.partition("/")
    if kind == "region":
        region = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, int(number))
        return [region.x, region.y, region.w, region.h]
    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GstAnalytics
    _, found = GstAnalytics.buffer_get_analytics_relation_meta(buffer).get_od_mtd(int(number))
    return list(found.get_location())[1:5]

def process_ip(buffer, in_meta, options):
    # As a program of somebody else's: our JSON by its name, and the box of each object by its key.
    said = json.loads(buffer.get_custom_meta("EmPyCustomMeta").get_structure().get_string("json"))
    assert not any("rect_params" in found for found in said["object"])
    return {"frame": {"boxes": {found["obj_label"]: box(buffer, found["key"]) for found in said["object"]}}}
"""


WAYS = ["videoscale", "videoscale ! videoconvert ! video/x-raw,format=I420 ! queue ! videoscale", "videoconvertscale"]


@pytest.mark.inline("metadata on the buffer does not go to workers")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(128, 96), (32, 24), (128, 48)])
def test_whoever_reads_by_name_finds_the_boxes_where_they_are(document, library, detector, way, size):
    """Directly behind what scaled it: the JSON repeats no box that would be an old one."""
    scaled = f"video/x-raw,width={size[0]},height={size[1]},pixel-aspect-ratio=1/1"
    first, *others = way.replace("scale", "scale add-borders=false").split(" ! ")
    reader = f"empycustom in-place=true custom-lib={library(READS_BY_NAME, 'by_name.py')}"
    frame = document(f"{SOURCE} ! {detector} ! {' ! '.join([first, *others])} ! {scaled} ! {reader}")
    across, down = size[0] / 64, size[1] / 48
    for label, box in (("person", (8, 4, 16, 20)), ("car", (40, 20, 10, 6))):
        wanted = [box[0] * across, box[1] * down, box[2] * across, box[3] * down]
        assert frame["emcustom"]["boxes"][label] == pytest.approx(wanted, abs=1)
    person, car = (found["rect_params"] for found in frame["object"])
    assert person["width"] == pytest.approx(16.5 * across, abs=0.1), "what lies between pixels is in parts of the region"
    assert [car["left"], car["top"], car["width"], car["height"]] == frame["emcustom"]["boxes"]["car"]


def test_a_library_behind_videoscale_leaves_no_old_boxes(document, library, detector):
    """Also of objects that it says nothing about, and where it changes the size itself."""
    lib = library("def process_ip(b, m, o):\n    return [{'n': 1}]\n")
    scale = "videoscale ! video/x-raw,width=32,height=24"
    frame = document(f"{SOURCE} ! {detector} ! {scale} ! empycustom in-place=true custom-lib={lib}")
    assert [found["rect_params"]["left"] for found in frame["object"]] == [4, 20]
    assert [found["rect_params"]["top"] for found in frame["object"]] == [2, 10]
    resizer = library(
        "import numpy as np\ndef output_caps(c, o):\n    return 'video/x-raw,width=128,height=96'\n"
        "def process(b, m, o):\n    return np.zeros((96, 128, 4), np.uint8), [{'n': 2}]\n",
        "resizer.py",
    )
    frame = document(f"{SOURCE} ! {detector} ! empycustom custom-lib={resizer}")
    assert (frame["source_frame_width"], frame["source_frame_height"]) == (128, 96)
    assert [found["rect_params"]["left"] for found in frame["object"]] == [16, 80]
    assert frame["object"][0]["emcustom"] == {"n": 2}


def test_an_object_outside_of_the_frame_is_where_it_was_and_is_scaled(document, library):
    lib = library("""
def process_ip(b, m, o):
    boxes = [{"left": -20.5, "top": 4, "width": 10, "height": 10}, {"left": 3.25, "top": -2, "width": 0.25, "height": 8}]
    return {"frame": [{"new_object": [{"obj_label": "x", "rect_params": box} for box in boxes]}]}
""")
    for scale, factor in (("identity", 1), ("videoscale ! video/x-raw,width=128,height=96", 2)):
        boxes = [
            found["rect_params"]
            for found in document(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! {scale}")["object"]
        ]
        wanted = [(-20.5, 4, 10, 10), (3.25, -2, 0.25, 8)]
        # GStreamer 1.28 scales what is left of the frame, or above it, by a pixel too little.
        near = 1.01 if factor != 1 and Gst.version() >= (1, 28) else 0.01
        assert [tuple(box.values()) for box in boxes] == [
            pytest.approx([side * factor for side in box], abs=near) for box in wanted
        ]


@pytest.mark.inline("metadata on the buffer does not go to workers")
def test_what_earlier_versions_wrote_is_read(document, library, regions):
    """Whole objects, with their boxes: they count where the region still lies there."""
    objects = [
        {
            "key": "region/1",
            "obj_label": "a",
            "class_id": 4,
            "confidence": 0.5,
            "rect_params": {"left": 1.25, "top": 2, "width": 3, "height": 4},
        },
        {
            "key": "region/2",
            "obj_label": "b",
            "rect_params": {"left": 50, "top": 2, "width": 3, "height": 4},
            "emcustom": {"n": 2},
        },
    ]
    text = json.dumps({"frame_num": 0, "timestamp": "t", "source_frame_width": 64, "source_frame_height": 48, "object": objects})
    writer = library(
        f"""
from empycustom.native.own_metas import JsonMeta
def process_ip(b, m, o):
    JsonMeta("EmPyCustomMeta").add(hash(b), 0, {text.encode()!r})
""",
        "earlier.py",
    )
    elements = [regions(("a", 1, 2, 3, 4, 1), ("b", 5, 6, 7, 8, 2)), writer]
    a, b = document(f"{SOURCE} ! {' ! '.join(f'empycustom in-place=true custom-lib={lib}' for lib in elements)}")["object"]
    assert (a["class_id"], a["confidence"], a["rect_params"]["left"]) == (4, 0.5, 1.25)
    assert (b["rect_params"]["left"], b["emcustom"]) == (5, {"n": 2})


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("videoscale name=one ! video/x-raw,width=128,height=48,pixel-aspect-ratio=1/1", "one"),
        (
            "( videoscale name=two ! video/x-raw,width=64,height=24,pixel-aspect-ratio=1/1 ! queue ) ! tee ! queue ! videoconvert",
            "two",
        ),
        ("videoconvertscale name=three ! video/x-raw,width=48,height=48,pixel-aspect-ratio=1/1,format=I420 ! identity", "three"),
        ("videoscale add-borders=false ! video/x-raw,width=128,height=48,pixel-aspect-ratio=1/1", None),
        ("videoscale ! video/x-raw,width=128,height=96", None),
        ("videoscale ! video/x-raw,width=128,height=48", None),  # the pixels become wider
        ("identity", None),
    ],
)
def test_borders_beside_which_boxes_lie_are_a_warning_that_names_the_element(play, detector, namer, way, name):
    played = play(f"{SOURCE} ! {detector} ! {way} ! aimeta ! {namer} ! fakesink")
    assert played.ended, played.errors
    told = [text for text, _ in played.warnings]
    assert len(told) == (2 if name else 0), "each element that reads says it once"
    assert all(
        text.startswith(f"{name} upstream adds borders") and text.endswith(f"add-borders=false on {name}") for text in told
    )


def test_borders_that_were_added_before_the_objects_are_no_warning(play, detector, namer):
    border = "videoscale ! video/x-raw,width=128,height=48,pixel-aspect-ratio=1/1"
    played = play(f"{SOURCE} ! {border} ! {detector} ! {namer} ! aimeta ! fakesink")
    assert played.ended, played.errors
    assert not [text for text, _ in played.warnings if "borders" in text]
