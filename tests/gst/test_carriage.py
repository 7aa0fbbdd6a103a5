"""Metadata through a pipeline: objects in and out, and attributes that stay with their objects through other elements."""

from __future__ import annotations

import json

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48,framerate=10/1"


@pytest.mark.inline("metadata on the buffer does not come back from workers")
def test_regions_of_interest_become_objects(document, regions):
    lib = regions(
        ("person", 1, 2, 3, 4, 7, {"detection": {"confidence": 0.5, "label_id": 2}, "object_id": {"id": 9}}),
        ("car", 5, 6, 7, 8, 0, {"colour": {"label": "red", "label_id": 4, "confidence": 0.25}}),
    )
    frame = document(f"{SOURCE} ! empycustom in-place=true custom-lib={lib}")
    assert frame["object"] == [
        {
            "class_id": 2,
            "object_id": 9,
            "confidence": 0.5,
            "obj_label": "person",
            "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4},
            "text_params": {"display_text": ""},
            "classifier": [],
        },
        {
            "class_id": -1,
            "object_id": -1,
            "confidence": 1.0,
            "obj_label": "car",
            "rect_params": {"left": 5, "top": 6, "width": 7, "height": 8},
            "text_params": {"display_text": ""},
            "classifier": [
                {
                    "num_labels": 1,
                    "unique_component_id": 0,
                    "label_info": [
                        {"num_classes": 0, "result_label": "red", "result_class_id": 4, "label_id": 0, "result_prob": 0.25}
                    ],
                }
            ],
        },
    ]


def test_a_library_is_the_detector(document, detector):
    person, car = document(f"{SOURCE} ! {detector}")["object"]
    assert (person["obj_label"], person["class_id"], person["confidence"], person["object_id"]) == ("person", 2, 0.75, 41)
    assert person["rect_params"] == {"left": 8, "top": 4, "width": 16.5, "height": 20}
    assert (car["obj_label"], car["class_id"], car["confidence"], car["object_id"]) == ("car", 0, 0.5, -1)
    assert car["text_params"] == {"display_text": "Car!"}
    assert car["classifier"][0]["label_info"][0]["result_label"] == "red"
    assert car["classifier"][0]["unique_component_id"] == 3


BETWEEN = [
    "identity",
    "queue",
    "tee name=t ! queue",
    "videoconvert ! video/x-raw,format=I420 ! videoconvert ! video/x-raw,format=RGBA",
    "videobalance",
    "queue ! videoconvert ! video/x-raw,format=NV12 ! tee ! queue",
]


@pytest.mark.parametrize("between", BETWEEN)
def test_everything_stays_with_its_object_through(document, detector, namer, between):
    """All fields and attributes survive, added before or after, and the box is where it was."""
    frame = document(f"{SOURCE} ! {detector} ! {between} ! {namer} ! {between.replace('name=t', '')}")
    direct = document(f"{SOURCE} ! {detector}")
    named = [{**found, "emcustom": {"name": found["obj_label"]}} for found in direct["object"]]
    assert frame["object"] == named
    assert frame["emcustom"] == {"frame": True}


def test_a_scaled_frame_has_scaled_boxes_and_all_else(document, detector, namer):
    """Half the size: boxes are halved; class, confidence, tracking id, classes and attributes do not change."""
    scale = "videoscale ! video/x-raw,width=32,height=24"
    for order in (f"{scale} ! {namer}", f"{namer} ! {scale}"):
        person, car = document(f"{SOURCE} ! {detector} ! {order}")["object"]
        assert person["rect_params"] == {"left": 4, "top": 2, "width": pytest.approx(8, abs=1), "height": 10}
        assert car["rect_params"] == {"left": 20, "top": 10, "width": 5, "height": 3}
        assert (person["class_id"], person["confidence"], person["object_id"]) == (2, 0.75, 41)
        assert (car["class_id"], car["confidence"], car["text_params"]["display_text"]) == (0, 0.5, "Car!")
        assert [found["emcustom"] for found in (person, car)] == [{"name": "person"}, {"name": "car"}]


@pytest.mark.inline("metadata on the buffer does not come back from workers")
def test_attributes_of_regions_of_others_survive_a_conversion_with_their_fields(document, regions, namer):
    """A conversion drops the parameters of regions; the fields at the time when attributes were added are kept beside these."""
    lib = regions(
        ("a", 1, 2, 3, 4, 0, {"detection": {"confidence": 0.5, "label_id": 2}}),
        ("a", 11, 12, 13, 14, 0, {"detection": {"confidence": 0.25, "label_id": 3}}),
        ("b", 21, 22, 23, 24, 5),
    )
    frame = document(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! {namer} ! videoconvert ! video/x-raw,format=I420")
    assert [(found["rect_params"]["left"], found["class_id"], found["confidence"]) for found in frame["object"]] == [
        (1, 2, 0.5),
        (11, 3, 0.25),
        (21, -1, 1.0),
    ]
    assert [found["emcustom"] for found in frame["object"]] == [{"name": "a"}, {"name": "a"}, {"name": "b"}]


def test_attributes_of_two_branches_do_not_mix(play, library, detector):
    """After a tee each branch adds its own attributes to the same objects."""
    libs = {
        name: library(f"def process_ip(b, m, o):\n    return [{{'{name}': 1}}, {{'{name}': 2}}]\n", f"{name}.py") for name in "ab"
    }
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! {detector} ! tee name=t ! queue ! empycustom in-place=true custom-lib={libs['a']} ! aimeta name=a ! fakesink "
        f"t. ! queue ! empycustom in-place=true custom-lib={libs['b']} ! aimeta name=b ! fakesink"
    )
    assert play(pipeline).ended
    for name in "ab":
        frame = json.loads(pipeline.get_by_name(name).get_property("last-meta"))["frame"][0]
        assert [found["emcustom"] for found in frame["object"]] == [{name: 1}, {name: 2}]


def test_attributes_of_elements_in_a_row_are_merged(document, library, detector):
    one = library("def process_ip(b, m, o):\n    return [{'a': 1, 'deep': {'x': 1}}, 'text']\n", "one.py")
    two = library("def process_ip(b, m, o):\n    return [{'a': 2, 'b': 3, 'deep': {'y': 2}}, {'c': 1}]\n", "two.py")
    frame = document(
        f"{SOURCE} ! {detector} ! empycustom in-place=true custom-lib={one} ! empycustom in-place=true custom-lib={two}"
    )
    assert [found["emcustom"] for found in frame["object"]] == [{"a": 2, "b": 3, "deep": {"x": 1, "y": 2}}, {"c": 1}]


def test_the_next_library_gets_the_attributes(document, library, detector, namer):
    lib = library(
        "def process_ip(b, m, o):\n    frame = m['frame'][0]\n    return [{'heard': [f['emcustom'] for f in frame['object']]},"
        " {}, {'about_frame': frame['emcustom']}]\n"
    )
    frame = document(f"{SOURCE} ! {detector} ! {namer} ! empycustom in-place=true custom-lib={lib}")
    assert frame["object"][0]["emcustom"] == {"name": "person", "heard": [{"name": "person"}, {"name": "car"}]}
    assert frame["object"][1]["emcustom"] == {"name": "car"}
    assert frame["emcustom"] == {"frame": True, "about_frame": {"frame": True}}


@pytest.mark.parametrize(
    ("returned", "objects", "about_frame"),
    [
        ("[{'n': 1}]", [{"n": 1}, None], None),
        ("[{}, {'n': 2}]", [None, {"n": 2}], None),
        ("[{'n': 1}, {}, {'f': 1}]", [{"n": 1}, None], {"f": 1}),
        ("[{}, {}, {'f': 1}, {'g': 2}]", [None, None], {"f": 1, "g": 2}),
        ("str([{'n': 1}, {'n': True}])", [{"n": 1}, {"n": True}], None),
        ('\'[{"n": 1}, {"n": null}]\'', [{"n": 1}, {"n": None}], None),
        ("{'frame': [{'meta': 5, 'object': [{}, [1]]}]}", [None, [1]], 5),
        ("''", [None, None], None),
        ("None", [None, None], None),
    ],
)
def test_lists_are_distributed_over_objects_and_frame(document, library, detector, returned, objects, about_frame):
    lib = library(f"def process_ip(b, m, o):\n    return {returned}\n")
    frame = document(f"{SOURCE} ! {detector} ! empycustom in-place=true custom-lib={lib}")
    assert [found.get("emcustom") for found in frame["object"]] == objects
    assert frame.get("emcustom") == about_frame


def test_without_objects_the_first_entry_is_the_frames(gst_launch, library):
    lib = library("def process_ip(b, m, o):\n    return [{'n': 1}, {'n': 2}]\n")
    launched = gst_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! aimeta silent=false ! fakesink", GST_DEBUG="python-empycustom:2"
    )
    assert [document["frame"][0]["emcustom"] for document in launched.documents] == [{"n": 1}] * 3
    assert launched.err.count("1 of 2 entries were ignored") == 1, "said once, in the log"


def test_attributes_of_the_batch(play, library):
    lib = library("def process_ip(b, m, o):\n    return {'meta': {'batch': m['frame'][0]['frame_num']}}\n")
    other = library("def process_ip(b, m, o):\n    return {'meta': {'heard': m['emcustom']}}\n", "other.py")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! empycustom in-place=true custom-lib={other} ! aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    document = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))
    assert document["emcustom"] == {"batch": 2, "heard": {"batch": 2}}
    assert "emcustom" not in document["frame"][0]


def test_elements_agree_on_the_frame_number_where_frames_are_dropped_between(play, library, tmp_path):
    lib = library("def process_ip(b, m, o):\n    return [{'first': m['frame'][0]['frame_num']}]\n", "first.py")
    other = library("def process_ip(b, m, o):\n    return [{'second': m['frame'][0]['frame_num']}]\n", "second.py")
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=20 ! video/x-raw,format=RGBA,framerate=20/1 ! empycustom in-place=true custom-lib={lib} ! "
        f"videorate drop-only=true ! video/x-raw,framerate=5/1 ! empycustom in-place=true custom-lib={other} ! aimeta name=meta ! fakesink"
    )
    frames = []
    pipeline.get_by_name("meta").connect("new-meta", lambda _, text: frames.append(json.loads(text)["frame"][0]))
    assert play(pipeline).ended
    assert len(frames) < 20
    assert all(frame["emcustom"]["first"] == frame["emcustom"]["second"] == frame["frame_num"] for frame in frames)
    assert [frame["frame_num"] for frame in frames] == sorted({frame["frame_num"] for frame in frames})
    assert frames[-1]["frame_num"] > len(frames)


def test_the_custom_meta_is_readable_by_name(play, detector, namer):
    """Any program that knows GStreamer can read it; nothing of ours is needed."""
    played = play(f"{SOURCE} ! {detector} ! {namer} ! appsink name=out")
    structure = played.samples[1].get_buffer().get_custom_meta("EmPyCustomMeta").get_structure()
    assert structure.get_uint64("frame-num") == (True, 1)
    said = json.loads(structure.get_string("json"))
    assert [record["emcustom"] for record in said["object"]] == [{"name": "person"}, {"name": "car"}]
    assert said["emcustom"] == {"frame": True}


def test_odd_labels_and_attributes_survive(document, library):
    words = {
        "quote": '"',
        "single": "'",
        "back": "\\",
        "newline": "\n",
        "nul": "\0",
        "emoji": "🙂",
        "brace": "}{",
        "semi": ";,=()",
    }
    lib = library(
        f"""
def process_ip(b, m, o):
    box = {{"left": 0, "top": 0, "width": 4, "height": 4}}
    return {{"frame": [{{"meta": {words!r}, "new_object": [{{"obj_label": 'ÄÖ "quoted"; 人', "rect_params": box}}]}}]}}
"""
    )
    frame = document(f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! videoconvert ! video/x-raw,format=I420")
    assert frame["emcustom"] == words
    assert frame["object"][0]["obj_label"] == 'ÄÖ "quoted"; 人'


def test_nan_and_numpy_values_leave_as_valid_json(document, library):
    lib = library("""
import numpy as np
def process_ip(b, m, o):
    return [{"nan": float("nan"), "inf": -np.inf, "f": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True), "a": np.arange(3)}]
""")
    frame = document(f"{SOURCE} ! empycustom in-place=true custom-lib={lib}")
    assert frame["emcustom"] == {"nan": None, "inf": None, "f": 0.5, "i": 3, "b": True, "a": [0, 1, 2]}


def test_an_object_that_reaches_out_of_the_frame(document, library):
    lib = library("""
def process_ip(b, m, o):
    box = {"left": -5, "top": -2.5, "width": 10, "height": 10}
    return {"frame": [{"new_object": [{"obj_label": "x", "rect_params": box}]}]}
""")
    rect = document(f"{SOURCE} ! empycustom in-place=true custom-lib={lib}")["object"][0]["rect_params"]
    assert rect["left"] <= 0
    assert rect["left"] + rect["width"] == 5
    assert rect["top"] + rect["height"] == pytest.approx(7.5, abs=0.5)


def test_many_objects(document, library):
    lib = library("""
def process_ip(b, m, o):
    found = m["frame"][0]["object"]
    if found:
        return [{"n": index} for index in range(len(found))]
    return {"frame": [{"new_object": [
        {"obj_label": "x", "class_id": n, "rect_params": {"left": n % 50, "top": 0, "width": 4, "height": 4}} for n in range(200)]}]}
""")
    element = f"empycustom in-place=true custom-lib={lib}"
    frame = document(f"{SOURCE} ! {element} ! videoconvert ! video/x-raw,format=BGRA ! {element}")
    assert [(found["class_id"], found["emcustom"]["n"]) for found in frame["object"]] == [(n, n) for n in range(200)]


@pytest.mark.inline("metadata on the buffer does not come back from workers")
def test_attributes_do_not_pass_to_a_new_object_with_the_id_of_one_that_is_gone(document, library, namer, regions):
    """An element in between removes an object, another adds one: the attributes belong to the first."""
    remover = library(
        """
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import GstVideo
def process_ip(b, m, o):
    meta = GstVideo.buffer_get_video_region_of_interest_meta_id(b, 5)
    assert b.remove_meta(meta.meta)
    return [{"still": "here"}]
""",
        "remover.py",
    )
    adds, removes = (f"empycustom in-place=true custom-lib={lib}" for lib in (regions(("a", 1, 2, 3, 4, 5)), remover))
    frame = document(f"{SOURCE} ! {adds} ! {namer} ! {removes} ! {adds}")
    assert [(found["obj_label"], found.get("emcustom")) for found in frame["object"]] == [("a", None)]


@pytest.mark.inline("metadata on the buffer does not come back from workers")
@pytest.mark.parametrize(
    "text",
    [
        "{broken",
        "[1]",
        '{"object": []}',
        '{"frame_num": 0, "timestamp": "", "object": [{"key": "region/1", "confidence": "high"}]}',
        '{"frame_num": 0, "timestamp": "", "object": [{"key": "region/1", "box_in_region": [0, 1]}]}',
        '{"frame_num": 0, "timestamp": "", "object": [{}]}',
        '{"frame_num": 0, "timestamp": ""} and more',
    ],
)
def test_metadata_that_others_have_damaged_is_an_error(play, library, regions, text):
    spoiler = library(
        f"""
from empycustom.native.own_metas import JsonMeta
def process_ip(b, m, o):
    JsonMeta("EmPyCustomMeta").add(hash(b), 0, {text.encode()!r})
""",
        "spoiler.py",
    )
    elements = [f"empycustom in-place=true custom-lib={lib}" for lib in (regions(("a", 1, 2, 3, 4, 1)), spoiler)]
    error = play(f"{SOURCE} ! {elements[0]} ! {elements[1]} ! aimeta ! fakesink").error
    assert "the JSON in the buffer's EmPyCustomMeta at frame 0 (0:00:00.000) is not as empycustom writes it" in error
    assert text in error


def test_large_integers_stay_as_they_are_through_libraries(document, library):
    bag = "{'rect_params': {'left': 1, 'top': 1, 'width': 20, 'height': 20}, 'obj_label': 'bag', 'emcustom': {'id': 2**127}}"
    libraries = [
        library(f"def process_ip(b, m, o):\n    return {{'frame': [{{'new_object': [{bag}]}}]}}\n", "finds.py"),
        library("def process_ip(b, m, o):\n    return [{'other': 2**100} for x in m['frame'][0]['object']]\n", "adds.py"),
        library(
            "def process_ip(b, m, o):\n    return {'frame': {'same': m['frame'][0]['object'][0]['emcustom']['id'] == 2**127}}\n"
        ),
    ]
    frame = document(f"{SOURCE} ! " + " ! ".join(f"empycustom in-place=true custom-lib={path}" for path in libraries))
    assert frame["object"][0]["emcustom"] == {"id": 2**127, "other": 2**100}
    assert frame["emcustom"] == {"same": True}
