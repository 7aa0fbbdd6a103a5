"""Mapped frames: planes, pixels, colours, luma and crops, whatever memory they are in.

The views that they give are those of ``views.py`` in system memory, and those of ``device.py`` in that of a GPU.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pickle import PickleBuffer
from types import TracebackType
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

from empycustom.errors import FrameAttributeError, FrameClosedError, FrameError
from empycustom.frames.formats import EVERY, Layout, channel_slice, planes_of, rectangle
from empycustom.frames.views import RESULT_CLOSED, ClosedFrameView, ClosedResultView, FrameView, Span

_NAMES = ("pixels", "planes", "rgb", "bgr", "rgba", "gray", "crop()", "download()", "format", "width", "height")
# What other libraries call them.
_OTHER_NAMES = {
    **dict.fromkeys(("numpy", "to_numpy", "array", "ndarray", "data", "image", "img", "buffer", "tensor"), "pixels"),
    **dict.fromkeys(("luma", "luminance", "y", "greyscale", "grayscale"), "gray"),
    **dict.fromkeys(("copy", "clone", "cpu"), "download()"),
    **dict.fromkeys(("roi", "cut"), "crop()"),
    **{name: f"pixels.{name}" for name in ("shape", "dtype", "mean", "max", "min", "tobytes", "astype")},
    "size": "width and frame.height",
}


class View(Protocol):
    """The part of an array that a frame needs: slices, and copies in system memory."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a view of a part."""

    def download(self) -> Any:
        """Return a NumPy array with a copy."""


V = TypeVar("V", bound=View)


class MappedFrame(Generic[V]):
    """Give views of the pixels of one buffer, for the length of a ``with`` block; made by :func:`empycustom.map_frame`.

    Views lie in the buffer's own memory and are never copies: in system memory NumPy arrays (``FrameView``), in GPU memory
    :class:`~empycustom.frames.device.DeviceView`; both are called arrays here. After the block they raise FrameClosedError;
    ``view.download()`` inside the block returns a NumPy array to keep.

    Attributes
    ----------
    format : str
        GStreamer's name of the pixel format, such as ``"RGBA"``.
    width, height : int
        The size of the frame in pixels.
    """

    __slots__ = ("_closed", "_layout", "_planes", "format", "height", "of_result", "width")
    format: str
    width: int
    height: int
    of_result: bool
    _layout: Layout
    _CONVERT: ClassVar[str] = "or put videoconvert ! 'video/x-raw,format={}' before the element"
    _GRAY: ClassVar[str] = "GRAY8"

    def __init__(self, video_format: str, width: int, height: int) -> None:
        self.format, self.width, self.height = video_format, width, height
        self._planes: tuple[V, ...] | None = None
        self._closed = self.of_result = False

    @abstractmethod
    def __enter__(self) -> MappedFrame[V]:
        """Map the buffer."""

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Unmap it."""

    @abstractmethod
    def _views(self) -> tuple[V, ...]:
        """Make views of the planes, or raise what :meth:`_not_open` returns."""

    @property
    def planes(self) -> tuple[V, ...]:
        """All planes of the format, each a view as an array, in the order in which they lie in memory.

        ==========================================  ==================================================================
        RGBA and other packed colours               (height, width, 4 or 3), in the order of the name
        GRAY8, GRAY16_LE, GRAY16_BE                 (height, width)
        YUY2, UYVY                                  (height, width, 2), width rounded up to even: luma beside chroma
        I420, YV12, I420_10LE, A420                 Y (height, width); U and V, half of both (YV12: V and U); A420: A
        NV12, NV21, P010_10LE, P016_LE              Y (height, width); UV (half, half, 2), of NV21 VU
        Y42B; NV16                                  the same two with chroma of the full height
        Y444, RGBP, BGRP                            three of (height, width), in the order of the name
        ==========================================  ==================================================================

        Halves are rounded up. Samples are uint8; uint16 for names with 10 or 16; GRAY16_BE is big-endian (``>u2``).
        I420_10LE has its 10 bits at the lower end (0 to 1023), P010_10LE at the upper one (0 to 65472 by 64).

        Raises
        ------
        FrameError
            The block has not begun.
        FrameClosedError
            The block is over.
        """
        if self._planes is None:
            self._planes = self._views()
        return self._planes

    @property
    def pixels(self) -> V:
        """The only plane, a view: of a packed format as (height, width, channels), of a gray one as (height, width).

        Samples are uint8, or uint16 as in :attr:`planes`.

        Raises
        ------
        FrameError
            Where the format has several planes.
        """
        planes = self.planes
        if len(planes) > 1:
            luma = "frame.gray for luma, " if planes_of(self.format)[0].components == "Y" else ""
            raise FrameError(
                f"A frame of format {self.format} has {len(planes)} planes, not one array of pixels: use frame.planes, "
                f"{luma}{self._CONVERT.format('RGBA')}."
            )
        return planes[0]

    @property
    def rgb(self) -> V:
        """The red, green and blue as (height, width, 3) of uint8, a view. Raises FrameError where the format has no such view."""
        return self._channels("RGB")

    @property
    def bgr(self) -> V:
        """The blue, green and red as (height, width, 3) of uint8, a view for OpenCV. Raises FrameError as :attr:`rgb`."""
        return self._channels("BGR")

    @property
    def rgba(self) -> V:
        """The red, green, blue and alpha as (height, width, 4) of uint8, a view. Raises FrameError for all but RGBA and ABGR."""
        return self._channels("RGBA")

    @property
    def gray(self) -> V:
        """The luma, or the only plane of a gray format, as (height, width), a view of uint8 or uint16.

        Raises
        ------
        FrameError
            For RGB and its relatives, which hold no luma.
        """
        components = planes_of(self.format)[0].components
        if components == "Y":
            return self.planes[0]
        place = components.find("Y")
        if place < 0:
            raise FrameError(
                f"A frame of format {self.format} has no gray values to view: calculate them from frame.planes "
                f"(cv2.cvtColor, or a weighted mean), {self._CONVERT.format(self._GRAY)}."
            )
        luma: V = self.planes[0][:, : self.width, place]
        return luma

    def crop(self, obj: Mapping[str, Any], plane: int = 0) -> V:
        """Return a view of the pixels under an object.

        Parameters
        ----------
        obj : mapping
            An object of ``in_meta``, or any dict with ``rect_params``: left, top, width and height in pixels of the frame. Left
            and top are rounded down, width and height cut to whole pixels, as slicing with ``int()`` does; then the rectangle is
            clipped to the frame.
        plane : int, optional
            Which of :attr:`planes`. Where one sample covers several pixels, all samples that the box touches are in the view;
            that of YUY2 and UYVY begins and ends with a whole pair of pixels.

        Returns
        -------
        array
            A view of (rows, columns), or of (rows, columns, channels) where the plane has several. It may be empty.

        Raises
        ------
        FrameError
            For a rectangle whose numbers are missing, not finite or not numbers, for a negative size, and for a plane that the
            format does not have.
        """
        planes = self.planes
        if not 0 <= plane < len(planes):
            raise FrameError(f"A frame of format {self.format} has the planes 0 to {len(planes) - 1}; there is no plane {plane}.")
        left, top, right, bottom = rectangle(obj)
        about = self._layout.planes[plane].format
        if about.is_shared:
            right, bottom = min(right, self.width), min(bottom, self.height)
            if left < right and top < bottom:
                left, right = about.columns(left, right)
                top, bottom = about.rows(top, bottom)
        part: V = planes[plane][top:bottom, left:right]
        return part

    def download(self) -> Any:
        """Return a copy of the frame in NumPy arrays that stay valid after the block, from system and from GPU memory alike.

        Returns
        -------
        numpy.ndarray or tuple of numpy.ndarray
            One array for a format of one plane, for others a tuple with all :attr:`planes`; of their shapes and types.

        Raises
        ------
        FrameError
            The block has not begun or is over, or, in GPU memory, work that was started on it has failed.
        """
        copies = tuple([plane.download() for plane in self.planes])
        return copies[0] if len(copies) == 1 else copies

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        from difflib import get_close_matches

        close = _OTHER_NAMES.get(name.lower()) or " ".join(get_close_matches(name.lower(), _NAMES, n=1))
        advice = f"frame.{close} may be meant; it" if close else "it"
        raise FrameAttributeError(f"A frame has no {name}: {advice} has {', '.join(_NAMES)}.")

    def _channels(self, channels: str) -> V:
        part = channel_slice(self.format, channels)
        if part is None:
            raise FrameError(
                f"A frame of format {self.format} cannot be viewed as {channels} without a copy: use frame.planes and convert "
                f"what you need (with NumPy or cv2.cvtColor), {self._CONVERT.format('RGBA')}."
            )
        view: V = self.planes[0] if part is EVERY else self.planes[0][:, :, part]
        return view

    def _not_open(self) -> FrameError:
        if self._closed:
            if self.of_result:
                return FrameClosedError(RESULT_CLOSED)
            return FrameClosedError("This frame was used after its with block. Use it inside, or keep frame.pixels.copy().")
        return FrameError(
            "This frame is not open yet: write `with empycustom.map_frame(...) as frame:` and use it inside the block."
        )

    def _not_enterable(self) -> FrameError:
        if self._closed:
            return FrameClosedError("This frame was mapped and closed before: call empycustom.map_frame again for another block.")
        return FrameError("This frame is mapped already: use it inside its with block instead of entering it again.")


class ArrayFrame(MappedFrame[FrameView]):
    """Show a frame in memory that Python can see. A subclass opens it with the bytes, and closes it."""

    __slots__ = ("_data", "_span")
    _data: PickleBuffer

    def __init__(self, video_format: str, width: int, height: int) -> None:
        super().__init__(video_format, width, height)
        self._span: Span | None = None

    def _open(self, layout: Layout, data: memoryview) -> None:
        # NumPy looks behind a memoryview, at what it is of, and would allow to write that; it does not look behind this wrapper.
        self._layout, self._data, self._span = layout, PickleBuffer(data), Span()

    def _close(self, hold: Callable[[], object]) -> None:
        span, self._span, self._planes, self._closed = self._span, None, None, True
        del self._data
        if span is not None:
            span.close(hold, ClosedResultView if self.of_result else ClosedFrameView)

    def _views(self) -> tuple[FrameView, ...]:
        span = self._span
        if span is None:
            raise self._not_open()
        data = self._data
        return tuple([span.array(data, plane) for plane in self._layout.planes])
