"""How far ``empycustom run`` is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from empycustom.app.playing import debugger
from empycustom.app.standard_streams import beside, write_stderr

_LINE_EVERY_S = 3.0


class Progress:
    """Progress on stderr, in frames. :meth:`update` is cheap; a ``total`` of None is an end that is not known (yet)."""

    def __init__(self, *, quiet: bool) -> None:
        self._began = self._said = time.monotonic()
        self._bar = None if quiet else _bar()
        self._lines = not quiet and self._bar is None
        self._paused = False
        self._frames_then: int | None = None  # how many were done in the pause
        self._terminal = threading.Lock()
        if self._bar is not None:
            beside[0] = self._aside

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    def update(self, frames: int, total: int | None) -> None:
        """Say that ``frames`` of ``total`` are done, unless somebody else has the terminal."""
        with self._terminal:
            if not self._is_paused(frames):
                self._show(frames, total)

    def _is_paused(self, frames: int) -> bool:
        if self._paused and not debugger.is_open():
            self._paused = self._frames_then in (None, frames)
            self._frames_then = frames
        return self._paused

    def _show(self, frames: int, total: int | None) -> None:
        if self._bar is not None:
            self._bar.total = total and max(total, frames)
            with suppress(OSError, ValueError):  # nobody sees it any more; the stream goes on
                self._bar.update(frames - self._bar.n)
        elif self._lines and time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            share = f" of {total} ({100 * frames // max(total, 1)} %)" if total else ""
            write_stderr(f"{frames} frame{'' if frames == 1 else 's'}{share}, {frames / self.seconds:.1f} fps")

    def pause(self) -> None:
        """Leave the terminal to a debugger, until it is closed and frames go on; any thread may ask for it."""
        with self._terminal:
            if self._bar is not None and not self._paused:
                with suppress(OSError, ValueError):
                    self._bar.clear()
            self._paused, self._frames_then = True, None

    def _aside(self) -> AbstractContextManager[Any]:
        """Clear the bar for a line of somebody else, and show it again."""
        return nullcontext() if self._bar is None or self._paused else self._bar.external_write_mode(file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        beside[0] = nullcontext
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
            self._bar = None


def _bar() -> Any:
    """A bar on the terminal, None where stderr is none."""
    if sys.stderr is None or sys.stderr.closed or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no thread that shows it again after ten seconds without a frame, as of a debugger

    columns = min(shutil.get_terminal_size().columns, 100)
    # Told both, tqdm shows a bar even on a terminal that does not know its size.
    return Bar(unit=" frames", file=sys.stderr, mininterval=0.2, ncols=columns, nrows=20)
