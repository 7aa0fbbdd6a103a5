"""``gstgva.RegionOfInterest``: an object of ``in_meta``, or one that a module has added."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from empycustom.dialects.gstgva.tensor import DETECTION, Tensor
from empycustom.model.arrays import PARENT_ID, ROTATION
from empycustom.model.keys import BOX, CLASS_ID, CLASSIFIERS, CONFIDENCE, LABEL, LABEL_NAME, LABELS, TENSORS, TRACK_ID
from empycustom.model.values import UNKNOWN_CLASS, UNTRACKED

Rect = namedtuple("Rect", "x y w h")
_rect: Callable[..., Rect] = tuple.__new__  # in half the time of calling the class
_EDGES = ("x_min", "y_min", "x_max", "y_max")


class RegionOfInterest:
    """A box with a label and what networks found out about it. ``size`` is that of the frame, in pixels.

    ``number_of`` returns the number of a region in its frame.
    """

    _changes: Mapping[str, Any] = MappingProxyType({})
    _tensors: list[Tensor] | None = None  # None: nobody has asked
    _added: Sequence[Tensor] = ()

    def __init__(self, found: Mapping[str, Any], size: tuple[int, int], number_of: Callable[[RegionOfInterest], int]) -> None:
        self._found, self._size, self._number_of = found, size, number_of

    def rect(self) -> Rect:
        """Return the box in pixels, in whole numbers."""
        box = self._now(BOX) if self._changes else self._found[BOX]
        x, y, w, h = box["left"], box["top"], box["width"], box["height"]
        left, top = round(x), round(y)
        return _rect(Rect, (left, top, round(x + w) - left, round(y + h) - top))

    def normalized_rect(self) -> Rect:
        """Return the box in parts of the frame."""
        edges = self.detection()
        x, y = edges["x_min"], edges["y_min"]
        return Rect(x, y, edges["x_max"] - x, edges["y_max"] - y)

    def rotation(self) -> float:
        """Return how far the box is turned, in radians."""
        return float(self._found.get(ROTATION) or 0.0)

    def label(self) -> str:
        """Return the label, "" where there is none."""
        label: str = self._found[LABEL]
        return label

    def label_id(self) -> int:
        """Return the number of the class, 0 where it is not known."""
        return max(0, int(self._found[CLASS_ID]))

    def confidence(self) -> float:
        """Return the confidence of the detection."""
        return float(self._now(CONFIDENCE))

    def object_id(self) -> int | None:
        """Return the number that a tracker gave to the object, None where there is none."""
        number = self._now(TRACK_ID)
        return None if number == UNTRACKED else int(number)

    def set_object_id(self, object_id: int) -> None:
        """Change the number that trackers give."""
        self._change(TRACK_ID, int(object_id))

    def region_id(self) -> int:
        """Return the number of the region in its frame, from 1."""
        return self._number_of(self)

    def parent_id(self) -> int | None:
        """Return the number of the region that this one is a part of, None where there is none."""
        return self._found.get(PARENT_ID)

    def tensors(self) -> list[Tensor]:
        """Return the tensors: how it was found, the labels that classifiers gave, and those that were added."""
        return [*self._all_tensors()]

    def _all_tensors(self) -> list[Tensor]:
        """Return the tensors; the first one is the detection."""
        if self._tensors is None:
            self._tensors = [self._made_detection(), *self._known()]
        return self._tensors

    def get_gst_roi_params(self) -> list[Tensor]:
        """Return the same as :meth:`tensors`."""
        return self.tensors()

    def detection(self) -> Tensor:
        """Return the tensor that says how the region was found."""
        return self._all_tensors()[0]

    def add_tensor(self, name: Tensor | str = "", tensor: Tensor | None = None) -> Tensor:
        """Add a tensor, or an empty one of a name, and return it.

        The arguments are those of DL Streamer until 2025, and the tensor alone is that of 2026.
        """
        given = name if tensor is None else tensor
        made = Tensor(given) if isinstance(given, str) else given
        if not isinstance(made, Tensor):
            raise TypeError(f"add_tensor gets a {type(given).__name__}; give a Tensor, or the name of a new one")
        if made.is_detection():
            known = self.detection()
            for key, value in made:
                known[key] = value
            return known
        self._all_tensors().append(made)
        self._added = [*self._added, made]
        return made

    def meta(self) -> _Meta:
        """Return the box as a GstVideoRegionOfInterestMeta has it: ``x``, ``y``, ``w``, ``h``, ``id``, ``parent_id``."""
        return _Meta(self)

    # For the frame.

    def _now(self, key: str) -> Any:
        return self._changes[key] if key in self._changes else self._found[key]

    def _change(self, key: str, value: Any) -> None:
        self._changes = {**self._changes, key: value}

    def _made_detection(self) -> Tensor:
        box, (width, height) = self._now(BOX), self._size
        left, top = box["left"], box["top"]
        edges = (left / width, top / height, (left + box["width"]) / width, (top + box["height"]) / height)
        fields = {"confidence": self._now(CONFIDENCE), **dict(zip(_EDGES, edges, strict=True))}
        if self._found[CLASS_ID] >= 0:
            fields["label_id"] = self._found[CLASS_ID]
        return Tensor(DETECTION, fields)

    def _known(self) -> list[Tensor]:
        """Return the tensors that the object came with: those of modules, and others' labels."""
        made = Tensor._listed(self._found)
        labels = [label for each in self._found[CLASSIFIERS] for label in each[LABELS]]
        for tensor in made:
            same = next((label for label in labels if label[LABEL_NAME] == tensor["label"]), None)
            if same is not None:
                labels.remove(same)
        return [*made, *map(_of_label, labels)]

    def _changed(self) -> dict[str, Any]:
        """Return what becomes different of the object, as a result has it."""
        changes = {**self._changes}
        if self._tensors is None:
            return changes
        detection = self.detection()
        if detection._changed and isinstance(detection["confidence"], (int, float)):
            changes[CONFIDENCE] = detection["confidence"]
        if added := [tensor for tensor in self._added if isinstance(tensor["label"], str)]:
            changes[CLASSIFIERS] = [*self._found[CLASSIFIERS], *map(_classifier, added)]
        return changes

    def _attributes(self) -> dict[str, Any] | None:
        """Return the attributes of the object that are new: the tensors of modules."""
        others = [] if self._tensors is None else self._tensors[1:]
        if not any(tensor._changed for tensor in others) and not self._added:
            return None
        kept = len(Tensor._listed(self._found))
        ours = [tensor for index, tensor in enumerate(others) if index < kept or tensor._changed or tensor in self._added]
        return {TENSORS: [tensor._plain() for tensor in ours]}


class _Meta:
    """The box of a region as fields that can be changed."""

    __slots__ = ("_region",)

    def __init__(self, region: RegionOfInterest) -> None:
        object.__setattr__(self, "_region", region)

    def __getattr__(self, name: str) -> Any:
        region = self._region
        if name in Rect._fields:
            return getattr(region.rect(), name)
        if name == "id":
            return region.region_id()
        if name == "parent_id":
            return region.parent_id() or 0
        raise AttributeError(f"a region's meta has {', '.join(Rect._fields)}, id and parent_id, and no {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in Rect._fields:
            raise AttributeError(f"{name} of a region's meta cannot be changed; {', '.join(Rect._fields)} can")
        box = self._region.rect()._replace(**{name: value})
        self._region._change(BOX, box_of(*box))


def box_of(x: Any, y: Any, width: Any, height: Any) -> dict[str, float]:
    """Return a box as objects have it."""
    return {"left": float(x), "top": float(y), "width": float(width), "height": float(height)}


def new_object(box: Rect, label: str, confidence: float) -> dict[str, Any]:
    """Return an object that a module has found."""
    return {
        CLASS_ID: UNKNOWN_CLASS,
        TRACK_ID: UNTRACKED,
        CONFIDENCE: float(confidence),
        LABEL: label,
        BOX: box_of(*box),
        CLASSIFIERS: [],
    }


def _of_label(label: Mapping[str, Any]) -> Tensor:
    fields = {"label": label[LABEL_NAME], "confidence": label["result_prob"], "label_id": label["result_class_id"]}
    return Tensor("classification", fields)


def _classifier(tensor: Tensor) -> dict[str, Any]:
    """Return the label of a tensor as a classifier's."""
    confidence, number = tensor["confidence"], tensor["label_id"]
    label = {
        LABEL_NAME: tensor["label"],
        "result_prob": float(confidence) if isinstance(confidence, (int, float)) else 1.0,
        "result_class_id": number if isinstance(number, int) else 0,
    }
    return {LABELS: [label]}
