"""GObject and the debug log: what a Python element needs besides PyGObject."""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

from empycustom.native.loading import bytes_of, ffi, glib, gst, reader, unpacker, writer

_class_of = reader("GTypeInstance", "g_class")
_type_of = unpacker("=Q")  # the first field of every class


def keep_floating(address: int) -> None:
    """Make a new element floating again, as its creator in C expects; at ``address`` lies the GObject.

    PyGObject before 3.46 takes the floating reference for itself, and GStreamer prints a CRITICAL for every Python element. The
    price is small: an element that is made and never put into a bin is not freed.
    """
    element = ffi.cast("void *", address)
    if not glib.g_object_is_floating(element):
        glib.g_object_ref(element)
        glib.g_object_force_floating(element)


def keep(address: int) -> None:
    """Keep the element at an address, and the pipeline that it is in, until the process ends."""
    glib.g_object_ref(ffi.cast("void *", address))
    while address:
        address = gst.gst_object_get_parent(address)  # a reference of one's own


def listens_to(address: int, signal: str) -> Callable[[], int]:
    """Return what says, by a number that is not 0, whether anybody is connected to a signal of the object at ``address``."""
    (class_address,) = _class_of(address)
    number = glib.g_signal_lookup(signal.encode(), _type_of(class_address)[0])
    return partial(glib.g_signal_has_handler_pending, address, number, 0, False)


def install_int_property(owner: str, property_id: int, name: str, blurb: str, limits: tuple[int, int, int], flags: int) -> None:
    """Install an int property on the class named ``owner``, which reports its range and does not enforce it.

    ``limits`` are minimum, maximum and default. GLib answers a value out of range with a line on the console and goes on with
    the old one; an element that gets the value can refuse it with an error on the bus.
    """
    spec = glib.g_param_spec_internal(_unchecked_int(), name.encode(), name.encode(), blurb.encode(), flags)
    number = ffi.cast("GParamSpecInt *", spec)
    number.minimum, number.maximum, number.default_value = limits
    glib.g_object_class_install_property(glib.g_type_class_ref(glib.g_type_from_name(owner.encode())), property_id, spec)


_UNCHECKED_INT = b"EmPyCustomParamInt"


def _unchecked_int() -> int:
    """The type of int properties whose values are not validated: GLib's own, less that one method."""
    known = glib.g_type_from_name(_UNCHECKED_INT)
    if known:
        return int(known)
    parent = glib.g_type_from_name(b"GParamInt")
    query = ffi.new("GTypeQuery *")
    glib.g_type_query(parent, query)
    info = ffi.new("GTypeInfo *", {"class_size": query.class_size, "instance_size": query.instance_size})
    gtype = glib.g_type_register_static(parent, _UNCHECKED_INT, info, 0)
    spec_class = ffi.cast("GParamSpecClass *", glib.g_type_class_ref(gtype))
    spec_class.value_validate = spec_class.value_is_valid = ffi.NULL
    return int(gtype)


def register_enum(name: str, values: Sequence[tuple[str, str]]) -> None:
    """Register an enum type with values of (nick, description), numbered from 0."""
    table = ffi.new("GEnumValue[]", len(values) + 1)
    for number, (nick, description) in enumerate(values):
        texts = [ffi.new("char[]", description.encode()), ffi.new("char[]", nick.encode())]
        _immortal.extend(texts)
        table[number] = {"value": number, "value_name": texts[0], "value_nick": texts[1]}
    _immortal.append(table)
    glib.g_enum_register_static(name.encode(), table)


_immortal: list[Any] = []  # GLib keeps the pointers


# The highest level that any category writes, in [0]: who looks at it first saves a call, as GStreamer's own macros do.
highest_level: Any = ffi.addressof(gst, "_gst_debug_min")


class DebugCategory:
    """A category of GStreamer's debug log.

    ``aliases`` are names by which ``GST_DEBUG`` may mean this category too.
    """

    def __init__(self, name: str, description: str, aliases: Sequence[str] = ()) -> None:
        # GStreamer keeps the pointers to both texts.
        self._texts = [ffi.new("char[]", text.encode()) for text in (name, description, *aliases)]
        first, about, *others = self._texts
        self._category: Any = gst._gst_debug_category_new(first, 0, about)
        for other in others:
            asked = gst.gst_debug_category_get_threshold(gst._gst_debug_category_new(other, 0, about))
            if asked > self.threshold:
                self.threshold = asked

    @property
    def threshold(self) -> int:
        """The highest level that is written: 0 none, 1 errors … 5 debug, 6 log."""
        return int(gst.gst_debug_category_get_threshold(self._category))

    @threshold.setter
    def threshold(self, level: int) -> None:
        gst.gst_debug_category_set_threshold(self._category, level)

    def write(self, level: int, file: str, function: str, line: int, address: int, message: str) -> None:
        """Write one line of the object at ``address`` (0: of none) at ``level``, as coming from a place in a file."""
        gst.gst_debug_log_literal(
            self._category, level, bytes_of(file), bytes_of(function), line, ffi.cast("void *", address), bytes_of(message)
        )


# What goes through a pad: buffers to be counted or to get a time, caps to keep a frame rate.
#
# A probe of PyGObject's holds a reference of its own, so that what it sees cannot be written, and it cannot be replaced. It also
# costs three times as much.


_BUFFER, _EVENT = 1 << 4, 1 << 6  # GstPadProbeType: a buffer, an event that goes downstream
_PASS, _REMOVE = 1, 2  # GstPadProbeReturn
_CAPS = 12814  # GstEventType
_NONE = (1 << 64) - 1  # GST_CLOCK_TIME_NONE
_NULL: Any = ffi.NULL

_pts_of = reader("GstBuffer", "pts")
_times_of = reader("GstBuffer", "pts", "duration")
_gtype_of = reader("GstEvent", "type")
_write_times = writer("GstBuffer", "pts", "dts", "duration")

_looks: dict[int, Callable[[Any], int]] = {}
_numbers = count(1)

# The pts and the duration that a buffer gets, in ns; (): it keeps its own; None: no other buffer is asked about.
Times = tuple[int, int | None] | tuple[()] | None


# The table is an argument, because a thread of GStreamer may call when the interpreter has cleared this module.
@ffi.callback("int(uintptr_t, GstPadProbeInfo *, uintptr_t)", error=_PASS)  # type: ignore[untyped-decorator]
def _look(_pad: int, info: Any, number: int, looks: dict[int, Callable[[Any], int]] = _looks) -> int:
    look = looks.get(number)
    return look(info) if look else _REMOVE


@ffi.callback("void(uintptr_t)")  # type: ignore[untyped-decorator]
def _forget(number: int, looks: dict[int, Callable[[Any], int]] = _looks) -> None:
    looks.pop(number, None)


atexit.register(_looks.clear)


def _add(pad: int, kind: int, look: Callable[[Any], int]) -> Callable[[], None]:
    number = next(_numbers)
    _looks[number] = look
    probe = gst.gst_pad_add_probe(pad, kind, _look, number, _forget)

    def remove() -> None:
        if number in _looks:
            gst.gst_pad_remove_probe(pad, probe)

    return remove


class Counter:
    """Counts the buffers that go through the pad at an address, while that is there: ``all``, and those in ``order``.

    These have a time that is not before the times of earlier ones.
    """

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
        """How much later than the first of those in order the last one is, in nanoseconds."""
        return self._latest - self._first


def at_first(pad: int, call: Callable[[], None]) -> None:
    """Call ``call`` when the first buffer is at the pad at an address."""

    def look(_info: Any) -> int:
        call()
        return _REMOVE

    _add(pad, _BUFFER, look)


class Overtaken:
    """Counts the buffers that go in at the pad at one address and never out at that of another, because later ones do.

    It goes by their pts. What is still between the two pads is not counted.
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


def give_times(pad: int, times_of: Callable[[int | None, int | None], Times]) -> Callable[[], None]:
    """Ask ``times_of`` about the pts and the duration, or None, of each buffer at the pad at an address; return what ends that.

    ``pad`` has to be there when it is called.
    """

    def look(info: Any) -> int:
        pts, duration = _times_of(info.data)
        times = times_of(None if pts == _NONE else pts, None if duration == _NONE else duration)
        if times is None:
            return _REMOVE
        if times:
            info.data = gst.gst_mini_object_make_writable(info.data)
            pts, duration = times
            _write_times(info.data, pts, _NONE, _NONE if duration is None else duration)
        return _PASS

    return _add(pad, _BUFFER, look)


class FrameRate:
    """Lets raw video say one frame rate, from the pad at an address on: the first, or ``missing`` where there is none."""

    def __init__(self, pad: int, missing: int | None) -> None:
        self._missing = missing
        self._kept: tuple[int, int] | None = None
        _add(pad, _EVENT, self._look)

    @property
    def per_second(self) -> float:
        """The rate; 0 where there is none (yet)."""
        return self._kept[0] / self._kept[1] if self._kept else 0

    def _look(self, info: Any) -> int:
        if _gtype_of(info.data)[0] == _CAPS:
            rate = _rate_of(info.data)
            if self._kept is None:
                self._kept = (self._missing, 1) if self._missing and not rate[0] else rate
            if rate != self._kept:
                event = _rated(info.data, self._kept)
                gst.gst_mini_object_unref(ffi.cast("void *", info.data))
                info.data = event
        return _PASS


def _caps_in(event: int) -> int:
    caps = ffi.new("address *")
    gst.gst_event_parse_caps(event, caps)
    return int(caps[0])


def _rate_of(event: int) -> tuple[int, int]:
    """Return the frame rate of the caps in an event; 0/1 where they do not say it."""
    rate = ffi.new("int[2]")
    said = gst.gst_structure_get_fraction(gst.gst_caps_get_structure(_caps_in(event), 0), b"framerate", rate, rate + 1)
    return (rate[0], rate[1]) if said else (0, 1)


def _rated(event: int, rate: tuple[int, int]) -> int:
    """Return the event of the same caps with another frame rate."""
    made = gst.gst_mini_object_copy(_caps_in(event))
    values = [ffi.cast("GType", gst.gst_fraction_get_type()), *(ffi.cast("int", number) for number in rate)]
    gst.gst_structure_set(gst.gst_caps_get_structure(made, 0), b"framerate", *values, _NULL)
    event = gst.gst_event_new_caps(made)
    gst.gst_mini_object_unref(ffi.cast("void *", made))
    return int(event)
