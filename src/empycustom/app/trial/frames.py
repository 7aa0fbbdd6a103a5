"""Frames to try a library on: a test picture, or a decoded one, in a real buffer, with objects as DeepStream describes them."""

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
_DURATION = Gst.SECOND // 30  # where nothing says how long a frame lasts
_TIMEOUT = 10 * Gst.SECOND


class TrialFrame:
    """A frame with ``count`` objects on it that is handed out again and again, each time as the next one of its stream.

    ``picture`` is a buffer with ``caps``, ``stream_time`` where it is in its video, ``source`` what that is called (``""``: no
    video at all).
    """

    def __init__(self, caps: Any, picture: Any, count: int, *, source: str = "", stream_time: int | None = None) -> None:
        self.caps, self.source = caps, source
        self.format = FrameFormat(caps)
        self._picture = picture
        self._pts = picture.pts if picture.pts != Gst.CLOCK_TIME_NONE else 0
        self._shift = (self._pts if stream_time is None else stream_time) - self._pts
        lasts = self.format.duration_ns
        self._duration = round(lasts) if lasts < Gst.SECOND else _DURATION
        self.objects = [_object(index, count, self.format.width, self.format.height) for index in range(count)]

    @property
    def stream_time(self) -> int:
        """Where the first of the frames is in its video, in nanoseconds."""
        return self._pts + self._shift

    def buffer(self, number: int = 0) -> Any:
        """A new, writable ``Gst.Buffer`` with the picture in it, as the one with this number, from 0."""
        buffer = self._picture.copy_deep()
        buffer.pts, buffer.duration = self._pts + number * self._duration, self._duration
        return buffer

    def in_meta(self, buffer: Any, number: int = 0) -> model.InMeta:
        """A new ``in_meta`` for a buffer that :meth:`buffer` returned for this number."""
        frame = self.format.frame(hash(buffer), number, time_ns(), lambda pts: pts + self._shift, self.source or None)
        frame["object"] = [_copied(found) for found in self.objects]
        return {"frame": [frame], "buffer": self.format.buffer_info(video_layout(hash(buffer)))}


def synthetic(video_format: str, size: tuple[int, int], count: int) -> TrialFrame:
    """Make a frame of a format and of ``size`` (width, height). Raises FrameError for unknown formats."""
    width, height = size
    planes_of(video_format)
    caps = Gst.Caps.from_string(f"video/x-raw,format={video_format},width={width},height={height},framerate=30/1")
    return TrialFrame(caps, _picture(caps, width, height), count)


def _picture(caps: Any, width: int, height: int) -> Any:
    """Red grows to the right, green downwards, blue in squares; converted by GStreamer to the format of ``caps``."""
    pixels = np.full((height, width, 4), 255, np.uint8)
    rows, columns = np.ogrid[:height, :width]
    pixels[..., 0] = columns * 255 // width
    pixels[..., 1] = rows * 255 // height
    pixels[..., 2] = ((rows // 32 + columns // 32) % 2) * 255
    buffer = Gst.Buffer.new_wrapped(pixels.tobytes())
    buffer.pts, buffer.duration = 0, _DURATION
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
