"""The options of commands about how a library is called: those of libraries of other projects."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from empycustom.app.options import AddLibrary, OfLibraries, OfLibrary, filled, give_once, number_of
from empycustom.config.schema import CUSTOM
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


OPTIONS_HELP = "a JSON object for the callbacks' `options`, or @file.json"
_EVERY_HELP = "call the --lib before it for every n-th frame (default: 1)"
_ON_ERROR_HELP = "what happens if a call fails: fail ends {}, pass passes the frame on, drop drops it (default: {})"
_RELOAD_HELP = "load a library anew when its file, or a module beside it, is saved; the stream goes on (default: {})"
_WORKERS_HELP = "run the library in N processes of its own; 0: in that of the pipeline (the default)"
_PACE_HELP = "what happens to a frame if all workers are busy: every waits (the default), skip passes it on, latest: see below"
_TIMEOUT_HELP = "end a call in a worker after MS milliseconds; then --on-error applies; 0: no limit (the default)"


def add_libraries(command: argparse.ArgumentParser, *, policy: str, ends: str = "the run", reload: str | None = None) -> None:
    """Add ``--lib`` and the options that are properties of its element.

    ``policy`` is the default of ``--on-error``, and ``ends`` what it ends; ``reload`` that of ``--reload``, None: without
    that and ``--pace``.
    """
    add = command.add_argument
    add("--lib", action=AddLibrary, dest="libraries", default=[], metavar="FILE", help="a library, or a dotted module name")
    add("--options", action=OfLibrary, dest="options", type=str, metavar="JSON", help=f"{OPTIONS_HELP}; for the --lib before it")
    every = ("--every", "--process-interval")
    add(*every, action=OfLibrary, dest="process-interval", type=_of_property("process-interval"), metavar="N", help=_EVERY_HELP)
    on_error = _ON_ERROR_HELP.format(ends, policy)
    add("--on-error", action=OfLibraries, dest="on-error", choices=("fail", "pass", "drop"), metavar="POLICY", help=on_error)
    if reload is not None:
        add("--reload", action=OfLibraries, dest="reload", nargs=0, const=True, help=_RELOAD_HELP.format(reload))
    add("--workers", action=OfLibraries, dest="workers", type=_of_property("workers"), metavar="N", help=_WORKERS_HELP)
    if reload is not None:
        add("--pace", action=OfLibraries, dest="pace", choices=("every", "skip", "latest"), metavar="PACE", help=_PACE_HELP)
    add(
        "--call-timeout",
        action=OfLibraries,
        dest="call-timeout",
        type=_of_property("call-timeout"),
        metavar="MS",
        help=_TIMEOUT_HELP,
    )
    add_called_of_library(command)
    command.set_defaults(defaults={})


def _of_property(name: str) -> Callable[[str], Any]:
    """Return a type for argparse: a number as the property of the element takes it."""
    declared: Any = CUSTOM.fields[name]
    return number_of(declared.schema)


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
