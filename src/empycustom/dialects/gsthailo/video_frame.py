"""``gsthailo.VideoFrame``: a frame as modules of hailopython see it: the buffer, its HailoROI, and its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from empycustom.buffers.mapping import default_layout, layout_on
from empycustom.carriers.hailo_module import load
from empycustom.dialects.caps import info_of
from empycustom.dialects.pixels import repacked, whole
from empycustom.errors import FrameError
from empycustom.frames.formats import Layout
from empycustom.frames.views import ClosedFrameView, Span
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native.memory import BufferMap

_IN_WORKER = "video_frame.roi is in the process of the pipeline, and this is another one"
_WITHOUT_WORKER = "set workers=0, or write the library with process_ip, which gets the objects in in_meta and returns new ones"
_MISSING = "video_frame.roi cannot be read"
_WITHOUT_MODULE = "; objects of other elements are in in_meta, which libraries with process_ip get"


class MappedBuffer:
    """What ``map_buffer`` gives: all bytes of the buffer in ``data``, and their number in ``size``; read-only."""

    def __init__(self, address: int) -> None:
        self._map = BufferMap(address, writable=False)
        self._span, self._address = Span(), address
        self.data: Any = self._map.data
        self.size = self.maxsize = len(self.data)
        self.flags = Gst.MapFlags.READ

    def _array(self, info: Any) -> Any:
        return _array(self.data, layout_on(self._address, *_described(info)), info.width, self._span)

    def _close(self) -> None:
        self._span.close(self._map.hold, ClosedFrameView)
        self.data = None
        self._map.unmap()


class VideoFrame:
    """A frame: its buffer, its HailoROI and its pixels. It is valid during the call."""

    def __init__(self, buffer: Any, caps: Any, roi: Any = None) -> None:
        self._buffer, self._roi, self._info = buffer, roi, GstVideo.VideoInfo.new_from_caps(caps)
        self._in_worker = False

    @classmethod
    def over(cls, buffer: Any, about: Mapping[str, Any], *, in_worker: bool = False) -> VideoFrame:
        """Return the frame in a buffer as ``in_meta["buffer"]`` describes it."""
        made = cls.__new__(cls)
        made._buffer, made._roi, made._info, made._in_worker = buffer, None, info_of(about), in_worker
        return made

    @property
    def roi(self) -> Any:
        """The HailoROI of the buffer, which gets one if it has none. Raises FrameError where Hailo's module is missing."""
        if self._roi is None:
            if self._in_worker:
                raise _unreadable(_IN_WORKER, _WITHOUT_WORKER)
            hailo, why_not = load()
            if hailo is None:
                why, _, install = why_not.rpartition("; ")
                raise _unreadable(f"{_MISSING}: {why}", f"{install}{_WITHOUT_MODULE}")
            self._roi = hailo.get_roi_from_buffer(self.buffer)
        return self._roi

    @property
    def buffer(self) -> Any:
        """The Gst.Buffer of the frame."""
        return self._buffer

    @property
    def video_info(self) -> Any:
        """The GstVideo.VideoInfo of the caps."""
        return self._info

    @contextmanager
    def map_buffer(self) -> Iterator[MappedBuffer]:
        """Give the bytes of the buffer, to be read; arrays that are made of them end with the block."""
        mapped = MappedBuffer(hash(self.buffer))
        try:
            yield mapped
        finally:
            mapped._close()

    @classmethod
    def numpy_array_from_buffer(cls, map_info: Any, caps: Any = None, video_info: Any = None) -> Any:
        """Return the pixels in a mapped buffer as an array of uint8 (height, width, channels), read-only and without padding.

        All planes of other formats are one below the other, (rows, width, 1), as I420 and NV12 (rows: 1.5 times the height). What
        is padded between planes is copied. ``map_info`` is of ``map_buffer``, or a Gst.MapInfo of a buffer without padding.
        Raises RuntimeError where neither caps nor ``video_info`` is given.
        """
        if not caps and not video_info:
            raise RuntimeError("numpy_array_from_buffer needs caps or video_info: pass video_info=video_frame.video_info")
        info = video_info or GstVideo.VideoInfo.new_from_caps(caps)
        if isinstance(map_info, MappedBuffer):
            return map_info._array(info)
        return _array(map_info.data, default_layout(*_described(info)), info.width, Span())


def _unreadable(what: str, advice: str) -> FrameError:
    error = FrameError(f"{what}; {advice}")
    error.advice = advice
    return error


def _described(info: Any) -> tuple[str, int, int, str]:
    return info.finfo.name, info.width, info.height, GstVideo.VideoInterlaceMode.to_string(info.interlace_mode)


def _array(data: Any, layout: Layout, width: int, span: Span) -> Any:
    """Return a frame as an array over its bytes, where it is not padded between planes; else a copy, which is read-only, too."""
    plane = whole(layout, width)
    if plane is not None:
        return span.array(data, plane)
    copy = next(repacked(data, layout, width, span, write=False))
    copy.flags.writeable = False
    return copy
