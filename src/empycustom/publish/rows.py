"""Messages as rows of a table: typed columns for what is asked for most, and the whole message as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from empycustom.errors import PublishError
from empycustom.model import keys
from empycustom.model.serialize import assemble
from empycustom.model.values import UNTRACKED
from empycustom.publish.messages import Message
from empycustom.publish.schema import OBJECT


class Column(NamedTuple):
    """A column: its name, its type in PostgreSQL and in SQLite, and its value of a frame and an object, None: not there."""

    name: str
    kind: str
    lite: str
    value: Callable[[Mapping[str, Any], Mapping[str, Any]], Any]


def _of_frame(key: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
    return lambda frame, _found: frame.get(key)


def _of_object(key: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
    return lambda _frame, found: found.get(key)


def _of_box(key: str) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
    return lambda _frame, found: found.get(keys.BOX, {}).get(key)


def _time(frame: Mapping[str, Any], _found: Mapping[str, Any]) -> datetime | None:
    text = frame.get(keys.TIMESTAMP)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") if text else None


def _track(_frame: Mapping[str, Any], found: Mapping[str, Any]) -> int | None:
    track: int | None = found.get(keys.TRACK_ID)
    return None if track in (None, UNTRACKED) else track


_EDGES = ("left", "top", "width", "height")
_FRAME = (
    Column("time", "timestamptz", "TEXT", _time),
    Column("source", "text", "TEXT", _of_frame(keys.SOURCE)),
    Column("source_id", "integer", "INTEGER", _of_frame(keys.SOURCE_ID)),
    Column("frame_num", "bigint", "INTEGER", _of_frame(keys.FRAME_NUM)),
    Column("stream_time", "bigint", "INTEGER", _of_frame(keys.STREAM_TIME)),
)
_OBJECT = (
    Column("label", "text", "TEXT", _of_object(keys.LABEL)),
    Column("class_id", "integer", "INTEGER", _of_object(keys.CLASS_ID)),
    Column("track", "numeric", "", _track),
    Column("confidence", "double precision", "REAL", _of_object(keys.CONFIDENCE)),
    *(Column(name, "double precision", "REAL", _of_box(name)) for name in _EDGES),
)
_COUNT = Column("objects", "integer", "INTEGER", lambda frame, _found: len(frame.get(keys.OBJECTS, ())))


def columns_of(select: str) -> tuple[Column, ...]:
    """Return the columns for what messages are about, those of the id and of the message itself left out.

    Raises PublishError where there are none.
    """
    if select == "gva":
        raise PublishError("select=gva: messages of DL Streamer have no columns for a table; choose another select, or file://")
    return (*_FRAME, *_OBJECT) if select == "objects" else (*_FRAME, _COUNT)


_FACTS: dict[str, Any] = dict.fromkeys((keys.FRAME_NUM, keys.STREAM_TIME, keys.SOURCE_ID), 0)
_FACTS |= {keys.SOURCE: "sample", keys.TIMESTAMP: "2026-01-01T00:00:00.000+0000", keys.OBJECTS: []}
_THING = {keys.LABEL: "sample", keys.CLASS_ID: 0, keys.TRACK_ID: 0, keys.CONFIDENCE: 0.5, keys.BOX: dict.fromkeys(_EDGES, 0.5)}
# With a value for each column, to try whether a table takes it.
SAMPLE = Message("sample", 0, "", "", assemble({**_FACTS, keys.FRAMES: [_FACTS], "object": _THING}))


def row_of(message: Message, columns: Sequence[Column]) -> tuple[Any, ...]:
    """Return the row of a message: its id, the columns, and the message as JSON."""
    value = message.value()
    about = value.get("data", value)  # in the envelope of CloudEvents
    found = about.get(OBJECT)
    frame, found = (about, found) if isinstance(found, dict) else (next(iter(about.get(keys.FRAMES, ())), {}), {})
    return message.id, *(column.value(frame, found) for column in columns), message.body.decode()
