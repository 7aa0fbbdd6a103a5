"""GStreamer's own detectors, tracker and overlay, beside custom libraries: each reads what the other found, as GstAnalytics.

The pipelines are those that a user types. The models are made here: they find the same two things in the same places, and are
as sure of it as the picture is bright.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from empycustom.gstreamer import Gst

# Where each is packaged; gstreamer1.0-plugins-bad of Debian 12 has none of them.
DEBIAN_13 = "gstreamer1.0-plugins-bad of Debian 13 (GStreamer 1.26) and later"
DEBIAN_TESTING = "gstreamer1.0-plugins-bad of Debian testing (GStreamer 1.28)"
PACKAGES = {
    "onnxinference": DEBIAN_13,
    "ssdobjectdetector": DEBIAN_13,
    "objectdetectionoverlay": DEBIAN_13,
    "yolov8tensordec": DEBIAN_TESTING,
    "ioutracker": DEBIAN_TESTING,
}
SIZE = "width=64,height=48"
NAMER = """
def process_ip(b, m, o):
    return [{"name": found["obj_label"], "track": found["object_id"]} for found in m["frame"][0]["object"]]
"""


def needs(*elements):
    """Skip a test if elements are missing, and name their package."""
    missing = [name for name in elements if Gst.ElementFactory.find(name) is None]
    where = "; ".join(f"{name} is in {PACKAGES[name]}" for name in missing)
    return pytest.mark.skipif(bool(missing), reason=f"not installed here: {where}")


@pytest.fixture
def frames(gst_launch):
    """Launch a pipeline up to aimeta; return its frames."""

    def run(line):
        launched = gst_launch(f"-q {line} ! aimeta silent=false ! fakesink")
        assert launched.code == 0, launched.text
        return [document["frame"][0] for document in launched.documents]

    return run


def seen(frame):
    """Return label, box, confidence and track of each object."""
    return [
        (found["obj_label"], tuple(found["rect_params"].values()), found["confidence"], found["object_id"])
        for found in frame["object"]
    ]


# Detectors


def constant(name, value):
    return numpy_helper.from_array(np.asarray(value, np.float32), name)


@pytest.fixture
def model(tmp_path):
    """Write a model of constants and "light", the mean of the picture (48x64); and what GStreamer 1.28 wants to know about it."""

    def write(nodes, constants, outputs, group, order):
        # outputs: a name for each, its shape, its name for the decoder before 1.28, and the one from then on
        light = helper.make_node("ReduceMean", ["picture"], ["light"], axes=[0, 1, 2, 3], keepdims=0)
        taken = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 48, 64])
        given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape, *_ in outputs]
        graph = helper.make_graph([light, *nodes], "model", [taken], given, constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(made, {name: old for name, _, old, _ in outputs if old})
        onnx.checker.check_model(made)
        onnx.save(made, tmp_path / "model.onnx")
        about = {
            "modelinfo": {"version": "1.0", "group-id": group},
            "picture": {"id": "picture", "type": "float32", "dims": "1,3,48,64", "dir": "input", "ranges": ";".join(["0,1"] * 3)},
        }
        for name, shape, _, new in outputs:
            dims = ",".join(str(-1 if size == "any" else size) for size in shape)
            about[name] = {"id": new, "type": "float32", "dims": dims, "dims-order": order, "dir": "output"}
        sections = (f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items()) for name, keys in about.items())
        (tmp_path / "model.onnx.modelinfo").write_text("\n".join(sections))
        (tmp_path / "labels.txt").write_text("person\ncar\n")
        return "model-file=model.onnx"

    return write


@pytest.fixture
def yolo(model):
    """Write a model with the output of YOLOv8: (1, 4 + classes, boxes), the middle and the size of each box in pixels."""
    boxes = np.array([[20, 10, 16, 8], [50, 30, 12, 20], [20, 10, 16, 8]]).T[None]
    weights = np.array([[0.75, 0], [0.125, 0.5], [0.625, 0]]).T[None]  # the third is the first once more, for the decoder to drop
    nodes = [
        helper.make_node("Mul", ["light", "weights"], ["confidences"]),
        helper.make_node("Concat", ["boxes", "confidences"], ["found"], axis=1),
    ]
    constants = [constant("boxes", boxes), constant("weights", weights)]
    return model(nodes, constants, [("found", [1, 6, 3], None, "yolo-v8-out")], "yolo-v8-out", "col-major")


@pytest.fixture
def ssd(model, tmp_path):
    """Write a model with the outputs of an SSD: boxes (top, left, bottom, right, from 0 to 1), classes, confidences and a number."""
    # Compress leaves open how many there are: the decoder of 1.28 refuses a number that is known before.
    nodes = [
        helper.make_node("Compress", ["places", "all"], ["boxes"], axis=1),
        helper.make_node("Compress", ["numbers", "all"], ["classes"], axis=1),
        helper.make_node("Compress", ["weights", "all"], ["most"], axis=1),
        helper.make_node("Mul", ["light", "most"], ["scores"]),
        helper.make_node("Identity", ["two"], ["count"]),
    ]
    constants = [
        constant("places", [[[0.125, 0.25, 0.5, 0.75], [0.5, 0.5, 0.75, 1]]]),
        constant("numbers", [[1, 3]]),
        constant("weights", [[0.75, 0.5]]),
        constant("two", [2]),
        numpy_helper.from_array(np.array([True, True]), "all"),
    ]
    old, new = "Gst.Model.ObjectDetector", "ssd-mobilenet-v1-variant-1-out"
    outputs = [
        ("boxes", [1, "any", 4], f"{old}.Boxes", f"{new}-boxes"),
        ("classes", [1, "any"], f"{old}.Classes", f"{new}-classes"),
        ("scores", [1, "any"], f"{old}.Scores", f"{new}-scores"),
        ("count", [1], f"{old}.NumDetections", "generic-variant-1-out-count"),
    ]
    # Each twice, because the first line is that of class 0, and in later 1.28 that of class 1.
    (tmp_path / "twice.txt").write_text("person\nperson\ncar\ncar\n")
    return model(nodes, constants, outputs, new, "row-major")


def source(pattern, number=1):
    return f"videotestsrc pattern={pattern} num-buffers={number} ! video/x-raw,format=RGB,{SIZE}"


@needs("onnxinference", "yolov8tensordec")
def test_what_yolov8tensordec_found_reaches_a_library(frames, library, yolo):
    detector = f"onnxinference {yolo} ! yolov8tensordec label-file=labels.txt"
    element = f"empycustom in-place=true custom-lib={library(NAMER)}"
    (frame,) = frames(f"{source('white')} ! {detector} ! {element} ! videoconvert ! video/x-raw,format=I420")
    assert seen(frame) == [("person", (12, 6, 16, 8), 0.75, -1), ("car", (44, 20, 12, 20), 0.5, -1)]
    assert [found["emcustom"]["name"] for found in frame["object"]] == ["person", "car"]
    (dark,) = frames(f"{source('black')} ! {detector} ! {element}")
    assert dark["object"] == []


@needs("onnxinference", "ssdobjectdetector")
def test_what_ssdobjectdetector_found_reaches_a_library(frames, library, ssd):
    # From 1.28 on the .modelinfo describes the input.
    picture = "" if Gst.version()[:2] >= (1, 28) else "input-image-format=chw input-tensor-scale=255"
    detector = f"onnxinference {ssd} {picture} ! ssdobjectdetector label-file=twice.txt"
    element = f"empycustom in-place=true custom-lib={library(NAMER)}"
    (frame,) = frames(f"{source('white')} ! {detector} ! {element} ! videoconvert ! video/x-raw,format=I420")
    assert seen(frame) == [("person", (16, 6, 32, 18), 0.75, -1), ("car", (32, 24, 32, 12), 0.5, -1)]
    assert [found["emcustom"]["name"] for found in frame["object"]] == ["person", "car"]
    (dark,) = frames(f"{source('black')} ! {detector} ! {element}")
    assert dark["object"] == []


# Tracker


@needs("onnxinference", "yolov8tensordec", "ioutracker")
def test_what_ioutracker_tracks_has_an_id(frames, library, yolo):
    detector = f"onnxinference {yolo} ! yolov8tensordec label-file=labels.txt ! ioutracker"
    way = "videoscale ! video/x-raw,width=32,height=24 ! tee ! queue"
    documents = frames(f"{source('white', 3)} ! {detector} ! empycustom in-place=true custom-lib={library(NAMER)} ! {way}")
    for frame in documents:
        assert [found["emcustom"] for found in frame["object"]] == [{"name": "person", "track": 0}, {"name": "car", "track": 1}]
        assert [(label, track) for label, _, _, track in seen(frame)] == [("person", 0), ("car", 1)]
    assert len(documents) == 3


# Two things that pass each other; one is not seen in every fourth frame, and in the last one nothing is.
MOVING = """
def process_ip(b, m, o):
    n = m["frame"][0]["frame_num"]
    boxes = {"right": (4 * n, 4), "left": (60 - 4 * n, 20)}
    if n % 4 == 3:
        del boxes["right"]
    return {"frame": [{"new_object": [
        {"obj_label": label, "confidence": 0.5, "rect_params": {"left": x, "top": y, "width": 24, "height": 12}}
        for label, (x, y) in boxes.items() if n < 9
    ]}]}
"""


@needs("ioutracker")
def test_ioutracker_follows_what_a_library_found(frames, library):
    elements = " ! ioutracker ! ".join(
        f"empycustom in-place=true custom-lib={library(text, name)}"
        for text, name in ((MOVING, "moving.py"), (NAMER, "namer.py"))
    )
    documents = frames(f"videotestsrc num-buffers=10 ! video/x-raw,format=RGBA,width=96,height=48,framerate=5/1 ! {elements}")
    right, left = {"name": "right", "track": 0}, {"name": "left", "track": 1}
    words = [[found["emcustom"] for found in frame["object"]] for frame in documents]
    assert words == [*[[right, left], [right, left], [right, left], [left]] * 2, [right, left], []]
    assert [[found["object_id"] for found in frame["object"]] for frame in documents] == [
        [w["track"] for w in said] for said in words
    ]


# Overlay

BOX = {"left": 16, "top": 10, "width": 30, "height": 20}
DETECTOR = f"""
def process_ip(b, m, o):
    return {{"frame": [{{"new_object": [{{"obj_label": "x", "rect_params": {BOX}}}]}}]}}
"""


def drawn(play, elements):
    """Return which pixels of a black frame are no longer so."""
    played = play(
        f"videotestsrc num-buffers=1 pattern=black ! video/x-raw,format=RGBA,{SIZE} ! {elements} ! "
        f"videoconvert ! video/x-raw,format=GRAY8,{SIZE} ! appsink name=out"
    )
    assert played.ended, played.errors
    return np.frombuffer(played.samples[0].get_buffer().extract_dup(0, 64 * 48), np.uint8).reshape(48, 64) > 64


def outline(left, top, width, height):
    """Return the pixels on both sides of the edge of a box."""
    pixels = np.zeros((48, 64), bool)
    pixels[top - 1 : top + height + 1, left - 1 : left + width + 1] = True
    pixels[top + 1 : top + height - 1, left + 1 : left + width - 1] = False
    return pixels


@needs("objectdetectionoverlay")
def test_objectdetectionoverlay_draws_what_a_library_found(play, library):
    element = f"empycustom in-place=true custom-lib={library(DETECTOR)}"
    overlay = "objectdetectionoverlay draw-labels=false"
    assert not drawn(play, overlay).any()
    assert (drawn(play, f"{element} ! {overlay}") == outline(**BOX)).all()
    labelled = drawn(play, f"{element} ! objectdetectionoverlay")
    assert (labelled & outline(**BOX) == outline(**BOX)).all()


@needs("objectdetectionoverlay")
def test_objectdetectionoverlay_draws_it_where_it_is_after_scaling(play, library):
    big = "videoscale ! video/x-raw,width=128,height=96"
    element = f"empycustom in-place=true custom-lib={library(DETECTOR)}"
    found = drawn(play, f"{element} ! {big} ! objectdetectionoverlay draw-labels=false ! videoscale")
    lines, columns = np.nonzero(found)
    assert abs(lines.min() - BOX["top"]) <= 1
    assert abs(lines.max() - BOX["top"] - BOX["height"]) <= 1
    assert abs(columns.min() - BOX["left"]) <= 1
    assert abs(columns.max() - BOX["left"] - BOX["width"]) <= 1
