"""GObject and GStreamer's debug log: what a Python element needs besides PyGObject.

Objects are given by their address, and stay their owner's unless a docstring has it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from empycustom.native.loading import bytes_of, ffi, glib, gst, reader, unpacker

_class_of = reader("GTypeInstance", "g_class")
_type_of = unpacker("=Q")  # the first field of every class


def make_floating(address: int) -> None:
    """Make a new element floating again, as its creator in C expects; at ``address`` lies the GObject.

    PyGObject before 3.46 takes the floating reference for itself, and GStreamer prints a CRITICAL for every Python element. The
    price is small: an element that is made and never put into a bin is not freed.
    """
    element = ffi.cast("void *", address)
    if not glib.g_object_is_floating(element):
        glib.g_object_ref(element)
        glib.g_object_force_floating(element)


def keep_until_exit(address: int) -> None:
    """Keep the element at an address, and the pipeline that it is in, until the process ends."""
    glib.g_object_ref(ffi.cast("void *", address))
    while address:
        address = gst.gst_object_get_parent(address)  # a reference of one's own


def set_boxed(value: int, boxed: int) -> None:
    """Let the GValue at an address, which is of a boxed type, hold what lies at another one, with a reference of its own."""
    glib.g_value_set_boxed(value, boxed)


def listener_check(address: int, signal: str) -> Callable[[], int]:
    """Return a function that returns whether anybody is connected to a signal of the object at ``address``: 0 if nobody is."""
    (class_address,) = _class_of(address)
    number = glib.g_signal_lookup(signal.encode(), _type_of(class_address)[0])
    return partial(glib.g_signal_has_handler_pending, address, number, 0, False)


_UNBLOCKED = 1 << 5  # GSignalMatchType


def any_listener_check(address: int) -> Callable[[], int]:
    """Return a function that returns whether anybody is connected to any signal of the object at ``address``: 0 if nobody is."""
    return partial(glib.g_signal_handler_find, address, _UNBLOCKED, 0, 0, 0, 0, 0)


def install_int_property(
    owner: str, property_id: int, name: str, blurb: str, limits: tuple[int, int, int], flags: int, *, signed: bool = True
) -> None:
    """Install an int property on the class named ``owner``, which reports its range and does not enforce it.

    ``limits`` are minimum, maximum and default. GLib answers a value out of range with a line on the console and goes on with
    the old one; an element that gets the value can refuse it with an error on the bus.
    """
    kind = _unchecked("Int" if signed else "UInt")
    spec = glib.g_param_spec_internal(kind, name.encode(), name.encode(), blurb.encode(), flags)
    number = ffi.cast("GParamSpecInt *" if signed else "GParamSpecUInt *", spec)
    number.minimum, number.maximum, number.default_value = limits
    glib.g_object_class_install_property(glib.g_type_class_ref(glib.g_type_from_name(owner.encode())), property_id, spec)


def _unchecked(kind: str) -> int:
    """Return the type of properties of a kind (Int, UInt) whose values are not validated: GLib's own, less that method."""
    name = f"EmPyCustomParam{kind}".encode()
    known = glib.g_type_from_name(name)
    if known:
        return int(known)
    parent = glib.g_type_from_name(f"GParam{kind}".encode())
    query = ffi.new("GTypeQuery *")
    glib.g_type_query(parent, query)
    info = ffi.new("GTypeInfo *", {"class_size": query.class_size, "instance_size": query.instance_size})
    gtype = glib.g_type_register_static(parent, name, info, 0)
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


# The highest level that any category writes, in [0]: looking at it first saves a call, as GStreamer's own macros do.
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
            level = gst.gst_debug_category_get_threshold(gst._gst_debug_category_new(other, 0, about))
            if level > self.threshold:
                self.threshold = level

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
