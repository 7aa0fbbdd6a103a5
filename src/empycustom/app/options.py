"""The parsers of the command line: what was typed is shown to people, and checked as a whole."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn

from empycustom.errors import PathError
from empycustom.session.console import show
from empycustom.text import as_path, as_text, for_people, moment, not_for_lines

_NO_VALUE = re.compile(r"--[a-z][a-z-]*=--")


class Parser(argparse.ArgumentParser):
    """The parser of a command line; what was typed is shown without control characters and passwords."""

    def error(self, message: str) -> NoReturn:
        """End with a usage error."""
        super().error(for_people(message))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print; argparse of Python 3.12 and later says nothing where help cannot be written."""
        if file is not None and file is sys.stdout:
            show(message.rstrip("\n"))
        else:
            super()._print_message(message, file)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; ``--save=--``, of which argparse makes an empty list, is a usage error."""
        for word in args:
            if _NO_VALUE.fullmatch(word):
                self.error(f"{word}: -- is not a value")
        return super().parse_args(args, namespace)


class Command(Parser):
    """The parser of one command; ``check`` sees what was typed as a whole, and calls ``error`` if it does not go together."""

    check: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None

    def __init__(self, *names: Any, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.register("type", None, filled)  # of all arguments that have no type of their own

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and check."""
        chosen, rest = super().parse_known_args(args, namespace)
        if self.check:
            self.check(self, chosen)
        return chosen, rest


def filled(text: str) -> str:
    """A type for argparse: a name that is not empty, as that of a variable which is not set would be."""
    if not text:
        raise argparse.ArgumentTypeError("it must not be empty")
    return text


class Plain(argparse.RawDescriptionHelpFormatter):
    """Texts as they are written above, with room for the names of the options."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{**settings, "max_help_position": 28})


# What can be typed for ``empycustom run emi_stream_config.json``, and what does not go with it.


SOURCE_HELP = "play this, not the location in the file; once for each stream"
SET_HELP = "a value for an option of the file: speed=25; - takes such lines from stdin while it plays"
EVENTS_HELP = "write the events here instead of printing them"
OUTSIDE_HELP = "let the file's own location of aimeta lie outside of its folder and of the working directory"


def is_configuration(source: str) -> bool:
    """Whether SOURCE is a stream configuration, and not something to see."""
    return source.lower().endswith(".json") and "://" not in source


_STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def place(name: str) -> str:
    """Where something goes: what means stdout is ``-``, for file descriptor 1 is not stdout any more while a command plays."""
    return "-" if name in _STDOUT else filled(name)


def output(name: str, what: str = "documents") -> str:
    """Where lines of JSON, ``what``, go: not into files whose names promise another format."""
    if why := not_for_lines(name, what):
        raise argparse.ArgumentTypeError(f"{name}: {why}")
    return place(name)


def summary(name: str) -> str:
    """Where the summary goes, which is one JSON object."""
    stem, _, kind = name.rpartition(".")
    if not_for_lines(name):
        raise argparse.ArgumentTypeError(f"{name}: the summary is one JSON object, not a .{kind} file; name it {stem}.json")
    return place(name)


def add_configured(run: argparse.ArgumentParser) -> None:
    """Add what only a configuration knows."""
    add = run.add_argument_group("for a stream configuration").add_argument
    add("--source", action="append", default=[], dest="sources", metavar="SOURCE", help=SOURCE_HELP)
    add("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help=SET_HELP)
    add("--events", type=partial(output, what="events"), metavar="FILE", help=EVENTS_HELP)
    add("--allow-outside", action="store_true", help=OUTSIDE_HELP)
    add("--verbose", "-v", action="store_true", help="show the debug strings of the signal callback, on stderr")


def check_run(parser: argparse.ArgumentParser, chosen: Any) -> None:
    """End with a usage error if what was typed does not go with SOURCE; fill in what depends on it."""
    if chosen.dry_run and chosen.summary_json:
        parser.error("--summary-json does not go with --dry-run, which plays nothing")
    configurations = [source for source in chosen.source if is_configuration(source)]
    if configurations and len(chosen.source) > 1:
        parser.error(f"{configurations[0]} is a stream configuration, which plays alone; name one SOURCE")
    if configurations:
        others = {"libraries": "--lib", "format": "--format"}
        if chosen.on_error:
            parser.error('--on-error does not go with a stream configuration; write "on-error" beside "custom-lib" in the file')
        refuse_others(parser, chosen, others, "does not go with a stream configuration")
        return
    only = {"sources": "--source", "settings": "--set", "events": "--events", "verbose": "--verbose"}
    only["allow_outside"] = "--allow-outside"
    refuse_others(parser, chosen, only, "is for a stream configuration, a file whose name ends in .json")
    if chosen.on_error and not chosen.libraries:
        parser.error("--on-error is for libraries, and there is no --lib")
    for request in chosen.libraries:
        request.on_error = request.on_error or chosen.on_error
    if chosen.libraries and not chosen.format:
        chosen.format = "RGBA"


def refuse_others(parser: argparse.ArgumentParser, chosen: Any, names: dict[str, str], why: str) -> None:
    """End with a usage error if one of the options in ``names`` (by attribute) was given."""
    for attribute, option in names.items():
        value = getattr(chosen, attribute)
        if not (value is None or value is False or value == []):
            parser.error(f"{option} {why}")


# ``--lib``, ``--options``, ``--every`` and ``--on-error``: which libraries run, in which order, and with what.


@dataclass
class Request:
    """One ``--lib`` with what was typed behind it: ``options`` is JSON or ``@file``, ``every`` the interval in frames.

    ``on_error`` is the property ``on-error`` of the element, None where nothing was typed.
    """

    path: str
    options: str | None = None
    every: int = 1
    on_error: str | None = None

    def absolute(self) -> Request:
        """The same with absolute paths of what is there: a library that starts first may change the working directory."""
        options = self.options
        if options and options.startswith("@"):
            options = f"@{_absolute(options[1:])}"
        return replace(self, path=_absolute(self.path), options=options)


def _absolute(name: str) -> str:
    # What cannot be loaded is told as it was typed, and a name that is not UTF-8 is refused elsewhere: in a folder that has such
    # a name, relative ones are fine.
    with suppress(PathError, UnicodeEncodeError):
        path = as_path(name)
        if path.is_file():
            text = as_text(path.absolute())
            text.encode()
            return text
    return name


class AddLibrary(argparse.Action):
    """``--lib FILE``: one more library."""

    def __call__(self, _parser: Any, namespace: Any, values: Any, _option: str | None = None) -> None:
        """Append a request; the list is made anew, because argparse shares its default among calls."""
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), Request(values)])


class OfLastLibrary(argparse.Action):
    """``--options`` and ``--every``: belong to the ``--lib`` before them."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        self.attribute = dest
        super().__init__(option_strings, "libraries", default=argparse.SUPPRESS, **settings)

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Give the value to the request that was made last."""
        requests = getattr(namespace, self.dest, None)
        if not requests:
            parser.error(f"{option} belongs to the --lib before it, and there is none; write --lib FILE {option} {values}")
        setattr(requests[-1], self.attribute, values)


class OnError(OfLastLibrary):
    """``--on-error``: belongs to the ``--lib`` before it; before the first one, to all that have none of their own."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Give the value to the request that was made last, or keep it for all."""
        if namespace.libraries:
            super().__call__(parser, namespace, values, option)
        else:
            namespace.on_error = values


def at_least(least: float, kind: Callable[[str], Any] = int) -> Callable[[str], Any]:
    """A type for argparse: a number that is not below ``least``."""

    def number(text: str) -> Any:
        value = kind(text)
        if not least <= value < 2**31:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {least} to {2**31 - 1}")
        return value

    number.__name__ = "number"
    return number


# What can be typed for ``empycustom check``, and what does not go together.


TEXT = """\
Load a library, call start, process_ip or process (or both) and stop as the
element would, on one frame: a synthetic one with objects on it, a picture, or
one of a video. Say what came back, what that means, and how long it took. No
pipeline runs. What the library prints goes to stderr.
If FILE is a stream configuration, a JSON file, all that `run` would refuse is
told without playing it: keys, elements, files, libraries (which are started and
stopped) and the signal callback."""

MORE = """\
The calls get frames with the numbers 0, 1, 2 ..., each a 30th of a second (or
what the video says) later than the one before, with the same picture.
The objects of a synthetic frame follow DeepStream: class_id 0 is a car, 1 a
bicycle, 2 a person. Pictures and frames of videos have none.

The object of --json has:
  empycustom             the version
  library                FILE
  options                what the callbacks got
  frame                  format, width, height, source, stream_time, objects
  calls                  callback, arguments and line of each, in their order
  results                a list, with an object for process_ip and for process
  results[].callback     process_ip or process
  results[].type         of what the last call returned, in Python
  results[].returned     the same as JSON
  results[].objects      what that means for each object; null: nothing
  results[].frame        for the frame
  results[].batch        for the batch
  results[].new_objects  a list
  results[].pixels       unchanged, changed or dropped
  results[].warnings     a list of texts
  results[].time_ms      best, median and worst, and the number of calls
  warnings               a list of texts about the file
  ended                  what is said where a call ended the stream
  saved                  the picture of --save
  error                  message and details; then the exit code is 1

Of a configuration it has:
  empycustom             the version
  configuration          FILE
  streams                stream_id, source and stages of each
  streams[].stages       path, element, library, callback, format, memory
  callback               the signal callback's name, or null
  warnings               a list of texts
  error                  as above

examples:
  empycustom check my_lib.py
  empycustom check my_lib.py --options '{"person_class_id": 2}' --objects 5
  empycustom check my_lib.py --format I420 --size 1920x1080 --repeat 100
  empycustom check my_lib.py --image photo.jpg --save boxes.png
  empycustom check my_lib.py --video street.mp4 --at 1:12.5 --save boxes.png
  empycustom check my_lib.py --json | jq .results[0].time_ms.median
  empycustom check emi_stream_config.json"""

_OF_LIBRARIES = {
    "options": "--options",
    "format": "--format",
    "size": "--size",
    "objects": "--objects",
    "repeat": "--repeat",
    "image": "--image",
    "video": "--video",
    "at": "--at",
    "save": "--save",
}
_OF_CONFIGURATIONS = {"sources": "--source", "settings": "--set", "allow_outside": "--allow-outside"}


def add_checked(check: argparse.ArgumentParser, options_help: str, outside_help: str) -> None:
    """Add the arguments."""
    add = check.add_argument
    add("library", metavar="FILE", help="a library, a dotted module name, or a stream configuration")
    add("--options", type=str, metavar="JSON", help=options_help)
    add("--image", metavar="FILE", help="a picture as the frame")
    add("--video", metavar="FILE", help="a frame of a video as the frame: the first one, or that of --at")
    add(
        "--at",
        type=lambda text: moment(text).ns / 1e9,
        metavar="TIME",
        help="where in the video: seconds, as 12.5, or 1:20, or 1:00:03.5",
    )
    add("--save", metavar="FILE", help="write the frame after the last call, with boxes and what was said, as .png or .jpg")
    add("--format", metavar="NAME", help="pixel format of the frame (default: RGBA)")
    add("--size", type=_size, metavar="WxH", help="size of the frame (default: 640x480, or that of the picture)")
    add("--objects", type=at_least(0), metavar="N", help="objects on the frame (default: 3, on pictures 0)")
    add("--repeat", type=at_least(1), metavar="N", help="calls that are timed (default: 10)")
    add("--json", action="store_true", help="print one JSON object")
    add = check.add_argument_group("for a stream configuration").add_argument
    add("--source", action="append", default=[], dest="sources", metavar="URI", help=SOURCE_HELP)
    add("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help=SET_HELP.partition(";")[0])
    add("--allow-outside", action="store_true", help=outside_help)


def check_checked(parser: argparse.ArgumentParser, chosen: Any) -> None:
    """End with a usage error if what was typed does not go together; fill in what is left out."""
    if is_configuration(chosen.library):
        refuse_others(parser, chosen, _OF_LIBRARIES, "does not go with a stream configuration")
        return
    refuse_others(parser, chosen, _OF_CONFIGURATIONS, "is for a stream configuration, a file whose name ends in .json")
    if chosen.image and chosen.video:
        parser.error("--image and --video are both a frame; give one of them")
    if chosen.at is not None and not chosen.video:
        parser.error("--at belongs to --video, and there is none; write --video FILE --at TIME")
    chosen.format, chosen.repeat, chosen.at = chosen.format or "RGBA", chosen.repeat or 10, chosen.at or 0.0


def _size(text: str) -> tuple[int, int]:
    """``640x480`` as (640, 480)."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if not (1 <= width <= 16384 and 1 <= height <= 16384):
        raise argparse.ArgumentTypeError(f"{text} is no size; write it as 640x480")
    return width, height
