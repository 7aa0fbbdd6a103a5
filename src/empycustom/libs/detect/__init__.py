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
from empycustom.errors import FrameError
from empycustom.libs.detect.layouts import LAYOUTS
from empycustom.libs.detect.model import Model
from empycustom.libs.shapes import as_attributes

OPTIONS = {
    "model": Option("", "the ONNX file; a path is relative to the working directory"),
    "labels": Option(None, "names of the classes: a list, or a text file with one a line; null: those in the model"),
    "layout": Option("", 'what the outputs of the model are; "": its metadata and shapes say it', choices=("", *LAYOUTS)),
    "confidence": Option(0.4, "what is less sure is left out", limits=(0, 1)),
    "iou": Option(0.5, "of two boxes of a class that overlap more, the surer one stays", limits=(0, 1)),
    "classes": Option([], "what is looked for: labels or numbers of classes; []: everything"),
    "max_objects": Option(300, "on a frame", limits=(1, 10000)),
    "size": Option([], "of the input, [height, width], where the model takes any"),
    "providers": Option(["cpu"], "what computes, in the order of preference: cpu, cuda, tensorrt, openvino"),
    "threads": Option(1, "of the CPU; 0: as many as there are cores", limits=(0, 1024)),
}
_LOADED_WITH = ("model", "labels", "layout", "size", "providers", "threads")
model: Model


def start(options: Mapping[str, Any]) -> None:
    """Load the model and run it once, so that errors are reported now, and the first frame does not wait."""
    global model
    key = ("empycustom.libs.detect", *(str(options[name]) for name in _LOADED_WITH))
    model = empycustom.shared(key, lambda: Model(options))
    model.find(np.zeros((8, 8, 3), np.uint8), {**options, "confidence": 1})


def process_ip(io_buffer: Any, in_meta: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Return what is found on each frame of the buffer, as new objects."""
    return {"frame": [{"new_object": _found(io_buffer, in_meta, frame, options)} for frame in in_meta["frame"]]}


def _found(io_buffer: Any, in_meta: Mapping[str, Any], frame: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    with empycustom.map_frame(io_buffer, in_meta, batch_id=frame.get("batch_id", 0)) as mapped:
        picture = mapped.rgb.download()
    if picture.dtype != np.uint8:
        raise FrameError("A detector needs 8 bits a colour: put videoconvert ! 'video/x-raw,format=RGBA' before the element.")
    return [as_attributes(obj) for obj in model.find(picture, options)]
