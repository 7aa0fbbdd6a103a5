"""The pool whose workers are processes of this machine: frames go to them in shared memory, and results come back.

Frames are handed out by one thread (``submit``), and collected by one (``collect``, ``is_done``), which may be the same. The lock
is for what both change, and is never held while somebody waits for a worker.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from threading import Lock
from time import monotonic_ns
from typing import Any, TypeAlias

from empycustom.errors import LibraryError, NativeError
from empycustom.library.callbacks import LibraryElsewhere
from empycustom.model.results import Result
from empycustom.native import shared
from empycustom.native.memory import unref
from empycustom.native.metas import size_of
from empycustom.native.shared import SharedPool
from empycustom.runners.messages import Wakeup, unpack_error, unpack_result
from empycustom.runners.process import Process
from empycustom.runners.protocol import Job, Woken
from empycustom.runners.relay import Relay
from empycustom.runners.supervisor import Supervisor, Ticket
from empycustom.runners.worker_errors import PAUSED, READY, STARTING

Warn: TypeAlias = Callable[[LibraryError], None]
_UNLIKE_ANY = b"\0"  # no source has it
_CAPS_S = 0.01  # after so long it is looked whether another thread has read the answer
_AGAIN_NS = 5 * 10**9  # several workers that hang at the same place are one thing to report
_ROOM = 2  # frames of a worker: one that it works on, and one that waits


def _ignore(_warning: LibraryError) -> None:
    """Warn nobody."""


def _busyness(worker: Supervisor) -> tuple[bool, bool, int]:
    """Return what there is against giving something to a worker: most of all that it is not there, or not ready."""
    return worker.state == PAUSED, worker.state != READY, worker.load


class ProcessPool:
    """Runs one library in so many processes, see :class:`~empycustom.runners.protocol.Pool`.

    ``is_new``: it is a new version of one that runs, see :mod:`empycustom.runners.versions`. ``called`` is how it is called:
    ``in_place``, ``dialect`` and ``settings`` of :meth:`Library.open`. ``warn`` gets what the user should know, in any thread.
    """

    library: LibraryElsewhere
    target: Any = None

    def __init__(self, custom_lib: str, *, workers: int, is_new: bool = False, warn: Warn = _ignore, **called: Any) -> None:
        self._custom_lib, self._called, self._count, self._is_new = custom_lib, called, workers, is_new
        self.options, self.events = dict[str, Any](), None
        self.call_timeout_ms = 0
        self._warn, self._warnings = warn, deque[LibraryError]()
        self._warned: dict[tuple[str | None, int | None], int] = {}
        self._workers: list[Supervisor] = []
        self._started: list[Supervisor] = []
        self._lock = Lock()
        self._number = 0

    @property
    def hints(self) -> list[Exception]:
        """All warnings about functions of the library that nobody calls."""
        return self._workers[0].hints

    @property
    def restarts(self) -> int:
        """The number of processes that took the place of another one."""
        return sum(worker.restarts for worker in self._workers)

    @property
    def sources(self) -> dict[str, bytes]:
        """The files of the library, with what the workers have run of each."""
        found: dict[str, bytes] = {}
        for path, source in (each for worker in self._started for each in worker.sources.items()):
            if found.setdefault(path, source) != source:
                found[path] = _UNLIKE_ANY  # it was changed between two workers: neither is the newest
        return found

    def _introduction(self) -> dict[str, Any]:
        # One that takes the place of another runs what that has run: what is in the files by then may have been refused.
        kept = {path: source for worker in reversed(self._started) for path, source in worker.sources.items()}
        own = self._is_new or bool(kept)  # then modules that are everybody's belong to it, too
        about = {"library": self._custom_lib, "called": self._called, "own": own, "kept": kept}
        return {**about, "options": self.options, "events": self.events}

    def start(self, options: dict[str, Any], events: Any, wake_fd: int | None = None) -> None:
        """Load, check and start the library in all workers, as long as ``wake_fd`` cannot be read. Raises LibraryError."""
        self.options, self.events = options, events
        self._images, self._targets = SharedPool(), SharedPool()
        self._relay, self._poke = Relay(), Wakeup()
        self._workers = [Supervisor(self._relay, self._introduction, self._warnings.append) for _ in range(self._count)]
        self._started = [*self._workers]  # what they have said can be read when they have ended, too
        try:
            for worker in self._workers:
                worker.spawn()
            self._raise_errors()
            while starting := [worker for worker in self._workers if worker.process and worker.state == STARTING]:
                patience = [left for worker in starting if (left := worker.patience(0)) is not None]
                self._post_warnings()
                self._wait([worker.process for worker in starting if worker.process], min(patience, default=None), wake_fd)
                self._raise_errors()
        except BaseException as error:
            interrupted = None
            if isinstance(error, (KeyboardInterrupt, Woken)):
                worker = next((each for each in self._workers if each.state == STARTING), self._workers[0])
                interrupted = worker.start_error(
                    "Ctrl-C came" if isinstance(error, KeyboardInterrupt) else "the pipeline was stopped"
                )
            with suppress(LibraryError):  # the first one says what is wrong
                self.stop()
            if interrupted:
                raise interrupted from error
            raise
        facts = self._workers[0].facts
        assert facts, "it is ready"
        self.library = facts

    def _raise_errors(self) -> None:
        for worker in self._workers:
            worker.read_messages()
            if worker.facts:
                worker.facts.check_options(self.options)
            if worker.error:
                raise worker.error

    def _post_warnings(self) -> None:
        """Pass on what workers warn of, while nobody has the lock: whoever gets it may ask for something."""
        while self._warnings:
            warning = self._warnings.popleft()
            place, now = (warning.callback, warning.line), monotonic_ns()
            if now - self._warned.get(place, -_AGAIN_NS) >= _AGAIN_NS:
                self._warned[place] = now
                self._warn(warning)

    # Frames.

    def submit(self, job: Job, *, queue: bool) -> bool:
        """Hand a frame to a worker, without waiting; return whether one had room."""
        began = monotonic_ns()
        worker = self._free(queue=queue)
        if worker is None:
            return False
        self._number += 1
        job.number = self._number
        job.ticket = ticket = Ticket(self._number, (self.options, self.events))
        try:
            self._share(job, ticket)
        except NativeError as error:
            ticket.answer = error
        with self._lock:
            worker.give(ticket)
        job.transport_ns = monotonic_ns() - began
        return True

    def _free(self, *, queue: bool) -> Supervisor | None:
        """Return the worker with the least to do, if it has room."""
        with self._lock:
            for worker in self._workers:
                if worker.state != READY or not (queue or worker.is_idle):
                    self._pump_all()
                    break
            if queue:
                best = min(self._workers, key=_busyness)
                free = best if best.load < _ROOM else None
            else:
                free = next((each for each in self._workers if each.is_idle), None)
        self._post_warnings()
        return free

    def _pump_all(self) -> None:
        for worker in self._workers:
            worker.pump()
        self.poke()  # who waits for what was just read

    def _share(self, job: Job, ticket: Ticket) -> None:
        """Put the frame of a job into shared memory, if it is not there."""
        found, ticket.image = shared.shared_in(job.buffer), job.buffer
        if found is None:
            ticket.image, ticket.original = self._images.acquire(size_of(job.buffer)), job.buffer
            found = shared.copy_frame(job.buffer, ticket.image)
            if job.is_copied:
                unref(ticket.original)
                ticket.original = 0
        frame = job.frame
        layout = frame.metas.layout
        wanted = None
        if not self.library.in_place:
            target = self.target
            ticket.target = self._targets.acquire(target.size)
            wanted = target.memory, target.size, target.text, target.described
        others = [shared.shared_in(ticket.target)] if wanted else []
        ticket.places = (found, *filter(None, others))
        counts = [len(handles) for handles in frame.handles]
        ticket.content = frame.in_meta, counts, layout and tuple(layout), shared.times_of(ticket.image), wanted

    def collect(self, job: Job, wake_fd: int) -> Result | None:
        """Wait for a frame, and return what the library made of it. Raises LibraryError, WorkerError, Woken."""
        ticket: Ticket = job.ticket
        self._wait_for(ticket, wake_fd)
        began = monotonic_ns()
        try:
            return self._taken(job, ticket)
        finally:
            job.transport_ns += monotonic_ns() - began

    def _wait_for(self, ticket: Ticket, wake_fd: int | None, longest_s: float | None = None) -> None:
        """Wait until there is an answer, and look whether there is one every ``longest_s``. Raises Woken."""
        while True:
            with self._lock:
                watched = [] if ticket.answer is not None else self._pump_for(ticket)
                if ticket.answer is not None:
                    ticket.worker.load -= 1
                    return
                patience = ticket.worker.patience(self.call_timeout_ms)
            self._post_warnings()
            self._wait(watched, patience if longest_s is None else longest_s, wake_fd)

    def wait(self, wake_fd: int) -> None:
        """Wait until a worker has said something, or :meth:`poke` was called. Raises Woken."""
        with self._lock:
            watched = [worker.process for worker in self._workers if worker.process]
        # A call that takes too long is seen by whoever collects it, who may not know yet that there is one.
        ready = self._wait(watched, self.call_timeout_ms / 1000 or Supervisor.hang_s, wake_fd)
        with self._lock:
            for worker in self._workers:
                if worker.process in ready:
                    worker.pump()

    def poke(self) -> None:
        """End a wait. From any thread."""
        self._poke.set()

    def has_answer(self, job: Job) -> bool:
        """Return whether there is an answer already."""
        return job.ticket.answer is not None

    def output_caps(self, caps: Any, wake_fd: int | None = None) -> str | None:
        """Call the library's ``output_caps`` in a worker, while no frame is under way. Raises LibraryError, Woken."""
        self._number += 1
        ticket = Ticket(self._number, (self.options, self.events))
        ticket.kind, ticket.content = "caps", caps.to_string()
        with self._lock:
            min(self._workers, key=_busyness).give(ticket)
        try:
            self._wait_for(ticket, wake_fd, _CAPS_S)
        except Woken:
            with self._lock:
                ticket.worker.forget(ticket, self._number + 1)
            raise
        if isinstance(ticket.answer, Exception):
            raise ticket.answer
        kind, packed = ticket.answer[-1]
        if kind == "error":
            raise unpack_error(packed)
        return packed  # type: ignore[no-any-return]

    def is_done(self, job: Job) -> bool:
        """Return whether ``collect`` would return, or raise, at once."""
        ticket: Ticket = job.ticket
        with self._lock:
            watched = self._pump_for(ticket)
            if ticket.answer is None:
                ticket.worker.patience(self.call_timeout_ms)
        self._post_warnings()
        if ticket.answer is None:
            self._wait(watched, 0.0, None)
            with self._lock:
                ticket.worker.pump()
        return ticket.answer is not None

    def forget(self, job: Job) -> None:
        """Take back a frame that was submitted, and is not wanted any more."""
        with self._lock:
            job.ticket.worker.forget(job.ticket, self._number + 1)

    def _pump_for(self, ticket: Ticket) -> list[Process]:
        """Read the messages of the worker of a ticket, and of those that have something to be sent; return their processes."""
        wanted = [worker for worker in self._workers if worker is ticket.worker or worker.queued]
        for worker in wanted:
            worker.pump()
        if self._share_out(wanted):
            return self._pump_for(ticket)
        return [worker.process for worker in wanted if worker.process]

    def _share_out(self, workers: list[Supervisor]) -> bool:
        """Let frames that wait for a new process of a worker go to one that is ready; return whether they do."""
        waiting = [ticket for worker in workers if worker.state != READY for ticket in worker.queued]
        ready = [worker for worker in self._workers if worker.state == READY] if waiting else []
        for ticket in waiting if ready else ():
            min(ready, key=_busyness).adopt(ticket)
        return bool(ready)

    def _wait(self, processes: list[Process], patience_s: float | None, wake_fd: int | None) -> list[Process]:
        """Wait until some of these processes say something, or have ended, and return them. Raises Woken."""
        poll = select.poll()
        files = [self._poke.file, *(file for process in processes for file in (process.file, process.pidfd))]
        for file in files if wake_fd is None else (*files, wake_fd):
            poll.register(file, select.POLLIN)
        ready = {file for file, _ in poll.poll(None if patience_s is None else ceil(patience_s * 1000))}
        if self._poke.file in ready:
            self._poke.clear()
        for process in processes:
            process.has_ended |= process.pidfd in ready
        if wake_fd in ready:
            raise Woken
        return [process for process in processes if process.has_ended or process.file in ready]

    def _taken(self, job: Job, ticket: Ticket) -> Result | None:
        """Give a job its buffer, and return its result, or raise what became of it."""
        answer = ticket.answer
        if isinstance(answer, Exception):
            self._settle(job, ticket, failed=True, kept=False)
            raise answer
        _, job.took_ns, overhead, kept, (was_written, times), (kind, packed, made) = answer
        job.was_written, job.has_other_times = was_written, times is not None
        job.transport_ns += overhead
        self._settle(job, ticket, failed=kind == "error", kept=kept)
        if kind == "error":
            raise unpack_error(packed)
        if times:
            shared.set_times(job.buffer, times)
        if not self.library.in_place:
            self._make(job, ticket, made)
        ticket.drop()
        return unpack_result(packed)

    def _settle(self, job: Job, ticket: Ticket, *, failed: bool, kept: bool) -> None:
        """Let a job have the buffer that goes on: what the worker wrote, or the original where it failed and there is one."""
        image = ticket.image
        if failed and ticket.original:
            job.buffer, ticket.original = ticket.original, 0
        elif kept:
            job.buffer = self._images.acquire(size_of(image))
            shared.copy_frame(image, job.buffer)
        else:
            job.buffer, ticket.image = image, 0
        if kept:  # the memory is the library's; nobody else may write into it any more
            shared.abandon(image)
            ticket.image = 0
        if failed:
            ticket.drop()

    def _make(self, job: Job, ticket: Ticket, made: Any) -> None:
        """Let a job have the new frame, whose times are ``made``; 0: it is dropped, 1: it is the one that came."""
        if made == 1:
            job.made = job.buffer
        elif made:
            job.made, ticket.target = ticket.target, 0
            shared.set_times(job.made, made)

    def states(self) -> list[str]:
        """Return what each worker does at this moment. From any thread."""
        with self._lock:
            return [worker.doing() for worker in self._workers]

    # The end.

    def stop(self) -> None:
        """Call the library's ``stop`` in each worker, and end them. Raises LibraryError."""
        with self._lock:  # nobody may be looking at them
            workers, self._workers = self._workers, []
        try:
            for worker in workers:
                worker.finish()
            while left := [worker for worker in workers if worker.process]:
                self._wait([worker.process for worker in left if worker.process], min(map(Supervisor.rest, left)), None)
                for worker in left:
                    worker.look_at_end()
        finally:
            for worker in workers:
                worker.end()
            self._relay.close()
            self._images.close()
            self._targets.close()
            self._poke.close()
            self._warn = _ignore  # whoever has the pool may be freed before it
        for error in (worker.error for worker in workers):
            if error:
                raise error
