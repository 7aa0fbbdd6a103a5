"""An output that can block, in a thread of its own behind a bounded queue: a slow disk or pipe does not stop a stream."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from empycustom.errors import StuckOutputError
from empycustom.outputs.table import Output

PATIENCE_S = 5.0  # how long an output may take nothing at the end before what waits for it is given up
MOST_DOCUMENTS, MOST_BYTES = 1000, 16 << 20
_GATHER_S = 0.002  # each wake-up of another thread costs a stream more than a document does
_LOOK_EVERY_S = 0.01


class Pace(Protocol):
    """How the stream that a document comes from may wait."""

    def is_live(self) -> bool:
        """Whether it cannot wait: documents are dropped where there is no room. Asked only then."""

    def is_stopping(self) -> bool:
        """Whether it has to go on at once, because it is stopped or flushed. Asked again and again while it waits."""


def reason(error: BaseException | None) -> str:
    """Return why an output failed, to be put in brackets."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Patient:
    """The pace of somebody who is not a live stream, and waits for as long as it takes."""

    def is_live(self) -> bool:
        """Nothing is dropped."""
        return False

    def is_stopping(self) -> bool:
        """Nobody stops it."""
        return False


class QueuedOutput:
    """Writes documents to an output in a thread of its own. Any thread may :meth:`put`.

    ``on_error`` is called once where writing fails, or nothing moves at the end, in whatever thread finds it out; ``failed`` is
    that error then, and nothing more is accepted. Documents are counted: ``accepted``, ``written``, ``dropped`` (by a live
    stream, there was no room) and ``lost`` (accepted, and could not be written). Raises what ``output.open`` raises.
    """

    def __init__(
        self,
        output: Output,
        *,
        on_error: Callable[[BaseException], None],
        most: int = MOST_DOCUMENTS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._output, self._on_error, self.name = output, on_error, output.name
        self._most, self._most_bytes = most, most_bytes
        self.accepted = self.written = self.dropped = self.lost = 0
        self.failed: BaseException | None = None
        self._queue: deque[bytes] = deque()
        self._bytes = 0  # in the queue
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)  # there is something to do for the thread
        self._moved = threading.Condition(self._lock)  # documents were written, or never will be
        self._hurried = 0  # how many wait for the queue to be empty
        self._closing = self._ended = self._reported = False
        self._process = os.getpid()
        output.open()
        self._thread = threading.Thread(target=self._run, name="empycustom output", daemon=True)
        self._thread.start()
        _open.add(self)

    @property
    def waiting(self) -> int:
        """How many documents were accepted and are not written yet."""
        return self.accepted - self.written - self.lost

    @property
    def is_of_this_process(self) -> bool:
        """Whether it was made here: a child of a fork does not have the thread."""
        return self._process == os.getpid()

    def put(self, line: bytes, pace: Pace) -> bool:
        """Accept a document; return False where it was dropped, or the output has failed.

        Where there is no room, a stream that is not live waits until there is, or it is stopped: then the document is accepted
        all the same, so that nothing of what the stream has seen is lost.
        """
        size = len(line)
        with self._lock:
            if self._is_full(size):
                if pace.is_live():
                    self.dropped += 1
                    return False
                while self._is_full(size) and not self._is_over and not pace.is_stopping():
                    self._moved.wait(_LOOK_EVERY_S)
            if self._is_over:
                return False
            self.accepted += 1
            self._bytes += size
            self._queue.append(line)
            if len(self._queue) == 1:
                self._more.notify()
        return True

    @property
    def _is_over(self) -> bool:
        return self._closing or self.failed is not None

    def _is_full(self, size: int) -> bool:
        return bool(self._queue) and (len(self._queue) >= self._most or self._bytes + size > self._most_bytes)

    def drain(self, is_stopping: Callable[[], bool] = lambda: False, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until all that was accepted so far is written, however slowly; give up where nothing moves any more."""
        with self._lock:
            wanted = self.accepted
        self._wait(lambda: self.written >= wanted or is_stopping(), patience_s)

    def close(self, is_hurried: Callable[[], bool] = lambda: False, *, patience_s: float = PATIENCE_S) -> None:
        """Write what was accepted, as :meth:`drain` does, and close the output. Nothing is accepted any more.

        ``is_hurried`` is asked again and again; True: nobody wants to wait any longer, and what is not written yet is lost.
        """
        if self.is_of_this_process:
            self._closing = True
            self._wait(lambda: self._ended or is_hurried(), patience_s)
            if not self._ended:
                self.give_up()
            _open.discard(self)

    def give_up(self, patience_s: float = 0.0) -> None:
        """Write nothing more: those documents are lost that nothing could be written of for ``patience_s``."""
        if self.waiting:
            self._fail(StuckOutputError(self.waiting, patience_s))

    def _wait(self, is_done: Callable[[], bool], patience_s: float) -> None:
        """Wait as long as documents are written, and until an error has been reported."""
        with self._lock:
            self._hurried += 1
            self._more.notify()
            seen, until = self.written, time.monotonic() + patience_s
            while not (is_done() or self._reported) and time.monotonic() < until:
                self._moved.wait(_LOOK_EVERY_S)
                if self.written != seen:
                    seen, until = self.written, time.monotonic() + patience_s
            self._hurried -= 1
            stuck = not is_done()
        if stuck:
            self.give_up(patience_s)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self.failed is not None:
                return
            self.failed = error
            self.lost += self.waiting
            self._queue.clear()
            self._more.notify()
            self._moved.notify_all()
        self._on_error(error)
        with self._lock:
            self._reported = True
            self._moved.notify_all()

    def _run(self) -> None:
        try:
            while batch := self._next():
                self._output.write(batch)
                self._count(batch)
        except BaseException as error:  # noqa: BLE001 - of an output of somebody else's, too; a thread has nobody to raise to
            self._fail(error)
        try:
            self._output.close()
        except BaseException as error:  # noqa: BLE001 - what was written last may be lost
            self._fail(error)
        with self._lock:
            self._ended = True
            self._moved.notify_all()

    def _next(self) -> list[bytes]:
        """Return what is to be written next; nothing at the end."""
        with self._lock:
            while not self._queue and not self._is_over:
                self._more.wait()
            if self._bytes < self._output.batch_bytes and not self._hurried and not self._is_over:
                self._more.wait(_GATHER_S)
            batch: list[bytes] = []
            room = self._output.batch_bytes
            while self._queue and (not batch or len(self._queue[0]) <= room):
                batch.append(self._queue.popleft())
                room -= len(batch[-1])
            self._bytes -= sum(map(len, batch))
            return batch

    def _count(self, batch: list[bytes]) -> None:
        with self._lock:
            if self.failed is None:
                self.written += len(batch)
            self._moved.notify_all()


_open: WeakSet[QueuedOutput] = WeakSet()


def give_up_all(within_s: float = 0.5) -> list[QueuedOutput]:
    """Write what can be written soon, as the process ends at once; return the outputs of which documents are lost by that."""
    until = time.monotonic() + within_s
    stuck = [output for output in list(_open) if output.waiting and output.failed is None]
    for output in stuck:
        output.drain(lambda: time.monotonic() > until, patience_s=within_s)
        output.give_up()
    return [output for output in stuck if output.failed]


@atexit.register
def _close_all() -> None:
    """Write what was accepted where a program ends without having stopped its pipelines."""
    for output in list(_open):
        known = output.failed
        output.close()
        if output.failed and not known and sys.stderr:
            sys.stderr.write(f"empycustom: {output.name} cannot be written ({reason(output.failed)})\n")
