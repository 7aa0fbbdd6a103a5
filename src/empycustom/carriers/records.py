"""Records of objects in our own JSON on buffers of plain GStreamer: what the metadata of the objects themselves cannot hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from empycustom.carriers.matching import rounded
from empycustom.carriers.protocol import ELSEWHERE, NATIVE_NUMBERS, Box, Handle, ObjectSource, Place, Relating, stands_for
from empycustom.model import keys, wire
from empycustom.model import values as model
from empycustom.model.arrays import ABOUT_KEYPOINTS, EMBEDDING, IN_BOX, PARENT_ID, ROTATION, UNIQUE_ID
from empycustom.model.carried import REGION, pack, unpack
from empycustom.model.turns import UNTURNED, Turn, Unclear, turn_between, turned_box

# What an object of in_meta says where nothing is known; it need not be repeated.
_DEFAULTS = wire.object_dict(model.Detection("", model.Box(0, 0, 0, 0)))
LOST: Final = "lost"  # see turn_of
_UNCLEAR = (
    "rotation, key points and masks of objects were dropped: the picture was mirrored or turned, and their boxes do not say how; "
    "turn it before the elements that find objects"
)
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


def record_of(found: Any, key: str, box: Box, source: ObjectSource) -> dict[str, Any]:
    """Return the entry for a new object, which has a ``box`` in its own metadata."""
    own = source.kept | _OWN_KEYS
    record = {name: value for name, value in found.items() if name not in own and value != _DEFAULTS.get(name)}
    record |= {keys.RECORD_KEY: key, keys.LABEL: found[keys.LABEL]}
    if found[keys.CLASSIFIERS]:
        record[keys.CLASSIFIERS] = found[keys.CLASSIFIERS]
    if len(found) > len(_DEFAULTS) and (packed := pack(found, box)):
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


def complete(found: Any, record: dict[str, Any], source: ObjectSource, lost: Any, sizes: Any, turn: Any = None) -> None:
    """Fill in what our record knows of an object, and its own metadata has lost or cannot hold.

    ``sizes`` are those of the frame, then and now; ``turn`` is what :func:`turn_of` said.
    """
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
        if turn is LOST:
            for name in (ROTATION, *ABOUT_KEYPOINTS):
                found.pop(name, None)
            packed = {name: packed[name] for name in (EMBEDDING,) if name in packed}
        elif turn is not None and REGION in packed and (any(turn) or before != now):
            found[keys.BOX] = _exactly(record, turn, sizes)
        if ROTATION in packed and abs(found.get(ROTATION, packed[ROTATION][0]) - packed[ROTATION][0]) > _TURNED:
            packed = {name: value for name, value in packed.items() if name != ROTATION}  # somebody has turned it since
        unpack(packed, found, (_factor(before[0], now[0]), _factor(before[1], now[1])), turn or UNTURNED)


def turn_of(pairs: Sequence[tuple[Any, Any]], sizes: Any, warnings: list[str]) -> Any:
    """Return how a frame was mirrored and turned since records were written, which are given with their objects as these are now.

    None: boxes do not say that, as after a crop; LOST: it was, and it is not clear how.
    """
    regions = ((found, record[keys.PACKED].get(REGION)) for found, record in pairs)
    boxes = [(region, wire.box_of_object(found)) for found, region in regions if region]
    if not boxes or None in sizes[0]:
        return None
    try:
        return turn_between(boxes, sizes)
    except Unclear:
        warnings.append(_UNCLEAR)
        return LOST


def is_moved(pairs: Sequence[tuple[Any, Any]], sizes: Any) -> bool:
    """Return whether boxes are no longer those of the records."""
    regions = ((record[keys.PACKED].get(REGION), list(wire.box_of_object(found))) for found, record in pairs)
    return bool(sizes[0] != sizes[1]) or any(region not in (None, box) for region, box in regions)


def _exactly(record: Mapping[str, Any], turn: Turn, sizes: Any) -> model.RectParams:
    """Return the box of an object as the picture was moved, rather than by whole pixels."""
    box = x, y, width, height = record[keys.PACKED][REGION]
    if keys.BOX_IN_REGION in record:
        left, top, across, down = record[keys.BOX_IN_REGION]
        width, height = width or 1, height or 1
        box = x + left * width, y + top * height, across * width, down * height
    return wire.box_dict(*(round(side, 6) for side in turned_box(box, turn, sizes)))


def is_same(there: Any, value: Any) -> bool:
    """Return whether a value is that which is there; arrays are not compared."""
    return not hasattr(value, "dtype") and type(there) is type(value) and bool(there == value)


def _are_same(there: list[str], labels: list[str]) -> bool:
    return len(there) == len(labels) and all(map(stands_for, there, labels))


def _factor(before: int | None, now: int) -> float:
    return now / before if before else 1


def numbers_of(there: Iterable[tuple[ObjectSource, int]]) -> list[int]:
    """Return the numbers of objects that elements may number anew, in their order."""
    return [number for source, number in there if getattr(source, "is_renumbered", False)]


def by_numbers_now(records: dict[str, Any], there: Iterable[tuple[ObjectSource, int]], then: Sequence[int]) -> dict[str, Any]:
    """Return records by the keys that their objects have now; ``then`` are the numbers that they had."""
    now = [(source, number) for source, number in there if getattr(source, "is_renumbered", False)]
    if len(now) != len(then) or [number for _, number in now] == list(then):
        return records
    keys_now = {source.key(before): source.key(number) for (source, number), before in zip(now, then, strict=True)}
    moved = {keys_now.get(key, key): record for key, record in records.items()}
    return {key: {**record, keys.RECORD_KEY: key} for key, record in moved.items()}


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
