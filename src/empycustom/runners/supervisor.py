"""Supervising a worker: its process is started, and started again when it dies; jobs are sent to it, and answered.

Nothing here waits, except for what a process that has just ended still has to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from empycustom.errors import LibraryError
from empycustom.library.callbacks import LibraryElsewhere
from empycustom.library.declared import Declaration
from empycustom.native import shared
from empycustom.native.memory import unref
from empycustom.native.shared import SharedMemory
from empycustom.runners.messages import to_worker, unpack_error
from empycustom.runners.process import Process
from empycustom.runners.relay import Relay
from empycustom.runners.worker_errors import CALL_S, PAUSED, READY, STARTING, STOP_S, STOPPED, STOPPING, WorkerErrors

_EXIT_S = 2.0  # at the end, behind the library's stop
_PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # before a process takes the place of another one: of the n-th that died at once
_HEALTHY_S = 10.0  # one that has lived so long did not die at once
_START_S = 3.0  # for a process that takes the place of another one, where calls have less: Python starts in it, too
_IN_FLIGHT = 2  # frames that a process has: one that it works on, and one that it finds when it is done


class Ticket:
    """What a pool has of a job: its number, and the buffer in shared memory (``image``) that a process gets to see.

    ``original`` is the buffer that it was copied from, 0: it was not; ``target`` is one for what ``process`` makes, 0: there is
    none. ``places`` are where in which shared memory these lie. ``settings`` are options and events, ``content`` is what is sent
    about the frame. ``kind`` is "frame", or "caps": there is no frame. ``answer`` is what the process sent, or an exception.
    """

    kind = "frame"
    answer: Any = None
    is_wanted = True
    image = original = target = 0
    places: tuple[tuple[SharedMemory, int, int], ...] = ()
    content: Any = None
    worker: Supervisor

    def __init__(self, number: int, settings: tuple[Any, Any]) -> None:
        self.number, self.settings = number, settings

    def drop(self) -> None:
        """Let go of the buffers."""
        for address in filter(None, (self.image, self.original, self.target)):
            unref(address)
        self.image = self.original = self.target = 0


class Supervisor(WorkerErrors):
    """Supervises one worker. ``introduction`` returns what a process has to know: the library, options and events.

    ``warn`` gets what the user should know, though nothing has failed: that a start, or a call without call-timeout, takes
    longer than ``hang_s``.

    ``facts`` are what a process says when it has loaded the library, ``sources`` the files that it ran. ``load`` is the number of
    tickets that it got, and that are wanted, and not collected. ``error`` is why the last process ended.
    """

    hang_s = 10.0

    def __init__(self, relay: Relay, introduction: Callable[[], dict[str, Any]], warn: Callable[[LibraryError], None]) -> None:
        self._relay, self._introduction, self._warn = relay, introduction, warn
        self.process = None
        self.state = PAUSED
        self.facts = None
        self.hints: list[Any] = []
        self.sources: dict[str, bytes] = {}
        self.load = self.restarts = 0
        self.error = None
        self._starting = ""  # "start", when a process has loaded the library and calls that
        self.queued: deque[Ticket] = deque()
        self._sent: deque[Ticket] = deque()
        self._pending_error: Exception | None = None  # to the next ticket: the process died when it had none
        self._deaths, self._ready_at, self._start_at, self._limit = 0, 0.0, 0.0, 0.0
        self._spawned_at = self._step_at = 0.0  # when the process, and what it does at its start, began: loading, or start
        self._is_hang_reported = False
        self._timeout_ms = 0
        self._known: set[int] = set()  # shared memories that the process has
        self._settings_sent: tuple[Any, Any] = ({}, None)

    @property
    def is_idle(self) -> bool:
        """True while the process has nothing to do, whether or not its last answers are collected."""
        return self.state == READY and not (self._sent or self.queued)

    def doing(self) -> str:
        """Return what the process does at this moment, which may be newer than its messages."""
        process = self.process
        if process is None or self.state not in (STARTING, READY):
            return self.state
        if process.is_gone():
            return "ended"
        if not process.board.is_ready():
            return STARTING
        return "busy" if process.board.call()[0] else "idle"

    def spawn(self) -> None:
        """Start a process."""
        about = self._introduction()
        self._settings_sent = about["options"], about["events"]
        self._known.clear()
        self.error, self._starting = None, ""
        self._spawned_at = self._step_at = monotonic()
        self._is_hang_reported = False
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
        if self._pending_error:
            ticket.answer, self._pending_error = self._pending_error, None
        elif self.state == PAUSED:
            ticket.answer = self._pause_error()
        else:
            self.queued.append(ticket)
            self._send_queued()

    def forget(self, ticket: Ticket, following: int) -> None:
        """Give up a ticket; ``following`` is the number of a next one."""
        self.load -= 1
        ticket.is_wanted = False
        if ticket in self._sent:
            wanted = (each.number for each in self._sent if each.is_wanted)
            if self.process:
                self.process.board.want_from(min(wanted, default=following))
            return
        if ticket in self.queued:
            self.queued.remove(ticket)
        ticket.drop()

    def pump(self) -> None:
        """Read its messages, start another process if it has ended, and send what it has room for."""
        self.read_messages()
        if self.state == PAUSED and monotonic() >= self._start_at:
            self.restarts += 1
            self.spawn()
        if self.state == STARTING:
            self._until_hang(monotonic() - self._step_at)
        self._send_queued()

    def adopt(self, ticket: Ticket) -> None:
        """Take a ticket that waits for another worker."""
        ticket.worker.queued.remove(ticket)
        ticket.worker.load -= 1
        self.give(ticket)

    def read_messages(self) -> None:
        """Read the messages of the process, and see whether it has ended."""
        process = self.process
        if process is not None:
            while (message := process.message()) is not None:
                self._handle_message(*message)
                if self.state == READY and not self._sent and not process.has_ended:
                    break  # it has answered all
            if process.has_ended:
                self._handle_exit(process)

    def patience(self, call_timeout_ms: int) -> float | None:
        """Return after how many seconds to look again, though nothing may have come, None: only then.

        A process whose call takes too long is ended, and tickets do not wait longer for one that is starting.
        """
        process = self.process
        if process is None or process.is_aborted:
            return process.patience() if process else None
        limit, self._timeout_ms = call_timeout_ms / 1000, call_timeout_ms
        if self.state == STARTING:
            return self._start_patience(limit)
        number, took = process.board.call()
        if not limit:
            return self._until_hang(took if number else 0.0)
        if number and took >= limit:
            process.abort()
            return process.patience()
        return limit - took

    def _start_patience(self, limit: float) -> float | None:
        took = monotonic() - self._spawned_at
        left = self._until_hang(monotonic() - self._step_at)
        if not (limit and self.queued):
            return left
        limit = max(limit, _START_S)
        if took < limit:
            return min(limit - took, left or limit)
        while self.queued:
            self.queued.popleft().answer = self._unready_error(took)
        return 0.0

    def _until_hang(self, took: float) -> float | None:
        """Return in how many seconds a start or a call that has taken so long is to be reported, None: it was; report it then."""
        if self._is_hang_reported:
            return None
        if took >= self.hang_s:
            self._is_hang_reported = True
            self._warn(self._hang_warning(took))
        return max(self.hang_s - took, 0.0)

    def _send_queued(self) -> None:
        while self.queued and self.state == READY and len(self._sent) < _IN_FLIGHT and self._send(self.queued[0]):
            self._sent.append(self.queued.popleft())

    def _send(self, ticket: Ticket) -> bool:
        assert self.process, "it is ready"
        settings = (
            None
            if ticket.settings[0] is self._settings_sent[0] and ticket.settings[1] is self._settings_sent[1]
            else ticket.settings
        )
        new = [memory for memory, _, _ in ticket.places if memory.number not in self._known]
        gone = [*(self._known - shared.living)] if new else []
        lengths = [(memory.number, memory.length) for memory in new] if new else []
        places = [(memory.number, offset, size) for memory, offset, size in ticket.places]
        rest = (lengths, gone, places) if places else ()
        message = to_worker(ticket.kind, ticket.number, settings, *rest, ticket.content)
        if not self.process.send(message, [memory.file for memory in new]):
            return False
        self._settings_sent = ticket.settings
        if new:
            self._known.difference_update(gone)
            self._known.update(memory.number for memory in new)
        return True

    # Messages of the process, see `messages.py`.

    def _handle_message(self, kind: str, *rest: Any) -> None:
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
            self._starting, self._step_at = "start" if "start" in self.facts.lines else "", monotonic()
        elif kind == "ready":
            (self.sources,) = rest
            self.state, self._ready_at, self._is_hang_reported = READY, monotonic(), False
        elif kind == "sources":
            (self.sources,) = rest
        elif kind == "version":
            self.error = self._make_error(f"workers would run in another Python ({rest[0]}) than this one", "; that is a defect")
        elif kind == STOPPING:
            self._limit = monotonic() + STOP_S
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

    def _handle_exit(self, process: Process) -> None:
        was_ready, code = self.state == READY, process.wait()
        self.error = self.error or self._death(process, code)
        process.close()
        self.process = None
        unanswered = [ticket for ticket in self._sent if ticket.is_wanted]
        if not (self._sent or self.queued) or (self._sent and not self._sent[0].is_wanted):
            self._pending_error = self.error  # to the next one
        for ticket in self._sent:
            if not ticket.is_wanted:
                ticket.drop()
        self._sent.clear()
        self.queued.extendleft(reversed(unanswered))
        if self.queued and not self._pending_error:
            self.queued.popleft().answer = self.error
        if was_ready and monotonic() - self._ready_at > _HEALTHY_S:
            self._deaths = 0
        self._pause()

    def _pause(self) -> None:
        """Let some time go by before the next process, and tickets not wait for that, unless it is the first to take a place."""
        self.state = PAUSED
        pause = _PAUSES_S[min(self._deaths, len(_PAUSES_S) - 1)]
        self._start_at = monotonic() + pause
        self._deaths += 1
        while pause and self.queued:
            self.queued.popleft().answer = self._pause_error()

    # The end of all.

    def finish(self) -> None:
        """Let the process call the library's ``stop`` and end, if it has come so far.

        One that has ended while it had nothing to do, and whose ``stop`` nobody calls, is an ``error``.
        """
        self.read_messages()
        self.error, self._pending_error = self._pending_error, None
        for ticket in self.queued:
            ticket.drop()
        self.queued.clear()
        process = self.process
        if process is None:
            return
        for ticket in self._sent:
            ticket.is_wanted = False
        process.board.want_from(2**63)
        if self.state == READY and process.send(to_worker("stop", 0, None), []):
            self.state, self._limit = STOPPING, monotonic() + (CALL_S if self._sent else STOP_S)
        else:
            process.kill()

    def rest(self) -> float:
        """Return for how many seconds the process may go on, at the end."""
        return max(0.0, self._limit - monotonic())

    def look_at_end(self) -> None:
        """Read the messages of the process at the end, and end it when its time is over."""
        process = self.process
        assert process, "it has not ended"
        while (message := process.message()) is not None:
            self._handle_message(*message)
        if process.has_ended or not self.rest():
            if self.state == STOPPING and not process.has_ended:
                self.error = self._late_error(process)
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
