"""Frames in GPU memory: DeepStream's NVMM, where the bytes of a buffer are a NvBufSurface.

The buffer stays mapped for the block, as NVIDIA's own elements have it; its map is the NvBufSurface, not the pixels.

NVIDIA's memory cannot be shared by two buffers, nor copied: where GStreamer copies a buffer of it (behind a tee, for an element
that works in place, or in ``copy_deep()``), the copy gets the bytes of the NvBufSurface, which still point to the pixels of
the original. Such a copy can be read while the original is there, which is so as long as a callback runs. It cannot be written,
because the other branch would see it; and what other libraries make of its views must not be used after the block, because what
they keep is the memory of the copy.
"""

from __future__ import annotations

from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple

from empycustom.errors import FrameError, NativeError
from empycustom.frames.device import CUDA, CUDA_HOST, CUDA_MANAGED, DeviceFrame, DeviceSpan
from empycustom.frames.formats import FORMATS, Layout, layout_of, planes_of
from empycustom.native.cuda import (
    DEFAULT,
    DEVICE,
    PINNED,
    SURFACE_ARRAY,
    UNIFIED,
    EglMap,
    FoundSurface,
    Surface,
    found_at,
    surface_of,
)
from empycustom.native.dlpack import DeviceMemory
from empycustom.native.memory import READ, AddressMap, is_copied, is_memory_writable, is_writable, memory_count

_COLOR_FORMATS = {name: known.nvbuf for name, known in FORMATS.items() if known.nvbuf}
_KINDS = {DEFAULT: CUDA, DEVICE: CUDA, PINNED: CUDA_HOST, UNIFIED: CUDA_MANAGED, SURFACE_ARRAY: CUDA}
_OTHER_KINDS = {5: "an NVRM handle", 6: "memory of malloc()", 7: "a CUDA array"}
_DAMAGED = "The NvBufSurface of the buffer describes an impossible layout, so it is damaged"
_OWN_FRAMES = "write before the tee, or put nvvideoconvert disable-passthrough=true behind it, which makes frames of its own"
_PADDING = 64  # a surface may be so much larger than its frame, less 1: decoders work in blocks


class NvmmFrame(DeviceFrame):
    """A frame in GPU memory, mapped between the beginning and the end of its ``with`` block; made by ``map_frame``."""

    __slots__ = ("_batch_id", "_buffer", "_egl", "_map", "_writable")

    def __init__(self, buffer: Any, video_format: str, width: int, height: int, batch_id: int, *, writable: bool) -> None:
        if video_format not in _COLOR_FORMATS:
            raise FrameError(
                f"Frames of format {video_format} in NVMM memory cannot be mapped; the formats that can are "
                f"{', '.join(_COLOR_FORMATS)}. Put nvvideoconvert ! 'video/x-raw(memory:NVMM),format=RGBA' before the element."
            )
        if not (isinstance(width, int) and isinstance(height, int) and isinstance(batch_id, int)):
            raise FrameError(f"A frame cannot have a width of {width!r}, a height of {height!r} and a batch_id of {batch_id!r}.")
        super().__init__(video_format, width, height)
        self._buffer, self._batch_id, self._writable = buffer, batch_id, writable
        self._map: AddressMap | None = None
        self._egl: EglMap | None = None

    def __enter__(self) -> NvmmFrame:
        if self._closed or self._map is not None:
            raise self._not_enterable()
        self._map = _mapped(hash(self._buffer), writable=self._writable)
        try:
            self._find_pixels(*self._map.place)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._map is None:
            raise FrameError("This frame is not mapped: use it in a with statement.")
        try:
            self._close()
        except FrameError as failed:
            if error is None:
                raise
            _add_note(error, failed)
        finally:
            self._release()
            self._buffer = None

    def _find_pixels(self, memory: int, address: int, size: int) -> None:
        """Find the pixels in the NvBufSurface of a GstMemory, both given by their addresses."""
        found = found_at(address, size, self._batch_id)
        plan = _plan(self.format, self.width, self.height, found)
        addresses = plan.addresses
        if plan.surface.memory_type == SURFACE_ARRAY:
            self._egl = EglMap(address, plan.surface, self._batch_id)
            addresses = self._egl.planes
        span = DeviceSpan(DeviceMemory(memory, plan.device), readonly=not self._writable)
        self._open(span, plan.layout, addresses)

    def _release(self) -> None:
        egl, self._egl = self._egl, None
        mapped, self._map = self._map, None
        try:
            if egl is not None:
                egl.unmap()
        finally:
            if mapped is not None:
                mapped.unmap()


def _add_note(error: BaseException, failed: FrameError) -> None:
    """Add what failed on the GPU to the exception that ended the block, which is what its author has to see."""
    if hasattr(error, "add_note"):  # since Python 3.11
        error.add_note(str(failed))


class _Plan(NamedTuple):
    """All that follows from the description of a surface, the same for all blocks. ``addresses`` are those of the planes."""

    surface: Surface
    device: tuple[int, int]
    layout: Layout
    addresses: tuple[int, ...]


@lru_cache(maxsize=512)
def _plan(video_format: str, width: int, height: int, found: FoundSurface) -> _Plan:
    surface = surface_of(found)
    kind = _kind_of(surface)
    layout = _layout_in(surface, video_format, width, height)
    addresses = tuple([surface.data + plane.offset for plane in layout.planes])
    return _Plan(surface, (kind, surface.gpu), layout, addresses)


def _layout_in(surface: Surface, video_format: str, width: int, height: int) -> Layout:
    """Return where the planes of the frame lie in a surface; FrameError where it is not what in_meta describes."""
    rest = surface.width - width, surface.height - height
    same = surface.color_format in _COLOR_FORMATS[video_format] and all(0 <= more < _PADDING for more in rest)
    if not same or len(surface.pitches) != len(planes_of(video_format)):
        raise FrameError(
            f"The NvBufSurface of the buffer has {surface.width}x{surface.height} pixels, color format "
            f"{surface.color_format} and {len(surface.pitches)} planes, and in_meta describes {video_format} of "
            f"{width}x{height}: pass the in_meta that belongs to this buffer."
        )
    try:
        layout = layout_of(video_format, width, height, surface.offsets, surface.pitches)
    except FrameError as error:
        raise FrameError(f"{_DAMAGED}: rows {surface.pitches} bytes apart.") from error
    if surface.memory_type != SURFACE_ARRAY and layout.size > surface.size:
        raise FrameError(f"{_DAMAGED}: {surface.size} bytes, where its planes take {layout.size}.")
    return layout


def _kind_of(surface: Surface) -> int:
    """Return what DLPack calls the memory of a surface; FrameError where it cannot be viewed."""
    kind, number = _KINDS.get(surface.memory_type), surface.memory_type
    if kind is None or (number != SURFACE_ARRAY and not surface.data):
        what = _OTHER_KINDS.get(number, f"memory without an address (type {number})" if kind else f"memory of type {number}")
        raise FrameError(
            f"The frame is in {what}, which cannot be viewed: put nvvideoconvert nvbuf-memory-type=2 before the element (4 on a "
            "Jetson), or nvvideoconvert ! 'video/x-raw,format=RGBA' for system memory."
        )
    if surface.block_linear:
        raise FrameError(
            "The pixels of the frame lie in blocks (block linear), not in rows: put nvvideoconvert bl-output=false ! "
            "'video/x-raw(memory:NVMM)' before the element, or let it make RGBA."
        )
    return kind


def _mapped(address: int, *, writable: bool) -> AddressMap:
    """Map the NvBufSurface of a buffer. Only for reading: nothing is written to the description of the pixels."""
    if writable and not is_writable(address):
        raise FrameError(
            f"The buffer cannot be written, because others refer to it too. In process_ip the io_buffer can; for two branches "
            f"{_OWN_FRAMES}."
        )
    count = memory_count(address)
    if count != 1:
        raise FrameError(f"A buffer in NVMM memory has one NvBufSurface; this one has {count} memories.")
    try:
        mapped = AddressMap(address, READ)
    except NativeError as error:
        raise FrameError("GStreamer could not map the buffer; GST_DEBUG=GST_BUFFER:4,GST_MEMORY:4 shows why.") from error
    if writable and not (is_memory_writable(address) and not is_copied(*mapped.place[:2])):
        mapped.unmap()
        raise FrameError(
            f"The buffer cannot be written, because another one has the same GPU memory, behind a tee for example; {_OWN_FRAMES}."
        )
    return mapped
