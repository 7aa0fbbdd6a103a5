"""Mapping the memory of buffers: four times as fast as through PyGObject, and able to keep the memory alone for later."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from empycustom.errors import NativeError
from empycustom.native.declarations import POINTER, address_of, ffi
from empycustom.native.declarations import gst as _gst
from empycustom.native.memory import reader

_MAP_INFO = ffi.typeof("GstMapInfo *")
READ, _WRITE, _READ_WRITE = 1, 2, 3  # GstMapFlags
_REF_MEMORY = 1 << 8  # also one; set by gst_buffer_map since 1.28: the map itself owns its reference to the memory
_HEAP: Any = _gst.gst_allocator_find(b"SystemMemory")
_HEAP_ADDRESS = address_of(_HEAP)
_mapped, _allocator = reader("GstMapInfo", "memory", "data", "size"), reader("GstMemory", "allocator")


def is_writable(address: int) -> bool:
    """Say whether the buffer may be written: nobody else holds a reference to it."""
    return bool(_gst.gst_mini_object_is_writable(address))


def is_alone(address: int) -> bool:
    """Say whether the buffer and its memory may be written: no other buffer has the same memory."""
    return bool(_gst.gst_buffer_is_all_memory_writable(address))


def reference(address: int) -> object:
    """Return an object that holds a reference to the buffer or the memory at ``address`` for as long as it lives."""
    return ffi.gc(_gst.gst_mini_object_ref(ffi.cast(POINTER, address)), _gst.gst_mini_object_unref)


def memories(address: int) -> int:
    """Return how many memories the buffer has."""
    return int(_gst.gst_buffer_n_memory(address))


@lru_cache(maxsize=1)
def _inside() -> int:
    """Return where the bytes lie in a GstMemory that has allocated them itself: right behind its own fields."""
    memory = _gst.gst_allocator_alloc(_HEAP, 1, ffi.NULL)
    info = ffi.new(_MAP_INFO)
    _gst.gst_memory_map(memory, info, READ)
    place = address_of(info.data) - address_of(memory)
    _gst.gst_memory_unmap(memory, info)
    _gst.gst_mini_object_unref(memory)
    return place


class PlaceMap:
    """A buffer mapped until ``unmap()``, by addresses. ``address`` is that of a buffer which outlives the map."""

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
        _gst.gst_buffer_unmap(self._address, self._info)


def is_copied(memory: int, data: int) -> bool:
    """Whether GStreamer allocated the bytes of a memory, as it does to copy some: in what was wrapped they lie elsewhere."""
    (allocator,) = _allocator(memory)
    return allocator == _HEAP_ADDRESS and data - memory == _inside()


class BufferMap(PlaceMap):
    """The same for its bytes: ``data`` are all of them, not a copy and valid until ``unmap()``; read-only unless ``writable``."""

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
        _gst.gst_mini_object_ref(memory)
        if memory.allocator == _HEAP:
            return ffi.gc(memory, _gst.gst_mini_object_unref)
        return _hold_mapped(memory, self._info.flags & _READ_WRITE)


class LooseMap:
    """A buffer mapped for as long as anything looks at it: ``unmap()`` ends it, or the end of the last view of ``data``.

    ``flags`` are GstMapFlags; ``data`` are all the bytes, not a copy, read-only unless the flags say WRITE. The buffer may be
    gone before the map.
    """

    __slots__ = ("_pointer", "data")

    def __init__(self, address: int, flags: int) -> None:
        info = _map(address, flags)
        # Whatever looks at the bytes keeps the buffer object of cffi, and that keeps the pointer.
        self._pointer = ffi.gc(info.data, lambda _: _unmap(info))
        data = memoryview(ffi.buffer(self._pointer, info.size))
        self.data = data if flags & _WRITE else data.toreadonly()

    def unmap(self) -> None:
        """End the mapping now. Once more does nothing."""
        ffi.release(self._pointer)


def _map(address: int, flags: int) -> Any:
    info = ffi.new(_MAP_INFO)
    if not _gst.gst_buffer_map(address, info, flags):
        raise NativeError("GStreamer could not map the buffer")
    return info


def _unmap(info: Any) -> None:
    """What gst_buffer_unmap does, which needs no buffer."""
    memory, owned = info.memory, not info.flags & _REF_MEMORY
    if not memory:
        return  # of an empty buffer
    _gst.gst_memory_unmap(memory, info)
    if owned:
        _gst.gst_mini_object_unref(memory)


def _hold_mapped(memory: Any, flags: int) -> object:
    info = ffi.new(_MAP_INFO)
    if not _gst.gst_memory_map(memory, info, flags):
        _gst.gst_mini_object_unref(memory)
        raise NativeError("GStreamer could not keep the memory of the buffer mapped")
    return ffi.gc(info, _unmap)
