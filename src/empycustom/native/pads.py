"""The pads of an element that lets several buffers be worked on at a time: the chain function of one, the task of the other.

A GstBaseTransform pushes what it makes of a buffer before it takes the next one. :class:`Pads` replaces the chain function of
its sink pad, for as long as it is started, by a function that may keep the buffers, and pushes them in a task of the source pad.
Caps, events, queries, negotiation and QoS stay those of the base class, whose ``submit_input_buffer`` sees each buffer first.

Neither needs PyGObject, so that this is the one way, whether or not there is a fast path.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping
from typing import Any

from empycustom.native.loading import POINTER, ffi, gst, packer, reader, unpacker, writer

_OK, _FLUSHING, _ERROR = 0, -2, -5  # GstFlowReturn
_NONE = 2**64 - 1  # GST_CLOCK_TIME_NONE
_DISCONT = 1 << 6  # GstBufferFlags
_COPY_ALL = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3  # GstBufferCopyFlags: flags, times, metas, and the memory, which is shared

_read_address, _write_address, _write_time = unpacker("=Q"), packer("=Q"), packer("=Q")
_times = reader("GstBuffer", "pts", "duration")
_flags, _set_flags = reader("GstBuffer", "mini_object.flags"), writer("GstBuffer", "mini_object.flags")

_started: dict[int, Pads] = {}  # by the address of their element


# The table is an argument, because a thread of GStreamer may call when the interpreter has cleared this module.
@ffi.callback("int(uintptr_t, uintptr_t, uintptr_t)", error=_ERROR)  # type: ignore[untyped-decorator]
def _chain(_pad: int, element: int, buffer: int, table: dict[int, Pads] = _started) -> int:
    pads = table.get(element)
    return pads.chain(buffer) if pads else _FLUSHING


@ffi.callback("void(uintptr_t)")  # type: ignore[untyped-decorator]
def _run_task(element: int, table: dict[int, Pads] = _started) -> None:
    pads = table.get(element)
    if pads:
        pads.step()


class Pads:
    """The pads of one element, by addresses: of the element, its sink pad and its source pad.

    ``chain`` gets each buffer that comes, and has to give it away: to :meth:`push`, or to :func:`drop`. It returns a
    GstFlowReturn. ``step`` is what the task does again and again, once it is started; it ends with :meth:`pause_task`. Neither
    may raise anything. ``interrupted`` is called at the end of the interpreter; ``step`` pauses the task then.

    ``layout`` has where fields lie that are used: ``chainfunc`` of a GstPad, ``queued_buf`` and ``position`` (of the segment)
    of a GstBaseTransform, ``submit_input_buffer`` of its class.
    """

    def __init__(
        self,
        addresses: tuple[int, int, int],
        layout: Mapping[str, int],
        chain: Callable[[int], int],
        step: Callable[[], None],
        interrupted: Callable[[], None],
    ) -> None:
        self._element, self._sink, self._source = addresses
        self.chain, self.step, self.interrupted = chain, step, interrupted
        self._queued, self._position = self._element + layout["queued_buf"], self._element + layout["position"]
        self._chainfunc = self._sink + layout["chainfunc"]
        (own_class,) = _read_address(self._element)
        (submit,) = _read_address(own_class + layout["submit_input_buffer"])
        self._submit = ffi.cast("int (*)(uintptr_t, int, uintptr_t)", submit)
        self._former: Any = None

    def open(self) -> None:
        """Let buffers come to ``chain`` from now on."""
        (former,) = _read_address(self._chainfunc)
        self._former = ffi.cast(POINTER, former)
        _started[self._element] = self
        gst.gst_pad_set_chain_function_full(self._sink, _chain, ffi.NULL, ffi.NULL)

    def close(self) -> None:
        """Let buffers come to the base class again; none is under way."""
        if _started.pop(self._element, None):
            gst.gst_pad_set_chain_function_full(self._sink, self._former, ffi.NULL, ffi.NULL)

    def accept(self, buffer: int) -> tuple[int, int]:
        """Let the base class look at a buffer that came: it negotiates where it has to, and refuses what is too late (QoS).

        Return the address of the same buffer, or of one that can be written, and 0; or 0 where it is refused, and the
        GstFlowReturn.
        """
        flow = self._submit(self._element, 0, buffer)
        (queued,) = _read_address(self._queued)
        if not queued:
            return 0, int(flow)
        _write_address(self._queued, 0)
        pts, duration = _times(queued)
        if pts != _NONE:  # what the base class does where it pushes: queries of the position are answered with it
            _write_time(self._position, pts + duration if duration != _NONE else pts)
        return writable(queued), _OK

    def push(self, buffer: int) -> int:
        """Give a buffer to the element downstream, and return its GstFlowReturn."""
        return int(gst.gst_pad_push(self._source, buffer))

    # The task. These may be called by any thread, also by the task itself.

    def start_task(self) -> None:
        """Start the task, or let it go on after a pause."""
        gst.gst_pad_start_task(self._source, _run_task, ffi.cast(POINTER, self._element), ffi.NULL)

    def pause_task(self) -> None:
        """Let the task do nothing more; return when ``step`` has returned, if that is another thread."""
        gst.gst_pad_pause_task(self._source)

    def stop_task(self) -> None:
        """End the task, and return when it has ended."""
        gst.gst_pad_stop_task(self._source)


@atexit.register
def _close_all() -> None:
    """Leave all to C, which goes on for a moment when the interpreter has ended."""
    for pads in list(_started.values()):
        gst.gst_pad_set_chain_function_full(pads._sink, pads._former, ffi.NULL, ffi.NULL)
        pads.step = pads.pause_task
        pads.interrupted()


def new_buffer() -> int:
    """Return the address of a new buffer, with nothing in it."""
    return int(gst.gst_buffer_new())


def drop(buffer: int) -> None:
    """Give back a reference to the buffer at an address."""
    gst.gst_mini_object_unref(ffi.cast(POINTER, buffer))


def writable(buffer: int) -> int:
    """Return the address of a buffer that can be written: this one, or, where somebody else has it too, a twin in its place."""
    return int(gst.gst_mini_object_make_writable(buffer))


def twin_of(buffer: int) -> int:
    """Return the address of a new buffer with the same times, flags, metas and memory as the one at an address."""
    return int(gst.gst_buffer_copy_region(buffer, _COPY_ALL, 0, _NONE))


def mark_discontinuity(buffer: int) -> None:
    """Let a buffer that can be written say that something before it is missing."""
    _set_flags(buffer, _flags(buffer)[0] | _DISCONT)
