"""Make docs/commands.md from the parser of the command line. The layout of --help is not used: it differs between Pythons."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from itertools import groupby
from textwrap import dedent
from typing import Any

from tables import table

from empycustom.app.arguments import make_parser

HEAD = "<!-- Made by tools/pages/commands.py from the parser itself; not to be edited. -->\n"
KINDS = {"positional arguments": "argument", "options": "option"}  # what argparse calls its own groups


def made() -> dict[str, str]:
    """Return the page by its name."""
    parser = make_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    short = [[f"[`{action.dest}`](#{action.dest})", action.help or ""] for action in commands._choices_actions]
    parts = [
        HEAD,
        "# The command line\n",
        *_text(parser.description),
        *table(["command", "what it is for"], short),
        *_arguments(parser),
        *_text(parser.epilog),
    ]
    for name, command in commands.choices.items():
        parts += [f"## `{name}`\n", *_text(command.description), _usage(command), *_arguments(command), *_text(command.epilog)]
    return {"commands.md": "\n".join(parts)}


def _usage(command: Any) -> str:
    typed = [action for action in command._actions if action.dest != "help"]
    options = ["[OPTIONS]"] if any(action.option_strings for action in typed) else []
    options += [f"{action.option_strings[0]} {action.metavar}" for action in typed if action.option_strings and action.required]
    needed = [action.metavar + ("..." if action.nargs == "+" else "") for action in typed if not action.option_strings]
    return f"Usage: `{' '.join([command.prog, *options, *needed])}`\n"


def _arguments(parser: Any) -> Iterator[str]:
    """Yield a table for each group, without the commands and --help."""
    for group in parser._action_groups:
        rows = [[_name(action), _marked(action.help % vars(action))] for action in group._group_actions if _is_shown(action)]
        if rows:
            yield from table([KINDS.get(group.title, f"option {group.title}"), "meaning"], rows)


def _is_shown(action: Any) -> bool:
    return action.dest != "help" and not isinstance(action, argparse._SubParsersAction)


def _name(action: Any) -> str:
    return ", ".join(f"`{' '.join(filter(None, [option, action.metavar]))}`" for option in action.option_strings or [""])


def _text(text: str) -> Iterator[str]:
    """Yield a text of the help; indented parts are a list in two columns, or commands."""
    for indented, lines in groupby(text.splitlines(), lambda line: line.startswith(" ")):
        part = dedent("\n".join(lines)).strip()
        rows = [re.split(" {2,}", row, maxsplit=1) for row in part.splitlines()]
        if not indented:
            yield re.sub(r"(^|\n\n)[a-z]", lambda found: found[0].upper(), _marked(part)) + "\n"
        elif any(len(row) == 2 and row[0] for row in rows):
            yield "".join(f"- `{row[0]}`" + "".join(f": {_marked(cell)}" for cell in row[1:]) + "\n" for row in _joined(rows))
        else:
            yield f"<!-- shown -->\n```sh\n{part}\n```\n"


def _joined(rows: list[list[str]]) -> list[list[str]]:
    """Return the rows of two columns; a line with nothing in the first one goes on with the row before."""
    joined: list[list[str]] = []
    for row in rows:
        if row[0]:
            joined.append(row)
        else:
            joined[-1][-1] += f" {row[-1]}"
    return joined


def _marked(text: str) -> str:
    """Return the text with options as code: otherwise their dashes would become one."""
    return re.sub(r"`[^`]*`|(?<![\w-])--?[a-z][\w-]*", lambda found: f"`{found[0].strip('`')}`", text)
