"""A detector in an ONNX file: the layout of its outputs, and the objects that it finds in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empycustom.libs.detect.layouts import LAYOUTS, PERSON, PERSON_POSE, WITHOUT_NMS, Found, Shape, layout_of
from empycustom.libs.detect.letterbox import Letterbox
from empycustom.libs.network import Network
from empycustom.libs.shapes import Array, opencv

SIZE = 640  # of models that take any and do not say which


class Model:
    """A detector. ``find`` and ``find_all`` may be called by several threads at once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        opencv()
        self.network = network = Network(options, size=SIZE)
        self.labels = network.labels
        self._known = self._shape()
        self.layout = layout_of(self._known, options["layout"])
        self._layout = LAYOUTS[self.layout]

    def find(self, picture: Array, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects in an RGB picture (height, width, 3), the surest first."""
        return self.find_all([picture], options)[0]

    def find_all(self, pictures: Sequence[Array], options: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
        """Return the objects in each RGB picture. Pictures, also those of other threads, share calls of the network."""
        boxes = [Letterbox.of(picture.shape[:2], self.network.size, self._layout.fit) for picture in pictures]
        fitted = [self._prepared(box.apply(picture)) for box, picture in zip(boxes, pictures, strict=True)]
        return [self._read(outputs, box, options) for outputs, box in zip(self.network.run(fitted), boxes, strict=True)]

    def _prepared(self, fitted: Array) -> Array:
        """Return the input of the network: colours, their range, and the order of axes as its layout wants them."""
        layout = self._layout
        return self.network.prepared(fitted, bgr=layout.bgr, scale=layout.scale, mean=layout.mean, std=layout.std)

    def _read(self, outputs: list[Array], box: Letterbox, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects that the outputs for one picture have."""
        found = self._layout.decode(outputs, self._known, options["confidence"])
        self._check(found, outputs)
        found = found.chosen(np.isfinite(found.boxes).all(axis=1))
        found = found.chosen(self._wanted(found, options["classes"]))
        found = found.chosen(np.argsort(-found.scores, kind="stable")[:3000])
        if self.layout not in WITHOUT_NMS:
            found = found.chosen(_kept(found, options["iou"]))
        found = found.chosen(slice(options["max_objects"]))
        masks = _masks(found, outputs[1][0], self.network.size) if found.coefficients is not None else None
        return self._objects(found, box, masks)

    def _shape(self) -> Shape:
        said = self.network.metadata
        points = said.get("kpt_shape")
        return Shape(
            self.network.shapes,
            self.network.size,
            len(self.labels),
            str(said.get("task", "")),
            (int(points[0]), int(points[1])) if points else None,
            bool(said["end2end"]) if "end2end" in said else None,
            str(said.get("layout", "")),
        )

    def _check(self, found: Found, outputs: list[Array]) -> None:
        """Raise ValueError where scores or classes are impossible: the layout is not that of the model, or the labels are not."""
        shapes = " and ".join(str(each.shape) for each in outputs)
        if any(each.size and np.isnan(each.flat[0]) and np.isnan(each).all() for each in outputs if each.dtype.kind == "f"):
            raise ValueError(f"the model returned {shapes}, which is NaN everywhere: export it with float32")
        if found.scores.size and found.scores.max() > 1.1:
            raise ValueError(
                f"the model returned {shapes}, read as {self.layout}, with the confidence {found.scores.max():g}: "
                f"set the option layout to another one ({', '.join(LAYOUTS)})"
            )
        slots = len(self.labels) + (self.layout == "rfdetr")  # RF-DETR has one more, for nothing
        if self.labels and found.classes.size and not 0 <= found.classes.min() <= found.classes.max() < slots:
            raise ValueError(
                f"the model returned {shapes}, read as {self.layout}, with the class {found.classes.max()}, but there are "
                f"{len(self.labels)} labels: correct the option labels, or set the option layout"
            )

    def _wanted(self, found: Found, classes: list[Any]) -> Array:
        is_named: Array = found.classes < (len(self.labels) or np.inf)  # RF-DETR has a class for nothing
        if not classes:
            return is_named
        unknown = [each for each in classes if isinstance(each, str) and each not in self.labels]
        if unknown:
            raise ValueError(f"the option classes has {unknown}, but the labels of the model are {self.labels}")
        numbers = [self.labels.index(each) if isinstance(each, str) else each for each in classes]
        return is_named & np.isin(found.classes, numbers)

    def _objects(self, found: Found, box: Letterbox, masks: list[Array] | None) -> list[dict[str, Any]]:
        """Return what was found as objects, in pixels of the picture."""
        corners = box.undo(found.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        if found.rotation is None:
            corners = np.clip(corners, 0, (box.width, box.height) * 2)
        points = None if found.keypoints is None else found.keypoints.copy()
        if points is not None:
            points[..., :2] = box.undo(points[..., :2])
            points[..., 2] = np.clip(points[..., 2], 0, 1)
        pose = PERSON_POSE if points is not None and points.shape[1] == PERSON[0] else {}
        objects = []
        for n, (left, top, right, bottom) in enumerate(corners.tolist()):
            number = int(found.classes[n])
            rect = {"left": left, "top": top, "width": right - left, "height": bottom - top}
            obj: dict[str, Any] = {"class_id": number, "confidence": min(float(found.scores[n]), 1.0), "rect_params": rect}
            if self.labels:
                obj["obj_label"] = self.labels[number]
            if points is not None:
                obj |= {"keypoints": points[n], **pose}
            if found.rotation is not None:
                obj["rotation"] = float(found.rotation[n])
            if masks is not None:
                obj["mask"] = masks[n]
            if min(rect["width"], rect["height"]) > 0:
                objects.append(obj)
        return objects


def _kept(found: Found, iou: float) -> Array:
    """Return the indices of what is left of each class where boxes overlap."""
    cv2 = opencv()
    if not len(found.scores):
        return np.zeros(0, int)
    first, last = found.boxes[:, :2], found.boxes[:, 2:]
    if found.rotation is None:
        boxes = np.concatenate([first, last - first], axis=1).astype(float)
        kept = cv2.dnn.NMSBoxesBatched(boxes, found.scores.astype(float), found.classes.astype(np.int32), 0, iou)
        return np.sort(np.asarray(kept, int).ravel())
    left: list[int] = []
    for number in np.unique(found.classes):
        these = np.flatnonzero(found.classes == number)
        turned = [
            ((float(x), float(y)), (float(w), float(h)), float(np.degrees(angle)))
            for (x, y), (w, h), angle in zip(
                (first[these] + last[these]) / 2, last[these] - first[these], found.rotation[these], strict=True
            )
        ]
        left += these[np.asarray(cv2.dnn.NMSBoxesRotated(turned, found.scores[these].tolist(), 0, iou), int).ravel()].tolist()
    return np.sort(np.asarray(left, int))


def _masks(found: Found, prototypes: Array, size: tuple[int, int]) -> list[Array]:
    """Return the mask of each object over its box, as wide and high as the box is in the prototypes, 0 and 1."""
    count, height, width = prototypes.shape
    scale = np.array((width / size[1], height / size[0]) * 2)
    masks = []
    assert found.coefficients is not None
    for coefficients, corners in zip(found.coefficients, found.boxes * scale, strict=True):
        clipped = np.clip(corners, 0, (width, height) * 2)
        left, top = np.floor(clipped[:2]).astype(int)
        right, bottom = np.maximum(np.ceil(clipped[2:]).astype(int), (left + 1, top + 1))
        logits = (coefficients @ prototypes[:, top:bottom, left:right].reshape(count, -1)).reshape(bottom - top, right - left)
        masks.append(_stretched(logits, clipped - (left, top, left, top)))
    return masks


def _stretched(logits: Array, box: Array) -> Array:
    """Return where logits are positive in a box that begins and ends between their pixels, at four samples a pixel."""
    left, top, right, bottom = box.tolist()
    columns, rows = max(round((right - left) * 4), 1), max(round((bottom - top) * 4), 1)
    across, down = (right - left) / columns, (bottom - top) / rows
    into = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    cv2 = opencv()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    smooth = cv2.warpAffine(logits.astype(np.float32), into, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    mask: Array = (smooth > 0).astype(np.uint8)
    return mask
