"""One mapping of GPU memory: who got views of it, and what has to be done when it ends. What CUDA and C do is handed in.

Views give memory away in two ways, both without a copy: DLPack (``torch.from_dlpack(view)``) and the CUDA array interface
(``cupy.asarray(view)``). Surfaces that reach an element are ready, so nobody has to wait before working on them. But what was
started on the GPU has to be done when the block ends, because the buffer goes on then. After the block a view raises. What
another library made of it stays safe: it keeps the memory, though the next frame may be in it by then.

A consumer names its stream, and may destroy it before the block ends: nothing can be asked of the handle of a stream that is
gone, not even whether it is, and waiting for it ends the process. An event that is recorded when the view is handed over comes
before the work. So a :class:`DeviceSpan` waits for one stream alone, the legacy default stream, which cannot be destroyed and is
the same in all threads; for every other consumer it waits for all work on the GPU.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from empycustom.errors import FrameExportError

if TYPE_CHECKING:
    from empycustom.frames.device_view import DeviceView
    from empycustom.frames.views import Pixels

# DLPack's numbers of kinds of memory, what people call them, and what each may be handed over as: first as what most consumers
# know. PyTorch knows the CPU's and the GPU's.
CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
NAMES = {CUDA: "device memory", CUDA_HOST: "pinned memory", CUDA_MANAGED: "unified memory"}
_KINDS = {CUDA: (CUDA,), CUDA_HOST: (CPU, CUDA_HOST), CUDA_MANAGED: (CUDA, CUDA_MANAGED, CPU)}
_DEFAULT_STREAM = 1  # the legacy one; 2 is another stream in every thread, 0 is one of both, others are handles


class Memory(Protocol):
    """What a span needs of the room of C. ``device`` is the kind of memory and the number of its GPU, as DLPack has them."""

    device: tuple[int, int]

    def export(
        self,
        data: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        bits: int,
        device: tuple[int, int],
        *,
        readonly: bool,
        versioned: bool,
    ) -> object:
        """Return a new DLPack capsule of the elements at an address; strides are in elements, too."""

    def read(self, address: int, pitch: int, into: Pixels) -> None:
        """Copy rows that begin ``pitch`` bytes apart into a dense array of (rows, bytes of a row)."""

    def wait(self, *, everything: bool) -> None:
        """Wait for all work on the GPU, or for that on the legacy default stream alone."""

    def hold(self) -> None:
        """Keep the memory for as long as this object lives, after the end as well."""

    def close(self) -> None:
        """Take back what nobody took."""


class DeviceSpan:
    """One mapping of GPU memory: which views were handed out in it, and whether it is over."""

    __slots__ = ("_by_default", "_elsewhere", "_memory", "device", "is_open", "readonly")

    def __init__(self, memory: Memory, *, readonly: bool) -> None:
        self._memory, self.readonly, self.is_open = memory, readonly, True
        self.device = memory.device  # the kind of memory and the number of the GPU, in DLPack's numbers
        self._by_default = self._elsewhere = False  # whether someone may be at work: on the default stream, on another one

    @property
    def offered(self) -> tuple[int, int]:
        """As what it is handed over where nothing else is asked for: pinned memory as the CPU's, unified as the GPU's."""
        return _offered(self.device)

    def export(self, view: DeviceView, stream: Any, wanted: tuple[int, int] | None, *, versioned: bool) -> object:
        """Return a DLPack capsule of a view for a consumer that works on a stream."""
        device = _offered(self.device) if wanted is None else self._as_wanted(wanted)
        bits = 8 * view._dtype.itemsize
        capsule = self._memory.export(
            view._address, view._shape, view.steps, bits, device, readonly=self.readonly, versioned=versioned
        )
        if device[0] in (CUDA, CUDA_MANAGED):
            if stream is None or stream == _DEFAULT_STREAM:
                self._by_default = True
            else:
                self._elsewhere = True
        return capsule

    def _as_wanted(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """Return the device that a consumer asked for, in DLPack's numbers; FrameExportError where that takes a copy."""
        (kind, gpu), as_kind = self.device, int(wanted[0])
        if as_kind not in _KINDS[kind] or (as_kind != CPU and wanted[1] != gpu):
            raise FrameExportError(
                f"The frame is in {NAMES[kind]} of GPU {gpu} and cannot be handed over as memory of another device (DLPack's "
                f"{wanted!r}) without a copy: take it there and move it, or call view.download()."
            )
        return as_kind, 0 if as_kind == CPU else gpu

    def share(self) -> None:
        """Note that a view goes out by the CUDA array interface: who uses it where is not known, and it keeps the memory."""
        self._elsewhere = True
        self._memory.hold()

    def wait(self) -> None:
        """Wait for the work of those who got a view. Raises FrameError where that work failed."""
        if self._by_default or self._elsewhere:
            self._memory.wait(everything=self._elsewhere)

    def read(self, address: int, pitch: int, into: Pixels) -> None:
        """Copy rows of bytes to where Python sees them, after the work of those who got a view."""
        self.wait()
        self._memory.read(address, pitch, into)

    def close(self) -> None:
        """End the mapping. Raises FrameError where work on the GPU that was started in it failed."""
        self.is_open = False
        try:
            self.wait()
        finally:
            self._memory.close()


@lru_cache(maxsize=64)
def _offered(device: tuple[int, int]) -> tuple[int, int]:
    kind, gpu = _KINDS[device[0]][0], device[1]
    return kind, 0 if kind == CPU else gpu
