"""The memory of buffers: mapping it, keeping it for later, and making it of NumPy arrays.

Mapping is four times as fast as through PyGObject, and able to keep the memory alone for later.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from sys import getrefcount
from typing import Any

from empycustom.errors import NativeError
from empycustom.native.loading import POINTER, address_of, ffi, glib, gst, reader

_MAP_INFO = ffi.typeof("GstMapInfo *")
READ, WRITE, _READ_WRITE = 1, 2, 3  # GstMapFlags
_REF_MEMORY = 1 << 8  # also one; set by gst_buffer_map since 1.28: the map itself owns its reference to the memory
_HEAP: Any = gst.gst_allocator_find(b"SystemMemory")
_HEAP_ADDRESS = address_of(_HEAP)
_references = reader("GstBuffer", "mini_object.refcount")
_mapped, _allocator = reader("GstMapInfo", "memory", "data", "size"), reader("GstMemory", "allocator")
_class_of = reader("GTypeInstance", "g_class")


def is_writable(address: int) -> bool:
    """Return whether the buffer at an address may be written: nothing else has a reference to it."""
    return bool(_references(address)[0] == 1 or gst.gst_mini_object_is_writable(address))


def is_memory_writable(address: int) -> bool:
    """Return whether the memory of the buffer at an address may be written: no other buffer has the same memory."""
    return bool(gst.gst_buffer_is_all_memory_writable(address))


def unref(address: int) -> None:
    """Give back a reference to the buffer or the memory at ``address``."""
    gst.gst_mini_object_unref(ffi.cast(POINTER, address))


def reference(address: int) -> object:
    """Return an object that holds a reference to the buffer or the memory at ``address`` for as long as it lives."""
    return ffi.gc(gst.gst_mini_object_ref(ffi.cast(POINTER, address)), gst.gst_mini_object_unref)


@contextmanager
def uncounted(address: int) -> Iterator[None]:
    """Leave out one of the references to the buffer at an address for a while, so that another owner may write it."""
    unref(address)
    try:
        yield
    finally:
        gst.gst_mini_object_ref(ffi.cast(POINTER, address))


def memory_count(address: int) -> int:
    """Return how many memories the buffer at an address has."""
    return int(gst.gst_buffer_n_memory(address))


@lru_cache(maxsize=1)
def _inside() -> int:
    """Return where the bytes lie in a GstMemory that has allocated them itself: right behind its own fields."""
    memory = gst.gst_allocator_alloc(_HEAP, 1, ffi.NULL)
    info = ffi.new(_MAP_INFO)
    gst.gst_memory_map(memory, info, READ)
    place = address_of(info.data) - address_of(memory)
    gst.gst_memory_unmap(memory, info)
    gst.gst_mini_object_unref(memory)
    return place


class AddressMap:
    """A buffer mapped until ``unmap()``, by addresses. ``address`` is that of a buffer which stays longer than the map."""

    __slots__ = ("_address", "_info")

    def __init__(self, address: int, flags: int) -> None:
        self._address, self._info = address, _map(address, flags)

    @property
    def place(self) -> tuple[int, int, int]:
        """The address of the memory that the bytes are of, their own, and how many there are. Zeros for an empty buffer."""
        memory, data, size = _mapped(address_of(self._info))
        return memory, data, size

    def unmap(self) -> None:
        """End the mapping; to be called once."""
        gst.gst_buffer_unmap(self._address, self._info)


def is_copied(memory: int, data: int) -> bool:
    """Return whether GStreamer allocated the bytes of a memory, as it does to copy some: what was wrapped has them elsewhere."""
    (allocator,) = _allocator(memory)
    return allocator == _HEAP_ADDRESS and data - memory == _inside()


class BufferMap(AddressMap):
    """The bytes of a buffer: ``data`` are all of them, not a copy, valid until ``unmap()``, and read-only unless ``writable``."""

    __slots__ = ("data",)

    def __init__(self, address: int, *, writable: bool) -> None:
        self._address, self._info = address, _map(address, _READ_WRITE if writable else READ)
        data = memoryview(ffi.buffer(self._info.data, self._info.size))
        self.data = data if writable else data.toreadonly()

    def hold(self) -> object:
        """Return an object that keeps the bytes where they are, after ``unmap()`` too, for as long as it lives.

        It holds a reference to the memory and no lock, so that others may map and write it. Memory that is not in the process's
        own heap goes away when it is unmapped; that kind is kept mapped, and GStreamer gives later writers a copy.
        """
        memory = self._info.memory
        gst.gst_mini_object_ref(memory)
        if _class_of(address_of(memory.allocator)) == _class_of(_HEAP_ADDRESS):
            return ffi.gc(memory, gst.gst_mini_object_unref)
        return _hold_mapped(memory, self._info.flags & _READ_WRITE)


class AutoMap:
    """A buffer mapped for as long as anything looks at it: ``unmap()`` ends it, or the end of the last view of ``data``.

    ``flags`` are GstMapFlags; ``data`` are all the bytes, not a copy, read-only unless the flags have WRITE. The buffer may be
    gone before the map.
    """

    __slots__ = ("_pointer", "data")

    def __init__(self, address: int, flags: int) -> None:
        info = _map(address, flags)
        # Whatever looks at the bytes keeps the buffer object of cffi, and that keeps the pointer.
        self._pointer = ffi.gc(info.data, lambda _: _unmap(info))
        data = memoryview(ffi.buffer(self._pointer, info.size))
        self.data = data if flags & WRITE else data.toreadonly()

    def unmap(self) -> None:
        """End the mapping now. Once more does nothing."""
        ffi.release(self._pointer)


def held_bytes(address: int) -> memoryview:
    """Return all bytes of the buffer at an address, read-only and not a copy. What looks at them keeps the buffer, as it is.

    Not for the frame's own buffer, which could not be written any more. Raises NativeError.
    """
    pointer = ffi.cast(POINTER, address)
    gst.gst_mini_object_ref(pointer)  # first, so that mapping several memories does not replace them
    try:
        info = _map(address, READ)
    except NativeError:
        gst.gst_mini_object_unref(pointer)
        raise

    def let_go(_: Any) -> None:
        gst.gst_buffer_unmap(address, info)
        gst.gst_mini_object_unref(pointer)

    if not info.size:
        let_go(None)
        return memoryview(b"")
    return memoryview(ffi.buffer(ffi.gc(info.data, let_go), info.size)).toreadonly()


def _map(address: int, flags: int) -> Any:
    info = ffi.new(_MAP_INFO)
    if not gst.gst_buffer_map(address, info, flags):
        raise NativeError("GStreamer could not map the buffer")
    return info


def _unmap(info: Any) -> None:
    """Do what gst_buffer_unmap does, without the buffer."""
    memory, owned = info.memory, not info.flags & _REF_MEMORY
    if not memory:
        return  # of an empty buffer
    gst.gst_memory_unmap(memory, info)
    if owned:
        gst.gst_mini_object_unref(memory)


def _hold_mapped(memory: Any, flags: int) -> object:
    info = ffi.new(_MAP_INFO)
    if not gst.gst_memory_map(memory, info, flags):
        gst.gst_mini_object_unref(memory)
        raise NativeError("GStreamer could not keep the memory of the buffer mapped")
    return ffi.gc(info, _unmap)


# Buffers over the bytes of an array, without a copy.
#
# When GStreamer has done with it, it must not call into Python: it may do so on any thread, and after the interpreter's end. So
# it calls a function of GLib's that counts a number up, and the number is looked at when the next array is wrapped.


_FREED = ffi.addressof(glib, "g_atomic_int_inc")
_left: list[tuple[Any, Any]] = []  # in use still, of exporters that are closed


def refcount(owned: list[Any]) -> int:
    """Return how many references there are to the only thing in a list. :data:`SOLE_OWNER`: no other than the list's own."""
    return getrefcount(owned[0])


SOLE_OWNER = refcount([object()])


class ArrayExporter:
    """Wraps memory of Python's in buffers, and keeps its owners while they are in use; also after ``close()`` and Python's end.

    An exporter is for one thread; those of several threads may begin and end at the same time.
    """

    def __init__(self) -> None:
        self._exported: list[tuple[Any, Any]] = []
        with suppress(IndexError):  # one at a time: exporters of other threads take from there, too
            while True:
                self._exported.append(_left.pop())

    def wrap(self, address: int, owner: Any, data: int, size: int) -> None:
        """Let the writable buffer at ``address`` have the ``size`` bytes at ``data``, which belong to ``owner``."""
        self._collect()
        freed = ffi.cast("int *", glib.g_malloc0(ffi.sizeof("int")))
        memory = gst.gst_memory_new_wrapped(0, data, size, 0, size, address_of(freed), address_of(_FREED))
        gst.gst_buffer_append_memory(address, memory)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))  # the interpreter's end does not free it
        self._exported.append((freed, owner))

    def close(self) -> None:
        """Wrap no more."""
        self._collect()
        _left.extend(self._exported)
        self._exported = []

    def _collect(self) -> None:
        """Let go of what GStreamer has done with."""
        used = []
        for freed, owner in self._exported:
            if freed[0]:
                ctypes.pythonapi.Py_DecRef(ctypes.py_object(owner))
                glib.g_free(freed)
            else:
                used.append((freed, owner))
        self._exported = used
