"""A frame as users see it: planes, pixels, colours, luma and crops, all of them views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor
from pickle import PickleBuffer
from typing import Any

from empycustom.errors import FrameClosedError, FrameError
from empycustom.frames.layout import Layout, channel_slice, planes_of
from empycustom.frames.views import FrameView, Pixels, Span

_CONVERT = "or put videoconvert ! 'video/x-raw,format={}' before the element"


class Frame:
    """The pixels of one buffer inside a ``with`` block. All arrays are views of the buffer's own memory, never copies.

    ``format`` is GStreamer's name of the pixel format, ``width`` and ``height`` are in pixels. Views that are used after the
    block raise a FrameClosedError; ``view.copy()`` inside the block gives an array to keep.
    """

    __slots__ = ("_closed", "_data", "_layout", "_planes", "_span", "format", "height", "width")
    _data: PickleBuffer
    _layout: Layout

    def __init__(self, video_format: str, width: int, height: int) -> None:
        self.format, self.width, self.height = video_format, width, height
        self._span: Span | None = None
        self._planes: tuple[FrameView, ...] | None = None
        self._closed = False

    def _open(self, layout: Layout, data: memoryview) -> None:
        # NumPy looks behind a memoryview, at what it is of, and would allow to write that; it does not look behind this wrapper.
        self._layout, self._data, self._span = layout, PickleBuffer(data), Span()

    def _close(self, hold: Callable[[], object]) -> None:
        span, self._span, self._planes, self._closed = self._span, None, None, True
        del self._data
        if span is not None:
            span.close(hold)

    @property
    def planes(self) -> tuple[Pixels, ...]:
        """The planes as arrays, of uint8 where the format has no number of bits in its name, else of uint16.

        Packed formats have one: (height, width, 4) for RGBA, RGBx, BGRA, BGRx, ARGB, xRGB, ABGR and xBGR, (height, width, 3) for
        RGB and BGR, (height, width) for GRAY8 and GRAY16_LE. I420, YV12 and I420_10LE have Y (height, width), U and V (half of
        both, rounded up), YV12 the two in the other order; NV12, NV21 and P010_10LE have Y and UV (half, half, 2), NV21 VU.
        The 10 bits of I420_10LE are the lower ones (0 to 1023), those of P010_10LE the upper ones (0 to 65472, in steps of 64).
        """
        if self._planes is None:
            span = self._opened()
            data = self._data
            self._planes = tuple([span.array(data, plane) for plane in self._layout.planes])
        return self._planes

    @property
    def pixels(self) -> Pixels:
        """The only plane of a packed format; a FrameError where there are several."""
        planes = self.planes
        if len(planes) > 1:
            raise FrameError(
                f"A frame of format {self.format} has {len(planes)} planes and no one array of pixels: use frame.planes, "
                f"frame.gray for its luma, {_CONVERT.format('RGBA')}."
            )
        return planes[0]

    @property
    def rgb(self) -> Pixels:
        """Red, green, blue as (height, width, 3), a view; a FrameError where the format has no such view."""
        return self._channels("RGB")

    @property
    def bgr(self) -> Pixels:
        """Blue, green, red as (height, width, 3), a view, as OpenCV orders them; a FrameError where there is no such view."""
        return self._channels("BGR")

    @property
    def rgba(self) -> Pixels:
        """Red, green, blue, alpha as (height, width, 4), a view; a FrameError for every format but RGBA and ABGR."""
        return self._channels("RGBA")

    @property
    def gray(self) -> Pixels:
        """The only plane of a gray format, or the luma of one with several planes, as (height, width); a view.

        A FrameError for packed colours.
        """
        if planes_of(self.format)[0].channels != "Y":
            raise FrameError(
                f"A frame of format {self.format} holds no gray values to view: calculate them from frame.pixels "
                f"(cv2.cvtColor, or a weighted mean), {_CONVERT.format('GRAY8')}."
            )
        return self.planes[0]

    def crop(self, obj: Mapping[str, Any], plane: int = 0) -> Pixels:
        """Return a view of the pixels under an object of ``in_meta``, or any dict with ``rect_params``; it may be empty.

        The rectangle is in pixels of the frame. Left and top are rounded down, width and height cut to whole pixels, as slicing
        with ``int()`` does; then it is clipped to the frame. In a chroma plane the view covers all samples that the rectangle
        touches. A FrameError for a rectangle that is none: missing, non-finite or no numbers, a negative size.
        """
        planes = self.planes
        if not 0 <= plane < len(planes):
            raise FrameError(f"A frame of format {self.format} has the planes 0 to {len(planes) - 1}; there is no plane {plane}.")
        left, top, right, bottom = _rectangle(obj)
        shift = self._layout.planes[plane].shift
        if shift:
            left, right = _reduced(left, min(right, self.width), shift)
            top, bottom = _reduced(top, min(bottom, self.height), shift)
        return planes[plane][top:bottom, left:right]

    def _channels(self, channels: str) -> Pixels:
        part = channel_slice(self.format, channels)
        if part is None:
            raise FrameError(
                f"A frame of format {self.format} cannot be viewed as {channels} without a copy: use frame.planes and convert "
                f"what you need (with NumPy or cv2.cvtColor), {_CONVERT.format('RGBA')}."
            )
        return self.planes[0][:, :, part]

    def _opened(self) -> Span:
        if self._span is not None:
            return self._span
        if self._closed:
            raise FrameClosedError("This frame was used after its with block. Use it inside, or keep frame.pixels.copy().")
        raise FrameError(
            "This frame is not open yet: write `with empycustom.map_frame(...) as frame:` and use it inside the block."
        )


def _rectangle(obj: Mapping[str, Any]) -> tuple[int, int, int, int]:
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


def _reduced(first: int, end: int, shift: int) -> tuple[int, int]:
    """Return the range of samples that serve the pixels from ``first`` to ``end`` (exclusive); none for none."""
    return (first >> shift, -(-end >> shift)) if first < end else (0, 0)
