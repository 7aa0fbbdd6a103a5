"""Where in the user's file an exception comes from, and how to say it."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any

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
    """Find the last line of ``library`` (a path) that ``error`` went through. It never raises itself."""
    try:
        return _blame(error, library)
    except BaseException as failure:  # noqa: BLE001 - looking at it runs code of the user's
        what = f"{kind_of(error)} (which cannot be looked at: that raises {kind_of(failure)})"
        return Blame(library, None, _printable(what), "")


def kind_of(value: Any) -> str:
    """Return the name of a value's class, whatever the class makes of it."""
    return str(type.__dict__["__name__"].__get__(type(value)))


def is_kind(value: Any, kind: type) -> bool:
    """Say whether the class of a value is ``kind`` or one below it, whatever the value says of itself."""
    return any(base is kind for base in type.__dict__["__mro__"].__get__(type(value)))


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return where an exception came through, whatever its class says of that."""
    return BaseException.__dict__["__traceback__"].__get__(error)  # type: ignore[no-any-return]


def _blame(error: BaseException, library: str) -> Blame:
    frames = _of_user(traceback_of(error))
    lines = [tb.tb_lineno for tb in frames if tb.tb_frame.f_code.co_filename == library]
    line = lines[-1] if lines else None
    if is_kind(error, SyntaxError) and error.filename == library and isinstance(error.lineno, int):  # type: ignore[attr-defined]
        line = error.lineno  # type: ignore[attr-defined]
    return Blame(library, line, _one_line(error), _printable(_traceback(error, _chained(frames))))


def _traceback(error: BaseException, tb: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, tb)).rstrip()
    except BaseException:  # noqa: BLE001 - the user's class may do anything; then its lines alone
        return "".join(["Traceback (most recent call last):\n", *traceback.format_tb(tb), _one_line(error)])


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
    kind = kind_of(error)
    first, _, more = _text(error).strip().partition("\n")
    if len(first) > _LONGEST:
        first, more = first[:_LONGEST], "more"
    return _printable(f"{kind}: {first.rstrip()}{' …' if more else ''}" if first else kind)


def _text(error: BaseException) -> str:
    try:
        said = (error.msg or "") if is_kind(error, SyntaxError) else error  # type: ignore[attr-defined]
        return str.__str__(str(said))  # also where it is a class of text that does other things
    except BaseException as failure:  # noqa: BLE001 - the user's __str__ may do anything, and is not what is to be told
        return f"(its text cannot be had: {kind_of(failure)})"


def _printable(text: str) -> str:
    """Return ``text`` such that it can be written as UTF-8, ends nowhere in C, and says nothing to a terminal."""
    return for_people(without_package(text), lines=True)
