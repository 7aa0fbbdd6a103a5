"""What there is to report of a worker: how it died, what takes too long, and where it was."""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from empycustom.errors import CallbackError, CallTimeoutError, LibraryError, WorkerError
from empycustom.library.callbacks import LibraryElsewhere
from empycustom.model.values import name_frames
from empycustom.runners.process import Process

_PACKAGE = f"{Path(__file__).parents[1]}/"
_E = TypeVar("_E", bound=LibraryError)
STARTING, READY, PAUSED, STOPPING, STOPPED = "starting", "ready", "paused", "stopping", "stopped"
CALL_S, STOP_S = 1.0, 30.0  # at the end: for a call that goes on, for the library's stop


class WorkerErrors:
    """The exceptions of a Supervisor, which has these attributes."""

    process: Process | None
    state: str
    facts: LibraryElsewhere | None
    error: Exception | None
    _introduction: Callable[[], dict[str, Any]]
    _starting: str
    _sent: deque[Any]
    _deaths: int
    _timeout_ms: int

    def _death(self, process: Process, code: int) -> WorkerError:
        """Return the exception about a process that has ended with an exit code."""
        note, name, is_busy = process.note(), self._callback(), bool(self._sent) or self.state != READY
        if process.is_aborted:
            what = f"{name} took longer than call-timeout={self._timeout_ms}"
            rest = ", and its worker was ended; make it faster, or set a longer time"
            error: WorkerError = self._located(CallTimeoutError, what, rest, as_place(note), name)
        else:
            what, rest = described(code)
            where = f" in {name}" if name else " while the library was loaded"
            what = f"the worker {what}{where}" if is_busy else f"the worker {what.rstrip(',')}"
            if self.state == STARTING:  # which no frame has to do with
                what, rest = what + rest, ""
            error = self._make_error(what, rest, note=note, name=name)
        error.exit_code = code
        return error

    def _late_error(self, process: Process) -> WorkerError:
        name, note = self._callback(), process.where()
        if name == "stop":
            what = f"stop had not returned after {STOP_S:.0f} s"
            return self._make_error(what, ", and its worker was ended", note=as_place(note), name=name)
        what = f"{name} had not returned {CALL_S:.0f} s after the stream had ended"
        error = self._make_error(what, ", and its worker was ended, without stop", note=as_place(note), name=name)
        error.frame = self._frame()
        return error

    def _hang_warning(self, took: float) -> LibraryError:
        """Return what is to be said of a start, or a call, that has not returned for so many seconds."""
        name, note = self._callback(), self.process.where() if self.process else ""
        if self.state != STARTING:
            what = f"{name} has not returned for {took:.0f} s"
            rest = ", and frames wait for it; set call-timeout to end such calls"
        elif name:
            what, rest = f"{name} has not returned for {took:.0f} s", "; its worker gets no frames until it has"
        else:
            what, rest = f"the library is not loaded after {took:.0f} s", "; its worker gets no frames until it is"
        warning = self._located(CallbackError, what, rest, as_place(note), name)
        warning.frame = self._frame()
        return warning

    def start_error(self, why: str) -> LibraryError:
        """Return the exception about a start that nobody waits for any more; ``why``: what came."""
        note = self.process.where() if self.process and self.state == STARTING else ""
        return self._located(CallbackError, f"{why} while workers started the library", "", as_place(note), "start")

    def _frame(self) -> str:
        """Name the frame that the process works on; "": none."""
        ticket = self._sent[0] if self._sent else None
        return name_frames(ticket.content[0]["frame"]) if ticket and ticket.kind == "frame" else ""

    def _callback(self) -> str:
        """Return the name of the callback that the process is in, or was; "" while it loads the library."""
        if self.state == STARTING:
            return self._starting
        if self.state == STOPPING and not self._sent:
            return "stop"
        if self._sent and self._sent[0].kind == "caps":
            return "output_caps"
        return self.facts.name if self.facts else ""

    def _pause_error(self) -> WorkerError:
        why = str(self.error).partition(": ")[2]
        return self._make_error("the worker is not running", f": it died {self._deaths} times, and is started again soon ({why})")

    def _unready_error(self, took: float) -> WorkerError:
        name = "start" if self.facts and "start" in self.facts.lines else ""
        doing = "start has not returned" if self._starting else "the library is not loaded"
        what = f"the worker that takes the place of one that died is not ready after {took:.0f} s"
        return self._make_error(what, f": {doing}; until it is ready, frames fail as on-error says", name=name)

    def _make_error(self, message: str, rest: str, note: str = "", name: str | None = None) -> WorkerError:
        return self._located(WorkerError, message, rest, note, name)

    def _located(self, kind: type[_E], message: str, rest: str, note: str = "", name: str | None = None) -> _E:
        """Make an exception that names the line of the library in a traceback, or else of a callback."""
        facts = self.facts
        path = facts.path if facts else self._introduction()["library"]
        if name is None:
            name = facts.name if facts else ""
        found = re.search(rf'File "{re.escape(_as_written(path))}", line (\d+)', note)
        line = int(found[1]) if found else facts.line_of(name) if facts else None
        return kind.at(path, line, message, rest, callback=name or None, details=without_ours(note, path))


_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}


def described(code: int) -> tuple[str, str]:
    """Return what is to be said about an exit code, and what to do, which goes behind the frame's name."""
    if code >= 0:
        return f"ended by itself, with exit code {code},", ": something called os._exit, or exit in C; remove that"
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL", ": by the kernel, where memory ran out (see dmesg), or by somebody"
    if -code in _CRASHES:
        return f"was killed by {signal.Signals(-code).name}", ": code written in C crashed; the traceback shows what called it"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}", ": by somebody, or by the library itself"


# What the faulthandler writes.

_FRAME, _OURS = '  File "', (f'  File "{_PACKAGE}', '  File "<string>"')
_ABORTED, _STACKS = "Fatal Python error: Aborted", ("Current thread 0x", "Stack (most")
_HERE = "The call was here (most recent call first):"


def _as_written(path: str) -> str:
    return path.encode("ascii", "backslashreplace").decode()


def as_place(note: str) -> str:
    """Return the traceback of a process that was asked where it is: it has not crashed."""
    lines = note.removeprefix(_ABORTED).lstrip().splitlines()
    return "\n".join(_HERE if line.startswith(_STACKS) else line for line in lines)


def without_ours(note: str, path: str) -> str:
    """Return tracebacks without what called the library at ``path``, and without the list of modules written in C."""
    lines: list[str] = []
    frames: list[str] = []
    for line in [*note.splitlines(), ""]:
        if line.startswith(_FRAME):
            frames.append(line)
            continue
        lines += _until_library(frames, path)
        frames = []
        if not line.startswith("Extension modules:"):
            lines.append(line)
    return "\n".join(lines).rstrip()


def _until_library(frames: list[str], path: str) -> list[str]:
    """Return the frames of a thread, innermost first, up to the last one of the library, or of whom else is not us."""
    its = _FRAME + _as_written(path) + '"'
    end = max((at for at, frame in enumerate(frames, 1) if frame.startswith(its)), default=0)
    return frames[: end or max((at for at, frame in enumerate(frames, 1) if not frame.startswith(_OURS)), default=len(frames))]
