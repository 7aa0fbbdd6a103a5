"""One process of the executor on this machine: starting it, giving it tasks, and finding out how it has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from empycustom.batch import Outcome, Progress, Task
from empycustom.batch.crash import crashed, how, place_in, stuck
from empycustom.errors import LaunchError
from empycustom.packages import python_that_calls

_AT_ONCE = 1 << 16
_PATIENCE_S = 2.0  # for what ends by itself
CLOSES_S = 5.0  # for what libraries share
_GROWS_BY = 256 << 20  # bytes of memory after which a process is replaced, which costs half a second
_DETAILS = 80_000  # bytes of tracebacks that are read


class Process:
    """Plays one task after another. What libraries print goes to ``stderr``, None: that of this process.

    ``is_silent``: nothing more comes from it; ``is_retired``: it gets no further task; ``is_gone``: it has ended.
    ``unclosed``: what went wrong where it was to end without a task, and had not closed what libraries share.
    """

    def __init__(self, setup: dict[str, Any], timeout_s: float, stderr: int | None) -> None:
        """Start it. Raises LaunchError."""
        self.task: Task | None = None
        self.is_silent = self.is_retired = self.is_gone = False
        self._is_ready = self._has_closed = self._ended_with_task = False
        self.unclosed = ""
        self._libraries = [stage["path"] for stage in setup["work"]["stages"]]
        self._timeout_s, self._frames = timeout_s, 0
        self._began = self._moved = time.monotonic()
        self._deadline: float | None = None  # when it is killed
        self._why = ""  # it is ended
        self._rest = b""
        self._memory = 0  # bytes after its first task
        self._notes = os.memfd_create("traceback")  # of what ends the process
        lifeline, self._lifeline = os.pipe()
        command = [*python_that_calls("empycustom.batch.worker:main"), str(lifeline), str(self._notes)]
        try:
            # In a group of its own: Ctrl-C is for the process that gives out tasks.
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                pass_fds=[lifeline, self._notes],
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._lifeline)
            os.close(self._notes)
            raise LaunchError(f"no process can be started to play videos ({error.strerror})") from error
        finally:
            os.close(lifeline)
        assert self._popen.stdin, "it is a pipe"
        assert self._popen.stdout, "it is a pipe"
        self._in, self.answers = self._popen.stdin, self._popen.stdout
        os.set_blocking(self.answers.fileno(), False)
        self._send(setup)

    def _send(self, message: Any) -> None:
        with suppress(BrokenPipeError):  # it has ended, which is found by `look`
            self._in.write(json.dumps(message).encode() + b"\n")
            self._in.flush()

    def give(self, task: Task, known: dict[str, dict[str, str]]) -> None:
        """Let it play a task."""
        self.task, self._frames = task, 0
        self._began = self._moved = time.monotonic()
        self._send({"task": asdict(task), "known": known})

    def read(self) -> Iterator[Progress | Outcome]:
        """Yield what it says."""
        while not self.is_silent:
            try:
                data = os.read(self.answers.fileno(), _AT_ONCE)
            except BlockingIOError:
                return
            self.is_silent = not data
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if message["kind"] == "ready":
                    self._is_ready, self._moved = True, time.monotonic()
                elif message["kind"] == "closed":
                    self._has_closed = True
                elif self.task:
                    yield self._said(self.task, message["kind"], message["values"])

    def _said(self, task: Task, kind: str, values: Any) -> Progress | Outcome:
        if kind == "progress":
            progress = Progress(task, *values)
            if progress.frames > self._frames:
                self._frames, self._moved = progress.frames, time.monotonic()
            return progress
        self.task = None
        outcome = Outcome(task, **values)
        # After an error, a library, or what it has in C, may be in a state that spoils other videos.
        if outcome.error or self._has_grown():
            self.retire()
        return outcome

    def _has_grown(self) -> bool:
        with open(f"/proc/{self._popen.pid}/statm") as file:
            now = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self._memory = self._memory or now
        return now > self._memory + _GROWS_BY

    def look(self) -> Iterator[Progress | Outcome]:
        """Yield what became of its task if it has ended; end it where it is time for that."""
        if self.has_ended:
            yield from self.read()
            yield from self._last_words()
            return
        now = time.monotonic()
        if self._deadline is not None:
            if now > self._deadline:
                self._why = self._why or "the process that played it has closed its files"
                self.kill()
        elif self.is_silent:
            self._deadline = now + _PATIENCE_S
        elif self._timeout_s and self.task and self._is_ready and now - self._moved > self._timeout_s:
            self._deadline, self._why = now + _PATIENCE_S, f"no frame came for {self._timeout_s:g} s (--timeout)"
            os.kill(self._popen.pid, signal.SIGABRT)  # which shows where it is

    @property
    def has_ended(self) -> bool:
        """True if it has ended; its id and that of its group are still its own then."""
        return self.is_gone or os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _last_words(self) -> Iterator[Outcome]:
        code = self.bury()
        if not self.task:
            return
        note = os.pread(self._notes, _DETAILS, 0).decode(errors="replace")
        place = place_in(note, self._libraries, of_all=bool(self._why))
        outcome = Outcome(self.task, frames=self._frames, seconds=time.monotonic() - self._began, details=place.details)
        self.task = None
        outcome.error = stuck(self._why, place) if self._why else crashed(code, place)
        if not self._is_ready:
            outcome.error, outcome.is_fatal = f"a process that is to play videos {how(code)} at its start", True
        yield outcome

    def retire(self) -> None:
        """Give it no further task: it ends by itself, or is ended later."""
        self.is_retired = True
        self._deadline = time.monotonic() + CLOSES_S
        with suppress(BrokenPipeError):
            self._in.close()

    def kill(self) -> None:
        """End it, and the processes that it has started."""
        self._ended_with_task |= self.task is not None
        with suppress(ProcessLookupError):  # the id of the group is its own as long as nobody has waited for it
            os.killpg(self._popen.pid, signal.SIGKILL)

    def bury(self) -> int:
        """Wait for its end, end the processes that it has started, and return its exit code."""
        is_late = bool(self._why) or not self.has_ended
        if not self.is_gone:
            self.kill()
            self.is_gone = True
        code = self._popen.wait()
        if not self._ended_with_task and not self._has_closed:
            late = f"had not closed what libraries share after {CLOSES_S:g} s, and was ended"
            self.unclosed = f"a process {late if is_late else f'{how(code)} while it closed what libraries share'}"
        return code

    def close(self) -> None:
        """Close all that belongs to it."""
        with suppress(BrokenPipeError):
            self._in.close()
        self.answers.close()
        os.close(self._lifeline)
        os.close(self._notes)
