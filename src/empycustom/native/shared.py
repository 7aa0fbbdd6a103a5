"""Memory that another process has as well: buffers whose bytes lie in memfds, and the same bytes in that process.

A memfd is a file in memory without a name; it is gone with its last owner, however that one ends. Allocators of
:func:`allocator_type` make them; they are offered upstream, and :class:`SharedPool` has one, whose buffers are for copies of
frames that came in other memory. The other process gets the file once (by a socket), and from then on the number that
:func:`shared_in` found.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import mmap
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from threading import Lock
from typing import Any

from empycustom.errors import NativeError
from empycustom.native.loading import address_of, allocators, ffi, glib, gst, reader, unpacker, video, writer
from empycustom.native.memory import ArrayExporter, is_memory_writable, is_writable, unref
from empycustom.native.metas import VideoLayout, remove_metas, scan, video_layout
from empycustom.native.trampolines import make_constants

_KEEP_MAPPED, _CUSTOM_ALLOC = 1, 1 << 4  # GstFdMemoryFlags, GstAllocatorFlags
_WRITE, _READ_WRITE = 2, 3  # GstMapFlags
_FAILED = 2**64 - 1  # of mmap
_ALL_BUT_MEMORY = 1 << 0 | 1 << 1 | 1 << 2  # GstBufferCopyFlags
_ALL = 2**64 - 1
_NAME = b"EmPyCustomAllocator"
_STREAM_FLAGS = 0xFFFFFFF << 4 & ~(1 << 14)  # GstBufferFlags from LIVE on, but not TAG_MEMORY

_class_of, _params = reader("GTypeInstance", "g_class"), reader("GstAllocationParams", "prefix", "padding")
_memory = reader("GstMemory", "allocator", "parent", "maxsize", "align", "offset", "size")
_references = reader("GstMiniObject", "refcount")
_flags_and_times = reader("GstBuffer", "mini_object.flags", "pts", "dts", "duration", "offset", "offset_end")
_set_times = writer("GstBuffer", "pts", "dts", "duration", "offset", "offset_end")
_set_flags = writer("GstMiniObject", "flags")
_size_in_gobject_class = unpacker("=Q")


# Making it.


_RESERVE = 64  # files that are left to others


@ffi.callback("uintptr_t(uintptr_t, size_t, uintptr_t)", error=0)  # type: ignore[untyped-decorator]
def _alloc(allocator: int, size: int, params: int) -> int:
    prefix, padding = _params(params) if params else (0, 0)
    total = max(1, size + prefix + padding)
    try:
        file = _file_of(total)
    except OSError:  # whoever fills it gets other memory, and the frame is copied later
        return address_of(gst.gst_allocator_alloc(ffi.NULL, size, ffi.NULL))
    memory: int = allocators.gst_fd_allocator_alloc(allocator, file, total, _KEEP_MAPPED)
    _data_of(memory)  # for reading and writing; whoever maps it first might only read, and it stays as it was mapped first
    gst.gst_memory_resize(memory, prefix, size)
    return memory


def _file_of(size: int) -> int:
    """Return a file of so many bytes in memory. Raises OSError."""
    file = os.memfd_create("empycustom")
    try:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if file >= limit - min(_RESERVE, limit // 4) > 0:  # the rest of the process needs some, too
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.posix_fallocate(file, 0, size)  # where there is no memory left, this fails; a first touch would end the process
    except OSError:
        os.close(file)
        raise
    return file


def _data_of(memory: int) -> int:
    """Return where the bytes of a memory of ours lie; it stays mapped there."""
    info, pointer = ffi.new("GstMapInfo *"), ffi.cast("GstMemory *", memory)
    if not gst.gst_memory_map(pointer, info, _READ_WRITE):
        raise NativeError("shared memory cannot be mapped")
    data = address_of(info.data)
    gst.gst_memory_unmap(pointer, info)
    return data


_registering = Lock()  # a cache calls twice where two threads ask at the same time, and GLib ends the process then


@lru_cache(maxsize=1)
def _allocator_class() -> int:
    """Return the address of the class of allocators, registered by the first who asks."""
    with _registering:
        return _registered_class()


@lru_cache(maxsize=1)
def _registered_class() -> int:
    parent = allocators.gst_fd_allocator_get_type()
    query = ffi.new("GTypeQuery *")
    glib.g_type_query(parent, query)
    info = ffi.new("GTypeInfo *", {"class_size": query.class_size, "instance_size": query.instance_size})
    made = address_of(glib.g_type_class_ref(glib.g_type_register_static(parent, _NAME, info, 0)))
    glib.g_type_query(gst.gst_object_get_type(), query)
    slot = ffi.cast("address *", made + query.class_size)  # `alloc` is the first field behind those of GstObject
    slot[0] = address_of(_alloc)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_alloc))  # threads of GStreamer may outlive the interpreter's modules
    atexit.register(_detach, slot)
    return made


def _detach(slot: Any) -> None:
    """Let nothing be allocated any more: Python ends."""
    slot[0] = make_constants([0])[0]


def allocator_type() -> str:
    """Return the name of the type of allocators of shared memory. Whoever makes one hands it to :func:`for_everybody`."""
    _allocator_class()
    return _NAME.decode()


def for_everybody(address: int) -> None:
    """Let all elements use an allocator, also those that know nothing of files."""
    ffi.cast("GstObject *", address).flags &= ~_CUSTOM_ALLOC


@lru_cache(maxsize=1)
def _allocator() -> int:
    """Return the address of an allocator, which stays for good."""
    made: int = glib.g_object_ref_sink(glib.g_object_new(ffi.cast("GType *", _allocator_class())[0], ffi.NULL))
    return made


_NONE_LEFT = (
    "there is no shared memory for the {} bytes of a frame. Each one under way, or held by downstream, is an open file: "
    "hold fewer frames in queues, or raise a limit, with ulimit -n (open files) or ulimit -f (the size of one)"
)


class SharedPool:
    """Makes buffers of shared memory, and uses them again; as many as are in use at a time, and all of one size."""

    def __init__(self) -> None:
        self._pool = self._size = 0

    def acquire(self, size: int) -> int:
        """Return the address of a buffer of ``size`` bytes, with one reference, which is the caller's."""
        if not size:
            raise NativeError("frames without any bytes cannot go to workers; set workers=0")
        if size != self._size:
            self._open(size)
        buffer = ffi.new("address *")
        if gst.gst_buffer_pool_acquire_buffer(self._pool, buffer, 0):
            raise NativeError(_NONE_LEFT.format(size))
        if shared_in(buffer[0]) is None:
            abandon(buffer[0])
            raise NativeError(_NONE_LEFT.format(size))
        return int(buffer[0])

    def _open(self, size: int) -> None:
        self.close()
        pool = gst.gst_buffer_pool_new()
        config = gst.gst_buffer_pool_get_config(pool)
        gst.gst_buffer_pool_config_set_params(config, 0, size, 0, 0)
        gst.gst_buffer_pool_config_set_allocator(config, _allocator(), 0)
        self._pool, self._size = pool, size
        if not (gst.gst_buffer_pool_set_config(pool, config) and gst.gst_buffer_pool_set_active(pool, True)):
            raise NativeError(f"there is no pool of shared memory with {size} bytes for a frame")

    def close(self) -> None:
        """Make no more. Those in use are freed when they come back."""
        if self._pool:
            gst.gst_buffer_pool_set_active(self._pool, False)
            gst.gst_object_unref(self._pool)
        self._pool = self._size = 0


# Knowing it again. When a memory is freed, on any thread, GStreamer calls a function of GLib's that counts a number up.


@dataclass(frozen=True)
class SharedMemory:
    """Shared memory: the ``number`` that is its alone, the ``file`` that it lies in, its ``length``, and where it begins here."""

    number: int
    file: int
    length: int
    data: int
    freed: Any


_FREED = ffi.addressof(glib, "g_atomic_int_inc")
_numbers, _lock = count(1), Lock()
_known: dict[int, SharedMemory] = {}  # by the address of the memory, which is another one's when it is freed
living: set[int] = set()  # the numbers of memories that are not seen to be freed; this changes when another one is met


def shared_in(address: int) -> tuple[SharedMemory, int, int] | None:
    """Return the shared memory that a buffer consists of, and where in it its bytes lie (offset, size).

    None: it is other memory, or not only this buffer's, so that it must not be written.
    """
    if gst.gst_buffer_n_memory(address) != 1 or not is_writable(address):
        return None
    memory = gst.gst_buffer_peek_memory(address, 0)
    allocator, parent, length, _, offset, size = _memory(memory)
    if parent or _class_of(allocator)[0] != _allocator_class() or not is_memory_writable(address):
        return None
    known = _known.get(memory)
    if known is None or known.freed[0]:
        known = _met(memory, length, offset)
    return known, offset, size


def _met(memory: int, length: int, offset: int) -> SharedMemory:
    with _lock:
        for gone in [address for address, known in [*_known.items()] if known.freed[0]]:
            known = _known.pop(gone)
            living.discard(known.number)
            glib.g_free(known.freed)
        freed = ffi.cast("int *", glib.g_malloc0(ffi.sizeof("int")))
        gst.gst_mini_object_weak_ref(memory, address_of(_FREED), address_of(freed))
        file = allocators.gst_fd_memory_get_fd(memory)
        made = _known[memory] = SharedMemory(next(_numbers), file, length, _data_of(memory) - offset, freed)
        living.add(made.number)
        return made


def copy_frame(source: int, target: int) -> tuple[SharedMemory, int, int]:
    """Copy a frame, metas, times and flags too, to a buffer of a SharedPool; return where that lies. Python goes on meanwhile."""
    found = shared_in(target)
    assert found, "it is of a SharedPool"
    shared, offset, size = found
    gst.gst_buffer_copy_into(target, source, _ALL_BUT_MEMORY, 0, _ALL)
    gst.gst_buffer_extract(source, 0, shared.data + offset, size)
    return found


def abandon(address: int) -> None:
    """Drop a buffer whose memory is not to be used again: its pool, whoever's it is, does not take it back."""
    gst.gst_buffer_remove_all_memory(address)
    unref(address)


def ref(address: int) -> None:
    """Take one more reference to a buffer."""
    gst.gst_mini_object_ref(ffi.cast("void *", address))


core: Any = glib.sched_getcpu  # the number of the one that this thread runs on

# In the other process.


Times = tuple[int, int, int, int, int, int]  # the flags of a buffer that are the stream's, and its five times and offsets


def times_of(address: int) -> Times:
    """Return the flags and the times of the buffer at an address."""
    flags, *times = _flags_and_times(address)
    return (flags & _STREAM_FLAGS, *times)


def set_times(address: int, times: Times) -> None:
    """Set the flags and the times of the writable buffer at an address."""
    flags, *rest = times
    _set_flags(address, _flags_and_times(address)[0] & ~_STREAM_FLAGS | flags)
    _set_times(address, *rest)


# Whoever maps the memory of a SharedView for writing is noted: its allocator is an own one of GStreamer's usual class, whose
# function that maps goes through this one.


_written: set[int] = set()  # addresses of memories


@ffi.callback("uintptr_t(uintptr_t, size_t, int)", error=0)  # type: ignore[untyped-decorator]
def _note_and_map(memory: int, size: int, flags: int, written: set[int] = _written) -> int:
    if flags & _WRITE:
        written.add(memory)
    return int(_noting_allocator()[1](memory, size, flags))


@lru_cache(maxsize=1)
def _noting_allocator() -> tuple[Any, Any]:
    """Return an allocator, which stays for good, and the function that maps."""
    heap, query = gst.gst_allocator_find(b"SystemMemory"), ffi.new("GTypeQuery *")
    made = glib.g_object_new(ffi.cast("GType *", _class_of(address_of(heap))[0])[0], ffi.NULL)
    glib.g_type_query(gst.gst_object_get_type(), query)
    slot = ffi.cast("address *", address_of(made) + query.instance_size) + 1  # `mem_map` is the second field of a GstAllocator
    usual = ffi.cast("uintptr_t (*)(uintptr_t, size_t, int)", slot[0])
    slot[0] = address_of(_note_and_map)
    atexit.register(slot.__setitem__, 0, address_of(usual))
    return ffi.cast("void *", made), usual


class _Mapping:
    """The bytes of a file, from ``data`` on, for as long as anybody has this. Unlike those of Python it keeps no file open."""

    def __init__(self, file: int, length: int) -> None:
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0x8000)
        self.data, self._length = glib.mmap(0, length, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0), length
        if self.data == _FAILED:
            self._length = 0
            raise OSError(ffi.errno, os.strerror(ffi.errno))

    def __del__(self, unmap: Any = glib.munmap) -> None:
        if self._length:
            unmap(self.data, self._length)


class SharedView:
    """Shared memory of another process: ``length`` bytes in a ``file``, which may be closed then. Raises OSError."""

    def __init__(self, file: int, length: int) -> None:
        self._mapping = _Mapping(file, length)
        self._buffer = self._memory = self._size = 0

    def fill(self, address: int, exporter: ArrayExporter, offset: int, size: int) -> None:
        """Let the empty buffer at an address have ``size`` bytes, from ``offset`` on. They stay as long as anybody has them."""
        exporter.wrap(address, self._mapping, self._mapping.data + offset, size)
        self._buffer, self._memory, self._size = address, gst.gst_buffer_peek_memory(address, 0), size
        _written.discard(self._memory)  # of one that was there before
        memory, (allocator, _) = ffi.cast("GstMemory *", self._memory), _noting_allocator()
        gst.gst_object_unref(address_of(memory.allocator))
        memory.allocator = ffi.cast("void *", glib.g_object_ref(allocator))

    def was_written(self) -> bool:
        """Return whether the memory was mapped for writing since this was asked last."""
        was_written = self._memory in _written
        _written.discard(self._memory)
        return was_written

    def is_replaced(self) -> bool:
        """Return whether the buffer has other memory than that of :meth:`fill`, or not all of it."""
        return bool(
            gst.gst_buffer_n_memory(self._buffer) != 1
            or gst.gst_buffer_peek_memory(self._buffer, 0) != self._memory
            or _memory(self._memory)[4:] != (0, self._size)
        )

    def is_kept(self) -> bool:
        """Return whether somebody else refers to the buffer or to its memory, or has taken the memory away."""
        return bool(_references(self._buffer)[0] != 1 or self.is_replaced() or _references(self._memory)[0] != 1)


def describe(address: int, layout: VideoLayout | None, described: Sequence[int]) -> None:
    """Let the writable buffer at an address have this layout, and no other metas.

    ``described`` are the GstVideoFormat, the width and the height.
    """
    if video_layout(address) == layout and len(scan(address)) == (layout is not None):
        return
    remove_metas(address)
    if layout:
        video.gst_buffer_add_video_meta_full(address, 0, *described, len(layout.offsets), layout.offsets, layout.strides)
