"""Opening a new version of a library in a thread of its own: what it does then may never return."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

_V = TypeVar("_V")


class Opening(Generic[_V]):
    """Calls ``open_version``, which returns a version or raises. ``discard`` gets a version that comes when nobody wants it."""

    def __init__(self, open_version: Callable[[], _V], discard: Callable[[_V], None]) -> None:
        self._open, self._discard = open_version, discard
        self._began, self._done = monotonic(), Event()
        self._lock, self._is_wanted = Lock(), True
        self._opened: list[_V] = []
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="empycustom reload", daemon=True)
        self._thread.start()

    @property
    def took(self) -> float:
        """The seconds since it began."""
        return monotonic() - self._began

    def wait(self, longest_s: float) -> bool:
        """Wait until it is done, so long at most, and return whether it is."""
        return self._done.wait(longest_s)

    def give_up(self) -> bool:
        """Want the version no more; return False where it is done."""
        with self._lock:
            self._is_wanted = self._done.is_set()
            return not self._is_wanted

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    def result(self) -> _V:
        """Return the version, or raise what opening it has raised. It is done."""
        self.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return self._opened.pop()

    def place(self, path: str) -> tuple[int | None, str]:
        """Return the line of the library at ``path`` where it is now, and the functions from there on.

        Their text is left out: the file may have another one by now.
        """
        frame = sys._current_frames().get(self._thread.ident or 0)
        stack = [(each.f_code, line) for each, line in traceback.walk_stack(frame)] if frame else []
        its = [at for at, (code, _) in enumerate(stack) if code.co_filename == path]
        if not its:
            return None, ""
        lines = [f'  File "{code.co_filename}", line {line} in {code.co_name}' for code, line in stack[: its[-1] + 1]]
        return stack[its[0]][1], "\n".join(["The new version is here (most recent call first):", *lines])

    def _run(self) -> None:
        version, failure = None, None
        try:
            version = self._open()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            failure = error
        with self._lock:
            self._done.set()
            is_wanted = self._is_wanted
            if is_wanted and version is not None:
                self._opened.append(version)
            self._failure = failure
        if not is_wanted and version is not None:
            self._discard(version)
