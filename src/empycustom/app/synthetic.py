"""A frame to try a library on: a test picture in a real buffer, with objects on it as DeepStream describes them."""

from __future__ import annotations

from time import time_ns
from typing import Any

import numpy as np

from empycustom.elements.frames import FrameFormat
from empycustom.frames.layout import planes_of
from empycustom.gstreamer import Gst, GstVideo
from empycustom.meta import model
from empycustom.native.metas import video_layout

LABELS = ("car", "bicycle", "person")  # by class_id, from 0
_PTS = 40 * Gst.MSECOND
_TIMEOUT = 10 * Gst.SECOND


class SyntheticFrame:
    """A frame of ``video_format`` and of ``size`` (width, height) with ``count`` objects; FrameError for unknown formats."""

    def __init__(self, video_format: str, size: tuple[int, int], count: int) -> None:
        width, height = size
        planes_of(video_format)
        self.caps = Gst.Caps.from_string(f"video/x-raw,format={video_format},width={width},height={height},framerate=30/1")
        self.format = FrameFormat(self.caps)
        self._buffer = _picture(self.caps, width, height)
        self.objects = [_object(index, count, width, height) for index in range(count)]

    def buffer(self) -> Any:
        """A new, writable ``Gst.Buffer`` with the picture in it."""
        return self._buffer.copy_deep()

    def in_meta(self, buffer: Any) -> model.InMeta:
        """A new ``in_meta`` for a buffer that :meth:`buffer` returned."""
        frame = self.format.frame(hash(buffer), 0, time_ns(), int, {})  # its video begins at 0
        frame["object"] = [_copied(found) for found in self.objects]
        return {"frame": [frame], "buffer": self.format.buffer_info(video_layout(hash(buffer)))}


def _picture(caps: Any, width: int, height: int) -> Any:
    """Red grows to the right, green downwards, blue in squares; converted by GStreamer to the format of ``caps``."""
    pixels = np.full((height, width, 4), 255, np.uint8)
    rows, columns = np.ogrid[:height, :width]
    pixels[..., 0] = columns * 255 // width
    pixels[..., 1] = rows * 255 // height
    pixels[..., 2] = ((rows // 32 + columns // 32) % 2) * 255
    buffer = Gst.Buffer.new_wrapped(pixels.tobytes())
    buffer.pts, buffer.duration = _PTS, Gst.SECOND // 30
    rgba = Gst.Caps.from_string(f"video/x-raw,format=RGBA,width={width},height={height},framerate=30/1")
    return GstVideo.video_convert_sample(Gst.Sample.new(buffer, rgba, None, None), caps, _TIMEOUT).get_buffer()


def _object(index: int, count: int, width: int, height: int) -> model.Object:
    """The n-th of ``count`` objects, side by side, each wholly inside the frame; the first is a person."""
    class_id = (2, 0, 1)[index % 3]
    column = width / count
    return {
        "class_id": class_id,
        "object_id": index + 1,
        "confidence": 0.9,
        "obj_label": LABELS[class_id],
        "rect_params": {
            "left": float(int(column * index + column / 8)),
            "top": float(height // 4),
            "width": float(max(1, int(column * 3 / 4))),
            "height": float(max(1, height // 2)),
        },
        "text_params": {"display_text": f"{LABELS[class_id]} {index + 1}"},
        "classifier": [],
    }


def _copied(found: model.Object) -> model.Object:
    copy = found.copy()
    copy["rect_params"] = found["rect_params"].copy()
    copy["text_params"] = found["text_params"].copy()
    copy["classifier"] = []
    return copy
