"""What batches gain: ``python -m benchmarks.batches [MODEL.onnx HEIGHT WIDTH]``; without a model one of 27 million dense weights.

Streams of one process run the same network on one core, each picture in a call of its own, and those that wait in one call, in
turns. The numbers are milliseconds of that core for each picture.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from empycustom.libs.network import Network

STREAMS, PICTURES, ROUNDS, BATCH = (1, 2, 4, 8), 40, 5, 8
SIDE, HIDDEN, CLASSES = 64, 2048, 1000


def write_dense(path: Path) -> None:
    """Write a network of two dense layers."""
    rng = np.random.default_rng(0)
    shapes = {"first": (3 * SIDE * SIDE, HIDDEN), "second": (HIDDEN, CLASSES)}
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("MatMul", ["positive", "second"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(rng.standard_normal(shape, np.float32), name) for name, shape in shapes.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def turn(network: Network, picture: Any, streams: int) -> float:
    """Return the milliseconds of the core for a picture, where so many streams begin at once."""
    together = threading.Barrier(streams)

    def stream() -> None:
        together.wait()
        for _ in range(PICTURES):
            network.run([picture])

    threads = [threading.Thread(target=stream) for _ in range(streams)]
    began = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - began) * 1e3 / (PICTURES * streams)


def main(path: str, size: list[int]) -> None:
    """Print a line for each number of streams."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    options = {"model": path, "labels": None, "size": size, "providers": ["cpu"], "threads": 1}
    alone, shared = (Network({**options, "batch": batch}, size=0) for batch in (1, BATCH))
    picture = alone.prepared(np.random.default_rng(0).integers(0, 256, (*alone.size, 3), np.uint8))
    for streams in STREAMS:
        rounds = [[turn(network, picture, streams) for network in (alone, shared)] for _ in range(ROUNDS)]
        one, several = (median(column) for column in zip(*rounds, strict=True))
        print(f"{streams} streams: {one:.2f} ms alone, {several:.2f} ms in batches, {one / several:.2f} times less", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1], [int(side) for side in sys.argv[2:]])
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_dense(Path(folder, "dense.onnx"))
            main(str(Path(folder, "dense.onnx")), [])
