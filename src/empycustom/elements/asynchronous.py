"""Frames that leave an element later than they come, in their order, while others come already.

The thread of upstream puts frames into a queue. A task of the source pad takes the first one, waits until it is finished, and
pushes it. What comes between frames (caps, segments, the end) waits until none is under way.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from empycustom.elements.base import FLOW_DROPPED, FLOW_OK, VideoTransform
from empycustom.elements.failures import post_error
from empycustom.errors import NativeError
from empycustom.gstreamer import Gst, GstBase
from empycustom.native.memory import unref
from empycustom.native.pads import Pads, mark_discontinuity, writable
from empycustom.runners.protocol import Woken

FLOW_FLUSHING, _FLUSHING = int(Gst.FlowReturn.FLUSHING), int(Gst.PadFlags.FLUSHING)
_UNREPORTED = {int(flow): flow.value_nick for flow in (Gst.FlowReturn.NOT_LINKED, Gst.FlowReturn.NOT_NEGOTIATED)}

_DRAIN, _LATENCY, _ALLOCATION = map(int, (Gst.QueryType.DRAIN, Gst.QueryType.LATENCY, Gst.QueryType.ALLOCATION))
_Job = TypeVar("_Job")


class Asynchronous(Generic[_Job]):
    """What stands between the pads of an element from its start to its stop.

    A subclass says what becomes of a frame: :meth:`take` and :meth:`finish`. A frame that passes is the address of its buffer;
    all others are jobs of the subclass.
    """

    def __init__(self, element: VideoTransform) -> None:
        self._element = element
        addresses = hash(element), hash(element.sinkpad), hash(element.srcpad)
        self._pads = Pads(addresses, _LAYOUT, self)
        self.flow = FLOW_OK  # what upstream gets from now on
        self._queue = deque[_Job | int]()
        self._entered = self._left = 0  # frames, each counted by one thread
        self.has_gap = True  # the next frame that enters says that something before it is missing
        self._leaves_behind_gap = False  # the next frame that leaves says so
        self.changed = threading.Event()  # a frame has left, or the stream is interrupted, or a subclass says so
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # can be read while the stream is interrupted
        self._pads.open()

    # What a subclass adds.

    def take(self, buffer: int) -> int:
        """Take a buffer that came, in the thread of upstream: put, push or drop it. Return a GstFlowReturn."""
        raise NotImplementedError

    def wait(self) -> None:
        """Wait, in the task, until there is something new of a job, or :meth:`poke` is called. Raises Woken."""
        raise NotImplementedError

    def poke(self) -> None:
        """Let the task look at the queue."""
        raise NotImplementedError

    def has_answer(self, job: _Job) -> bool:
        """Return whether what :meth:`wait` waits for has happened to a job."""
        raise NotImplementedError

    def finish(self, job: _Job) -> tuple[int, int]:
        """Wait for a job, in the task. Return the buffer that goes downstream, or 0 and the GstFlowReturn. Raises Woken."""
        raise NotImplementedError

    def count(self, job: _Job) -> None:
        """Count a job, in the task, when its frame has left or was dropped."""
        raise NotImplementedError

    def forget(self, jobs: list[_Job]) -> None:
        """Give back all that is under way, of which these are in the queue: no other thread is in here."""
        raise NotImplementedError

    def answer_latency(self, query: int) -> bool:
        """Add to the answer to a latency query how long frames may be here. Return whether there is an answer."""
        raise NotImplementedError

    def answer_allocation(self, query: int) -> bool:  # noqa: ARG002 - for a subclass
        """Answer the query of upstream what memory its frames should have. Return whether there is an answer."""
        return False

    def complete(self) -> None:
        """Do what is to be done behind the last frame, before the end goes on."""

    def renew(self) -> None:
        """Get ready for frames that have nothing to do with those before them: of another stream, or with other caps."""

    # Starting and stopping.

    def close(self) -> None:
        """Give back what is left: no other thread is in here any more."""
        self._pads.close()
        self._clear()
        os.close(self.wake)
        del self._pads  # each has the other one, and this the element

    def interrupt(self) -> None:
        """End all waiting. From any thread."""
        self.flow = FLOW_FLUSHING
        os.eventfd_write(self.wake, 1)
        self.changed.set()

    def _clear(self) -> None:
        items, self._queue = self._queue, deque()
        self.forget([item for item in items if not isinstance(item, int)])
        for item in items:
            if isinstance(item, int):
                unref(item)
        self._entered = self._left = 0
        self.has_gap = True
        with suppress(BlockingIOError):  # nobody has written
            os.eventfd_read(self.wake)

    # The thread of upstream.

    def chain(self, buffer: int) -> int:
        """Take a buffer that came."""
        buffer, refused = self._pads.accept(buffer)
        if not buffer:
            self.has_gap = True
            if self.flow == FLOW_FLUSHING:
                return self.flow
            return FLOW_OK if refused == FLOW_DROPPED else refused
        if self.flow != FLOW_OK:
            unref(buffer)
            return self.flow
        if self.has_gap:
            self.has_gap = False
            mark_discontinuity(buffer)
        try:
            return self.take(buffer)
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
            self.flow = self._element.failed(error)
            return self.flow

    def put(self, item: _Job | int) -> None:
        """Let a frame leave when those before it have left, and it is finished."""
        self._entered += 1
        self._queue.append(item)
        # A job needs no wake-up here: when its worker says something, the task takes both.
        if isinstance(item, int) or self.has_answer(item):
            self.poke()

    def drop(self, buffer: int) -> None:
        """Let a frame not go on."""
        unref(buffer)
        self.has_gap = True

    @property
    def under_way(self) -> int:
        """The number of frames that have come, and have not left yet. Any thread may ask."""
        return max(0, self._entered - self._left)

    def wait_for_room(self, limit: int) -> bool:
        """Wait until less than ``limit`` frames are under way; return False where the stream is interrupted."""
        if self.flow == FLOW_OK and self._entered - self._left < limit:
            return True
        return self._wait_until(lambda: self._entered - self._left < limit)

    def drain(self) -> bool:
        """Wait until all frames have left; return False where the stream is interrupted."""
        return self._wait_until(lambda: self._entered == self._left)

    def _wait_until(self, is_true: Callable[[], bool]) -> bool:
        while self.flow == FLOW_OK:
            self.changed.clear()  # before the question: what changes afterwards ends the wait
            if is_true():
                return True
            self.changed.wait()
        return False

    # The task of the source pad.

    def step(self) -> None:
        """Let the first frame in the queue leave."""
        try:
            flow = self._send_next()
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
            flow = self._element.failed(error)
        if flow != FLOW_OK:
            if self.flow == FLOW_OK:
                self.flow = flow
            self.changed.set()
            self._pads.pause_task()

    def _send_next(self) -> int:
        """Wait for the first frame in the queue, and push it. Return a GstFlowReturn."""
        item: _Job | int | None = None
        try:
            while not self._queue:
                self.wait()
            item = self._queue.popleft()
            buffer, flow = (item, FLOW_OK) if isinstance(item, int) else self.finish(item)
        except Woken:
            if item is not None:
                self._queue.appendleft(item)
            return FLOW_FLUSHING
        if buffer:
            flow = self.push(buffer)
        elif flow == FLOW_DROPPED:
            flow, self._leaves_behind_gap = FLOW_OK, True
        if not isinstance(item, int):
            self.count(item)
        self._left += 1
        self.tell()
        return flow

    def push(self, buffer: int) -> int:
        """Push a buffer now, and return the GstFlowReturn."""
        if self._leaves_behind_gap:
            self._leaves_behind_gap = False
            buffer = writable(buffer)
            mark_discontinuity(buffer)
        return self._pads.push(buffer)

    def tell(self) -> None:
        """End a wait for a change. Where it is set already, whoever waits next clears it before looking."""
        if not self.changed.is_set():
            self.changed.set()

    # Events and queries.

    def query(self, kind: int, query: int, forward: Callable[[], int]) -> bool:
        """Answer a query, after all that is behind the element has (``forward``)."""
        if kind == _DRAIN:
            self.drain()
        if kind == _LATENCY:
            return bool(forward()) and self.answer_latency(query)
        if kind == _ALLOCATION:
            is_answered = bool(forward())
            return self.answer_allocation(query) or is_answered
        return bool(forward())

    def handle(self, event: Any, forward: Callable[[Any], bool]) -> bool:
        """Let an event from upstream go on (``forward``), behind the frames that came before it."""
        if event.type == Gst.EventType.FLUSH_START:
            self.interrupt()
            done = forward(event)
            self._pads.pause_task()
            return done
        if event.type == Gst.EventType.FLUSH_STOP:
            self._clear()
            done = forward(event)
            self.flow = FLOW_OK
            self._pads.start_task()
            return done
        if event.type & Gst.EventTypeFlags.SERIALIZED:
            self.drain()
            if event.type in (Gst.EventType.STREAM_START, Gst.EventType.CAPS):
                self.renew()
            if event.type == Gst.EventType.EOS:
                self.complete()
            if event.type == Gst.EventType.EOS and self.flow in _UNREPORTED:  # upstream has not seen it, and is done
                why = _UNREPORTED[self.flow]
                post_error(self._element, NativeError(f"frames cannot go on ({why}); link the element to one that takes them"))
        # While the element is stopped, its source pad refuses events before its sink pad does. Upstream would take that for an
        # error; the frame behind the event tells it.
        return forward(event) or bool(self._element.srcpad.flags & _FLUSHING)

    def refuse(self, *_given: Any) -> int:
        """Take no buffer in another way than by the chain function."""
        raise NativeError("downstream pulls frames, and workers need frames that are pushed; put a queue behind the element")


def _layout() -> dict[str, int]:
    """Return where what :class:`Pads` uses lies in GStreamer's structures."""

    def fields(of: Any) -> dict[str, int]:
        return {field.get_name(): field.get_offset() for field in of.__info__.get_fields()}

    transform, pad = fields(GstBase.BaseTransform), fields(Gst.Pad)
    return {
        **{name: pad[name] for name in ("chainfunc", "queryfunc", "activatemodefunc")},
        "queued_buf": transform["queued_buf"],
        "position": transform["segment"] + fields(Gst.Segment)["position"],
        "submit_input_buffer": fields(GstBase.BaseTransformClass)["submit_input_buffer"],
    }


_LAYOUT = _layout()
