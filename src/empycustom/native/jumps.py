"""Functions of machine code: each fetches a pointer from a field of its argument and goes on to a function of C with it.

They are for callbacks that C calls on any thread, also when Python has ended: a function written in Python ends the process then.
Each is two instructions of the processor and a jump.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable

from empycustom.errors import NativeError
from empycustom.native.declarations import glib

_ENDBR64 = b"\xf3\x0f\x1e\xfa"
_BTI_C = b"\x5f\x24\x03\xd5"
_PAGE = 4096
_LARGEST = 64  # bytes of a function
_READ_AND_RUN, _PRIVATE, _FAILED = 1 | 4, 2, 2**64 - 1  # of mmap


def _x86_64(place: int, function: int) -> bytes:
    fetch = b"\x48\x8b\x7f" + bytes([place])  # mov rdi, [rdi + place]
    return _ENDBR64 + fetch + b"\x48\xb8" + function.to_bytes(8, "little") + b"\xff\xe0"  # mov rax, function; jmp rax


def _aarch64(place: int, function: int) -> bytes:
    fetch = (0xF9400000 | place // 8 << 10).to_bytes(4, "little")  # ldr x0, [x0, place]
    jump = b"\x50\x00\x00\x58\x00\x02\x1f\xd6"  # ldr x16, what lies 8 bytes on; br x16
    return _BTI_C + fetch + jump + function.to_bytes(8, "little")


MACHINES = {"x86_64": _x86_64, "aarch64": _aarch64}


def machine_code(machine: str, place: int, function: int) -> bytes:
    """Return what calls a function, given by its address, with the pointer at ``place`` of what the argument points to.

    ``place`` is a multiple of 8, and less than 128.
    """
    return MACHINES[machine](place, function)


def jumps(wanted: Iterable[tuple[int, int]]) -> list[int]:
    """Return the addresses of such functions, for (place, function) each; 64 at most.

    They stay where they are until the process is gone. A NativeError says why they cannot be, as the second half of a sentence.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise NativeError(f"there is no machine code for {machine}, only for {', '.join(MACHINES)}")
    codes = [machine_code(machine, *jump) for jump in wanted]
    start = _runnable(b"".join(code.ljust(_LARGEST, b"\0") for code in codes))
    return [start + _LARGEST * index for index in range(len(codes))]


def _runnable(page: bytes) -> int:
    """Return where in memory the instructions of a page lie, ready to be run."""
    try:
        file = os.memfd_create("empycustom")
        try:
            os.write(file, page)
            start: int = glib.mmap(0, _PAGE, _READ_AND_RUN, _PRIVATE, file, 0)
        finally:
            os.close(file)
    except OSError as error:
        raise NativeError(f"no file in memory can be made ({error})") from error
    if start == _FAILED:
        raise NativeError(
            "this system does not let a process run code that it made (SELinux: deny_execmem); allow it for this program"
        )
    return start
