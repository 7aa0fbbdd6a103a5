"""The examples that run a model from a file, with models that are made here and frames of real video."""

from __future__ import annotations

import importlib.util
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
    """Start an example that cannot start; return what it says."""

    def run(name, options):
        words = example(name, options)
        ended = launch.process("videotestsrc", "num-buffers=1", "!", RGBA, "!", "empycustom", *words, "!", "fakesink")
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
    """Write a model that returns the same rows for every picture of 64x48, in one layout or the other."""

    def write(rows, layout="rows"):
        answer = np.asarray(rows, np.float32)[None]
        answer = answer if layout == "rows" else answer.transpose(0, 2, 1)
        graph = helper.make_graph(
            [helper.make_node("Identity", ["rows"], ["found"])],
            "constant",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 48, 64])],
            [helper.make_tensor_value_info("found", TensorProto.FLOAT, answer.shape)],
            [numpy_helper.from_array(answer, "rows")],
        )
        path = tmp_path / "constant.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
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
def test_boxes_of_both_layouts_are_scaled_clipped_and_told_once(launch, model, layout):
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
    assert "the model knows 2 classes, and option labels names 3" in refused(
        "onnx_detector.py", {"model": path, "labels": ["a", "b", "c"]}
    )
    assert "option only names ['z']" in refused("onnx_detector.py", {"model": path, "labels": ["a", "b"], "only": ["z"]})


# PyTorch

# A model whose class is the strongest colour, and one whose class says how many pictures it got in one call.
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
