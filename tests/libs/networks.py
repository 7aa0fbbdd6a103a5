"""Small networks in ONNX files, whose answers are known."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write(path, nodes, constants, outputs, *, taken=("n", 3, 64, 64), kind=TensorProto.FLOAT, metadata=None, more=()):
    """Write a network with the input ``images``, and float outputs of these names; ``more`` are further inputs."""
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, [output], **settings) for operator, inputs, output, settings in nodes],
        "made",
        [helper.make_tensor_value_info("images", kind, taken), *more],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
    onnx.save(model, path)
    return str(path)


def brightest(path, size=(64, 64), batch="n"):
    """Write a detector that finds a box of 8 pixels around the brightest pixel of each picture, in the layout of YOLOv10.

    It fails where that is the last pixel of a picture.
    """
    height, width = size
    y, x = (each.ravel() + 0.5 for each in np.mgrid[:height, :width])
    table = np.stack([x - 4, y - 4, x + 4, y + 4, np.full_like(x, 0.9), np.zeros_like(x)], axis=1).astype(np.float32)
    nodes = [
        ("ReduceMax", ["images"], "gray", {"axes": [1], "keepdims": 0}),
        ("Flatten", ["gray"], "flat", {"axis": 1}),
        ("ArgMax", ["flat"], "place", {"axis": 1, "keepdims": 0}),
        ("Equal", ["place", "last"], "is_last", {}),
        ("Where", ["is_last", "outside", "place"], "index", {}),
        ("Gather", ["table", "index"], "row", {"axis": 0}),
        ("Unsqueeze", ["row", "axes"], "found", {}),
    ]
    constants = {"table": table, "last": np.int64(height * width - 1), "outside": np.int64(10**9), "axes": np.array([1])}
    metadata = {"end2end": True, "task": "detect", "names": {0: "spot"}}
    return write(path, nodes, constants, ["found"], taken=[batch, 3, *size], metadata=metadata)
