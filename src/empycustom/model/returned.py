"""What a library returned: entries for objects as plain values, beside arrays that are as they came; and what is not a result."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from empycustom.errors import OutputError
from empycustom.model.arrays import ARRAYS, COVERS_NOTHING, EMBEDDING, KEYPOINTS, MASK, UNIQUE_ID, covers_nothing
from empycustom.model.carried import as_json
from empycustom.model.keys import CHANGED_OBJECTS, NEW_OBJECTS, REMOVED_OBJECTS
from empycustom.model.schema import Integer
from empycustom.model.serialize import decode, encode, has_numbers
from empycustom.text import below


def plain_object(value: Any, path: str) -> Any:
    """Return an entry as plain values; arrays of the object, in all forms that are accepted, stay as they are."""
    if type(value) is not dict or not (KEYPOINTS in value or MASK in value or EMBEDDING in value):  # the quickest way to ask
        return decode(encode(value, path, depth=4))
    arrays = {key: value[key] for key in value if key in ARRAYS}
    for key, array in arrays.items():
        has_numbers(array, below(path, key))  # a view of a frame that is gone says so
    others = {key: item for key, item in value.items() if key not in arrays}
    return {**decode(encode(others, path, depth=4)), **arrays}


def with_own_arrays(returned: list[Any], read: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return entries for objects whose arrays are those that were read of them: the library may go on to change its own."""
    if all(map(ARRAYS.isdisjoint, read)):
        return returned
    return [
        {**entry, **{key: its[key] for key in ARRAYS & its.keys()}} if type(entry) is dict else entry
        for entry, its in zip(returned, read, strict=True)
    ]


def without_arrays(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was returned about a frame, with JSON in the place of arrays of objects."""
    return {key: [*map(_as_json, item)] if item and key in _OBJECTS else item for key, item in frame.items()}


_OBJECTS = (NEW_OBJECTS, CHANGED_OBJECTS)


def _as_json(entry: Any) -> Any:
    return as_json(entry) if type(entry) is dict else entry


def read_removed(entries: list[Any], path: str, count: int, changed: Collection[int]) -> list[int]:
    """Return the indices of objects that are removed, of ``count`` that there are. Raises OutputError."""
    removed: list[int] = []
    index = Integer(0, count - 1)
    for place, entry in enumerate(entries):
        at = f"{path}.{REMOVED_OBJECTS}[{place}]"
        if index.problem(entry):
            there = f"the frame has {objects_of(count)}, whose indices count from 0"
            raise OutputError(
                f"{json.dumps(entry, ensure_ascii=False)} is not an index of an object of in_meta: {there}", path=at
            )
        number = index.read(entry)
        if number in removed:
            raise OutputError(f"{number} is there twice; name each object once", path=at)
        if number in changed:
            what = f"object {number} is changed as well, in {path}.{CHANGED_OBJECTS}[{number}]; change it or remove it"
            raise OutputError(what, path=at)
        removed.append(number)
    return removed


def check_numbers(found: Sequence[Mapping[str, Any]], path: str) -> None:
    """Raise OutputError where two new objects have the same number, by which others name them."""
    seen: dict[int, int] = {}
    for index, its in enumerate(found):
        number = its.get(UNIQUE_ID)
        if number is not None and seen.setdefault(number, index) != index:
            what = f"{number} is that of {NEW_OBJECTS}[{seen[number]}] already; each object of a frame has a number of its own"
            raise OutputError(what, path=f"{path}[{index}].{UNIQUE_ID}")


def empty_masks(returned: Sequence[Any], read: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return a sentence where a mask covers nothing, because its polygon lies outside of the box of its new object."""
    for entry, its in zip(returned, read, strict=True):
        if MASK in its and covers_nothing(entry[MASK], its[MASK]):
            return (COVERS_NOTHING,)
    return ()


def objects_of(count: int) -> str:
    """Return a number of objects as messages have it."""
    return "1 object" if count == 1 else f"{count or 'no'} objects"


# What dialects return in the place of a result, where a library of another project decides what becomes of the frame.


class Dropped:
    """The frame is to be dropped. ``why`` is reported once, ``""``: not. ``returned`` is what the library itself returned."""

    def __init__(self, why: str = "", returned: Any = None) -> None:
        self.why, self.returned = why, returned


class Refused:
    """The library returned what it may not; ``error`` is raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error
