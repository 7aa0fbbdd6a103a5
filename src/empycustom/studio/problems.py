"""What is wrong with a library, as the page gets it: a sentence, the place in the file with the lines around, a traceback."""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from empycustom.errors import CallbackOutputError, LibraryError, ReloadError, TracebackError, WorkerError
from empycustom.model.values import number_in

_AROUND = 4  # lines before and after the one that failed
_LONGEST_TEXT = 20_000
_numbers = itertools.count(1)


def problem_of(kind: str, text: str, details: str = "", error: BaseException | None = None) -> dict[str, Any]:
    """Return a problem as the page gets it. Of an error of a library it has the place in the file.

    ``number`` is that of the frame that caused it, None: there is none, or there are several. The problem does not refer to the
    error, whose traceback would keep buffers.
    """
    found: dict[str, Any] = {"id": str(next(_numbers)), "kind": kind, "text": text, "traceback": details[-_LONGEST_TEXT:]}
    found |= {"file": "", "line": None, "around": [], "frame": "", "number": None}
    found["new_version"] = isinstance(error, ReloadError)
    if isinstance(error, LibraryError):
        found |= {"file": error.library, "line": error.line, "frame": error.frame, "number": number_in(error.frame)}
    return found


def is_failure(error: BaseException) -> bool:
    """Return whether a library failed. With ``on-error=pass`` that is posted as a warning, because the stream goes on."""
    if isinstance(error, (ReloadError, WorkerError)):
        return True
    return isinstance(error, TracebackError) and bool(error.details or (isinstance(error, CallbackOutputError) and error.frame))


def lines_around(file: str, line: int) -> list[tuple[int, str]]:
    """Return the lines of a file around one of them, with their numbers."""
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:  # it is gone; the sentence has its place
        return []
    lines = text.removesuffix("\n").split("\n")  # as Python counts them: not at form feeds
    first = max(0, line - 1 - _AROUND)
    return [(first + number, text[:400]) for number, text in enumerate(lines[first : line + _AROUND], 1)]


def where_in(file: str, runner: object) -> tuple[int, str] | None:
    """Return the line of a library's file where a call of its runner is, and the stack from there; None: there is none."""
    for frame in sys._current_frames().values():
        if not _is_called_by(frame, runner):
            continue
        stack = traceback.extract_stack(frame)
        inside = [number for number, entry in enumerate(stack) if entry.filename == file]
        if inside:
            return stack[inside[-1]].lineno or 1, "".join(traceback.format_list(stack[inside[0] :]))
    return None


def _is_called_by(frame: FrameType | None, runner: object) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "run" and frame.f_locals.get("self") is runner:
            return True
        frame = frame.f_back
    return False


def stamp_of(file: str) -> Any:
    """Return what changes when a file is saved; None where there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
