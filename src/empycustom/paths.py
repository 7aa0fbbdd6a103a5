"""Paths as they are typed, stand in files and in properties: UTF-8 text, whatever the locale of the process is.

Python takes the encoding of the file system from the locale, which in the C locale of an embedded interpreter (that of
gst-launch-1.0) is ASCII. A path is bytes, so the text is made bytes here and these a path that this Python's functions take.
"""

from __future__ import annotations

import os
from pathlib import Path

from empycustom.errors import PathError


def as_path(text: str) -> Path:
    """Return the path that ``text`` names, with ``~`` expanded. Raises PathError where that home folder is not known."""
    native = as_native(text)
    expanded = os.path.expanduser(native)
    if native.startswith("~") and expanded.startswith("~"):
        home = text.partition(os.sep)[0]
        advice = "write the path without ~, or begin it with ./"
        raise PathError(f"{text} does not exist: the home folder {home} is not known; {advice}")
    return Path(expanded)


def as_native(text: str) -> str:
    """Return text as this Python's functions for files take it."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def as_text(path: Path) -> str:
    """Return a path as text, which :func:`as_path` makes the same path of; bytes that are not UTF-8 stay, as surrogates."""
    text = from_native(str(path))
    return f"./{text}" if text.startswith("~") else text


def from_native(text: str) -> str:
    """Return what this Python made of bytes (an argument, a path) as UTF-8 text."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")
