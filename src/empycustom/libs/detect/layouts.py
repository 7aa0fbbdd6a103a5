"""What the outputs of detectors mean: a row of ``LAYOUTS`` for each, with how it wants its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empycustom.libs.detect.letterbox import CENTRED, STRETCHED, TOP_LEFT
from empycustom.libs.shapes import Array

Shapes = Sequence[tuple[int, ...]]
PERSON = (17, 3)  # the keypoints of a person, as COCO has them
_SIDES = "eye ear shoulder elbow wrist hip knee ankle"
PERSON_POSE = {
    "keypoint_names": ["nose", *(f"{side}_{part}" for part in _SIDES.split() for side in ("left", "right"))],
    "skeleton": [
        *([0, 1], [0, 2], [1, 3], [2, 4], [5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12], [11, 12]),
        *([11, 13], [13, 15], [12, 14], [14, 16]),
    ],
}


@dataclass
class Found:
    """Candidates above the least confidence: boxes in pixels of the input, and what else a layout has of each."""

    boxes: Array  # (n, 4): left, top, right, bottom, before they are turned
    scores: Array
    classes: Array
    keypoints: Array | None = None  # (n, points, 3): x, y, confidence
    rotation: Array | None = None  # (n,), radians
    coefficients: Array | None = None  # (n, prototypes)

    def chosen(self, which: Any) -> Found:
        """Return some of them: those of indices, or where a mask is true."""
        return Found(*(None if each is None else each[which] for each in vars(self).values()))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Shape:
    """What is known of a model before its outputs are read: their shapes, and what its metadata and the options say."""

    outputs: tuple[tuple[int, ...], ...]
    size: tuple[int, int]  # height and width of its input
    labels: int = 0  # 0: not known
    task: str = ""  # detect, segment, pose, obb; "": not known
    keypoints: tuple[int, int] | None = None  # how many, and numbers of each
    end_to_end: bool | None = None
    layout: str = ""  # in the metadata

    @property
    def cells(self) -> int:
        """The places of an input of this size, in steps of 8, 16 and 32 pixels."""
        height, width = self.size
        return sum(-(-height // step) * -(-width // step) for step in (8, 16, 32))


@dataclass(frozen=True)
class Layout:
    """A row of the table. ``classes`` returns how many there are in a shape; None: it is not of this layout, 0: any number."""

    shape: str
    classes: Callable[[Shape], int | None]
    decode: Callable[[list[Array], Shape, float], Found]
    fit: str = CENTRED
    task: str = "detect"
    end_to_end: bool = False
    bgr: bool = False
    scale: float = 1 / 255
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    by_name: bool = False  # the metadata or the options have to say it: its shape is that of others

    def fits(self, known: Shape) -> bool:
        """Return whether a model may have this layout."""
        classes = self.classes(known)
        return (
            classes is not None
            and not self.by_name
            and known.task in ("", self.task)
            and known.end_to_end in (None, self.end_to_end)
            and (not classes or known.labels in (0, classes))
        )


def _single(known: Shape) -> tuple[int, int] | None:
    """Return rows and columns of the one output (1, rows, columns); None: there are others."""
    shapes = known.outputs
    return (shapes[0][1], shapes[0][2]) if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][0] == 1 else None


def _prototypes(known: Shape) -> tuple[int, int, int] | None:
    """Return rows, columns of the first of two outputs, and the prototypes of masks that the second has."""
    if [len(shape) for shape in known.outputs] != [3, 4]:
        return None
    (_, rows, columns), (_, prototypes, _, _) = known.outputs
    return rows, columns, prototypes


def _at_least_one(classes: int) -> int | None:
    return classes if classes > 0 else None


def _v8(known: Shape) -> int | None:
    shape = _single(known)
    return _at_least_one(shape[0] - 4) if shape and shape[1] > shape[0] else None


def _v8_segment(known: Shape) -> int | None:
    shape = _prototypes(known)
    return _at_least_one(shape[0] - 4 - shape[2]) if shape and shape[1] > shape[0] else None


def _v8_pose(known: Shape) -> int | None:
    count, each = known.keypoints or PERSON
    shape = _single(known)
    if not shape or shape[1] <= shape[0] or each not in (2, 3):
        return None
    classes = shape[0] - 4 - count * each
    return classes if classes > 0 and (classes == 1 or known.keypoints) else None


def _v8_turned(known: Shape) -> int | None:
    classes = _v8(known)  # one more than without an angle, so that shapes alone never tell
    return _at_least_one(classes - 1) if classes and (known.task or known.labels) else None


def _v5(known: Shape) -> int | None:
    shape = _single(known)
    return (
        _at_least_one(shape[1] - 5) if shape and shape[0] > shape[1] and shape[0] % 3 == 0 and shape[0] != known.cells else None
    )


def _yolox(known: Shape) -> int | None:
    shape = _single(known)
    return _at_least_one(shape[1] - 5) if shape and shape[0] == known.cells else None


def _few_rows(known: Shape) -> int | None:
    """Return how many numbers a box has, where the model has chosen the boxes, so that there is not one for each cell."""
    shape = _single(known)
    return shape[1] if shape and not {known.cells, 3 * known.cells} & {*shape} and shape[0] <= 1000 else None


def _ended(known: Shape) -> int | None:
    return 0 if _few_rows(known) == 6 else None


def _ended_segment(known: Shape) -> int | None:
    shape = _prototypes(known)
    return 0 if shape and shape[1] == 6 + shape[2] else None


def _ended_pose(known: Shape) -> int | None:
    count, each = known.keypoints or PERSON
    return 0 if _few_rows(known) == 6 + count * each and each in (2, 3) else None


def _ended_turned(known: Shape) -> int | None:
    return 0 if _few_rows(known) == 7 else None


def _rtdetr(known: Shape) -> int | None:
    shapes = known.outputs
    is_it = [len(shape) for shape in shapes] == [2, 3, 2] and shapes[1][2] == 4
    return 0 if is_it else None


def _rtdetr_ultralytics(known: Shape) -> int | None:
    return _at_least_one((_few_rows(known) or 0) - 4)


def _rfdetr(known: Shape) -> int | None:
    shapes = known.outputs
    is_it = [len(shape) for shape in shapes] == [3, 3] and shapes[0][2] == 4 and shapes[0][1] == shapes[1][1]
    return 0 if is_it else None


def _centerface(known: Shape) -> int | None:
    is_it = all(len(shape) == 4 for shape in known.outputs) and [shape[1] for shape in known.outputs] == [1, 2, 2, 10]
    return 1 if is_it else None


def _movenet(known: Shape) -> int | None:
    return 1 if known.outputs == ((1, 1, *PERSON),) else None


def _corners(boxes: Array) -> Array:
    """Return boxes of middle and size as left, top, right, bottom."""
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _best(rows: Array, scores: Array, least: float, boxes: Callable[[Array], Array] = _corners) -> tuple[Array, Found]:
    """Return the rows whose best class has the confidence, and what was found in them."""
    best = scores.max(axis=1)
    sure = np.flatnonzero(best >= least)  # not true for NaN
    chosen = rows[sure]
    return chosen, Found(boxes(chosen[:, :4]), best[sure], scores[sure].argmax(axis=1))


def _points(flat: Array, known: Shape) -> Array:
    """Return keypoints (n, points, 3); those without confidence get 1."""
    count, each = known.keypoints or PERSON
    points = flat.reshape(len(flat), count, each)
    return points if each == 3 else np.concatenate([points, np.ones((len(flat), count, 1), np.float32)], axis=2)


def _decode_v8(outputs: list[Array], _known: Shape, least: float) -> Found:
    return _best(outputs[0][0].T, outputs[0][0].T[:, 4:], least)[1]


def _decode_v8_segment(outputs: list[Array], _known: Shape, least: float) -> Found:
    rows, end = outputs[0][0].T, outputs[0].shape[1] - outputs[1].shape[1]
    chosen, found = _best(rows, rows[:, 4:end], least)
    found.coefficients = chosen[:, end:]
    return found


def _decode_v8_pose(outputs: list[Array], known: Shape, least: float) -> Found:
    count, each = known.keypoints or PERSON
    rows, end = outputs[0][0].T, outputs[0].shape[1] - count * each
    chosen, found = _best(rows, rows[:, 4:end], least)
    found.keypoints = _points(chosen[:, end:], known)
    return found


def _decode_v8_turned(outputs: list[Array], _known: Shape, least: float) -> Found:
    rows = outputs[0][0].T
    chosen, found = _best(rows, rows[:, 4:-1], least)
    found.rotation = chosen[:, -1]
    return found


def _decode_v5(outputs: list[Array], _known: Shape, least: float) -> Found:
    rows = outputs[0][0]
    rows = rows[rows[:, 4] >= least]  # no class has more than the object
    return _best(rows, rows[:, 4:5] * rows[:, 5:], least)[1]


def _decode_yolox(outputs: list[Array], known: Shape, least: float) -> Found:
    rows = outputs[0][0]
    height, width = known.size
    grids = []
    for step in (8, 16, 32):
        y, x = np.mgrid[: -(-height // step), : -(-width // step)]
        grids.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, step)], axis=1))
    is_decoded = np.median(rows[:, 2:4]) > 4  # pixels, where else the logarithm of a size in cells is, which is about 0
    sure = rows[:, 4] >= least
    rows, grid = rows[sure], np.concatenate(grids).astype(np.float32)[sure]
    placed = rows[:, :4]
    if not is_decoded:
        middle, size = (rows[:, :2] + grid[:, :2]) * grid[:, 2:], np.exp(np.minimum(rows[:, 2:4], 20)) * grid[:, 2:]
        placed = np.concatenate([middle, size], axis=1)
    return _best(placed, rows[:, 4:5] * rows[:, 5:], least)[1]


def _ended_rows(outputs: list[Array], least: float) -> tuple[Array, Found]:
    rows = outputs[0][0]
    rows = rows[rows[:, 4] >= least]
    return rows, Found(rows[:, :4], rows[:, 4], rows[:, 5].astype(int))


def _decode_ended(outputs: list[Array], _known: Shape, least: float) -> Found:
    return _ended_rows(outputs, least)[1]


def _decode_ended_segment(outputs: list[Array], _known: Shape, least: float) -> Found:
    rows, found = _ended_rows(outputs, least)
    found.coefficients = rows[:, 6:]
    return found


def _decode_ended_pose(outputs: list[Array], known: Shape, least: float) -> Found:
    rows, found = _ended_rows(outputs, least)
    found.keypoints = _points(rows[:, 6:], known)
    return found


def _decode_ended_turned(outputs: list[Array], _known: Shape, least: float) -> Found:
    rows, found = _ended_rows(outputs, least)
    found.boxes, found.rotation = _corners(found.boxes), rows[:, 6]
    return found


def _decode_rtdetr(outputs: list[Array], _known: Shape, least: float) -> Found:
    classes, boxes, scores = (each[0] for each in outputs)  # it is told the size of its input, so boxes are in its pixels
    sure = scores >= least
    return Found(boxes[sure], scores[sure], classes[sure].astype(int))


def _of_input(known: Shape) -> Callable[[Array], Array]:
    """Return what makes corners in pixels of boxes in parts of the input."""
    height, width = known.size
    return lambda boxes: _corners(boxes) * np.array((width, height, width, height), np.float32)


def _decode_rtdetr_ultralytics(outputs: list[Array], known: Shape, least: float) -> Found:
    return _best(outputs[0][0], outputs[0][0][:, 4:], least, _of_input(known))[1]


def _decode_rfdetr(outputs: list[Array], known: Shape, least: float) -> Found:
    scores = 1 / (1 + np.exp(-outputs[1][0].clip(-50, 50)))
    return _best(outputs[0][0], scores, least, _of_input(known))[1]


def _decode_centerface(outputs: list[Array], _known: Shape, least: float) -> Found:
    heat, size, offset, marks = (each[0] for each in outputs)
    y, x = np.nonzero(heat[0] >= least)
    height, width = np.exp(size[:, y, x]) * 4
    left = (x + offset[1, y, x] + 0.5) * 4 - width / 2
    top = (y + offset[0, y, x] + 0.5) * 4 - height / 2
    points = np.stack([marks[1::2, y, x] * width + left, marks[0::2, y, x] * height + top], axis=2).swapaxes(0, 1)
    boxes = np.stack([left, top, left + width, top + height], axis=1)
    keypoints = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    return Found(boxes, heat[0, y, x], np.zeros(len(x), int), keypoints.astype(np.float32))


def _decode_movenet(outputs: list[Array], known: Shape, least: float) -> Found:
    points = outputs[0][0, :, :, [1, 0, 2]].transpose(1, 2, 0) * np.array((*known.size[::-1], 1), np.float32)
    scores = points[..., 2].mean(axis=1)
    sure = points[scores >= least]  # one person, or nobody
    seen = [person[person[:, 2] >= min(least, person[:, 2].max())][:, :2] for person in sure]
    boxes = [np.concatenate([each.min(axis=0), each.max(axis=0)]) for each in seen]
    return Found(np.reshape(boxes, (-1, 4)), scores[scores >= least], np.zeros(len(sure), int), sure)


IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
LAYOUTS = {
    "yolov5": Layout("(1, boxes, 5 + classes)", _v5, _decode_v5),
    "yolov8": Layout("(1, 4 + classes, boxes)", _v8, _decode_v8),
    "yolov8-seg": Layout("(1, 4 + classes + n, boxes) and (1, n, h, w)", _v8_segment, _decode_v8_segment, task="segment"),
    "yolov8-pose": Layout("(1, 4 + classes + keypoints * 3, boxes)", _v8_pose, _decode_v8_pose, task="pose"),
    "yolov8-obb": Layout("(1, 4 + classes + 1, boxes)", _v8_turned, _decode_v8_turned, task="obb"),
    "end-to-end": Layout("(1, boxes, 6)", _ended, _decode_ended, end_to_end=True),
    "end-to-end-seg": Layout(
        "(1, boxes, 6 + n) and (1, n, h, w)", _ended_segment, _decode_ended_segment, task="segment", end_to_end=True
    ),
    "end-to-end-pose": Layout("(1, boxes, 6 + keypoints * 3)", _ended_pose, _decode_ended_pose, task="pose", end_to_end=True),
    "end-to-end-obb": Layout("(1, boxes, 7)", _ended_turned, _decode_ended_turned, task="obb", end_to_end=True),
    "rtdetr": Layout("labels (1, boxes), boxes (1, boxes, 4), scores (1, boxes)", _rtdetr, _decode_rtdetr, STRETCHED),
    "rtdetr-ultralytics": Layout("(1, boxes, 4 + classes)", _rtdetr_ultralytics, _decode_rtdetr_ultralytics, STRETCHED),
    "rfdetr": Layout("(1, boxes, 4) and (1, boxes, classes + 1)", _rfdetr, _decode_rfdetr, STRETCHED, **IMAGENET),
    "yolox": Layout("(1, boxes, 5 + classes), of each cell", _yolox, _decode_yolox, TOP_LEFT, bgr=True, scale=1.0),
    "centerface": Layout("(1, 1 | 2 | 2 | 10, h, w)", _centerface, _decode_centerface, TOP_LEFT, task="pose", scale=1.0),
    "centernet": Layout("(1, boxes, 6)", _ended, _decode_ended, STRETCHED, scale=1.0, by_name=True),
    "movenet": Layout("(1, 1, 17, 3)", _movenet, _decode_movenet, task="pose", scale=1.0),
}
WITHOUT_NMS = {name for name in LAYOUTS if name.startswith(("end-to-end", "rtdetr", "rfdetr"))}


def layout_of(known: Shape, wanted: str) -> str:
    """Return the name of the layout of a model. Raises ValueError where it has none, or may have several."""
    said, where = (wanted, "option layout") if wanted else (known.layout, "layout in the metadata of the model")
    if said in LAYOUTS:
        if LAYOUTS[said].classes(known) is None:
            raise ValueError(f"the {where} is {said}, which has the outputs {LAYOUTS[said].shape}, but {_seen(known)}")
        return said
    fitting = [name for name, layout in LAYOUTS.items() if layout.fits(known)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        table = "; ".join(f"{name} {layout.shape}" for name, layout in LAYOUTS.items())
        raise ValueError(f"{_seen(known)}, which is not a layout that is known: {table}")
    several = " or ".join(f"{name} {LAYOUTS[name].shape}" for name in fitting)
    raise ValueError(f"{_seen(known)}, which may be {several}: say by the option layout, one of {', '.join(fitting)}")


def _seen(known: Shape) -> str:
    shapes = " and ".join(map(str, known.outputs))
    said = [f"{known.labels} labels"] * bool(known.labels) + [f"the task {known.task}"] * bool(known.task)
    return f"the model returns {shapes}{' and has ' if said else ''}{' and '.join(said)}"
