"""Objects as GstAnalytics: boxes with a label and a confidence, and what is related: tracks, classifications, masks, parts.

There is no place in it for a class id; a conversion keeps all of it. Places are whole pixels, so that our own record of an object
says more of turned boxes and masks, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from empycustom.carriers.arrays import object_mask
from empycustom.carriers.protocol import (
    NATIVE_NUMBERS,
    Box,
    Change,
    Handle,
    Place,
    Size,
    WholeBox,
    carried,
    lost_its_number,
    number_parents,
)
from empycustom.model import values as model
from empycustom.model.arrays import MASK, PARENT_ID, ROTATION
from empycustom.model.keys import BOX, CLASSIFIERS, CONFIDENCE, LABEL, TRACK_ID
from empycustom.model.turns import within_a_turn
from empycustom.model.wire import LARGEST, clean_box, detection_of, object_dict, usable
from empycustom.native import masks
from empycustom.native.analytics import API, Detection, Label, add_detection, available, detections_at, numbers_at, relate_part
from empycustom.native.analytics_changes import change_detections
from empycustom.native.masks import Mask, Pixels

_TURNED = 1e-6  # radians
_SURE = 0.5  # a confidence above it is the object, as in JSON


class Analytics:
    """See :class:`~empycustom.carriers.protocol.ObjectSource`. Objects stay in their relation meta for as long as it lives."""

    kind = "analytics"
    api: int = API
    kept = frozenset((LABEL, BOX, CONFIDENCE, TRACK_ID))
    fixed = 1
    can_add = available
    is_renumbered = True  # where an element drops items, such as masks: numbers are places among what is left

    def decode(self, metas: Sequence[int], size: Size, objects: list[Any], handles: list[Handle], warnings: list[str]) -> None:  # noqa: ARG002 - the protocol has it
        """Add the objects of relation metas."""
        begin, parents = len(objects), set()
        for detection in chain.from_iterable(map(detections_at, metas)):
            objects.append(_found(detection, warnings))
            handles.append((self, detection.id, (detection.id,), detection.label, None))
            if detection.parent is not None:
                parents.add(detection.parent)
        if parents:
            number_parents(objects[begin:], handles[begin:], parents)

    def locate(self, metas: Sequence[int]) -> list[Place]:
        """Return where the objects are; the id of an object is its state as well."""
        return [((number,), self, meta, number) for meta in metas for number in numbers_at(meta)]

    def key(self, number: int) -> str:
        """Return the key of an object by its id in the relation meta."""
        return f"analytics/{number}"

    def claim(self, meta: int, number: int, free: Iterator[int]) -> int:  # noqa: ARG002 - the protocol has it
        """Return the id: those in a relation meta are unique, and cannot change."""
        return number

    def add(self, address: int, found: model.Object, size: Size, free: Iterator[int], warnings: list[str]) -> tuple[str, Box]:  # noqa: ARG002 - the protocol has it
        """Add an object; its relation meta numbers it."""
        new = detection_of(found)
        classes = _classes(new, warnings)
        box, label = _box(new), carried(new.label, warnings)
        rotation, mask = float(found.get(ROTATION, 0)), _pixels(found.get(MASK))
        made = Detection(0, label, *box, new.confidence, _tracking_id(new), classes, rotation, mask)
        return self.key(add_detection(address, made)), box

    def change(
        self,
        address: int,
        meta: int,
        changes: Mapping[int, Change | None],
        size: Size,  # noqa: ARG002 - the protocol has it
        warnings: list[str],
    ) -> dict[int, Box]:
        """Change objects of a relation meta: there is a new one then, in which all ids are the same."""
        there = {each.id: each for each in detections_at(meta)}
        made = {number: change and _changed(there[number], change, warnings) for number, change in changes.items()}
        alone = {number for number, change in changes.items() if change and lost_its_number(change)}
        for each in there.values():
            after = made.get(each.id, each)
            if each.parent in alone and after:
                made[each.id] = after._replace(parent=None)
        change_detections(address, meta, made)
        return {number: (each.x, each.y, each.w, each.h) for number, each in made.items() if each}

    def relate(self, meta: int, number: int, parent: int) -> None:
        """Let an object be a part of another one."""
        relate_part(meta, number, parent)


def _changed(before: Detection, change: Change, warnings: list[str]) -> Detection:
    new, keys = detection_of(change.found), change.keys
    made: dict[str, Any] = {}
    rotation = float(change.found.get(ROTATION, 0))
    if abs(rotation - before.rotation) > _TURNED:  # the library says so, or a frame was scaled unequally
        made = {"rotation": rotation, **dict(zip("xywh", _box(new), strict=True))}
    if LABEL in keys:
        made["label"] = carried(new.label, warnings)
    if BOX in keys:
        made |= zip("xywh", _box(new), strict=True)
    if CONFIDENCE in keys:
        made["confidence"] = new.confidence
    if TRACK_ID in keys:
        made["tracking_id"] = _tracking_id(new)
    if CLASSIFIERS in keys:
        made["classifications"] = _classes(new, warnings)
    if MASK in keys:
        made["mask"] = _pixels(change.found.get(MASK))
    if PARENT_ID in keys:  # the new one is related to it when all objects are there
        made["parent"] = None
    return before._replace(**made)


def _pixels(mask: Any) -> Pixels | None:
    """Return a mask of in_meta to be written; None where there is none, or no place for it."""
    if mask is None or not masks.available:
        return None
    return Pixels(mask.shape[1], mask.shape[0], (mask > _SURE).tobytes())


def _box(new: model.Detection) -> WholeBox:
    rect = new.box
    left, top = round(rect.left), round(rect.top)
    width, height = round(rect.left + rect.width) - left, round(rect.top + rect.height) - top
    return left, top, min(width, LARGEST), min(height, LARGEST)  # the rounding of both ends may add 1


def _tracking_id(new: model.Detection) -> int | None:
    return None if new.track_id == model.UNTRACKED else new.track_id


def _classes(new: model.Detection, warnings: list[str]) -> list[list[Label]]:
    return [
        [Label(carried(label.name, warnings), label.probability) for label in each.labels]
        for each in new.classifications
        if each.labels
    ]


def _found(detection: Detection, warnings: list[str]) -> model.Object:
    found = model.Detection(
        detection.label,
        clean_box(detection.x, detection.y, detection.w, detection.h, warnings),
        track_id=model.UNTRACKED if detection.tracking_id is None else detection.tracking_id,
        confidence=usable(detection.confidence, "a confidence", warnings),
        classifications=tuple(_classification(labels, warnings) for labels in detection.classifications),
    )
    made: Any = object_dict(found)
    if detection.rotation:
        made[ROTATION] = within_a_turn(usable(detection.rotation, "a rotation", warnings))
    if isinstance(detection.mask, Mask):
        mask = object_mask(detection.mask, detection[2:6], warnings)
        if mask is not None:
            made[MASK] = mask
    if detection.parent is not None:
        made[PARENT_ID] = NATIVE_NUMBERS + detection.parent
    return made  # type: ignore[no-any-return]


def _classification(labels: list[Label], warnings: list[str]) -> model.Classification:
    return model.Classification(
        tuple(
            model.Label(label.name, usable(label.confidence, "a confidence", warnings), index, index, len(labels))
            for index, label in enumerate(labels)
        )
    )
