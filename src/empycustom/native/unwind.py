"""Exceptions of C++ (of OpenCV, onnxruntime, PyTorch): they reach Python only while all of the process unwinds by one library.

GStreamer may be linked with libunwind, which has functions of the same names as GCC's own libgcc. What is loaded later uses those
that were loaded first for everybody. What NumPy brought before GStreamer uses libgcc's, so the first exception in a library that
comes after both ends the process, unless libgcc was loaded for everybody before GStreamer was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

_LIBGCC = "libgcc_s.so.1"
_RTLD_DI_LINKMAP = 2


def prefer_libgcc() -> None:
    """Let everything that is loaded from now on unwind by libgcc. Too late once GStreamer is loaded; see :func:`is_mixed`."""
    with _no_standard_numbers(), suppress(ImportError, OSError):  # no ctypes, no libgcc: there is nothing to prefer
        import ctypes

        ctypes.CDLL(_LIBGCC, mode=ctypes.RTLD_GLOBAL)


@contextmanager
def _no_standard_numbers() -> Iterator[None]:
    """Keep what is opened meanwhile from the numbers of stdin, stdout and stderr, even where one of them is closed.

    ctypes brings libffi, which may keep its own file open: who looked later would take a closed stream for an open one.
    """
    free = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    try:
        yield
    finally:
        for descriptor in free:
            os.close(descriptor)


@lru_cache(maxsize=1)
def is_mixed() -> bool:
    """Return whether an exception in a library that is loaded from now on ends the process; it stays so once GStreamer is loaded.

    So it is where C++ itself was loaded before libunwind, and libgcc was not for everybody.
    """
    files = [os.path.basename(path) for path in _loaded()]
    cxx, unwind = (
        next((at for at, file in enumerate(files) if file.startswith(name)), -1) for name in ("libstdc++", "libunwind")
    )
    return 0 <= cxx < unwind and not _is_libgcc_first()


def _loaded() -> list[str]:
    """Return the files of the libraries of the process, in the order in which they were loaded.

    Not by dl_iterate_phdr: it holds the loader's lock while it calls, and Python may wait for the GIL then, which somebody holds
    who waits for that lock.
    """
    import ctypes

    class Map(ctypes.Structure):  # the public part of link_map
        pass

    Map._fields_ = [
        ("address", ctypes.c_void_p),
        ("path", ctypes.c_char_p),
        ("dynamic", ctypes.c_void_p),
        ("next", ctypes.POINTER(Map)),
    ]
    program = ctypes.CDLL(None)
    entry = ctypes.POINTER(Map)()
    program.dlinfo(ctypes.c_void_p(program._handle), _RTLD_DI_LINKMAP, ctypes.byref(entry))
    found: list[str] = []
    while entry:
        found.append(os.fsdecode(entry.contents.path or b""))
        entry = entry.contents.next
    return found


def _is_libgcc_first() -> bool:
    """Return whether the functions that all libraries unwind by are libgcc's."""
    import ctypes

    own, first = (ctypes.cast(ctypes.CDLL(name)._Unwind_Resume, ctypes.c_void_p).value for name in (_LIBGCC, None))
    return own == first


def path_of(name: str) -> str | None:
    """Return where a library lies whose file's name begins so; None where the process has none."""
    for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
        path = line.split(maxsplit=5)[-1].removesuffix(" (deleted)")  # replaced since, by an upgrade
        if path.rpartition("/")[2].startswith(name):
            return path
    return None


def path_at(address: int) -> str | None:
    """Return the path of the library that lies at an address; None where there is none."""
    for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
        begin, _, end = line.split(maxsplit=1)[0].partition("-")
        if int(begin, 16) <= address < int(end, 16):
            return line.split(maxsplit=5)[-1].removesuffix(" (deleted)")
    return None
