"""NumPy views of a frame's memory, and what becomes of them when the frame is closed.

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
from math import floor
from pickle import PickleBuffer
from types import TracebackType
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

import numpy as np

from empycustom.errors import FrameAttributeError, FrameClosedError, FrameError
from empycustom.frames.formats import EVERY, FORMATS, Layout, PlaneLayout, channel_slice, planes_of

Pixels = np.ndarray[Any, np.dtype[Any]]

# The types of samples, made once: NumPy takes longer to read a name than to make a view.
TYPES = {plane.sample: np.dtype(plane.sample) for planes in FORMATS.values() for plane in planes}

CLOSED = "This view of a frame was used after its with block. Use it inside, or keep view.copy() instead of the view."
# A dtype that nothing calculates with: C code that takes an emptied view refuses it, and most of it prints this name.
_CLOSED_DTYPE = np.dtype([("used after its with block: keep view.copy() instead", "V1")])
_EMPTY: Any = (1, (0,), _CLOSED_DTYPE, False, b"")  # the state of a pickled array without elements


class Span(list["weakref.ref[FrameView]"]):
    """All views of one mapping, as weak references, and what keeps the memory from being freed after it."""

    __slots__ = ("_keeper",)

    def array(self, data: Any, plane: PlaneLayout) -> FrameView:
        """Return a view of the plane in a buffer; read-only where ``data`` is."""
        view: FrameView = FrameView(plane.shape, TYPES[plane.sample], data, plane.offset, plane.strides)
        view._span = self
        self.append(weakref.ref(view))
        return view

    def close(self, hold: Callable[[], object]) -> None:
        """Close every view. Where one is still alive, so may be arrays made of it: ``hold()`` then keeps the memory for them."""
        alive = [view for reference in self if (view := reference()) is not None]
        self.clear()
        for view in alive:
            _empty(view)
        if alive:
            self._keeper = hold()


class FrameView(Pixels):
    """An array over a frame's own memory, valid inside the frame's ``with`` block.

    Results that own their data (``view * 2``, ``view.mean()``, ``view.copy()``) stay valid after it; scalars are plain scalars.
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
        """Return the mean, as ``numpy.ndarray.mean`` does; that of all pixels in two thirds of the time."""
        if axis is None and dtype is None and out is None and not more and self.dtype == np.uint8 and self.size:
            return np.add.reduce(self, axis=None) / self.size
        return super().mean(axis, dtype, out, **more)

    def copy(self, order: Any = "C") -> Any:
        """Return a plain array with a copy of the pixels, which stays valid after the block."""
        return np.array(self, order=order)

    def download(self) -> Pixels:
        """Return a plain array with a copy of the pixels, as ``copy()`` does: views of GPU memory have this word, too."""
        return np.array(self)


def _empty(view: FrameView) -> None:
    """Take the memory away from a view, by the way in which unpickling rewrites an array, and make it raise from now on."""
    np.ndarray.__setstate__(view, _EMPTY)
    view.__class__ = ClosedFrameView


class ClosedFrameView(FrameView):
    """What a view becomes at the end of its frame's block: every use raises a FrameClosedError, apart from printing it."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # isinstance() asks for it
            return ClosedFrameView
        raise FrameClosedError(CLOSED)

    def __repr__(self) -> str:
        return f"<{CLOSED}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise FrameClosedError(CLOSED)


# Operators, len(), indexing and NumPy's protocols look methods up on the class and pass by __getattribute__.
_KEPT = {"__new__", "__init__", "__init_subclass__", "__subclasshook__", "__class_getitem__", "__array_finalize__", "__class__"}
for _name in set(dir(np.ndarray)) - _KEPT - set(vars(ClosedFrameView)):
    if _name.startswith("__") and callable(getattr(np.ndarray, _name)):
        setattr(ClosedFrameView, _name, _refuse)


# A frame as users see it: planes, pixels, colours, luma and crops, whatever memory they are in.


_NAMES = ("pixels", "planes", "rgb", "bgr", "rgba", "gray", "crop()", "download()", "format", "width", "height")
# What others call it.
_OTHER_NAMES = {
    **dict.fromkeys(("numpy", "to_numpy", "array", "ndarray", "data", "image", "img", "buffer", "tensor"), "pixels"),
    **dict.fromkeys(("luma", "luminance", "y", "greyscale", "grayscale"), "gray"),
    **dict.fromkeys(("copy", "clone", "cpu"), "download()"),
    **dict.fromkeys(("roi", "cut"), "crop()"),
    **{name: f"pixels.{name}" for name in ("shape", "dtype", "mean", "max", "min", "tobytes", "astype")},
    "size": "width and frame.height",
}


class View(Protocol):
    """What a frame needs of its views: slices, and copies in system memory."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a view of a part."""

    def download(self) -> Any:
        """Return a NumPy array with a copy."""


V = TypeVar("V", bound=View)


class Frame(Generic[V]):
    """The pixels of one buffer inside a ``with`` block. What it gives are views of the buffer's own memory, never copies.

    ``format`` is GStreamer's name of the pixel format, ``width`` and ``height`` are in pixels. Views of system memory are NumPy
    arrays, those of GPU memory :class:`~empycustom.frames.device.DeviceView`; both are called arrays here. After the block
    they raise a FrameClosedError; ``view.download()`` inside the block gives a NumPy array to keep.
    """

    __slots__ = ("_closed", "_layout", "_planes", "format", "height", "width")
    _layout: Layout
    _CONVERT: ClassVar[str] = "or put videoconvert ! 'video/x-raw,format={}' before the element"
    _GRAY: ClassVar[str] = "GRAY8"

    def __init__(self, video_format: str, width: int, height: int) -> None:
        self.format, self.width, self.height = video_format, width, height
        self._planes: tuple[V, ...] | None = None
        self._closed = False

    @abstractmethod
    def __enter__(self) -> Frame[V]:
        """Map the buffer."""

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Unmap it."""

    @abstractmethod
    def _views(self) -> tuple[V, ...]:
        """Return new views of the planes, or raise what :meth:`_not_open` returns."""

    @property
    def planes(self) -> tuple[V, ...]:
        """The planes as arrays, of uint8 where the format has no number of bits in its name, else of uint16.

        Packed formats have one: (height, width, 4) for RGBA, RGBx, BGRA, BGRx, ARGB, xRGB, ABGR and xBGR, (height, width, 3) for
        RGB and BGR, (height, width) for GRAY8 and GRAY16_LE. I420, YV12 and I420_10LE have Y (height, width), U and V (half of
        both, rounded up), YV12 the two in the other order; NV12, NV21 and P010_10LE have Y and UV (half, half, 2), NV21 VU.
        The 10 bits of I420_10LE are the lower ones (0 to 1023), those of P010_10LE the upper ones (0 to 65472, in steps of 64).
        """
        if self._planes is None:
            self._planes = self._views()
        return self._planes

    @property
    def pixels(self) -> V:
        """The only plane of a packed format; a FrameError where there are several."""
        planes = self.planes
        if len(planes) > 1:
            raise FrameError(
                f"A frame of format {self.format} has {len(planes)} planes and no one array of pixels: use frame.planes, "
                f"frame.gray for its luma, {self._CONVERT.format('RGBA')}."
            )
        return planes[0]

    @property
    def rgb(self) -> V:
        """Red, green, blue as (height, width, 3), a view; a FrameError where the format has no such view."""
        return self._channels("RGB")

    @property
    def bgr(self) -> V:
        """Blue, green, red as (height, width, 3), a view, as OpenCV orders them; a FrameError where there is no such view."""
        return self._channels("BGR")

    @property
    def rgba(self) -> V:
        """Red, green, blue, alpha as (height, width, 4), a view; a FrameError for every format but RGBA and ABGR."""
        return self._channels("RGBA")

    @property
    def gray(self) -> V:
        """The only plane of a gray format, or the luma of one with several planes, as (height, width); a view.

        A FrameError for packed colours.
        """
        if planes_of(self.format)[0].channels != "Y":
            raise FrameError(
                f"A frame of format {self.format} holds no gray values to view: calculate them from frame.pixels "
                f"(cv2.cvtColor, or a weighted mean), {self._CONVERT.format(self._GRAY)}."
            )
        return self.planes[0]

    def crop(self, obj: Mapping[str, Any], plane: int = 0) -> V:
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
        part: V = planes[plane][top:bottom, left:right]
        return part

    def download(self) -> Any:
        """Return a copy of the frame in NumPy arrays that stay valid: one for a packed format, a tuple of all planes for others.

        It is the same for every kind of memory; a frame in system memory is copied, too.
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
            return FrameClosedError("This frame was used after its with block. Use it inside, or keep frame.pixels.copy().")
        return FrameError(
            "This frame is not open yet: write `with empycustom.map_frame(...) as frame:` and use it inside the block."
        )

    def _not_enterable(self) -> FrameError:
        if self._closed:
            return FrameClosedError("This frame was mapped and closed before: call empycustom.map_frame again for another block.")
        return FrameError("This frame is mapped already: use it inside its with block instead of entering it again.")


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


# A frame in system memory, whose views are NumPy arrays.


class ArrayFrame(Frame[FrameView]):
    """A frame whose bytes Python can see. A subclass opens it with the bytes, and closes it."""

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
            span.close(hold)

    def _views(self) -> tuple[FrameView, ...]:
        span = self._span
        if span is None:
            raise self._not_open()
        data = self._data
        return tuple([span.array(data, plane) for plane in self._layout.planes])
