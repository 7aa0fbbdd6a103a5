"""Memory of Python's that GStreamer uses for a while: buffers over the bytes of an array, without a copy.

When GStreamer has done with it, it must not call into Python: it may do so on any thread, and after the interpreter's end. So it
calls a function of GLib's that counts a number up, and the number is looked at when the next array is lent.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from sys import getrefcount
from typing import Any

from empycustom.native.declarations import address_of, ffi, glib, gst

_FREED = ffi.addressof(glib, "g_atomic_int_inc")
_left: list[tuple[Any, Any]] = []  # of lenders that are closed


def holders(held: list[Any]) -> int:
    """Return how many references there are to the only thing in a list. :data:`ALONE`: no other than the list's own."""
    return getrefcount(held[0])


ALONE = holders([object()])


class Lender:
    """Lends memory to buffers, and keeps its owners for as long as it takes; also after ``close()`` and Python's end."""

    def __init__(self) -> None:
        self._lent: list[tuple[Any, Any]] = []
        with suppress(IndexError):  # one at a time: lenders of other threads take from there, too
            while True:
                self._lent.append(_left.pop())

    def lend(self, address: int, owner: Any, data: int, size: int) -> None:
        """Let the writable buffer at ``address`` have the ``size`` bytes at ``data``, which belong to ``owner``."""
        self._collect()
        freed = ffi.cast("int *", glib.g_malloc0(ffi.sizeof("int")))
        memory = gst.gst_memory_new_wrapped(0, data, size, 0, size, address_of(freed), address_of(_FREED))
        gst.gst_buffer_append_memory(address, memory)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))  # the interpreter's end does not free it
        self._lent.append((freed, owner))

    def close(self) -> None:
        """Lend no more."""
        self._collect()
        _left.extend(self._lent)
        self._lent = []

    def _collect(self) -> None:
        """Take back what GStreamer has done with."""
        used = []
        for freed, owner in self._lent:
            if freed[0]:
                ctypes.pythonapi.Py_DecRef(ctypes.py_object(owner))
                glib.g_free(freed)
            else:
                used.append((freed, owner))
        self._lent = used
