"""Buffers for callbacks: the ``Gst.Buffer`` that a callback gets, and the pools that new frames come from.

A borrowed Buffer has no reference to its buffer, which makes it writable; it must be gone before GStreamer goes on with the
buffer, or take a reference.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from weakref import getweakrefcount

from empycustom.errors import NativeError
from empycustom.gstreamer import PYGOBJECT_INTERFACE, GObject, Gst, GstVideo, load_allocators
from empycustom.native.fastpath import boxed_address, boxed_constructor
from empycustom.native.memory import AutoMap, reference
from empycustom.native.objects import set_boxed
from empycustom.native.shared import allocator_type, for_everybody


class Buffer(Gst.Buffer):
    """A ``Gst.Buffer`` that forgives a forgotten ``unmap``.

    With GStreamer's own a map that is not ended leaks the pixels of the frame, and keeps downstream from writing. Here it ends
    with the last array over it; ``unmap`` ends it at once, as usual.
    """

    def map(self, flags: Any) -> Any:
        """Map the buffer; returns a ``Gst.MapInfo``, which unpacks as ``(success, map_info)``."""
        info = Gst.MapInfo()
        try:
            mapped = AutoMap(hash(self), int(flags))
        except NativeError:
            return info  # unpacks as (False, ...)
        info.user_data, info.data, info.flags, info.__parent__ = mapped, mapped.data, flags, self
        info.size = info.maxsize = mapped.data.nbytes
        return info

    def unmap(self, info: Any) -> bool:
        """End a map that ``map`` began."""
        if not isinstance(info.user_data, AutoMap):
            return bool(super().unmap(info))
        info.user_data.unmap()
        info.user_data = info.data = info.__parent__ = None
        return True


def _image_of(buffer: Any, in_meta: Any) -> Any:
    from empycustom.buffers.mapping import map_frame  # it loads NumPy

    return map_frame(buffer, in_meta)


VIEWS = {"image": _image_of}  # what callbacks may ask for by name, see empycustom.library.dialects.Views


def wrap(buffer: Any) -> Any:
    """Make a Buffer of a ``Gst.Buffer``, in place, and return it."""
    buffer.__class__ = Buffer
    return buffer


def object_at(address: int) -> Any:
    """Return PyGObject's ``Gst.Buffer`` of the buffer at an address, which has a reference of its own."""
    value = GObject.Value(Gst.Buffer)
    set_boxed(hash(value), address)
    return value.get_boxed()


class Borrowed:
    """Makes Buffers of buffers by their addresses, without a reference, so that they can be written. For one thread.

    It is one object again and again, as long as nobody keeps it: making one is most of what it costs. Whoever lets a callback see
    it calls :meth:`give_away` where the callback has kept it. Only where the fast path is available.
    """

    __slots__ = ("_buffer", "_gtype", "_make", "_set_address")

    def __init__(self) -> None:
        self._make, self._gtype = boxed_constructor(PYGOBJECT_INTERFACE), hash(Gst.Buffer.__gtype__)
        self._buffer: Any = None

    def at(self, address: int) -> Any:
        """Return the Buffer of the buffer at an address."""
        buffer = self._buffer
        if buffer is None or buffer.__dict__ or getweakrefcount(buffer):  # the next frame is not to be taken for it
            return self._made(address)
        self._set_address(address)
        return buffer

    def _made(self, address: int) -> Any:
        buffer = self._make(self._gtype, address, 0, 0)
        buffer.__class__ = Buffer
        self._buffer, self._set_address = buffer, boxed_address(buffer)
        return buffer

    def give_away(self, buffer: Any) -> None:
        """Give a Buffer a reference of its own, so that it may be kept."""
        buffer._reference = reference(hash(buffer))
        self._buffer = None


class Given:
    """Makes Buffers of the ``Gst.Buffer`` that PyGObject made, which has a reference."""

    at = staticmethod(wrap)

    def give_away(self, buffer: Any) -> None:
        """Do nothing: who keeps it has the reference."""


# Pools that the buffers for new frames come from.


_META_OPTION: str = GstVideo.BUFFER_POOL_OPTION_VIDEO_META


def offers_pool(query: Any) -> bool:
    """Return whether downstream offers a pool in its answer to an allocation query."""
    return bool(query.get_n_allocation_pools()) and query.parse_nth_allocation_pool(0)[0] is not None


def offer_no_memory(query: Any, caps: Any) -> None:
    """Answer an allocation query: buffers come without memory, for a library that makes its own."""
    pool = Gst.BufferPool.new()
    config = pool.get_config()
    Gst.BufferPool.config_set_params(config, caps, 0, 0, 0)
    pool.set_config(config)
    _answer(query, pool, 0, 0, 0)


def offer_frames(query: Any, caps: Any) -> None:
    """Answer an allocation query: buffers come from the pool that downstream offers, else from one that uses them again.

    ``caps`` are of raw video in system memory.
    """
    size = int(GstVideo.VideoInfo.new_from_caps(caps).size)
    pool, wanted, minimum, maximum = None, 0, 0, 0
    if query.get_n_allocation_pools():
        pool, wanted, minimum, maximum = query.parse_nth_allocation_pool(0)
    with_meta = query.find_allocation_meta(GstVideo.video_meta_api_get_type())[0]
    size = max(size, wanted)
    if pool is None or not _configured(pool, caps, size, minimum, maximum, with_meta=with_meta):
        pool = GstVideo.VideoBufferPool.new()
        _configured(pool, caps, size, minimum, maximum, with_meta=False)
    _answer(query, pool, size, minimum, maximum)


@lru_cache(maxsize=1)
def _shared_allocator() -> Any:
    load_allocators()
    made = GObject.new(GObject.type_from_name(allocator_type()))
    for_everybody(hash(made))
    return made


def offer_shared_memory(query: Any, caps: Any) -> None:
    """Answer an allocation query of upstream, which downstream has seen: frames are best in memory that workers have, too.

    Then none is copied. Upstream takes the first answer. Frames may have a layout of their own only if downstream can read it,
    because they go on there. ``caps`` are of raw video in system memory.
    """
    size, allocator, pool = int(GstVideo.VideoInfo.new_from_caps(caps).size), _shared_allocator(), GstVideo.VideoBufferPool.new()
    config = pool.get_config()
    Gst.BufferPool.config_set_params(config, caps, size, 0, 0)
    Gst.BufferPool.config_set_allocator(config, allocator, None)
    Gst.BufferPool.config_add_option(config, _META_OPTION)
    if pool.set_config(config):
        _answer(query, pool, size, 0, 0)
    if query.get_n_allocation_params():
        query.set_nth_allocation_param(0, allocator, None)
    else:
        query.add_allocation_param(allocator, None)


def offer_shared_memory_at(address: int) -> bool:
    """Answer the allocation query at an address like :func:`offer_shared_memory`; return whether it could be answered."""
    if PYGOBJECT_INTERFACE is None:
        return False  # frames are copied, then
    # An object without a reference of its own, so that the query can be written.
    query = boxed_constructor(PYGOBJECT_INTERFACE)(hash(Gst.Query.__gtype__), address, 0, 0)
    caps = query.parse_allocation()[0]
    if caps is None:  # GStreamer only wants to know whether there is somebody
        return False
    offer_shared_memory(query, caps)
    return True


def _configured(pool: Any, caps: Any, size: int, minimum: int, maximum: int, *, with_meta: bool) -> bool:
    config = pool.get_config()
    Gst.BufferPool.config_set_params(config, caps, size, minimum, maximum)
    if with_meta and pool.has_option(_META_OPTION):
        Gst.BufferPool.config_add_option(config, _META_OPTION)
    return bool(pool.set_config(config))


def _answer(query: Any, pool: Any, size: int, minimum: int, maximum: int) -> None:
    if query.get_n_allocation_pools():
        query.set_nth_allocation_pool(0, pool, size, minimum, maximum)
    else:
        query.add_allocation_pool(pool, size, minimum, maximum)
