"""``empycustom`` at a pad of another element, for a program that cannot change its pipeline: a probe gives it the buffers.

It is the element itself, with its properties, signals, messages and policies, in a bin of its own. What it would see of the
events at its own pads, it sees at that pad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, takewhile
from threading import RLock
from typing import Any

from empycustom.buffers.callback import object_at
from empycustom.elements.base import FLOW_EOS, FLOW_OK, SLOW_BECAUSE, VIDEO_CAPS
from empycustom.elements.empycustom import EmPyCustom
from empycustom.elements.failures import errors_in, post_error
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst
from empycustom.native.memory import uncounted
from empycustom.native.probes import let_work

_NOT_NEGOTIATED = int(Gst.FlowReturn.NOT_NEGOTIATED)
_EVENTS = Gst.PadProbeType.EVENT_DOWNSTREAM | Gst.PadProbeType.EVENT_FLUSH
_VIDEO = Gst.Caps.from_string(VIDEO_CAPS)
_NAMED = ("STREAM_START", "CAPS", "SEGMENT")  # the events that stay at a pad, in their order; custom ones come after them


def check_caps(pad: Any, caps: Any) -> None:
    """Raise FrameError where caps at a pad are not those of frames."""
    if not caps.can_intersect(_VIDEO):
        raise FrameError(
            f"what goes through {name_of(pad)} is not raw video in a format that libraries can get, but {caps.to_string()}; "
            "attach to a pad behind the decoder, or behind a converter to a format that gst-inspect-1.0 empycustom lists"
        )


def name_of(pad: Any) -> str:
    """Name a pad, and the element that it is of."""
    element = _element_of(pad)
    return f"{element.get_name()}:{pad.get_name()}" if element else str(pad.get_name())


def _element_of(pad: Any) -> Any:
    """Return the element of a pad, also of the inner side of a ghost pad; None: it is of none."""
    while pad and not isinstance(pad, Gst.Element):
        pad = pad.get_parent()
    return pad


class AtPad(EmPyCustom):
    """The element at a pad, which it does not keep alive. ``call_lock`` is held while it works on a buffer."""

    __gtype_name__ = "GstEmPyCustomAtPad"

    def __init__(self) -> None:
        super().__init__()
        self.call_lock = RLock()
        self._is_working = self._owes_end = self._is_ending = False
        self._flow: int | None = FLOW_OK  # of buffers that it does not work on; None: it works on them
        self._pad: Callable[[], Any] = _nothing
        self._remove: list[Callable[[Any], None]] = []
        self._bin = Gst.Bin.new("at")  # its owner, and on the way of messages to the bus of the pipeline

    @property
    def input_pad(self) -> Any:
        """The pad that frames come to; None: it is gone."""
        return self._pad()

    # From the program's threads.

    def start(self, name: str) -> None:
        """Load the library and call its ``start``; messages have this name. Raises what an element would post."""
        self.set_name(name)
        self._bin.add(self)
        with errors_in(self) as found:
            state = self.set_state(Gst.State.PAUSED)
        if state == Gst.StateChangeReturn.FAILURE:
            self.stop()
            raise found.popitem()[1]  # each error of a start is posted

    def watch(self, pad: Any, freed: Callable[[], None]) -> None:
        """Work on the buffers at a pad from now on. ``freed`` is called where the pad is freed before :meth:`leave`."""
        self._pad, self._flow = pad.weak_ref(), None
        work = self._work_slowly if SLOW_BECAUSE else self._work_at
        with self.call_lock:  # buffers wait until the events before them are known
            events = pad.add_probe(_EVENTS, self._see)
            buffers = let_work(hash(pad), work, freed, is_source=pad.direction == Gst.PadDirection.SRC)
            self._remove = [lambda pad: pad.remove_probe(events), lambda _pad: buffers()]
            self._find_bus()
            for event in _sticky(pad):
                self._learn(event)

    def leave(self) -> None:
        """Let buffers pass from now on; one may be worked on still."""
        pad = self._pad()
        while pad and self._remove:
            with suppress(IndexError):  # another thread may leave, too
                self._remove.pop()(pad)

    def is_called(self) -> bool:
        """Return whether this thread is in a call of the library, or in a handler of a signal."""
        if not self.call_lock.acquire(blocking=False):
            return False
        try:
            return self._is_working
        finally:
            self.call_lock.release()

    def stop(self) -> BaseException | None:
        """Call ``stop`` of the library; return what it raises. ``call_lock`` is held, and it is not called."""
        self._flow = FLOW_OK
        self._bin.set_bus(None)
        with errors_in(self) as found:
            self.set_state(Gst.State.NULL)
        self._bin.remove(self)  # else each would keep the other
        return found.get(hash(self))

    # From the threads that the buffers and the events come by.

    def _work_at(self, address: int, *given: Any) -> int:
        with self.call_lock:
            if self._flow is not None:
                return self._flow
            self._is_working = True
            try:
                flow = self.work(address, *given)
            except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
                flow = self.failed(error)
            self._is_working = False
        if flow == FLOW_EOS and self._owes_end:
            self._end_downstream()
        return flow

    def _work_slowly(self, address: int) -> int:
        given = object_at(address)
        with uncounted(address):
            return self._work_at(address, given)

    def push_end(self) -> None:
        """Let downstream know of the end when nobody has to wait for that any more: it may take long."""
        self._owes_end = True

    def _end_downstream(self) -> None:
        self._owes_end, pad = False, self._pad()
        if pad:
            end = Gst.Event.new_eos()
            self._is_ending = True
            (pad.push_event if pad.direction == Gst.PadDirection.SRC else pad.send_event)(end)
            self._is_ending = False

    def _see(self, _pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type == Gst.EventType.FLUSH_START:  # it comes beside the buffers, and waits for no call
            return Gst.PadProbeReturn.OK
        with self.call_lock:
            goes_on = self._is_ending or self._learn(event)
        return Gst.PadProbeReturn.OK if goes_on else Gst.PadProbeReturn.DROP

    def _learn(self, event: Any) -> bool:
        """Read what an event says; return whether it goes on."""
        try:
            if event.type == Gst.EventType.STREAM_START:
                self._find_bus()
            elif event.type == Gst.EventType.CAPS:
                self._expect(event.parse_caps())
            return self.take_note(event)
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
            post_error(self, error)
            return True

    def _expect(self, caps: Any) -> None:
        self._flow = _NOT_NEGOTIATED
        check_caps(self._pad(), caps)
        self.expect(caps)
        self._flow = None

    def _find_bus(self) -> None:
        """Let messages go where those of the pad's own element go."""
        element = _element_of(self._pad())
        self._bin.set_bus(element.get_bus() if element else None)


def _nothing() -> None:
    """Return no pad."""


def _sticky(pad: Any) -> Iterator[Any]:
    """Yield the events that hold for the next buffer at a pad."""
    yield from filter(None, (pad.get_sticky_event(getattr(Gst.EventType, name), 0) for name in _NAMED))
    custom = (pad.get_sticky_event(Gst.EventType.CUSTOM_DOWNSTREAM_STICKY, index) for index in count())
    yield from takewhile(bool, custom)
