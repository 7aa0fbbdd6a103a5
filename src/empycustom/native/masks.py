"""Masks in GstAnalytics (segmentation), since GStreamer 1.26: pictures of numbers, stretched over a region of the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from empycustom.errors import NativeError
from empycustom.native import tensors
from empycustom.native.loading import POINTER, STATE, address_of, ffi, glib, gst, int_in, reader, single, text_of_quark, video
from empycustom.native.loading import analytics as _lib
from empycustom.native.memory import held_bytes
from empycustom.native.metas import described_at, size_of, video_layout

available = tensors.available  # all of it came with 1.26
_OBJECT, _MASK = (
    (_lib.gst_analytics_od_mtd_get_mtd_type(), _lib.gst_analytics_segmentation_mtd_get_mtd_type()) if available else (0, 0)
)
_ANY, _INSTANCE, _GRAY8 = 2**31 - 1, 1, 25
_FREE = address_of(ffi.addressof(glib, "g_free"))
# Looking a type up by its text costs as much as the call that it is for.
MTD, _BOX, _NUMBERS = (ffi.typeof(name) for name in ("GstAnalyticsMtd *", "int[4]", "float[2]"))
Box = tuple[int, int, int, int]
_TYPES = {25: "u1", 26: ">u2", 27: "<u2"}  # GstVideoFormat: GRAY8, GRAY16_BE, GRAY16_LE
_pool = reader("GstBuffer", "pool")


class Mask(NamedTuple):
    """A picture of numbers: 0 is the background, each other number a region, which ``regions`` lists.

    ``box`` is its place in the frame. ``labels`` are the names of regions, where a classification that is related to it has them.
    ``kind`` is the type of a number, as NumPy spells it, ``""`` where it is none that can be read. The buffer with the numbers is
    there as long as the meta.
    """

    id: int
    box: Box
    regions: tuple[int, ...]
    labels: dict[int, str]
    kind: str
    shape: tuple[int, int]
    offset: int
    stride: int
    buffer: int

    @property
    def data(self) -> memoryview:
        """All bytes of the buffer, which they keep. Raises NativeError."""
        return held_bytes(self.buffer)


class Pixels(NamedTuple):
    """A mask to be written: rows of bytes, one behind the other, which are 0 where the object is not, and 1 where it is."""

    width: int
    height: int
    data: bytes


def masks_in(meta: Any) -> tuple[dict[int, Mask], list[Mask]]:
    """Read the masks of a relation meta: those of objects, by the objects' ids, and those about the frame.

    A mask of several regions, or of several objects, is about the frame.
    """
    if not _has_masks(meta):
        return {}, []
    numbers = [*_items(meta, _MASK)]
    owners = {number: {*_related(meta, number, _OBJECT)} for number in numbers}
    for owner in [*_items(meta, _OBJECT)]:
        for number in _related(meta, owner, _MASK):
            owners[number].add(owner)
    of_objects: dict[int, Mask] = {}
    of_frame = []
    for mask in (_read(meta, number) for number in numbers):
        its = owners[mask.id]
        if len(its) != 1 or of_objects.keys() & its or sum(map(bool, mask.regions)) > 1:
            of_frame.append(mask)
        else:
            of_objects[its.pop()] = mask
    return of_objects, of_frame


def has_masks(address: int) -> bool:
    """Return whether there are masks on a buffer; GStreamer numbers what is behind them anew where it drops them."""
    meta = gst.gst_buffer_get_meta(address, _lib.gst_analytics_relation_meta_api_get_type()) if available else 0
    return bool(meta) and _has_masks(ffi.cast(POINTER, meta))


def _has_masks(meta: Any) -> bool:
    return bool(_lib.gst_analytics_relation_meta_iterate(meta, ffi.new(STATE), _MASK, ffi.new(MTD)))


def masks_of_frame(meta_address: int) -> list[Mask]:
    """Read the masks of the relation meta at an address that are about the whole frame."""
    return masks_in(ffi.cast(POINTER, meta_address))[1]


def add_mask(meta: Any, mask: Mask | Pixels, box: Box, number: int, mtd: Any) -> None:
    """Add a mask, stretched over a box, to a relation meta; ``mtd`` is set to it. ``number``: of its object.

    The pixels of one object have another value than those of the next, for overlays that paint them by value.
    """
    if isinstance(mask, Mask):
        buffer, regions = address_of(gst.gst_mini_object_ref(ffi.cast("void *", mask.buffer))), mask.regions
    else:
        regions = (1 + number % 255,)
        buffer = _picture(mask.width, mask.height, mask.data.replace(b"\1", bytes(regions)))
    x, y, w, h = box
    ids = ffi.new("unsigned[]", regions)
    if not _lib.gst_analytics_relation_meta_add_segmentation_mtd(meta, buffer, _INSTANCE, len(regions), ids, x, y, w, h, mtd):
        raise NativeError("GStreamer refused to add a mask")


def _picture(width: int, height: int, data: bytes) -> int:
    memory = glib.g_malloc(len(data))
    ffi.memmove(ffi.cast("void *", memory), data, len(data))
    buffer: int = gst.gst_buffer_new()
    gst.gst_buffer_append_memory(buffer, gst.gst_memory_new_wrapped(0, memory, len(data), 0, len(data), memory, _FREE))
    video.gst_buffer_add_video_meta_full(buffer, 0, _GRAY8, width, height, 1, [0], [width])
    return buffer


def place_of(mtd: Any) -> tuple[int, int, int, int, float, float]:
    """Return left, top, width and height of an object's box before it is turned, by how much it is, and its confidence."""
    box, numbers = ffi.new(_BOX), ffi.new(_NUMBERS)
    if available:
        _lib.gst_analytics_od_mtd_get_oriented_location(mtd, box, box + 1, box + 2, box + 3, numbers, numbers + 1)
    else:
        _lib.gst_analytics_od_mtd_get_location(mtd, box, box + 1, box + 2, box + 3, numbers + 1)
    return *box, single(numbers[0]), single(numbers[1])


def _items(meta: Any, kind: int) -> Iterator[int]:
    state, mtd = ffi.new(STATE), ffi.new(MTD)
    while _lib.gst_analytics_relation_meta_iterate(meta, state, kind, mtd):
        yield mtd.id


def _related(meta: Any, number: int, kind: int) -> Iterator[int]:
    state, mtd = ffi.new(STATE), ffi.new(MTD)
    while _lib.gst_analytics_relation_meta_get_direct_related(meta, number, _ANY, kind, state, mtd):
        yield mtd.id


def _read(meta: Any, number: int) -> Mask:
    mtd = ffi.new(MTD, {"id": number, "meta": meta})
    place, size = ffi.new("int[2]"), ffi.new("unsigned[2]")
    buffer = _lib.gst_analytics_segmentation_mtd_get_mask(mtd, place, place + 1, size, size + 1)
    gst.gst_mini_object_unref(ffi.cast("void *", buffer))  # the meta has one of its own
    count = _lib.gst_analytics_segmentation_mtd_get_region_count(mtd)
    regions = tuple(_lib.gst_analytics_segmentation_mtd_get_region_id(mtd, index) for index in range(count))
    described, layout = described_at(buffer), video_layout(buffer)
    kind, *shape = described or (0, 0, 0)
    offset, stride = (layout.offsets[0], layout.strides[0]) if layout and layout.offsets else (0, 0)
    row = shape[0] * (1 if kind == _GRAY8 else 2)
    if offset == 0 and row < stride and _is_packed(buffer, row, shape, stride):
        stride = row
    return Mask(
        number,
        (*place, *size),
        regions,
        _labels(meta, number, regions),
        _TYPES.get(kind, ""),
        (shape[1], shape[0]),
        offset,
        stride,
        buffer,
    )


def _is_packed(buffer: int, row: int, shape: Sequence[int], stride: int) -> bool:
    """Return whether rows of so many bytes lie one behind the other in a buffer whose GstVideoMeta says something else.

    Such a meta has a stride that is a multiple of 4, unless one is given; who writes masks may not know it, and then there are
    too few bytes. And yolosegv8tensordec of GStreamer 1.28.8 takes a larger picture from a pool, says in its meta that it is
    smaller, and leaves the stride (segmentationoverlay draws other things than it found).
    """
    width, height = shape
    if stride * (height - 1) + row > size_of(buffer):
        return True
    (pool,) = _pool(buffer)
    if not pool:
        return False
    config, caps = gst.gst_buffer_pool_get_config(pool), ffi.new("address *")
    nothing = ffi.new("unsigned[3]")
    known = gst.gst_buffer_pool_config_get_params(config, caps, nothing, nothing + 1, nothing + 2) and caps[0]
    wide = int_in(gst.gst_caps_get_structure(caps[0], 0), b"width") if known else None
    gst.gst_structure_free(config)
    return wide is not None and wide > width


def _labels(meta: Any, number: int, regions: tuple[int, ...]) -> dict[int, str]:
    state, mtd = ffi.new(STATE), ffi.new(MTD)
    kind, any_relation = _lib.gst_analytics_cls_mtd_get_mtd_type(), 2**31 - 1
    if not _lib.gst_analytics_relation_meta_get_direct_related(meta, number, any_relation, kind, state, mtd):
        return {}
    count = _lib.gst_analytics_cls_mtd_get_length(mtd)
    return {
        region: text_of_quark(_lib.gst_analytics_cls_mtd_get_quark(mtd, index))
        for index, region in zip(range(count), regions, strict=False)
    }
