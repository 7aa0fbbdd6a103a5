"""Turned boxes, masks and parts of objects in GstAnalytics (GStreamer 1.26 and later): written for others, and read from others."""

from __future__ import annotations

import numpy as np
import pytest

from empycustom.model.masks import decode_rle, encode_rle
from empycustom.native import masks

pytestmark = pytest.mark.skipif(
    not masks.available, reason="this GStreamer has no turned boxes and masks in GstAnalytics (they came with 1.26)"
)

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
HEADER = """
import gi
gi.require_version("GstAnalytics", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, Gst, GstAnalytics, GstVideo
import numpy as np

quark, Rel = GLib.quark_from_string, GstAnalytics.RelTypes

def picture(numbers):
    numbers = np.asarray(numbers, np.uint8)
    made = Gst.Buffer.new_wrapped(numbers.tobytes())
    height, width = numbers.shape
    GstVideo.buffer_add_video_meta(made, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.GRAY8, width, height)
    return made
"""
# What is on a buffer, by GStreamer's own functions.
READER = (
    HEADER
    + """
def process_ip(b, m, o):
    meta, boxes, pictures = GstAnalytics.buffer_get_analytics_relation_meta(b), {}, {}
    for number in range(GstAnalytics.relation_get_length(meta)):
        is_box, box = meta.get_od_mtd(number)
        if is_box:
            boxes[GLib.quark_to_string(box.get_obj_type())] = [number, *list(box.get_oriented_location())[1:6]]
        is_mask, mask = meta.get_segmentation_mtd(number)
        if is_mask:
            buffer, *place = mask.get_mask()
            about = GstVideo.buffer_get_video_meta(buffer)
            numbers = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(about.height, about.width)
            assert about.stride[0] == about.width
            ids = [mask.get_region_id(index) for index in range(mask.get_region_count())]
            pictures[number] = [place, ids, numbers.tolist()]
    relations = [
        [one, other, int(meta.get_relation(one, other))]
        for one in range(number + 1) for other in range(number + 1) if int(meta.get_relation(one, other))
    ]
    return {"frame": {"boxes": boxes, "masks": pictures, "relations": relations}}
"""
)
PART_OF, CONTAIN, RELATE_TO = 2, 4, 8
FINDER = """
import numpy as np

def process_ip(b, m, o):
    car = {"obj_label": "car", "rect_params": {"left": 8.25, "top": 4, "width": 16.5, "height": 20}, "rotation": 0.5, "unique_id": 7}
    car["mask"] = np.eye(2, 4)
    plate = {"obj_label": "plate", "rect_params": {"left": 10, "top": 6, "width": 4, "height": 2}, "parent_id": 7}
    plate["mask"] = np.array([[0.2, 0.7, 1]], "float32")
    return {"frame": [{"new_object": [plate, car, {"obj_label": "x", "rect_params": {"left": 1, "top": 1, "width": 2, "height": 2}}]}]}
"""


@pytest.fixture
def lib(library):
    """Make an element of the text of a library."""
    made = []

    def make(text):
        made.append(text)
        return f"empycustom in-place=true custom-lib={library(text, f'lib{len(made)}.py')}"

    return make


def changing(returned):
    text = f"    objects = m['frame'][0]['object']\n    return {{'frame': [{returned}]}}\n"
    return f"import numpy as np\n\ndef process_ip(b, m, o):\n{text}"


BETWEEN = {
    "identity": 1,
    "videoconvert ! video/x-raw,format=I420": 1,
    "tee ! queue": 1,
    "videoscale ! video/x-raw,width=32,height=24": 0.5,
}


@pytest.mark.parametrize("between", BETWEEN)
def test_others_read_what_a_library_found(document, lib, between):
    found = document(f"{SOURCE} ! {lib(FINDER)} ! {between} ! {lib(READER)}")["emcustom"]
    scale = BETWEEN[between]
    plate, car, _ = (found["boxes"][label] for label in ("plate", "car", "x"))
    assert car[1:] == [*(round(each * scale) for each in (8, 4, 17, 20)), 0.5] or (scale < 1 and car[3] in (8, 9))
    assert plate[1:] == [*(each * scale for each in (10, 6, 4, 2)), 0]
    mine = {
        owner: next(str(other) for one, other, _ in found["relations"] if one == owner and str(other) in found["masks"])
        for owner in (plate[0], car[0])
    }
    place, ids, numbers = found["masks"][mine[car[0]]]
    assert place == car[1:5]
    assert (np.array(numbers) == np.eye(2, 4) * ids[0]).all()
    assert ids[0]
    place, other_ids, numbers = found["masks"][mine[plate[0]]]
    assert place == plate[1:5]
    assert numbers == [[0, *other_ids, *other_ids]]
    assert other_ids != ids, "an overlay gives them different colours"
    both = [[int(mask), owner, RELATE_TO] for owner, mask in mine.items()] + [
        [owner, int(mask), RELATE_TO] for owner, mask in mine.items()
    ]
    assert sorted(found["relations"]) == sorted([*both, [car[0], plate[0], CONTAIN], [plate[0], car[0], PART_OF]])


CHANGES = [
    ("{'changed_object': [{}, {'rotation': -1}]}", {"rotation": -1}),
    ("{'changed_object': [{}, {'rotation': 0}]}", {"rotation": 0}),
    ("{'changed_object': [{}, {'mask': np.ones((1, 2))}]}", {"mask": [[1, 1]]}),
    ("{'changed_object': [{}, {'mask': []}]}", {"mask": None}),
    ("{'changed_object': [{}, {'rect_params': dict(left=20, top=10, width=30, height=8)}]}", {"box": [20, 10, 30, 8]}),
    ("{'changed_object': [{}, {'obj_label': 'van', 'object_id': 3}]}", {"label": "van"}),
    ("{'changed_object': [{'parent_id': -1}]}", {"parent": False}),
    ("{'changed_object': [{}, {'unique_id': -1}]}", {"parent": False}),
    ("{'removed_object': [0]}", {"plate": False, "parent": False}),
    (
        "{'changed_object': [{'mask': np.ones((1, 1))}, {}, {'mask': np.ones((1, 1)), 'parent_id': 7}]}",
        {"masks": 3, "parent": True},
    ),
]


@pytest.mark.parametrize(("returned", "wanted"), CHANGES)
@pytest.mark.parametrize("between", ["identity", "videoconvert ! video/x-raw,format=I420"])
def test_others_read_what_a_later_library_changed(document, lib, returned, wanted, between):
    found = document(f"{SOURCE} ! {lib(FINDER)} ! {between} ! {lib(changing(returned))} ! {lib(READER)}")["emcustom"]
    car = found["boxes"][wanted.get("label", "car")]
    assert car[1:5] == wanted.get("box", [8, 4, 17, 20])
    assert car[5] == wanted.get("rotation", 0.5)
    related = {tuple(pair): kind for *pair, kind in found["relations"]}
    own = [number for number in found["masks"] if related.get((car[0], int(number)))]
    numbers = wanted.get("mask", np.eye(2, 4).tolist())
    if numbers is None:
        assert own == []
    else:
        ((place, _, there),) = (found["masks"][number] for number in own)
        assert place == car[1:5]
        assert (np.array(there) > 0).tolist() == (np.array(numbers) > 0).tolist()
    assert len(found["masks"]) == wanted.get("masks", 1 + (numbers is not None) - ("plate" in wanted))
    assert ("plate" in found["boxes"]) == wanted.get("plate", True)
    assert bool({PART_OF, CONTAIN} & set(related.values())) == wanted.get("parent", True)


OTHERS = (
    HEADER
    + """
def process_ip(b, m, o):
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    _, car = meta.add_oriented_od_mtd(quark("car"), 8, 4, 16, 20, -0.75, 0.5)
    _, plate = meta.add_od_mtd(quark("plate"), 10, 6, 8, 4, 0.5)
    _, wheel = meta.add_od_mtd(quark("wheel"), 20, 16, 4, 4, 0.5)
    numbers = np.arange(8).reshape(2, 4)
    _, whole = meta.add_segmentation_mtd(picture(numbers), GstAnalytics.SegmentationType.INSTANCE, [0], 8, 4, 16, 20)
    # Twice as wide and high as the box, which is in its upper left quarter.
    _, more = meta.add_segmentation_mtd(picture(numbers), GstAnalytics.SegmentationType.INSTANCE, [0, 3], 10, 6, 16, 8)
    assert meta.set_relation(Rel.RELATE_TO, car.id, whole.id)
    assert meta.set_relation(Rel.RELATE_TO, more.id, plate.id)
    assert meta.set_relation(Rel.IS_PART_OF, plate.id, car.id)
    assert meta.set_relation(Rel.CONTAIN, car.id, wheel.id)
"""
)
KEYS = ("rotation", "mask", "unique_id", "parent_id")


def beside(found):
    return {key: found[key] for key in KEYS if key in found}


@pytest.mark.parametrize("between", BETWEEN)
def test_what_others_found_reaches_a_library(document, lib, between):
    car, plate, wheel = document(f"{SOURCE} ! {lib(OTHERS)} ! {between} ! {lib(changing({}))}")["object"]
    number = car["unique_id"]
    assert beside(car) == {"rotation": -0.75, "mask": encode_rle(np.array([[0, 1, 1, 1], [1] * 4])), "unique_id": number}
    assert beside(plate) == {"mask": encode_rle(np.array([[0, 1]])), "parent_id": number}
    assert beside(wheel) == {"parent_id": number}
    scale = BETWEEN[between]
    assert list(car["rect_params"].values()) == [each * scale for each in (8, 4, 16, 20)], "not the upright box around it"


def test_a_map_of_several_things_is_not_the_mask_of_an_object(document, lib):
    text = (
        HEADER
        + """
def process_ip(b, m, o):
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    numbers = np.array([[0, 1], [2, 2]])
    _, both = meta.add_segmentation_mtd(picture(numbers), GstAnalytics.SegmentationType.INSTANCE, [1], 0, 0, 64, 48)
    _, many = meta.add_segmentation_mtd(picture(numbers), GstAnalytics.SegmentationType.INSTANCE, [0, 1, 2], 0, 0, 64, 48)
    for label in "ab":
        _, found = meta.add_od_mtd(quark(label), 10, 6, 8, 4, 0.5)
        assert meta.set_relation(Rel.RELATE_TO, both.id, found.id)
    assert meta.set_relation(Rel.RELATE_TO, many.id, found.id)
"""
    )
    reader = "def process_ip(b, m, o):\n    return {'frame': {'maps': len(m['frame'][0]['segmentation'])}}\n"
    frame = document(f"{SOURCE} ! {lib(text)} ! {lib(reader)}")
    assert frame["emcustom"] == {"maps": 2}
    assert [beside(found) for found in frame["object"]] == [{}, {}]


@pytest.mark.parametrize("between", ["identity", "videoconvert ! video/x-raw,format=I420"])
def test_what_others_found_stays_when_a_library_says_more(document, lib, between):
    said = "{'changed_object': [{'unique_id': 5, 'object_id': 1}, {'obj_label': 'sign'}], 'object': [{'n': 0}, {}, {'n': 2}]}"
    car, sign, wheel = document(f"{SOURCE} ! {lib(OTHERS)} ! {lib(changing(said))} ! {between} ! {lib(changing({}))}")["object"]
    assert beside(car) == {"rotation": -0.75, "mask": encode_rle(np.array([[0, 1, 1, 1], [1] * 4])), "unique_id": 5}
    assert beside(sign) == {"mask": encode_rle(np.array([[0, 1]])), "parent_id": 5}
    assert beside(wheel) == {"parent_id": 5}


def test_a_library_can_say_that_what_others_found_is_a_part(document, lib):
    said = "{'changed_object': [{'parent_id': 9}], 'new_object': [{'rect_params': dict(left=0, top=0, width=60, height=40), 'unique_id': 9}]}"
    others = (
        HEADER
        + "\ndef process_ip(b, m, o):\n    GstAnalytics.buffer_add_analytics_relation_meta(b).add_od_mtd(quark('a'), 1, 2, 3, 4, 0.5)\n"
    )
    found = document(f"{SOURCE} ! {lib(others)} ! {lib(changing(said))} ! {lib(READER)}")
    assert found["emcustom"]["relations"] == [[0, 1, PART_OF], [1, 0, CONTAIN]]
    assert [beside(each) for each in found["object"]] == [{"parent_id": 9}, {"unique_id": 9}]


def test_our_mask_is_the_truth_beside_the_one_that_is_written(document, lib):
    """A confidence is cut at a half in GstAnalytics, and a box at whole pixels."""
    sees = """
def process_ip(b, m, o):
    plate, car, _ = m["frame"][0]["object"]
    return {"frame": {"plate": [round(float(each), 3) for each in plate["mask"][0]], "left": car["rect_params"]["left"]}}
"""
    frame = document(f"{SOURCE} ! {lib(FINDER)} ! {lib(sees)}")
    plate = decode_rle(frame["object"][0]["mask"])
    assert frame["emcustom"]["left"] == 8.25
    assert plate.tolist() == [[0, 1, 1]]


def test_an_element_that_turned_a_box_is_believed(document, lib):
    """Nothing of GStreamer's does; another one's may write the meta anew."""
    turner = """
from empycustom.native import analytics, metas
from empycustom.native.analytics_changes import change_detections

def process_ip(b, m, o):
    meta = dict(metas.scan(hash(b)))[analytics.API]
    car = analytics.detections_at(meta)[1]
    change_detections(hash(b), meta, {car.id: car._replace(rotation=1.25)})
"""
    _, car, _ = document(f"{SOURCE} ! {lib(FINDER)} ! {lib(turner)} ! identity")["object"]
    assert (car["rotation"], car["mask"]) == (1.25, encode_rle(np.eye(2, 4)))
