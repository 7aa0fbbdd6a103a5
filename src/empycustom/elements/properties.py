"""Properties as a table: what gst-inspect shows, the default, and when a value may change; and reading those that are JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empycustom.errors import PathError, PropertyError
from empycustom.gstreamer import GObject, Gst
from empycustom.library.explain import kind_of
from empycustom.model.schema import Integer
from empycustom.native.objects import install_int_property, register_enum
from empycustom.text import absolute, as_path, read_json_text, unquoted

_FIRST_ID = 100  # ids of the int properties; PyGObject numbers its own from 1
_INTS = (int, GObject.TYPE_UINT)  # PyGObject could declare the second one, but then bad values would not reach the element


@dataclass(frozen=True, kw_only=True)
class Property:
    """One property of an element.

    ``kind`` is str, bool, int or GObject's type of the value; ``limits`` are the lowest and highest of an int; ``choices`` make
    an enum of pairs of nick and description, whose value in Python is the nick; ``live``: may change in any state, not only in
    NULL and READY. ``joined`` makes one value of an earlier one and of another that is set, in the place of the earlier one.
    """

    name: str
    kind: Any
    blurb: str
    default: Any = None
    limits: tuple[int, int] | None = None
    choices: tuple[tuple[str, str], ...] = ()
    live: bool = False
    writable: bool = True
    joined: Callable[[Any, Any], Any] | None = None

    @property
    def flags(self) -> int:
        """The flags of GObject, with GStreamer's of when the property may change."""
        if not self.writable:
            return int(GObject.ParamFlags.READABLE)
        mutable = Gst.PARAM_MUTABLE_PLAYING if self.live else Gst.PARAM_MUTABLE_READY
        return int(GObject.ParamFlags.READWRITE) | int(mutable)

    def checked(self, value: Any) -> Any:
        """Return a value that was set, as Python sees it. Raises PropertyError if it is out of range."""
        if self.choices:
            return self.choices[int(value)][0]
        if self.kind is str and value:
            return unquoted(value)
        if self.limits and (limits := Integer(*self.limits)).problem(value):
            raise PropertyError(f"{self.name}={value} is out of range; give {limits.expected}", name=self.name)
        return value

    def text_of(self, argument: str, value: Any) -> str:
        """Return the value of an argument of a program as text, as GStreamer reads it. Raises PropertyError."""
        if self.choices:
            nicks = [nick for nick, _ in self.choices]
            fits, expected = isinstance(value, str) and value in nicks, f"one of {', '.join(nicks)}"
        elif self.kind is bool:
            fits, expected = isinstance(value, bool), "True or False"
        else:
            assert self.limits, "ints have limits"
            whole = Integer(*self.limits)
            fits, expected = not whole.problem(value), whole.expected
        if not fits:
            raise PropertyError(f"{argument} is {expected}, not {value!r}", name=self.name)
        return str(int(value) if self.limits else value).lower()

    def exported(self, value: Any) -> Any:
        """Return a value of Python's as GObject takes it."""
        return [nick for nick, _ in self.choices].index(value) if self.choices else value


def options_text(options: Any) -> str | None:
    """Return options of a program as the JSON of the property; None for None. Raises PropertyError."""
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise PropertyError(f"options have to be a dict, not a {kind_of(options)}", name="options")
    try:
        return json.dumps(options)
    except (TypeError, ValueError) as error:
        raise PropertyError(f"options hold what JSON does not: {error}", name="options") from None


def gproperties(table: Sequence[Property], gtype_name: str) -> dict[str, tuple[Any, ...]]:
    """Return ``__gproperties__`` for the properties that PyGObject can declare; :func:`install` adds the others."""
    return {item.name: _declaration(item, gtype_name) for item in table if item.kind not in _INTS}


def _declaration(item: Property, gtype_name: str) -> tuple[Any, ...]:
    if item.choices:
        enum_name = gtype_name + "".join(part.capitalize() for part in item.name.split("-"))
        register_enum(enum_name, item.choices)
        return (GObject.GType.from_name(enum_name), item.name, item.blurb, item.exported(item.default), item.flags)
    if item.kind is Gst.Structure:
        return (item.kind, item.name, item.blurb, item.flags)
    return (item.kind, item.name, item.blurb, item.default, item.flags)


def structure_of(name: str, counts: Mapping[str, int]) -> Any:
    """Return counts as a property such as ``stats`` has them: a GstStructure, all fields uint64."""
    structure = Gst.Structure.new_empty(name)
    for field, count in counts.items():
        structure.set_value(field, GObject.Value(GObject.TYPE_UINT64, count))
    return structure


def install(table: Sequence[Property], element_class: Any) -> None:
    """Install what PyGObject cannot declare: ints whose range is shown and whose bad values reach the element."""
    for number, item in enumerate(table):
        if item.kind in _INTS:
            assert item.limits, "ints have limits"
            named = (element_class.__gtype_name__, _FIRST_ID + number, item.name, item.blurb)
            install_int_property(*named, (*item.limits, item.default), item.flags, signed=item.kind is int)


# What cannot change while an element runs.


def refuse_started(element: Any, name: str) -> None:
    """Raise PropertyError if the element runs."""
    if element.started:
        raise PropertyError(f"{name} cannot change while the element runs; set it in state NULL or READY", name=name)


class SetBeforeStart:
    """An attribute of an element for programs, None at first. Setting it raises PropertyError while the element runs."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, element: Any, _owner: type | None = None) -> Any:
        return element.__dict__.get(self._name) if element is not None else None

    def __set__(self, element: Any, value: Any) -> None:
        refuse_started(element, self._name)
        element.__dict__[self._name] = value


# Properties whose value is JSON: ``options`` and ``events``.


_SHOWN = 200  # characters of a line that a message shows
CUT_OFF = "gst-launch-1.0 cuts values off at some blanks; "  # a reason that other programs do not have


def read_object(name: str, text: str | None) -> dict[str, Any]:
    """Return the JSON object in ``text``, or in the file that ``@file.json`` names; ``{}`` for None and for blank text.

    Raises PropertyError, which names the property, where and what is wrong.
    """
    value = read_json(name, text)
    if not isinstance(value, dict):
        raise PropertyError(
            f"{name} is not a JSON object but {type(value).__name__}: {text}; write {name}='{{\"key\": 1}}' or {name}=@file.json",
            name=name,
        )
    return value


def read_json(name: str, text: str | None) -> Any:
    """Return any JSON value in the same way; ``{}`` for None and for blank text."""
    if text is None or not text.strip():
        return {}
    source, content = name, text.removeprefix("\ufeff")
    if text.startswith("@"):
        source, content = f"{name}={text}", _read_file(name, text)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PropertyError(_problem(name, source, content, error), name=name) from error


def _read_file(name: str, text: str) -> str:
    try:
        path = absolute(as_path(text[1:]))
    except PathError as error:
        raise PropertyError(f"{name}=@{error}", name=name) from error
    try:
        return read_json_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PropertyError(
            f"{name}={text}: {path} cannot be read ({reason}); give the path of a JSON file", name=name
        ) from error


def _problem(name: str, source: str, content: str, error: Exception) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return f"{source} is not JSON ({error})"
    where = f"line {error.lineno}, column {error.colno}"
    hint = ""
    if source == name and content.strip().endswith(".json"):
        hint = f" (a file is @{content.strip()})"
    elif '"' not in content and re.search(r"[^\W\d]", content):
        hint = " (JSON wants double quotes; in a shell write it in single ones)"
    elif source == name and (error.pos >= len(content) or error.msg.startswith("Unterminated")):
        hint = f" (the text ends too early: {CUT_OFF}write {name}=@file.json)"
    line = content.split("\n")[error.lineno - 1].strip()  # JSON counts no other ends of lines
    return f"{source} is not JSON: {error.msg} at {where}: {line[:_SHOWN]}{'…' * (len(line) > _SHOWN)}{hint}"
