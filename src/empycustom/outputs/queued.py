"""A bounded queue and a thread for an output, so that a slow disk or pipe does not stop a stream."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from empycustom.errors import StuckOutputError

if TYPE_CHECKING:
    from empycustom.outputs.table import Output

PATIENCE_S = 5.0  # without progress, before the documents that wait at the end are given up
MOST_DOCUMENTS, MOST_BYTES = 1000, 16 << 20
_GATHER_S = 0.02  # to write several documents at once: waking the thread costs the stream more than a document does
_LOOK_EVERY_S = 0.01


class Waiter(Protocol):
    """Whoever gives documents to a queue: it says whether it may wait while the queue is full."""

    def is_live(self) -> bool:
        """Return whether the stream is live, and cannot wait: its documents are dropped."""

    def is_stopping(self) -> bool:
        """Return whether the stream is stopped or flushed, and has to go on at once. It is called repeatedly during a wait."""


def reason(error: BaseException | None) -> str:
    """Return why an output failed, as text for the brackets in a message."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Patient:
    """A :class:`Waiter` that is not a stream: it waits as long as it takes."""

    def is_live(self) -> bool:
        """Return False: nothing is dropped."""
        return False

    def is_stopping(self) -> bool:
        """Return False: a wait is not interrupted."""
        return False


class QueuedOutput:
    """Writes documents to an output in a thread of its own. All methods may be called in any thread.

    Parameters
    ----------
    output : Output
        Where the documents go. It is opened at once; what its ``open`` raises is raised here.
    on_error : function
        It is called once, in any thread, with the exception when writing fails, or with a StuckOutputError when there is no
        progress at the end. Nothing more is accepted then.
    most, most_bytes : int
        The largest number of documents in the queue, and their largest size in bytes.

    Attributes
    ----------
    accepted, written, dropped, lost : int
        Numbers of documents: accepted by :meth:`put`, or given to it after an error; written; dropped because the queue of a live
        stream was full; not written because of an error.
    failed : BaseException or None
        The exception that ``on_error`` was called with.
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
        self._enough = most // 2  # documents that are written at once: the stream is not to wait until more are gathered
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
        """The number of documents that are accepted and not written yet."""
        return self.accepted - self.written - self.lost

    @property
    def is_of_this_process(self) -> bool:
        """True in the process that made it; a forked child does not have the thread."""
        return self._process == os.getpid()

    def put(self, line: bytes, waiter: Waiter) -> bool:
        """Accept a document, as a line of JSON; return False if it is dropped, or if the output has failed.

        If the queue is full, a live stream drops the document. Another stream waits; if it is stopped or flushed meanwhile, the
        document is accepted nevertheless, so that nothing is lost.
        """
        size, queue = len(line), self._queue
        with self._lock:
            if queue and self._is_full(size):
                if waiter.is_live():
                    self.dropped += 1
                    return False
                while self._is_full(size) and not self._is_over and not waiter.is_stopping():
                    self._moved.wait(_LOOK_EVERY_S)
            if self._closing:
                return False
            self.accepted += 1
            if self.failed is not None:
                self.lost += 1
                return False
            self._bytes += size
            queue.append(line)
            if len(queue) == 1 or len(queue) == self._enough:
                self._more.notify()
        return True

    @property
    def _is_over(self) -> bool:
        return self._closing or self.failed is not None

    def _is_full(self, size: int) -> bool:
        return bool(self._queue) and (len(self._queue) >= self._most or self._bytes + size > self._most_bytes)

    def drain(self, is_stopping: Callable[[], bool] = lambda: False, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until all documents that are accepted so far are written; give up after ``patience_s`` without progress."""
        with self._lock:
            wanted = self.accepted
        self._wait(lambda: self.written >= wanted or is_stopping(), patience_s)

    def close(self, is_hurried: Callable[[], bool] = lambda: False, *, patience_s: float = PATIENCE_S) -> None:
        """Wait as :meth:`drain` does, and close the output. Nothing more is accepted.

        ``is_hurried`` is called repeatedly. When it returns True, the wait ends, and documents that are not written are lost.
        """
        if self.is_of_this_process:
            self._closing = True
            self._wait(lambda: self._ended or is_hurried(), patience_s)
            if not self._ended:
                self.give_up()
            _open.discard(self)

    def give_up(self, patience_s: float = 0.0) -> None:
        """Write nothing more. Documents that wait are lost; ``patience_s`` is for the message: the time without progress."""
        if self.waiting:
            self._fail(StuckOutputError(self.waiting, patience_s))

    def _wait(self, is_done: Callable[[], bool], patience_s: float) -> None:
        """Wait while there is progress, until it is done, or an error has been reported."""
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
                self._write(batch)
        except BaseException as error:  # noqa: BLE001 - of an output of somebody else's, too; a thread has nobody to raise to
            self._fail(error)
        try:
            self._output.close()
        except BaseException as error:  # noqa: BLE001 - what was written last may be lost
            self._fail(error)
        with self._lock:
            self._ended = True
            self._moved.notify_all()

    def _write(self, batch: list[bytes]) -> None:
        """Write a batch and count it; if it fails, count what was written of it."""
        try:
            self._output.write(batch)
        except OSError as error:
            size = getattr(error, "characters_written", 0)
            self._count(sum(end <= size for end in accumulate(map(len, batch))))
            raise
        self._count(len(batch))

    def _next(self) -> list[bytes]:
        """Return the next lines to write, or an empty list at the end."""
        with self._lock:
            while not self._queue and not self._is_over:
                self._more.wait()
            is_little = self._bytes < self._output.batch_bytes and len(self._queue) < self._enough
            if is_little and not self._hurried and not self._is_over:
                self._more.wait(_GATHER_S)
            batch: list[bytes] = []
            room = self._output.batch_bytes
            while self._queue and (not batch or len(self._queue[0]) <= room):
                batch.append(self._queue.popleft())
                room -= len(batch[-1])
            self._bytes -= sum(map(len, batch))
            return batch

    def _count(self, written: int) -> None:
        with self._lock:
            if self.failed is None:
                self.written += written
            self._moved.notify_all()


_open: WeakSet[QueuedOutput] = WeakSet()


def give_up_all(within_s: float = 0.5) -> list[QueuedOutput]:
    """Write what can be written within ``within_s``, before the process is ended; return the outputs that lose documents."""
    until = time.monotonic() + within_s
    stuck = [output for output in list(_open) if output.waiting and output.failed is None]
    for output in stuck:
        output.drain(lambda: time.monotonic() > until, patience_s=within_s)
        output.give_up()
    return [output for output in stuck if output.failed]


@atexit.register
def _close_all() -> None:
    """Write what is accepted when a program ends without stopping its pipelines."""
    for output in list(_open):
        known = output.failed
        output.close()
        if output.failed and not known and sys.stderr:
            sys.stderr.write(f"empycustom: {output.name} cannot be written ({reason(output.failed)})\n")
