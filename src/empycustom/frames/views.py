"""NumPy views of a frame's memory, which end with the frame.

A frame lives for the length of a ``with`` block. Every view, and every view of a view, is a :class:`FrameView` that is known to
the frame's :class:`Span`. At the end of the block each one that is still alive is emptied and becomes a
:class:`ClosedFrameView`: the same object, no longer with access to the memory, and all that is done with it raises. Arrays that
were stripped of their class (``numpy.asarray(view)``), and other exports such as ``memoryview(view)``, cannot be made to raise.
Each of them keeps its view alive, the view keeps the span, and the span keeps the memory: they stay safe to read.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import numpy as np

from empycustom.errors import FrameClosedError
from empycustom.frames.formats import FORMATS, PlaneLayout

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
        """Return the mean, a plain number or array, as ``numpy.ndarray.mean`` does.

        Over all samples of uint8 it takes two thirds of the time. Raises FrameClosedError after the block.
        """
        if axis is None and dtype is None and out is None and not more and self.dtype == np.uint8 and self.size:
            return np.add.reduce(self, axis=None) / self.size
        return super().mean(axis, dtype, out, **more)

    def copy(self, order: Any = "C") -> Any:
        """Return a plain array with a copy of the pixels, which stays valid after the block. Raises FrameClosedError after it."""
        return np.array(self, order=order)

    def download(self) -> Pixels:
        """Return a plain array with a copy of the pixels, which stays valid after the block, as :meth:`copy` does.

        Views of GPU memory have this method, too. Raises FrameClosedError after the block.
        """
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
