"""Metadata on buffers: finding it, regions of interest, our own custom meta, and carrying metas to another buffer."""

from __future__ import annotations

from typing import Any, NamedTuple

from empycustom.errors import NotWritableError
from empycustom.native.declarations import (
    META,
    STATE,
    buffer_at,
    ffi,
    glib,
    gst,
    video,
)
from empycustom.native.memory import reader

VIDEO_META_API: int = video.gst_video_meta_api_get_type()
_MEMORY_TAG: int = glib.g_quark_from_string(b"memory")
COPY: int = glib.g_quark_from_string(b"gst-copy")
AS_IT_IS: Any = ffi.new("GstMetaTransformCopy *", {"region": 0, "offset": 0, "size": 2**64 - 1})
_COPY_MEMORY = 1 << 3  # GstBufferCopyFlags
_STREAM_FLAGS = 0xFFFFFFF << 4 & ~(1 << 14)  # GstBufferFlags from LIVE on, those of video too, but not TAG_MEMORY
_LOCKED = 1 << 2  # GstMetaFlags
_SCALE: int = glib.g_quark_from_string(b"gst-video-scale")
_SIZE_TAG: int = glib.g_quark_from_string(b"size")
_ALL = 2**64 - 1  # a size: up to the end; a time: none
_TIMES = ("pts", "dts", "duration", "offset", "offset_end")

# What is read for every buffer or meta.
pts_at = reader("GstBuffer", "pts")  # the time of the buffer at an address, in a tuple, in nanoseconds; all 64 bits set: none
_times = reader("GstBuffer", *_TIMES)
_flags = reader("GstBuffer", "mini_object.flags")
_references = reader("GstBuffer", "mini_object.refcount")
_meta = reader("GstMeta", "flags", "info")
_api = reader("GstMetaInfo", "api")
_iterate = gst.gst_buffer_iterate_meta


def scan(address: int, state: Any = None) -> list[tuple[int, int]]:
    """Return every meta of the buffer at ``address``, as (type of its API, its own address), in the order they lie in.

    ``state`` is what :func:`scan_state` made, for those who scan often; it must not be used by two threads at once.
    """
    if state is None:
        state = scan_state()
    else:
        state[0] = ffi.NULL
    found: list[tuple[int, int]] = []
    meta = _iterate(address, state)
    while meta:
        _, info = _meta(meta)
        found.append((_api(info)[0], meta))
        meta = _iterate(address, state)
    return found


def scan_state() -> Any:
    """Return room for where a scan is."""
    return ffi.new(STATE)


def is_writable(address: int) -> bool:
    """Whether the buffer at ``address`` may be written."""
    return bool(_references(address)[0] == 1 or gst.gst_mini_object_is_writable(address))


def check_writable(address: int) -> None:
    """Raise NotWritableError where the buffer at ``address`` may not be written."""
    if not is_writable(address):
        raise NotWritableError("GStreamer refuses to attach anything: the buffer is not writable")


def size_of(address: int) -> int:
    """Return how many bytes a buffer holds."""
    return int(gst.gst_buffer_get_size(address))


class VideoLayout(NamedTuple):
    """What a GstVideoMeta says: bytes to each plane, and bytes from a row to the next."""

    offsets: tuple[int, ...]
    strides: tuple[int, ...]


def video_layout(address: int) -> VideoLayout | None:
    """Return how the planes of a buffer lie according to its GstVideoMeta, or None where it has none."""
    meta = gst.gst_buffer_get_meta(address, VIDEO_META_API)
    return layout_at(meta) if meta else None


def described_at(address: int) -> tuple[int, int, int] | None:
    """Return (GstVideoFormat, width, height) as the GstVideoMeta of a buffer says, or None where it has none."""
    found = gst.gst_buffer_get_meta(address, VIDEO_META_API)
    if not found:
        return None
    meta = ffi.cast("GstVideoMeta *", found)
    return meta.format, meta.width, meta.height


def layout_at(meta_address: int) -> VideoLayout:
    """Read the GstVideoMeta at an address."""
    meta = ffi.cast("GstVideoMeta *", meta_address)
    planes = min(meta.n_planes, len(meta.offset))
    return VideoLayout(tuple(meta.offset[0:planes]), tuple(meta.stride[0:planes]))


def allocate(address: int, size: int) -> None:
    """Give a writable buffer without memory ``size`` bytes."""
    gst.gst_buffer_append_memory(address, gst.gst_allocator_alloc(ffi.NULL, size, ffi.NULL))


def share_memory(source: int, target: int) -> None:
    """Let the writable buffer at ``target`` hold the pixels of the one at ``source`` instead of its own. Nothing is copied."""
    gst.gst_buffer_remove_all_memory(target)
    gst.gst_buffer_copy_into(target, source, _COPY_MEMORY, 0, _ALL)


def carry_times_and_flags(source: int, target: int) -> None:
    """Set the times, offsets and flags of the buffer at ``target`` that are set in the one at ``source``."""
    to = buffer_at(target)
    for field, value in zip(_TIMES, _times(source), strict=True):
        if value != _ALL:
            setattr(to, field, value)
    flags = _flags(source)[0] & _STREAM_FLAGS
    if flags:
        to.mini_object.flags = (to.mini_object.flags & ~_STREAM_FLAGS) | flags


class Scaling:
    """A change of a frame's size; ``source`` and ``target`` are addresses of GstVideoInfos, kept alive by ``keep``."""

    def __init__(self, source: int, target: int, keep: Any) -> None:
        self.transform = ffi.new("GstVideoMetaTransform *", {"in_info": source, "out_info": target})
        self._keep = keep


def carry_metas(source: int, target: int, *, with_memory: bool, scaling: Scaling | None = None) -> None:
    """Copy the metas of the buffer at ``source`` to the writable one at ``target``, except kinds that it has already.

    Metas that describe memory (strides and the like) are copied only ``with_memory``: where the target shares it. Those that are
    about places in the frame, such as regions, are fitted to another size by ``scaling``.
    """
    carried = scan(source)
    if not carried:
        return
    present = {api for api, _ in scan(target)}
    for api, meta in carried:
        wanted = with_memory or not gst.gst_meta_api_type_has_tag(api, _MEMORY_TAG)
        if wanted and api not in present:
            copy_meta(source, meta, target, scaling if scaling and gst.gst_meta_api_type_has_tag(api, _SIZE_TAG) else None)


def copy_meta(source: int, meta: int, target: int, scaling: Scaling | None = None) -> None:
    """Copy one meta of the buffer at ``source`` to the writable one at ``target``, as far as its kind can be copied."""
    transform = ffi.cast(META, meta).info.transform
    if not transform:
        return
    if scaling is None:
        transform(target, meta, source, COPY, AS_IT_IS)
    else:
        transform(target, meta, source, _SCALE, scaling.transform)


def remove_meta(address: int, meta: int) -> None:
    """Remove one meta of a writable buffer, by its address."""
    gst.gst_buffer_remove_meta(address, meta)


def remove_metas(address: int, *, locked: bool = False) -> None:
    """Remove the metas of a writable buffer; those that its pool has locked to it only if ``locked``."""
    for _, meta in scan(address):
        flags, _ = _meta(meta)
        if flags & _LOCKED:
            if not locked:
                continue
            ffi.cast(META, meta).flags = flags & ~_LOCKED
        gst.gst_buffer_remove_meta(address, meta)
