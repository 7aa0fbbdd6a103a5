"""Pad probes: buffers that go through a pad are counted, get another time, or are worked on; caps keep their frame rate.

A probe of PyGObject's has a reference of its own, so that its buffer cannot be written, and it cannot be replaced. It also
costs three times as much.

Probes are called on the thread of the buffers. They belong to their pad, which frees them, and end with the interpreter.
"""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from empycustom.native.loading import POINTER, address_of, ffi, gst, reader, writer

_BUFFER, _LIST, _EVENT = 1 << 4, 1 << 5, 1 << 6  # GstPadProbeType: a buffer, a list of them, an event that goes downstream
_DROP, _PASS, _REMOVE, _HANDLED = 0, 1, 2, 4  # GstPadProbeReturn
_OK, _DROPPED = 0, 100  # GstFlowReturn, and GST_BASE_TRANSFORM_FLOW_DROPPED
_CAPS = 12814  # GstEventType
_NONE = (1 << 64) - 1  # GST_CLOCK_TIME_NONE
_NULL: Any = ffi.NULL

_references = reader("GstBuffer", "mini_object.refcount")
_pts_of = reader("GstBuffer", "pts")
_times_of = reader("GstBuffer", "pts", "duration")
_type_of = reader("GstEvent", "type")
_write_times = writer("GstBuffer", "pts", "dts", "duration")

_callbacks: dict[int, Callable[[Any], int]] = {}
_when_freed: dict[int, Callable[[], None]] = {}  # what to call where a pad is freed before its probe is removed
_numbers = count(1)

# The pts and the duration that a buffer gets, in ns; (): it keeps its own; None: the probe is removed.
NewTimes = tuple[int, int | None] | tuple[()] | None


# The table is an argument, because a thread of GStreamer may call when the interpreter has cleared this module.
@ffi.callback("int(uintptr_t, GstPadProbeInfo *, uintptr_t)", error=_PASS)  # type: ignore[untyped-decorator]
def _on_probe(_pad: int, info: Any, number: int, callbacks: dict[int, Callable[[Any], int]] = _callbacks) -> int:
    callback = callbacks.get(number)
    return callback(info) if callback else _REMOVE


@ffi.callback("void(uintptr_t)")  # type: ignore[untyped-decorator]
def _forget(
    number: int,
    callbacks: dict[int, Callable[[Any], int]] = _callbacks,
    when_freed: dict[int, Callable[[], None]] = _when_freed,
) -> None:
    callbacks.pop(number, None)
    freed = when_freed.pop(number, None)
    if freed:
        freed()


atexit.register(_callbacks.clear)
atexit.register(_when_freed.clear)


def _add(pad: int, kind: int, callback: Callable[[Any], int], freed: Callable[[], None] | None = None) -> Callable[[], None]:
    number = next(_numbers)
    _callbacks[number] = callback
    if freed:
        _when_freed[number] = freed
    probe = gst.gst_pad_add_probe(pad, kind, _on_probe, number, _forget)

    def remove() -> None:
        _when_freed.pop(number, None)
        if number in _callbacks:
            gst.gst_pad_remove_probe(pad, probe)

    return remove


class BufferCounter:
    """Counts the buffers at the pad at an address: ``all``, and those in ``order``, none with a time before that of the last."""

    def __init__(self, pad: int) -> None:
        self.all = self.order = self._first = self._latest = 0
        _add(pad, _BUFFER, self._count)

    def _count(self, info: Any) -> int:
        self.all += 1
        (pts,) = _pts_of(info.data)
        if self._latest <= pts != _NONE:
            self._first = self._first if self.order else pts
            self.order += 1
            self._latest = pts
        return _PASS

    @property
    def span_ns(self) -> int:
        """The time from the first of those in order to the last one, in nanoseconds."""
        return self._latest - self._first


def call_at_first_buffer(pad: int, call: Callable[[], None]) -> None:
    """Call ``call`` when the first buffer is at the pad at an address."""

    def begin(_info: Any) -> int:
        call()
        return _REMOVE

    _add(pad, _BUFFER, begin)


class OvertakenCounter:
    """Counts the buffers that go in at the pad at one address and never out at that of another, because later ones do.

    Buffers are recognised by their pts. What is still between the two pads is not counted.
    """

    def __init__(self, into: int, out: int) -> None:
        self.count = 0
        self._between: deque[int] = deque()
        _add(into, _BUFFER, self._enter)
        _add(out, _BUFFER, self._leave)

    def _enter(self, info: Any) -> int:
        self._between.append(_pts_of(info.data)[0])
        return _PASS

    def _leave(self, info: Any) -> int:
        (pts,) = _pts_of(info.data)
        if pts in self._between:  # else it came before this counter
            while self._between.popleft() != pts:
                self.count += 1
        return _PASS


def replace_times(pad: int, times_of: Callable[[int | None, int | None], NewTimes]) -> Callable[[], None]:
    """Give the buffers at the pad at an address the times that ``times_of`` returns for their pts and duration, in ns or None.

    Returns a function that ends it; the pad has to be there when that is called.
    """

    def replace(info: Any) -> int:
        pts, duration = _times_of(info.data)
        times = times_of(None if pts == _NONE else pts, None if duration == _NONE else duration)
        if times is None:
            return _REMOVE
        if times:
            info.data = gst.gst_mini_object_make_writable(info.data)
            pts, duration = times
            _write_times(info.data, pts, _NONE, _NONE if duration is None else duration)
        return _PASS

    return _add(pad, _BUFFER, replace)


def let_work(pad: int, work: Callable[[int], int], freed: Callable[[], None], *, is_source: bool) -> Callable[[], None]:
    """Let ``work`` have each buffer at the pad at an address, which can be written, by its address.

    Where somebody else has the same buffer, a twin takes its place. ``work`` returns a GstFlowReturn: with OK the buffer goes
    on, with DROPPED it does not, and upstream does not see that; any other one ends it here, and is upstream's. The buffers of a
    list come one by one. ``freed`` is called where the pad is freed before.

    Returns a function that ends it; the pad has to be there when that is called.
    """
    give = gst.gst_pad_push if is_source else gst.gst_pad_chain

    def on_buffer(info: Any) -> int:
        buffer = info.data
        if _references(buffer)[0] != 1:
            info.data = buffer = gst.gst_mini_object_make_writable(buffer)
        flow = work(buffer)
        if flow == _OK:
            return _PASS
        return _DROP if flow == _DROPPED else _handled(info, flow)

    lists = _add(pad, _LIST, lambda info: _handled(info, _give_each(info.data, pad, give)))
    buffers = _add(pad, _BUFFER, on_buffer, freed)

    def remove() -> None:
        lists()
        buffers()

    return remove


def _handled(info: Any, flow: int) -> int:
    """End what a probe has got here; ``flow`` is what upstream gets."""
    gst.gst_mini_object_unref(ffi.cast(POINTER, info.data))
    ffi.cast("GstPadProbeEnd *", info).flow = flow
    return _HANDLED


def _give_each(buffers: int, pad: int, give: Callable[[int, int], int]) -> int:
    """Give the buffers of a list to a pad, as GStreamer does where an element takes no lists; probes see them again."""
    for index in range(gst.gst_buffer_list_length(buffers)):
        buffer = gst.gst_mini_object_ref(ffi.cast(POINTER, gst.gst_buffer_list_get(buffers, index)))
        flow = give(pad, address_of(buffer))
        if flow != _OK:
            return flow
    return _OK


class FixedFrameRate:
    """Keeps the first frame rate in the caps of raw video, from the pad at an address on; ``missing`` where they have none."""

    def __init__(self, pad: int, missing: int | None) -> None:
        self._missing = missing
        self._kept: tuple[int, int] | None = None
        _add(pad, _EVENT, self._keep_rate)

    @property
    def per_second(self) -> float:
        """The rate; 0 where there is none (yet)."""
        return self._kept[0] / self._kept[1] if self._kept else 0

    def _keep_rate(self, info: Any) -> int:
        if _type_of(info.data)[0] == _CAPS:
            rate = _rate_of(info.data)
            if self._kept is None:
                self._kept = (self._missing, 1) if self._missing and not rate[0] else rate
            if rate != self._kept:
                event = _with_rate(info.data, self._kept)
                gst.gst_mini_object_unref(ffi.cast("void *", info.data))
                info.data = event
        return _PASS


def _caps_in(event: int) -> int:
    caps = ffi.new("address *")
    gst.gst_event_parse_caps(event, caps)
    return int(caps[0])


def _rate_of(event: int) -> tuple[int, int]:
    """Return the frame rate of the caps in an event; 0/1 where they have none."""
    rate = ffi.new("int[2]")
    has_rate = gst.gst_structure_get_fraction(gst.gst_caps_get_structure(_caps_in(event), 0), b"framerate", rate, rate + 1)
    return (rate[0], rate[1]) if has_rate else (0, 1)


def _with_rate(event: int, rate: tuple[int, int]) -> int:
    """Return the event of the same caps with another frame rate."""
    made = gst.gst_mini_object_copy(_caps_in(event))
    values = [ffi.cast("GType", gst.gst_fraction_get_type()), *(ffi.cast("int", number) for number in rate)]
    gst.gst_structure_set(gst.gst_caps_get_structure(made, 0), b"framerate", *values, _NULL)
    event = gst.gst_event_new_caps(made)
    gst.gst_mini_object_unref(ffi.cast("void *", made))
    return int(event)
