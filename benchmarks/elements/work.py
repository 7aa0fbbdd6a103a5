"""What the probe and the appsink do with a buffer: the same work as the hand-written elements, as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gstreamer import GLib, Gst, GstVideo
from benchmarks.workloads import CROP, CROP_LEFT, CROP_TOP, Workload

Work = Callable[[Any], None]


def work_of(workload: Workload) -> Work:
    """Return the function that does the workload's work on a buffer."""
    if workload.work in ("pixels", "luma"):
        return _mean(workload, channels=4 if workload.work == "pixels" else 0)
    return {"nothing": _nothing, "objects": _objects, "details": _details}[workload.work]


def _nothing(buffer: Any) -> None:
    pass


def _mean(workload: Workload, *, channels: int) -> Work:
    info = GstVideo.VideoInfo.new_from_caps(Gst.Caps.from_string(workload.caps))
    shape: tuple[int, ...] = (info.height, info.width)
    strides: tuple[int, ...] = (info.stride[0], 1)
    if channels:
        shape, strides = (*shape, channels), (info.stride[0], channels, 1)

    def mean(buffer: Any) -> None:
        ok, mapped = buffer.map(Gst.MapFlags.READ)
        if not ok:
            raise RuntimeError("the buffer cannot be mapped for reading")
        try:
            frame: Any = np.ndarray(shape=shape, dtype=np.uint8, buffer=mapped.data, strides=strides)
            frame[CROP_TOP : CROP_TOP + CROP, CROP_LEFT : CROP_LEFT + CROP].mean()
        finally:
            buffer.unmap(mapped)

    return mean


def _region(region: Any) -> dict[str, Any]:
    return {
        "id": region.id,
        "label": GLib.quark_to_string(region.roi_type),
        "left": region.x,
        "top": region.y,
        "width": region.w,
        "height": region.h,
    }


def _objects(buffer: Any) -> None:
    objects = []
    number = 1
    while (region := GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)) is not None:
        objects.append(_region(region))
        number += 1


def _details(buffer: Any) -> None:
    objects = []
    number = 1
    while (region := GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, number)) is not None:
        detection = region.get_param("detection")
        confidence, label_id = detection.get_double("confidence")[1], detection.get_int("label_id")[1]
        objects.append({**_region(region), "confidence": confidence, "class": label_id})
        number += 1
