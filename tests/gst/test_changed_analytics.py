"""Objects in GstAnalytics that a library changes or removes, read by GStreamer's own functions, where it has them (1.24)."""

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
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, Gst, GstAnalytics, GstVideo
quark, name = GLib.quark_from_string, GLib.quark_to_string
"""
# A person with a track and two classifications, turned by half a radian; a car, its part (a plate), and masks of both.
UPSTREAM = (
    HEADER
    + """
def mask(meta, value):
    buffer = Gst.Buffer.new_wrapped(bytes([value]) * 16)
    GstVideo.buffer_add_video_meta(buffer, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.GRAY8, 4, 4)
    return meta.add_segmentation_mtd(buffer, GstAnalytics.SegmentationType.INSTANCE, [value], 0, 0, 8, 8)[1]

def process_ip(b, m, o):
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    both = GstAnalytics.RelTypes
    person = meta.add_oriented_od_mtd(quark("person"), 10, 20, 30, 8, 0.5, 0.5)[1].id
    track = meta.add_tracking_mtd(77, 0)[1].id
    car = meta.add_od_mtd(quark("car"), 1, 2, 30, 40, 0.25)[1].id
    red, tall = (meta.add_one_cls_mtd(0.75, quark(word))[1].id for word in ("red", "tall"))
    plate = meta.add_od_mtd(quark("plate"), 5, 6, 7, 8, 0.75)[1].id
    masks = [mask(meta, value).id for value in (1, 2)]
    for one, other in ((person, track), (person, red), (person, tall), (person, masks[0]), (car, masks[1])):
        assert meta.set_relation(both.RELATE_TO, one, other) and meta.set_relation(both.RELATE_TO, other, one)
    assert meta.set_relation(both.CONTAIN, car, plate) and meta.set_relation(both.IS_PART_OF, plate, car)
"""
)
READER = (
    HEADER
    + """
def pixels(mask):
    read = Gst.Buffer.map
    ok, info = mask.map(Gst.MapFlags.READ)
    found = info.data[0]
    mask.unmap(info)
    return found

def process_ip(b, m, o):
    meta = GstAnalytics.buffer_get_analytics_relation_meta(b)
    items, related = {}, {}
    count = GstAnalytics.relation_get_length(meta)
    for n in range(count):
        ok, box = meta.get_od_mtd(n)
        if ok:
            items[n] = [name(box.get_obj_type()), *[round(x, 3) for x in box.get_oriented_location()[1:]]]
        ok, track = meta.get_tracking_mtd(n)
        if ok:
            items[n] = track.get_info()[1]
        ok, found = meta.get_cls_mtd(n)
        if ok:
            items[n] = [(name(found.get_quark(i)), found.get_level(i)) for i in range(found.get_length())]
        ok, found = meta.get_segmentation_mtd(n)
        if ok:
            items[n] = ["mask", pixels(found.get_mask()[0])]
        related[n] = {other: int(meta.get_relation(n, other)) for other in range(count) if int(meta.get_relation(n, other))}
    return {"frame": {"items": items, "related": related}}
"""
)
ITEMS = {
    "0": ["person", 10, 20, 30, 8, 0.5, 0.5],
    "1": 77,
    "2": ["car", 1, 2, 30, 40, 0, 0.25],
    "3": [["red", 0.75]],
    "4": [["tall", 0.75]],
    "5": ["plate", 5, 6, 7, 8, 0, 0.75],
    "6": ["mask", 1],
    "7": ["mask", 2],
}
RELATED = {
    "0": {"1": 8, "3": 8, "4": 8, "6": 8},
    "1": {"0": 8},
    "2": {"5": 4, "7": 8},
    "3": {"0": 8},
    "4": {"0": 8},
    "5": {"2": 2},
    "6": {"0": 8},
    "7": {"2": 8},
}


@pytest.fixture
def read(play, library):
    """Play what stands between the upstream and a reader; return items, relations, and the objects of the document."""

    def run(returned, *between):
        change = f"def process_ip(b, m, o):\n    objects = m['frame'][0]['object']\n    return {{'frame': [{{{returned}}}]}}\n"
        files = [library(UPSTREAM, "upstream/objects.py"), library(change, "change.py"), library(READER, "upstream/reader.py")]
        first, second, third = (f"empycustom in-place=true custom-lib={path}" for path in files)
        line = " ! ".join([SOURCE, first, second, *between, third, "aimeta name=meta ! fakesink"])
        pipeline = Gst.parse_launch(line)
        played = play(pipeline)
        assert played.ended, played.errors
        frame = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]
        return frame["emcustom"]["items"], frame["emcustom"]["related"], frame["object"]

    return run


def without(related, *gone):
    return {
        one: {other: kind for other, kind in others.items() if not {one, other} & set(gone)} for one, others in related.items()
    }


COPIES = ["identity", "videoconvert ! video/x-raw,format=I420", "tee ! queue"]


@pytest.mark.parametrize("between", COPIES)
def test_all_that_is_not_changed_stays(read, between):
    items, related, _ = read("'changed_object': [{}, {'confidence': 0.5}]", between)
    assert items == {**ITEMS, "2": ["car", 1, 2, 30, 40, 0, 0.5]}
    assert related == RELATED


CHANGES = {
    "'object_id': 2**40": {"1": 2**40},
    "'obj_label': 'größe 人', 'class_id': 4": {"0": ["größe 人", 10, 20, 30, 8, 0.5, 0.5]},
    "'confidence': 0.75": {"0": ["person", 10, 20, 30, 8, 0.5, 0.75]},
    "'rect_params': {'left': -1.5, 'top': 2, 'width': 3, 'height': 4}": {"0": ["person", -2, 2, 4, 4, 0.5, 0.5]},
    "'classifier': [{'label_info': [{'result_label': 'blue', 'result_prob': 0.5}]}, {'label_info': [{'result_label': 'big'}]}]": {
        "3": [["blue", 0.5]],
        "4": [["big", 1]],
    },
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.items())
def test_one_thing_is_changed_in_its_place(read, change, expected):
    items, related, objects = read(f"'changed_object': [{{{change}}}]", "identity")
    assert items == ITEMS | expected
    assert related == RELATED
    for key, value in eval(f"{{{change}}}").items():
        if key != "classifier":
            assert objects[0][key] == value


def test_a_box_between_pixels_is_kept_beside_that_of_whole_pixels(read):
    box = {"left": -1.5, "top": 2, "width": 3.25, "height": 4}
    items, related, objects = read(f"'changed_object': [{{}}, {{'rect_params': {box}}}]", "identity")
    assert items == {**ITEMS, "2": ["car", -2, 2, 4, 4, 0, 0.25]}
    assert related == RELATED
    assert objects[1]["rect_params"] == box


def test_a_track_and_classes_that_were_not_there_are_added(read):
    new = "'object_id': 5, 'classifier': [{'label_info': [{'result_label': 'fast', 'result_prob': 0.5}]}]"
    items, related, objects = read(f"'changed_object': [{{}}, {{{new}}}]", "identity")
    assert items == {**ITEMS, "8": 5, "9": [["fast", 0.5]]}
    assert related == RELATED | {"2": {**RELATED["2"], "8": 8, "9": 8}, "8": {"2": 8}, "9": {"2": 8}}
    assert (objects[1]["object_id"], objects[1]["classifier"][0]["label_info"][0]["result_label"]) == (5, "fast")


def test_a_track_and_classes_are_taken_away(read):
    items, related, objects = read("'changed_object': [{'object_id': -1, 'classifier': []}]", "identity")
    assert items == {number: item for number, item in ITEMS.items() if number not in ("1", "3", "4")}
    assert related == without(RELATED, "1", "3", "4")
    assert (objects[0]["object_id"], objects[0]["classifier"]) == (-1, [])


@pytest.mark.parametrize("between", COPIES)
@pytest.mark.parametrize(
    ("removed", "gone"), [([0], ["0", "1", "3", "4", "6"]), ([1], ["2", "7"]), ([2], ["5"]), ([0, 1, 2], [*ITEMS])]
)
def test_an_object_is_removed_with_what_is_its_own_and_ids_stay(read, between, removed, gone):
    items, related, objects = read(f"'removed_object': {removed}, 'object': [{{'n': n}} for n in range(3)]", between)
    assert items == {number: item for number, item in ITEMS.items() if number not in gone}
    assert related == without(RELATED, *gone)
    assert [each["emcustom"]["n"] for each in objects] == [n for n in range(3) if n not in removed]


def test_what_two_objects_share_stays_with_the_other(play, library):
    upstream = (
        UPSTREAM + "    assert meta.set_relation(both.RELATE_TO, car, track) and meta.set_relation(both.RELATE_TO, track, car)\n"
    )
    for change, tracks in (("'removed_object': [0]", [77, -1]), ("'changed_object': [{'object_id': 9}]", [9, 77, -1])):
        files = [
            library(upstream, "upstream/objects.py"),
            library(f"def process_ip(b, m, o):\n    return {{'frame': [{{{change}}}]}}\n", "change.py"),
        ]
        elements = " ! ".join(f"empycustom in-place=true custom-lib={path}" for path in files)
        pipeline = Gst.parse_launch(f"{SOURCE} ! {elements} ! aimeta name=meta ! fakesink")
        assert play(pipeline).ended
        objects = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]["object"]
        assert [each["object_id"] for each in objects] == tracks


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("'changed_object': [{'obj_label': 'cat', 'object_id': 5}]", [("cat", 5), ("car", -1)]),
        ("'removed_object': [0]", [("car", -1)]),
        (
            "'removed_object': [1], 'changed_object': [{'rect_params': {'left': 1, 'top': 2, 'width': 3, 'height': 4}}]",
            [("dog", -1)],
        ),
    ],
)
def test_an_object_that_others_write_twice_stays_one(play, library, change, expected):
    upstream = HEADER + (
        "def process_ip(b, m, o):\n"
        "    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)\n"
        "    for label, x in (('dog', 8), ('car', 20)):\n"
        "        number = meta.add_od_mtd(quark(label), x, 2, 4, 6, 0.5)[1].id\n"
        "        GstVideo.buffer_add_video_region_of_interest_meta(b, label, x, 2, 4, 6).id = number\n"
    )
    files = [
        library(upstream, "upstream/twice.py"),
        library(f"def process_ip(b, m, o):\n    return {{'frame': [{{{change}}}]}}\n", "change.py"),
    ]
    elements = " ! ".join(f"empycustom in-place=true custom-lib={path}" for path in files)
    pipeline = Gst.parse_launch(f"{SOURCE} ! {elements} ! videoconvert ! video/x-raw,format=I420 ! aimeta name=meta ! fakesink")
    assert play(pipeline).ended
    objects = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]["object"]
    assert [(each["obj_label"], each["object_id"]) for each in objects] == expected
