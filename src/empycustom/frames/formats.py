"""The layout of each pixel format in memory: one table, and the arithmetic of planes.

Offsets and strides are in bytes; a stride is the way from a row to the next one, padding included, and may be negative where a
frame is stored upside down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from math import floor
from typing import Any

from empycustom.errors import FrameError


@dataclass(frozen=True)
class PlaneFormat:
    """A plane of a format.

    Attributes
    ----------
    components : str
        One letter for each sample, in their order in memory: ``"RGBA"``, ``"Y"``, ``"UV"``. A packed format that shares chroma
        lists the samples of all ``pixels`` together: ``"YUYV"``.
    sub_x, sub_y : int
        How many pixels of a row and of a column share a sample: 2 and 2 for the chroma of 4:2:0, 2 and 1 for that of 4:2:2.
    dtype : str
        NumPy's name of a sample's type, with its byte order.
    pixels : int
        How many neighbours in a row ``components`` is about: 2 for ``"YUYV"``, else 1.
    """

    components: str
    sub_x: int = 1
    sub_y: int = 1
    dtype: str = "u1"
    pixels: int = 1

    @property
    def channels(self) -> int:
        """The length of the last axis; a plane with 1 has no such axis."""
        return len(self.components) // self.pixels

    @property
    def sample_bytes(self) -> int:
        """The size of a sample in bytes."""
        return int(self.dtype[-1])

    @cached_property
    def is_shared(self) -> bool:
        """True if samples are about several pixels."""
        return self.sub_x * self.sub_y * self.pixels > 1

    def rows(self, first: int, end: int) -> tuple[int, int]:
        """Return the range of rows about the pixels from ``first`` to ``end`` (exclusive)."""
        return first // self.sub_y, -(-end // self.sub_y)

    def columns(self, first: int, end: int) -> tuple[int, int]:
        """Return the range of columns about the pixels from ``first`` to ``end`` (exclusive); whole pairs, where they share."""
        step = self.sub_x * self.pixels
        return first // step * self.pixels, -(-end // step) * self.pixels


@dataclass(frozen=True)
class PixelFormat:
    """A pixel format: its planes in their order, and what their samples hold.

    Attributes
    ----------
    planes : tuple of PlaneFormat
        The planes in their order in memory.
    bits, shift : int
        How many bits of a sample are used, and how many unused ones are below them.
    nvbuf : tuple of int
        The numbers that NvBufSurfaceColorFormat has for it, of all colour spaces and ranges; empty: not in NVMM memory.
    """

    planes: tuple[PlaneFormat, ...]
    bits: int = 8
    shift: int = 0
    nvbuf: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlaneLayout:
    """Where a plane lies, in the terms of ``numpy.ndarray``: rows, columns and, where there are several, channels."""

    format: PlaneFormat
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

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


def _packed(components: str, *nvbuf: int, pixels: int = 1) -> PixelFormat:
    return PixelFormat((PlaneFormat(components, pixels=pixels),), nvbuf=nvbuf)


def _planar(
    *planes: str,
    sub: tuple[int, int] = (1, 1),
    dtype: str = "u1",
    bits: int = 8,
    shift: int = 0,
    nvbuf: tuple[int, ...] = (),
) -> PixelFormat:
    """Make a planar format; ``sub`` are the pixels of a row and of a column that share a sample of chroma."""
    shared = {name: sub if set(name) <= set("UV") else (1, 1) for name in planes}
    return PixelFormat(tuple([PlaneFormat(name, *shared[name], dtype) for name in planes]), bits, shift, nvbuf)


FORMATS: dict[str, PixelFormat] = {
    "RGBA": _packed("RGBA", 19),
    "RGBx": _packed("RGBx", 23),
    "BGRA": _packed("BGRA", 20),
    "BGRx": _packed("BGRx", 24),
    "ARGB": _packed("ARGB", 21),
    "xRGB": _packed("xRGB", 25),
    "ABGR": _packed("ABGR", 22),
    "xBGR": _packed("xBGR", 26),
    "RGB": _packed("RGB", 27),
    "BGR": _packed("BGR", 28),
    "GRAY8": _planar("Y", nvbuf=(1,)),
    "GRAY16_LE": _planar("Y", dtype="<u2", bits=16),
    "I420": _planar("Y", "U", "V", sub=(2, 2), nvbuf=(2, 4, 31, 32, 35)),
    "YV12": _planar("Y", "V", "U", sub=(2, 2), nvbuf=(3, 5)),
    "NV12": _planar("Y", "UV", sub=(2, 2), nvbuf=(6, 7, 33, 34, 36)),
    "NV21": _planar("Y", "VU", sub=(2, 2), nvbuf=(8, 9)),
    "I420_10LE": _planar("Y", "U", "V", sub=(2, 2), dtype="<u2", bits=10),
    "P010_10LE": _planar("Y", "UV", sub=(2, 2), dtype="<u2", bits=10, shift=6),
    "YUY2": _packed("YUYV", 14, 15, pixels=2),
    "UYVY": _packed("UYVY", 10, 11, pixels=2),
    "NV16": _planar("Y", "UV", sub=(2, 1), nvbuf=(50, 54, 56, 58)),
    "Y42B": _planar("Y", "U", "V", sub=(2, 1), nvbuf=(46,)),
    "Y444": _planar("Y", "U", "V", nvbuf=(18, 71, 72, 73, 74)),
    "P016_LE": _planar("Y", "UV", sub=(2, 2), dtype="<u2", bits=16),
    "RGBP": _planar("R", "G", "B", nvbuf=(42,)),
    "BGRP": _planar("B", "G", "R", nvbuf=(43,)),
    "GRAY16_BE": _planar("Y", dtype=">u2", bits=16),
    "A420": _planar("Y", "U", "V", "A", sub=(2, 2)),
}
"""Every supported format, by GStreamer's name. New ones go to the end: elements prefer the first ones where they can choose."""


EVERY = slice(None)
LARGEST = 16384  # width and height of a frame that is made up, in pixels


def planes_of(video_format: str) -> tuple[PlaneFormat, ...]:
    """Return the planes of a format; FrameError where it is not supported."""
    known = FORMATS.get(video_format)
    if known is None:
        raise FrameError(
            f"Frames of format {video_format} cannot be mapped to arrays; the formats that can are {', '.join(FORMATS)}. "
            "Put videoconvert ! 'video/x-raw,format=RGBA' before the element."
        )
    return known.planes


def check_format(video_format: object) -> None:
    """Check a format that somebody has chosen. Raises FrameError, which names the one that may be meant."""
    if isinstance(video_format, str) and video_format in FORMATS:
        return
    close = get_close_matches(str(video_format).upper(), FORMATS, n=1)
    advice = f"{close[0]} may be meant" if close else f"there are {', '.join(FORMATS)}"
    raise FrameError(f"There is no format {video_format}; {advice}.")


def check_size(size: Any) -> None:
    """Check a size, as width and height in pixels. Raises FrameError."""
    numbers = size if isinstance(size, (tuple, list)) and len(size) == 2 else [None]
    if any(isinstance(number, bool) or not hasattr(number, "__index__") for number in numbers) or min(numbers) < 1:
        raise FrameError(f"size has to be two whole numbers from 1 on, not {size!r}.")
    if max(numbers) > LARGEST:
        raise FrameError(f"size {size!r} is too large: a frame has at most {LARGEST} pixels in each direction.")


@lru_cache(maxsize=256)
def layout_of(video_format: str, width: int, height: int, offsets: tuple[int, ...], strides: tuple[int, ...]) -> Layout:
    """Return where the planes of a frame lie.

    Parameters
    ----------
    video_format : str
        GStreamer's name of the format.
    width, height : int
        The size of the frame in pixels.
    offsets, strides : tuple of int
        In bytes, one of each for each plane. Further entries are ignored, since GStreamer's own lists always have four.

    Returns
    -------
    Layout
        Shapes, strides and offsets of the planes, and how many bytes they take.

    Raises
    ------
    FrameError
        Where something does not fit: the format, the size, too few planes, rows that overlap, or a plane that would begin before
        the buffer.
    """
    formats = planes_of(video_format)
    if width < 1 or height < 1:
        raise FrameError(f"A frame of {width}x{height} pixels has no pixels to map; check the width and height of in_meta.")
    if min(len(offsets), len(strides)) < len(formats):
        raise FrameError(
            f"{video_format} has {len(formats)} planes, but the GstVideoMeta of the buffer describes {len(offsets)}: "
            "the buffer is of another format than in_meta describes."
        )
    planes = tuple(_place(*plane, width, height) for plane in zip(formats, offsets, strides, strict=False))
    for index, plane in enumerate(planes):
        _check(plane, f"Plane {index} of this {video_format} frame of {width}x{height} pixels")
    return Layout(planes, max(plane.extent[1] for plane in planes))


def _place(plane: PlaneFormat, offset: int, stride: int, width: int, height: int) -> PlaneLayout:
    rows, columns, channels, size = plane.rows(0, height)[1], plane.columns(0, width)[1], plane.channels, plane.sample_bytes
    if channels == 1:
        return PlaneLayout(plane, (rows, columns), (stride, size), offset)
    return PlaneLayout(plane, (rows, columns, channels), (stride, channels * size, size), offset)


def _check(plane: PlaneLayout, name: str) -> None:
    stride = abs(plane.strides[0])
    if stride < plane.row_bytes and plane.shape[0] > 1:
        raise FrameError(
            f"{name} needs {plane.row_bytes} bytes a row, but the GstVideoMeta of the buffer has rows {stride} bytes "
            "apart: the buffer is of another size or format than in_meta describes."
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
    first_plane = planes_of(video_format)[0].components
    places = [first_plane.find(channel) for channel in channels]
    step = places[1] - places[0]
    stop = places[0] + step * len(places)
    if min(places) < 0 or places != list(range(places[0], stop, step)):
        return None
    return EVERY if channels == first_plane else slice(places[0], None if stop < 0 else stop, step)


def rectangle(obj: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of an object for slicing, which ends what goes beyond the right and the bottom itself."""
    try:
        rect = obj["rect_params"]
        left, top, width, height = floor(rect["left"]), floor(rect["top"]), floor(rect["width"]), floor(rect["height"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FrameError(
            "crop() needs an object whose rect_params has finite numbers for left, top, width and height, in pixels; "
            f"it got {obj!r}."
        ) from error
    if width < 0 or height < 0:
        raise FrameError(f"crop() needs a width and a height of 0 or more; it got {obj!r}.")
    return max(left, 0), max(top, 0), max(left + width, 0), max(top + height, 0)
