"""The options of an application, which ``streams`` or ``--set`` set, and the events of its signal callback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empycustom.config.file import TOO_DEEP, invalid_texts, is_deep
from empycustom.errors import EventError, OutputError
from empycustom.model.schema import ANYTHING, JSON_OBJECT, Array, Number, Problem, Schema, Text
from empycustom.model.serialize import plain
from empycustom.text import below, shown, suggestion

_TYPES: dict[str, Schema] = {"string": Text(), "number": Number(), "list": Array(ANYTHING), "object": JSON_OBJECT}


@dataclass(frozen=True)
class Option:
    """An option of the application; ``element`` is None if the callback gets it. ``path`` is where it is declared."""

    key: str
    element: str | None
    path: str
    declared: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name in ``--set`` and in messages: ``new_var``, or ``aimeta.signal-interval``."""
        return f"{self.element}.{self.key}" if self.element else self.key

    def problem(self, value: Any) -> str:
        """Return what is wrong with ``value`` by the declaration, or ``""``."""
        wrong = next((schema for schema in self._schemas() if schema.problem(value)), None)
        return f"{shown(value)} for the option {self.name} must be {wrong.expected} (declared at {self.path})" if wrong else ""

    def _schemas(self) -> Iterator[Schema]:
        declared = self.declared
        if "value_type" in declared:
            yield _TYPES[declared["value_type"]]
        if "value_list" in declared:
            yield Text(tuple(declared["value_list"]))
        if declared.get("value_type") == "number":
            yield Number(declared.get("min-value"), declared.get("max-value"))


@dataclass(frozen=True)
class Setting:
    """A value for an option. ``path`` is where it is set: a JSON path, or ``--set``."""

    option: Option
    value: Any
    path: str


def read_options(content: Mapping[str, Any], problems: list[Problem]) -> list[Option]:
    """Return the options of an application. ``problems`` gets the declarations that contradict themselves or each other."""
    found: dict[str, Option] = {}
    for index, declared in enumerate(content.get("options", [])):
        option = _option(declared, below("$.options", index), problems)
        if option.name in found:
            first = found[option.name].path
            problems.append(Problem(option.path, f"the option {option.name} is declared twice, here and at {first}"))
        found.setdefault(option.name, option)
    return list(found.values())


def _option(declared: Mapping[str, Any], path: str, problems: list[Problem]) -> Option:
    key, kind = declared["key"], declared["option_type"]
    if isinstance(key, str) != (kind == "callback"):
        advice = 'a key as {"element": "aimeta", "property": "signal-interval"}' if kind == "gstreamer" else "a name as its key"
        problems.append(Problem(f"{path}.key", f"an option of type {kind} needs {advice}"))
    limits = {"min-value", "max-value"} & set(declared)
    if limits and declared.get("value_type") != "number":
        problems.append(Problem(path, f'{min(limits)} needs "value_type": "number"'))
    return Option(key, None, path, declared) if isinstance(key, str) else Option(key["property"], key["element"], path, declared)


Values = Mapping[str, tuple[Any, str]]  # by the names of options: the value, and where it is set


def typed_settings(
    options: Sequence[Option], streams: Sequence[str], typed: Sequence[str], problems: list[Problem]
) -> dict[str, Values]:
    """Return the values that the texts of ``--set``, ``KEY=VALUE`` or ``STREAM:KEY=VALUE``, set in each of ``streams``.

    ``problems`` gets texts that set nothing, and keys that are given twice with different values. Of a text for all streams and
    one for a stream, the later wins.
    """
    values: dict[str, dict[str, tuple[Any, str]]] = {stream: {} for stream in streams}
    given: dict[str, str] = {}
    for text in typed:
        head, sign, typed_value = split_setting(text, options, streams)
        path = f"--set {head}"
        if given.setdefault(head, typed_value) != typed_value:
            problems.append(Problem(path, "is there twice, with different values; give it once"))
        targets, name = _addressed(options, streams, head)
        if not sign:
            problems.append(Problem(path, "write it as KEY=VALUE, or as STREAM:KEY=VALUE"))
        elif not targets:
            problems.append(Problem(path, f"there is no stream {name}; {suggestion(name, streams)}"))
        elif option := _known(options, name, path, problems):
            value, wrong = _value(option, typed_value, path)
            problems += wrong
            for stream in targets:
                values[stream][name] = (value, path)
    return dict(values)


def split_setting(text: str, options: Sequence[Option], streams: Sequence[str]) -> tuple[str, str, str]:
    """Return what is before the ``=`` of a text of ``--set``, the ``=``, and the value; names of streams may have one, too."""
    for head in (f"{stream}:{option.name}" for stream in streams if "=" in stream for option in options):
        if text.startswith(f"{head}="):
            return head, "=", text[len(head) + 1 :]
    return text.partition("=")


def _addressed(options: Sequence[Option], streams: Sequence[str], head: str) -> tuple[Sequence[str], str]:
    """Return the streams and the name of the option before the ``=``; no streams, and the name of one that is not there."""
    if any(option.name == head for option in options) or ":" not in head:
        return streams, head
    for stream in streams:
        if head.startswith(f"{stream}:"):
            return [stream], head.removeprefix(f"{stream}:")
    return [], head.partition(":")[0]


def _value(option: Option, text: str, path: str) -> tuple[Any, list[Problem]]:
    """Return a typed value, as JSON or else as text, and what is wrong with it."""
    read: Any = text
    if option.declared.get("value_type") != "string":
        try:
            read = json.loads(text)
        except ValueError:
            pass
        except RecursionError:
            return None, [Problem(path, TOO_DEEP)]
    return (None, [Problem(path, TOO_DEEP)]) if is_deep(read) else (read, list(invalid_texts(read, path)))


def settings_of(
    options: Sequence[Option], stream: Mapping[str, Any], path: str, typed: Values, problems: list[Problem]
) -> list[Setting]:
    """Return the values of the options in a stream, in the order of the declarations; an option without one is left out.

    ``typed`` wins over the stream's ``options``, which win over the declared ``value``. ``problems`` gets invalid values.
    """
    values = {option.name: (option.declared["value"], f"{option.path}.value") for option in options if "value" in option.declared}
    for index, entry in enumerate(stream.get("options", [])):
        at = f"{path}.options[{index}]"
        key = entry["key"]
        name = key if isinstance(key, str) else f"{key['element']}.{key['property']}"
        if option := _known(options, name, f"{at}.key", problems):
            values[option.name] = (entry["value"], f"{at}.value")
    values |= typed
    found = [Setting(option, *values[option.name]) for option in options if option.name in values]
    wrong = {setting.path: text for setting in found if (text := setting.option.problem(setting.value))}
    problems += (Problem(place, text) for place, text in wrong.items())
    return [setting for setting in found if setting.path not in wrong]


def _known(options: Sequence[Option], name: str, path: str, problems: list[Problem]) -> Option | None:
    found = {option.name: option for option in options}
    if name not in found:
        problems.append(Problem(path, f"{name} is not an option of this application; {suggestion(name, list(found))}"))
    return found.get(name)


# Events of a signal callback.


@dataclass(frozen=True)
class EventItem:
    """A key that every event has, with the schema of its value. ``path`` is where it is declared."""

    key: str
    schema: Schema
    path: str


@dataclass(frozen=True)
class CallbackResult:
    """The result of one call of a callback. ``unknown`` are keys of events that are not declared."""

    events: list[dict[str, Any]]
    debug: str = ""
    unknown: frozenset[str] = frozenset()


def read_items(content: Mapping[str, Any]) -> list[EventItem]:
    """Return the items that ``event_item_keys`` declares."""
    return [_item(entry, below("$.event_item_keys", at)) for at, entry in enumerate(content.get("event_item_keys", []))]


def _item(entry: Mapping[str, Any], path: str) -> EventItem:
    if entry["type"] == "number":
        return EventItem(entry["key"], Number(entry.get("min_value"), entry.get("max_value")), path)
    return EventItem(entry["key"], Text(tuple(entry["options"]) if "options" in entry else None), path)


def read_events(returned: Any, items: Sequence[EventItem]) -> CallbackResult:
    """Read what a callback returned. Raises EventError, which names the event and what is wrong with it.

    Every event must have all ``items``; its other keys go into ``unknown``, if anything was declared at all. An event with an
    exception class as its key (``{ValueError: "too low"}``) is the callback's way to report that it cannot go on.
    """
    events, debug = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, "")
    if not isinstance(events, (list, tuple)) or not isinstance(debug or "", str):
        what = "None" if returned is None else shown(returned)
        raise EventError(f"returned {what}; return a list of events, and a debug string: return [], ''")
    read = [_event(event, index, items) for index, event in enumerate(events)]
    known = {item.key for item in items}
    return CallbackResult(
        read, str.__str__(debug) if debug else "", frozenset(key for event in read for key in event if known and key not in known)
    )


def _event(event: Any, index: int, items: Sequence[EventItem]) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise EventError(f"event {index} is {'None' if event is None else shown(event)}, and must be a dict", index=index)
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
    if item.schema.problem(event[item.key]):
        what = f"{shown(event[item.key])}, and must be {item.schema.expected}"
        raise EventError(f"event {index}: {item.key} is {what} ({item.path})", index=index, key=item.key)
