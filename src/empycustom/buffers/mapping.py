"""Mapping of buffers: :func:`map_frame`, frames in system memory, and NumPy arrays that become buffers."""

from __future__ import annotations

from functools import lru_cache
from types import TracebackType
from typing import Any

import numpy as np

from empycustom.buffers.nvmm import NvmmFrame
from empycustom.errors import FrameClosedError, FrameError, NativeError
from empycustom.frames.formats import Layout, PlaneLayout, layout_of, planes_of
from empycustom.frames.frame import ArrayFrame, MappedFrame
from empycustom.frames.views import TYPES, FrameView
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native.memory import SOLE_OWNER, ArrayExporter, BufferMap, is_writable, refcount
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
            raise FrameError("This frame is not mapped: use it in a with statement.")
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
            "The buffer cannot be written, because others refer to it too. In process_ip the io_buffer can; process writes into "
            "the buffer that it makes; in a pad probe or behind appsink, write into buffer.copy_deep()."
        )
    try:
        mapped = BufferMap(address, writable=writable)
    except NativeError as error:
        raise FrameError("GStreamer could not map the buffer; GST_DEBUG=GST_BUFFER:4,GST_MEMORY:4 shows why.") from error
    mapped_size = len(mapped.data)
    if mapped_size < size:
        mapped.unmap()
        raise FrameError(
            f"The buffer has {mapped_size} bytes, but the frame that in_meta describes needs {size}: allocate a larger buffer, "
            "or pass the in_meta that belongs to this one."
        )
    return mapped


# NumPy arrays into buffers: what ``process`` may return in the place of a ``Gst.Buffer``.


Described = tuple[str, int, int, str]  # format, width, height, interlace mode


def write_frame(address: int, made: Any, described: Described) -> None:
    """Copy a frame into the writable buffer at an address, in the layout of its GstVideoMeta, else in GStreamer's own.

    ``made`` is one array, for a format of one plane, or a tuple or list with an array for each plane, each with the shape and the
    type of ``frame.planes``. Raises FrameError where it is something else.
    """
    layout = layout_on(address, *described)
    video_format, width, height, _ = described
    planes = list(made) if isinstance(made, (tuple, list)) else [made]
    wanted = f"{video_format} of {width}x{height} needs {_shapes(layout.planes)}"
    if len(planes) != len(layout.planes):
        raise FrameError(f"{_count(len(planes))}; {wanted}")
    arrays = [_checked(array, plane, wanted) for array, plane in zip(planes, layout.planes, strict=True)]
    mapped = BufferMap(address, writable=True)
    try:
        for array, plane in zip(arrays, layout.planes, strict=True):
            target: Any = np.ndarray(plane.shape, plane.format.dtype, mapped.data, plane.offset, plane.strides)
            target[...] = array
    finally:
        mapped.unmap()


def wrap_array(address: int, owned: list[Any], exporter: ArrayExporter, frame_size: int, described: Described) -> bool:
    """Let the buffer without memory at an address have the array in a list as its memory; return whether that was possible.

    That needs an array with exactly the layout of the frame, to which nothing else refers that might write into it later.
    """
    plane, *others = default_layout(*described).planes
    if others or refcount(owned) != SOLE_OWNER:
        return False
    array = owned[0]
    if type(array) not in (np.ndarray, FrameView) or not array.flags.owndata:
        return False
    if (array.shape, array.strides, array.dtype, array.nbytes) != (plane.shape, plane.strides, plane.format.dtype, frame_size):
        return False
    exporter.wrap(address, array, array.__array_interface__["data"][0], frame_size)
    return True


def _checked(array: Any, plane: PlaneLayout, wanted: str) -> Any:
    if not isinstance(array, np.ndarray):
        raise FrameError(f"it is {type(array).__name__}, not a NumPy array; {wanted}")
    try:
        shape, kind = array.shape, array.dtype
    except FrameClosedError as error:
        raise FrameError(f"it is a view of a frame whose with block is over; return view.copy(). {wanted}") from error
    wanted_kind = TYPES[plane.format.dtype]
    if shape != plane.shape or (kind.kind, kind.itemsize) != (wanted_kind.kind, wanted_kind.itemsize):  # in any byte order
        hint = " (array.astype makes another type)" if shape == plane.shape else ""
        raise FrameError(f"an array has the shape {shape} and the type {kind}; {wanted}{hint}")
    return array


def _count(number: int) -> str:
    return f"{number} array{'s' if number != 1 else ''}"


def _shapes(planes: tuple[PlaneLayout, ...]) -> str:
    shapes = [f"{plane.shape} of {TYPES[plane.format.dtype].name}" for plane in planes]
    return f"an array {shapes[0]}" if len(shapes) == 1 else f"a tuple of {len(shapes)} arrays: {', '.join(shapes)}"


# ``map_frame``: views of a frame, whatever memory it is in.


# What it looks for in each call: PyGObject looks some of them up anew each time, which takes longer than to map.
_BUFFER, _SAMPLE, _OF_CAPS = Gst.Buffer, Gst.Sample, (Gst.Caps, Gst.Pad)


def map_frame(buffer: Any, in_meta: Any = None, *, writable: bool = False, batch_id: int = 0) -> MappedFrame[Any]:
    """Map a buffer for the length of a ``with`` block, and give views of its pixels.

    Parameters
    ----------
    buffer : Gst.Buffer or Gst.Sample
        The buffer that a callback gets, or one that it made, of the same format and size; in a program also the sample that an
        appsink gives, which has its caps with it.
    in_meta : dict, Gst.Caps or Gst.Pad, optional
        What the callback gets; of it ``in_meta["buffer"]`` is read: format, width, height, memory. In a program it is the caps of
        the buffer, or the pad where it was seen; a sample needs none.
    writable : bool, optional
        Whether the views may be written; what is written is in the buffer, and reaches downstream. Else they are read-only.
    batch_id : int, optional
        Which frame of a batch of DeepStream, as ``in_meta["frame"]`` has it; other buffers have one frame, 0.

    Returns
    -------
    MappedFrame
        To be used as ``with empycustom.map_frame(...) as frame:``. Its ``pixels``, ``planes``, ``rgb``, ``bgr``, ``rgba``,
        ``gray`` and ``crop()`` are views of the buffer's own memory, never copies: NumPy arrays of system memory, and of GPU
        memory (NVMM) what PyTorch, CuPy and others take (``torch.from_dlpack(frame.rgba)``, ``cupy.asarray(frame.planes[1])``).
        A buffer of several system memories is first merged into one, by GStreamer.

    Raises
    ------
    FrameError
        For what cannot be mapped: another format or kind of memory, a buffer that is too small, one that cannot be written,
        because others refer to it too. The message has the remedy.

    Examples
    --------
    >>> with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
    ...     frame.pixels[:10] = 255
    """
    if isinstance(buffer, _SAMPLE):
        buffer, in_meta = buffer.get_buffer(), buffer.get_caps() if in_meta is None else in_meta
    if not isinstance(buffer, _BUFFER):
        raise FrameError(
            "map_frame needs the Gst.Buffer that the callback got, or the Gst.Sample of an appsink, "
            f"not a {type(buffer).__name__}."
        )
    try:
        about = _described(in_meta) if isinstance(in_meta, _OF_CAPS) else in_meta["buffer"]
        video_format, width, height, memory = about["format"], about["width"], about["height"], about["memory"]
    except (KeyError, TypeError) as error:
        raise FrameError(
            'map_frame reads format, width, height and memory from in_meta["buffer"], and some are missing: pass the '
            "in_meta that the callback got; in a program the Gst.Sample of an appsink, or the caps beside the buffer."
        ) from error
    if memory == "NVMM":
        return NvmmFrame(buffer, video_format, width, height, batch_id, writable=writable)
    _check_system(memory, batch_id)
    planes_of(video_format)
    return SystemFrame(buffer, video_format, width, height, about.get("interlace_mode", "progressive"), writable=writable)


def _described(where: Any) -> dict[str, Any]:
    """Return what is read of ``in_meta["buffer"]``, of a ``Gst.Caps`` or a ``Gst.Pad``. Raises TypeError where it is unknown."""
    caps = where.get_current_caps() if isinstance(where, Gst.Pad) else where
    return _described_by("" if caps is None else caps.to_string())


@lru_cache(maxsize=64)
def _described_by(text: str) -> dict[str, Any]:
    caps = Gst.Caps.from_string(text)
    if caps is None or not caps.is_fixed():
        raise TypeError(f"not the caps of one format: {text}")
    info = GstVideo.VideoInfo.new_from_caps(caps)  # a TypeError where they are not of video
    memories = [name.strip()[7:] for name in caps.get_features(0).to_string().split(",") if name.strip().startswith("memory:")]
    return {
        "format": info.finfo.name,
        "width": int(info.width),
        "height": int(info.height),
        "memory": "CPU" if memories in ([], ["SystemMemory"]) else memories[0],
        "interlace_mode": GstVideo.VideoInterlaceMode.to_string(info.interlace_mode),
    }


def _check_system(memory: Any, batch_id: int) -> None:
    if memory != "CPU":
        raise FrameError(
            f"The buffer is in {memory} memory, which map_frame cannot view: put a conversion to system memory before the "
            "element, for example nvvideoconvert ! 'video/x-raw,format=RGBA' on DeepStream."
        )
    if batch_id != 0:
        raise FrameError(f"A buffer in system memory has one frame, of batch_id 0; there is none of batch_id={batch_id!r}.")
