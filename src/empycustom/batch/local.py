"""The executor on this machine: processes that live on from task to task, and are replaced when they crash."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from empycustom.batch import Outcome, Progress, Task, Work
from empycustom.batch.process import CLOSES_S, Process
from empycustom.batch.remote import copy_of, remove

_SOON_S = 0.005


class LocalExecutor:
    """Plays tasks in ``jobs`` processes. ``known`` are the types of columns so far, which may grow from task to task.

    A process from which no frame comes for ``timeout_s`` is ended; 0: none is. What they print goes to the
    file descriptor ``stderr``, None: that of this process.
    """

    def __init__(
        self,
        work: Work,
        folder: Path,
        jobs: int,
        known: dict[str, dict[str, str]],
        *,
        timeout_s: float = 0,
        stderr: int | None = None,
    ) -> None:
        self.slots, self._setup = jobs, {"work": asdict(work), "folder": str(folder)}
        self._folder, self._known = folder, known
        self._timeout_s, self._stderr = timeout_s, stderr
        self._waiting: deque[Task] = deque()
        self._processes: list[Process] = []
        self._selector = selectors.DefaultSelector()
        self._unclosed = ""

    def submit(self, task: Task) -> None:
        """Play a task, as soon as there is room. Raises LaunchError if no process can be started."""
        self._waiting.append(task)
        self._assign()

    def _assign(self) -> None:
        while self._waiting:
            working = [each for each in self._processes if not each.is_retired]
            free = next((each for each in working if each.task is None), None)
            if free is None and len(working) < self.slots:
                free = Process(self._setup, self._timeout_s, self._stderr)
                self._processes.append(free)
                self._selector.register(free.answers, selectors.EVENT_READ, free)
            if free is None:
                return
            free.give(self._waiting.popleft(), self._known)

    def events(self, timeout_s: float) -> Iterator[Progress | Outcome]:
        """Yield what has happened, and wait for something for so long at most."""
        is_ending = any(process.is_silent for process in self._processes)
        for key, _ in self._selector.select(_SOON_S if is_ending else timeout_s):
            process: Process = key.data
            yield from process.read()
        for process in [*self._processes]:
            for event in process.look():
                remove(copy_of(event.task, self._folder))  # it has ended before it could
                yield event
            if (process.is_silent or process.is_gone) and process.answers in self._selector.get_map():
                self._selector.unregister(process.answers)
            if process.is_gone:
                self._bury(process)
                self._processes.remove(process)
        self._assign()

    def close(self) -> str:
        """End all that is played, at once; processes that play nothing end by themselves. Return what went wrong there."""
        for process in self._processes:
            if not process.task:
                process.retire()
            elif not process.is_gone:
                process.kill()
        deadline = time.monotonic() + CLOSES_S
        for process in self._processes:
            while not process.has_ended and time.monotonic() < deadline:
                time.sleep(_SOON_S)
            self._bury(process)
        self._processes.clear()
        self._selector.close()
        return self._unclosed

    def _bury(self, process: Process) -> None:
        for _ in process.read():  # whether it has closed all; what its task has become is lost
            pass
        process.bury()
        process.close()
        self._unclosed = process.unclosed or self._unclosed
