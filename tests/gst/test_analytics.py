"""Objects as GstAnalytics, made and read by GStreamer's own functions, where GStreamer has it (1.24 and later)."""

from __future__ import annotations

import json

import pytest

from empycustom.gstreamer import Gst
from empycustom.native import analytics

pytestmark = pytest.mark.skipif(not analytics.available, reason="this GStreamer has no GstAnalytics (it came with 1.24)")

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
HEADER = """
import gi
gi.require_version("GstAnalytics", "1.0")
from gi.repository import GLib, Gst, GstAnalytics
"""
# As an inference element and a tracker leave it: two boxes; the first is tracked and classified.
UPSTREAM = (
    HEADER
    + """
def process_ip(b, m, o):
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    quark = GLib.quark_from_string
    _, person = meta.add_od_mtd(quark("person"), 10, 20, 30, 25, 0.5)
    _, car = meta.add_od_mtd(quark("car"), -1, 2, 3, 4, 0.25)
    _, track = meta.add_tracking_mtd(77, 0)
    _, colour = meta.add_one_cls_mtd(0.75, quark("red"))
    for other in (track, colour):
        assert meta.set_relation(GstAnalytics.RelTypes.RELATE_TO, person.id, other.id)
"""
)
NAMER = "def process_ip(b, m, o):\n    return [{'name': f['obj_label'], 'id': f['object_id']} for f in m['frame'][0]['object']]\n"


def last_frame(play, description):
    pipeline = Gst.parse_launch(f"{description} ! aimeta name=meta ! fakesink")
    played = play(pipeline)
    assert played.ended, played.errors
    return json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]


def test_objects_of_others_reach_in_meta(play, library):
    person, car = last_frame(play, f"{SOURCE} ! empycustom in-place=true custom-lib={library(UPSTREAM)}")["object"]
    assert person == {
        "class_id": -1,
        "object_id": 77,
        "confidence": 0.5,
        "obj_label": "person",
        "rect_params": {"left": 10, "top": 20, "width": 30, "height": 25},
        "text_params": {"display_text": ""},
        "classifier": [
            {
                "num_labels": 1,
                "unique_component_id": 0,
                "label_info": [
                    {"num_classes": 1, "result_label": "red", "result_class_id": 0, "label_id": 0, "result_prob": 0.75}
                ],
            }
        ],
    }
    assert (car["obj_label"], car["object_id"], car["rect_params"]["left"], car["classifier"]) == ("car", -1, -1, [])


WAYS = [
    "identity",
    "videoconvert ! video/x-raw,format=I420",
    "videoscale ! video/x-raw,width=32,height=24",
    "tee ! queue",
    "empycustom custom-lib={copier}",
]
COPIER = "def process(b, m, o):\n    return b.copy_deep(), None\n"


@pytest.mark.parametrize("between", WAYS)
def test_attributes_stay_with_their_objects(play, library, between):
    upstream, namer = library(UPSTREAM, "upstream.py"), library(NAMER, "namer.py")
    elements = [f"empycustom in-place=true custom-lib={lib}" for lib in (upstream, namer)]
    way = between.format(copier=library(COPIER, "copier.py"))
    frame = last_frame(play, f"{SOURCE} ! {elements[0]} ! {elements[1]} ! {way}")
    assert [found["emcustom"] for found in frame["object"]] == [{"name": "person", "id": 77}, {"name": "car", "id": -1}]
    half = "width=32" in between
    assert frame["object"][0]["rect_params"]["width"] == (15 if half else 30)


@pytest.mark.parametrize("between", WAYS)
def test_tracks_and_classes_stay_with_them(play, library, between):
    way = between.format(copier=library(COPIER, "copier.py"))
    frame = last_frame(play, f"{SOURCE} ! empycustom in-place=true custom-lib={library(UPSTREAM, 'upstream.py')} ! {way}")
    person, car = frame["object"]
    assert (person["object_id"], car["object_id"]) == (77, -1)
    classes = [
        [info["result_label"] for classifier in found["classifier"] for info in classifier["label_info"]]
        for found in (person, car)
    ]
    assert classes == [["red"], []]


def test_an_object_that_others_write_twice_is_one(play, library):
    """As an element does that writes a region and an analytics entry with one id."""
    lib = library(
        UPSTREAM
        + """
    gi.require_version("GstVideo", "1.0")
    from gi.repository import GstVideo
    for label, id_, box in (("person", person.id, (10, 20, 30, 25)), ("dog", 9, (1, 1, 2, 2))):
        GstVideo.buffer_add_video_region_of_interest_meta(b, label, *box).id = id_
"""
    )
    frame = last_frame(play, f"{SOURCE} ! empycustom in-place=true custom-lib={lib}")
    assert sorted(found["obj_label"] for found in frame["object"]) == ["car", "dog", "person"]


@pytest.mark.parametrize("between", WAYS)
def test_new_objects_are_read_by_gstreamers_own_functions(play, library, between):
    detector = library(
        """
def process_ip(b, m, o):
    return {"frame": [{"new_object": [
        {"obj_label": "person", "class_id": 2, "confidence": 0.5, "object_id": 5,
         "rect_params": {"left": 2, "top": 4, "width": 6, "height": 8},
         "classifier": [{"label_info": [{"result_label": "red", "result_prob": 0.25}, {"result_label": "blue", "result_prob": 0.5}]}]}
    ]}]}
""",
        "detector.py",
    )
    reader = library(
        HEADER
        + """
def process_ip(b, m, o):
    meta = GstAnalytics.buffer_get_analytics_relation_meta(b)
    box = meta.get_od_mtd(0)[1]
    track, classes = meta.get_tracking_mtd(1)[1], meta.get_cls_mtd(2)[1]
    return [{}, {
        "label": GLib.quark_to_string(box.get_obj_type()), "place": list(box.get_location())[1:],
        "track": track.get_info()[1],
        "classes": [(GLib.quark_to_string(classes.get_quark(n)), classes.get_level(n)) for n in range(classes.get_length())],
        "related": [int(meta.get_relation(0, n)) > 0 for n in (1, 2)],
        "lengths": GstAnalytics.relation_get_length(meta),
    }]
""",
        "reader.py",
    )
    way = between.format(copier=library(COPIER, "copier.py"))
    elements = f" ! {way} ! ".join(f"empycustom in-place=true custom-lib={lib}" for lib in (detector, reader))
    half = "width=32" in between
    assert last_frame(play, f"{SOURCE} ! {elements}")["emcustom"] == {
        "label": "person",
        "place": [1, 2, 3, 4, 0.5] if half else [2, 4, 6, 8, 0.5],
        "track": 5,
        "classes": [["red", 0.25], ["blue", 0.5]],
        "related": [True, True],
        "lengths": 3,
    }


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "3e38"])
def test_numbers_that_cannot_be_are_read_as_0(play, library, number):
    """A library can calculate with them, and hand the objects back."""
    lib = library(
        HEADER
        + f"""
def process_ip(b, m, o):
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    quark = GLib.quark_from_string
    _, found = meta.add_od_mtd(quark("person"), -5, 2, -30, -(2**31), float("{number}"))
    _, colour = meta.add_one_cls_mtd(float("{number}"), quark("red"))
    assert meta.set_relation(GstAnalytics.RelTypes.RELATE_TO, found.id, colour.id)
""",
        "upstream.py",
    )
    back = library("def process_ip(b, m, o):\n    return {'frame': [{'new_object': m['frame'][0]['object']}]}\n", "back.py")
    frame = last_frame(play, f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! empycustom in-place=true custom-lib={back}")
    for found in frame["object"]:
        assert (found["confidence"], found["rect_params"]) == (0, {"left": -5, "top": 2, "width": 0, "height": 0})
        assert found["classifier"][0]["label_info"][0]["result_prob"] == 0
    assert len(frame["object"]) == 2
