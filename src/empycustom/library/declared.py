"""What a library declares besides its callbacks: ``OPTIONS`` with their defaults and limits, ``MANDATORY``, ``STATEFUL``."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import logging
import math
import os
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empycustom.errors import DeclarationError, OptionError
from empycustom.library.explain import is_kind, kind_of, locate_error
from empycustom.text import shown, suggestion, syntax_tree

# By the type of the default: its name in tables, what values are, and what they may be instead, which is made that type.
_KINDS: dict[type, tuple[str, str, tuple[type, ...]]] = {
    bool: ("true or false", "true or false", ()),
    int: ("whole number", "a whole number", ()),
    float: ("number", "a number", (int,)),
    str: ("text", "a text", ()),
    list: ("list", "a list", (tuple,)),
    tuple: ("list", "a list", (list,)),
    dict: ("object", "an object", ()),
    type(None): ("any", "anything", ()),
}
_NUMBERS = (int, float)
_LIMITED: dict[type, str] = {int: "a whole number", float: "a number", type(None): "a number, or null", list: "a list of numbers"}
_LIMITED[tuple] = _LIMITED[list]
_LIBS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "libs") + os.sep
_log = logging.getLogger(__name__)
_EXAMPLE = 'OPTIONS = {"least": empycustom.Option(0.5, "least confidence")}'


@dataclass(frozen=True)
class Option:
    """An option of a library, which declares its options as ``OPTIONS = {"size": empycustom.Option(640, "width of the input")}``.

    Its type is that of its default; where that is None, every value is taken. Where the default is a float, an int is taken too.

    Parameters
    ----------
    default : bool, int, float, str, list, tuple, dict or None
        Value of the option where it is not set. Of a required one: any value of its type.
    description : str, optional
        What it does, in a few words: ``empycustom check`` lists it.
    limits : tuple of two numbers, optional
        The lowest and the highest value, None: no limit. Of a list of numbers: those of each of them.
    choices : sequence, optional
        The values that there are.
    unit : str, optional
        Unit of the value, such as ``"pixels"``.
    required : bool, optional
        It has to be set.
    was : str, optional
        The name that it had before, which still works, with a warning.

    Raises
    ------
    TypeError
        The default, or something else, has a type that it cannot have.
    ValueError
        The default is not one of the choices, or not within the limits.
    """

    default: Any
    description: str = ""
    limits: tuple[float | None, float | None] | None = None
    choices: tuple[Any, ...] = ()
    unit: str = ""
    required: bool = False
    was: str = ""

    def __post_init__(self) -> None:
        if type(self.default) not in _KINDS:
            kind = kind_of(self.default)
            raise TypeError(
                f"the default of an option is a number, a text, a list, a dict or None, as JSON has them, not a {kind}"
            )
        if not all(type(text) is str for text in (self.description, self.unit, self.was)):
            raise TypeError("the description, the unit and the earlier name of an option are texts")
        if isinstance(self.choices, str) or not all(type(each) in _KINDS for each in self.choices):
            raise TypeError(f"choices are a list of values, not {shown(self.choices)}")
        object.__setattr__(self, "choices", tuple(self.choices))
        if self.limits is not None:
            self._read_limits(self.limits)
        if type(self.required) is not bool:
            raise TypeError(f"required is True or False, not {shown(self.required)}")
        if self.default is not None and not self.required and self.problem(self.default):
            raise ValueError(f"the default {self.problem(self.default)}, not {shown(self.default)}")

    def _read_limits(self, limits: Any) -> None:
        is_pair = isinstance(limits, (tuple, list)) and len(limits) == 2
        if not is_pair or not all(each is None or type(each) in _NUMBERS for each in limits):
            raise TypeError(f"limits are two numbers, (lowest, highest), None: no limit, and not {shown(limits)}")
        if type(self.default) not in _LIMITED:
            raise TypeError(f"limits are for options that are numbers, and the default is {shown(self.default)}")
        object.__setattr__(self, "limits", tuple(limits))

    @property
    def kind(self) -> str:
        """The type of values, in words: ``"whole number"``."""
        return _KINDS[type(self.default)][0]

    @property
    def words(self) -> str:
        """The words for what a value must be: ``"a number, 0 to 1"``."""
        if self.choices:
            return self.range
        if not self.limits:
            return _KINDS[type(self.default)][1]
        return f"{_LIMITED[type(self.default)]}, {self.range}"

    @property
    def range(self) -> str:
        """The values that there are, in words: ``"0 to 1"``, ``"0 or more pixels"``, ``'"fast" or "exact"'``; ``""``: all."""
        if self.choices:
            return " or ".join(map(shown, self.choices))
        lowest, highest = self.limits or (None, None)
        if lowest is None:
            text = "" if highest is None else f"{highest} or less"
        else:
            text = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
        return f"{text} {self.unit}" if text and self.unit else text or self.unit

    def problem(self, value: Any) -> str:
        """Return what a value must be, as the rest of a sentence about it; ``""`` where it is that."""
        if self.choices:
            is_right = any(each == value and type(each) is type(value) for each in self.choices)
        else:
            is_right = self._is_right(value)
        return "" if is_right else f"must be {self.words}"

    def _is_right(self, value: Any) -> bool:
        if self.default is None:
            return value is None or not self.limits or self._is_within(value)
        if type(value) not in (type(self.default), *_KINDS[type(self.default)][2]):
            return False
        if self.limits:
            return all(map(self._is_within, value)) if isinstance(value, (list, tuple)) else self._is_within(value)
        return type(value) is not float or math.isfinite(value)

    def _is_within(self, number: Any) -> bool:
        lowest, highest = self.limits or (None, None)
        if type(number) not in _NUMBERS or not math.isfinite(number):
            return False
        return (lowest is None or number >= lowest) and (highest is None or number <= highest)

    def value_of(self, value: Any) -> Any:
        """Return a value that has no problem, in the type of the default."""
        made = type(self.default)
        return value if self.default is None or self.choices or type(value) is made else made(value)


_WHERE = {  # what is declared by True, and where
    "MANDATORY": "no frame may go on without this library",
    "STATEFUL": "this library needs all frames of a video in their order",
}


def is_declared(target: Any, path: str, name: str) -> bool:
    """Return whether a library declares something by True: ``"MANDATORY"``, ``"STATEFUL"``. Raises DeclarationError."""
    declared = inspect.getattr_static(target, name, False)
    if type(declared) is not bool:
        what = f"{name} is {shown(declared)}; write {name} = True where {_WHERE[name]}"
        raise DeclarationError.at(path, _line_in(path, name), what)
    return declared


class Declaration:
    """The options that a library declares, by their names, and where. ``make`` is its dataclass, None: callbacks get a dict."""

    def __init__(self, path: str, line: int | None, options: dict[str, Option], make: Callable[..., Any] | None = None) -> None:
        self.path, self.line, self.options, self._make = path, line, options, make
        self._last: tuple[Any, Any] = (None, None)
        self._now = {option.was: name for name, option in options.items() if option.was}
        self._warned: set[str] = set()

    @classmethod
    def of(cls, target: Any, path: str) -> Declaration | None:
        """Return what a library (a module, or what is in the place of one) declares, None: nothing. Raises DeclarationError."""
        declared = inspect.getattr_static(target, "OPTIONS", None)
        if declared is None:
            return None
        line = _line_in(path)
        try:
            options = _options_in(declared)
        except (TypeError, ValueError) as error:
            raise DeclarationError.at(path, line, f"OPTIONS cannot be used: {error}") from error
        return cls(path, line, options, declared if isinstance(declared, type) else None)

    @property
    def plain(self) -> tuple[Any, ...]:
        """The declaration as plain values, without the dataclass; :meth:`of_plain` makes the same one of them."""
        return self.path, self.line, [(name, *vars(option).values()) for name, option in self.options.items()]

    @classmethod
    def of_plain(cls, plain: tuple[Any, ...] | None) -> Declaration | None:
        """Return the declaration in ``plain`` of one that another process has; None of None."""
        if plain is None:
            return None
        path, line, options = plain
        return cls(path, line, {name: Option(*about) for name, *about in options})

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise OptionError where an option that is given does not exist, or has a value that it cannot have."""
        self._made(given)

    def made(self, given: Mapping[str, Any]) -> Any:
        """Return what callbacks get, with all options; for the same ``given`` the same again. Raises OptionError."""
        last, made = self._last
        if last is not given:
            made = self._made(given)
            self._warn_of_earlier(given)
            self._last = given, made
        return made

    def _warn_of_earlier(self, given: Mapping[str, Any]) -> None:
        for name in (self._now.keys() & given.keys()) - self._warned:
            self._warned.add(name)
            _log.warning("%s: the option %s is called %s now; write that", _place(self.path), name, self._now[name])

    def _made(self, given: Mapping[str, Any]) -> Any:
        for name, value in given.items():
            now = self._now.get(name, name)
            if now is not name and now in given:
                raise self._error(name, f"the option {name} is called {now} now, which is set as well; leave {name} out")
            option = self.options.get(now)
            if option is None:
                raise self._error(name, f"there is no option {name}; {suggestion(name, list(self.options))}")
            if problem := option.problem(value):
                raise self._error(name, f"the option {name} {problem}, not {shown(value)}")
        given = {self._now.get(name, name): value for name, value in given.items()}
        for name, option in self.options.items():
            if option.required and name not in given:
                what = f": {option.description}" if option.description else f"; it is {option.words}"
                raise self._error(name, f"the option {name} is missing{what}")
        made = {
            name: option.value_of(given[name]) if name in given else copy.deepcopy(option.default)
            for name, option in self.options.items()
        }
        if self._make is None:
            return made
        try:
            return self._make(**made)
        except BaseException as error:
            raise self._refused(error) from error

    def _refused(self, error: BaseException) -> OptionError:
        """Return the exception where the dataclass raises one: a ValueError is about the options, others are its own errors."""
        found = locate_error(error, self.path)
        text = found.text.removeprefix(f"{kind_of(error)}: ")
        is_sentence = is_kind(error, ValueError) and text != found.text
        begins = re.match(r"(?:the option )?(\w+)", text)
        name = begins[1] if is_sentence and begins and begins[1] in self.options else ""
        what = text if name else f"OPTIONS does not take these options: {text if is_sentence else found.text}"
        details = "" if is_sentence else found.traceback
        return refusal(self.path, found.line or self.line, what, option=name, details=details)

    def _error(self, name: str, what: str) -> OptionError:
        return refusal(self.path, self.line, what, option=name)


def refusal(
    path: str, line: int | None, what: str, *, option: str = "", callback: str | None = None, details: str = ""
) -> OptionError:
    """Return the exception about an option, whose message begins with the place; of a library in the package with its name."""
    return OptionError(
        f"{_place(path, line)}: {what}", option=option, library=path, line=line, callback=callback, details=details
    )


def _place(path: str, line: int | None = None) -> str:
    """Return a library as messages name it: those in the package by name, as users write them."""
    if path.startswith(_LIBS):
        return "empycustom.libs." + path.removeprefix(_LIBS).removesuffix(".py").removesuffix(f"{os.sep}__init__").replace(
            os.sep, "."
        )
    return f"{path}:{line}" if line else path


def _options_in(declared: Any) -> dict[str, Option]:
    if isinstance(declared, type) and dataclasses.is_dataclass(declared):
        return {field.name: _option_of(field, declared) for field in dataclasses.fields(declared) if field.init}
    if not isinstance(declared, dict):
        raise TypeError(f"it is a {kind_of(declared)}; make it a dict of empycustom.Option, {_EXAMPLE}, or a dataclass")
    for name, option in declared.items():
        if type(name) is not str or not isinstance(option, Option):
            raise TypeError(f"{shown(name)} is a {kind_of(option)}; write {_EXAMPLE}")
    return dict(declared)


def _option_of(field: dataclasses.Field[Any], declared: type) -> Option:
    """Return the option that a field of a dataclass declares. Raises TypeError, ValueError."""
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    required = default is dataclasses.MISSING
    if required:
        default = _any_of(field, declared)
    about = {key: field.metadata[key] for key in ("description", "limits", "choices", "unit", "was") if key in field.metadata}
    try:
        return Option(default, required=required, **about)
    except (TypeError, ValueError) as error:
        raise type(error)(f"the field {field.name}: {error}") from error


def _any_of(field: dataclasses.Field[Any], declared: type) -> Any:
    """Return a value of the type of a field without a default; None, which stands for every type, of one that options lack."""
    try:
        kind = typing.get_type_hints(declared)[field.name]
    except Exception:  # noqa: BLE001 - an annotation may be anything, also a name that is there for type checkers alone
        return None
    kind = typing.get_origin(kind) or kind
    return kind() if kind in (bool, int, float, str, list, tuple, dict) else None


def _line_in(path: str, name: str = "OPTIONS") -> int | None:
    """Return the line where a file of Python binds a name, None where that cannot be found."""
    try:
        tree = syntax_tree(Path(path).read_bytes(), path)
    except (OSError, SyntaxError, ValueError):
        return None
    lines = [statement.lineno for statement in tree.body if name in _bound_by(statement)]
    return lines[-1] if lines else None


def _bound_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.ClassDef):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name for alias in statement.names}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
