"""The progress of a batch, for people: bars on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

from empycustom.batch import Outcome, Progress
from empycustom.session.console import print_error, print_info
from empycustom.text import for_people

_LINE_EVERY_S = 10.0


class Display:
    """Shows how a batch goes on, on stderr. ``slots`` is how many videos are worked on at once."""

    def __init__(self, slots: int, *, quiet: bool = False) -> None:
        self._is_shown, self._slots = not quiet and sys.stderr.isatty(), slots
        self._quiet = quiet
        self._bar: Any = None
        self._bars: dict[str, Any] = {}
        self._left = self._ended = self._failed = self._frames = 0
        self._last = self._began = time.monotonic()

    def begun(self, left: int, done: int) -> None:
        """Begin: so many videos are left, and so many were done before."""
        self._left = left
        if done and not self._quiet:
            print_info(f"{done} videos were done before; {left} are left.")
        if self._is_shown:
            from tqdm import tqdm

            self._bar = tqdm(total=left, unit="video", desc="videos", position=0, leave=False, dynamic_ncols=True)

    def progress(self, progress: Progress) -> None:
        """Show how far a video is."""
        if not self._is_shown:
            return
        from tqdm import tqdm

        key = f"{progress.task.key}.{progress.task.piece}"
        bar = self._bars.get(key)
        if bar is None:
            used = {each.pos for each in self._bars.values()}
            place = next(number for number in range(1, self._slots + len(used) + 2) if -number not in used)
            name = for_people(progress.task.key)[:30]
            bar = self._bars[key] = tqdm(
                total=progress.expected, unit="frame", desc=name, position=place, leave=False, dynamic_ncols=True
            )
        bar.update(progress.frames - bar.n)

    def piece_ended(self, outcome: Outcome) -> None:
        """Take the bar of a piece away."""
        bar = self._bars.pop(f"{outcome.task.key}.{outcome.task.piece}", None)
        if bar is not None:
            bar.close()

    def ended(self, outcome: Outcome) -> None:
        """Show what became of a video."""
        self._ended += 1
        self._frames += outcome.frames
        self.piece_ended(outcome)
        if self._bar is not None:
            self._bar.update(1)
        if outcome.error:
            self._failed += 1
            print_error(f"{outcome.task.name}: {outcome.error}", outcome.details)

    def tick(self) -> None:
        """Print a line now and then, where there is no terminal."""
        now = time.monotonic()
        if self._is_shown or self._quiet or now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        rate = self._frames / (now - self._began)
        print_info(f"{self._ended} of {self._left} videos, {self._failed} failed; {rate:.0f} frames a second")

    def close(self) -> None:
        """Take the bars away."""
        for bar in (*self._bars.values(), self._bar):
            if bar is not None:
                bar.close()
