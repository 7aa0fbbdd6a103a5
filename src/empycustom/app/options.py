"""Parse the command line, and check arguments that belong together."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn

from empycustom.errors import PathError, PropertyError
from empycustom.model.schema import Float, Integer, Number
from empycustom.session.console import show
from empycustom.text import as_native, as_path, as_text, for_people, meant, not_for_lines, shell_word, unquoted

_NO_VALUE = re.compile(r"--[a-z][a-z-]*=--")
_DELETING = {"--force"}  # options that no hint names: who follows it would lose files
_ALIASES = {  # names that other commands, properties or programs have for options
    "interval": ("every",),
    "json": ("summary-json",),
    "output": ("out",),
    "parallel": ("jobs", "workers"),
    "processes": ("jobs", "workers"),
    "threads": ("jobs", "workers"),
}


class Parser(argparse.ArgumentParser):
    """Parser of a command line; its messages quote arguments without control characters and passwords."""

    def error(self, message: str) -> NoReturn:
        """End with a usage error."""
        super().error(for_people(message))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print; argparse of Python 3.12 and later reports nothing if help cannot be written."""
        if file is not None and file is sys.stdout:
            show(message.rstrip("\n"))
        else:
            super()._print_message(message, file)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; ``--save=--``, for which argparse returns an empty list, is a usage error, as is an option before a command.

        ``help`` and ``help COMMAND`` are ``--help``; without arguments the overview is shown, on stderr.
        """
        for argument in args:
            if _NO_VALUE.fullmatch(argument):
                self.error(f"{argument}: -- is not a value")
        if args and (first := args[0].partition("=")[0]).startswith("--") and first not in self.known_options():
            commands = [each for action in self._actions if isinstance(action.choices, dict) for each in action.choices.values()]
            if any(first in command.known_options() for command in commands):
                self.error(f"{first} comes after a command")
            self.error(f"there is no option {first}{meant(first, self.known_options())}")
        if not args:
            self.exit(2, self.format_help())
        return super().parse_args([*args[1:2], "--help"] if args[0] == "help" else args, namespace)

    def known_options(self) -> list[str]:
        """Return all spellings of the options."""
        return [option for action in self._actions for option in action.option_strings]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Check that a value is one of the choices: the text of argparse differs between Pythons, and has no hint."""
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        hint = meant(str(value).lower(), names)
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"there is no command {value}{hint}; the commands are {', '.join(names)}")
        raise argparse.ArgumentError(action, f"{value} is not one of {', '.join(names)}{hint}")


class Command(Parser):
    """Parser of one command; ``check`` gets all arguments, and calls ``error`` if some do not go together."""

    check: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None

    def __init__(self, *names: Any, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.register("type", None, filled)  # of all arguments without a type
        self.register("action", None, Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and check. A misspelt option is reported first: what argparse reports may follow from it."""
        words = list(args or ())
        options = words[: words.index("--")] if "--" in words else words
        self._refuse([word for word in options if word.startswith("--") and " " not in word], others_too=False)
        parsed, rest = super().parse_known_args(args, namespace)
        parsed.__dict__.pop(_GIVEN, None)
        self._refuse(rest)
        if self.check:
            self.check(self, parsed)
        return parsed, rest

    def _refuse(self, words: Sequence[str], *, others_too: bool = True) -> None:
        """End with a usage error about an option that is not known; or about other words, which are too many."""
        name, known = self.prog.rpartition(" ")[2], self.known_options()
        unknown = [option for word in words if word.startswith("-") and (option := word.partition("=")[0]) not in known]
        if unknown:
            likely = [each for each in known if each not in _DELETING]
            text = f"{name} has no option {unknown[0]}{meant(unknown[0], likely, _ALIASES)}"
        elif words and others_too:
            text = f"{words[0]} is one argument too many for {name}"
        else:
            return
        self.exit(2, f"{self.prog}: error: {for_people(text)}. See `{self.prog} --help`.\n")


_GIVEN = "_given"


def give_once(parser: argparse.ArgumentParser, given: dict[str, Any], option: str, value: Any) -> None:
    """Remember the value of an option in ``given``; end with a usage error if it already has another one."""
    if given.setdefault(option, value) != value:
        parser.error(f"{option} is there twice, with different values; give it once")


class Once(argparse.Action):
    """Action of an option with one value: a second value, which would replace the first one, is an error."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, _option: str | None = None) -> None:
        """Set the value."""
        if self.option_strings:
            give_once(parser, namespace.__dict__.setdefault(_GIVEN, {}), self.option_strings[0], values)
        setattr(namespace, self.dest, values)


def filled(text: str) -> str:
    """Return a name unchanged; an empty one, as from a shell variable that is not set, is an error. A type for argparse."""
    if not text:
        raise argparse.ArgumentTypeError("it must not be empty")
    return text


# Arguments of ``empycustom run emi_stream_config.json``, and what does not go with it.


SOURCE_HELP = "play this instead of the location in the file; once for each stream"
SET_HELP = "a value for an option of the file: speed=25; - reads such lines from stdin while it plays"
EVENTS_HELP = "write the events to this file instead of printing them"
OUTSIDE_HELP = "allow a location of aimeta outside the folder of the configuration and the working directory"


def is_configuration(source: str) -> bool:
    """Return whether SOURCE is a stream configuration, and not a video."""
    return source.lower().endswith(".json") and "://" not in source


_STDOUT = ("console://", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def place(name: str) -> str:
    """Return a name for an output: ``-`` for stdout, because file descriptor 1 is not stdout while a command plays."""
    return "-" if name in _STDOUT else filled(name)


def output(name: str, what: str = "documents") -> str:
    """Return a name for lines of JSON, ``what``; one that promises another format is an error."""
    if why := not_for_lines(name, what):
        raise argparse.ArgumentTypeError(f"{name}: {why}")
    return place(name)


def summary(name: str) -> str:
    """Return a name for the summary, which is one JSON object."""
    stem, _, kind = name.rpartition(".")
    if not_for_lines(name):
        raise argparse.ArgumentTypeError(f"{name}: the summary is one JSON object, not a .{kind} file; name it {stem}.json")
    return place(name)


def add_configured(run: argparse.ArgumentParser) -> None:
    """Add the arguments for a configuration."""
    add = run.add_argument_group("for a stream configuration").add_argument
    add("--source", action="append", default=[], dest="sources", metavar="SOURCE", help=SOURCE_HELP)
    add("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help=SET_HELP)
    add("--events", type=partial(output, what="events"), metavar="FILE", help=EVENTS_HELP)
    add("--allow-outside", action="store_true", help=OUTSIDE_HELP)
    add("--verbose", "-v", action="store_true", help="show the debug strings of the signal callback, on stderr")


def check_run(parser: argparse.ArgumentParser, args: Any) -> None:
    """End with a usage error if arguments do not go with SOURCE; fill in values that depend on it."""
    if args.dry_run and args.summary_json:
        parser.error("--summary-json does not go with --dry-run, which plays nothing")
    if args.dry_run and args.metrics:
        parser.error("--metrics does not go with --dry-run, which plays nothing")
    for source in (*args.source, *args.sources):
        if source.lower().endswith(".py") and "://" not in source and not os.path.isdir(as_native(source)):
            parser.error(f"{source} is a Python file, not a video; libraries come after --lib")
    configurations = [source for source in args.source if is_configuration(source)]
    if configurations and len(args.source) > 1:
        parser.error(f"{configurations[0]} is a stream configuration, which plays alone; name one SOURCE")
    if configurations:
        others = {"libraries": "--lib", "format": "--format", "publish": "--publish"}
        for name in args.defaults:
            parser.error(f'--{name} does not go with a stream configuration; write "{name}" beside "custom-lib" in the file')
        refuse_others(parser, args, others, "does not go with a stream configuration")
        return
    only = {"sources": "--source", "settings": "--set", "events": "--events", "verbose": "--verbose"}
    only["allow_outside"] = "--allow-outside"
    refuse_others(parser, args, only, "is for a stream configuration, a file whose name ends in .json")
    settle_defaults(parser, args)


def settle_defaults(parser: argparse.ArgumentParser, args: Any) -> None:
    """Give each library what is set for all of them; end with a usage error if there is none."""
    if args.defaults and not args.libraries:
        parser.error(f"--{next(iter(args.defaults))} is for libraries, and there is no --lib")
    for request in args.libraries:
        request.properties = args.defaults | request.properties


def refuse_others(parser: argparse.ArgumentParser, args: Any, names: dict[str, str], why: str) -> None:
    """End with a usage error if one of the options in ``names`` (by attribute) is given."""
    for attribute, option in names.items():
        value = getattr(args, attribute)
        if not (value is None or value is False or value in ([], {})):
            parser.error(f"{option} {why}")


# ``--lib``, and the options that are properties of its element: libraries, their order and their settings.


@dataclass
class Request:
    """One ``--lib`` with the arguments behind it, which are ``properties`` of its element."""

    path: str
    properties: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # by option

    def absolute(self) -> Request:
        """Return a copy with absolute paths of existing files: a library that starts first may change the working directory."""
        properties = self.properties.copy()
        options = properties.get("options", "")
        if options.startswith("@"):
            properties["options"] = f"@{_absolute(options[1:])}"
        return replace(self, path=_absolute(self.path), properties=properties)


def _absolute(name: str) -> str:
    # A file that cannot be loaded is reported as it was typed, and a name that is not UTF-8 is refused elsewhere: in a folder
    # with such a name, relative names work.
    with suppress(PathError, UnicodeEncodeError):
        path = as_path(name)
        if path.is_file():
            text = as_text(path.absolute())
            text.encode()
            return text
    return name


class AddLibrary(argparse.Action):
    """Action of ``--lib FILE``: add a library."""

    def __call__(self, _parser: Any, namespace: Any, values: Any, _option: str | None = None) -> None:
        """Append a request to a new list, because argparse shares its default among calls."""
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), Request(values)])


def as_option(error: PropertyError) -> PropertyError:
    """Return an error about a property whose value is JSON, with the option of the command line in its place."""
    from empycustom.elements.properties import CUT_OFF

    if error.name not in ("options", "arg", "kwarg"):
        return error
    text = str(error).replace(CUT_OFF, "").replace(f"{error.name}=", f"--{error.name} ")
    return PropertyError(re.sub(rf"^{error.name}\b", f"--{error.name}", text), name=error.name)


def read_options(text: str | None) -> dict[str, Any]:
    """Return the object that ``--options`` gives. Raises PropertyError, which names the option."""
    from empycustom.elements.properties import read_object

    try:
        return read_object("options", text and unquoted(text))
    except PropertyError as error:
        raise as_option(error) from error


class OfLibrary(argparse.Action):
    """Action of an option that is a property, ``dest``, of the element of the ``--lib`` before it.

    Without an argument (``nargs=0``) it means ``const``.
    """

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        self.property = dest
        super().__init__(option_strings, "libraries", default=argparse.SUPPRESS, **settings)

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Set the property of the last request."""
        requests = getattr(namespace, self.dest, None)
        if not requests:
            parser.error(
                f"{option} belongs to the --lib before it, and there is none; write --lib FILE {option} {shell_word(str(values))}"
            )
        value = self.const if self.nargs == 0 else values
        give_once(parser, requests[-1].given, f"{self.option_strings[0]} of --lib {requests[-1].path}", value)
        requests[-1].properties[self.property] = value


class OfLibraries(OfLibrary):
    """Action of an option of the same name as the property: before the first ``--lib`` it is the default of all."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Set the property of the last request, or the default."""
        if namespace.libraries:
            super().__call__(parser, namespace, values, option)
        else:
            value = self.const if self.nargs == 0 else values
            give_once(parser, namespace.__dict__.setdefault(_GIVEN, {}), f"{option} before the first --lib", value)
            namespace.defaults = {**namespace.defaults, self.property: value}


def at_least(minimum: float, kind: type[int] | type[float] = int, *, maximum: int = 2**31 - 1) -> Callable[[str], Any]:
    """Return a type for argparse: a number that is not below ``minimum``, and not above ``maximum``."""
    return number_of(Integer(minimum, maximum) if kind is int else Float(minimum, maximum))


def number_of(declared: Number) -> Callable[[str], Any]:
    """Return a type for argparse: a number as it is declared, with limits. Errors name them as those of elements do."""
    kind, low, high = int if isinstance(declared, Integer) else float, declared.minimum, declared.maximum
    assert low is not None
    assert high is not None

    def number(text: str) -> Any:
        with suppress(ValueError):
            value = kind(text)
            if low <= value <= high:
                return value
        raise argparse.ArgumentTypeError(f"{text} is not {declared.expected}")

    return number
