"""The example that runs a model from a file, and the model that is made of OpenCV's detector, on frames of real video."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
from launching import FIRST_FRAME, PROJECT, RGBA, SOLID, WALKERS_CAPS, example, overlap

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


@needs_torch
def test_a_missing_model_is_an_error_at_the_start(refused):
    assert "no/such.file" in refused("torch_classes.py", {"model": "no/such.file"})
    assert "the option size must be a whole number, 1 or more pixels, not 0" in refused("torch_classes.py", {"size": 0})


@pytest.fixture(scope="session")
def people_model(tmp_path_factory):
    """OpenCV's people detector as an ONNX file, as a user makes it."""
    path = tmp_path_factory.mktemp("models") / "people.onnx"
    subprocess.run([sys.executable, PROJECT / "tools/people_model.py", path], check=True, timeout=60)
    return path


def test_a_network_finds_everybody_in_the_first_frame_of_the_sample_video_and_nobody_else(launch, walkers, people_model):
    options = json.dumps({"model": str(people_model), "labels": ["person"], "confidence": 0.62})
    detector = ["custom-lib=empycustom.libs.detect", "in-place=true", f"options={options}"]
    documents, _ = launch([*walkers, "!", "identity", "eos-after=2"], detector, caps=WALKERS_CAPS)
    objects = documents[0]["object"]
    assert len(objects) == len(FIRST_FRAME)
    for person in FIRST_FRAME:
        assert max(overlap(found["rect_params"], *person) for found in objects) > 0.4
    assert all(found["obj_label"] == "person" and 0.62 <= found["confidence"] <= 1 for found in objects)


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


COLOURS = {"labels": ["red", "green", "blue"], "size": 16, "device": "cpu"}


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
    options = {"model": torch_model("Colour"), **COLOURS}
    documents, _ = launch(walkers, example("people.py"), example("torch_classes.py", options), caps=WALKERS_CAPS)
    said = [found["emcustom"] for frame in documents for found in frame["object"] if "emcustom" in found]
    assert len(said) > 20
    assert all(word["label"] in COLOURS["labels"] and 1 / 3 <= word["confidence"] <= 1 for word in said)


@needs_torch
def test_labels_that_are_not_the_torch_models_are_an_error(refused, torch_model):
    options = {"model": torch_model("Colour"), **COLOURS, "labels": ["one"]}
    assert "the model returned (1, 3), but labels has 1 names" in refused("torch_classes.py", options)
