"""What an element itself knows about the frames that pass: their number, time, size and layout."""

from __future__ import annotations

import time
from typing import Any

from empycustom.gstreamer import GstVideo
from empycustom.meta import model
from empycustom.native.metas import pts_of, video_layout

_NO_PTS = 2**64 - 1
_NVMM = "memory:NVMM"


class FrameCounter:
    """Numbers the frames of a stream from 0, in step with the elements upstream."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        """Return the number of the buffer that just came."""
        number = self._next
        self._next += 1
        return number

    def agree(self, number: int) -> None:
        """Go on from the number that an element upstream gave to this buffer: between it and here frames may be dropped."""
        self._next = number + 1

    def restart(self) -> None:
        """Begin a stream."""
        self._next = 0


class FrameFormat:
    """The negotiated caps, as ``in_meta`` tells them."""

    def __init__(self, caps: Any) -> None:
        info = GstVideo.VideoInfo.new_from_caps(caps)
        finfo = info.finfo
        features = caps.get_features(0)
        self.format: str = finfo.name
        self.width, self.height = int(info.width), int(info.height)
        self.memory = "NVMM" if features is not None and features.contains(_NVMM) else "CPU"
        self.needed = (int(info.size), f"{self.format} of {self.width}x{self.height}")  # bytes, and what they are
        self._planes = [
            model.Plane(
                offset=int(info.offset[plane]),
                stride=int(info.stride[plane]),
                width=_subsampled(self.width, finfo.w_sub[_component(finfo, plane)]),
                height=_subsampled(self.height, finfo.h_sub[_component(finfo, plane)]),
            )
            for plane in range(finfo.n_planes)
        ]

    def frame(self, address: int, number: int) -> model.Frame:
        """Return what is known of the frame of a buffer before its metadata is read."""
        pts = pts_of(address)
        return {
            "frame_num": number,
            "buf_pts": model.NO_PTS if pts == _NO_PTS else pts,
            "timestamp": model.timestamp(time.time()),
            "source_id": 0,
            "source_frame_width": self.width,
            "source_frame_height": self.height,
            "object": [],
        }

    def buffer_info(self, address: int) -> model.BufferInfo:
        """Return how the pixels of a buffer are laid out: its own GstVideoMeta goes before the caps."""
        planes: list[Any] = [plane.copy() for plane in self._planes]
        layout = video_layout(address)
        if layout is not None:
            for plane, offset, stride in zip(planes, layout.offsets, layout.strides, strict=False):
                plane["offset"], plane["stride"] = offset, stride
        return {"format": self.format, "width": self.width, "height": self.height, "memory": self.memory, "planes": planes}


def _component(finfo: Any, plane: int) -> int:
    """Return the first colour component that lies in a plane."""
    return int(next(index for index in range(finfo.n_components) if finfo.plane[index] == plane))


def _subsampled(length: int, shift: int) -> int:
    return -(-length >> shift)
