"""The parsers of the command line: what was typed is shown to people, and checked as a whole."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from empycustom.app.standard_streams import show
from empycustom.text import for_people

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
