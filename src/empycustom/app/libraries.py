"""``--lib``, ``--options``, ``--every`` and ``--on-error``: which libraries run, in which order, and with what."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from empycustom.errors import PathError
from empycustom.paths import as_path, as_text


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
