"""The examples that run a model from a file, with models that are made here and frames of real video."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from launching import FIRST_FRAME, PROJECT, RGBA, SOLID, WALKERS_CAPS, example, overlap
from onnx import TensorProto, helper, numpy_helper

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="PyTorch is not here (pip install torch, or apt install python3-torch: half a GB and more, so the set-up leaves it out)",
)


@pytest.fixture
def refused(launch):
    """Start an example that cannot start; return its error."""

    def run(name, options):
        arguments = example(name, options)
        ended = launch.process("videotestsrc", "num-buffers=1", "!", RGBA, "!", "empycustom", *arguments, "!", "fakesink")
        assert ended.returncode != 0
        assert f"{name}:" in ended.stderr
        return ended.stderr

    return run


@pytest.mark.parametrize("name", ["onnx_detector.py", pytest.param("torch_classes.py", marks=needs_torch)])
def test_a_missing_model_is_an_error_at_the_start(refused, name):
    assert "option model is missing" in refused(name, None)
    assert "option model: there is no file" in refused(name, {"model": "no/such.file"})


# ONNX


@pytest.fixture(scope="session")
def people_model(tmp_path_factory):
    """OpenCV's people detector as an ONNX file, as a user makes it."""
    path = tmp_path_factory.mktemp("models") / "people.onnx"
    subprocess.run([sys.executable, PROJECT / "tools/people_model.py", path], check=True, timeout=60)
    return path


def test_a_network_finds_everybody_in_the_first_frame_of_the_sample_video_and_nobody_else(launch, walkers, people_model):
    options = {"model": str(people_model), "labels": ["person"], "min_confidence": 0.62}
    documents, _ = launch([*walkers, "!", "identity", "eos-after=2"], example("onnx_detector.py", options), caps=WALKERS_CAPS)
    objects = documents[0]["object"]
    assert len(objects) == len(FIRST_FRAME)
    for person in FIRST_FRAME:
        assert max(overlap(found["rect_params"], *person) for found in objects) > 0.4
    assert all(found["obj_label"] == "person" and 0.62 <= found["confidence"] <= 1 for found in objects)


@pytest.fixture
def model(tmp_path):
    """Write a model that returns the same rows for every picture, in one layout or the other; ``size`` is height and width.

    ``seen``: it returns those rows only whose 5th number the picture's brightest one exceeds, like one that has looked at it.
    """

    def write(rows, layout="rows", *, size=(48, 64), kind=TensorProto.FLOAT, seen=False, names=None):
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        answer = np.asarray(rows, dtype)
        answer = answer.T if layout == "columns" else answer
        answer = answer if layout == "bare" else answer[None]
        nodes = [helper.make_node("Identity", ["rows"], ["found"])]
        constants = [numpy_helper.from_array(answer, "rows")]
        if seen:
            constants.append(numpy_helper.from_array(np.array([row[4] for row in rows], dtype), "scores"))
            nodes = [
                helper.make_node("ReduceMax", ["picture"], ["brightest"], keepdims=0),
                helper.make_node("Less", ["scores", "brightest"], ["chosen"]),
                helper.make_node("Compress", ["rows", "chosen"], ["found"], axis=1),
            ]
        graph = helper.make_graph(
            nodes,
            "constant",
            [helper.make_tensor_value_info("picture", kind, [1, 3, *size])],
            [helper.make_tensor_value_info("found", kind, [None if seen else side for side in answer.shape])],
            constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if names:
            helper.set_model_props(made, {"names": str(dict(enumerate(names))), "task": "detect"})
        path = tmp_path / "constant.onnx"
        onnx.save(made, path)
        return str(path)

    return write


# Middle x, middle y, width, height in the model's 64x48 pixels, then the scores of two classes. Frames are five times as large.
BOXES = [
    [10, 10, 8, 12, 0.9, 0.1],
    [10.5, 10, 8, 12, 0.8, 0.1],  # the same again, less certain
    [10, 10, 8, 12, 0.1, 0.7],  # another class at the same place stays
    [62, 46, 20, 20, 0.6, 0.2],  # reaches out of the picture
    [30, 30, 5, 5, 0.2, 0.1],  # not certain enough
    [40, 20, 5, 5, float("nan"), float("nan")],
    [200, 200, 10, 10, 0.9, 0.1],  # outside
]
FOUND = [
    ("cat", 0.9, [30, 20, 40, 60]),
    ("dog", 0.7, [30, 20, 40, 60]),
    ("cat", 0.6, [260, 180, 60, 60]),
]


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_boxes_of_both_layouts_are_scaled_clipped_and_returned_once(launch, model, layout):
    rows = BOXES if layout == "columns" else [[*row[:4], 1, *row[4:]] for row in BOXES]
    rows = rows + [[0] * len(rows[0])] * 9  # the longer side is that of the boxes
    path = model(rows, layout)
    documents, _ = launch(SOLID, example("onnx_detector.py", {"model": path, "labels": ["cat", "dog"]}))
    for frame in documents:
        found = [(one["obj_label"], round(one["confidence"], 3), list(one["rect_params"].values())) for one in frame["object"]]
        assert sorted(found) == sorted(FOUND)
    documents, _ = launch(SOLID, example("onnx_detector.py", {"model": path, "labels": ["cat", "dog"], "only": ["dog"]}))
    assert [one["obj_label"] for one in documents[0]["object"]] == ["dog"]


def test_a_picture_of_another_shape_is_fitted_without_distortion(launch, model):
    """320x240 goes into 64x48 as it is; 320x160 leaves the lower part of it empty."""
    path = model([*BOXES[:1], *[[0] * 6] * 9], "columns")
    documents, _ = launch(SOLID, example("onnx_detector.py", {"model": path}), caps=RGBA.replace("240", "160"))
    (found,) = documents[0]["object"]
    assert list(found["rect_params"].values()) == [30, 20, 40, 60]
    assert found["class_id"] == 0


def test_labels_that_are_not_the_models_are_an_error(refused, model):
    path = model([*BOXES[:1], *[[0] * 6] * 9], "columns")
    said = refused("onnx_detector.py", {"model": path, "labels": ["a", "b", "c"]})
    assert "the model returned (1, 6, 10): 2 classes as yolov8, 6 classes as yolov8-transposed, 5 classes as yolov5, " in said
    assert "and option labels names 3" in said
    assert "option only names ['z']" in refused("onnx_detector.py", {"model": path, "labels": ["a", "b"], "only": ["z"]})


# The layouts of well-known models, by their shapes. Pictures are 640x640, and one object is found in each: a box from (80, 40) to
# (240, 360) with the score 0.9 and the last of the classes.

ONE = (80, 40, 240, 360)


def rows_of(layout, boxes, classes, unit=1.0):
    left, top, right, bottom = (side / unit for side in ONE)
    if layout == "end-to-end":
        return [[left, top, right, bottom, 0.9, classes - 1], *[[0] * 6] * (boxes - 1)]
    middle = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    scores = [0] * (classes - 1) + [0.9]
    there = [1] if layout == "yolov5" else []
    none = [0] * len([*middle, *there, *scores])
    return [[*middle, *there, *scores], *[none] * (boxes - 1)]


@pytest.fixture
def detect(tmp_path):
    """What examples/onnx_detector.py finds in a picture of 1280x1280, with real models."""
    spec = importlib.util.spec_from_file_location("onnx_detector", PROJECT / "examples/onnx_detector.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(path, *, white=True, **options):
        picture = np.full((1280, 1280, 3), 255 if white else 0, np.uint8)
        return module.Detector({"model": path, **options}).find(picture)

    return run


def names(count):
    return [f"class {n}" for n in range(count)]


SQUARE = {"size": (640, 640)}
# The layout, how many boxes and classes, how many labels are given; whether the shape is enough.
KNOWN = [
    ("yolov8", 8400, 80, 80, True),  # YOLOv8, YOLO11: (1, 84, 8400)
    ("yolov8", 8400, 80, 0, True),
    ("yolov8", 8400, 1, 0, True),
    ("yolov8", 8400, 2, 2, True),
    ("yolov8-transposed", 8400, 80, 80, True),
    ("yolov8-transposed", 8400, 80, 0, False),
    ("yolov8-transposed", 8400, 2, 2, True),  # (1, 8400, 6), and 300 are what end-to-end would have
    ("yolov5", 25200, 80, 80, True),  # YOLOv5, YOLOv7: (1, 25200, 85)
    ("yolov5", 25200, 80, 0, True),
    ("yolov5", 25200, 1, 1, True),  # (1, 25200, 6)
    ("yolov5", 25200, 1, 0, True),
    ("yolov5", 8400, 1, 1, True),  # YOLOX
    ("yolov5", 8400, 80, 80, True),
    ("end-to-end", 300, 80, 80, True),  # YOLOv10, YOLO26: (1, 300, 6)
    ("end-to-end", 300, 1, 1, True),
    ("end-to-end", 1000, 3, 3, True),
    ("end-to-end", 300, 80, 0, False),
    ("end-to-end", 300, 2, 2, False),
    ("yolov8-transposed", 300, 2, 2, False),
]


@pytest.mark.parametrize(("layout", "boxes", "classes", "labels", "told"), KNOWN)
def test_the_layouts_of_well_known_models(detect, model, layout, boxes, classes, labels, told):
    rows = rows_of(layout, boxes, classes)
    path = model(rows, "columns" if layout == "yolov8" else "rows", **SQUARE)
    options = {"labels": names(labels)} if labels else {}
    expected = {
        "class_id": classes - 1,
        "confidence": 0.9,
        "rect_params": {"left": 160, "top": 80, "width": 320, "height": 640},
        **({"obj_label": f"class {classes - 1}"} if labels else {}),
    }
    assert detect(path, layout=layout, **options) == [expected]
    if told:
        assert detect(path, **options) == [expected]
        return
    with pytest.raises(ValueError, match=r"which can be .*; set the option layout") as caught:
        detect(path, **options)
    assert str(np.asarray(rows)[None].shape) in str(caught.value)
    assert f"{layout} (1, boxes, " in str(caught.value)
    assert ("or give option labels" in str(caught.value)) == (not labels)


def test_a_model_that_suppresses_overlaps_itself_may_find_nothing(detect, model):
    """Its answer has as many rows as it found: none in the black picture that it is tried with."""
    rows = [[*ONE, 0.9, 4], [*ONE, 0.8, 4], [0, 0, 9, 9, 0.2, 1]]
    path = model(rows, seen=True, **SQUARE)
    assert detect(path, labels=names(5), white=False) == []
    assert [found["confidence"] for found in detect(path, labels=names(5))] == [0.9, 0.8]


def test_the_names_in_the_model_are_the_labels(detect, model):
    path = model(rows_of("end-to-end", 300, 3), names=["cat", "dog", "bird"], **SQUARE)
    (found,) = detect(path)
    assert found["obj_label"] == "bird"
    assert detect(path, only=["cat"]) == []


def test_boxes_that_are_parts_of_the_picture(detect, model):
    """RT-DETR: (1, 300, 84), from 0 to 1."""
    path = model(rows_of("yolov8-transposed", 300, 80, unit=640), **SQUARE)
    (found,) = detect(path, labels=names(80))
    assert found["rect_params"] == {"left": 160, "top": 80, "width": 320, "height": 640}


def test_a_model_of_half_precision(detect, model):
    (found,) = detect(model(rows_of("end-to-end", 300, 80), kind=TensorProto.FLOAT16, **SQUARE), labels=names(80))
    assert found["rect_params"] == {"left": 160, "top": 80, "width": 320, "height": 640}


@pytest.mark.parametrize(
    ("rows", "layout", "options", "said"),
    [
        ([[0] * 7] * 300, "bare", {}, "the first output of the model is (300, 7), but must be one of yolov8 (1, 4 + classes"),
        ([[0] * 5] * 3, "rows", {}, "the model returned (1, 3, 5): it must be yolov8 (1, 4 + classes, boxes) or "),
        ([[0] * 84] * 8400, "rows", {"layout": "end-to-end"}, "returned (1, 8400, 84): it must be end-to-end (1, boxes, 6)"),
        ([[0] * 84] * 8400, "rows", {"layout": "yolo9"}, "option layout is 'yolo9', but must be one of yolov8, yolov8-trans"),
        ([[0] * 85] * 9, "rows", {"layout": "yolov5", "labels": ["a"]}, "80 classes as yolov5, and option labels names 1"),
        (
            rows_of("end-to-end", 300, 9),
            "rows",
            {"layout": "yolov5"},
            "(1, 300, 6), read as yolov5, with the confidence 7.2",
        ),
        (
            rows_of("end-to-end", 300, 9),
            "rows",
            {"labels": ["a", "b", "c"]},
            "read as end-to-end, with the class 8; set the option layout",
        ),
        (rows_of("yolov8-transposed", 300, 2), "rows", {"layout": "end-to-end"}, "read as end-to-end, with the class 0.9"),
    ],
)
def test_a_layout_that_is_not_the_models_is_refused(detect, model, rows, layout, options, said):
    path = model(rows, layout, **SQUARE)
    with pytest.raises(ValueError, match=re.escape(said)):
        detect(path, min_confidence=0, **options)


def test_a_model_that_may_be_two_is_refused_at_the_start(refused, launch, model):
    path = model(rows_of("end-to-end", 300, 2), **SQUARE)
    said = refused("onnx_detector.py", {"model": path, "labels": ["cat", "dog"]})
    assert (
        "the model returned (1, 300, 6), which can be yolov8-transposed (1, boxes, 4 + classes) or end-to-end (1, boxes, 6); set"
        in said
    )
    options = {"model": path, "labels": ["cat", "dog"], "layout": "end-to-end"}
    documents, _ = launch(SOLID, example("onnx_detector.py", options))
    (found,) = documents[0]["object"]
    assert found["obj_label"] == "dog"
    assert list(found["rect_params"].values()) == [40, 20, 80, 160]


# PyTorch

# A model whose class is the strongest colour, and one whose class is the number of pictures in one call.
TORCH_MODELS = """
import sys, torch

class Colour(torch.nn.Module):
    def forward(self, pictures):
        return pictures.mean((2, 3)) * 10

class Count(torch.nn.Module):
    def forward(self, pictures):
        scores = torch.zeros(pictures.shape[0], 3)
        scores[:, min(pictures.shape[0], 3) - 1] = 9
        return scores

torch.jit.script({model}()).save(sys.argv[1])
"""


@pytest.fixture
def torch_model(tmp_path, launch):
    launch.said = "Failed to initialize NumPy"  # PyTorch that was built for NumPy 1, as Debian's is, complains about a NumPy 2

    def write(name):
        path, source = tmp_path / f"{name}.pt", tmp_path / "models.py"  # PyTorch reads the source of what it compiles
        source.write_text(TORCH_MODELS.replace("{model}", name))
        subprocess.run([sys.executable, source, path], check=True, timeout=120, capture_output=True)
        return str(path)

    return write


COLOURS = {"labels": ["red", "green", "blue"], "mean": [0, 0, 0], "std": [1, 1, 1], "size": 16, "device": "cpu"}


@needs_torch
@pytest.mark.parametrize("pixel_format", ["RGBA", "BGRx", "RGB"])
def test_each_object_is_classified_by_its_own_pixels(launch, boxes, torch_model, pixel_format):
    """The frame is blue; the person's half of it is painted red. The third object is beside the picture."""
    paint = launch.folder / "paint.py"
    paint.write_text(
        "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m, writable=True) as frame:\n"
        "        frame.rgb[:, :120] = [200, 10, 10]\n"
    )
    colours = example("torch_classes.py", {"model": torch_model("Colour"), **COLOURS})
    shown = ["!", "videoconvert", "!", RGBA]
    documents, _ = launch(SOLID, boxes, example(paint), [*colours, *shown], caps=RGBA.replace("RGBA", pixel_format))
    for frame in documents:
        person, bicycle, outside = (found.get("emcustom") for found in frame["object"])
        assert person["label"] == "red"
        assert person["confidence"] > 0.99
        assert bicycle["label"] == "blue"
        assert outside is None


@needs_torch
def test_all_objects_of_a_frame_go_into_one_call_of_the_model(launch, boxes, torch_model):
    options = {"model": torch_model("Count"), **COLOURS, "labels": ["one", "two", "more"]}
    documents, _ = launch(SOLID, boxes, example("torch_classes.py", options))
    assert [found.get("emcustom", {}).get("label") for found in documents[0]["object"]] == ["two", "two", None]


@needs_torch
def test_people_in_real_video_are_classified(launch, walkers, torch_model):
    (launch.folder / "labels.txt").write_text("red\ngreen\nblue\n")
    options = {"model": torch_model("Colour"), **COLOURS, "labels": "labels.txt", "min_confidence": 0.3}
    documents, _ = launch(walkers, example("people.py"), example("torch_classes.py", options), caps=WALKERS_CAPS)
    said = [found["emcustom"] for frame in documents for found in frame["object"] if "emcustom" in found]
    assert len(said) > 20
    assert all(word["label"] in COLOURS["labels"] and 0.3 <= word["confidence"] <= 1 for word in said)


@needs_torch
def test_labels_that_are_not_the_torch_models_are_an_error(refused, torch_model):
    options = {"model": torch_model("Colour"), **COLOURS, "labels": ["one"]}
    assert "as many scores as there are labels (1)" in refused("torch_classes.py", options)
