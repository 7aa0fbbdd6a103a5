"""What a value of a configuration may be: checked with sentences for people, read, and written as JSON Schema.

Every kind has three methods: ``problems(value, path)`` yields what is wrong, ``read(value)`` returns a value without problems in
its plain form (``"true"`` as True), ``json_schema()`` returns the same as JSON Schema. ``words`` say it in a sentence.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

from empycustom.model.serialize import shown as shown_as_python
from empycustom.text import without_secrets

_LONGEST = 60  # characters of a value that a message shows
_CONTROL = r"[\u0000-\u001f\u007f-\u009f\u2028\u2029]"  # control characters, and what else ends a line


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where: ``path`` is a JSON path (``$.streams[0].location``)."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


class Kind(Protocol):
    """What all kinds have."""

    @property
    def words(self) -> str:
        """What the value may be, in words that follow "must be"."""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yield what is wrong with ``value``, which stands at ``path``."""

    def read(self, value: Any) -> Any:
        """Return a value without problems in its plain form."""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema that accepts the same values."""


def shown(value: Any) -> str:
    """A value as JSON, or as Python shows it, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # what a callback returned may be anything
        text = shown_as_python(value)
    text = without_secrets(text)  # before the end of a password is cut off
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def suggestion(name: str, known: Sequence[str]) -> str:
    """What may be meant by an unknown ``name``, and all that would have been known."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    start = f"{close[0]} may be meant; " if close else ""
    return f"{start}known here: {', '.join(known)}" if known else "nothing is known here"


def below(path: str, key: str | int) -> str:
    """The path of an entry of what is at ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if re.fullmatch(r"[\w-]+", key) else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _wrong(value: Any, path: str, kind: Kind, advice: str = "") -> Problem:
    return Problem(path, f"{shown(value)} must be {kind.words}{f'; {advice}' if advice else ''}")


@dataclass(frozen=True)
class Text:
    """Text, one of ``choices`` if there are any. ``filled``: it is not empty; ``line``: it has no control characters."""

    choices: tuple[str, ...] = ()
    filled: bool = False
    line: bool = False

    @property
    def words(self) -> str:
        return f"one of {', '.join(self.choices)}" if self.choices else "text"

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield _wrong(value, path, self, "write it in quotation marks" if isinstance(value, (int, float)) else "")
        elif self.choices and value not in self.choices:
            same = [choice for choice in self.choices if choice.lower() == value.lower()]
            close = same or get_close_matches(value, self.choices, n=1)
            yield _wrong(value, path, self, f"{close[0]} may be meant" if close else "")
        elif self.filled and not value:
            yield Problem(path, "must not be empty")
        elif self.line and re.search(_CONTROL, value):
            yield Problem(path, f"{shown(value)} must be one line, without control characters")

    def read(self, value: Any) -> str:
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        choices = {"enum": list(self.choices)} if self.choices else {}
        filled = {"minLength": 1} if self.filled else {}
        return {"type": "string", **choices, **filled} | ({"not": {"pattern": _CONTROL}} if self.line else {})


@dataclass(frozen=True)
class Number:
    """A number from ``least`` to ``most`` (None: without end), without a fraction where ``whole``."""

    least: float | None = None
    most: float | None = None
    whole: bool = True

    @property
    def words(self) -> str:
        noun = "a whole number" if self.whole else "a number"
        low = "" if self.least is None else f" from {self.least}"
        return noun + low + ("" if self.most is None else f" to {self.most}")

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not is_number(value) or (self.whole and value != int(value)):
            quoted = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
            yield _wrong(value, path, self, f"write {value} without quotation marks" if quoted else "")
        elif (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            yield _wrong(value, path, self)

    def read(self, value: Any) -> float:
        return int(value) if self.whole else value

    def json_schema(self) -> dict[str, Any]:
        limits = {"minimum": self.least, "maximum": self.most}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        return {"type": "integer" if self.whole else "number", **given}


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number of JSON: True, False, NaN and the infinities are none."""
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


@dataclass(frozen=True)
class Flag:
    """true or false, also as text."""

    words: str = "true or false"

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, bool) and value not in ("true", "false"):
            yield _wrong(value, path, self, 'write true or "true"')

    def read(self, value: Any) -> bool:
        return value is True or value == "true"

    def json_schema(self) -> dict[str, Any]:
        return {"enum": [True, False, "true", "false"]}


@dataclass(frozen=True)
class Scalar:
    """The value of a property that is known to its element alone."""

    words: str = "text, a number, true or false"

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, (str, int, float)):
            yield _wrong(value, path, self)

    def read(self, value: Any) -> Any:
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True)
class Anything:
    """Any JSON; with ``only`` an object."""

    only: type = object

    @property
    def words(self) -> str:
        return "a JSON object" if self.only is dict else "any JSON"

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, self.only):
            yield _wrong(value, path, self, 'write it as {"key": 1}, without quotation marks around it')

    def read(self, value: Any) -> Any:
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object"} if self.only is dict else {}


@dataclass(frozen=True)
class Listing:
    """A list whose entries are of one kind."""

    of: Kind

    @property
    def words(self) -> str:
        return "a list"

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield _wrong(value, path, self, "write it in [ ]")
            return
        for index, entry in enumerate(value):
            yield from self.of.problems(entry, below(path, index))

    def read(self, value: Any) -> list[Any]:
        return [self.of.read(entry) for entry in value]

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.of.json_schema()}


@dataclass(frozen=True)
class Key:
    """One key of a record: what its value may be, and what it means."""

    kind: Kind
    blurb: str
    needed: bool = False


@dataclass(frozen=True)
class Record:
    """An object with known keys. ``others`` is what unknown ones may hold; None: there may be none.

    It has at least ``least`` keys and at most ``most``. One with a ``name`` is defined once in a JSON Schema and referred to.
    """

    keys: Mapping[str, Key] = field(default_factory=dict)
    others: Kind | None = None
    least: int = 0
    most: int | None = None
    name: str = ""

    @property
    def words(self) -> str:
        return "an object" if self.most is None else 'an object with one key, as {"nvinfer": {…}}'

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict) or len(value) < self.least or (self.most is not None and len(value) > self.most):
            yield _wrong(value, path, self)
            return
        for name, item in value.items():
            yield from self._problems_of(name, item, path)
        for name, key in self.keys.items():
            if key.needed and name not in value:
                yield Problem(path, f"{name} is missing: {key.blurb}")

    def _problems_of(self, name: str, item: Any, path: str) -> Iterator[Problem]:
        kind = self.keys[name].kind if name in self.keys else self.others
        if self.others and not name:
            yield Problem(below(path, name), "a name must not be empty")
        elif kind is None:
            yield Problem(below(path, name), f"is an unknown key; {suggestion(name, list(self.keys))}")
        else:
            yield from kind.problems(item, below(path, name))

    def read(self, value: Any) -> dict[str, Any]:
        kinds = {name: self.keys[name].kind if name in self.keys else self.others for name in value}
        return {name: kind.read(value[name]) for name, kind in kinds.items() if kind}

    def json_schema(self) -> dict[str, Any]:
        return {"$ref": f"#/$defs/{self.name}"} if self.name else self.definition()

    def definition(self) -> dict[str, Any]:
        properties = {name: {"description": key.blurb, **key.kind.json_schema()} for name, key in self.keys.items()}
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        schema["additionalProperties"] = self.others.json_schema() if self.others else False
        if self.others:
            schema["propertyNames"] = {"minLength": 1}
        needed = [name for name, key in self.keys.items() if key.needed]
        limits = {"minProperties": self.least or None, "maxProperties": self.most, "required": needed or None}
        return schema | {name: limit for name, limit in limits.items() if limit is not None}


# Kinds of several shapes: the shape of a value decides which of them it is checked and read as.


def is_named(value: Any) -> bool:
    """Whether a stage names its elements, as in ``{"nvinfer": {…}}``: an object that holds objects and nothing else."""
    return isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())


@dataclass(frozen=True)
class Shapes:
    """The first of ``kinds`` (a test of the shape, and the kind) that fits."""

    kinds: tuple[tuple[Callable[[Any], bool], Kind], ...]
    words: str

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yield the problems of the kind that fits."""
        kind = self._of(value)
        if kind is None:
            yield Problem(path, f"{shown(value)} must be {self.words}")
        else:
            yield from kind.problems(value, path)

    def read(self, value: Any) -> Any:
        """Return the value in its plain form."""
        kind = self._of(value)
        return kind.read(value) if kind else value

    def json_schema(self) -> dict[str, Any]:
        """Return what accepts any of the shapes."""
        return {"anyOf": [kind.json_schema() for _, kind in self.kinds]}

    def _of(self, value: Any) -> Kind | None:
        return next((kind for fits, kind in self.kinds if fits(value)), None)


def is_list(value: Any) -> bool:
    """Whether the value is a list."""
    return isinstance(value, list)


def is_object(value: Any) -> bool:
    """Whether the value is an object."""
    return isinstance(value, dict)


def is_text(value: Any) -> bool:
    """Whether the value is text."""
    return isinstance(value, str)
