"""Memory on a GPU that a GstMemory holds: handed over, copied from, waited for."""

from __future__ import annotations

from typing import Any

from empycustom.native import cuda
from empycustom.native.dlpack import Capsule
from empycustom.native.maps import reference

_CUDA_HOST = 3  # DLDeviceType
_FEW = 16  # capsules, among which those that were taken are not looked for


class DeviceMemory:
    """A GstMemory, by its address, on a GPU. ``device`` is its kind and the number of the GPU, as DLPack has them.

    Whoever makes one keeps the memory there until ``close()``.
    """

    __slots__ = ("_address", "_capsules", "_enough", "_keeper", "device")

    def __init__(self, address: int, device: tuple[int, int]) -> None:
        self._address, self.device = address, device
        self._capsules: list[Capsule] = []  # some were taken meanwhile
        self._enough = _FEW  # so many that those that were taken are dropped
        self._keeper: object = None

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
        """Return a new DLPack capsule; see :class:`empycustom.native.dlpack.Capsule`. FrameError where this machine has none."""
        capsule = Capsule(self._address, data, shape, strides, bits, device, readonly=readonly, versioned=versioned)
        if len(self._capsules) >= self._enough:
            self._capsules = [other for other in self._capsules if other.waits]
            self._enough = max(_FEW, 2 * len(self._capsules))
        self._capsules.append(capsule)
        return capsule.object

    def read(self, address: int, pitch: int, into: Any) -> None:
        """Copy rows of bytes; see :func:`empycustom.native.cuda.read_rows`."""
        kind, gpu = self.device
        cuda.read_rows(gpu, address, pitch, into, pinned=kind == _CUDA_HOST)

    def wait(self, *, everything: bool) -> None:
        """Wait until work on the GPU is done; see :func:`empycustom.native.cuda.wait`."""
        cuda.wait(self.device[1], everything=everything)

    def hold(self) -> None:
        """Keep the memory for as long as this object lives, after ``close()`` too."""
        self._keeper = self._keeper or reference(self._address)

    def close(self) -> None:
        """Take back the capsules that nobody took."""
        for capsule in self._capsules:
            capsule.revoke()
        self._capsules.clear()
