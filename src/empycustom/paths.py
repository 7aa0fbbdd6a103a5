"""Paths as they are typed, stand in files and in properties: UTF-8 text, whatever the locale of the process is.

And reading files of JSON, whatever else the path may name.

Python takes the encoding of the file system from the locale, which in the C locale of an embedded interpreter (that of
gst-launch-1.0) is ASCII. A path is bytes, so the text is made bytes here and these a path that this Python's functions take.
"""

from __future__ import annotations

import json
import os
import select
import stat
import sys
import time
from collections.abc import Iterator
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
    return f"./{text}" if text.startswith(("~", "'")) else text  # marks that a property obeys


def from_native(text: str) -> str:
    """Return what this Python made of bytes (an argument, a path) as UTF-8 text."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


_LARGEST = 64 << 20  # bytes of JSON
_PATIENCE_S = 10.0  # for a pipe


def read_json_text(path: Path) -> str:
    """Return the text of a file of JSON: UTF-8, or UTF-16 and UTF-32 as other systems write them; it may begin with its mark.

    A pipe, such as ``<(command)`` of a shell, is read to its end. Raises OSError, and ValueError where it is no text, a device,
    too large, or a pipe that does not end.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise ValueError("it is a device or a socket, not a file")
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        data = b"".join(_parts(file.fileno(), is_pipe=stat.S_ISFIFO(mode)))
    return data.decode(json.detect_encoding(data))


def _parts(file: int, *, is_pipe: bool) -> Iterator[bytes]:
    waits = select.poll()
    waits.register(file, select.POLLIN)
    read, end = 0, time.monotonic() + _PATIENCE_S
    while read <= _LARGEST:
        if is_pipe and not waits.poll(max(end - time.monotonic(), 0) * 1000):
            raise ValueError(f"it is a pipe that nobody wrote to its end within {_PATIENCE_S:.0f} s")
        part = os.read(file, 1 << 20)
        if not part:
            return
        read += len(part)
        yield part
    raise ValueError(f"it has more than {_LARGEST >> 20} MiB, which no options need")
