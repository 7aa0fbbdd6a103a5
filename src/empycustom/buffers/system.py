"""Frames in system memory: ``map_frame``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any

from empycustom.errors import FrameClosedError, FrameError, NativeError
from empycustom.frames.frame import Frame
from empycustom.frames.layout import Layout, layout_of, planes_of
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native.maps import BufferMap, is_writable
from empycustom.native.metas import video_layout


def map_frame(buffer: Any, in_meta: Mapping[str, Any], *, writable: bool = False) -> SystemFrame:
    """Give NumPy views of the pixels of a buffer for the length of a ``with`` block.

    ``buffer`` is the ``Gst.Buffer`` that a callback gets, or one that it made of the same format and size; ``in_meta`` is what
    the callback gets. Views are of the buffer's own memory, never copies. They are read-only, and cannot be made writable,
    unless ``writable`` is true: then what is written is in the buffer, and reaches downstream. (A buffer of several memories is
    first merged into one, by GStreamer.)

    A FrameError says what cannot be mapped and what to do: another format or kind of memory, a buffer that is too small, one that
    others hold too and that cannot be written::

        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            frame.pixels[:10] = 255
    """
    return SystemFrame(buffer, in_meta, writable=writable)


class SystemFrame(Frame):
    """A frame in system memory, mapped between the beginning and the end of its ``with`` block; made by ``map_frame``."""

    __slots__ = ("_buffer", "_interlace_mode", "_map", "_writable")

    def __init__(self, buffer: Any, in_meta: Mapping[str, Any], *, writable: bool) -> None:
        if not isinstance(buffer, Gst.Buffer):
            raise FrameError(f"map_frame needs the Gst.Buffer that the callback got, not a {type(buffer).__name__}.")
        video_format, width, height, self._interlace_mode = _description(in_meta)
        super().__init__(video_format, width, height)
        self._buffer, self._writable = buffer, writable
        self._map: BufferMap | None = None

    def __enter__(self) -> SystemFrame:
        if self._closed:
            raise FrameClosedError("This frame was mapped and closed before: call empycustom.map_frame again for another block.")
        if self._map is not None:
            raise FrameError("This frame is mapped already: use it inside its with block instead of entering it again.")
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


def _description(in_meta: Mapping[str, Any]) -> tuple[str, int, int, str]:
    """Return format, width, height and interlace mode of the buffer of ``in_meta``; FrameError where it cannot be mapped."""
    try:
        about = in_meta["buffer"]
        video_format, width, height, memory = about["format"], about["width"], about["height"], about["memory"]
    except (KeyError, TypeError) as error:
        raise FrameError(
            'map_frame reads format, width, height and memory from in_meta["buffer"], and they are not all there: hand it the '
            "in_meta that the callback got."
        ) from error
    if memory != "CPU":
        raise FrameError(
            f"The buffer is in {memory} memory, which map_frame cannot view: put a conversion to system memory before the "
            "element, for example nvvideoconvert ! 'video/x-raw,format=RGBA' on DeepStream."
        )
    planes_of(video_format)
    return video_format, width, height, about.get("interlace_mode", "progressive")


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
