"""What can be typed for ``empycustom run emi_stream_config.json``, and what does not go with it."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from empycustom.app.parsers import filled
from empycustom.text import not_for_lines

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
