"""Functions of machine code: each fetches a pointer from a field of its argument and goes on to a function of C with it.

They are for callbacks that C calls on any thread, also when Python has ended: a function written in Python ends the process then.
Each is two instructions of the processor and a jump; or a few more, for one that calls the function and goes on to another one
with the argument itself.
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


def _x86_64(place: int, function: int, then: int) -> bytes:
    fetch = b"\x48\x8b\x7f" + bytes([place])  # mov rdi, [rdi + place]
    go_on = b"\x48\xb8%b\xff\xe0"  # mov rax, function; jmp rax
    if not then:
        return _ENDBR64 + fetch + go_on % _address(function)
    keep, restore = b"\x53\x48\x89\xfb", b"\x48\x89\xdf\x5b"  # push rbx; mov rbx, rdi; and mov rdi, rbx; pop rbx
    call = b"\x48\xb8%b\xff\xd0" % _address(function)  # mov rax, function; call rax
    return _ENDBR64 + keep + fetch + call + restore + go_on % _address(then)


def _aarch64(place: int, function: int, then: int) -> bytes:
    fetch = 0xF9400000 | place // 8 << 10  # ldr x0, [x0, place]
    if not then:  # ldr x16, what lies 8 bytes on; br x16
        return _BTI_C + _words(fetch, 0x58000050, 0xD61F0200) + _address(function)
    keep, restore = (0xA9BF7BF3, 0xAA0003F3), (0xAA1303E0, 0xA8C17BF3)  # x19 and x30 onto the stack; mov x19, x0; and back
    call = (0x580000D0, 0xD63F0200)  # ldr x16, what lies 24 bytes on; blr x16
    go_on = (0x58000090, 0xD61F0200)  # ldr x16, what lies 16 bytes on; br x16
    return _BTI_C + _words(*keep, fetch, *call, *restore, *go_on) + _address(function) + _address(then)


def _address(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _words(*instructions: int) -> bytes:
    return b"".join(instruction.to_bytes(4, "little") for instruction in instructions)


MACHINES = {"x86_64": _x86_64, "aarch64": _aarch64}


def machine_code(machine: str, place: int, function: int, then: int = 0) -> bytes:
    """Return what calls a function, given by its address, with the pointer at ``place`` of what the argument points to.

    It ends with that, or goes on to another one, ``then``, with the argument. ``place`` is a multiple of 8, and less than 128.
    """
    return MACHINES[machine](place, function, then)


def jumps(wanted: Iterable[tuple[int, ...]]) -> list[int]:
    """Return the addresses of such functions, for (place, function) or (place, function, then) each; 64 at most.

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
