"""The protocols of runners: of one that runs a library in the thread that calls it, and of a pool that runs it elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from empycustom.carriers.protocol import Frame
from empycustom.library.callbacks import Library
from empycustom.model.results import Result


class Runner(Protocol):
    """Runs one library in the thread that calls it. An element starts it, and runs it for one frame after the other.

    ``library`` names the library in messages. ``options`` and ``events`` are passed to it, and may be replaced at any time.
    ``took_ns`` is how long the last call of it took, in nanoseconds.
    """

    library: Library
    options: dict[str, Any]
    events: Any
    took_ns: int

    def start(self, options: dict[str, Any], events: Any) -> None:
        """Get ready for frames. Raises LibraryError."""

    def run(self, frame: Frame, image: Any) -> Result | None:
        """Return what the library makes of a frame; None: the frame goes on as it is, or, where it is not in place, not at all.

        ``image`` is the ``Gst.Buffer`` with the pixels, as a callback gets it. Where the library is not called in place,
        ``image`` of the result is a list with the new frame: a ``Gst.Buffer``, arrays, or None, which drops the frame. Raises
        LibraryError, StreamEndedError.
        """

    def stop(self) -> None:
        """Give back what starting took. Raises LibraryError."""


class Woken(Exception):  # noqa: N818 - it is not an error
    """Somebody ended a wait for a worker: the stream is flushed, or stopped."""


class Job:
    """A frame on its way through a pool. ``frame`` is decoded, and has its ``in_meta``.

    ``buffer`` is the address of the GstBuffer, one reference to which belongs to the job. The pool takes that with ``submit``;
    with ``collect``, whether it returns or raises, the job has one again: to the buffer that goes downstream, or, where the
    library is not called in place, to the one that came. ``made`` is the address of the new frame then, with one reference, and
    the times and flags that it is to have; 0: the frame is dropped. It may be ``buffer``, with one reference in all.

    ``is_copied``: whoever submits has a reference of his own, which goes on, and wants nothing of what comes back, so that the
    pool is done with the buffer when it has copied it.

    ``was_written``: the library mapped the frame for writing. ``has_other_times``: it changed times or flags of the buffer.

    ``took_ns`` is how long the call itself took, ``transport_ns`` what getting there and back took besides.
    """

    number = made = took_ns = transport_ns = 0
    is_copied = was_written = has_other_times = False
    ticket: Any = None  # the pool's own
    generation: Any = None  # where pools replace each other: the one that has it
    reported: Any = None  # the set of what was reported already, which whoever submits has

    def __init__(self, frame: Frame, buffer: int) -> None:
        self.frame, self.buffer = frame, buffer


class Pool(Protocol):
    """Runs one library elsewhere: frames go in by ``submit``, and come out by ``collect``, which may be called by another thread.

    ``library`` names the library in messages. ``options``, ``events`` and ``call_timeout_ms`` (0: never) may be replaced at any
    time, and are those of all frames that are submitted later.
    ``target`` is the FrameFormat of what a library has to make that is not called in place; set while no frame is under way.
    """

    library: Any
    options: dict[str, Any]
    events: Any
    call_timeout_ms: int
    target: Any

    @property
    def hints(self) -> list[Exception]:
        """All warnings about functions of the library that nobody calls."""

    @property
    def restarts(self) -> int:
        """The number of workers that took the place of another one."""

    @property
    def sources(self) -> Mapping[str, bytes]:
        """The files of the library, with what the workers have run of each; they grow with what functions import."""

    def start(self, options: dict[str, Any], events: Any, wake_fd: int | None = None) -> None:
        """Load, check and start the library in all workers, as long as ``wake_fd`` cannot be read. Raises LibraryError."""

    def submit(self, job: Job, *, queue: bool) -> bool:
        """Hand a frame to a worker, without waiting; return whether one had room. If none had, nothing has happened.

        ``queue``: a worker that works, or is starting, may have one more frame waiting; else only one with nothing to do gets it.
        What goes wrong is raised by ``collect``.
        """

    def collect(self, job: Job, wake_fd: int) -> Result | None:
        """Wait for a frame, and return what the library made of it, as :meth:`Runner.run` does, less ``image``.

        Raises LibraryError (with the traceback), StreamEndedError, WorkerError where the worker died, CallTimeoutError. Raises
        Woken when ``wake_fd`` can be read (it is not read here); the job is as before then, to be collected or forgotten.
        """

    def wait(self, wake_fd: int) -> None:
        """Wait until a worker has said something, or :meth:`poke` was called. Raises Woken when ``wake_fd`` can be read."""

    def poke(self) -> None:
        """End a wait. From any thread."""

    def has_answer(self, job: Job) -> bool:
        """Return whether there is an answer already, so that :meth:`wait` may have ended because of it."""

    def is_done(self, job: Job) -> bool:
        """Return whether ``collect`` would return, or raise, at once."""

    def forget(self, job: Job) -> None:
        """Take back a frame that was submitted, and is not wanted any more; its buffer belongs to the pool."""

    def output_caps(self, caps: Any, wake_fd: int | None = None) -> str | None:
        """Call the library's ``output_caps`` in a worker, while no frame is under way. Raises LibraryError, Woken."""

    def states(self) -> list[str]:
        """Return what each worker does: ``"starting"``, ``"idle"``, ``"busy"``, ``"paused"`` (until it is started again)."""

    def stop(self) -> None:
        """Call the library's ``stop`` in each worker, and end them. Raises LibraryError."""
