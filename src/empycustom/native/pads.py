"""The pads of an element whose buffers leave later than they come: a task, and functions in the place of the base class's.

A GstBaseTransform pushes what it makes of a buffer before it takes the next one. :class:`Pads` replaces the chain function of
its sink pad, for as long as it is started, by one that may keep the buffers, and pushes them in a task of the source pad. It
also sees the queries. Caps, events, negotiation and QoS stay those of the base class, whose ``submit_input_buffer`` sees each
buffer first.

None of it needs PyGObject, so that this is the one way, whether or not there is a fast path; and all other elements of the class
stay as they are.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from empycustom.native.loading import POINTER, ffi, gst, packer, reader, unpacker, writer

_OK, _FLUSHING, _ERROR = 0, -2, -5  # GstFlowReturn
_PUSH = 1  # GstPadMode
_NONE = 2**64 - 1  # GST_CLOCK_TIME_NONE
_DISCONT = 1 << 6  # GstBufferFlags
_COPY_ALL_BUT_MEMORY = 1 << 0 | 1 << 1 | 1 << 2  # GstBufferCopyFlags: flags, times, metas

_read_address, _write_address, _write_time = unpacker("=Q"), packer("=Q"), packer("=Q")
_times = reader("GstBuffer", "pts", "duration")
_flags, _set_flags = reader("GstBuffer", "mini_object.flags"), writer("GstBuffer", "mini_object.flags")
_type = reader("GstQuery", "type")

_started: dict[int, Pads] = {}  # by the address of their element


# The table is an argument, because a thread of GStreamer may call when the interpreter has cleared this module.
@ffi.callback("int(uintptr_t, uintptr_t, uintptr_t)", error=_ERROR)  # type: ignore[untyped-decorator]
def _chain(_pad: int, element: int, buffer: int, table: dict[int, Pads] = _started) -> int:
    pads = table.get(element)
    return pads.user.chain(buffer) if pads else _FLUSHING


@ffi.callback("int(uintptr_t, uintptr_t, uintptr_t)", error=0)  # type: ignore[untyped-decorator]
def _query(pad: int, element: int, query: int, table: dict[int, Pads] = _started) -> int:
    pads = table.get(element)
    return pads.user.query(_type(query)[0], query, partial(pads.former["query"][pad], pad, element, query)) if pads else False


@ffi.callback("int(uintptr_t, uintptr_t, int, int)", error=0)  # type: ignore[untyped-decorator]
def _activate(pad: int, element: int, mode: int, is_active: int, table: dict[int, Pads] = _started) -> int:
    pads = table.get(element)
    if not pads:
        return False
    if not is_active:
        pads.user.interrupt()
        pads.stop_task()
    return int(pads.former["activatemode"][pad](pad, element, mode, is_active))


@ffi.callback("void(uintptr_t)")  # type: ignore[untyped-decorator]
def _run_task(element: int, table: dict[int, Pads] = _started) -> None:
    pads = table.get(element)
    if pads:
        pads.step()


class User(Protocol):
    """Whoever uses pads. None of these may raise anything."""

    def chain(self, buffer: int) -> int:
        """Take a buffer that came, and give it away: to :meth:`Pads.push`, or to ``unref``. Return a GstFlowReturn."""

    def step(self) -> None:
        """Do what the task does again and again, until :meth:`Pads.pause_task`."""

    def interrupt(self) -> None:
        """Let the others return: the pads are deactivated, or the interpreter ends. ``step`` pauses the task then."""

    def query(self, kind: int, query: int, forward: Callable[[], int]) -> bool:
        """Answer a query, of a GstQueryType and at an address, to either pad; ``forward`` does what the base class does."""


# The functions that are replaced: in a GstPad, their types, and those of GStreamer's that do it.
_KINDS: dict[str, tuple[Any, Any, Any]] = {
    "chain": ("int (*)(uintptr_t, uintptr_t, uintptr_t)", _chain, gst.gst_pad_set_chain_function_full),
    "query": ("int (*)(uintptr_t, uintptr_t, uintptr_t)", _query, gst.gst_pad_set_query_function_full),
    "activatemode": ("int (*)(uintptr_t, uintptr_t, int, int)", _activate, gst.gst_pad_set_activatemode_function_full),
}


class Pads:
    """The pads of one element, by addresses: of the element, its sink pad and its source pad.

    ``layout`` has where fields lie that are used: ``chainfunc``, ``queryfunc`` and ``activatemodefunc`` of a GstPad,
    ``queued_buf`` and ``position`` (of the segment) of a GstBaseTransform, ``submit_input_buffer`` of its class.
    """

    def __init__(self, addresses: tuple[int, int, int], layout: Mapping[str, int], user: User) -> None:
        self._element, self._sink, self._source = addresses
        self.user, self.step = user, user.step
        self._queued, self._position = self._element + layout["queued_buf"], self._element + layout["position"]
        (own_class,) = _read_address(self._element)
        (submit,) = _read_address(own_class + layout["submit_input_buffer"])
        self._submit = ffi.cast("int (*)(uintptr_t, int, uintptr_t)", submit)
        self._places = {kind: layout[f"{kind}func"] for kind in _KINDS}
        self.former: dict[str, dict[int, Any]] = {}

    def open(self) -> None:
        """Replace the functions of the pads, which are active, and start the task."""
        of = {"chain": [self._sink], "query": [self._sink, self._source], "activatemode": [self._source]}
        _started[self._element] = self
        for kind, (ctype, function, replace) in _KINDS.items():
            self.former[kind] = {pad: ffi.cast(ctype, _read_address(pad + self._places[kind])[0]) for pad in of[kind]}
            for pad in of[kind]:
                replace(pad, function, ffi.NULL, ffi.NULL)
        self.start_task()

    def close(self) -> None:
        """Give the pads their own functions back; the task has ended, and no buffer is under way."""
        if _started.pop(self._element, None):
            self.restore()

    def restore(self) -> None:
        """Give the pads their own functions back."""
        for kind, (_, _, replace) in _KINDS.items():
            for pad, function in self.former[kind].items():
                replace(pad, function, ffi.NULL, ffi.NULL)

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
def _leave_all() -> None:
    """Leave all to C, which goes on for a moment when the interpreter has ended."""
    for pads in list(_started.values()):
        pads.restore()
        pads.step = pads.pause_task
        pads.user.interrupt()


def add_latency(query: int, own: Callable[[], int]) -> bool:
    """Add what ``own`` returns, in nanoseconds, to the answer to a latency query; return whether it is about a live source."""
    live, least, most = ffi.new("gboolean *"), ffi.new("uint64_t *"), ffi.new("uint64_t *")
    gst.gst_query_parse_latency(query, live, least, most)
    if live[0]:
        added = own()
        gst.gst_query_set_latency(query, True, least[0] + added, most[0] if most[0] == _NONE else most[0] + added)
    return bool(live[0])


# Buffers.


def writable(buffer: int) -> int:
    """Return the address of a buffer that can be written: this one, or, where somebody else has it too, a twin in its place."""
    return int(gst.gst_mini_object_make_writable(buffer))


def twin_of(buffer: int) -> int:
    """Return the address of a new buffer with the same times, flags, metas and memory as the one at an address.

    It does not hold that one, as a copy by GStreamer 1.26 does where the buffer is of a pool.
    """
    twin = gst.gst_buffer_copy_region(buffer, _COPY_ALL_BUT_MEMORY, 0, _NONE)
    for number in range(gst.gst_buffer_n_memory(buffer)):
        memory = ffi.cast(POINTER, gst.gst_buffer_peek_memory(buffer, number))
        gst.gst_buffer_append_memory(twin, gst.gst_mini_object_ref(memory))
    return int(twin)


def mark_discontinuity(buffer: int) -> None:
    """Let a buffer that can be written say that something before it is missing."""
    _set_flags(buffer, _flags(buffer)[0] | _DISCONT)
