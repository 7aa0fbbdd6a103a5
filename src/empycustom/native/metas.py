"""Metadata on buffers: finding it, carrying it to another buffer, regions of interest, our own JSON, and numbers of frames.

A meta belongs to its buffer, and its address is good as long as the buffer lives and the meta is on it. Only a writable buffer,
with one reference, may get, lose or change a meta. C: ``gst_buffer_iterate_meta``, the ``transform`` of each kind of meta,
``gst_buffer_add_*_meta``.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from empycustom.errors import NativeError, NotWritableError
from empycustom.native.loading import (
    CHARS,
    DATA,
    G_TYPE_STRING,
    G_TYPE_UINT64,
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
    uint64_in,
    video,
)
from empycustom.native.memory import is_writable, memory_count

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
_references = reader("GstBuffer", "mini_object.refcount")
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


Runs = list[tuple[int, list[int]]]
"""Metas: the type of an API, and the addresses of those of this API that lie side by side."""
_states: list[Any] = []  # that nobody uses just now; each is NULL again at the end of a scan


def scan_runs(address: int) -> Runs:
    """Return every meta of the buffer at ``address``, in the order in which they lie."""
    try:
        state = _states.pop()  # one for each scan: C is left between two metas, and another thread may scan meanwhile
    except IndexError:
        state = ffi.new(STATE)
    runs: Runs = []
    run: list[int] = []
    last, meta = 0, _iterate(address, state)
    while meta:
        api = _apis[_info(meta)[0]]
        if api != last:
            last, run = api, []
            runs.append((api, run))
        run.append(meta)
        meta = _iterate(address, state)
    _states.append(state)
    return runs


def scan(address: int) -> list[tuple[int, int]]:
    """Return every meta of the buffer at ``address``, as (type of its API, its own address), in the order in which they lie."""
    return [(api, meta) for api, run in scan_runs(address) for meta in run]


def check_writable(address: int) -> None:
    """Raise NotWritableError where the buffer at ``address`` may not be written."""
    if not is_writable(address):
        raise NotWritableError("GStreamer refuses to attach anything: the buffer is not writable")


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
        wanted = with_memory or not any(gst.gst_meta_api_type_has_tag(api, tag) for tag in _MEMORY_TAGS)
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


def set_region_id(meta_address: int, region_id: int) -> None:
    """Give a region an id of its own. The buffer must be writable."""
    ffi.cast("GstVideoRegionOfInterestMeta *", meta_address).id = region_id


def add_region(address: int, region: Region) -> None:
    """Add a region of interest to a writable buffer."""
    meta = video.gst_buffer_add_video_region_of_interest_meta(
        address, bytes_of(region.label), region.x, region.y, region.w, region.h
    )
    if not meta:
        raise NativeError("GStreamer refused to add a region of interest")
    meta.id = region.id
    for param in region.params:
        content = {"label": param.label, "label_id": param.label_id, "confidence": param.confidence, "id": param.id}
        structure = gst.gst_structure_new_empty(param.name.encode())
        for name, value in content.items():
            if value is not None:
                set_field(structure, name, value)
        video.gst_video_region_of_interest_meta_add_param(meta, structure)


# A frame's number and time on its buffer, where no library attached anything to it.
#
# They are the two numbers of a GstReferenceTimestampMeta, whose reference is caps of our own: one call into C, no text, and every
# element copies it to whatever it makes of the buffer.


STAMP_API: int = gst.gst_reference_timestamp_meta_api_get_type()
FRAME_NUMBERS = 2**63  # so many; what counts on from one of them never leaves the 64 bits that it is kept in
_MAY_BE_LEAKED = 1 << 2  # GstMiniObjectFlags
_REFERENCE: int = gst.gst_caps_new_empty_simple(b"timestamp/x-empycustom")
ffi.cast("GstMiniObject *", _REFERENCE).flags |= _MAY_BE_LEAKED
_read = reader("GstReferenceTimestampMeta", "reference", "timestamp", "duration")
_add = gst.gst_buffer_add_reference_timestamp_meta


def add_stamp(address: int, frame_num: int, time_ns: int) -> None:
    """Stamp a buffer, if it can be written; ``time_ns`` is since the epoch."""
    if _references(address)[0] == 1 or is_writable(address):
        _add(address, _REFERENCE, time_ns, frame_num % FRAME_NUMBERS)


def stamp_at(meta_address: int) -> tuple[int, int] | None:
    """Return frame number and time of the stamp at the address of its meta; None where it is another one's timestamp.

    None also where the number is too large: an element that makes the meta anew may leave out what is a duration to it.
    """
    reference, time_ns, frame_num = _read(meta_address)
    return (frame_num, time_ns) if reference == _REFERENCE and frame_num < FRAME_NUMBERS else None


def stamp_in(metas: list[int]) -> tuple[int, int] | None:
    """Return the last stamp among reference timestamps at some addresses; None: none is a stamp."""
    return next(filter(None, map(stamp_at, reversed(metas))), None)


# Our own custom meta: a JSON text on a buffer, and the frame's number beside it.


_NUMBER, _JSON = b"frame-num", b"json"  # the fields
_registering = threading.Lock()


def _registered(name: bytes) -> Any:
    """Return the GstMetaInfo of the custom meta of a name, which is registered where nobody has done it; from any thread."""
    with _registering:  # GStreamer has no one call for both, and refuses the second of two who register
        info = gst.gst_meta_get_info(name)
        if not info:
            tags = ffi.new("char *[]", [ffi.NULL])
            # Somebody in C, who does not know of our lock, may have been faster.
            info = gst.gst_meta_register_custom(name, tags, ffi.NULL, ffi.NULL, ffi.NULL) or gst.gst_meta_get_info(name)
    if not info:
        raise NativeError(f"GStreamer refused to register the custom meta {name.decode()}")
    return info


class JsonMeta:
    """The custom meta of a name: a JSON text on a buffer, and the frame's number beside it. Any thread may use it.

    It has no tags and no transform function, so that it is all C and survives whatever copies, converts or scales a buffer.

    To add one, the one on a buffer of our own is filled in and copied: one call into C instead of one for the meta, one for its
    structure and one for each field.
    """

    def __init__(self, name: str) -> None:
        self.api: int = _registered(name.encode()).api
        self._buffer = ffi.gc(ffi.cast(POINTER, gst.gst_buffer_new()), gst.gst_mini_object_unref)
        self._address = address_of(self._buffer)
        self._meta = gst.gst_buffer_add_custom_meta(self._address, name.encode())
        self._copy = ffi.cast(META, self._meta).info.transform
        structure = gst.gst_custom_meta_get_structure(self._meta)
        gst.gst_structure_set(structure, _NUMBER, ffi.cast("GType", G_TYPE_UINT64), ffi.cast("uint64_t", 0), ffi.NULL)
        gst.gst_structure_set(structure, _JSON, ffi.cast("GType", G_TYPE_STRING), ffi.NULL, ffi.NULL)
        self._values = {name: gst.gst_structure_get_value(structure, name) for name in (_NUMBER, _JSON)}
        glib.g_value_set_static_string(self._values[_JSON], ffi.NULL)  # from now on the text is not the value's own
        self._number = ffi.cast("uint64_t *", self._values[_NUMBER] + DATA)
        self._pointer = ffi.cast("const char **", self._values[_JSON] + DATA)
        self._filling = threading.Lock()

    def add(self, address: int, frame_num: int, text: str | bytes) -> None:
        """Add the meta to the writable buffer at ``address``; no NUL is in ``text``. Raises NotWritableError."""
        check_writable(address)  # GStreamer's copying does not look
        chars = ffi.new(CHARS, text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
        with self._filling:
            self._number[0], self._pointer[0] = frame_num, chars
            self._copy(address, self._meta, self._address, COPY, AS_IT_IS)

    def replace(self, address: int, meta_address: int, frame_num: int, text: str | bytes) -> None:
        """Write into the meta at ``meta_address``, which is on the writable buffer at ``address``. Raises NotWritableError."""
        check_writable(address)
        structure = gst.gst_custom_meta_get_structure(meta_address)
        chars = ffi.new(CHARS, text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
        with self._filling:
            self._number[0], self._pointer[0] = frame_num, chars
            for name, value in self._values.items():
                gst.gst_structure_set_value(structure, name, value)

    def get(self, meta_address: int) -> bytes:
        """Return the text in the meta at an address, in UTF-8; the empty text where it has none."""
        text = gst.gst_structure_get_string(gst.gst_custom_meta_get_structure(meta_address), _JSON)
        return ffi.string(text) if text else b""

    def first(self, metas: list[int]) -> bytes:
        """Return the first text in the metas at some addresses; the empty text where none has one."""
        return next(filter(None, map(self.get, metas)), b"")

    def find(self, address: int) -> int:
        """Return the address of the first such meta on a buffer, 0: it has none."""
        return int(gst.gst_buffer_get_meta(address, self.api))

    def frame_num(self, meta_address: int) -> int | None:
        """Return the frame's number in the meta at an address; None where it is not there, or too large."""
        number = uint64_in(gst.gst_custom_meta_get_structure(meta_address), _NUMBER)
        return number if number is not None and number < FRAME_NUMBERS else None
