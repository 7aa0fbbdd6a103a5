"""Mapped frames and the NumPy views of their memory, which end with the frame.

A frame lives for the length of a ``with`` block. Every view, and every view of a view, is a :class:`FrameView` that is known to
the frame's :class:`Span`. At the end of the block each one that is still alive is emptied and becomes a
:class:`ClosedFrameView`: the same object, no longer with access to the memory, and all that is done with it raises. Arrays that
were stripped of their class (``numpy.asarray(view)``), and other exports such as ``memoryview(view)``, cannot be made to raise.
Each of them keeps its view alive, the view keeps the span, and the span keeps the memory: they stay safe to read.
"""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pickle import PickleBuffer
from types import TracebackType
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

import numpy as np

from empycustom.errors import FrameAttributeError, FrameClosedError, FrameError
from empycustom.frames.formats import EVERY, FORMATS, Layout, PlaneLayout, channel_slice, planes_of, rectangle

Pixels = np.ndarray[Any, np.dtype[Any]]

# The types of samples, made once: NumPy takes longer to read a name than to make a view.
TYPES = {plane.dtype: np.dtype(plane.dtype) for known in FORMATS.values() for plane in known.planes}

CLOSED = "This view of a frame was used after its with block. Use it inside, or keep view.copy() instead of the view."
RESULT_CLOSED = "The pixels of a result are valid until the next one is requested: keep result.pixels.copy()."
# A dtype that nothing calculates with: C code that takes an emptied view refuses it, and most of it prints this name.
_CLOSED_DTYPE = np.dtype([("used after its with block: keep view.copy() instead", "V1")])
_EMPTY: Any = (1, (0,), _CLOSED_DTYPE, False, b"")  # the state of a pickled array without elements


class Span(list["weakref.ref[FrameView]"]):
    """All views of one mapping, as weak references, and what keeps the memory from being freed after it."""

    __slots__ = ("_keeper",)

    def array(self, data: Any, plane: PlaneLayout) -> FrameView:
        """Return a view of the plane in a buffer; read-only where ``data`` is."""
        view: FrameView = FrameView(plane.shape, TYPES[plane.format.dtype], data, plane.offset, plane.strides)
        view._span = self
        self.append(weakref.ref(view))
        return view

    def close(self, hold: Callable[[], object], kind: type[FrameView]) -> None:
        """Close every view. Where one is still alive, so may be arrays made of it: ``hold()`` then keeps the memory for them."""
        alive = [view for reference in self if (view := reference()) is not None]
        self.clear()
        for view in alive:
            _empty(view, kind)
        if alive:
            self._keeper = hold()


class FrameView(Pixels):
    """Show a plane of a frame, or a part of one, as a NumPy array over the frame's own memory.

    It is a ``numpy.ndarray`` for everything that takes one, valid inside the frame's ``with`` block. Slices and other views of it
    are FrameViews too. Results that own their data (``view * 2``, ``view.mean()``, ``view.copy()``) are plain arrays and scalars,
    which stay valid.

    Raises
    ------
    FrameClosedError
        On every use after the block.
    ValueError
        On writing, unless the frame was mapped with ``writable=True`` (NumPy's own error).
    """

    __slots__ = ("_span",)
    _span: Span | None

    def __array_finalize__(self, parent: object) -> None:
        span = getattr(parent, "_span", None)
        if span is None or not isinstance(self.base, FrameView):  # made by Span.array, or a copy
            self._span = None
        else:
            self._span = span
            span.append(weakref.ref(self))

    def __array_wrap__(self, array: Any, context: object = None, return_scalar: bool = True) -> Any:
        return array[()] if return_scalar and array.ndim == 0 else array

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, **more: Any) -> Any:
        """Return the mean, as ``numpy.ndarray.mean`` does; over all samples of uint8 in two thirds of the time."""
        if axis is None and dtype is None and out is None and not more and self.dtype == np.uint8 and self.size:
            return np.add.reduce(self, axis=None) / self.size
        return super().mean(axis, dtype, out, **more)

    def copy(self, order: Any = "C") -> Any:
        """Return a plain array with a copy of the pixels, which stays valid after the block."""
        return np.array(self, order=order)

    def download(self) -> Pixels:
        """Return a plain array with a copy of the pixels, as ``copy()`` does; views of GPU memory have this method, too."""
        return np.array(self)


def _empty(view: FrameView, kind: type[FrameView]) -> None:
    """Take the memory away from a view, by the way in which unpickling rewrites an array, and make it raise from now on."""
    np.ndarray.__setstate__(view, _EMPTY)
    view.__class__ = kind


class ClosedFrameView(FrameView):
    """Raise FrameClosedError on every use but printing: a view becomes one at the end of its frame's block."""

    __slots__ = ()
    _text: ClassVar[str] = CLOSED

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # isinstance() asks for it
            return ClosedFrameView
        raise FrameClosedError(type(self)._text)

    def __repr__(self) -> str:
        return f"<{type(self)._text}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


def _refuse(self: ClosedFrameView, *_: object, **__: object) -> NoReturn:
    raise FrameClosedError(type(self)._text)


# Operators, len(), indexing and NumPy's protocols look methods up on the class and pass by __getattribute__.
_KEPT = {"__new__", "__init__", "__init_subclass__", "__subclasshook__", "__class_getitem__", "__array_finalize__", "__class__"}
for _name in set(dir(np.ndarray)) - _KEPT - set(vars(ClosedFrameView)):
    if _name.startswith("__") and callable(getattr(np.ndarray, _name)):
        setattr(ClosedFrameView, _name, _refuse)


class ClosedResultView(ClosedFrameView):
    """Raise FrameClosedError on every use but printing: a view of a result of ``process`` becomes one with the next result."""

    __slots__ = ()
    _text = RESULT_CLOSED


# Mapped frames: planes, pixels, colours, luma and crops, whatever memory they are in.

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
        """Return every plane of the format as an array, in the order in which they lie in memory.

        ==========================================  ==================================================================
        RGBA and other packed colours               (height, width, 4 or 3), in the order of the name
        GRAY8, GRAY16_LE, GRAY16_BE                 (height, width)
        YUY2, UYVY                                  (height, width, 2), width rounded up to even: luma beside chroma
        I420, YV12, I420_10LE, A420                 Y (height, width); U and V, half of both (YV12: V and U); A420: A
        NV12, NV21, P010_10LE, P016_LE              Y (height, width); UV (half, half, 2), of NV21 VU
        Y42B; NV16                                  the same two with chroma of the full height
        Y444, RGBP, BGRP                            three of (height, width), in the order of the name
        ==========================================  ==================================================================

        Halves are rounded up. Samples are uint8, where the name has a number of more bits uint16, of GRAY16_BE with the byte
        order ``>u2``. I420_10LE has its 10 bits at the lower end (0 to 1023), P010_10LE at the upper one (0 to 65472 by 64).
        """
        if self._planes is None:
            self._planes = self._views()
        return self._planes

    @property
    def pixels(self) -> V:
        """Return the only plane of a packed format, as (height, width, channels), of a gray one as (height, width).

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
        """Return red, green and blue as (height, width, 3), a view. Raises FrameError where the format has no such view."""
        return self._channels("RGB")

    @property
    def bgr(self) -> V:
        """Return blue, green and red as (height, width, 3), a view in OpenCV's order. Raises FrameError as :attr:`rgb` does."""
        return self._channels("BGR")

    @property
    def rgba(self) -> V:
        """Return red, green, blue and alpha as (height, width, 4), a view. Raises FrameError for all but RGBA and ABGR."""
        return self._channels("RGBA")

    @property
    def gray(self) -> V:
        """Return the luma, or the only plane of a gray format, as (height, width), a view.

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
            Which of :attr:`planes`. Of one whose samples are about several pixels the view has all samples that the rectangle
            touches; that of YUY2 and UYVY begins and ends with a whole pair of pixels.

        Returns
        -------
        array
            A view, which may be empty.

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
            One array for a format of one plane, for others a tuple with all :attr:`planes`.
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
