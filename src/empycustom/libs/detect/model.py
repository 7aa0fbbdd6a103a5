"""A detector in an ONNX file: its session, what its metadata says, and the objects that it finds in a picture."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from empycustom.libs.detect.layouts import LAYOUTS, WITHOUT_NMS, Found, Shape, layout_of
from empycustom.libs.detect.letterbox import Letterbox
from empycustom.libs.shapes import Array, opencv

PROVIDERS = {  # by name: what onnxruntime calls it, and the package that has it
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": ("TensorrtExecutionProvider", "onnxruntime-gpu, and NVIDIA's TensorRT"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
}
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class Model:
    """A detector. ``find`` may be called by several threads at once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        opencv()
        self._session = _session(options)
        self._metadata = _metadata(self._session)
        self._input = _input_of(self._session)
        self._type = TYPES[self._input.type]
        self._size = _size_of(self._input.shape, self._metadata, options["size"])
        self.labels = _labels(options["labels"], self._metadata)
        self._known = self._shape(self._run(np.zeros((1, 3, *self._size), self._type)))
        self.layout = layout_of(self._known, options["layout"])
        self._layout = LAYOUTS[self.layout]

    def find(self, picture: Array, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects in an RGB picture (height, width, 3), the surest first."""
        box = Letterbox.of(picture.shape[:2], self._size, self._layout.fit)
        outputs = self._run(self._prepared(box.apply(picture)))
        found = self._layout.decode(outputs, self._known, options["confidence"])
        self._check(found, outputs)
        found = found.chosen(np.isfinite(found.boxes).all(axis=1))
        found = found.chosen(self._wanted(found, options["classes"]))
        found = found.chosen(np.argsort(-found.scores, kind="stable")[:3000])
        if self.layout not in WITHOUT_NMS:
            found = found.chosen(_kept(found, options["iou"]))
        found = found.chosen(slice(options["max_objects"]))
        masks = _masks(found, outputs[1][0], self._size) if found.coefficients is not None else None
        return self._objects(found, box, masks)

    def _run(self, pictures: Array) -> list[Array]:
        """Return the outputs of the network; those with numbers of another type as float32."""
        given: dict[str, Array] = {self._input.name: pictures}
        for other in self._session.get_inputs():
            if other.name == "orig_target_sizes":
                given[other.name] = np.array([self._size[::-1]], np.int64)
        return [each.astype(np.float32) if each.dtype == np.float16 else each for each in self._session.run(None, given)]

    def _prepared(self, fitted: Array) -> Array:
        """Return the input of the network: colours, their range, and the order of axes as its layout wants them."""
        layout = self._layout
        colours = fitted[..., ::-1] if layout.bgr else fitted
        planes = np.ascontiguousarray(colours.transpose(2, 0, 1)[None])
        if self._type == np.uint8:
            return planes
        values = planes.astype(np.float32) * np.float32(layout.scale)
        if layout.mean and layout.std:
            mean, std = (np.array(each, np.float32)[:, None, None] for each in (layout.mean, layout.std))
            values = (values - mean) / std
        typed: Array = values.astype(self._type, copy=False)
        return typed

    def _shape(self, outputs: list[Array]) -> Shape:
        said = self._metadata
        points = said.get("kpt_shape")
        return Shape(
            tuple(each.shape for each in outputs),
            self._size,
            len(self.labels),
            str(said.get("task", "")),
            (int(points[0]), int(points[1])) if points else None,
            bool(said["end2end"]) if "end2end" in said else None,
            str(said.get("layout", "")),
        )

    def _check(self, found: Found, outputs: list[Array]) -> None:
        """Raise ValueError where scores or classes are impossible: the layout is not that of the model, or the labels are not."""
        shapes = " and ".join(str(each.shape) for each in outputs)
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
        objects = []
        for n, (left, top, right, bottom) in enumerate(corners.tolist()):
            number = int(found.classes[n])
            rect = {"left": left, "top": top, "width": right - left, "height": bottom - top}
            obj: dict[str, Any] = {"class_id": number, "confidence": min(float(found.scores[n]), 1.0), "rect_params": rect}
            if self.labels:
                obj["obj_label"] = self.labels[number]
            if points is not None:
                obj["keypoints"] = points[n]
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


def _onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError('This library needs onnxruntime: pip install "empycustom[libs]"') from error
    module: ModuleType = onnxruntime
    return module


def _session(options: Mapping[str, Any]) -> Any:
    """Return the session of the model. Raises ValueError or FileNotFoundError where the options are wrong."""
    onnxruntime = _onnxruntime()
    path = needed_file("model", options["model"])
    known = onnxruntime.get_available_providers()
    for name in options["providers"]:
        if name not in PROVIDERS:
            raise ValueError(f"the option providers has {name!r}, but there are {', '.join(PROVIDERS)}")
        if PROVIDERS[name][0] not in known:
            raise ValueError(f"the provider {name} is not in this onnxruntime: install {PROVIDERS[name][1]} in its place")
    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = how.inter_op_num_threads = options["threads"]
    wanted = [PROVIDERS[name][0] for name in options["providers"]]
    session = onnxruntime.InferenceSession(str(path), how, providers=wanted)
    if missing := [name for name in options["providers"] if PROVIDERS[name][0] not in session.get_providers()]:
        raise RuntimeError(f"onnxruntime could not start the provider {missing[0]}, for the reason that it has printed")
    return session


def _metadata(session: Any) -> dict[str, Any]:
    """Return the metadata of a model, as Ultralytics writes it: values are Python's, or texts."""
    return {key: _literal(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _input_of(session: Any) -> Any:
    """Return the input of a model that takes pictures."""
    taken, *others = session.get_inputs()
    strange = [each.name for each in others if each.name != "orig_target_sizes"]
    if (
        strange
        or len(taken.shape) != 4
        or taken.shape[1] != 3
        or (taken.shape[0] not in (1, None) and isinstance(taken.shape[0], int))
    ):
        raise ValueError(
            f"the model takes {', '.join(f'{each.name} {each.shape}' for each in session.get_inputs())}, but one picture "
            "(1, 3, height, width) is expected: export it so"
        )
    if taken.type not in TYPES:
        raise ValueError(f"the input of the model is a {taken.type}, but it has to be one of {', '.join(TYPES)}")
    return taken


def _size_of(shape: list[Any], metadata: Mapping[str, Any], wanted: list[Any]) -> tuple[int, int]:
    """Return height and width of the input: fixed ones, else those of the option, of the metadata, or 640."""
    if wanted and (len(wanted) != 2 or not all(isinstance(each, int) and each >= 1 for each in wanted)):
        raise ValueError(f"the option size has to be [height, width], whole numbers, not {wanted}")
    own = [side if isinstance(side, int) else None for side in shape[2:]]
    for fixed, side in zip(own, wanted, strict=False):
        if fixed not in (None, side):
            raise ValueError(
                f"the option size is {wanted}, but the model takes pictures of {shape[2]} rows and {shape[3]} columns"
            )
    said = wanted or metadata.get("imgsz") or [640, 640]
    height, width = (fixed or int(side) for fixed, side in zip(own, said, strict=True))
    return height, width


def _labels(given: Any, metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes: a list, those in a file, or those in the metadata; [] where there are none."""
    if isinstance(given, list):
        return [str(each) for each in given]
    if given:
        return needed_file("labels", given).read_text(encoding="utf-8-sig").splitlines()
    names = metadata.get("names") or []
    return [str(each) for each in (names.values() if isinstance(names, dict) else names)] if not isinstance(names, str) else []


def needed_file(option: str, given: Any) -> Path:
    """Return the path that an option has. Raises ValueError where it is not set, FileNotFoundError where there is no file."""
    if not given:
        raise ValueError(f'the option {option} is missing: --options \'{{"{option}": "path/of/the/file"}}\'')
    path = Path(str(given))
    if not path.is_file():
        raise FileNotFoundError(f"the option {option}: there is no file {path.absolute()}")
    return path
