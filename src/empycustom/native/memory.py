"""Fields of C structures by their address: a fifth of what attributes of cffi's cost, which counts where a buffer passes.

An address that is none ends the process, as in C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from struct import Struct, calcsize
from sys import getrefcount
from typing import Any

from empycustom.errors import NativeError
from empycustom.native.loading import (
    CHARS,
    G_TYPE_DOUBLE,
    G_TYPE_INT,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    POINTER,
    address_of,
    bytes_of,
    ffi,
    glib,
    gst,
    text,
    text_at,
)
from empycustom.native.loading import gst as _gst

# All memory of the process, from address 0. Nothing is looked at until something is read.
_MEMORY: Any = ffi.buffer(ffi.cast("char *", 0), 2**62)
_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}  # of the struct module; capitals are unsigned

Reader = Callable[[int], tuple[Any, ...]]
Writer = Callable[..., None]


def reader(structure: str, *names: str) -> Reader:
    """Return what reads the fields ``names`` of a structure of declared.h at an address, given in the order in which they lie.

    Such as this one::

        read = reader("GstBuffer", "mini_object.flags", "pts")
        flags, pts = read(address)

    Pointers are integers.
    """
    places = [_place(ffi.typeof(structure), name) for name in names]
    return fields(*((offset, _code(kind)) for offset, kind in places))


def fields(*places: tuple[int, str]) -> Reader:
    """Return what reads values at an address, each given by its offset from there and its code of the struct module."""
    pattern, end = "=", 0
    for offset, code in places:
        pattern += f"{offset - end}x{code}"
        end = offset + calcsize(f"={code}")
    return values(pattern)


def values(pattern: str) -> Reader:
    """Return what reads values at an address, laid out as a pattern of the struct module says."""
    return partial(Struct(pattern).unpack_from, _MEMORY)


def writer(pattern: str) -> Writer:
    """Return what writes values to an address, laid out as a pattern says; it must have no padding, which would become zeros."""
    return partial(Struct(pattern).pack_into, _MEMORY)


def _place(kind: Any, name: str) -> tuple[int, Any]:
    offset = 0
    for part in name.split("."):
        field = dict(kind.fields)[part]
        offset, kind = offset + field.offset, field.type
    return offset, kind


def _code(kind: Any) -> str:
    code = _CODES[ffi.sizeof(kind)]
    signed = kind.kind == "primitive" and int(ffi.cast(kind, -1)) < 0
    return code if signed else code.upper()


_item = reader("GList", "data", "next")


def items(item: int) -> list[int]:
    """Return the pointers in the GList that begins at an address; 0 is the empty one."""
    found = []
    while item:
        data, item = _item(item)
        found.append(data)
    return found


def single(value: float) -> float:
    """Return a C float as the number that it was written as: 0.979, not 0.9789999723434448."""
    return float(f"{value:.7g}")


# GstStructure: the fields of the kinds that metadata is written in.


DATA: int = ffi.offsetof("GValue", "data")  # where in a GValue the value lies
_as_int, _as_uint64, _as_double = values("=Qi"), values("=QQ"), values("=Qd")  # a GValue: its type, and what it holds
_PLAIN_TYPES = {int: (G_TYPE_INT, "int"), float: (G_TYPE_DOUBLE, "double"), str: (G_TYPE_STRING, "")}
_get = gst.gst_structure_get_value


# Fields of the structure at an address; None where there is no field of that name and type.


def text_in(structure: int, name: bytes) -> str | None:
    """Return a text."""
    value = _get(structure, name)
    kind, pointer = _as_uint64(value) if value else (0, 0)
    return text_at(pointer) if kind == G_TYPE_STRING and pointer else None


def int_in(structure: int, name: bytes) -> int | None:
    """Return an int of 32 bits."""
    value = _get(structure, name)
    kind, number = _as_int(value) if value else (0, 0)
    return number if kind == G_TYPE_INT else None


def uint64_in(structure: int, name: bytes) -> int | None:
    """Return an int of 64 bits without a sign."""
    value = _get(structure, name)
    kind, number = _as_uint64(value) if value else (0, 0)
    return number if kind == G_TYPE_UINT64 else None


def double_in(structure: int, name: bytes) -> float | None:
    """Return a float."""
    value = _get(structure, name)
    kind, number = _as_double(value) if value else (0, 0.0)
    return number if kind == G_TYPE_DOUBLE else None


@lru_cache(maxsize=1024)
def text_of_quark(quark: int) -> str:
    """Return the text that a quark stands for, for ever."""
    return text(glib.g_quark_to_string(quark))


def name_of(structure: int) -> str:
    """Return a structure's name."""
    return text_of_quark(gst.gst_structure_get_name_id(structure))


def set_field(structure: int, name: str, value: Any) -> None:
    """Set a field to an int (of 64 bits, without a sign, where 32 do not hold it), a float or a text."""
    gtype, ctype = _PLAIN_TYPES[type(value)]
    if gtype == G_TYPE_INT and not -(2**31) <= value < 2**31:  # an id of a tracker that counts further
        gtype, ctype = G_TYPE_UINT64, "uint64_t"
    argument = ffi.new(CHARS, bytes_of(value)) if gtype == G_TYPE_STRING else ffi.cast(ctype, value)
    gst.gst_structure_set(structure, name.encode(), ffi.cast("GType", gtype), argument, ffi.NULL)


# Mapping the memory of buffers: four times as fast as through PyGObject, and able to keep the memory alone for later.


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


# Memory of Python's that GStreamer uses for a while: buffers over the bytes of an array, without a copy.
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
