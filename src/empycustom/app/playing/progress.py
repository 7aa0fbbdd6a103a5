"""How far ``empycustom run`` is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import suppress
from typing import Any

from empycustom.app.standard_streams import write_stderr

_LINE_EVERY_S = 3.0


class Progress:
    """Progress on stderr, in frames. :meth:`update` is cheap; a ``total`` of None is an end that is not known (yet)."""

    def __init__(self, *, quiet: bool) -> None:
        self._began = self._said = time.monotonic()
        self._bar = None if quiet else _bar()
        self._lines = not quiet and self._bar is None

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    def update(self, frames: int, total: int | None) -> None:
        """Say that ``frames`` of ``total`` are done."""
        if self._bar is not None:
            self._bar.total = total and max(total, frames)
            with suppress(OSError, ValueError):  # nobody sees it any more; the stream goes on
                self._bar.update(frames - self._bar.n)
        elif self._lines and time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            share = f" of {total} ({100 * frames // max(total, 1)} %)" if total else ""
            write_stderr(f"{frames} frames{share}, {frames / self.seconds:.1f} fps")

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
            self._bar = None


def _bar() -> Any:
    """A bar on the terminal, None where stderr is none."""
    if sys.stderr is None or sys.stderr.closed or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    columns = min(shutil.get_terminal_size().columns, 100)
    # Told both, tqdm shows a bar even on a terminal that does not know its size.
    return tqdm(unit=" frames", file=sys.stderr, mininterval=0.2, ncols=columns, nrows=20)
