"""Records of objects in our own JSON on buffers of plain GStreamer: what the metadata of the objects themselves cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from empycustom.carriers.matching import rounded
from empycustom.carriers.protocol import ELSEWHERE, NATIVE_NUMBERS, Handle, ObjectSource, Place, Relating, stands_for
from empycustom.model import keys, wire
from empycustom.model import values as model
from empycustom.model.arrays import IN_BOX, PARENT_ID, ROTATION, UNIQUE_ID
from empycustom.model.carried import pack, unpack

# What an object of in_meta says where nothing is known; it need not be repeated.
_DEFAULTS = wire.object_dict(model.Detection("", model.Box(0, 0, 0, 0)))
_TURNED = 1e-4  # radians: more than a float of 32 bits loses of an angle
# Not simply facts of an object.
_OWN_KEYS = frozenset((keys.RECORD_KEY, keys.BOX_IN_REGION, keys.BOX, keys.CLASSIFIERS, keys.LABEL, keys.PACKED)) | IN_BOX


def opened(records: dict[str, Any], handle: Handle, place: Place, shared: Any, free: Iterator[int]) -> dict[str, Any]:
    """Return the record of an object, a new one where there is none, with what a conversion would lose."""
    _, _, _, label, lost = handle
    _, source, meta, number = place
    key = source.key(number)
    if not key or (shared and (source, number) in shared):  # a region that has no id, or shares it
        key = source.key(source.claim(meta, number, free))
    record: dict[str, Any] | None = records.get(key)
    if record is None or (record[keys.LABEL] != label and not stands_for(label, record[keys.LABEL])):
        record = records[key] = {keys.RECORD_KEY: key, keys.LABEL: label}
    if lost:
        record |= lost
    return record


def record_of(found: Any, key: str, box: tuple[int, int, int, int], source: ObjectSource) -> dict[str, Any]:
    """Return the entry for a new object, which has a ``box`` in its own metadata."""
    own = source.kept | _OWN_KEYS
    record = {name: value for name, value in found.items() if name not in own and value != _DEFAULTS.get(name)}
    record |= {keys.RECORD_KEY: key, keys.LABEL: found[keys.LABEL]}
    if found[keys.CLASSIFIERS]:
        record[keys.CLASSIFIERS] = found[keys.CLASSIFIERS]
    if len(found) > len(_DEFAULTS) and (packed := pack(found)):
        record[keys.PACKED] = packed
    rect = wire.box_of_object(found)
    x, y, width, height = box
    if rect != box:
        across, down = width or 1, height or 1
        record[keys.BOX_IN_REGION] = [
            (rect.left - x) / across,
            (rect.top - y) / down,
            rect.width / across,
            rect.height / down,
        ]
    return record


def complete(found: Any, record: dict[str, Any], source: ObjectSource, lost: Any, sizes: Any) -> None:
    """Fill in what our record knows of an object, and its own metadata has lost or cannot hold."""
    if found[keys.LABEL] == ELSEWHERE:
        found[keys.LABEL] = record[keys.LABEL]
    for name, value in record.items():
        if name not in _OWN_KEYS and name not in source.kept and name not in lost:
            found[name] = value
    if keys.CLASSIFIERS in record and (
        keys.CLASSIFIERS not in lost or _are_same(wire.label_names(found), wire.label_names(record))
    ):
        found[keys.CLASSIFIERS] = record[keys.CLASSIFIERS]
        lost.pop(keys.CLASSIFIERS, None)  # the record says more of the same
    if keys.BOX_IN_REGION in record:
        rect = wire.box_of_object(found)
        left, top, width, height = record[keys.BOX_IN_REGION]
        before, now = sizes
        across, down = rect.width or _factor(before[0], now[0]), rect.height or _factor(before[1], now[1])
        found[keys.BOX] = wire.box_dict(
            round(rect.left + left * across, 6),
            round(rect.top + top * down, 6),
            round(width * across, 6),
            round(height * down, 6),
        )
    elif keys.BOX in record and rounded(wire.box_of_object(record)) == rounded(
        wire.box_of_object(found)
    ):  # earlier versions wrote it
        found[keys.BOX] = record[keys.BOX]
    if keys.PACKED in record:
        before, now = sizes
        packed = record[keys.PACKED]
        if ROTATION in packed and abs(found.get(ROTATION, packed[ROTATION][0]) - packed[ROTATION][0]) > _TURNED:
            packed = {name: value for name, value in packed.items() if name != ROTATION}  # somebody has turned it since
        unpack(packed, found, (_factor(before[0], now[0]), _factor(before[1], now[1])))


def is_same(there: Any, value: Any) -> bool:
    """Return whether a value is that which is there; arrays are not compared."""
    return not hasattr(value, "dtype") and type(there) is type(value) and bool(there == value)


def _are_same(there: list[str], labels: list[str]) -> bool:
    return len(there) == len(labels) and all(map(stands_for, there, labels))


def _factor(before: int | None, now: int) -> float:
    return now / before if before else 1


def relate(places: Sequence[Place], records: Mapping[str, Any]) -> None:
    """Let objects be parts of others in their own metadata, as their records say."""
    by_key = {source.key(number): (source, meta, number) for _, source, meta, number in places}
    by_number = {NATIVE_NUMBERS + number: (source, meta, number) for _, source, meta, number in places}
    by_number |= {record[UNIQUE_ID]: by_key[key] for key, record in records.items() if UNIQUE_ID in record and key in by_key}
    for key, record in records.items():
        if PARENT_ID in record and key in by_key and record[PARENT_ID] in by_number:
            (source, meta, number), (of, _, parent) = by_key[key], by_number[record[PARENT_ID]]
            if source is of and isinstance(source, Relating):
                source.relate(meta, number, parent)


def renumber(objects: Sequence[Any], numbers: Mapping[int, int]) -> None:
    """Let objects name their parents by the numbers that records give to those, rather than by those of their own metadata."""
    for found in objects:
        if found.get(PARENT_ID) in numbers:
            found[PARENT_ID] = numbers[found[PARENT_ID]]
