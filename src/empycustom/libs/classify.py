"""Classify the objects that were found with a second neural network in an ONNX file, run by onnxruntime.

::

    empycustom run street.mp4 --lib empycustom.libs.detect --options '{"model": "model.onnx"}' \
        --lib empycustom.libs.classify --options '{"model": "colours.onnx"}' --save found.mp4

The objects of a frame, or of a batch, go into one call of the network. docs/libs/classify.md has an example that runs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import empycustom
from empycustom import Option
from empycustom.libs import network
from empycustom.libs.chosen import Chosen
from empycustom.libs.detect.letterbox import CENTRED, STRETCHED, Letterbox
from empycustom.libs.network import Network
from empycustom.libs.refusals import about_options
from empycustom.libs.shapes import Area, Array, Box, box_of, opencv, rotation_of


class Values(NamedTuple):
    """A range of colours as networks take them, ``(value * scale - mean) / std``, and who does."""

    scale: float
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    known: str = ""


VALUES = {
    "0-1": Values(1 / 255, known="Ultralytics"),
    "-1-1": Values(1 / 255, (0.5,) * 3, (0.5,) * 3, "MobileNet of Keras, PaddleOCR"),
    "0-255": Values(1.0, known="networks with their own scaling"),
    "imagenet": Values(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "torchvision, timm"),
}
SCORES = ("probabilities", "logits", "independent", "independent-logits")
CUT = "cut"
OPTIONS = {
    "model": network.OPTIONS["model"],
    "labels": network.OPTIONS["labels"],
    "objects": Option(["*"], 'what is classified: labels, whatever their case, or numbers of classes; "*" is every object'),
    "confidence": Option(0.5, "labels that are less sure are left out", limits=(0, 1)),
    "top": Option(1, "so many labels at most, the surest ones", limits=(1, 1000)),
    "margin": Option(0.0, "how much more than the box is looked at, at each side, as a part of its smaller side", limits=(0, 5)),
    "min_size": Option(1, "objects whose smaller side is less are left out", limits=(1, None), unit="pixels"),
    "every": Option(1, "a tracked object is classified again after so many frames", limits=(1, 1_000_000), unit="frames"),
    "fit": Option("", 'how its shape becomes that of the input; "": as the model says', choices=("", STRETCHED, CENTRED, CUT)),
    "values": Option("", 'the range of colours that the network was trained with; "": the model says it', choices=("", *VALUES)),
    "bgr": Option(False, "the network takes blue first"),
    "output": Option("", "the name of the output with the scores, where there are several"),
    "scores": Option("", 'what the network returns; "": its metadata and its answers say it', choices=("", *SCORES)),
    "component_id": Option(100, "the unique_component_id of these labels, to tell them from others", limits=(0, 2**31 - 1)),
    **network.OPTIONS,
    "batch": Option(8, "most objects in one call, where the model takes any number", limits=(1, 256)),
}
_LOADED_WITH = (*network.OPTIONS, "fit", "values", "bgr", "output", "scores")
_FEW = 12  # scores that a message shows
classifier: Classifier
cutter: Cutter
_log = logging.getLogger(__name__)


def start(options: Mapping[str, Any]) -> None:
    """Load the model and run it, so that errors are reported now, and the first object does not wait."""
    global classifier, cutter
    key = ("empycustom.libs.classify", *(str(options[name]) for name in _LOADED_WITH))
    with about_options():
        classifier = empycustom.shared(key, lambda: Classifier(options))
        cutter = Cutter(options, classifier)


def process_ip(io_buffer: Any, in_meta: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Add labels to the objects of each frame."""
    global cutter
    if options is not cutter.options and options != cutter.options:  # they were changed while the pipeline plays
        cutter = Cutter(options, classifier)
    pictures: list[Array] = []
    places: list[tuple[Mapping[str, Any], int, dict[str, Any]]] = []
    changed: list[list[dict[str, Any]]] = []
    for frame in in_meta["frame"]:
        changes: list[dict[str, Any]] = [{} for _ in frame["object"]]
        changed.append(changes)
        known = cutter.remembered.of(frame)
        for index, labels in known.items():
            _add(changes[index], frame["object"][index], labels, options)
        for index, picture in cutter.pictures(io_buffer, in_meta, frame, known):
            pictures.append(picture)
            places.append((frame, index, changes[index]))
    for (frame, index, change), labels in zip(places, classifier.labels_of(pictures, options), strict=True):
        cutter.remembered.keep(frame, frame["object"][index], labels)
        _add(change, frame["object"][index], labels, options)
    return {"frame": [{"changed_object": each} for each in changed]} if any(map(any, changed)) else None


def _add(change: dict[str, Any], obj: Mapping[str, Any], labels: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Let an object have labels besides those of other classifiers; none: it stays as it is."""
    if labels:
        entry = {"num_labels": len(labels), "unique_component_id": options["component_id"], "label_info": labels}
        change["classifier"] = [*(obj.get("classifier") or ()), entry]


def stop(_options: Mapping[str, Any]) -> None:
    """Warn where no object was one of those that are classified."""
    if missed := cutter.chosen.missed("objects"):
        _log.warning("nothing was classified: %s", missed)


class Cutter:
    """Cuts objects out of frames, in the shape that a classifier takes."""

    def __init__(self, options: Mapping[str, Any], used: Classifier) -> None:
        self.options, self.chosen, self._used = options, Chosen(options["objects"]), used
        self.remembered = Remembered(options["every"])
        self._is_reported = False

    def pictures(
        self, io_buffer: Any, in_meta: Mapping[str, Any], frame: Mapping[str, Any], known: Mapping[int, Any]
    ) -> list[tuple[int, Array]]:
        """Return objects of a frame by their index, as ``labels_of`` takes them; those that are not in the frame are left out.

        Those that are ``known``, by their index, are left out, too. A frame without objects to classify is not mapped.
        """
        others = [(index, obj) for index, obj in enumerate(frame["object"]) if index not in known]
        wanted = [(index, obj, box) for index, obj in others if (box := self._box(obj))]
        if not wanted:
            return []
        with empycustom.map_frame(io_buffer, in_meta, batch_id=frame.get("batch_id", 0)) as mapped:
            cuts = [(index, _cut(mapped.rgb, box, rotation_of(obj))) for index, obj, box in wanted]
        return [(index, self._used.prepared(cut)) for index, cut in cuts if cut is not None]

    def _box(self, obj: Mapping[str, Any]) -> Box | None:
        """Return the part of an object that is looked at; None: it is not to be classified."""
        if not self.chosen.has(obj):
            return None
        box = box_of(obj)
        if box is None:
            if not self._is_reported:
                self._is_reported = True
                _log.warning("an object is not classified, because its box is not made of finite numbers: %r", obj)
            return None
        if min(box.width, box.height) < self.options["min_size"]:
            return None
        box = box.grown(self.options["margin"])
        if self._used.fit != CUT:
            return box
        height, width = self._used.network.size
        side = min(box.width / width, box.height / height)
        across, down = width * side, height * side
        return Box(box.left + (box.width - across) / 2, box.top + (box.height - down) / 2, across, down)


class Remembered:
    """The labels of tracked objects, which need not be classified on every frame, but again after ``every`` frames."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._known: dict[Any, dict[int, tuple[int, Sequence[Any]]]] = {}

    def of(self, frame: Mapping[str, Any]) -> dict[int, Sequence[Any]]:
        """Return the labels of those objects of a frame, by their index, that were classified not long ago."""
        known, now = self._known.get(_source(frame)), frame["frame_num"]
        if not known:
            return {}
        found = {}
        for index, obj in enumerate(frame["object"]):
            then, labels = known.get(obj["object_id"], (now + 1, ()))
            if 0 <= now - then < self._every:
                found[index] = labels
        return found

    def keep(self, frame: Mapping[str, Any], obj: Mapping[str, Any], labels: Sequence[Any]) -> None:
        """Remember the labels of an object, if it is tracked, and forget those of long ago."""
        number, now = obj.get("object_id", -1), frame["frame_num"]
        if self._every > 1 and number >= 0:
            known = self._known.get(_source(frame), {})
            known = {each: about for each, about in known.items() if 0 <= now - about[0] < self._every}
            self._known[_source(frame)] = {**known, number: (now, labels)}


def _source(frame: Mapping[str, Any]) -> Any:
    return frame.get("source_id"), frame.get("source")


def _cut(view: Any, box: Box, rotation: float) -> Array | None:
    """Return a copy of the pixels in a box, upright; None where none is in the frame."""
    area = Area.around(box.corners(rotation), view.shape[1], view.shape[0])
    if area.is_empty:
        return None
    pixels: Array = view[area.top : area.bottom, area.left : area.right].download()
    if not rotation:
        return pixels
    width, height = (min(max(round(side), 1), 2 * max(area.shape)) for side in (box.width, box.height))
    across, down = box.width / width, box.height / height
    sin, cos = np.sin(rotation), np.cos(rotation)
    turn = np.array([(cos * across, -sin * down), (sin * across, cos * down)])
    middle = np.array((box.left + box.width / 2 - area.left, box.top + box.height / 2 - area.top)) - 0.5
    first = middle - turn @ ((width - 1) / 2, (height - 1) / 2)
    cv2 = opencv()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    into = np.column_stack([turn, first])
    upright: Array = cv2.warpAffine(pixels, into, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return upright


class Classifier:
    """A network that classifies. ``labels_of`` may be called by several threads at once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        opencv()
        self.network = Network(options, size=0)
        self._said = self.network.metadata
        task = self._said.get("task", "classify")
        if task != "classify":
            raise ValueError(f"the task of the model is {task}, not classify: use it with empycustom.libs.detect")
        self._is_ultralytics = self._said.get("author") == "Ultralytics"
        self.fit = self._choice("fit", options, (STRETCHED, CENTRED, CUT), CUT) or STRETCHED
        self._values = self._values_of(options)
        self._bgr = options["bgr"]
        self._output = _output_of(self.network, options["output"])
        self._scores = self._scores_of(options)
        self._count = self._answers([self.network.blank]).shape[1]
        if self.network.labels and len(self.network.labels) != self._count:
            raise ValueError(f"the model has {self._count} classes, but there are {len(self.network.labels)} labels")

    def prepared(self, picture: Array) -> Array:
        """Return an RGB picture as :meth:`labels_of` takes it."""
        cv2 = opencv()
        height, width = self.network.size
        if self.fit == CENTRED:
            fitted = Letterbox.of(picture.shape[:2], (height, width), CENTRED).apply(picture)
        else:
            is_larger = picture.shape[0] * picture.shape[1] > height * width
            fitted = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if is_larger else cv2.INTER_LINEAR)
        scale, mean, std, _ = self._values
        return self.network.prepared(fitted, bgr=self._bgr, scale=scale, mean=mean, std=std)

    def labels_of(self, pictures: Sequence[Array], options: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
        """Return the labels of each prepared picture, the surest first, as ``label_info`` of in_meta has them."""
        return [self._surest(row, options) for row in self._probabilities(self._answers(pictures))] if pictures else []

    def _surest(self, row: Array, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        names = self.network.labels
        chosen = [n for n in np.argsort(-row, kind="stable")[: options["top"]].tolist() if row[n] >= options["confidence"]]
        return [
            {
                "num_classes": len(row),
                "result_label": names[n] if names else str(n),
                "result_class_id": n,
                "label_id": place,
                "result_prob": min(float(row[n]), 1.0),
            }
            for place, n in enumerate(chosen)
        ]

    def _answers(self, pictures: Sequence[Array]) -> Array:
        """Return what the network says of each picture: (pictures, classes)."""
        return np.concatenate([outputs[self._output].reshape(1, -1) for outputs in self.network.run(pictures)])

    def _probabilities(self, answers: Array) -> Array:
        values = answers.astype(np.float64)
        if np.isnan(values).any() or np.isposinf(values).any():
            raise ValueError(f"the model returned {answers[~np.isfinite(answers)][0]} for an object")
        if self._scores == "independent-logits":
            return np.asarray(1 / (1 + np.exp(-values.clip(-500, 500))))
        if self._scores == "logits":
            values = np.exp(values - values.max(axis=1, keepdims=True))
            return np.asarray(values / values.sum(axis=1, keepdims=True))
        return np.asarray(values)

    # What the model does not say, and nobody else does, is asked for.

    def _choice(self, name: str, options: Mapping[str, Any], known: Sequence[str], of_ultralytics: str) -> str:
        """Return what an option says, or else the metadata; "": nobody does. Raises ValueError."""
        said = str(options[name] or self._said.get(name) or (of_ultralytics if self._is_ultralytics else ""))
        if said and said not in known:
            raise ValueError(f"the metadata of the model has {name}={said}, not one of {', '.join(known)}: set the option {name}")
        return said

    def _values_of(self, options: Mapping[str, Any]) -> Values:
        said = self._choice("values", options, tuple(VALUES), "0-1")
        if not said and not self.network.takes_bytes:
            table = "; ".join(f"{name}: {values.known}" for name, values in VALUES.items())
            raise ValueError(f"the model does not say which values it was trained with: set the option values, one of {table}")
        return VALUES[said or "0-255"]

    def _scores_of(self, options: Mapping[str, Any]) -> str:
        """Return what the outputs are: as somebody says, or as they are for noise."""
        if said := self._choice("scores", options, SCORES, "probabilities"):
            return said
        noise = np.random.default_rng(0).integers(0, 256, (4, *self.network.size, 3), np.uint8)
        answers = self._answers([self.prepared(each) for each in noise])
        if answers.min() < 0 or answers.max() > 1:
            return "logits"
        if answers.shape[1] > 1 and np.abs(answers.sum(axis=1) - 1).max() < 0.01:
            return "probabilities"
        raise ValueError(
            f"the model returned {np.round(answers[0, :_FEW], 3).tolist()}, from 0 to 1 and not 1 together: set the option "
            "scores, to independent where each is a probability of its own, or to logits"
        )


def _output_of(used: Network, wanted: str) -> int:
    """Return the number of the output with the scores. Raises ValueError where there are several, or none."""
    table = ", ".join(f"{name} {shape}" for name, shape in zip(used.outputs, used.shapes, strict=True))
    if wanted and wanted not in used.outputs:
        raise ValueError(f"the option output is {wanted}, but the model returns {table}")
    if not wanted and len(used.outputs) > 1:
        raise ValueError(f"the model returns {table}: say by the option output which are the scores")
    number = used.outputs.index(wanted) if wanted else 0
    shape = used.shapes[number]
    if len(shape) < 2 or int(np.prod(shape)) != max(shape):
        raise ValueError(f"the model returns {table}, but scores (n, classes) are expected")
    return number
