"""Views of GPU memory. They are no arrays: they give slices of themselves, copies, and themselves to libraries for GPUs."""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

import numpy as np

from empycustom.errors import FrameClosedError, FrameError, FrameExportError
from empycustom.frames.device_span import NAMES, DeviceSpan
from empycustom.frames.views import Pixels

_CLOSED = (
    "This view of a frame was used after its with block. Use it inside, or keep a copy: view.download(), "
    "torch.from_dlpack(view).clone()."
)
_NO_NUMPY = (
    "NumPy cannot view GPU memory: call view.download() for a copy, or torch.from_dlpack(view), cupy.asarray(view) or another "
    "library for GPUs without one."
)
_NO_STEPS_BACK = (
    "Views of GPU memory cannot run backwards, because PyTorch has no such tensors: view the colours forwards and flip them "
    "where you work, for example torch.from_dlpack(frame.rgb).flip(-1)."
)
_NO_SUCH_INDEX = (
    "Views of GPU memory take numbers and slices, such as view[10:20, ::2]; for more, index torch.from_dlpack(view) or "
    "cupy.asarray(view)."
)
_NO_ASSIGNMENT = (
    "A view of GPU memory cannot be assigned to from Python: map with writable=True and write "
    "torch.from_dlpack(view)[...] = value, or cupy.asarray(view)[...] = value."
)


class DeviceView:
    """Pixels on a GPU, or a part of them: rows, columns and, where there are several, channels. Valid inside the ``with`` block.

    ``shape``, ``strides`` (in bytes), ``dtype``, ``ndim``, ``size`` and ``nbytes`` are as NumPy has them; ``address`` is that of
    the first element on the GPU ``gpu``; ``readonly`` says whether it may be written. Slices are views as well.
    """

    __slots__ = ("__weakref__", "_address", "_dtype", "_shape", "_span", "_strides")

    def __init__(self, span: DeviceSpan, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> None:
        self._span, self._address, self._shape, self._strides, self._dtype = span, address, shape, strides, dtype

    def _opened(self) -> DeviceView:
        if not self._span.is_open:
            raise FrameClosedError(_CLOSED)
        return self

    address = property(lambda self: self._opened()._address)
    shape = property(lambda self: self._opened()._shape)
    strides = property(lambda self: self._opened()._strides)
    dtype = property(lambda self: self._opened()._dtype)
    gpu = property(lambda self: self._opened()._span.device[1])
    readonly = property(lambda self: self._opened()._span.readonly)
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: prod(self.shape))
    nbytes = property(lambda self: self.size * self.dtype.itemsize)

    @property
    def steps(self) -> tuple[int, ...]:
        """The strides in elements, as DLPack has them. A FrameExportError where rows do not begin at whole ones."""
        size = self._opened()._dtype.itemsize
        if size == 1:
            return self._strides
        if any(stride % size for stride in self._strides):
            raise FrameExportError(
                "The rows of this frame do not begin at whole samples, as DLPack needs it: use view.download()."
            )
        return tuple([stride // size for stride in self._strides])

    def __len__(self) -> int:
        return int(self.shape[0])

    def __repr__(self) -> str:
        if not self._span.is_open:
            return f"<{_CLOSED}>"
        where = f"{NAMES[self._span.device[0]]} of GPU {self.gpu}"
        return f"<DeviceView of {self._shape} {self._dtype}, strides {self._strides}, in {where}>"

    def __getitem__(self, key: Any) -> DeviceView:
        """Return a view of a part, by numbers and by slices with steps of 1 and more."""
        address, shape, strides = self._opened()._address, [], []
        for item, length, stride in zip(_items(key, len(self._shape)), self._shape, self._strides, strict=True):
            if isinstance(item, slice):
                part = range(length)[item]
                if part.step < 0:
                    raise FrameError(_NO_STEPS_BACK)
                first = part.start if part else 0
                shape.append(len(part))
                strides.append(stride * part.step)
            else:
                first = range(length)[item]  # an IndexError for what is outside, as for an array
            address += first * stride
        return DeviceView(self._span, address, tuple(shape), tuple(strides), self._dtype)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        self._opened()
        raise FrameError(_NO_ASSIGNMENT)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"a view of GPU memory has no {name!r}; torch.from_dlpack(view) and cupy.asarray(view) have what arrays have, and "
            "view.download() is a NumPy array"
        )

    def download(self) -> Pixels:
        """Return a NumPy array with a copy, which stays valid after the block. It costs a copy and a wait for the GPU."""
        copied: Pixels = np.empty(self.shape, self._dtype)
        if not copied.size:
            return copied
        shape, strides = (self._shape, self._strides) if len(self._shape) > 1 else ((1, *self._shape), (0, *self._strides))
        row_bytes = sum((count - 1) * stride for count, stride in zip(shape[1:], strides[1:], strict=True)) + copied.itemsize
        if row_bytes * shape[0] == copied.nbytes:
            self._span.read(self._address, strides[0], copied.reshape(-1).view(np.uint8).reshape(shape[0], row_bytes))
            return copied
        rows: Pixels = np.empty((shape[0], row_bytes), np.uint8)
        self._span.read(self._address, strides[0], rows)
        copied[...] = np.ndarray(shape, self._dtype, rows, 0, (row_bytes, *strides[1:])).reshape(self._shape)
        return copied

    copy = download

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """Hand the pixels over without a copy, as the array API standard says; ``torch.from_dlpack(view)`` calls this.

        What is started on ``stream`` is done when the block ends, also where the stream is destroyed before. The legacy default
        stream (1, or None) is waited for by itself; for every other one all work on the GPU is, that of other threads included.
        The capsule can be taken until the end of the block. Consumers that know DLPack 1.0 are told when pixels are read-only;
        older ones cannot be told, and PyTorch does not look: they must not write unless the frame was mapped with
        ``writable=True``. Raises FrameExportError, a BufferError, where it takes a copy.

        Pinned memory is handed over as the CPU's, and unified memory as the GPU's, unless ``dl_device`` asks for the other:
        ``numpy.from_dlpack(view)`` takes pinned memory, ``numpy.from_dlpack(view, device="cpu")`` unified memory too (NumPy 2.1).
        """
        if copy:
            raise FrameExportError("A view of GPU memory is handed over as it is: copy it there, with .clone() or .copy().")
        return self._opened()._span.export(self, stream, dl_device, versioned=max_version is not None and max_version[0] >= 1)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return as what kind of memory it is handed over, and the GPU: (2, n); pinned memory as the CPU's, (1, 0)."""
        return self._opened()._span.offered

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3 of Numba's protocol, by which ``cupy.asarray(view)`` gets the pixels without a copy.

        Nothing is to be waited for before. Who works on them, and on which stream, is not known: the end of the block waits
        for all work on the GPU.
        """
        self._opened()._span.share()
        return {
            "shape": self._shape,
            "typestr": self._dtype.str,
            "data": (self._address if self.size else 0, self._span.readonly),
            "strides": self._strides,
            "stream": None,
            "version": 3,
        }

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        """Refuse: NumPy would have to copy, which is what ``download()`` says."""
        self._opened()
        raise FrameError(_NO_NUMPY)


def _items(key: Any, count: int) -> list[Any]:
    """Return an index or a slice for each of ``count`` dimensions."""
    items = list(key) if isinstance(key, tuple) else [key]
    if not all(isinstance(item, (int, np.integer, slice)) or item is Ellipsis for item in items):
        raise FrameError(_NO_SUCH_INDEX)
    given = sum(item is not Ellipsis for item in items)
    if given > count or len(items) - given > 1:
        raise FrameError(_NO_SUCH_INDEX)
    at = items.index(Ellipsis) if given < len(items) else len(items)
    return [*items[:at], *[slice(None)] * (count - given), *items[at + 1 :]]
