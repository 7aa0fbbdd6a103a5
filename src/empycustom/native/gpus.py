"""What CUDA's driver says about this machine. It is asked without a context, so that it takes nothing of a GPU's memory."""

from __future__ import annotations

from typing import Any

from empycustom.native.cuda import check, driver
from empycustom.native.declarations import ffi, text

_NAME_BYTES = 256


def cuda_version() -> str:
    """Return the newest version of CUDA that the driver serves, such as ``13.0``. Raises FrameError where there is no driver."""
    library, number = driver(), ffi.new("int *")
    check(library, library.cuDriverGetVersion(number), "The driver does not tell its version")
    return f"{number[0] // 1000}.{number[0] % 1000 // 10}"


def gpus() -> list[tuple[str, int]]:
    """Return the name of each GPU and the bytes of its memory. Raises FrameError where the driver fails or finds none."""
    library, count = driver(), ffi.new("int *")
    check(library, library.cuDeviceGetCount(count), "The driver does not count its GPUs")
    return [_gpu(library, number) for number in range(count[0])]


def _gpu(library: Any, number: int) -> tuple[str, int]:
    device, name, memory = ffi.new("int *"), ffi.new("char[]", _NAME_BYTES), ffi.new("size_t *")
    check(library, library.cuDeviceGet(device, number), f"There is no GPU {number}")
    check(library, library.cuDeviceGetName(name, _NAME_BYTES, device[0]), f"GPU {number} does not tell its name")
    check(library, library.cuDeviceTotalMem_v2(memory, device[0]), f"GPU {number} does not tell how much memory it has")
    return text(name), int(memory[0])


def why_not(name: str) -> str:
    """Return why a library cannot be loaded; ``""`` if it can, and is."""
    try:
        ffi.dlopen(name, ffi.RTLD_LAZY | ffi.RTLD_NODELETE)
    except OSError as error:
        return str(error)
    return ""
