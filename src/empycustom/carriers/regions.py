"""Objects as GstVideoRegionOfInterestMeta: the label in its type, the rest in parameter structures as DL Streamer writes them.

A conversion keeps the rectangle, the label and the id, and loses the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
from empycustom.model.arrays import PARENT_ID
from empycustom.model.keys import BOX, CLASS_ID, CLASSIFIERS, CONFIDENCE, LABEL, TRACK_ID
from empycustom.model.serialize import encode
from empycustom.model.wire import LARGEST, box_of_object, classifier_dict, clean_box, detection_of, plain_object, usable
from empycustom.native.loading import double_in, int_in, items, name_of, set_field, text_in, text_of_quark, uint64_in
from empycustom.native.metas import (
    REGION_API,
    Param,
    Region,
    add_param,
    add_region,
    disown_regions,
    move_region,
    region_at,
    remove_meta,
    remove_param,
    scan,
    set_param,
    set_region_id,
    set_region_label,
    set_region_parent,
)


class Regions:
    """See :class:`~empycustom.carriers.protocol.ObjectSource`. The state of a region is what stands in its meta."""

    kind = "region"
    api: int = REGION_API
    kept = frozenset((LABEL, BOX))
    fixed = 3
    can_add = True

    def decode(self, metas: Sequence[int], size: Size, objects: list[Any], handles: list[Handle], warnings: list[str]) -> None:  # noqa: ARG002 - the protocol has it
        """Add the objects of regions."""
        begin, parents = len(objects), set()
        for state in map(region_at, metas):
            label, number, parent, x, y, w, h, params = state
            name = text_of_quark(label)
            if x + y + w + h > LARGEST:  # they have no sign
                x, y, w, h = clean_box(x, y, w, h, warnings)
            found: Any = plain_object(name, x, y, w, h)
            objects.append(found)
            handles.append((self, number, state[:-1], name, _read(params, found, warnings) if params else None))
            if parent > 0:
                parents.add(parent)
                found[PARENT_ID] = NATIVE_NUMBERS + parent
        if parents:
            number_parents(objects[begin:], handles[begin:], parents)

    def locate(self, metas: Sequence[int]) -> list[Place]:
        """Return where the regions are, by all that stands in their metas but the parameters."""
        return [(state[:-1], self, meta, state[1]) for meta, state in zip(metas, map(region_at, metas), strict=True)]

    def key(self, number: int) -> str:
        """Return the key of a region by its id; 0 is the id of every region that got none."""
        return f"region/{number}" if number else ""

    def claim(self, meta: int, number: int, free: Iterator[int]) -> int:
        """Give a region an id of its own."""
        number = next(free)
        set_region_id(meta, number)
        return number

    def add(self, address: int, found: model.Object, size: Size, free: Iterator[int], warnings: list[str]) -> tuple[str, Box]:  # noqa: ARG002 - the protocol has it
        """Add an object as a region with an id of its own."""
        number, box = next(free), _box(found, warnings)
        params = [*_detection(found), *_tracking(found), *_classifications(found)]
        add_region(address, Region(number, carried(found[LABEL], warnings), *box, params))
        return self.key(number), box

    def repeat(self, address: int, found: model.Object, number: int, warnings: list[str]) -> None:
        """Add an object that another source has added, with its number there: elements of DL Streamer look for both."""
        params = [*_detection(found), *_tracking(found), *_classifications(found)]
        add_region(address, Region(number, carried(found[LABEL], warnings), *_box(found, warnings), params))

    def relate(self, meta: int, number: int, parent: int) -> None:  # noqa: ARG002 - the protocol has it
        """Let a region be a part of another one."""
        set_region_parent(meta, parent)

    def change(
        self,
        address: int,
        meta: int,
        changes: Mapping[int, Change | None],
        size: Size,  # noqa: ARG002 - the protocol has it
        warnings: list[str],
    ) -> dict[int, Box]:
        """Change the object of a region, or remove it; parameters of others stay."""
        ((number, change),) = changes.items()
        if change is None:
            remove_meta(address, meta)
        if number and (change is None or lost_its_number(change)):
            disown_regions([other for api, other in scan(address) if api == REGION_API], number)
        if change is None:
            return {}
        found, keys = change
        if BOX in keys:
            before, now = region_at(meta)[3:7], _box(found, warnings)
            move_region(meta, *now)
            for structure in items(region_at(meta)[-1]):
                _move_parts(structure, before, now)
        if PARENT_ID in keys:  # the new one is related to it when all objects are there
            set_region_parent(meta, 0)
        if LABEL in keys:
            set_region_label(meta, carried(found[LABEL], warnings))
        if keys & {CLASS_ID, CONFIDENCE}:
            _replace(meta, "detection", _detection(found))
        if TRACK_ID in keys:
            _replace(meta, "object_id", _tracking(found))
        if CLASSIFIERS in keys:
            for structure in filter(_is_classification, items(region_at(meta)[-1])):
                remove_param(meta, structure)
            for param in _classifications(found):
                add_param(meta, param)
        return {number: region_at(meta)[3:7]}


def _box(found: Mapping[str, Any], warnings: list[str]) -> WholeBox:
    """Return the box of an object as a region can have it."""
    rect = box_of_object(found)
    left, top = max(0, round(rect.left)), max(0, round(rect.top))
    right, bottom = round(rect.left + rect.width), round(rect.top + rect.height)
    if rect.left < 0 or rect.top < 0:
        warnings.append("an object reaches out of the frame to the left or the top; its region was cut there")
    return left, top, max(0, right - left), max(0, bottom - top)


def _detection(found: Mapping[str, Any]) -> list[Param]:
    return [Param("detection", None, found[CLASS_ID], found[CONFIDENCE], None)]


def _tracking(found: Mapping[str, Any]) -> list[Param]:
    return [Param("object_id", None, None, None, found[TRACK_ID])] if found[TRACK_ID] != model.UNTRACKED else []


def _classifications(found: Mapping[str, Any]) -> list[Param]:
    labels = [label for each in detection_of(found).classifications for label in each.labels]
    return [Param("classification", label.name, label.class_id, label.probability, None) for label in labels]


def _move_parts(structure: int, before: Box, now: Box) -> None:
    """Move the box that DL Streamer writes in parts of the frame beside that in pixels."""
    for low, high, place, size in ((b"x_min", b"x_max", 0, 2), (b"y_min", b"y_max", 1, 3)):
        begin, end = double_in(structure, low), double_in(structure, high)
        if begin is not None and end is not None and end > begin and before[size]:
            pixel = (end - begin) / before[size]
            set_field(structure, low.decode(), now[place] * pixel)
            set_field(structure, high.decode(), (now[place] + now[size]) * pixel)


def _is_classification(structure: int) -> bool:
    return name_of(structure) not in ("detection", "object_id") and text_in(structure, b"label") is not None


def _replace(meta: int, name: str, params: Sequence[Param]) -> None:
    """Let a region have at most one parameter of a name; fields of others in it stay."""
    there = [structure for structure in items(region_at(meta)[-1]) if name_of(structure) == name]
    for structure in there[len(params) :]:
        remove_param(meta, structure)
    for structure, param in zip(there, params, strict=False):
        set_param(structure, param)
    for param in params[len(there) :]:
        add_param(meta, param)


def _read(params: int, found: Any, warnings: list[str]) -> dict[str, Any]:
    """Complete an object by its parameters, and return what they say."""
    fields: dict[str, Any] = {}
    for structure in items(params):
        name = name_of(structure)
        if name == "detection":
            _read_detection(structure, fields, warnings)
        elif name == "object_id":
            number = int_in(structure, b"id")
            number = uint64_in(structure, b"id") if number is None else number
            if number is not None:
                fields[TRACK_ID] = number if number >= model.UNTRACKED else model.UNTRACKED
        else:
            label = text_in(structure, b"label")
            if label is not None:
                found[CLASSIFIERS].append(_classifier(structure, label, warnings))
    found.update(fields)
    if found[CLASSIFIERS]:
        fields[CLASSIFIERS] = encode(found[CLASSIFIERS])  # the library may change the other one
    return fields


def _read_detection(structure: int, fields: dict[str, Any], warnings: list[str]) -> None:
    confidence, label_id = double_in(structure, b"confidence"), int_in(structure, b"label_id")
    if confidence is not None:
        if not -LARGEST <= confidence <= LARGEST:
            confidence = usable(confidence, "a confidence", warnings)
        fields[CONFIDENCE] = confidence
    if label_id is not None:
        fields[CLASS_ID] = label_id


def _classifier(structure: int, label: str, warnings: list[str]) -> model.Classifier:
    confidence = double_in(structure, b"confidence")
    probability = 1.0 if confidence is None else usable(confidence, "a confidence", warnings)
    return classifier_dict(model.Classification((model.Label(label, probability, int_in(structure, b"label_id") or 0),)))
