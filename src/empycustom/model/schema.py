"""Declarations of JSON values, from which checks, their messages, defaults, a quick reader and JSON Schema are made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from empycustom.text import below, meant, shown, suggestion

_CONTROL = r"[\u0000-\u001f\u007f-\u009f\u2028\u2029]"  # control characters, and what else ends a line
ABSENT: Final[Any] = object()  # stands for the value of a key that is not there
Reader = Callable[[Any], Any]


class Unusual(Exception):  # noqa: N818 - it is not an error
    """Leaves a value that is wrong or not usual to :meth:`Schema.problems` and :meth:`Schema.read`."""


@dataclass(frozen=True)
class Problem:
    """A problem and its place: ``path`` is a JSON path (``$.streams[0].location``). ``unknown``: a key that may not be there."""

    path: str
    text: str
    unknown: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class Schema:
    """Declares what a value may be. For one without other values in it, ``problem`` is all that its checks need."""

    expected_text: str

    @property
    def expected(self) -> str:
        """The text that follows "must be" in messages."""
        return self.expected_text

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value as such, without what is in it; ``""`` for nothing."""
        return ""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yield everything that is wrong with a value, which stands at ``path``."""
        if text := self.problem(value):
            yield Problem(path, text)

    def read(self, value: Any) -> Any:
        """Return a value without problems in its plain form (``"true"`` as True), with the defaults of what it leaves out."""
        return value

    def reader(self) -> Reader:
        """Return a function that reads usual values quickly. It raises Unusual for those that are wrong, or not usual."""

        def read(value: Any) -> Any:
            if any(self.problems(value, "")):
                raise Unusual
            return self.read(value)

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON Schema that accepts the same values; ``definitions`` grows by those of objects with a name."""
        raise NotImplementedError

    def wrong(self, value: Any, advice: str = "") -> str:
        """Return the sentence about a value that is something else."""
        return f"{shown(value)} must be {self.expected}{f'; {advice}' if advice else ''}"


def is_number(value: Any) -> bool:
    """Report whether ``value`` is a number of JSON: True, False, NaN and the infinities are not."""
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _unchanged(value: Any) -> Any:
    return value


def _given(limits: dict[str, Any]) -> dict[str, Any]:
    return {name: limit for name, limit in limits.items() if limit is not None}


@dataclass(eq=False, repr=False)
class Text(Schema):
    """Text, one of ``choices`` (None: any). ``filled``: it is not empty; ``one_line``: it has no control characters."""

    choices: tuple[str, ...] | None = None
    filled: bool = False
    one_line: bool = False

    @property
    def expected(self) -> str:
        return "text" if self.choices is None else f"one of {', '.join(self.choices)}"

    def problem(self, value: Any) -> str:
        if not isinstance(value, str):
            return self.wrong(value, "write it in quotation marks" if isinstance(value, (int, float)) else "")
        if self.choices is not None and value not in self.choices:
            same = [choice for choice in self.choices if choice.lower() == value.lower()]
            return self.wrong(value, f"{same[0]} may be meant" if same else meant(value, self.choices).removeprefix("; "))
        if self.filled and not value:
            return "must not be empty"
        if self.one_line and re.search(_CONTROL, value):
            return f"{shown(value)} must be one line, without control characters"
        return ""

    def read(self, value: Any) -> str:
        return str(value)

    def reader(self) -> Reader:
        plain = not (self.choices or self.filled or self.one_line)

        def read(value: Any) -> Any:
            if type(value) is not str or not (plain or not self.problem(value)):
                raise Unusual
            return value

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        limits = {"enum": self.choices and list(self.choices), "minLength": int(self.filled) or None}
        return {"type": "string", **_given(limits)} | ({"not": {"pattern": _CONTROL}} if self.one_line else {})


@dataclass(eq=False, repr=False)
class Number(Schema):
    """A number from ``minimum`` to ``maximum`` (None: without end)."""

    minimum: float | None = None
    maximum: float | None = None
    noun, json_type = "a number", "number"
    _kinds: ClassVar[tuple[type, ...]] = (int, float)
    _convert: ClassVar[type | None] = None

    @property
    def expected(self) -> str:
        low, high = self.minimum, self.maximum
        if None not in (low, high):
            return f"{self.noun} from {low} to {high}"
        return self.noun + (f" of at least {low}" if low is not None else f" of at most {high}" if high is not None else "")

    def problem(self, value: Any) -> str:
        if not is_number(value) or (float not in self._kinds and value != int(value)):
            quoted = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
            if value is None:  # what was not finite has become null
                return f"NaN, an infinity or null is there, and it must be {self.expected}"
            return self.wrong(value, f"write {value} without quotation marks" if quoted else "")
        low, high = self.minimum, self.maximum
        return self.wrong(value) if (low is not None and value < low) or (high is not None and value > high) else ""

    def read(self, value: Any) -> Any:
        return self._convert(value) if self._convert else value

    def reader(self) -> Reader:
        low, high = (-math.inf if self.minimum is None else self.minimum), (math.inf if self.maximum is None else self.maximum)
        kinds, convert = self._kinds, self._convert or _unchanged

        def read(value: Any) -> Any:
            if type(value) not in kinds or not low <= value <= high:
                raise Unusual
            return convert(value)

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": self.json_type, **_given({"minimum": self.minimum, "maximum": self.maximum})}


class Integer(Number):
    """A number without a fraction; ``1.0`` is one, too, and is read as ``1``."""

    noun, json_type = "a whole number", "integer"
    _kinds, _convert = (int,), int


class Float(Number):
    """A number that is read as a float."""

    _convert = float


@dataclass(eq=False, repr=False)
class Typed(Schema):
    """Any value of some Python types, which ``expected_text`` and ``json_type`` describe."""

    types: tuple[type, ...]
    expected_text: str
    json_type: Any = None
    advice: str = ""

    def problem(self, value: Any) -> str:
        return "" if isinstance(value, self.types) else self.wrong(value, self.advice)

    def reader(self) -> Reader:
        return _unchanged if object in self.types else super().reader()

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": self.json_type} if self.json_type else {}


ANYTHING = Typed((object,), "any JSON")
SCALAR = Typed((str, int, float), "text, a number, true or false", ["string", "number", "boolean"])
JSON_OBJECT = Typed((dict,), "a JSON object", "object", 'write it as {"key": 1}, without quotation marks around it')


@dataclass(eq=False, repr=False)
class Array(Schema):
    """A list whose entries are all of one schema."""

    items: Schema
    expected_text: str = field(default="a list", init=False)

    def problem(self, value: Any) -> str:
        return "" if isinstance(value, list) else self.wrong(value, "write it in [ ]")

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        yield from super().problems(value, path)
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            yield from self.items.problems(entry, below(path, index))

    def read(self, value: Any) -> list[Any]:
        return [self.items.read(entry) for entry in value]

    def reader(self) -> Reader:
        read_item = self.items.reader()

        def read(value: Any) -> Any:
            if type(value) is not list:
                raise Unusual
            return [read_item(item) for item in value]

        return read

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": self.items.json_schema(definitions)}


@dataclass(eq=False, repr=False)
class OneOf(Schema):
    """A value of several shapes: the first entry of ``shapes``, a type or a test and a schema, that fits decides."""

    shapes: tuple[tuple[type | Callable[[Any], bool], Schema], ...]
    expected_text: str

    def _of(self, value: Any) -> Schema:
        fits = (isinstance(value, test) if isinstance(test, type) else test(value) for test, _ in self.shapes)
        return next((schema for fit, (_, schema) in zip(fits, self.shapes, strict=True) if fit), Typed((), self.expected_text))

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        return self._of(value).problems(value, path)

    def read(self, value: Any) -> Any:
        return self._of(value).read(value)

    def reader(self) -> Reader:
        readers, never = {id(schema): schema.reader() for _, schema in self.shapes}, super().reader()
        return lambda value: readers.get(id(self._of(value)), never)(value)

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [schema.json_schema(definitions) for _, schema in self.shapes]}


@dataclass(eq=False, repr=False)
class Field:
    """One key of an object: what its value may be, and what it means.

    ``default`` is read in the place of a value that is left out; ABSENT: the key stays away. ``blank`` finds values that are
    like that. ``computed`` makes the value from the object that was read, whatever is given.
    """

    schema: Schema
    description: str
    required: bool = False
    default: Any = ABSENT
    blank: Callable[[Any], bool] | None = None
    computed: Callable[[dict[str, Any]], Any] | None = None


@dataclass(eq=False, repr=False)
class Object(Schema):
    """An object with known keys. ``others`` is what unknown ones may hold; None: there may be none.

    It has ``minimum`` to ``maximum`` keys. With a ``name`` it is defined once in a JSON Schema.
    """

    fields: Mapping[str, Field] = field(default_factory=dict)
    others: Schema | None = None
    minimum: int = 0
    maximum: int | None = None
    name: str = ""
    description: str = ""
    expected_text: str = "an object"

    def problem(self, value: Any) -> str:
        fits = isinstance(value, dict) and self.minimum <= len(value) <= (self.maximum or len(value))
        return "" if fits else self.wrong(value)

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        if text := self.problem(value):
            yield Problem(path, text)
            return
        for name, item in value.items():
            yield from self._problems_of(name, item, below(path, name))
        for name, its in self.fields.items():
            if its.required and name not in value:
                yield Problem(path, f"{name} is missing: {its.description}")

    def _problems_of(self, name: str, item: Any, path: str) -> Iterator[Problem]:
        known = self.fields.get(name)
        schema = known.schema if known else self.others
        if self.others and not name:
            yield Problem(path, "a name must not be empty")
        elif schema is None:
            yield Problem(path, self.unknown(name), unknown=True)
        elif not (known and (known.computed or (known.blank and known.blank(item)))):
            yield from schema.problems(item, path)

    def unknown(self, name: str) -> str:
        return f"is an unknown key; {suggestion(name, list(self.fields))}"

    def read(self, value: Any) -> dict[str, Any]:
        """Return the object with its known keys in the order of the declaration if there are defaults, else as they are given."""
        result = {}
        for name in {**self.fields, **value} if any(its.default is not ABSENT for its in self.fields.values()) else value:
            its, item = self.fields.get(name), value.get(name, ABSENT)
            if its and (item is ABSENT or (its.blank and its.blank(item))):
                item = its.default
            schema = its.schema if its else self.others
            if schema and item is not ABSENT:
                result[name] = item if its and its.computed else schema.read(item)
        return self._with_computed(self.completed(result, value))

    def _with_computed(self, made: dict[str, Any]) -> dict[str, Any]:
        return made | {name: its.computed(made) for name, its in self.fields.items() if its.computed}

    def reader(self) -> Reader:
        if self.others or self.minimum or self.maximum is not None:
            return super().reader()
        known, fields = frozenset(self.fields), self.fields.items()
        readers = {name: _unchanged if its.computed else its.schema.reader() for name, its in fields}
        always = [(name, readers[name], its) for name, its in fields if its.required or its.default is not ABSENT]
        plan = [(name, read, its.default, its.required) for name, read, its in always]
        optional = [name for name, its in fields if not its.required and its.default is ABSENT]  # they cost only what is there
        finish = self._with_computed if any(its.computed for _, its in fields) else _unchanged

        def read(value: Any) -> Any:
            if type(value) is not dict or not value.keys() <= known:
                raise Unusual
            result = {}
            for name, read_item, default, required in plan:
                item = value.get(name, default)
                if item is not ABSENT:
                    result[name] = read_item(item)
                elif required:
                    raise Unusual
            if optional and not value.keys() <= result.keys():
                for name in optional if plan else value:
                    if name in value:
                        result[name] = readers[name](value[name])
                return finish(self.completed(result, value))
            return finish(result)

        return read

    def completed(self, made: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        """Return what was read of a value with what follows from it. Raises Unusual where keys do not fit each other."""
        return made

    def json_schema(self, definitions: dict[str, Any]) -> dict[str, Any]:
        if not self.name:
            return self._definition(definitions)
        if self.name not in definitions:
            definitions[self.name] = {}  # its place
            definitions[self.name] |= self._definition(definitions)
        return {"$ref": f"#/$defs/{self.name}"}

    def _definition(self, definitions: dict[str, Any]) -> dict[str, Any]:
        fields = self.fields.items()
        properties = {name: {"description": its.description} | its.schema.json_schema(definitions) for name, its in fields}
        others = {"additionalProperties": self.others.json_schema(definitions) if self.others else False}
        names = {"propertyNames": {"minLength": 1}} if self.others else {}
        required = [name for name, its in fields if its.required]
        limits = {"minProperties": self.minimum or None, "maxProperties": self.maximum, "required": required or None}
        return {"type": "object", "properties": properties, **others, **names, **_given(limits)}


def json_schema(schema: Schema, title: str) -> dict[str, Any]:
    """Return the whole text of a JSON Schema."""
    definitions: dict[str, Any] = {}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return head | schema.json_schema(definitions) | {"$defs": definitions}
