"""Find objects with a neural network in an ONNX file, run by onnxruntime.

::

    empycustom run street.mp4 --lib empycustom.libs.detect --options '{"model": "model.onnx"}' \
        --lib empycustom.libs.draw --save found.mp4

It knows the outputs of many detectors; docs/libs/detect.md has a table of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import empycustom
from empycustom import Option
from empycustom.libs import network
from empycustom.libs.detect.layouts import LAYOUTS
from empycustom.libs.detect.model import Model
from empycustom.libs.detect.poses import Poses
from empycustom.libs.refusals import about_options
from empycustom.libs.shapes import Array

_OF_NETWORK = network.OPTIONS
OPTIONS = {
    "model": _OF_NETWORK["model"],
    "labels": _OF_NETWORK["labels"],
    "layout": Option("", 'what the outputs of the model are; "": its metadata and shapes say it', choices=("", *LAYOUTS)),
    "confidence": Option(0.4, "what is less sure is left out", limits=(0, 1)),
    "iou": Option(0.5, "of two boxes of a class that overlap more, the surer one stays", limits=(0, 1)),
    "classes": Option([], "what is looked for: labels or numbers of classes; []: everything"),
    "objects": Option(
        [], 'a model of poses looks at each object with these labels, "*" is any, and gives it key points; []: at frames'
    ),
    "max_objects": Option(300, "on a frame", limits=(1, 10000)),
    **_OF_NETWORK,
}
model: Model
poses: Poses | None


def start(options: Mapping[str, Any]) -> None:
    """Load the model and run it once, so that errors are reported now, and the first frame does not wait."""
    global model, poses
    key = ("empycustom.libs.detect", *(str(options[name]) for name in ("layout", *network.OPTIONS)))
    with about_options():
        model = empycustom.shared(key, lambda: Model(options))
        model.find(np.zeros((8, 8, 3), np.uint8), {**options, "confidence": 1})
        poses = Poses(options["objects"], model) if options["objects"] else None


def process_ip(io_buffer: Any, in_meta: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Return what is found on each frame of the buffer, as new objects, or as key points of those that are there."""
    global poses
    if options["objects"] != (poses.labels if poses else []):  # they were changed while the pipeline plays
        poses = Poses(options["objects"], model) if options["objects"] else None
    if poses:
        return {"frame": [{"changed_object": poses.changes(io_buffer, in_meta, frame, options)} for frame in in_meta["frame"]]}
    pictures = [_picture(io_buffer, in_meta, frame) for frame in in_meta["frame"]]
    found = model.find_all(pictures, options)
    return {"frame": [{"new_object": objects} for objects in found]}


def stop(_options: Mapping[str, Any]) -> None:
    """Warn where the option objects fits no object."""
    if poses:
        poses.stop()


def _picture(io_buffer: Any, in_meta: Mapping[str, Any], frame: Mapping[str, Any]) -> Array:
    """Return a copy of the colours of a frame."""
    with empycustom.map_frame(io_buffer, in_meta, batch_id=frame.get("batch_id", 0)) as mapped:
        picture: Array = mapped.rgb.download()
    return picture
