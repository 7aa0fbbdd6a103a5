"""The options of commands about how a library is called: those of libraries of other projects."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from empycustom.app.options import OfLibrary, filled, give_once
from empycustom.errors import PathError
from empycustom.library.dialects import AUTO, DIALECTS
from empycustom.text import absolute, as_path, read_json_text


class _Option(NamedTuple):
    """An option, which is a property of the element; ``joined`` makes one value of an earlier one and of another."""

    metavar: str
    help: str
    type: Callable[[str], Any] = filled
    choices: tuple[Any, ...] | None = None
    joined: Callable[[Any, Any], Any] | None = None


def _json(text: str) -> Any:
    """Return the value of JSON, or of the file that ``@file.json`` names."""
    try:
        return json.loads(read_json_text(absolute(as_path(text[1:]))) if text.startswith("@") else text)
    except (OSError, PathError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not JSON, nor @file.json ({error})") from None


def _object(text: str) -> Any:
    value = _json(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text} is not a JSON object; write '{{\"key\": 1}}'")
    return value


def _added(earlier: Any, value: Any) -> Any:
    return [*(earlier or []), *(value if isinstance(value, list) else [value])]


def _merged(earlier: Any, value: Any) -> Any:
    return {**(earlier or {}), **value}


_NAMES = (AUTO, *DIALECTS)
_OPTIONS = {
    "dialect": _Option("NAME", f"how the library is called: {', '.join(_NAMES)} (default: as it looks)", choices=_NAMES),
    "class": _Option("NAME", "gvapython: the class whose object is called"),
    "function": _Option("NAME", "other dialects: the function, or the method, that is called"),
    "finalize-function": _Option("NAME", "hailopython: the function that is called at the stop"),
    "arg": _Option("JSON", "gvapython: an argument of the class, or a list of them; again for more", _json, joined=_added),
    "kwarg": _Option("JSON", "gvapython: arguments of the class by name, an object; again for more", _object, joined=_merged),
    "interface": _Option("N", "emcustom: the version of its interface, 1, 2 or 3 (default: 3)", int, choices=(1, 2, 3)),
}


def _add(command: Any, action: Any, end: str) -> None:
    for name, option in _OPTIONS.items():
        more = {"metavar": option.metavar, "type": option.type, "choices": option.choices, "help": f"{option.help}{end}"}
        command.add_argument(f"--{name}", action=action, dest=name, **more)


def add_called(command: argparse.ArgumentParser) -> None:
    """Add the options to a command with one library: the attribute ``call`` of its arguments is a dict of them."""
    _add(command.add_argument_group("for libraries of other projects"), _Call, "")
    command.set_defaults(call={})


def add_called_of_library(command: argparse.ArgumentParser) -> None:
    """Add the options to a command with several libraries, after each ``--lib``."""
    _add(command, _CallOfLibrary, "; of the --lib before it")


class _Call(argparse.Action):
    """Sets a key of the attribute ``call``."""

    def __init__(self, option_strings: Any, dest: str, **settings: Any) -> None:
        self.property = dest
        super().__init__(option_strings, "call", default=argparse.SUPPRESS, **settings)

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        joined, call = _OPTIONS[self.property].joined, namespace.call
        if joined is None and call.get(self.property, values) != values:
            give_once(parser, {option or "": call[self.property]}, option or "", values)
        namespace.call = {**call, self.property: joined(call.get(self.property), values) if joined else values}


class _CallOfLibrary(OfLibrary):
    """Sets a property of the last library; some add to what is there."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        joined, requests = _OPTIONS[self.property].joined, getattr(namespace, self.dest, None)
        if joined is None or not requests:
            super().__call__(parser, namespace, values, option)
        else:
            properties = requests[-1].properties
            properties[self.property] = joined(properties.get(self.property), values)
