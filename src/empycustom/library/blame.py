"""Where in the user's file an exception comes from, and how to say it."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from types import TracebackType

from empycustom.library.imports import without_package
from empycustom.text import for_people

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_IMPORTING = (os.path.dirname(__file__) + os.sep, "<frozen importlib")
_LONGEST = 500  # characters of an exception's text on one line


@dataclass(frozen=True)
class Blame:
    """What is known of an exception: file and ``line`` (from 1, or None), its text on one line, and its traceback.

    The traceback begins in the user's code; the frames of this package before it, and those of importing, are left out.
    """

    file: str
    line: int | None
    what: str
    traceback: str

    @property
    def place(self) -> str:
        """``file.py:12``, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file


def blame(error: BaseException, library: str) -> Blame:
    """Find the last line of ``library`` (a path) that ``error`` went through."""
    frames = _of_user(error.__traceback__)
    lines = [tb.tb_lineno for tb in frames if tb.tb_frame.f_code.co_filename == library]
    line = lines[-1] if lines else None
    if isinstance(error, SyntaxError) and error.filename == library:
        line = error.lineno
    text = "".join(traceback.format_exception(type(error), error, _chained(frames))).rstrip()
    return Blame(library, line, _one_line(error), _printable(text))


def _of_user(tb: TracebackType | None) -> list[TracebackType]:
    frames: list[TracebackType] = []
    while tb is not None:
        own = _IMPORTING if frames else (*_IMPORTING, _PACKAGE)
        if not tb.tb_frame.f_code.co_filename.startswith(own):
            frames.append(tb)
        tb = tb.tb_next
    return frames


def _chained(frames: list[TracebackType]) -> TracebackType | None:
    chain: TracebackType | None = None
    for tb in reversed(frames):
        chain = TracebackType(chain, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return chain


def _one_line(error: BaseException) -> str:
    kind = type(error).__name__
    first, _, more = for_people(_text(error).strip(), lines=True).partition("\n")
    if len(first) > _LONGEST:
        first, more = first[:_LONGEST], "more"
    return _printable(f"{kind}: {first.rstrip()}{' …' if more else ''}" if first else kind)


def _text(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg or ""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - the user's __str__ may do anything, and is not what is to be told
        return f"(its text cannot be had: {type(failure).__name__})"


def _printable(text: str) -> str:
    """Return ``text`` such that it can be written as UTF-8, ends nowhere in C, and says nothing to a terminal."""
    return for_people(without_package(text), lines=True)
