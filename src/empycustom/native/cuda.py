"""CUDA's driver, opened when it is first needed. No package of CUDA is.

The driver works in a context, and a thread has a stack of them. Others use the device's *primary* context, as CUDA's own runtime
does: so do PyTorch, CuPy and DeepStream, and so is done here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from empycustom.errors import FrameError
from empycustom.native.declarations import ffi, text

_LIBRARY = "libcuda.so.1"
_HOST, _DEVICE = 1, 2  # CUmemorytype; memory that is managed for both is of the second
_LEGACY_STREAM = 1
_BEFORE = ffi.new(
    "void **"
)  # where the context goes that is taken off a thread's stack; several threads may write it, none reads it


@lru_cache(maxsize=1)
def driver() -> Any:
    """Return the library, ready to be used. Raises FrameError where it is missing or finds no GPU."""
    try:
        library = ffi.dlopen(_LIBRARY, ffi.RTLD_NOW | ffi.RTLD_NODELETE)
    except OSError as error:
        raise FrameError(
            f"This takes NVIDIA's driver, and {_LIBRARY} cannot be loaded ({error}): install the driver; start a container with "
            "the GPU (--gpus all)."
        ) from error
    check(library, library.cuInit(0), "NVIDIA's driver cannot be used")
    return library


def check(library: Any, code: int, what: str) -> None:
    """Raise a FrameError where a function of the driver returned an error; ``what`` is the beginning of its sentence."""
    if code:
        raise FrameError(f"{what}: {_error(library, code)}.")


def _error(library: Any, code: int) -> str:
    name, said = ffi.new("const char **"), ffi.new("const char **")
    library.cuGetErrorName(code, name)
    library.cuGetErrorString(code, said)
    return f"{text(name[0]) or f'CUDA error {code}'} ({text(said[0]) or 'no description'})"


@lru_cache(maxsize=64)
def _context(gpu: int) -> Any:
    """Return the primary context of a GPU; it stays for as long as the process does."""
    library, device, context = driver(), ffi.new("int *"), ffi.new("void **")
    check(library, library.cuDeviceGet(device, gpu), f"There is no GPU {gpu}")
    check(library, library.cuDevicePrimaryCtxRetain(context, device[0]), f"GPU {gpu} cannot be used")
    return context[0]


@contextmanager
def on(gpu: int) -> Iterator[Any]:
    """The driver, with the context of a GPU as that of this thread."""
    library = driver()
    check(library, library.cuCtxPushCurrent_v2(_context(gpu)), f"GPU {gpu} cannot be used")
    try:
        yield library
    finally:
        library.cuCtxPopCurrent_v2(_BEFORE)


def wait(gpu: int, *, everything: bool) -> None:
    """Wait until all work on a GPU is done, on all streams of its primary context; or that on the legacy default stream alone.

    A FrameError says what went wrong on the GPU since somebody last waited.
    """
    library = driver()
    if code := library.cuCtxPushCurrent_v2(_context(gpu)):
        check(library, code, f"GPU {gpu} cannot be used")
    code = library.cuCtxSynchronize() if everything else library.cuStreamSynchronize(_LEGACY_STREAM)
    library.cuCtxPopCurrent_v2(_BEFORE)
    if code:
        check(
            library,
            code,
            "The work that this block started on the GPU failed (CUDA_LAUNCH_BLOCKING=1 shows where it was started)",
        )


def read_rows(gpu: int, address: int, pitch: int, into: Any, *, pinned: bool) -> None:
    """Copy rows of bytes from a GPU into an array of (rows, bytes of a row) that lies without gaps, and wait until it is done.

    Rows begin ``pitch`` bytes apart, from ``address`` on, and do not overlap. ``pinned``: they lie in the memory of the host.
    """
    rows, row_bytes = into.shape
    copy = ffi.new("CUDA_MEMCPY2D *")
    copy.srcMemoryType, copy.dstMemoryType = _HOST if pinned else _DEVICE, _HOST
    copy.srcHost = copy.srcDevice = address  # the type says which one counts
    copy.srcPitch = max(pitch, row_bytes)
    copy.dstHost, copy.dstPitch = into.ctypes.data, row_bytes
    copy.WidthInBytes, copy.Height = row_bytes, rows
    with on(gpu) as library:
        check(library, library.cuMemcpy2D_v2(copy), "The frame cannot be copied from the GPU")
