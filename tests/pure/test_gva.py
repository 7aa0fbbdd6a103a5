"""The messages of DL Streamer about a frame: gvametaconvert's keys, with attributes beside them, and what modules have added."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.model import gva
from empycustom.model.keys import new_object
from empycustom.model.wire import document

BOX = {"left": 32, "top": 24, "width": 64, "height": 48}


def frame(*objects, attributes=None, **more):
    made = {"frame_num": 3, "buf_pts": 40, "stream_time": 20, "timestamp": "", "source_id": 0}
    made |= {"source_frame_width": 320, "source_frame_height": 240, "object": [*objects]} | more
    return made if attributes is None else {**made, "emcustom": attributes}


def found(**more):
    return new_object({"rect_params": BOX, **more}, "")


def entry(**more):
    (made,) = gva.own_message(frame(found(**more)))["objects"]
    return made


def test_an_object_with_all_that_gvadetect_gatrack_and_gvaclassify_say():
    labels = [{"result_label": "red", "result_class_id": 2, "result_prob": 0.5}, {"result_label": "van"}]
    car = found(
        class_id=1, object_id=7, confidence=0.75, obj_label="car", classifier=[{"label_info": labels}], unique_id=5, parent_id=4
    )
    assert gva.own_message(frame(car, source="a.mp4")) == {
        "objects": [
            {
                "x": 32,
                "y": 24,
                "w": 64,
                "h": 48,
                "region_id": 5,
                "parent_id": 4,
                "id": 7,
                "roi_type": "car",
                "detection": {
                    "bounding_box": {"x_min": 0.1, "x_max": 0.3, "y_min": 0.1, "y_max": 0.3},
                    "confidence": 0.75,
                    "label": "car",
                    "label_id": 1,
                },
                "classification": {"label": "red", "label_id": 2, "confidence": 0.5, "model": {"name": ""}},
                "classification_2": {"label": "van", "label_id": 0, "confidence": 1.0, "model": {"name": ""}},
            }
        ],
        "resolution": {"width": 320, "height": 240},
        "source": "a.mp4",
        "timestamp": 20,
    }


def test_what_is_not_known_is_left_out():
    made = entry()
    assert made.keys() == {"x", "y", "w", "h", "region_id", "detection"}
    assert made["detection"].keys() == {"bounding_box", "confidence"}
    assert "timestamp" not in gva.own_message(frame(found(), stream_time=-1, buf_pts=-1))
    assert gva.own_message(frame(found(), stream_time=-1))["timestamp"] == 40


def test_boxes_are_whole_pixels_that_meet_and_have_no_sign():
    made = entry(rect_params={"left": -2.4, "top": 0.6, "width": 5.0, "height": 0.8})
    assert [made[key] for key in "xywh"] == [0, 1, 3, 0]
    assert made["detection"]["bounding_box"]["x_min"] == -2.4 / 320


@given(st.lists(st.none() | st.integers(0, 6), max_size=6, unique_by=lambda number: number if number is not None else object()))
def test_each_region_has_a_number_of_its_own_which_is_its_unique_id_where_it_has_one(numbers):
    objects = [{} if number is None else {"unique_id": number} for number in numbers]
    made = gva.region_ids(objects)
    assert len(set(made)) == len(made) == len(numbers)
    assert all(number in (None, region) for number, region in zip(numbers, made, strict=True))


@pytest.mark.parametrize("from_document", [False, True])
def test_arrays_of_objects(from_document):
    made = frame(
        found(
            keypoints=[[32, 24, 0.5], [96, 48, 1]],
            keypoint_names=["nose", "tail"],
            skeleton=[[0, 1]],
            embedding=np.array([0.5, 2], np.float32),
            mask=np.array([[0, 1]], np.uint8),
            rotation=0.25,
        )
    )
    (made,) = json.loads(json.dumps(as_read(made) if from_document else gva.own_message(made)))["objects"]
    points, embedding = made["tensors"]
    assert points == {
        "name": "keypoints",
        "type": "keypoints",
        "precision": "FP32",
        "layout": "ANY",
        "dims": [2, 2],
        "data": [0, 0, 1, 0.5],
        "confidence": [0.5, 1],
        "point_names": ["nose", "tail"],
        "point_connections": [0, 1],
    }
    assert (embedding["name"], embedding["dims"], embedding["data"]) == ("embedding", [2], [0.5, 2])
    assert (made["mask"]["size"], made["rotation"]) == ([1, 2], 0.25)


def as_read(made):
    from empycustom.model.carried import as_plain

    return gva.own_message(document([made], form=as_plain)["frame"][0])


def test_attributes_stand_beside_the_keys_of_gvametaconvert_and_take_the_place_of_none():
    made = gva.own_message(
        frame(found(emcustom={"x": 1, "plate": "AB 12"}), attributes={"tags": {"a": 1}, "objects": 2, "emcustom": 3})
    )
    assert (made["objects"][0]["x"], made["objects"][0]["emcustom"], made["objects"][0]["plate"]) == (32, {"x": 1}, "AB 12")
    assert (made["tags"], made["emcustom"]) == ({"a": 1}, {"objects": 2, "emcustom": 3})
    assert gva.own_message(frame(attributes=[1]))["emcustom"] == [1]
    assert gva.own_message(frame(attributes=0))["emcustom"] == 0


@pytest.mark.parametrize("attributes", [None, {}, {"messages": ["a"]}, {"own_message": True}])
def test_a_frame_about_which_nothing_is_known_has_no_message_of_its_own(attributes):
    assert gva.own_message(frame(attributes=attributes)) is None


def test_messages_of_modules_come_after_the_own_one_and_as_they_were_added():
    added = ['{"a":1}', "plain", '"a text"', "17", "null", "[1]", ""]
    attributes = {"messages": [*map(gva.message_value, added)], "count": 1}
    assert attributes["messages"][0] == {"a": 1}
    own, *others = map(gva.message_text, gva.values_in({"frame": [frame(attributes=attributes)]}))
    assert (json.loads(own)["count"], "messages" in own, others) == (1, False, added)


def test_an_own_message_that_was_removed_is_not_made_again():
    made = frame(found(), attributes={"own_message": False, "messages": ["a"]})
    assert (gva.own_message(made), [*gva.values_in({"frame": [made]})]) == (None, ["a"])


def test_an_attribute_of_a_library_that_is_only_called_as_those_of_messages_are_is_an_attribute():
    made = gva.own_message(frame(attributes={"messages": 3, "own_message": "no"}))
    assert (made["messages"], made["own_message"]) == (3, "no")


@given(st.text())
def test_every_text_that_is_no_json_object_or_array_stays_as_it_is(text):
    if text[:1] not in "{[":
        assert gva.message_text(gva.message_value(text)) == text


@pytest.mark.parametrize(
    ("of_batch", "of_frame", "wanted"),
    [({"a": 1, "b": 1}, {"b": 2}, {"a": 1, "b": 2}), ([1], None, {"emcustom": [1]}), ([1], {"a": 1}, {"a": 1})],
)
def test_attributes_of_a_batch_stand_in_the_messages_of_all_its_frames(of_batch, of_frame, wanted):
    frames = [frame(attributes=of_frame), frame(source_id=1, attributes=of_frame)]
    made = gva.values_in({"frame": frames, "emcustom": of_batch})
    assert [*made] == [{**wanted, "resolution": {"width": 320, "height": 240}, "timestamp": 20}] * 2
