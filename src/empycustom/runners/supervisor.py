"""Supervising a worker: its process is started, and started again when it dies; jobs are sent to it, and answered.

Nothing here waits, except for what a process that has just ended still has to do.
"""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from empycustom.errors import CallTimeoutError, WorkerError
from empycustom.library.callbacks import LibraryElsewhere
from empycustom.library.declared import Declaration
from empycustom.native import shared
from empycustom.native.memory import unref
from empycustom.native.shared import SharedMemory
from empycustom.runners.messages import to_worker, unpack_error
from empycustom.runners.process import Process
from empycustom.runners.relay import Relay

STARTING, READY, PAUSED, STOPPING, STOPPED = "starting", "ready", "paused", "stopping", "stopped"
_CALL_S, _STOP_S, _EXIT_S = 1.0, 30.0, 2.0  # at the end: for a call that goes on, for the library's stop, for what else it does
_PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # before a process takes the place of another one: of the n-th that died at once
_HEALTHY_S = 10.0  # one that has lived so long did not die at once
_IN_FLIGHT = 2  # frames that a process has: one that it works on, and one that it finds when it is done


class Ticket:
    """What a pool has of a job: its number, and the buffer in shared memory (``image``) that a process gets to see.

    ``original`` is the buffer that it was copied from, 0: it was not; ``target`` is one for what ``process`` makes, 0: there is
    none. ``places`` are where in which shared memory these lie. ``told`` are options and events, ``given`` what is about the
    frame; ``kind`` is "frame", or "caps": there is no frame. ``answer`` is what the process sent, or an exception.
    """

    kind = "frame"
    answer: Any = None
    is_wanted = True
    image = original = target = 0
    places: tuple[tuple[SharedMemory, int, int], ...] = ()
    given: Any = None
    worker: Supervisor

    def __init__(self, number: int, told: tuple[Any, Any]) -> None:
        self.number, self.told = number, told

    def drop(self) -> None:
        """Let go of the buffers."""
        for address in filter(None, (self.image, self.original, self.target)):
            unref(address)
        self.image = self.original = self.target = 0


class Supervisor:
    """Supervises one worker. ``introduction`` returns what a process has to know: the library, options and events.

    ``facts`` are what a process says when it has loaded the library, ``sources`` the files that it ran. ``load`` is the number of
    tickets that it was given, and that are wanted, and not collected. ``error`` is why the last process ended.
    """

    def __init__(self, relay: Relay, introduction: Callable[[], dict[str, Any]]) -> None:
        self._relay, self._introduction = relay, introduction
        self.process: Process | None = None
        self.state = PAUSED
        self.facts: LibraryElsewhere | None = None
        self.hints: list[Any] = []
        self.sources: dict[str, bytes] = {}
        self.load = self.restarts = 0
        self.error: Exception | None = None
        self._starting = ""  # "start", when a process has loaded the library and calls that
        self.held: deque[Ticket] = deque()
        self._sent: deque[Ticket] = deque()
        self._owed: Exception | None = None  # to the next ticket: the process died when it had none
        self._deaths, self._ready_at, self._start_at, self._limit = 0, 0.0, 0.0, 0.0
        self._timeout_ms = 0
        self._known: set[int] = set()  # shared memories that the process has
        self._told: tuple[Any, Any] = ({}, None)

    @property
    def is_idle(self) -> bool:
        """True while the process has nothing to do, whether or not its last answers are collected."""
        return self.state == READY and not (self._sent or self.held)

    def doing(self) -> str:
        """Return what the process does at this moment, which may not have been heard yet."""
        process = self.process
        if process is None or self.state not in (STARTING, READY):
            return self.state
        if process.is_gone():
            return "ended"
        if not process.is_ready():
            return STARTING
        return "busy" if process.call()[0] else "idle"

    def spawn(self) -> None:
        """Start a process."""
        about = self._introduction()
        self._told = about["options"], about["events"]
        self._known.clear()
        self.error, self._starting = None, ""
        try:
            self.process, self.state = Process(self._relay, **about), STARTING
        except OSError as error:
            self.error = self._make_error(
                f"no process can be started ({error})", "; look how many processes and open files there may be"
            )
            self._pause()

    # Tickets.

    def give(self, ticket: Ticket) -> None:
        """Take a ticket."""
        ticket.worker = self
        self.load += 1
        if ticket.answer is not None:  # it has failed already
            return
        if self._owed:
            ticket.answer, self._owed = self._owed, None
        elif self.state == PAUSED:
            ticket.answer = self._pause_error()
        else:
            self.held.append(ticket)
            self._send_held()

    def forget(self, ticket: Ticket, following: int) -> None:
        """Give up a ticket; ``following`` is the number of a next one."""
        self.load -= 1
        ticket.is_wanted = False
        if ticket in self._sent:
            wanted = (each.number for each in self._sent if each.is_wanted)
            if self.process:
                self.process.want_from(min(wanted, default=following))
            return
        if ticket in self.held:
            self.held.remove(ticket)
        ticket.drop()

    def pump(self) -> None:
        """Hear what the process says, start another one if it has ended, and send what it has room for."""
        self.hear()
        if self.state == PAUSED and monotonic() >= self._start_at:
            self.restarts += 1
            self.spawn()
        self._send_held()

    def hear(self) -> None:
        """Hear what the process says, and whether it has ended."""
        process = self.process
        if process is not None:
            while (message := process.message()) is not None:
                self._heard(*message)
                if self.state == READY and not self._sent and not process.has_ended:
                    break  # it has answered all
            if process.has_ended:
                self._bury(process)

    def patience(self, call_timeout_ms: int) -> float | None:
        """Return after how many seconds to look again, though nothing may have come; end a process whose call takes too long."""
        process = self.process
        if process is None or process.is_aborted or not call_timeout_ms:
            return process.patience() if process else None
        limit, self._timeout_ms = call_timeout_ms / 1000, call_timeout_ms
        number, took = process.call()
        if number and took >= limit:
            process.abort()
            return process.patience()
        return limit - took

    def _send_held(self) -> None:
        while self.held and self.state == READY and len(self._sent) < _IN_FLIGHT and self._send(self.held[0]):
            self._sent.append(self.held.popleft())

    def _send(self, ticket: Ticket) -> bool:
        assert self.process, "it is ready"
        told = None if ticket.told[0] is self._told[0] and ticket.told[1] is self._told[1] else ticket.told
        new = [memory for memory, _, _ in ticket.places if memory.number not in self._known]
        gone = [*(self._known - shared.living)] if new else []
        lengths = [(memory.number, memory.length) for memory in new] if new else []
        places = [(memory.number, offset, size) for memory, offset, size in ticket.places]
        rest = (lengths, gone, places) if places else ()
        message = to_worker(ticket.kind, ticket.number, told, *rest, ticket.given)
        if not self.process.send(message, [memory.file for memory in new]):
            return False
        self._told = ticket.told
        if new:
            self._known.difference_update(gone)
            self._known.update(memory.number for memory in new)
        return True

    # What the process says, in `messages.py`.

    def _heard(self, kind: str, *rest: Any) -> None:
        if kind == "answer":
            ticket = self._sent.popleft()
            assert ticket.number == rest[0], "answers come in the order of frames"
            if rest[3]:  # the library keeps the frame: its memory is another one's now
                self._known.discard(ticket.places[0][0].number)
            ticket.answer = rest
            if not ticket.is_wanted:
                ticket.drop()
        elif kind == "loaded":
            facts, declared, hints = rest
            self.facts, self.hints = (
                LibraryElsewhere(*(*facts, Declaration.of_plain(declared))),
                [*map(unpack_error, hints)],
            )
            self._starting = "start" if "start" in self.facts.lines else ""
        elif kind == "ready":
            (self.sources,) = rest
            self.state, self._ready_at = READY, monotonic()
        elif kind == "sources":
            (self.sources,) = rest
        elif kind == "version":
            self.error = self._make_error(f"workers would run in another Python ({rest[0]}) than this one", "; that is a defect")
        elif kind == STOPPING:
            self._limit = monotonic() + _STOP_S
        elif kind == STOPPED:
            self.state, self._limit = STOPPED, monotonic() + _EXIT_S
            self.error = unpack_error(*rest) if rest[0] else self.error
        else:
            assert kind == "failed", kind
            packed, self.sources = rest
            self.error = unpack_error(packed)
            if self.state == READY and self.process:  # it would wait for threads of the library
                self.process.kill()

    # The end of a process.

    def _bury(self, process: Process) -> None:
        was_ready, code = self.state == READY, process.wait()
        self.error = self.error or self._death(process, code)
        process.close()
        self.process = None
        unanswered = [ticket for ticket in self._sent if ticket.is_wanted]
        if not (self._sent or self.held) or (self._sent and not self._sent[0].is_wanted):
            self._owed = self.error  # to the next one
        for ticket in self._sent:
            if not ticket.is_wanted:
                ticket.drop()
        self._sent.clear()
        self.held.extendleft(reversed(unanswered))
        if self.held and not self._owed:
            self.held.popleft().answer = self.error
        if was_ready and monotonic() - self._ready_at > _HEALTHY_S:
            self._deaths = 0
        self._pause()

    def _pause(self) -> None:
        """Let some time go by before the next process, and tickets not wait for that, unless it is the first to take a place."""
        self.state = PAUSED
        pause = _PAUSES_S[min(self._deaths, len(_PAUSES_S) - 1)]
        self._start_at = monotonic() + pause
        self._deaths += 1
        while pause and self.held:
            self.held.popleft().answer = self._pause_error()

    # The end of all.

    def finish(self) -> None:
        """Let the process call the library's ``stop`` and end, if it has come so far.

        One that has ended while it had nothing to do, and whose ``stop`` nobody calls, is an ``error``.
        """
        self.hear()
        self.error, self._owed = self._owed, None
        for ticket in self.held:
            ticket.drop()
        self.held.clear()
        process = self.process
        if process is None:
            return
        for ticket in self._sent:
            ticket.is_wanted = False
        process.want_from(2**63)
        if self.state == READY and process.send(to_worker("stop", 0, None), []):
            self.state, self._limit = STOPPING, monotonic() + (_CALL_S if self._sent else _STOP_S)
        else:
            process.kill()

    def rest(self) -> float:
        """Return for how many seconds the process may go on, at the end."""
        return max(0.0, self._limit - monotonic())

    def look_at_end(self) -> None:
        """Hear what the process says at the end, and end it when its time is over."""
        process = self.process
        assert process, "it has not ended"
        while (message := process.message()) is not None:
            self._heard(*message)
        if process.has_ended or not self.rest():
            if self.state == STOPPING and not process.has_ended:
                self.error = self._late_error()
            self.end()

    def end(self) -> None:
        """End the process, if there is one."""
        process = self.process
        if process is None:
            return
        stops = self.state == STOPPING and not self.error
        code = process.wait(self.rest() if self.state == STOPPED else 0.0)
        if stops:
            self.error = self._death(process, code)
        process.close()
        self.process = None
        for ticket in self._sent:
            ticket.drop()
        self._sent.clear()

    def _death(self, process: Process, code: int) -> WorkerError:
        """Return the exception about a process that has ended with an exit code."""
        note, name, is_busy = process.note(), self._callback(), bool(self._sent) or self.state != READY
        if process.is_aborted:
            what = f"{name} took longer than call-timeout={self._timeout_ms}"
            error: WorkerError = self._make_error(
                what, ", and its worker was ended; make it faster, or set a longer time", CallTimeoutError, note, name
            )
        else:
            what, rest = _described(code)
            where = f" in {name}" if name else " while the library was loaded"
            what = f"the worker {what}{where}" if is_busy else f"the worker {what.rstrip(',')}"
            if self.state == STARTING:  # which no frame has to do with
                what, rest = what + rest, ""
            error = self._make_error(what, rest, note=note, name=name)
        error.exit_code = code
        return error

    def _late_error(self) -> WorkerError:
        name = self._callback()
        if name != "stop":
            what = f"{name} had not returned {_CALL_S:.0f} s after the stream had ended"
            return self._make_error(what, ", and its worker was ended, without stop", name=name)
        return self._make_error(f"stop had not returned after {_STOP_S:.0f} s", ", and its worker was ended", name=name)

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

    def _make_error(
        self, message: str, rest: str, kind: type[WorkerError] = WorkerError, note: str = "", name: str | None = None
    ) -> WorkerError:
        facts = self.facts
        path = facts.path if facts else self._introduction()["library"]
        if name is None:
            name = facts.name if facts else ""
        found = re.search(rf'File "{re.escape(path)}", line (\d+)', note)
        line = int(found[1]) if found else facts.line_of(name) if facts else None
        return kind.at(path, line, message, rest, callback=name or None, details=note)


_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}


def _described(code: int) -> tuple[str, str]:
    """Return what is to be said about an exit code, and what to do, which goes behind the frame's name."""
    if code >= 0:
        return f"ended by itself, with exit code {code},", ": something called os._exit, or exit in C; remove that"
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL", ": by the kernel, where memory ran out (dmesg tells), or by somebody"
    if -code in _CRASHES:
        return f"was killed by {signal.Signals(-code).name}", ": code written in C crashed; the traceback shows what called it"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}", ": by somebody, or by the library itself"
