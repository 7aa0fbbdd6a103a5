"""How the pixels of each format lie in memory: one table, and the arithmetic of planes.

Offsets and strides are in bytes; a stride is the way from a row to the next one, padding included, and may be negative where a
frame is stored upside down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from empycustom.errors import FrameError


@dataclass(frozen=True)
class PlaneFormat:
    """The samples of a plane in their order in memory, one letter each.

    ``shift`` is 1 where one sample serves 2x2 pixels; ``sample`` is NumPy's name of its type.
    """

    channels: str
    shift: int = 0
    sample: str = "u1"

    @property
    def sample_bytes(self) -> int:
        """The size of a sample."""
        return int(self.sample[-1])

    def reduced(self, pixels: int) -> int:
        """Return how many samples of this plane cover that many pixels of a row or column; rounded up."""
        return -(-pixels >> self.shift)


@dataclass(frozen=True)
class PlaneLayout:
    """Where a plane lies, in the terms of ``numpy.ndarray``: rows, columns and, where there are several, channels."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    shift: int
    sample: str

    @property
    def extent(self) -> tuple[int, int]:
        """The first byte of the plane, and the byte after its last one; padding after the last row is not counted."""
        last_row = self.offset + (self.shape[0] - 1) * self.strides[0]
        return min(self.offset, last_row), max(self.offset, last_row) + self.row_bytes

    @property
    def row_bytes(self) -> int:
        """The bytes of a row without padding."""
        return self.shape[1] * self.strides[1]


@dataclass(frozen=True)
class Layout:
    """Where all planes of a frame lie. ``size`` is the number of bytes that a buffer must have at least."""

    planes: tuple[PlaneLayout, ...]
    size: int


_LUMA, _LUMA_16 = PlaneFormat("Y"), PlaneFormat("Y", sample="<u2")
_PACKED = ("RGBA", "RGBx", "BGRA", "BGRx", "ARGB", "xRGB", "ABGR", "xBGR", "RGB", "BGR")
FORMATS: dict[str, tuple[PlaneFormat, ...]] = {
    **{name: (PlaneFormat(name),) for name in _PACKED},
    "GRAY8": (_LUMA,),
    "GRAY16_LE": (_LUMA_16,),
    "I420": (_LUMA, PlaneFormat("U", 1), PlaneFormat("V", 1)),
    "YV12": (_LUMA, PlaneFormat("V", 1), PlaneFormat("U", 1)),
    "NV12": (_LUMA, PlaneFormat("UV", 1)),
    "NV21": (_LUMA, PlaneFormat("VU", 1)),
    "I420_10LE": (_LUMA_16, PlaneFormat("U", 1, "<u2"), PlaneFormat("V", 1, "<u2")),  # in the lower 10 of 16 bits
    "P010_10LE": (_LUMA_16, PlaneFormat("UV", 1, "<u2")),  # in the upper 10 of 16 bits
}
"""Every supported format, by GStreamer's name, with its planes."""


EVERY = slice(None)


def planes_of(video_format: str) -> tuple[PlaneFormat, ...]:
    """Return the planes of a format; FrameError where it is not supported."""
    planes = FORMATS.get(video_format)
    if planes is None:
        raise FrameError(
            f"Frames of format {video_format} cannot be mapped to arrays; the formats that can are {', '.join(FORMATS)}. "
            "Put videoconvert ! 'video/x-raw,format=RGBA' before the element."
        )
    return planes


@lru_cache(maxsize=256)
def layout_of(video_format: str, width: int, height: int, offsets: tuple[int, ...], strides: tuple[int, ...]) -> Layout:
    """Return where the planes lie of a frame of ``width`` x ``height`` pixels, given the offset and the stride of each plane.

    Entries in excess of the format's planes are ignored, since GStreamer's own lists always have four. A FrameError says what
    does not fit: the format, the size, too few planes, rows that overlap, or a plane that would begin before the buffer.
    """
    formats = planes_of(video_format)
    if width < 1 or height < 1:
        raise FrameError(f"A frame of {width}x{height} pixels has no pixels to map; check the width and height of in_meta.")
    if min(len(offsets), len(strides)) < len(formats):
        raise FrameError(
            f"{video_format} has {len(formats)} planes, but the GstVideoMeta of the buffer describes {len(offsets)}: "
            "the buffer is of another format than in_meta says."
        )
    planes = tuple(_plane(*plane, width, height) for plane in zip(formats, offsets, strides, strict=False))
    for index, plane in enumerate(planes):
        _check(plane, f"Plane {index} of this {video_format} frame of {width}x{height} pixels")
    return Layout(planes, max(plane.extent[1] for plane in planes))


def _plane(plane: PlaneFormat, offset: int, stride: int, width: int, height: int) -> PlaneLayout:
    rows, columns, channels, size = plane.reduced(height), plane.reduced(width), len(plane.channels), plane.sample_bytes
    if channels == 1:
        return PlaneLayout((rows, columns), (stride, size), offset, plane.shift, plane.sample)
    return PlaneLayout((rows, columns, channels), (stride, channels * size, size), offset, plane.shift, plane.sample)


def _check(plane: PlaneLayout, name: str) -> None:
    stride = abs(plane.strides[0])
    if stride < plane.row_bytes and plane.shape[0] > 1:
        raise FrameError(
            f"{name} needs {plane.row_bytes} bytes a row, but the GstVideoMeta of the buffer says that rows are {stride} bytes "
            "apart: the buffer is of another size or format than in_meta says."
        )
    if plane.extent[0] < 0:
        raise FrameError(
            f"{name} would begin {-plane.extent[0]} bytes before the buffer: its GstVideoMeta is wrong. "
            "Put videoconvert before the element, which writes new ones."
        )


@lru_cache(maxsize=64)
def channel_slice(video_format: str, channels: str) -> slice | None:
    """Return the slice of the last axis that gives ``channels`` ("RGB", "BGR", "RGBA") in that order, or None.

    None where the format lacks one of them, or where no single step leads from one to the next (RGBA of a BGRA frame);
    ``EVERY`` where they are the whole axis.
    """
    first_plane = planes_of(video_format)[0].channels
    places = [first_plane.find(channel) for channel in channels]
    step = places[1] - places[0]
    stop = places[0] + step * len(places)
    if min(places) < 0 or places != list(range(places[0], stop, step)):
        return None
    return EVERY if channels == first_plane else slice(places[0], None if stop < 0 else stop, step)
