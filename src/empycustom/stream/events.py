"""What a signal callback returns: a list of events, or that and a debug string; and whether events are as they were declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empycustom.errors import EventError, OutputError
from empycustom.meta.values import plain
from empycustom.stream.kinds import below, is_number, shown, suggestion


@dataclass(frozen=True)
class EventItem:
    """What every event has to hold under ``key``. ``path`` is where that is declared."""

    key: str
    kind: str
    path: str
    choices: tuple[str, ...] | None = None
    least: float | None = None
    most: float | None = None

    def complaint(self, value: Any) -> str:
        """What is wrong with ``value``, or ``""``."""
        if self.kind == "number":
            if not is_number(value):
                return "must be a number"
            if self.least is not None and value < self.least:
                return f"is less than min_value, {self.least}"
            if self.most is not None and value > self.most:
                return f"is more than max_value, {self.most}"
            return ""
        if not isinstance(value, str):
            return "must be text"
        return f"must be one of {', '.join(self.choices)}" if self.choices is not None and value not in self.choices else ""


@dataclass(frozen=True)
class Said:
    """What one call of a callback said. ``unknown`` are keys of events that are not declared."""

    events: list[dict[str, Any]]
    debug: str = ""
    unknown: frozenset[str] = frozenset()


def read_items(document: Mapping[str, Any]) -> list[EventItem]:
    """Return what ``event_item_keys`` declares."""
    return [_item(entry, below("$.event_item_keys", at)) for at, entry in enumerate(document.get("event_item_keys", []))]


def _item(entry: Mapping[str, Any], path: str) -> EventItem:
    choices = tuple(entry["options"]) if "options" in entry else None
    return EventItem(entry["key"], entry["type"], path, choices, entry.get("min_value"), entry.get("max_value"))


def read_events(returned: Any, items: Sequence[EventItem]) -> Said:
    """Read what a callback returned. Raises EventError, which says what is wrong with which event.

    Every event must hold all ``items``; what else it holds is told in ``unknown``, if anything was declared at all. One with an
    exception class as its key (``{ValueError: "too low"}``) is the callback's way to report that it cannot go on.
    """
    events, debug = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, "")
    if not isinstance(events, (list, tuple)) or not isinstance(debug or "", str):
        raise EventError(f"returned {shown(returned)}; return a list of events, and a debug string: return [], ''")
    read = [_event(event, index, items) for index, event in enumerate(events)]
    known = {item.key for item in items}
    return Said(
        read, str.__str__(debug) if debug else "", frozenset(key for event in read for key in event if known and key not in known)
    )


def _event(event: Any, index: int, items: Sequence[EventItem]) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise EventError(f"event {index} is {shown(event)}, and must be a dict", index=index)
    for key, text in event.items():
        if isinstance(key, type) and issubclass(key, BaseException):
            raise EventError(f"reports {key.__name__}: {text}", index=index, key=key.__name__)
    try:
        values: dict[str, Any] = plain(event, f"event {index}")
    except OutputError as error:
        raise EventError(str(error), index=index) from error
    for item in items:
        _check(values, index, item)
    return values


def _check(event: Mapping[str, Any], index: int, item: EventItem) -> None:
    if item.key not in event:
        raise EventError(
            f"event {index} has no {item.key}, which {item.path} asks for; {suggestion(item.key, list(event))}",
            index=index,
            key=item.key,
        )
    complaint = item.complaint(event[item.key])
    if complaint:
        raise EventError(
            f"event {index}: {item.key} is {shown(event[item.key])}, and {complaint} ({item.path})", index=index, key=item.key
        )
