"""Elements written by hand with gst-python, as its tutorials and most projects write them: no tricks, and no needless work."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gstreamer import GLib, Gst, GstBase, GstVideo
from benchmarks.workloads import CROP, CROP_LEFT, CROP_TOP

_TEMPLATES = tuple(
    Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.from_string("video/x-raw"))
    for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
)


class PlainNothing(GstBase.BaseTransform):
    """Does nothing at all."""

    __gstmetadata__ = ("Plain", "Filter/Effect/Video", "Does nothing", "The empycustom developers")
    __gsttemplates__ = _TEMPLATES

    def do_transform_ip(self, buffer: Any) -> Any:
        return Gst.FlowReturn.OK


class PlainPixels(GstBase.BaseTransform):
    """Takes the mean of a region of RGBA pixels."""

    __gstmetadata__ = ("Plain pixels", "Filter/Effect/Video", "Takes a mean", "The empycustom developers")
    __gsttemplates__ = _TEMPLATES

    def do_set_caps(self, incaps: Any, outcaps: Any) -> bool:
        info = GstVideo.VideoInfo.new_from_caps(incaps)
        self.shape = (info.height, info.width, 4)
        self.strides = (info.stride[0], 4, 1)
        return True

    def do_transform_ip(self, buffer: Any) -> Any:
        ok, mapped = buffer.map(Gst.MapFlags.READ)
        if not ok:
            return Gst.FlowReturn.ERROR
        try:
            frame: Any = np.ndarray(shape=self.shape, dtype=np.uint8, buffer=mapped.data, strides=self.strides)
            frame[CROP_TOP : CROP_TOP + CROP, CROP_LEFT : CROP_LEFT + CROP].mean()
        finally:
            buffer.unmap(mapped)
        return Gst.FlowReturn.OK


class PlainLuma(GstBase.BaseTransform):
    """Takes the mean of a region of the first plane."""

    __gstmetadata__ = ("Plain luma", "Filter/Effect/Video", "Takes a mean", "The empycustom developers")
    __gsttemplates__ = _TEMPLATES

    def do_set_caps(self, incaps: Any, outcaps: Any) -> bool:
        info = GstVideo.VideoInfo.new_from_caps(incaps)
        self.shape = (info.height, info.width)
        self.strides = (info.stride[0], 1)
        return True

    def do_transform_ip(self, buffer: Any) -> Any:
        ok, mapped = buffer.map(Gst.MapFlags.READ)
        if not ok:
            return Gst.FlowReturn.ERROR
        try:
            luma: Any = np.ndarray(shape=self.shape, dtype=np.uint8, buffer=mapped.data, strides=self.strides)
            luma[CROP_TOP : CROP_TOP + CROP, CROP_LEFT : CROP_LEFT + CROP].mean()
        finally:
            buffer.unmap(mapped)
        return Gst.FlowReturn.OK


class PlainObjects(GstBase.BaseTransform):
    """Reads label, id and box of each region of interest into a dict.

    PyGObject cannot iterate over metas, but it can ask for the region with an id: the ids here are known to count from 1.
    """

    __gstmetadata__ = ("Plain objects", "Filter/Analyzer/Video", "Reads regions of interest", "The empycustom developers")
    __gsttemplates__ = _TEMPLATES

    def do_transform_ip(self, buffer: Any) -> Any:
        objects = []
        number = 1
        while (region := GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)) is not None:
            objects.append(
                {
                    "id": region.id,
                    "label": GLib.quark_to_string(region.roi_type),
                    "left": region.x,
                    "top": region.y,
                    "width": region.w,
                    "height": region.h,
                }
            )
            number += 1
        return Gst.FlowReturn.OK


class PlainDetails(GstBase.BaseTransform):
    """Reads each region of interest, and confidence and class from its parameter structure, into a dict."""

    __gstmetadata__ = ("Plain details", "Filter/Analyzer/Video", "Reads regions of interest", "The empycustom developers")
    __gsttemplates__ = _TEMPLATES

    def do_transform_ip(self, buffer: Any) -> Any:
        objects = []
        number = 1
        while (region := GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)) is not None:
            detection = region.get_param("detection")
            objects.append(
                {
                    "id": region.id,
                    "label": GLib.quark_to_string(region.roi_type),
                    "left": region.x,
                    "top": region.y,
                    "width": region.w,
                    "height": region.h,
                    "confidence": detection.get_double("confidence")[1],
                    "class": detection.get_int("label_id")[1],
                }
            )
            number += 1
        return Gst.FlowReturn.OK


def register() -> None:
    """Make the elements known to this process, each by the name of its class in lower case."""
    for kind in (PlainNothing, PlainPixels, PlainLuma, PlainObjects, PlainDetails):
        Gst.Element.register(None, kind.__name__.lower(), Gst.Rank.NONE, kind)
