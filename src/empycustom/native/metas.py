"""Metas on buffers: finding them, carrying them to another buffer, and regions of interest.

A meta belongs to its buffer, and its address is good as long as the buffer lives and the meta is on it. Only a writable buffer,
with one reference, may get, lose or change a meta. C: ``gst_buffer_iterate_meta``, the ``transform`` of each kind of meta,
``gst_buffer_add_*_meta``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from empycustom.errors import NativeError
from empycustom.native.loading import (
    META,
    POINTER,
    STATE,
    address_of,
    buffer_at,
    bytes_of,
    ffi,
    glib,
    gst,
    reader,
    set_field,
    text,
    video,
)
from empycustom.native.memory import memory_count

VIDEO_META_API: int = video.gst_video_meta_api_get_type()
# Tags of metas that describe the memory of their buffer, or keep it.
_MEMORY_TAGS = [glib.g_quark_from_string(tag) for tag in (b"memory", b"memory-reference")]
_NO_SHARE = 1 << 4  # GstMemoryFlags
COPY: int = glib.g_quark_from_string(b"gst-copy")
AS_IT_IS: Any = ffi.new("GstMetaTransformCopy *", {"region": 0, "offset": 0, "size": 2**64 - 1})
_COPY_MEMORY, _COPY_ALL_BUT_MEMORY = 1 << 3, 1 << 0 | 1 << 1 | 1 << 2  # GstBufferCopyFlags; the second: flags, times, metas
_copy_region = gst.gst_buffer_copy_region
PARENT_API: int = gst.gst_parent_buffer_meta_api_get_type()
_STREAM_FLAGS = 0xFFFFFFF << 4 & ~(1 << 14)  # GstBufferFlags from LIVE on, those of video too, but not TAG_MEMORY
_LOCKED = 1 << 2  # GstMetaFlags
_SCALE: int = glib.g_quark_from_string(b"gst-video-scale")
_SIZE_TAG: int = glib.g_quark_from_string(b"size")
_ALL = 2**64 - 1  # a size: up to the end; a time: none
_TIMES = ("pts", "dts", "duration", "offset", "offset_end")

# What is read for every buffer or meta.
pts_at = reader("GstBuffer", "pts")  # the time of the buffer at an address, in a tuple, in nanoseconds; all 64 bits set: none
_times = reader("GstBuffer", *_TIMES)
_flags, _memory_flags = reader("GstBuffer", "mini_object.flags"), reader("GstMemory", "mini_object.flags")
_meta = reader("GstMeta", "flags", "info")
_info, _api = reader("GstMeta", "info"), reader("GstMetaInfo", "api")
_iterate = gst.gst_buffer_iterate_meta


class _Apis(dict[int, int]):
    """The type of the API of each GstMetaInfo, by its address: GStreamer keeps them for good."""

    def __missing__(self, info: int) -> int:
        api: int = _api(info)[0]
        self[info] = api
        return api


_apis = _Apis()


_states: list[Any] = []  # that nobody uses just now; each is NULL again at the end of a scan


def scan(address: int) -> list[tuple[int, int]]:
    """Return every meta of the buffer at ``address``, as (type of its API, its own address), in the order in which they lie."""
    try:
        state = _states.pop()  # one for each scan: C is left between two metas, and another thread may scan meanwhile
    except IndexError:
        state = ffi.new(STATE)
    found: list[tuple[int, int]] = []
    while meta := _iterate(address, state):
        found.append((_apis[_info(meta)[0]], meta))
    _states.append(state)
    return found


def kinds_of(metas: Iterable[tuple[int, int]]) -> str:
    """Return the names of the kinds of some metas that :func:`scan` found, as messages have them."""
    names = {text(glib.g_type_name(api)).removesuffix("API").removesuffix("-api") for api, _ in metas}
    return ", ".join(sorted(names))


class Snapshot:
    """A copy of the metas, times and flags of a buffer, without its pixels; ``address`` is that of a buffer of its own."""

    __slots__ = ("address",)

    def __init__(self, address: int) -> None:
        self.address: int = _copy_region(address, _COPY_ALL_BUT_MEMORY, 0, _ALL)

    def __del__(self, unref: Any = gst.gst_mini_object_unref, cast: Any = ffi.cast, kind: Any = POINTER) -> None:
        unref(cast(kind, self.address))


def size_of(address: int) -> int:
    """Return how many bytes a buffer has."""
    return int(gst.gst_buffer_get_size(address))


class VideoLayout(NamedTuple):
    """The layout in a GstVideoMeta: bytes to each plane, and bytes from a row to the next."""

    offsets: tuple[int, ...]
    strides: tuple[int, ...]


def video_layout(address: int) -> VideoLayout | None:
    """Return where the planes of a buffer lie by its GstVideoMeta, or None where it has none."""
    meta = gst.gst_buffer_get_meta(address, VIDEO_META_API)
    return layout_at(meta) if meta else None


def described_at(address: int) -> tuple[int, int, int] | None:
    """Return (GstVideoFormat, width, height) of the GstVideoMeta of a buffer, or None where it has none."""
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
    """Let the writable buffer at ``target`` hold the pixels of the one at ``source`` instead of its own. Nothing is copied.

    Memory that may not be shared is: of NVMM that is where the pixels lie, and they are the source's. The target keeps the source
    then, for as long as it lives. Other sources are not kept: whoever writes to the target would have to copy their memory.
    """
    gst.gst_buffer_remove_all_memory(target)
    gst.gst_buffer_copy_into(target, source, _COPY_MEMORY, 0, _ALL)
    if memory_count(source) and _memory_flags(gst.gst_buffer_peek_memory(source, 0))[0] & _NO_SHARE:
        gst.gst_buffer_add_parent_buffer_meta(target, source)


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

    Metas that describe memory (strides and the like) or keep it are copied only ``with_memory``: where the target shares it.
    Those that are about places in the frame, such as regions, are fitted to another size by ``scaling``.
    """
    carried = scan(source)
    if not carried:
        return
    present = {api for api, _ in scan(target)}
    for api, meta in carried:
        if (with_memory or not _is_of_memory(api)) and api not in present:
            copy_meta(source, meta, target, scaling if scaling and gst.gst_meta_api_type_has_tag(api, _SIZE_TAG) else None)


def portable(address: int) -> list[tuple[int, int]]:
    """Return those of :func:`scan` that do not describe or keep the memory of the buffer at an address."""
    return [found for found in scan(address) if not _is_of_memory(found[0])]


def _is_of_memory(api: int) -> bool:
    return any(gst.gst_meta_api_type_has_tag(api, tag) for tag in _MEMORY_TAGS)


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


# GstVideoRegionOfInterestMeta: objects as rectangles with a label and parameter structures.


REGION_API: int = video.gst_video_region_of_interest_meta_api_get_type()
# The region of interest at the address of its meta: its label as a quark, id, parent's id, x, y, width, height, and the GList of
# its parameter structures.
region_at = reader("GstVideoRegionOfInterestMeta", "roi_type", "id", "parent_id", "x", "y", "w", "h", "params")


class Param(NamedTuple):
    """One parameter structure of a region, with what it holds of the usual fields; None: not there."""

    name: str
    label: str | None
    label_id: int | None
    confidence: float | None
    id: int | None


class Region(NamedTuple):
    """One GstVideoRegionOfInterestMeta, in pixels."""

    id: int
    label: str
    x: int
    y: int
    w: int
    h: int
    params: list[Param]


def add_region(address: int, region: Region) -> None:
    """Add a region of interest to a writable buffer."""
    meta = video.gst_buffer_add_video_region_of_interest_meta(
        address, bytes_of(region.label), region.x, region.y, region.w, region.h
    )
    if not meta:
        raise NativeError("GStreamer refused to add a region of interest")
    meta.id = region.id
    for param in region.params:
        add_param(address_of(meta), param)


# What follows changes a region, by the address of its meta. The buffer must be writable.


def set_region_id(meta_address: int, region_id: int) -> None:
    """Give a region an id of its own."""
    _region(meta_address).id = region_id


def set_region_parent(meta_address: int, region_id: int) -> None:
    """Let a region be a part of the one with an id; 0: of none."""
    _region(meta_address).parent_id = region_id


def set_region_label(meta_address: int, label: str) -> None:
    """Give a region another label."""
    _region(meta_address).roi_type = glib.g_quark_from_string(bytes_of(label))


def move_region(meta_address: int, x: int, y: int, w: int, h: int) -> None:
    """Give a region another place and size."""
    meta = _region(meta_address)
    meta.x, meta.y, meta.w, meta.h = x, y, w, h


def disown_regions(meta_addresses: Iterable[int], region_id: int) -> None:
    """Let no region have the one with an id as its parent."""
    for meta in map(_region, meta_addresses):
        if meta.parent_id == region_id:
            meta.parent_id = 0


def add_param(meta_address: int, param: Param) -> None:
    """Add a parameter structure to a region."""
    structure = gst.gst_structure_new_empty(param.name.encode())
    set_param(structure, param)
    video.gst_video_region_of_interest_meta_add_param(_region(meta_address), structure)


def set_param(structure: int, param: Param) -> None:
    """Set what is there of a parameter in its structure; other fields stay."""
    content = {"label": param.label, "label_id": param.label_id, "confidence": param.confidence, "id": param.id}
    for name, value in content.items():
        if value is not None:
            set_field(structure, name, value)


def remove_param(meta_address: int, structure: int) -> None:
    """Remove a parameter structure from a region."""
    meta = _region(meta_address)
    meta.params = ffi.cast("GList *", glib.g_list_remove(address_of(meta.params), structure))
    gst.gst_structure_free(structure)


def _region(meta_address: int) -> Any:
    return ffi.cast("GstVideoRegionOfInterestMeta *", meta_address)
