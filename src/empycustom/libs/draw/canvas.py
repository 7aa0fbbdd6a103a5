"""Drawing into all planes of a mapped frame, whatever its format."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from empycustom.errors import FrameError
from empycustom.frames.colours import Colour, samples_of
from empycustom.frames.formats import FORMATS, planes_of
from empycustom.libs.shapes import FAR, Area, Array, opencv

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
_SHIFT = 3  # coordinates are given to OpenCV in eighths of a pixel

DRAWABLE = tuple(
    name for name, known in FORMATS.items() if all(plane.dtype == "u1" and plane.pixels == 1 for plane in known.planes)
)
"""The formats that can be drawn on: those with 8 bits, without those that have luma and chroma side by side."""


def ink_on(colour: Colour) -> Colour:
    """Return black or white, whichever can be read on a colour."""
    return BLACK if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 100 else WHITE


# For each plane, and each of its channels, the 256 values that a sample becomes.
Tables = tuple[tuple[Array, ...], ...]


@lru_cache(maxsize=256)
def _shades(video_format: str, height: int, colour: Colour) -> Tables:
    """Return what shades become on a ground of a colour: 0 the colour, 255 its ink."""
    grounds, inks = (samples_of(video_format, height, each) for each in (colour, ink_on(colour)))
    return tuple(
        tuple(np.linspace(*ends, 256).round().astype(np.uint8) for ends in zip(ground, ink, strict=True))
        for ground, ink in zip(grounds, inks, strict=True)
    )


@lru_cache(maxsize=256)
def _tints(video_format: str, height: int, colour: Colour) -> tuple[Array, ...]:
    """Return what samples become that are mixed with a colour, half and half, for each plane as (1, 256, channels)."""
    half = np.arange(256)[None, :, None] / 2
    return tuple((half + np.array(samples) / 2).astype(np.uint8) for samples in samples_of(video_format, height, colour))


class Canvas:
    """Draw into a frame that is mapped writable. Colours are red, green and blue; points are (n, 2), in pixels.

    Parameters
    ----------
    frame : MappedFrame
        The frame, inside its ``with`` block.

    Attributes
    ----------
    width, height : int
        The size of the frame in pixels.

    Raises
    ------
    FrameError
        For a format that cannot be drawn on, and for GPU memory; the message names the conversion.
    """

    def __init__(self, frame: Any) -> None:
        if frame.format not in DRAWABLE or not isinstance(frame.planes[0], np.ndarray):
            where = "" if isinstance(frame.planes[0], np.ndarray) else " in GPU memory"
            converter = "nvvideoconvert" if where else "videoconvert"
            raise FrameError(
                f"Nothing can be drawn on frames of format {frame.format}{where}: put {converter} ! "
                f"'video/x-raw,format=RGBA' before the element. The formats that can be drawn on are {', '.join(DRAWABLE)}."
            )
        self.width, self.height, self._format = frame.width, frame.height, frame.format
        self._cv2 = opencv()
        self._planes = list(zip(planes_of(frame.format), frame.planes, strict=True))
        self._step = max(plane.sub_x for plane, _ in self._planes)

    def box(self, left: int, top: int, right: int, bottom: int, colour: Colour, thickness: int) -> None:
        """Draw the upright box between two corners, which belong to it."""
        corners = np.array([(left, top), (right, bottom)])
        for (plane, view), samples in self._each(colour):
            (x, y), end = self._points(corners, plane).tolist()
            wide = max(1, round(thickness / plane.sub_x))
            self._cv2.rectangle(view, (x, y), end, samples, wide, self._cv2.LINE_8, _SHIFT)

    def line(self, points: Array, colour: Colour, thickness: int, closed: bool = False) -> None:
        """Draw lines from point to point."""
        for (plane, view), samples in self._each(colour):
            wide = max(1, round(thickness / plane.sub_x))
            self._cv2.polylines(view, [self._points(points, plane)], closed, samples, wide, self._cv2.LINE_AA, _SHIFT)

    def segments(self, starts: Array, ends: Array, colour: Colour, thickness: int) -> None:
        """Draw a line from each of ``starts`` to the point at the same place in ``ends``."""
        for (plane, view), samples in self._each(colour):
            wide = max(1, round(thickness / plane.sub_x))
            pairs = np.stack([self._points(starts, plane), self._points(ends, plane)], axis=1)
            self._cv2.polylines(view, list(pairs), False, samples, wide, self._cv2.LINE_AA, _SHIFT)

    def dots(self, points: Array, colour: Colour, radius: float) -> None:
        """Draw a filled circle at each point."""
        for (plane, view), samples in self._each(colour):
            wide = max(1, round(radius * 2**_SHIFT / plane.sub_x))
            for point in self._points(points, plane).tolist():
                self._cv2.circle(view, point, wide, samples, -1, self._cv2.LINE_AA, _SHIFT)

    def tint(self, cover: Array, area: Area, colour: Colour) -> None:
        """Mix a colour half and half into the pixels of an area (see :meth:`area`) where ``cover`` is not 0."""
        for (plane, view), table in zip(self._planes, _tints(self._format, self.height, colour), strict=True):
            rows, columns = plane.rows(area.top, area.bottom), plane.columns(area.left, area.right)
            part = view[rows[0] : rows[1], columns[0] : columns[1]]
            self._cv2.copyTo(self._cv2.LUT(part, table), np.ascontiguousarray(cover[:: plane.sub_y, :: plane.sub_x]), part)

    def area(self, points: Array) -> Area:
        """Return the area of the frame around points, in whole samples of each plane."""
        return Area.around(points, self.width, self.height, self._step)

    def paste(self, shades: Array, left: float, top: float, colour: Colour) -> None:
        """Put a text on a coloured ground, moved to be inside of the frame.

        Parameters
        ----------
        shades : numpy.ndarray
            uint8 (height, width), both even: 0 is the ground, 255 the ink.
        left, top : float
            Where its upper left corner would be.
        colour : tuple of int
            The colour of the ground; the ink is black or white.
        """
        shades = shades[: self.height, : self.width]
        high, wide = shades.shape
        x = int(min(max(left, 0), self.width - wide)) // self._step * self._step
        y = int(min(max(top, 0), self.height - high)) // self._step * self._step
        of_planes = _shades(self._format, self.height, colour)
        for (plane, view), table in zip(self._planes, of_planes, strict=True):
            rows, columns = plane.rows(y, y + high), plane.columns(x, x + wide)
            size = columns[1] - columns[0], rows[1] - rows[0]
            smaller = shades if size == (wide, high) else self._cv2.resize(shades, size, interpolation=self._cv2.INTER_AREA)
            view[rows[0] : rows[1], columns[0] : columns[1]] = self._cv2.merge(
                [self._cv2.LUT(smaller, values) for values in table]
            )

    def _each(self, colour: Colour) -> Any:
        return zip(self._planes, samples_of(self._format, self.height, colour), strict=True)

    @staticmethod
    def _points(points: Array, plane: Any) -> Array:
        """Return points of the frame as OpenCV wants them for a plane."""
        sub = np.array([plane.sub_x, plane.sub_y])
        scaled = ((np.asarray(points).clip(-FAR, FAR) + 0.5) / sub - 0.5) * 2**_SHIFT
        fixed: Array = np.rint(scaled).astype(np.int32)
        return fixed
