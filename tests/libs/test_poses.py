"""A model of poses on the objects that were found before it: empycustom.libs.detect with the option objects."""

from __future__ import annotations

import logging
import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import empycustom
from empycustom.libs import detect

FRAME = np.full((200, 300, 3), 90, np.uint8)
SIZE = 64
# In the input: the middle, its corners, and elsewhere; y, x, confidence.
POINTS = np.full((1, 1, 17, 3), (0.5, 0.5, 0.8), np.float32)
POINTS[0, 0, 1, :2], POINTS[0, 0, 2, :2] = (0, 0), (1, 1)


@pytest.fixture
def model(tmp_path):
    """A network that finds the same pose in each picture, as surely as that is bright."""
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["bright"], keepdims=0),
        helper.make_node("Div", ["bright", "most"], ["part"]),
        helper.make_node("Mul", ["sure", "part"], ["score"]),
        helper.make_node("Add", ["places", "score"], ["poses"]),
    ]
    constants = {
        "most": np.float32(90),
        "sure": POINTS * np.float32([0, 0, 1]),
        "places": POINTS * np.float32([1, 1, 0]),
    }
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("poses", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "pose.onnx")
    return str(tmp_path / "pose.onnx")


def thing(left, top, width, height, label="person"):
    rect = {"left": left, "top": top, "width": width, "height": height}
    return {"class_id": 0, "obj_label": label, "object_id": 1, "confidence": 0.9, "rect_params": rect}


def posed(model, *objects, frame=FRAME, **more):
    """The objects behind the model, for one frame."""

    def find(_buffer, _in_meta, _options):
        return {"frame": [{"new_object": list(objects)}]}

    options = {"model": model, "objects": ["person"], **more}
    with empycustom.process([frame], [find, detect], options=[{}, options]) as results:
        (result,) = results
    return result.frame["object"]


def points_of(found):
    return np.reshape(found["keypoints"], (-1, 3))


def test_the_key_points_are_where_the_square_around_the_object_is(model):
    (person,) = posed(model, thing(100, 60, 40, 80))
    points = points_of(person)
    assert points[0] == pytest.approx([120, 100, 0.8], abs=1e-3)
    assert points[1] == pytest.approx([70, 50, 0.8], abs=1e-3), "1.25 times as high as the box"
    assert points[2] == pytest.approx([170, 150, 0.8], abs=1e-3)
    assert person["keypoint_names"][:2] == ["nose", "left_eye"]
    assert len(person["keypoint_names"]) == 17
    assert sorted([15, 13]) in [sorted(pair) for pair in person["skeleton"]], "an ankle and its knee"
    assert person["rect_params"] == {"left": 100, "top": 60, "width": 40, "height": 80}
    assert (person["object_id"], person["confidence"]) == (1, 0.9)


def test_at_the_edge_what_is_in_the_frame_is_looked_at(model):
    (person,) = posed(model, thing(-20, 60, 40, 80), confidence=0.1)  # 50 x 100 of its square are there
    assert points_of(person)[0, :2] == pytest.approx([25, 100], abs=1e-3)
    assert points_of(person)[1, :2] == pytest.approx([-25, 50], abs=1)


def test_others_and_what_is_not_in_the_frame_stay_as_they_are(model):
    dog, away, flat = thing(100, 60, 40, 80, "dog"), thing(500, 60, 40, 80), thing(100, 60, 0, 0)
    found = posed(model, dog, away, thing(150, 60, 40, 80), flat)
    assert ["keypoints" in each for each in found] == [False, False, True, False]
    assert all("keypoints" in each for each in posed(model, dog, thing(0, 0, 90, 90), objects=["*"]))


def test_an_unsure_pose_is_none(model):
    assert "keypoints" not in posed(model, thing(100, 60, 40, 80), frame=FRAME // 3)[0]
    assert "keypoints" in posed(model, thing(100, 60, 40, 80), frame=FRAME // 3, confidence=0.2)[0]


def test_labels_that_no_object_has_are_said_at_the_end(model, caplog):
    with caplog.at_level(logging.WARNING):
        posed(model, thing(100, 60, 40, 80), objects=["persons"])
    assert "no pose was looked for: the option objects has persons, but the objects were person" in caplog.text


def test_a_model_that_finds_no_poses_is_refused(tmp_path):
    rows = np.zeros((1, 6, 84), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["o"])],
        "boxes",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(rows, "c")],
    )
    path = tmp_path / "boxes.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    said = "the option objects is for models that find poses, and the layout of this one is yolov8: leave it out"
    with pytest.raises(empycustom.EmPyCustomError, match=re.escape(said)):
        posed(str(path), thing(100, 60, 40, 80))


def test_objects_may_change_while_it_plays(model):
    seen = []

    def process_ip(buffer, in_meta, given):
        frame = in_meta["frame"][0]
        frame["object"] = [thing(100, 60, 40, 80)]
        seen.append(detect.process_ip(buffer, in_meta, {**given, "objects": [[], ["person"], ["dog"], []][frame["frame_num"]]}))

    class Library:
        OPTIONS, start, stop = detect.OPTIONS, detect.start, detect.stop

    Library.process_ip = staticmethod(process_ip)
    with empycustom.process([FRAME] * 4, Library, options={"model": model}) as results:
        list(results)
    (new, keyed, others, last) = (each["frame"][0] for each in seen)
    assert len(new["new_object"]) == len(last["new_object"]) == 1, "the frame itself"
    assert "keypoints" in keyed["changed_object"][0]
    assert others == {"changed_object": [{}]}
