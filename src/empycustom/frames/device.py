"""Frames in GPU memory: views of it, their export to other libraries, and waiting for the work on them when the mapping ends.

The functions of CUDA and C come in as a :class:`Memory`.

Views give memory away in two ways, both without a copy: DLPack (``torch.from_dlpack(view)``) and the CUDA array interface
(``cupy.asarray(view)``). Surfaces that reach an element are ready, so nobody has to wait before working on them. But what was
started on the GPU has to be done when the block ends, because the buffer goes on then. After the block a view raises. What
another library made of it stays safe: it keeps the memory, though the next frame may be in it by then.

A consumer names its stream, and may destroy it before the block ends: nothing can be asked of the handle of a stream that is
gone, not even whether it is, and waiting for it ends the process. An event that is recorded when the view is exported comes
before the work. So a :class:`DeviceSpan` waits for one stream alone, the legacy default stream, which cannot be destroyed and is
the same in all threads; for every other consumer it waits for all work on the GPU.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, ClassVar, NamedTuple, NoReturn, Protocol

import numpy as np

from empycustom.errors import FrameClosedError, FrameError, FrameExportError
from empycustom.frames.formats import Layout
from empycustom.frames.frame import MappedFrame
from empycustom.frames.views import TYPES, Pixels

# DLPack's numbers of kinds of memory, their names, and the kinds as which each may be exported: first the one that most consumers
# know. PyTorch knows the CPU's and the GPU's.
CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
NAMES = {CUDA: "device memory", CUDA_HOST: "pinned memory", CUDA_MANAGED: "unified memory"}
_KINDS = {CUDA: (CUDA,), CUDA_HOST: (CPU, CUDA_HOST), CUDA_MANAGED: (CUDA, CUDA_MANAGED, CPU)}
_DEFAULT_STREAM = 1  # the legacy one; 2 is another stream in every thread, 0 is one of both, others are handles


class Tensor(NamedTuple):
    """Describe elements in memory, as DLPack does.

    ``data`` is the address of the first one, ``shape`` and ``strides`` are in elements, ``bits`` are those of an element, an
    unsigned integer; ``device`` is the kind of memory and the number of its GPU, in DLPack's numbers.
    """

    data: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    bits: int
    device: tuple[int, int]
    readonly: bool


class Memory(Protocol):
    """The memory of a GPU, implemented in ``native``; ``device`` is its kind and its GPU, in DLPack's numbers."""

    device: tuple[int, int]

    def export(self, tensor: Tensor, *, versioned: bool) -> object:
        """Return a new DLPack capsule, legacy or of DLPack 1.0."""

    def read(self, address: int, pitch: int, into: Pixels) -> None:
        """Copy rows that begin ``pitch`` bytes apart into a dense array of (rows, bytes of a row)."""

    def wait(self, *, everything: bool) -> None:
        """Wait for all work on the GPU, or for that on the legacy default stream alone."""

    def hold(self) -> None:
        """Keep the memory for as long as this object lives, after the end as well."""

    def close(self) -> None:
        """Revoke the capsules that were not taken."""


class DeviceSpan:
    """Track one mapping of GPU memory: which views were exported, and whether it is over."""

    __slots__ = ("_by_default", "_elsewhere", "device", "is_open", "memory", "readonly")

    def __init__(self, memory: Memory, *, readonly: bool) -> None:
        self.memory, self.readonly, self.is_open = memory, readonly, True
        self.device = memory.device  # the kind of memory and the number of the GPU, in DLPack's numbers
        self._by_default = self._elsewhere = False  # whether someone may be at work: on the default stream, on another one

    @property
    def offered(self) -> tuple[int, int]:
        """The device as which it is exported by default: pinned memory as the CPU's."""
        return _offered(self.device)

    def export(self, tensor: Tensor, stream: Any, wanted: tuple[int, int] | None, *, versioned: bool) -> object:
        """Return a DLPack capsule for a consumer that works on a stream, and may have named a device."""
        if wanted is not None:
            tensor = tensor._replace(device=self._as_wanted(wanted))
        capsule = self.memory.export(tensor, versioned=versioned)
        if tensor.device[0] in (CUDA, CUDA_MANAGED):
            if stream is None or stream == _DEFAULT_STREAM:
                self._by_default = True
            else:
                self._elsewhere = True
        return capsule

    def _as_wanted(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """Return the device that a consumer named, in DLPack's numbers; FrameExportError where that takes a copy."""
        (kind, gpu), as_kind = self.device, int(wanted[0])
        if as_kind not in _KINDS[kind] or (as_kind != CPU and wanted[1] != gpu):
            raise FrameExportError(
                f"The frame is in {NAMES[kind]} of GPU {gpu} and cannot be exported as memory of another device (DLPack's "
                f"{wanted!r}) without a copy: take it there and move it, or call view.download()."
            )
        return as_kind, 0 if as_kind == CPU else gpu

    def share(self) -> None:
        """Record an export by the CUDA array interface: it keeps the memory, and on which stream it is used is not known."""
        self._elsewhere = True
        self.memory.hold()

    def wait(self) -> None:
        """Wait for the work on exported views. Raises FrameError where that work failed."""
        if self._by_default or self._elsewhere:
            self.memory.wait(everything=self._elsewhere)

    def close(self) -> None:
        """End the mapping. Raises FrameError where work on the GPU that was started in it failed."""
        self.is_open = False
        try:
            self.wait()
        finally:
            self.memory.close()


@lru_cache(maxsize=64)
def _offered(device: tuple[int, int]) -> tuple[int, int]:
    kind, gpu = _KINDS[device[0]][0], device[1]
    return kind, 0 if kind == CPU else gpu


# Views of GPU memory are not arrays: they give slices of themselves, copies, and themselves to libraries for GPUs.

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
    """Show a plane of a frame on a GPU, or a part of one, to libraries for GPUs; valid inside the frame's ``with`` block.

    It is not an array: ``torch.from_dlpack(view)`` and ``cupy.asarray(view)`` make arrays of it without a copy,
    :meth:`download` makes a NumPy array with one. Indexing with numbers and slices returns views as well.

    Attributes
    ----------
    shape : tuple of int
        Rows, columns and, where there are several, channels.
    strides : tuple of int
        Distance of neighbours on each axis, in bytes; rows are padded.
    dtype : numpy.dtype
        The type of a sample.
    ndim, size, nbytes : int
        As NumPy has them.
    address, gpu : int
        The address of the first sample, and the number of the GPU.
    readonly : bool
        Whether the frame was mapped without ``writable=True``.

    Raises
    ------
    FrameClosedError
        On every use after the block.
    """

    __slots__ = ("__weakref__", "_address", "_dtype", "_shape", "_span", "_strides")

    def __init__(self, span: DeviceSpan, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> None:
        self._span, self._address, self._shape, self._strides, self._dtype = span, address, shape, strides, dtype

    def _opened(self) -> DeviceView:
        if not self._span.is_open:
            raise FrameClosedError(_CLOSED)
        return self

    @property
    def address(self) -> int:
        """The address of the first sample in the memory of the GPU, a whole number."""
        return self._opened()._address

    @property
    def shape(self) -> tuple[int, ...]:
        """The numbers of rows, of columns and, where there are several, of channels."""
        return self._opened()._shape

    @property
    def strides(self) -> tuple[int, ...]:
        """The distance of neighbours on each axis, in bytes; rows are padded."""
        return self._opened()._strides

    @property
    def dtype(self) -> Any:
        """The NumPy type of a sample."""
        return self._opened()._dtype

    @property
    def gpu(self) -> int:
        """The number of the GPU that the pixels are on, from 0."""
        return self._opened()._span.device[1]

    @property
    def readonly(self) -> bool:
        """True where the pixels must not be written: the frame was mapped without ``writable=True``."""
        return self._opened()._span.readonly

    @property
    def ndim(self) -> int:
        """The number of dimensions, 2 or 3."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of samples."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of all samples in bytes, without padding."""
        return self.size * int(self.dtype.itemsize)

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
        """Return a NumPy array with a copy, of the same shape and type, which stays valid after the block.

        It waits for the work on exported views. Raises FrameError where that work, or the copy, failed, and after the block.
        """
        copied: Pixels = np.empty(self.shape, self._dtype)
        if not copied.size:
            return copied
        shape, strides = (self._shape, self._strides) if len(self._shape) > 1 else ((1, *self._shape), (0, *self._strides))
        row_bytes = sum((count - 1) * stride for count, stride in zip(shape[1:], strides[1:], strict=True)) + copied.itemsize
        dense = row_bytes * shape[0] == copied.nbytes
        rows: Pixels = (
            copied.reshape(-1).view(np.uint8).reshape(shape[0], row_bytes) if dense else np.empty((shape[0], row_bytes), "u1")
        )
        self._span.wait()
        self._span.memory.read(self._address, strides[0], rows)
        if not dense:
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
        """Export the pixels without a copy, by the array API standard; ``torch.from_dlpack(view)`` calls this.

        What is started on ``stream`` is done when the block ends, also where the stream is destroyed before. The legacy default
        stream (1, or None) is waited for by itself; for every other one all work on the GPU is, that of other threads included.
        The capsule can be taken until the end of the block. Consumers of DLPack 1.0 see when pixels are read-only;
        older ones cannot, and PyTorch does not look: they must not write unless the frame was mapped with
        ``writable=True``. Raises FrameExportError, a BufferError, where it takes a copy.

        Pinned memory is exported as the CPU's, and unified memory as the GPU's, unless ``dl_device`` asks for the other:
        ``numpy.from_dlpack(view)`` takes pinned memory, ``numpy.from_dlpack(view, device="cpu")`` unified memory too (NumPy 2.1).
        """
        if copy:
            raise FrameExportError("A view of GPU memory is exported as it is: copy it there, with .clone() or .copy().")
        span = self._opened()._span
        tensor = Tensor(self._address, self._shape, self._steps(), 8 * self._dtype.itemsize, span.offered, span.readonly)
        return span.export(tensor, stream, dl_device, versioned=max_version is not None and max_version[0] >= 1)

    def _steps(self) -> tuple[int, ...]:
        """Return the strides in elements, as DLPack has them. FrameExportError where rows do not begin at whole ones."""
        size = self._dtype.itemsize
        if size == 1:
            return self._strides
        if any(stride % size for stride in self._strides):
            raise FrameExportError(
                "The rows of this frame do not begin at whole samples, as DLPack needs it: use view.download()."
            )
        return tuple([stride // size for stride in self._strides])

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the kind of memory as which it is exported, and the GPU: (2, n); pinned memory as the CPU's, (1, 0)."""
        return self._opened()._span.offered

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The pixels in version 3 of Numba's protocol, by which ``cupy.asarray(view)`` gets them without a copy.

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
        """Raise an error: NumPy would have to copy, for which there is ``download()``."""
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


class DeviceFrame(MappedFrame[DeviceView]):
    """Show a frame on a GPU. A subclass opens it with its span and the addresses of its planes, and closes it."""

    __slots__ = ("_addresses", "_span")
    _CONVERT: ClassVar[str] = "or put nvvideoconvert ! 'video/x-raw(memory:NVMM),format={}' before the element"
    _GRAY: ClassVar[str] = "NV12"
    _addresses: tuple[int, ...]

    def __init__(self, video_format: str, width: int, height: int) -> None:
        super().__init__(video_format, width, height)
        self._span: DeviceSpan | None = None

    def _open(self, span: DeviceSpan, layout: Layout, addresses: tuple[int, ...]) -> None:
        """Open the frame; ``addresses`` are those of the planes, instead of the offsets in ``layout``."""
        self._span, self._layout, self._addresses = span, layout, addresses

    def _close(self) -> None:
        """Close the frame. Raises FrameError where work on the GPU failed; it is closed then, too."""
        span, self._span, self._planes, self._closed = self._span, None, None, True
        if span is not None:
            span.close()

    def _views(self) -> tuple[DeviceView, ...]:
        span = self._span
        if span is None:
            raise self._not_open()
        planes = zip(self._layout.planes, self._addresses, strict=True)
        return tuple([DeviceView(span, place, plane.shape, plane.strides, TYPES[plane.format.dtype]) for plane, place in planes])
