"""empycustom.libs.detect: every layout of outputs at known pixels, letterboxes to the pixel, and what is refused."""

from __future__ import annotations

import re
import threading

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import empycustom
from empycustom.libs import classify, detect
from empycustom.libs.detect.layouts import LAYOUTS
from empycustom.libs.detect.letterbox import Letterbox
from empycustom.libs.detect.model import Model
from empycustom.model.masks import encode_rle

SIZE = 64  # of the input; it has 64 + 16 + 4 cells
CELLS = 84
WIDE = np.full((64, 128, 3), 200, np.uint8)  # half as large in the input


def network(path, outputs, *, metadata=None, size=(SIZE, SIZE), nodes=(), second_input=False, kind=TensorProto.FLOAT):
    """Write a network that returns the same for every picture, or what ``nodes`` compute."""
    outputs = [np.asarray(each, np.int64 if np.asarray(each).dtype == np.int64 else np.float32) for each in outputs]
    kinds = [helper.np_dtype_to_tensor_dtype(each.dtype) for each in outputs]
    inputs = [helper.make_tensor_value_info("images", kind, [1, 3, *size])]
    if second_input:
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2]))
    made = list(nodes) or [helper.make_node("Identity", [f"c{n}"], [f"o{n}"]) for n in range(len(outputs))]
    graph = helper.make_graph(
        made,
        "constant",
        inputs,
        [helper.make_tensor_value_info(f"o{n}", each, None) for n, each in enumerate(kinds)],
        [numpy_helper.from_array(each, f"c{n}") for n, each in enumerate(outputs)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
    onnx.save(model, path)
    return str(path)


def options_of(path, **more):
    return {**{name: option.default for name, option in detect.OPTIONS.items()}, "model": path, **more}


def find(path, picture=WIDE, **more):
    options = options_of(path, **more)
    return Model(options).find(picture, options)


def rows(columns, numbers, count=CELLS):
    """A row of numbers, after it nothing."""
    made = np.zeros((count, columns), np.float32)
    made[: len(numbers)] = numbers
    return made


# The same box in each layout, in pixels of the input: 10 to 30, 20 to 40; the picture is at its lines 16 to 48.
MIDDLE, CORNERS = [20, 30, 20, 20], [10, 20, 30, 40]
CENTRED_BOX = [20, 8, 40, 40]  # in the picture, twice as large
TOP_LEFT_BOX, STRETCHED_BOX = [20, 40, 40, 24], [20, 20, 40, 20]
POINTS = [[n + 10, n + 20, 0.5] for n in range(17)]
PROTOTYPES = np.zeros((1, 32, 16, 16), np.float32)
PROTOTYPES[0, 0] = -1
PROTOTYPES[0, 0, :, :5] = 1  # the object is left of the pixel 20 of the input: the left half of the box
COEFFICIENTS = [5] + [0] * 31
YOLOX_ROW = [20 / 8, 30 / 8, np.log(20 / 8), np.log(20 / 8), 0.9, 0.1, 1]
CENTERFACE = [np.zeros((1, n, 16, 16), np.float32) for n in (1, 2, 2, 10)]
CENTERFACE[0][0, 0, 7, 4] = 0.9
CENTERFACE[1][0, :, 7, 4] = np.log(5)
CENTERFACE[2][0, :, 7, 4] = [0, 0.5]  # the middle is at (4 + 0.5 + 0.5) * 4, (7 + 0.5) * 4
CENTERFACE[3][0, :, 7, 4] = [0.5] * 10
MOVENET = np.full((1, 1, 17, 3), (30 / SIZE, 20 / SIZE, 0.9))  # y, x, confidence
MOVENET[0, 0, 3:5, :2] = np.array([[20, 10], [40, 30]]) / SIZE
DETECT = {"names": {0: "cat", 1: "dog"}, "task": "detect"}
CASES = {
    "yolov5": ([rows(7, [[*MIDDLE, 0.9, 0.1, 1]], 3 * CELLS)[None]], None, CENTRED_BOX),
    "yolov8": ([rows(6, [[*MIDDLE, 0.1, 0.9]]).T[None]], DETECT, CENTRED_BOX),
    "yolov8-seg": ([rows(38, [[*MIDDLE, 0.1, 0.9, *COEFFICIENTS]]).T[None], PROTOTYPES], None, CENTRED_BOX),
    "yolov8-pose": ([rows(56, [[*MIDDLE, 0.9, *np.ravel(POINTS)]]).T[None]], {"task": "pose"}, CENTRED_BOX),
    "yolov8-obb": ([rows(7, [[*MIDDLE, 0.1, 0.9, 0.5]]).T[None]], {"task": "obb"}, CENTRED_BOX),
    "end-to-end": ([rows(6, [[*CORNERS, 0.9, 1]], 20)[None]], {**DETECT, "end2end": True}, CENTRED_BOX),
    "end-to-end-seg": ([rows(38, [[*CORNERS, 0.9, 1, *COEFFICIENTS]], 20)[None], PROTOTYPES], {"end2end": True}, CENTRED_BOX),
    "end-to-end-pose": ([rows(57, [[*CORNERS, 0.9, 0, *np.ravel(POINTS)]], 20)[None]], {"task": "pose"}, CENTRED_BOX),
    "end-to-end-obb": ([rows(7, [[*MIDDLE, 0.9, 1, 0.5]], 20)[None]], {"task": "obb", "end2end": True}, CENTRED_BOX),
    "rtdetr": ([np.array([[1]]), np.array([[CORNERS]]), np.array([[0.9]])], None, STRETCHED_BOX),
    "rtdetr-ultralytics": ([rows(7, [[*np.array(MIDDLE) / SIZE, 0.1, 0.9, 0]], 20)[None]], {"task": "detect"}, STRETCHED_BOX),
    "rfdetr": ([np.array([[np.array(MIDDLE) / SIZE]]), np.array([[[-9, 2.2, -9]]])], None, STRETCHED_BOX),
    "yolox": ([rows(7, [YOLOX_ROW])[None]], None, TOP_LEFT_BOX),
    "centerface": (CENTERFACE, None, TOP_LEFT_BOX),
    "centernet": ([rows(6, [[*CORNERS, 0.9, 1]], 20)[None]], {**DETECT, "layout": "centernet"}, STRETCHED_BOX),
    "movenet": ([MOVENET], {"task": "pose"}, CENTRED_BOX),
}
ONE_CLASS = {"yolov8-pose", "end-to-end-pose", "centerface", "movenet"}


def test_every_layout_of_the_table_is_tried():
    assert list(CASES) == list(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_recognised_and_gives_the_box_at_its_pixels(tmp_path, layout):
    outputs, metadata, box = CASES[layout]
    path = network(tmp_path / "m.onnx", outputs, metadata=metadata, second_input=layout == "rtdetr")
    assert Model(options_of(path)).layout == layout
    (found,) = find(path)
    assert list(found["rect_params"].values()) == pytest.approx(box, abs=1e-3)
    assert found["confidence"] == pytest.approx(0.9, abs=1e-3)
    assert found["class_id"] == (0 if layout in ONE_CLASS else 1)
    assert found.get("obj_label") == ("dog" if metadata and "names" in metadata else None)
    assert find(path, confidence=0.95) == []
    assert [each["rect_params"] for each in find(path, layout=layout)] == [found["rect_params"]]


KNOWN = [  # of models for pictures of 640x640: the layout, the shape, how many labels are given
    ("yolov8", (1, 84, 8400), 80),
    ("yolov8", (1, 84, 8400), 0),
    ("yolov8", (1, 5, 8400), 0),
    ("yolov8", (1, 6, 8400), 2),
    ("yolov5", (1, 25200, 85), 80),
    ("yolov5", (1, 25200, 85), 0),
    ("yolov5", (1, 25200, 6), 1),
    ("yolox", (1, 8400, 85), 80),
    ("yolox", (1, 8400, 6), 1),
    ("end-to-end", (1, 300, 6), 80),
    ("end-to-end", (1, 1000, 6), 3),
]


@pytest.mark.parametrize(("layout", "shape", "labels"), KNOWN)
def test_well_known_shapes_are_enough(tmp_path, layout, shape, labels):
    path = network(tmp_path / "m.onnx", [np.zeros(shape, np.float32)], size=(640, 640))
    assert Model(options_of(path, labels=[f"class {n}" for n in range(labels)] or None)).layout == layout


def test_a_yolox_that_decodes_its_boxes_itself_is_read_so(tmp_path):
    made = rows(7, [[*MIDDLE, 0.9, 0.1, 1]])
    made[:, 2:4] = 20
    (found,) = find(network(tmp_path / "m.onnx", [made[None]]))
    assert list(found["rect_params"].values()) == pytest.approx(TOP_LEFT_BOX, abs=1e-3)


def test_a_model_that_suppresses_overlaps_itself_may_find_nothing(tmp_path):
    """It has as many rows as it found: none in the black picture that it is tried with."""
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
        helper.make_node("Less", ["c1", "brightest"], ["chosen"]),
        helper.make_node("Compress", ["c0", "chosen"], ["o0"], axis=1),
    ]
    made = np.array([[[*CORNERS, 0.9, 4], [40, 20, 60, 40, 0.8, 4], [0, 0, 9, 9, 0.5, 1]]])
    path = network(tmp_path / "m.onnx", [made, made[0, :, 4]], nodes=nodes, metadata={"end2end": True, "task": "detect"})
    model = onnx.load(path)
    del model.graph.output[1:]
    onnx.save(model, path)
    assert find(path, np.zeros((64, 64, 3), np.uint8), layout="end-to-end") == []
    found = find(path, np.full((64, 64, 3), 215, np.uint8), layout="end-to-end")
    assert [each["confidence"] for each in found] == pytest.approx([0.8, 0.5])


def test_a_model_of_half_precision(tmp_path):
    path = network(tmp_path / "m.onnx", CASES["yolov8"][0], metadata=DETECT, kind=TensorProto.FLOAT16)
    (found,) = find(path)
    assert list(found["rect_params"].values()) == pytest.approx(CENTRED_BOX, abs=1e-3)


@pytest.mark.parametrize("layout", ["yolov8-seg", "end-to-end-seg"])
def test_masks_lie_over_the_box_that_was_cut_at_the_picture(tmp_path, layout):
    (found,) = find(network(tmp_path / "m.onnx", CASES[layout][0], metadata=CASES[layout][1]))
    mask = found["mask"]
    assert mask.dtype == np.uint8
    edge = mask.shape[1] // 2
    assert mask[:, : edge - 1].all()
    assert not mask[:, edge + 1 :].any()


@pytest.mark.parametrize("layout", ["yolov8-pose", "end-to-end-pose"])
def test_keypoints_are_in_pixels_of_the_picture(tmp_path, layout):
    (found,) = find(network(tmp_path / "m.onnx", CASES[layout][0], metadata=CASES[layout][1]))
    expected = [[x * 2, (y - 16) * 2, sure] for x, y, sure in POINTS]
    assert found["keypoints"] == pytest.approx(np.array(expected), abs=1e-3)


def test_a_pose_has_x_before_y_and_a_box_around_the_points_that_are_sure(tmp_path):
    points = MOVENET.copy()
    points[0, 0, 16] = [1, 1, 0.1]
    (found,) = find(network(tmp_path / "m.onnx", [points]), confidence=0.5)
    assert list(found["rect_params"].values()) == pytest.approx(CENTRED_BOX, abs=1e-3)
    assert found["keypoints"][3] == pytest.approx([20, 8, 0.9], abs=1e-3)
    assert found["keypoints"][16] == pytest.approx([128, 96, 0.1], abs=1e-3)


def test_boxes_of_centernet_that_overlap_are_one_and_another_option_is_stronger_than_its_metadata(tmp_path):
    made = [[*CORNERS, 0.9, 1], [11, 20, 31, 40, 0.8, 1], [*CORNERS, 0.7, 0]]
    path = network(tmp_path / "m.onnx", [rows(6, made, 20)[None]], metadata={**DETECT, "layout": "centernet"})
    assert [each["obj_label"] for each in find(path)] == ["dog", "cat"]
    assert len(find(path, layout="end-to-end")) == 3


@pytest.mark.parametrize("layout", ["yolov8-obb", "end-to-end-obb"])
def test_turned_boxes_have_their_angle(tmp_path, layout):
    (found,) = find(network(tmp_path / "m.onnx", CASES[layout][0], metadata=CASES[layout][1]))
    assert found["rotation"] == pytest.approx(0.5)


def test_turned_boxes_that_cross_are_two_and_those_that_lie_on_each_other_one(tmp_path):
    long, across = [32, 32, 40, 4, 0.9], [32, 32, 40, 4, 0.8]
    made = rows(6, [[*long, 0], [*across, 0.02], [*across[:4], 0.7, np.pi / 2]]).T[None]
    found = find(network(tmp_path / "m.onnx", [made], metadata={"task": "obb"}))
    assert [round(each["rotation"], 2) for each in found] == [0, 1.57]


def test_of_boxes_of_a_class_that_overlap_the_surest_stays_in_a_pipeline(tmp_path):
    made = [[*MIDDLE, 0.8, 0], [21, 30, 20, 20, 0.9, 0], [*MIDDLE, 0, 0.7], [500, 500, 9, 9, 0.9, 0]]
    made.append([20, 30, float("nan"), 20, 0.9, 0])
    path = network(tmp_path / "m.onnx", [rows(6, made).T[None]], metadata=DETECT)
    for pixel_format in ("RGB", "BGRx"):
        with empycustom.process([WIDE], detect, options={"model": path}, format=pixel_format) as results:
            (result,) = results
        assert [(each["obj_label"], round(each["rect_params"]["left"])) for each in result.frame["object"]] == [
            ("cat", 22),
            ("dog", 20),
        ]
    assert len(find(path, iou=1)) == 3
    assert [each["obj_label"] for each in find(path, classes=["dog"])] == ["dog"]
    assert [each["class_id"] for each in find(path, classes=[0])] == [0]
    assert len(find(path, max_objects=1)) == 1


@pytest.mark.parametrize(
    ("layout", "key"),
    [("yolov8-seg", "mask"), ("yolov8-pose", "keypoints"), ("end-to-end-obb", "rotation"), ("centerface", "keypoints")],
)
def test_masks_keypoints_and_rotation_arrive_downstream(tmp_path, layout, key):
    path = network(tmp_path / "m.onnx", CASES[layout][0], metadata=CASES[layout][1])
    with empycustom.process([WIDE], detect, options={"model": path}) as results:
        (result,) = results
    (obj,) = result.frame["object"]
    (found,) = find(path)
    expected = encode_rle(found[key]) if key == "mask" else pytest.approx(np.ravel(found[key]).tolist(), abs=1e-3)
    assert (obj[key] if key != "rotation" else [obj[key]]) == expected
    assert ("skeleton" in obj) == (layout == "yolov8-pose"), "the 17 points of a person"


BRIGHTEST = [  # a box of 8 pixels around the brightest pixel, as an output of YOLOv10's kind
    helper.make_node("ReduceMax", ["images"], ["gray"], axes=[1], keepdims=0),
    helper.make_node("Reshape", ["gray", "c1"], ["flat"]),
    helper.make_node("ArgMax", ["flat"], ["place"], axis=0, keepdims=0),
    helper.make_node("Gather", ["c0", "place"], ["row"], axis=1),
    helper.make_node("Reshape", ["row", "c2"], ["o0"]),
]


@pytest.fixture(scope="module")
def brightest(tmp_path_factory):
    y, x = (each.ravel() + 0.5 for each in np.mgrid[:96, :160])
    table = np.stack([x - 4, y - 4, x + 4, y + 4, np.full_like(x, 0.9), np.zeros_like(x)], axis=1)
    constants = [table[None], np.array([-1]), np.array([1, 1, 6])]
    path = tmp_path_factory.mktemp("m") / "brightest.onnx"
    network(path, constants, nodes=BRIGHTEST, size=(96, 160), metadata={"end2end": True, "task": "detect"})
    model = onnx.load(path)
    del model.graph.output[1:]
    onnx.save(model, path)
    return Model(options_of(str(path)))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
)
@given(st.data(), st.integers(40, 700), st.integers(40, 500))
def test_a_bright_spot_is_found_where_it_is_in_frames_of_any_size(brightest, data, width, height):
    scale = max(width / 160, height / 96)
    assume(min(width, height) > 11 * scale)
    radius = max(2 * scale, 2)
    x = data.draw(st.floats(5 * scale, width - 5 * scale))
    y = data.draw(st.floats(5 * scale, height - 5 * scale))
    lines, columns = np.mgrid[:height, :width] + 0.5
    light = np.clip(255 - 120 * np.hypot(columns - x, lines - y) / radius, 0, 255).astype(np.uint8)
    (found,) = brightest.find(np.repeat(light[..., None], 3, axis=2), options_of(""))
    rect = found["rect_params"]
    assert abs(rect["left"] + rect["width"] / 2 - x) <= max(1, scale)
    assert abs(rect["top"] + rect["height"] / 2 - y) <= max(1, scale)


@settings(max_examples=200, deadline=None)
@given(*[st.integers(1, 3000)] * 2, *[st.integers(32, 800)] * 2, st.sampled_from(["centred", "top left", "stretched"]))
def test_the_corners_of_the_picture_come_back(width, height, input_width, input_height, fit):
    box = Letterbox.of((height, width), (input_height, input_width), fit)
    first = np.array([box.left, box.top], np.float32)
    last = first + np.array([box.scaled_width, box.scaled_height])
    assert (last <= (input_width, input_height)).all()
    assert box.undo(np.stack([first, last])) == pytest.approx(np.array([[0, 0], [width, height]]), rel=1e-5)


def mean_colour(tmp_path, layout, picture):
    """What reaches the network of a layout: the mean of each plane, told as the box of an object."""
    outputs, metadata, _ = CASES[layout]
    path = network(tmp_path / "m.onnx", outputs, metadata=metadata)
    model = Model(options_of(path))
    return model._prepared(Letterbox.of(picture.shape[:2], (SIZE, SIZE), LAYOUTS[layout].fit).apply(picture)).mean((1, 2))


def test_each_layout_gets_its_order_and_range_of_colours(tmp_path):
    picture = np.full((64, 64, 3), (255, 51, 0), np.uint8)
    assert mean_colour(tmp_path, "yolov8", picture) == pytest.approx([1, 0.2, 0], abs=1e-5)
    assert mean_colour(tmp_path, "yolox", picture) == pytest.approx([0, 51, 255], abs=1e-3)
    assert mean_colour(tmp_path, "rfdetr", picture) == pytest.approx(
        [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225], abs=1e-4
    )


END = rows(6, [[*CORNERS, 0.9, 7]], 20)[None]
POSE = CASES["yolov8-pose"][0]
REFUSED = [
    ([END], {}, {}, "may be end-to-end (1, boxes, 6) or rtdetr-ultralytics (1, boxes, 4 + classes): say by the option layout"),
    (POSE, {}, {}, "may be yolov8 (1, 4 + classes, boxes) or yolov8-pose (1, 4 + classes + keypoints * 3, boxes): say"),
    (
        [np.zeros((1, 7))],
        {},
        {},
        "the model returns (1, 7), which is not a layout that is known: yolov5 (1, boxes, 5 + classes);",
    ),
    ([END], {}, {"layout": "yolox"}, "the option layout is yolox, which has the outputs (1, boxes, 5 + classes), of each cell"),
    ([np.zeros((1, 7))], {"layout": "movenet"}, {}, "the layout in the metadata of the model is movenet, which has the outputs"),
    ([END], {"end2end": True}, {"labels": ["a"], "confidence": 0.1}, "with the class 7, but there are 1 labels"),
    ([rows(6, [[*MIDDLE, 3, 0]]).T[None]], DETECT, {}, "read as yolov8, with the confidence 3: set the option layout"),
    ([np.full((1, 6, CELLS), np.nan)], DETECT, {}, "which is NaN everywhere: export it with float32"),
    ([END], {"end2end": True, "imgsz": "[a]"}, {}, "imgsz in the metadata of the model has to be [height, width], not '[a]'"),
    ([END], {"end2end": True}, {"classes": ["car"]}, "the option classes has ['car'], but the labels of the model are []"),
    ([END], {}, {"providers": ["tpu"]}, "the option providers has 'tpu', but there are cpu, cuda, tensorrt, openvino"),
    ([END], {}, {"providers": ["cuda"]}, "the provider cuda is not in this onnxruntime: install onnxruntime-gpu in its place"),
    ([END], {}, {"size": [32, 32]}, "the option size is [32, 32], but the model takes 64 rows and 64 columns"),
    ([END], {}, {"size": [32]}, "the option size has to be [height, width], whole numbers, not [32]"),
    ([END], {}, {"labels": "no.txt"}, "the option labels: there is no file"),
]


@pytest.mark.parametrize(("outputs", "metadata", "more", "said"), REFUSED)
def test_what_is_wrong_is_refused_with_what_to_do(tmp_path, outputs, metadata, more, said):
    path = network(tmp_path / "m.onnx", outputs, metadata=metadata)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(said)):
        find(path, **more)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (None, "is missing: the ONNX file"),
        ("", "is missing: it is the path"),
        ("no.onnx", ": there is no file /"),
        (__file__, ": /"),
    ],
)
def test_a_model_that_is_no_model_is_one_sentence_about_the_option(path, said):
    for where in (detect, classify):
        options = {} if path is None else {"model": path}
        with (
            pytest.raises(empycustom.errors.OptionError) as caught,
            empycustom.process([WIDE], where, options=options) as results,
        ):
            list(results)
        assert str(caught.value).startswith(
            f"{where.__name__}: the option model{said}" if said[0] == ":" else f"{where.__name__}: the option model {said}"
        )
        assert (caught.value.option, caught.value.details) == ("model", "")
        assert "fix the library" not in str(caught.value)
    assert path != __file__ or "is not an ONNX file that onnxruntime can load: " in str(caught.value)


def test_threads_that_begin_at_once_find_each_what_is_in_their_picture(brightest):
    together, found = threading.Barrier(4), {}

    def work(number):
        picture = np.zeros((96, 160, 3), np.uint8)
        picture[40, 30 * (number + 1)] = 255
        together.wait(timeout=30)
        found[number] = {str(brightest.find(picture, options_of(""))[0]["rect_params"]["left"]) for _ in range(50)}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == {number: {str(30 * (number + 1) + 0.5 - 4)} for number in range(4)}
