"""Write OpenCV's people detector as an ONNX model: ``people_model.py FILE [WIDTH HEIGHT]``.

    .venv/bin/python tools/people_model.py people.onnx
    empycustom run street.mp4 --lib empycustom.libs.detect \
        --options '{"model": "people.onnx", "labels": ["person"], "confidence": 0.62, "iou": 0.3}' \
        --lib empycustom.libs.draw --save people.mp4

It is the one of ``examples/people.py``: histograms of oriented gradients and a linear classifier, with the weights that are in
OpenCV (Apache-2.0). Here they are the layers of a network with the same results, for pictures of one size (1088x832), which it
searches in four scales: people whose height is from an eighth to a quarter of the picture's. It takes RGB from 0 to 1 and returns
(1, 5, boxes): center x, center y, width, height, confidence. That is the layout of YOLOv8 with one class, so it is a model for
experiments and tests, without a download. A network that was trained for such pictures finds more, and is faster.
"""

import sys

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# OpenCV's detector: windows of 64x128, blocks of 2x2 cells of 8x8 pixels, 9 directions.
WINDOW, BLOCK, CELL, DIRECTIONS = (64, 128), 16, 8, 9
SCALE_STEP, SCALES = 1.2, 4
# The window has a margin around the person.
PERSON_WIDTH, PERSON_HEIGHT = 0.7, 0.86


def main(path: str, width: int = 1088, height: int = 832) -> None:
    """Write the model for pictures of this size to a file."""
    onnx.save(people_model(width, height), path)


def people_model(width: int, height: int) -> onnx.ModelProto:
    """Return the model for pictures of this size."""
    graph = Graph()
    picture = graph.add("Mul", "picture", graph.constant(255))
    found = [graph.people(picture, *size, width, height) for size in sizes(width, height)]
    graph.add("Concat", *found, axis=2, output="people")
    return graph.model([1, 3, height, width])


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return the sizes in which a picture is searched."""
    scaled = [(round(width / SCALE_STEP**n), round(height / SCALE_STEP**n)) for n in range(SCALES)]
    return [size for size in scaled if size[0] >= WINDOW[0] and size[1] >= WINDOW[1]]


class Graph:
    """Layers, one after the other."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add a layer and return the name of its output."""
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: object, kind: type = np.float32) -> str:
        """Add a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def model(self, shape: list[int]) -> onnx.ModelProto:
        """Return the layers as a model."""
        taken = helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)
        given = helper.make_tensor_value_info("people", TensorProto.FLOAT, [1, 5, None])
        graph = helper.make_graph(self.nodes, "people", [taken], [given], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model

    def people(self, picture: str, columns: int, lines: int, width: int, height: int) -> str:
        """Search a picture in one size; return (1, 5, windows), in pixels of the whole one."""
        size = self.constant([1, 3, lines, columns], np.int64)
        scaled = self.add("Resize", picture, "", "", size, mode="linear", coordinate_transformation_mode="half_pixel")
        scores = self.add("Conv", self.blocks(*self.gradients(scaled)), *map(self.constant, classifier()))
        flat = self.add("Reshape", self.add("Sigmoid", scores), self.constant([1, 1, -1], np.int64))
        boxes = self.constant(windows(columns, lines, width / columns, height / lines))
        return self.add("Concat", boxes, flat, axis=1)

    def gradients(self, picture: str) -> tuple[str, str]:
        """Return how strong the edge at each pixel is, and its direction in ninths of half a turn (1, 1, lines, columns)."""
        padded = self.add("Pad", self.add("Sqrt", picture), self.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect")
        across = np.zeros((3, 1, 3, 3))
        across[:, 0, 1] = [-1, 0, 1]
        dx = self.add("Conv", padded, self.constant(across), group=3)
        dy = self.add("Conv", padded, self.constant(across.swapaxes(2, 3)), group=3)
        squares = self.add("Add", self.add("Mul", dx, dx), self.add("Mul", dy, dy))
        # Of the three colours the one with the strongest edge.
        colour = self.add("ArgMax", squares, axis=1)
        dx, dy, square = (self.add("GatherElements", values, colour, axis=1) for values in (dx, dy, squares))
        slope = self.add("Div", dy, self.add("Add", dx, self.constant(1e-9)))
        direction = self.add("Mul", self.add("Atan", slope), self.constant(DIRECTIONS / np.pi))
        return self.add("Sqrt", square), self.add("Sub", direction, self.constant(0.5))

    def blocks(self, strength: str, direction: str) -> str:
        """Return the histograms of all blocks (1, 36, lines, columns), normalised as OpenCV does."""
        # An edge counts for the two directions next to its own; they go round, and it lies between -5 and 4.
        away = self.add("Sub", direction, self.constant(np.arange(DIRECTIONS).reshape(1, -1, 1, 1)))
        round_the_end = self.add("Add", away, self.constant(DIRECTIONS))
        nearest = self.add("Min", self.add("Abs", away), self.add("Abs", round_the_end))
        share = self.add("Relu", self.add("Sub", self.constant(1), nearest))
        edges = self.add("Mul", share, strength)
        upright = np.tile(cell_weights()[:, None, :, None], (DIRECTIONS, 1, 1, 1))
        level = np.tile(cell_weights()[:, None, None, :], (DIRECTIONS * 2, 1, 1, 1))
        summed = self.add("Conv", edges, self.constant(upright), group=DIRECTIONS, strides=[CELL, 1])
        histograms = self.add("Conv", summed, self.constant(level), group=DIRECTIONS * 2, strides=[1, CELL])
        limited = self.add("Min", self.normalised(histograms, 0.1 * 4 * DIRECTIONS), self.constant(0.2))
        return self.normalised(limited, 1e-3)

    def normalised(self, histograms: str, least: float) -> str:
        """Divide each block by its length and a little."""
        return self.add("Div", histograms, self.add("Add", self.add("ReduceL2", histograms, axes=[1]), self.constant(least)))


def cell_weights() -> np.ndarray:
    """Return how much each line of a block counts for its upper and its lower cell (2, 16): most in the middle of both.

    It is the same for columns, and a pixel counts as much as its line times its column.
    """
    near = np.exp(-((np.arange(BLOCK) - BLOCK / 2) ** 2) / (2 * (BLOCK / 4) ** 2))
    place = (np.arange(BLOCK) + 0.5) / CELL - 0.5
    return np.stack([near * np.clip(1 - abs(place - cell), 0, 1) for cell in (0, 1)])


def classifier() -> tuple[np.ndarray, np.ndarray]:
    """Return OpenCV's weights as a filter over blocks (1, 36, 15, 7), and what is added."""
    if not hasattr(cv2, "HOGDescriptor"):
        sys.exit(f"OpenCV {cv2.__version__} is here without its people detector (HOG): pip install 'opencv-python-headless<5'")
    weights = cv2.HOGDescriptor_getDefaultPeopleDetector().ravel()
    columns, lines = ((side - BLOCK) // CELL + 1 for side in WINDOW)
    # OpenCV goes through blocks and cells column by column, and each has its directions; here a direction has its cells.
    by_column = weights[:-1].reshape(columns, lines, 2, 2, DIRECTIONS)
    return by_column.transpose(4, 3, 2, 1, 0).reshape(1, -1, lines, columns), weights[-1:]


def windows(columns: int, lines: int, x_scale: float, y_scale: float) -> np.ndarray:
    """Return where a person would be in each window of the size (1, 4, windows), in pixels of the whole picture."""
    x, y = np.meshgrid(np.arange(0, columns - WINDOW[0] + 1, CELL), np.arange(0, lines - WINDOW[1] + 1, CELL))
    ones = np.ones(x.size)
    return np.stack([
        (x.ravel() + WINDOW[0] / 2) * x_scale,
        (y.ravel() + WINDOW[1] / 2) * y_scale,
        ones * WINDOW[0] * PERSON_WIDTH * x_scale,
        ones * WINDOW[1] * PERSON_HEIGHT * y_scale,
    ])[None]  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
