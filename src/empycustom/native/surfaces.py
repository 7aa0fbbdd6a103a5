"""NVIDIA's NvBufSurface, which a buffer in NVMM memory holds: read in memory, as nvbufsurface.h of DeepStream 5.0 to 9.1 has it.

A NvBufSurface is a batch of surfaces, one for each frame. The versions differ in the size of a surface alone, so that the first
one is found in all, and the others where the second one is seen to lie.
"""

from __future__ import annotations

from struct import Struct
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
# NvBufSurfaceParams: what lies before dataPtr, dataPtr, and what is looked at of planeParams behind it
_parts = fields((0, "40s"), (40, "Q"), (48, "68s"))
_before = Struct("=5I12xI4x")  # width, height, pitch, colorFormat, layout, dataSize
_behind = Struct("=17I")  # num_planes, and width, height, pitch, offset, 4 times each
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


# A surface as it lies in memory: its address, the GPU, its memType, where its pixels lie, and the two other parts of _parts.
Found = tuple[int, int, int, int, bytes, bytes]


def found_at(address: int, size: int, batch_id: int) -> Found:
    """Return a surface of the NvBufSurface at an address, which has so many bytes. Raises FrameError where there is none.

    It is read for every block, and not looked into: a pool has few buffers, so that :func:`surface_of` has seen it before.
    """
    gpu, batch_size, filled, memory_type, surfaces = _head(address) if address and size >= _HEAD else (0,) * 5
    sane = 1 <= batch_size <= _LARGEST_BATCH and filled <= batch_size and memory_type < _MEMORY_TYPES
    if not (sane and surfaces and surfaces % 8 == 0):
        raise FrameError(
            "The buffer is said to be in NVMM memory, and holds no NvBufSurface of NVIDIA's: put nvvideoconvert before the "
            "element; its buffers do."
        )
    filled = filled or 1  # some elements that know no batches leave it 0
    if not 0 <= batch_id < filled:
        raise FrameError(f"The buffer holds {filled} frame{'s' if filled > 1 else ''}, and batch_id={batch_id} is none of them.")
    place = surfaces + batch_id * _stride(surfaces) if batch_id else surfaces
    before, data, behind = _parts(place)
    if not data and memory_type != SURFACE_ARRAY:
        (buffer,) = _cuda_buffer(place)
        (data,) = _cuda_data(buffer) if buffer else (0,)
    return place, gpu, memory_type, data, before, behind


def surface_of(found: Found) -> Surface:
    """Return what a surface says of itself. Raises FrameError where it is damaged."""
    place, gpu, memory_type, data, *parts = found
    width, height, _, color_format, layout, size, count, *planes = _numbers(*parts)
    if not 1 <= count <= 4:
        raise FrameError(f"The NvBufSurface of the buffer says that its frame has {count} planes: it is damaged.")
    pitches, offsets = tuple(planes[8 : 8 + count]), tuple(planes[12 : 12 + count])
    return Surface(place, gpu, memory_type, width, height, color_format, bool(layout), size, data, pitches, offsets)


def _numbers(before: bytes, behind: bytes) -> tuple[int, ...]:
    return (*_before.unpack(before), *_behind.unpack(behind))


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
    before, _, behind = _parts(place)
    width, height, _, color_format, layout, _, count, *planes = _numbers(before, behind)
    return (
        width > 0
        and height > 0
        and 0 < color_format < _COLOR_FORMATS
        and layout in (0, 1)
        and 1 <= count <= 4
        and (planes[0], planes[4]) == (width, height)
    )
