"""GstVideoRegionOfInterestMeta: objects as rectangles with a label and parameter structures."""

from __future__ import annotations

from typing import NamedTuple

from empycustom.errors import NativeError
from empycustom.native.declarations import bytes_of, ffi, gst, video
from empycustom.native.memory import items, reader
from empycustom.native.structures import set_field, text_of_quark

API: int = video.gst_video_region_of_interest_meta_api_get_type()
_region = reader("GstVideoRegionOfInterestMeta", "roi_type", "id", "parent_id", "x", "y", "w", "h", "params")


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


def region_at(meta_address: int) -> tuple[int, str, int, int, int, int, list[int]]:
    """Read the region of interest at the address of its meta: the fields of a Region, with params as addresses of structures."""
    kind, number, _, x, y, w, h, params = _region(meta_address)
    return number, text_of_quark(kind), x, y, w, h, items(params) if params else []


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
