"""The layout of ``--help``: as the texts are written where the terminal is wide enough, otherwise in lines that fit."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

_LEAST_TEXT = 24  # columns for the right one of two columns; with fewer it goes below the left one


class Plain(argparse.RawDescriptionHelpFormatter):
    """Formatter that keeps texts as they are written, or fits them into a narrow terminal without breaking words."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{**settings, "max_help_position": 28})

    def _format_usage(self, usage: Any, actions: Iterable[argparse.Action], groups: Any, prefix: str | None) -> str:
        """Return what has to be typed: options that may be left out are listed below it."""
        if usage is not None:
            return super()._format_usage(usage, actions, groups, prefix)
        options = [action for action in actions if action.option_strings]
        words = [f"{'usage: ' if prefix is None else prefix}{self._prog}", "[OPTIONS]"]
        words += [f"{action.option_strings[0]} {action.metavar}" for action in options if action.required]
        for action in actions:
            if not action.option_strings:
                words += [str(action.metavar)] + (["..."] if action.nargs in ("+", argparse.PARSER) else [])
        return f"{_filled(' '.join(words), self._width, '  ')}\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent("\n".join(_fitted(text, max(width, 11))), indent)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _filled(" ".join(text.split()), max(width, 11)).splitlines()


def _filled(text: str, width: int, indent: str = "", first: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _fitted(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text: paragraphs, and indented parts, which are a list in two columns, or commands."""
    for (empty, indented), group in groupby(text.splitlines(), lambda line: (not line, line.startswith(" "))):
        lines = list(group)
        if empty or all(len(line) <= width for line in lines):
            yield from lines
        elif not indented:
            yield from _filled(" ".join(lines), width).splitlines()
        elif any(re.search(r"\S {2,}\S", line) for line in lines):
            yield from _in_columns(lines, width)
        else:
            yield from _commands(lines, width)


def _in_columns(lines: list[str], width: int) -> Iterator[str]:
    """Yield a list of names and texts; a line with nothing in the first column goes on with the text before it."""
    rows: list[list[str]] = []
    for line in lines:
        name, _, text = line[2:].partition("  ") if line[2:3] != " " else ("", "", line)
        if name:
            rows.append([name, text.strip()])
        else:
            rows[-1][1] += f" {text.strip()}"
    left = max(len(name) for name, text in rows if text) + 4
    for name, text in rows:
        if width - left >= _LEAST_TEXT and (text or len(name) + 2 <= width):
            yield from _filled(text, width, " " * left, f"  {name}".ljust(left)).splitlines() or [f"  {name}"]
        else:
            yield from _commands([f"  {name}"], width)
            yield from _filled(text, width, " " * 6, " " * 6).splitlines()


def _commands(lines: list[str], width: int) -> Iterator[str]:
    """Yield commands in as many lines as they need, so that a shell takes those of one as one."""
    quote = ""  # that is open: a line in it goes on without a backslash
    for line in re.sub(r" \\\n +", " ", "\n".join(lines)).splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        shown = ""
        units = re.findall(r"--[\w-]+ (?!-)\S+|\S+", line)  # an option and its value are not separated
        for index, unit in enumerate(units):
            longer = f"{shown} {unit}" if shown else f"{indent}{unit}"
            if shown and len(longer) + (0 if quote or index == len(units) - 1 else 2) > width:
                yield shown if quote else f"{shown} \\"
                longer = f"{indent}    {unit}"
            shown = longer
            for sign in re.findall("[\"']", unit):
                quote = sign if not quote else "" if sign == quote else quote
        yield shown
