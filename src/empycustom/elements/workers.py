"""What an element does with its frames while its library runs in a pool of workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil
from time import monotonic
from typing import Any

from empycustom.buffers.callback import offer_shared_memory_at
from empycustom.carriers.protocol import Frame
from empycustom.elements.asynchronous import Asynchronous
from empycustom.elements.base import FLOW_DROPPED, FLOW_OK
from empycustom.elements.dialects import as_written
from empycustom.elements.failures import post_warning
from empycustom.elements.frames import FrameFormat
from empycustom.elements.latency import Latency
from empycustom.elements.latest import Newest
from empycustom.elements.limits import called, check_declared, check_format, check_frame, check_library
from empycustom.elements.output import NewFrames
from empycustom.elements.results import LibraryTransform
from empycustom.errors import LibraryError, MetadataError, PropertyError, StreamEndedError
from empycustom.gstreamer import Gst
from empycustom.model.results import Result
from empycustom.model.values import name_frames
from empycustom.native.memory import unref
from empycustom.runners.messages import Wakeup
from empycustom.runners.processes import ProcessPool
from empycustom.runners.protocol import Job, Pool
from empycustom.runners.replaceable import ReplaceablePool
from empycustom.text import as_path

_LAST_CALL_S, _GLANCE_S = 1.0, 0.005
_AT_LEAST, _BYTES = 8, 1 << 28  # so many frames may be under way; where a second has more, those, up to so many bytes


def start_pool(
    custom_lib: Any,
    values: Mapping[str, Any],
    options: dict[str, Any],
    events: Any,
    element: LibraryTransform | None = None,
) -> Any:
    """Return the pool that runs a library as the properties of an element say, started. Raises LibraryError, PropertyError.

    ``element`` posts warnings, and its ``interrupt_start`` ends the start, so that it raises LibraryError.
    """
    given = element.given if element is not None else ()
    check_library(custom_lib)
    if os.path.isfile(as_path(custom_lib)):
        custom_lib = os.path.abspath(as_path(custom_lib))  # workers that begin later find it wherever the working directory is

    def open_pool(is_new: bool) -> ProcessPool:
        return ProcessPool(custom_lib, workers=values["workers"], is_new=is_new, warn=warn, **called(values, given))

    def warn(warning: LibraryError) -> None:
        if element is not None:
            post_warning(element, warning)

    pool = ReplaceablePool(open_pool)
    pool.call_timeout_ms = values["call-timeout"]
    interrupted = Wakeup()
    try:
        if element is not None:
            element.interrupt_start = interrupted.set
        with as_written(values):
            pool.start(options, events, interrupted.file)
    finally:
        if element is not None:
            element.interrupt_start = None
        interrupted.close()
    try:
        check_declared(values, pool.library)
    except PropertyError:
        pool.stop()
        raise
    return pool


class Workers(Asynchronous[Job]):
    """Hands the frames of an element to a pool, which is started, and which somebody else stops.

    The thread of upstream finds a worker for a frame, or waits for one; the task of the source pad applies the result. With
    ``pace=latest`` there is nothing to wait for, and the thread of upstream does it all.
    """

    def __init__(self, element: LibraryTransform, pool: Pool, new_frames: NewFrames) -> None:
        self._owner, self._pool, self._new_frames = element, pool, new_frames
        self._newest = Newest(element, pool)
        self._latency = Latency(element)
        self._limit = _AT_LEAST
        super().__init__(element)

    def forget(self, jobs: list[Job]) -> None:
        """Forget all that is under way."""
        for job in jobs:
            self._pool.forget(job)
        self._newest.forget()

    def complete(self) -> None:
        """Report what goes wrong in the last calls with ``pace=latest``. One that goes on is left to the stop of the pool."""
        until = None if self._pool.call_timeout_ms else monotonic() + _LAST_CALL_S
        while self.flow == FLOW_OK and self._newest.is_busy and (until is None or monotonic() < until):
            self.changed.clear()
            if flow := self._newest.look(self.collect):
                self.flow = flow
            self.changed.wait(_GLANCE_S)

    def renew(self) -> None:
        """Show no result on frames of another stream, or of another size."""
        self._newest.forget()

    # The thread of upstream.

    def take(self, buffer: int) -> int:
        """Let a frame that came be worked on, or pass."""
        is_latest = self._owner.values["pace"] == "latest"
        if not is_latest:
            self._newest.forget()
        elif not self.drain():  # it was another pace before
            unref(buffer)
            return self.flow
        frame, is_due = None, self._owner.is_due("chain")
        if is_due or is_latest:
            try:
                frame = self._read(buffer)
            except MetadataError as error:
                return self._discard(error, buffer)
            except BaseException:
                unref(buffer)
                raise
        if frame and is_latest:
            return self._show_newest(buffer, frame, is_due=is_due)
        return self._enter(buffer, frame)

    def _read(self, buffer: int) -> Frame:
        """Decode a frame. Raises MetadataError, PropertyError."""
        frame = self._owner.frames.read(buffer)
        check_frame(frame)
        if frame.warnings or frame.doubts:
            self._owner.report_warnings(frame)
        return frame

    def _discard(self, error: MetadataError, buffer: int) -> int:
        """Deal with a frame whose metadata cannot be read, as ``on-error`` says."""
        flow = self._owner.fail(error)
        if flow != FLOW_OK:
            self.drop(buffer)
            return FLOW_OK if flow == FLOW_DROPPED else flow
        self._owner.frames.discard(buffer)
        self.put(buffer)
        return self.flow

    def _show_newest(self, buffer: int, frame: Frame, *, is_due: bool) -> int:
        """Push a frame with the newest result that there is."""
        flow = self._newest.add_to(buffer, frame, self.collect, is_due=is_due)
        if flow == FLOW_OK:
            return self.push(buffer)
        unref(buffer)
        self.flow = flow
        return flow

    def _enter(self, buffer: int, frame: Frame | None) -> int:
        """Let a frame leave behind those before it, and before that be worked on if it is due (``frame``)."""
        if self.wait_for_room(self._limit) and frame:
            job = Job(frame, buffer)
            if self._finds_worker(job):
                self.put(job)
                return self.flow
        if self.flow != FLOW_OK:
            unref(buffer)
        elif self._can_pass():
            self._owner.frames.stamp(buffer, frame) if frame else self._owner.frames.pass_on(buffer)
            self.put(buffer)
        else:
            self.drop(buffer)
        return self.flow

    def _finds_worker(self, job: Job) -> bool:
        """Hand a frame to a worker, and wait for one if it has to; return whether there was one."""
        values, tally, has_waited = self._owner.values, self._owner.tally, False
        while self.flow == FLOW_OK:
            every = values["pace"] == "every"
            if self._pool.submit(job, queue=every):
                tally.processed += 1
                job.reported = self._owner.reported  # of the version that has it
                return True
            if not every:
                tally.skipped += 1
                return False
            if has_waited:
                self.changed.wait()
            tally.waited += not has_waited
            has_waited = True
            self.changed.clear()  # before the next question: what changes afterwards ends the wait
        return False

    def _can_pass(self) -> bool:
        """Return whether a frame may go on as it came; if not, that is counted."""
        can = self._pool.library.in_place or self._new_frames.same_caps
        return can or self._owner.drop_other_caps() == FLOW_OK

    # The task of the source pad.

    def wait(self) -> None:
        """Wait until a worker says something, or somebody pokes the pool. Raises Woken."""
        self._pool.wait(self.wake)

    def poke(self) -> None:
        """Let the task look at the queue."""
        self._pool.poke()

    def has_answer(self, job: Job) -> bool:
        """Return whether the worker of a job has said something about it."""
        return self._pool.has_answer(job)

    def finish(self, job: Job) -> tuple[int, int]:
        """Wait for the result of a frame, and apply it; return the buffer that goes downstream, or 0 and why it does not."""
        try:
            try:
                result = self._pool.collect(job, self.wake)
            finally:
                self.tell()  # its worker has room
            return self._made(job, result), FLOW_DROPPED
        except StreamEndedError as end:
            unref(job.buffer)
            return 0, self._owner.end_at(end, name_frames(job.frame.frames))
        except LibraryError as error:
            error.frame = name_frames(job.frame.frames)
            flow = self._owner.fail(error, job.reported)
        if flow == FLOW_OK and self._can_pass():
            self._owner.frames.stamp(job.buffer, job.frame)
            return job.buffer, flow
        unref(job.buffer)
        return 0, flow or FLOW_DROPPED

    def collect(self, job: Job) -> Result | None:
        """Return the result of a frame that is done, and count it. Raises what :meth:`Pool.collect` raises."""
        try:
            return self._pool.collect(job, self.wake)
        finally:
            self.count(job)

    def count(self, job: Job) -> None:
        """Count how long the call of a frame took, and warn where that is too long."""
        owner, took = self._owner, job.took_ns
        owner.tally.times.add(took)
        owner.tally.transport.add(job.transport_ns)
        owner.tally.restarts = self._pool.restarts
        self._latency.count()
        workers, every = owner.values["workers"], owner.values["pace"] == "every"
        if every and took > self._latency.duration_ns * workers and not owner.is_slow_reported:
            owner.warn_too_slow(took, name_frames(job.frame.frames), is_first=self._latency.calls <= workers)

    def _made(self, job: Job, result: Result | None) -> int:
        """Return the buffer with what the library made of a frame, 0: it drops it. Raises LibraryError."""
        buffer = job.buffer
        if not self._pool.library.in_place:
            if not job.made:
                self._owner.tally.dropped += 1
                unref(buffer)
                return 0
            if job.made != buffer:
                self._new_frames.carry(buffer, job.made, job.frame)
                unref(buffer)
                buffer = job.buffer = job.made
        if result is not None and result.dropped is not None:
            self._owner.drop(result.dropped)
            unref(buffer)
            return 0
        if result is not None and result.returned is not None:
            self._owner.apply(buffer, job.frame, result)
        else:
            self._owner.frames.stamp(buffer, job.frame)
        return buffer

    # What the element asks for.

    def answer_latency(self, query: int) -> bool:
        """Add to the answer to a latency query how long frames may be here."""
        self._latency.add_to(query)
        return True

    def answer_allocation(self, query: int) -> bool:
        """Offer memory that workers have, too."""
        return offer_shared_memory_at(query)

    def set_pace(self) -> None:
        """Let a new pace take effect."""
        self.changed.set()  # whoever waits need not any more
        self._latency.report()

    def set_call_timeout(self, timeout_ms: int) -> None:
        """Let calls take so long from now on; 0: as long as they like."""
        self._pool.call_timeout_ms = timeout_ms
        self._pool.poke()  # who waits begins anew

    def expect(self, source: FrameFormat, target: FrameFormat) -> None:
        """Get ready for frames of a format, of which the library makes those of another. Raises PropertyError."""
        check_format(source)
        self._pool.target = target
        self._latency.duration_ns = source.duration_ns
        self._limit = max(_AT_LEAST, min(ceil(Gst.SECOND / source.duration_ns), _BYTES // source.size))

    def output_caps(self, caps: Any, _options: dict[str, Any]) -> str | None:
        """Ask the library for the caps of the frames that it makes. Raises LibraryError, Woken."""
        self.drain()
        return self._pool.output_caps(caps, self.wake)

    def states(self) -> list[str]:
        """Return what each worker does."""
        return self._pool.states()
