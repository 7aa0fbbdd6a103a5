"""NVIDIA's NvBufSurface, which a buffer in NVMM memory holds: read in memory, as nvbufsurface.h of DeepStream 5.0 to 9.1 has it.

A NvBufSurface is a batch of surfaces, one for each frame. The versions differ in the size of a surface alone, so that the first
one is found in all, and the others where the second one is seen to lie.
"""

from __future__ import annotations

from typing import NamedTuple

from empycustom.errors import FrameError
from empycustom.native.memory import fields

SIZES = (384, 416)  # of NvBufSurfaceParams: up to DeepStream 7.1, from 8.0

DEFAULT, PINNED, DEVICE, UNIFIED, SURFACE_ARRAY = range(5)  # NvBufSurfaceMemType
_MEMORY_TYPES, _COLOR_FORMATS = 16, 256  # more than there are
_LARGEST_BATCH = 4096
_HEAD = 32  # bytes of a NvBufSurface that are read

# NvBufSurface: gpuId, batchSize, numFilled, memType, surfaceList
_head = fields((0, "I"), (4, "I"), (8, "I"), (16, "I"), (24, "Q"))
# NvBufSurfaceParams: width, height, pitch, colorFormat, layout, dataSize, dataPtr, and of planeParams: num_planes, width, height,
# pitch, offset, 4 times each
_surface = fields((0, "IIIII"), (32, "I"), (40, "Q"), (48, "I"), (52, "4I"), (68, "4I"), (84, "4I"), (100, "4I"))
# NvBufSurfaceParams.cudaBuffer, which came with 8.0 (reserved and 0 before), and its dataPtr
_cuda_buffer, _cuda_data = fields((376, "Q")), fields((8, "Q"))
egl_image = fields((312, "Q"))  # NvBufSurfaceParams.mappedAddr.eglImage


class Surface(NamedTuple):
    """One surface of a batch. Sizes are in pixels, the rest in bytes; ``address`` is that of its NvBufSurfaceParams."""

    address: int
    gpu: int
    memory_type: int
    width: int
    height: int
    color_format: int
    block_linear: bool
    size: int
    data: int
    pitches: tuple[int, ...]
    offsets: tuple[int, ...]


def surface_at(address: int, size: int, batch_id: int) -> Surface:
    """Return a surface of the NvBufSurface at an address, which has so many bytes. Raises FrameError where there is none."""
    gpu, batch_size, filled, memory_type, surfaces = _head(address) if address and size >= _HEAD else (0,) * 5
    sane = 1 <= batch_size <= _LARGEST_BATCH and filled <= batch_size and memory_type < _MEMORY_TYPES
    if not (sane and surfaces and surfaces % 8 == 0):
        raise FrameError(
            "The buffer is said to be in NVMM memory, and holds no NvBufSurface of NVIDIA's: put nvvideoconvert before the "
            "element; its buffers do."
        )
    filled = max(filled, 1)  # some elements that know no batches leave it 0
    if not 0 <= batch_id < filled:
        raise FrameError(f"The buffer holds {filled} frame{'s' if filled > 1 else ''}, and batch_id={batch_id} is none of them.")
    place = surfaces + batch_id * (_stride(surfaces) if batch_id else 0)
    return _read(place, gpu, memory_type)


def _read(place: int, gpu: int, memory_type: int) -> Surface:
    width, height, _, color_format, layout, size, data, count, *planes = _surface(place)
    if not 1 <= count <= 4:
        raise FrameError(f"The NvBufSurface of the buffer says that its frame has {count} planes: it is damaged.")
    if not data and memory_type != SURFACE_ARRAY:
        (buffer,) = _cuda_buffer(place)
        (data,) = _cuda_data(buffer) if buffer else (0,)
    pitches, offsets = tuple(planes[8 : 8 + count]), tuple(planes[12 : 12 + count])
    return Surface(place, gpu, memory_type, width, height, color_format, bool(layout), size, data, pitches, offsets)


def _stride(surfaces: int) -> int:
    """Return the bytes from a surface to the next one.

    What would be the second surface lies in the first one's reserved fields, which are 0, or 32 bytes behind its beginning for
    every size but the right one: only there do size and pitch agree with those of the first plane.
    """
    sizes = [size for size in SIZES if _is_surface(surfaces + size)]
    if len(sizes) == 1:
        return sizes[0]
    raise FrameError(
        "The buffer holds several frames, and it cannot be told where the second one is described: this version of DeepStream is "
        "not known. The first one (batch_id=0) can be mapped; nvstreamdemux makes a buffer of each."
    )


def _is_surface(place: int) -> bool:
    """Whether something that is consistent as a NvBufSurfaceParams lies at an address."""
    width, height, _, color_format, layout, _, _, count, *planes = _surface(place)
    return (
        width > 0
        and height > 0
        and 0 < color_format < _COLOR_FORMATS
        and layout in (0, 1)
        and 1 <= count <= 4
        and (planes[0], planes[4]) == (width, height)
    )
