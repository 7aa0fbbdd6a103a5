"""Masks in GstAnalytics (segmentation), since GStreamer 1.26: pictures of numbers, stretched over a region of the frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from empycustom.native import analytics, tensors
from empycustom.native.loading import ffi, gst, int_in, reader, text_of_quark
from empycustom.native.memory import held_bytes
from empycustom.native.metas import described_at, video_layout

_lib: Any = analytics._lib
available = tensors.available  # both came with 1.26
_TYPES = {25: "u1", 26: ">u2", 27: "<u2"}  # GstVideoFormat: GRAY8, GRAY16_BE, GRAY16_LE
_pool = reader("GstBuffer", "pool")


class Mask(NamedTuple):
    """A picture of numbers: 0 is the background, each other number a region, which ``regions`` lists.

    ``box`` is its place in the frame. ``labels`` are the names of regions, where a classification that is related to it has them.
    ``kind`` is the type of a number, as NumPy spells it, ``""`` where it is none that can be read. The buffer with the numbers is
    there as long as the meta.
    """

    id: int
    box: tuple[int, int, int, int]
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


def masks_of_frame(meta_address: int) -> list[Mask]:
    """Read the masks of the relation meta at an address that are about none of its objects."""
    meta = ffi.cast("void *", meta_address)
    masks = [*_items(meta, _lib.gst_analytics_segmentation_mtd_get_mtd_type())]
    if not masks:
        return []
    objects = _lib.gst_analytics_od_mtd_get_mtd_type()
    of_objects = {
        mask
        for number in _items(meta, objects)
        for mask in masks
        if _relation(meta, number, mask) or _relation(meta, mask, number)
    }
    return [_read(meta, mask) for mask in masks if mask not in of_objects]


def _items(meta: Any, kind: int) -> Iterator[int]:
    state, mtd = ffi.new("void **"), ffi.new("GstAnalyticsMtd *")
    while _lib.gst_analytics_relation_meta_iterate(meta, state, kind, mtd):
        yield mtd.id


def _relation(meta: Any, one: int, other: int) -> int:
    return int(_lib.gst_analytics_relation_meta_get_relation(meta, one, other))


def _read(meta: Any, number: int) -> Mask:
    mtd = ffi.new("GstAnalyticsMtd *", {"id": number, "meta": meta})
    place, size = ffi.new("int[2]"), ffi.new("unsigned[2]")
    buffer = _lib.gst_analytics_segmentation_mtd_get_mask(mtd, place, place + 1, size, size + 1)
    gst.gst_mini_object_unref(ffi.cast("void *", buffer))  # the meta has one of its own
    count = _lib.gst_analytics_segmentation_mtd_get_region_count(mtd)
    regions = tuple(_lib.gst_analytics_segmentation_mtd_get_region_id(mtd, index) for index in range(count))
    described, layout = described_at(buffer), video_layout(buffer)
    kind, *shape = described or (0, 0, 0)
    offset, stride = (layout.offsets[0], layout.strides[0]) if layout and layout.offsets else (0, 0)
    if offset == 0 and _is_packed(buffer, shape[0], stride):
        stride = shape[0]
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


def _is_packed(buffer: int, width: int, stride: int) -> bool:
    """Return whether rows of ``width`` bytes lie one behind the other in a buffer that says something else.

    yolosegv8tensordec of GStreamer 1.28 takes a larger picture from a pool, says in its GstVideoMeta that it is smaller, and
    leaves the stride. segmentationoverlay reads it so, too.
    """
    (pool,) = _pool(buffer)
    if stride == width or not pool:
        return False
    config, caps = gst.gst_buffer_pool_get_config(pool), ffi.new("address *")
    nothing = ffi.new("unsigned[3]")
    known = gst.gst_buffer_pool_config_get_params(config, caps, nothing, nothing + 1, nothing + 2) and caps[0]
    wide = int_in(gst.gst_caps_get_structure(caps[0], 0), b"width") if known else None
    gst.gst_structure_free(config)
    return wide is not None and wide > width


def _labels(meta: Any, number: int, regions: tuple[int, ...]) -> dict[int, str]:
    state, mtd = ffi.new("void **"), ffi.new("GstAnalyticsMtd *")
    kind, any_relation = _lib.gst_analytics_cls_mtd_get_mtd_type(), 2**31 - 1
    if not _lib.gst_analytics_relation_meta_get_direct_related(meta, number, any_relation, kind, state, mtd):
        return {}
    count = _lib.gst_analytics_cls_mtd_get_length(mtd)
    return {
        region: text_of_quark(_lib.gst_analytics_cls_mtd_get_quark(mtd, index))
        for index, region in zip(range(count), regions, strict=False)
    }
