"""The executor on this machine: processes that live on from task to task, and are replaced when they crash."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from empycustom.batch import Outcome, Progress, Task, Work

_AT_ONCE = 1 << 16
_ENDS_S = 5.0


class LocalExecutor:
    """Plays tasks in ``jobs`` processes. ``known`` are the types of columns so far, which may grow from task to task."""

    def __init__(self, work: Work, folder: Path, jobs: int, known: dict[str, dict[str, str]]) -> None:
        self.slots, self._setup = jobs, {"work": asdict(work), "folder": str(folder)}
        self._known = known
        self._waiting: deque[Task] = deque()
        self._processes: list[_Process] = []

    def submit(self, task: Task) -> None:
        """Play a task, as soon as there is room."""
        self._waiting.append(task)
        self._assign()

    def _assign(self) -> None:
        while self._waiting:
            free = next((each for each in self._processes if each.task is None), None)
            if free is None and len(self._processes) < self.slots:
                free = _Process(self._setup)
                self._processes.append(free)
            if free is None:
                return
            free.give(self._waiting.popleft(), self._known)

    def events(self, timeout_s: float) -> Iterator[Progress | Outcome]:
        """Yield what has happened, and wait for something for so long at most."""
        files = {process.file: process for process in self._processes}
        ready, _, _ = select.select([*files], [], [], timeout_s)
        for file in ready:
            process = files[file]
            yield from process.read()
            if process.is_gone:
                self._processes.remove(process)
        self._assign()

    def close(self) -> None:
        """End all processes at once."""
        for process in self._processes:
            process.kill()
        self._processes.clear()


class _Process:
    """A process that plays one task after another. What libraries print goes to stderr."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.task: Task | None = None
        self.is_gone = False
        self._rest = b""
        lifeline, ours = os.pipe()
        self._lifeline = ours
        command = [sys.executable, "-m", "empycustom.batch.worker", str(lifeline)]
        # In a group of its own: Ctrl-C is for the process that gives out tasks.
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[lifeline], start_new_session=True
        )
        os.close(lifeline)
        assert self._popen.stdin, "it is a pipe"
        assert self._popen.stdout, "it is a pipe"
        self._in, self.file = self._popen.stdin, self._popen.stdout.fileno()
        self._send(setup)

    def _send(self, message: Any) -> None:
        with suppress(BrokenPipeError):  # it has ended, which is read
            self._in.write(json.dumps(message).encode() + b"\n")
            self._in.flush()

    def give(self, task: Task, known: dict[str, dict[str, str]]) -> None:
        """Let it play a task."""
        self.task = task
        self._send({"task": asdict(task), "known": known})

    def read(self) -> Iterator[Progress | Outcome]:
        """Yield what it says; of one that has ended, what became of its task."""
        data = os.read(self.file, _AT_ONCE)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            assert self.task, "it says something about its task alone"
            task = self.task
            if message["kind"] == "progress":
                yield Progress(task, *message["values"])
                continue
            self.task = None
            yield Outcome(task, **message["values"])
        if data:
            return
        code = self._popen.wait()
        self.is_gone = True
        self._close()
        if self.task:
            task, self.task = self.task, None
            yield Outcome(task, error=f"the process that played it {_how(code)}")

    def _close(self) -> None:
        os.close(self._lifeline)
        for file in (self._popen.stdin, self._popen.stdout):
            with suppress(BrokenPipeError):
                if file:
                    file.close()

    def kill(self) -> None:
        """End it, and the processes that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._close()


def _how(code: int) -> str:
    """Return how a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"
