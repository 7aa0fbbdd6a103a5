"""Metadata on buffers: finding it, regions of interest, our own custom meta, and carrying metas to another buffer."""

from __future__ import annotations

from typing import Any, NamedTuple

from empycustom.errors import NativeError
from empycustom.native.declarations import (
    ADDRESS,
    CHARS,
    G_TYPE_DOUBLE,
    G_TYPE_INT,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    POINTER,
    STATE,
    buffer_at,
    bytes_of,
    ffi,
    gst,
    text,
    video,
)

REGION_API: int = video.gst_video_region_of_interest_meta_api_get_type()
_VIDEO_META_API: int = video.gst_video_meta_api_get_type()
_MEMORY_TAG: int = gst.g_quark_from_string(b"memory")
_COPY_QUARK: int = gst.g_quark_from_string(b"gst-copy")
_COPY_MEMORY = 1 << 3  # GstBufferCopyFlags
_STREAM_FLAGS = 0xFFFFFFF << 4 & ~(1 << 14)  # GstBufferFlags from LIVE on, those of video too, but not TAG_MEMORY
_LOCKED = 1 << 2  # GstMetaFlags
_ALL = 2**64 - 1  # a size: up to the end
_UINT64, _STRING = (ffi.cast("GType", number) for number in (G_TYPE_UINT64, G_TYPE_STRING))
_TIMESTAMP, _JSON = (ffi.new(CHARS, name) for name in (b"timestamp", b"json"))
_NUMBER = ffi.typeof("uint64_t")
_PLAIN_TYPES = {int: (G_TYPE_INT, "int"), float: (G_TYPE_DOUBLE, "double"), str: (G_TYPE_STRING, "")}


def scan(address: int) -> list[tuple[int, int]]:
    """Return every meta of the buffer at ``address``, as (type of its API, its own address), in the order they lie in."""
    found: list[tuple[int, int]] = []
    buffer, state = buffer_at(address), ffi.new(STATE)
    meta = gst.gst_buffer_iterate_meta(buffer, state)
    while meta:
        found.append((meta.info.api, int(ffi.cast(ADDRESS, meta))))
        meta = gst.gst_buffer_iterate_meta(buffer, state)
    return found


def size_of(address: int) -> int:
    """Return how many bytes a buffer holds."""
    return int(gst.gst_buffer_get_size(buffer_at(address)))


def pts_of(address: int) -> int:
    """Return the presentation time of a buffer in nanoseconds; all 64 bits set: none."""
    return int(buffer_at(address).pts)


class VideoLayout(NamedTuple):
    """What a GstVideoMeta says: bytes to each plane, and bytes from a row to the next."""

    offsets: tuple[int, ...]
    strides: tuple[int, ...]


def video_layout(address: int) -> VideoLayout | None:
    """Return how the planes of a buffer lie according to its GstVideoMeta, or None where it has none."""
    meta = gst.gst_buffer_get_meta(buffer_at(address), _VIDEO_META_API)
    if not meta:
        return None
    meta = ffi.cast("GstVideoMeta *", meta)
    planes = meta.n_planes
    return VideoLayout(tuple(meta.offset[0:planes]), tuple(meta.stride[0:planes]))


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


def region_at(meta_address: int) -> Region:
    """Read the region of interest at the address of its meta."""
    meta = ffi.cast("GstVideoRegionOfInterestMeta *", meta_address)
    params, item = [], meta.params
    while item:
        params.append(_param(item.data))
        item = item.next
    return Region(meta.id, text(gst.g_quark_to_string(meta.roi_type)), meta.x, meta.y, meta.w, meta.h, params)


def set_region_id(meta_address: int, region_id: int) -> None:
    """Give a region an id of its own. The buffer must be writable."""
    ffi.cast("GstVideoRegionOfInterestMeta *", meta_address).id = region_id


def add_region(address: int, region: Region) -> None:
    """Add a region of interest to a writable buffer."""
    meta = video.gst_buffer_add_video_region_of_interest_meta(
        buffer_at(address), bytes_of(region.label), region.x, region.y, region.w, region.h
    )
    if not meta:
        raise NativeError("GStreamer refused to add a region of interest: the buffer is not writable")
    meta.id = region.id
    for param in region.params:
        fields = {"label": param.label, "label_id": param.label_id, "confidence": param.confidence, "id": param.id}
        structure = gst.gst_structure_new_empty(param.name.encode())
        for field, value in fields.items():
            if value is not None:
                _set(structure, field, value)
        video.gst_video_region_of_interest_meta_add_param(meta, structure)


def _set(structure: Any, field: str, value: Any) -> None:
    gtype, ctype = _PLAIN_TYPES[type(value)]
    if gtype == G_TYPE_INT and not -(2**31) <= value < 2**31:  # an id of a tracker that counts further
        gtype, ctype = G_TYPE_UINT64, "uint64_t"
    argument = ffi.new(CHARS, bytes_of(value)) if gtype == G_TYPE_STRING else ffi.cast(ctype, value)
    gst.gst_structure_set(structure, field.encode(), ffi.cast("GType", gtype), argument, ffi.NULL)


def _param(structure: Any) -> Param:
    label = gst.gst_structure_get_string(structure, b"label")
    number, large, real = ffi.new("int *"), ffi.new("uint64_t *"), ffi.new("double *")
    label_id = number[0] if gst.gst_structure_get_int(structure, b"label_id", number) else None
    identity = number[0] if gst.gst_structure_get_int(structure, b"id", number) else None
    if gst.gst_structure_get_uint64(structure, b"id", large):
        identity = large[0]
    confidence = real[0] if gst.gst_structure_get_double(structure, b"confidence", real) else None
    return Param(text(gst.gst_structure_get_name(structure)), text(label) if label else None, label_id, confidence, identity)


class Note(NamedTuple):
    """What our custom meta holds: the frame's number and time, and a JSON text (empty: nothing was said)."""

    frame_num: int
    timestamp: str
    json: str


class NoteMeta:
    """Our own custom meta, under one name for the whole process.

    It has no tags and no transform function, so that it is all C and survives whatever copies, converts or scales a buffer.
    """

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        info = gst.gst_meta_get_info(self._name)
        if not info:
            tags = ffi.new("char *[]", [ffi.NULL])
            info = gst.gst_meta_register_custom(self._name, tags, ffi.NULL, ffi.NULL, ffi.NULL)
        if not info:
            raise NativeError(f"GStreamer refused to register the custom meta {name}")
        self.api: int = info.api

    def read(self, meta_address: int) -> Note:
        """Read the note at the address of its meta."""
        structure = gst.gst_custom_meta_get_structure(ffi.cast(POINTER, meta_address))
        number = ffi.new("uint64_t *")
        gst.gst_structure_get_uint64(structure, b"frame-num", number)
        timestamp = text(gst.gst_structure_get_string(structure, b"timestamp"))
        return Note(number[0], timestamp, text(gst.gst_structure_get_string(structure, b"json")))

    def write(self, address: int, meta_address: int, note: Note) -> None:
        """Write the note to a writable buffer, into its meta at ``meta_address`` or, if 0, into a new one."""
        meta = ffi.cast(POINTER, meta_address) or gst.gst_buffer_add_custom_meta(buffer_at(address), self._name)
        if not meta:
            raise NativeError("GStreamer refused to add the custom meta: the buffer is not writable")
        structure = gst.gst_custom_meta_get_structure(meta)
        said = (_JSON, _STRING, ffi.new(CHARS, bytes_of(note.json))) if note.json else ()
        timestamp = ffi.new(CHARS, bytes_of(note.timestamp))
        number = ffi.cast(_NUMBER, note.frame_num)
        gst.gst_structure_set(structure, b"frame-num", _UINT64, number, _TIMESTAMP, _STRING, timestamp, *said, ffi.NULL)
        if meta_address and not said:
            gst.gst_structure_remove_field(structure, b"json")


def share_memory(source: int, target: int) -> None:
    """Let the writable buffer at ``target`` hold the pixels of the one at ``source`` instead of its own. Nothing is copied."""
    gst.gst_buffer_remove_all_memory(buffer_at(target))
    gst.gst_buffer_copy_into(buffer_at(target), buffer_at(source), _COPY_MEMORY, 0, _ALL)


def carry_times_and_flags(source: int, target: int) -> None:
    """Set the times, offsets and flags of the buffer at ``target`` that are set in the one at ``source``."""
    origin, to = buffer_at(source), buffer_at(target)
    for field in ("pts", "dts", "duration", "offset", "offset_end"):
        value = getattr(origin, field)
        if value != _ALL:
            setattr(to, field, value)
    flags = origin.mini_object.flags & _STREAM_FLAGS
    if flags:
        to.mini_object.flags = (to.mini_object.flags & ~_STREAM_FLAGS) | flags


def carry_metas(source: int, target: int, *, with_memory: bool) -> None:
    """Copy the metas of the buffer at ``source`` to the writable one at ``target``, except kinds that it has already.

    Metas that describe memory (strides and the like) are copied only ``with_memory``: where the target shares it.
    """
    origin, to = buffer_at(source), buffer_at(target)
    present = {api for api, _ in scan(target)}
    whole = ffi.new("GstMetaTransformCopy *", {"region": 0, "offset": 0, "size": _ALL})
    for api, address in scan(source):
        meta = ffi.cast("GstMeta *", address)
        wanted = with_memory or not gst.gst_meta_api_type_has_tag(api, _MEMORY_TAG)
        if wanted and api not in present and meta.info.transform:
            meta.info.transform(to, meta, origin, _COPY_QUARK, whole)


def remove_metas(address: int) -> None:
    """Remove the metas of a writable buffer, except those that their owner has locked to it."""
    for _, meta_address in scan(address):
        meta = ffi.cast("GstMeta *", meta_address)
        if not meta.flags & _LOCKED:
            gst.gst_buffer_remove_meta(buffer_at(address), meta)
