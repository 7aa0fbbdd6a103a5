"""Paths as they are typed, stand in files and in properties: UTF-8 text, whatever the locale of the process is.

Python takes the encoding of the file system from the locale, which in the C locale of an embedded interpreter (that of
gst-launch-1.0) is ASCII. A path is bytes, so the text is made bytes here and these a path that this Python's functions take.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
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


def use_native_folders() -> None:
    """Let Python search all folders of ``sys.path``: one that it cannot encode makes each import fail from Python 3.14 on.

    GStreamer's loader puts the home folder there as text, after our elements were loaded.
    """
    for at, folder in enumerate(sys.path):
        with suppress(TypeError):  # not a path at all, which Python skips
            sys.path[at] = folder if _is_encodable(folder) else as_native(folder)


def _is_encodable(folder: str) -> bool:
    try:
        os.fsencode(folder)
    except UnicodeEncodeError:
        return False
    return True


def as_text(path: Path) -> str:
    """Return a path as text, which :func:`as_path` makes the same path of; bytes that are not UTF-8 stay, as surrogates."""
    text = from_native(str(path))
    return f"./{text}" if text.startswith("~") else text


def from_native(text: str) -> str:
    """Return what this Python made of bytes (an argument, a path) as UTF-8 text."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")
