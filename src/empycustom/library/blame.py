"""Where in the user's file an exception comes from, and how to say it."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass

_HERE = os.path.dirname(__file__)


@dataclass(frozen=True)
class Blame:
    """What is known of an exception: file and ``line`` (from 1, or None), its text on one line, and its traceback.

    The traceback begins in the user's code; the frames of this package are left out.
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
    tb = error.__traceback__
    while tb is not None and _is_own(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    lines = [frame.lineno for frame in traceback.extract_tb(tb) if frame.filename == library]
    line = lines[-1] if lines else None
    if isinstance(error, SyntaxError) and error.filename == library:
        line = error.lineno
    text = "".join(traceback.format_exception(type(error), error, tb)).rstrip()
    return Blame(library, line, _one_line(error), text)


def _is_own(filename: str) -> bool:
    return filename.startswith((_HERE, "<frozen importlib"))


def _one_line(error: BaseException) -> str:
    text = str(error) if not isinstance(error, SyntaxError) else error.msg
    first, _, more = text.strip().partition("\n")
    return f"{type(error).__name__}: {first}{' …' if more else ''}" if first else type(error).__name__
