"""Rows of the data set: documents become rows of frames and of objects, with the library's own values in columns.

A value that is a number, a text or true/false has a column of its own, whose type is that of the first one; what does not fit
that type, and everything else, is JSON in the column ``emcustom``. An int fits a column of floats, and the first float makes
floats of ints, as far as they are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from empycustom.model import arrays, keys
from empycustom.model.serialize import dumps

FRAME_COLUMNS = {
    "video": "string",
    "frame_num": "int64",
    "time": "double",
    "timestamp": "string",
    "width": "int32",
    "height": "int32",
    "objects": "int32",
    "emcustom": "string",
}
OBJECT_COLUMNS = {
    "video": "string",
    "frame_num": "int64",
    "time": "double",
    "index": "int32",
    "class_id": "int32",
    "label": "string",
    "confidence": "double",
    "left": "double",
    "top": "double",
    "width": "double",
    "height": "double",
    "track": "int64",
    "unique_id": "int64",
    "parent_id": "int64",
    "rotation": "double",
    "classes": "string",
    "more": "string",
    "emcustom": "string",
}
OTHERS = "emcustom"
TABLES = {"frames": FRAME_COLUMNS, "objects": OBJECT_COLUMNS}
_TYPES: dict[type, str] = {bool: "bool", int: "int64", float: "double", str: "string"}
_LARGEST = 2**63
EXACT = 2**53  # the largest int of those that floats are exact for
_MOST = 500  # columns of a table for the library's own values: each is in each file
_ARRAYS = (arrays.KEYPOINTS, *arrays.ABOUT_KEYPOINTS, arrays.MASK, arrays.EMBEDDING)


class Columns:
    """The columns of the library's own values in one table, as far as they are known: ``types`` by their names."""

    def __init__(self, fixed: Mapping[str, str], types: Mapping[str, str] | None = None) -> None:
        self._fixed, self.types = fixed, dict(types or {})
        self._large = set[str]()  # columns of ints that have some for which no float is exact

    def place(self, row: dict[str, Any], attributes: Any) -> None:
        """Put attributes into the columns of a row; what has none goes to ``emcustom``, as JSON."""
        if attributes is None:
            return
        if not isinstance(attributes, dict):
            row[OTHERS] = dumps(attributes)
            return
        rest = {}
        for name, value in attributes.items():
            column = f"{name}_" if name.lower() in self._fixed else name
            if column in row or (value is not None and not self._takes(column, value)):
                rest[name] = value
            else:
                row[column] = value
        if rest:
            row[OTHERS] = dumps(rest)

    def _takes(self, column: str, value: Any) -> bool:
        kind = _TYPES.get(type(value))
        is_large = kind == "int64" and not -EXACT <= value <= EXACT
        if kind is None or (is_large and not -_LARGEST <= value < _LARGEST):
            return False
        if column not in self.types and not _may_be_new(column, self.types):
            return False
        known = self.types.setdefault(column, kind)
        if (known, kind) == ("int64", "double") and column not in self._large:
            self.types[column] = "double"
            return True
        if is_large and known == "int64":
            self._large.add(column)
        return known == kind or ((known, kind) == ("double", "int64") and not is_large)


def _may_be_new(column: str, types: Mapping[str, str]) -> bool:
    """Return True if there may be a column of this name. DuckDB takes no name twice, whatever its case."""
    return bool(column) and len(types) < _MOST and column.lower() not in map(str.lower, types)


def fitted(known: dict[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Decide on the types of columns that come to those that are ``known``, which is changed.

    Return the types that the new ones get. What is missing there cannot have the type that is known.
    """
    kept = {}
    for name, kind in own.items():
        if name not in known and not _may_be_new(name, known):
            continue
        decided = known.setdefault(name, kind)
        if (decided, kind) == ("int64", "double"):
            known[name] = decided = kind
        if decided == kind or (decided, kind) == ("double", "int64"):
            kept[name] = decided
    return kept


def rows_of(document: Mapping[str, Any], video: str, frames: Columns, objects: Columns) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield the rows of a document, each with the name of its table."""
    for frame in document[keys.FRAMES]:
        time = frame[keys.STREAM_TIME] / 1e9 if frame[keys.STREAM_TIME] >= 0 else None
        head = {"video": video, "frame_num": frame[keys.FRAME_NUM], "time": time}
        found = frame[keys.OBJECTS]
        row: dict[str, Any] = {
            **head,
            "timestamp": frame[keys.TIMESTAMP],
            "width": frame[keys.WIDTH],
            "height": frame[keys.HEIGHT],
            "objects": len(found),
        }
        frames.place(row, frame.get(keys.ATTRIBUTES))
        yield "frames", row
        for index, each in enumerate(found):
            yield "objects", _object_row(each, {**head, "index": index}, objects)


def _object_row(found: Mapping[str, Any], head: dict[str, Any], columns: Columns) -> dict[str, Any]:
    track = found[keys.TRACK_ID]
    labels = [label[keys.LABEL_NAME] for each in found[keys.CLASSIFIERS] for label in each[keys.LABELS]]
    more = {name: found[name] for name in _ARRAYS if name in found}
    row = {
        **head,
        "class_id": found[keys.CLASS_ID],
        "label": found[keys.LABEL],
        "confidence": found[keys.CONFIDENCE],
        **found[keys.BOX],
        "track": track if 0 <= track < _LARGEST else None,
        "unique_id": found.get(arrays.UNIQUE_ID),
        "parent_id": found.get(arrays.PARENT_ID),
        "rotation": found.get(arrays.ROTATION),
        "classes": dumps(labels) if labels else None,
        "more": dumps(more) if more else None,
    }
    columns.place(row, found.get(keys.ATTRIBUTES))
    return row
