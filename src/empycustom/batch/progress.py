"""The progress of a batch, for people: bars on a terminal, else a line now and then."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from empycustom.batch import Outcome, Progress, Task
from empycustom.session.console import line_guard, print_error, print_info, write_stderr
from empycustom.text import for_people

_LINE_EVERY_S = 10.0
_LAST_WORDS_S = 1.0
_NAME = 30  # characters of a video's name beside its bar
_AT_ONCE = 1 << 16


class Display:
    """Shows how a batch goes on, on stderr.

    ``stderr`` is a file descriptor for processes that play videos, whose lines stand above the bars; None: there are no bars.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._bars = _Bars() if not quiet and _takes_bars() else None
        self._quiet = quiet
        self._running: dict[tuple[str, int], Progress] = {}
        self._left = self._ended = self._failed = 0
        self._has_warned = False  # with a traceback, which is much the same for each video
        self._frames = self._frames_then = 0  # of what has ended; of all, when the last line was printed
        self._last = time.monotonic()

    @property
    def stderr(self) -> int | None:
        """The place where processes are to print."""
        return self._bars.stderr if self._bars else None

    def begun(self, left: int, done: int) -> None:
        """Begin: so many videos are left, and so many were done before."""
        self._left = left
        if done and not self._quiet:
            print_info(f"Videos finished before: {done}; left: {left}.")
        if self._bars:
            self._bars.begin(left)

    def progress(self, progress: Progress) -> None:
        """Show how far a video is."""
        self._running[_key(progress.task)] = progress
        if self._bars:
            self._bars.show(progress)

    def piece_ended(self, outcome: Outcome) -> None:
        """Take the bar of a piece away."""
        self._running.pop(_key(outcome.task), None)
        if self._bars:
            self._bars.remove(outcome.task)

    def ended(self, outcome: Outcome) -> None:
        """Show what became of a video."""
        self._ended += 1
        self._frames += outcome.frames
        self.piece_ended(outcome)
        if outcome.error:
            self._failed += 1
            name = f"{for_people(outcome.task.name)}: "
            print_error(outcome.error if outcome.error.startswith(name) else f"{name}{outcome.error}", outcome.details)
        elif outcome.warning and not self._quiet:
            count = f"; {outcome.failed_calls} calls have failed" if outcome.failed_calls > 1 else ""
            text = f"{for_people(outcome.task.name)}: {outcome.warning}{count}"
            print_error(text, "" if self._has_warned else outcome.details, kind="warning")
            self._has_warned = True
        if self._bars:
            self._bars.count(self._ended, self._failed)

    def tick(self) -> None:
        """Print a line now and then, where there is no terminal."""
        now = time.monotonic()
        if self._bars or self._quiet or now - self._last < _LINE_EVERY_S:
            return
        frames = self._frames + sum(each.frames for each in self._running.values())
        rate = max(0, frames - self._frames_then) / (now - self._last)
        self._last, self._frames_then = now, frames
        failed = f", {self._failed} failed" if self._failed else ""
        print_info(f"{self._ended} of {self._left} videos{failed}, {len(self._running)} under way: {rate:.0f} frames a second")

    def close(self) -> None:
        """Take the bars away."""
        if self._bars:
            self._bars.close()


def _takes_bars() -> bool:
    """Return True if stderr is a terminal that can go back to lines, and has a size, which those of some CI do not have."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and os.get_terminal_size(sys.stderr.fileno()).columns > 0


def _key(task: Task) -> tuple[str, int]:
    return task.key, task.piece


class _Bars:
    """Bars on a terminal: one for all videos, and one for each that is played."""

    def __init__(self) -> None:
        from tqdm import tqdm

        class Bar(tqdm):
            monitor_interval = 0  # no thread that shows bars again

        self._bar_type = Bar
        self._all: Any = None
        self._bars: dict[tuple[str, int], Any] = {}
        reading, self.stderr = os.pipe()
        self._forwarder = threading.Thread(target=_forward, args=(reading,), daemon=True)
        self._forwarder.start()
        line_guard[0] = self._hidden

    def _hidden(self) -> AbstractContextManager[Any]:
        """Return a context in which lines are written above the bars."""
        guard: AbstractContextManager[Any] = self._bar_type.external_write_mode(file=sys.stderr)
        return guard

    def _bar(self, total: int | None, unit: str, name: str, place: int) -> Any:
        named = {"total": total, "unit": unit, "desc": name, "position": place}
        return self._bar_type(file=sys.stderr, leave=False, dynamic_ncols=True, **named)

    def begin(self, left: int) -> None:
        self._all = self._bar(left, " videos", "all", 0)

    def count(self, ended: int, failed: int) -> None:
        if failed:
            self._all.set_postfix_str(f"{failed} failed", refresh=False)
        self._all.update(ended - self._all.n)

    def show(self, progress: Progress) -> None:
        bar = self._bars.get(_key(progress.task))
        if bar is None:
            used = {-each.pos for each in self._bars.values()}
            place = next(number for number in itertools.count(1) if number not in used)
            name = for_people("/".join(progress.task.name.rstrip("/").split("/")[-2:]))[-_NAME:]  # cam1/0.mp4
            bar = self._bars[_key(progress.task)] = self._bar(progress.expected, " frames", name, place)
        bar.total = progress.expected and max(progress.expected, progress.frames)
        bar.update(progress.frames - bar.n)

    def remove(self, task: Task) -> None:
        bar = self._bars.pop(_key(task), None)
        if bar is not None:
            bar.close()

    def close(self) -> None:
        os.close(self.stderr)
        self._forwarder.join(_LAST_WORDS_S)  # what a library has started may have the other end
        line_guard[0] = nullcontext
        for bar in (*self._bars.values(), self._all):
            if bar is not None:
                with suppress(OSError, ValueError):  # the terminal is closed
                    bar.close()


def _forward(reading: int) -> None:
    """Print the lines that processes print."""
    rest = b""
    while data := os.read(reading, _AT_ONCE):
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            write_stderr(b"\n".join(lines).decode(errors="backslashreplace"))
    if rest:
        write_stderr(rest.decode(errors="backslashreplace"))
    os.close(reading)
