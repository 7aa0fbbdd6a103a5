"""Frames in system memory."""

from __future__ import annotations

from functools import lru_cache
from types import TracebackType
from typing import Any

from empycustom.errors import FrameError, NativeError
from empycustom.frames.arrays import ArrayFrame
from empycustom.frames.layout import Layout, layout_of, planes_of
from empycustom.gstreamer import GstVideo
from empycustom.native.maps import BufferMap, is_writable
from empycustom.native.metas import video_layout


class SystemFrame(ArrayFrame):
    """A frame in system memory, mapped between the beginning and the end of its ``with`` block; made by ``map_frame``."""

    __slots__ = ("_buffer", "_interlace_mode", "_map", "_writable")

    def __init__(self, buffer: Any, video_format: str, width: int, height: int, interlace_mode: str, *, writable: bool) -> None:
        super().__init__(video_format, width, height)
        self._buffer, self._interlace_mode, self._writable = buffer, interlace_mode, writable
        self._map: BufferMap | None = None

    def __enter__(self) -> SystemFrame:
        if self._closed or self._map is not None:
            raise self._not_enterable()
        address = hash(self._buffer)
        layout = layout_on(address, self.format, self.width, self.height, self._interlace_mode)
        self._map = _mapped(address, layout.size, writable=self._writable)
        self._open(layout, self._map.data)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        mapped, self._map = self._map, None
        if mapped is None:
            raise FrameError("This frame is not mapped: leave the way into and out of it to a with statement.")
        try:
            self._close(mapped.hold)
        finally:
            mapped.unmap()
            self._buffer = None


def layout_on(address: int, video_format: str, width: int, height: int, interlace_mode: str) -> Layout:
    """Return the layout of the frame in a buffer: that of its GstVideoMeta, or where it has none, GStreamer's own."""
    own = video_layout(address)
    if own is None:
        return default_layout(video_format, width, height, interlace_mode)
    return layout_of(video_format, width, height, own.offsets, own.strides)


@lru_cache(maxsize=64)
def default_layout(video_format: str, width: int, height: int, interlace_mode: str = "progressive") -> Layout:
    """Return GStreamer's own layout, padding included, of a frame whose buffer has no GstVideoMeta.

    Of two interlaced fields each has whole rows of chroma, so that a plane may begin later than in a progressive frame.
    """
    planes_of(video_format)
    info = GstVideo.VideoInfo()
    try:
        mode = GstVideo.VideoInterlaceMode.from_string(interlace_mode)
        fits = info.set_interlaced_format(GstVideo.VideoFormat.from_string(video_format), mode, width, height)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"A frame cannot have a width of {width!r} and a height of {height!r}; check in_meta.") from error
    if not fits:
        raise FrameError(f"GStreamer has no layout for a frame of {video_format}, {width}x{height}; check in_meta.")
    return layout_of(video_format, width, height, tuple(info.offset), tuple(info.stride))


def _mapped(address: int, size: int, *, writable: bool) -> BufferMap:
    """Map a buffer that must have ``size`` bytes at least."""
    if writable and not is_writable(address):
        raise FrameError(
            "The buffer cannot be written, because others hold it too. In process_ip the io_buffer can; process writes into the "
            "buffer that it makes; in a pad probe or behind appsink, write into buffer.copy_deep()."
        )
    try:
        mapped = BufferMap(address, writable=writable)
    except NativeError as error:
        raise FrameError("GStreamer could not map the buffer; GST_DEBUG=GST_BUFFER:4,GST_MEMORY:4 says why.") from error
    mapped_size = len(mapped.data)
    if mapped_size < size:
        mapped.unmap()
        raise FrameError(
            f"The buffer has {mapped_size} bytes, but the frame that in_meta describes needs {size}: allocate a larger buffer, "
            "or hand over the in_meta that belongs to this one."
        )
    return mapped
