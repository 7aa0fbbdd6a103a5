"""Values that C copies and frees without Python.

DeepStream copies and frees user metadata through two functions that lie beside it, ``copy_func`` and ``release_func``; both get
the NvDsUserMeta. They are called on whatever thread drops the buffer, also when Python has ended, and a function written in
Python ends the process then. So none is: GLib has a block of memory that counts its references, a *box* here, and the right pair
of functions for it, except that they take the box itself, which lies in the last field of the NvDsUserMeta. ``COPY`` and
``RELEASE`` fetch it from there and go on to GLib's: two instructions of the processor and a jump.

A copy shares the box. So nothing in it changes once it is attached; whoever has something new to say attaches another box.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from struct import Struct

from empycustom.errors import DeepStreamError
from empycustom.native.declarations import address_of, ffi, glib

_DATA = 40  # where in a NvDsUserMeta the box lies

# The box from the first argument's field, then a jump to the address that stands where 8 zeros are.
_JUMPS = {
    "x86_64": (
        b"\xf3\x0f\x1e\xfa"  # endbr64
        b"\x48\x8b\x7f" + bytes([_DATA]) +  # mov rdi, [rdi + 40]
        b"\x48\xb8" + bytes(8) +  # mov rax, address
        b"\xff\xe0"  # jmp rax
    ),
    "aarch64": (
        b"\x5f\x24\x03\xd5"  # bti c
        b"\x00\x14\x40\xf9"  # ldr x0, [x0, 40]
        b"\x50\x00\x00\x58"  # ldr x16, address
        b"\x00\x02\x1f\xd6"  # br x16
        + bytes(8)
    ),
}  # fmt: skip
_PAGE = 4096
_READ_AND_RUN, _PRIVATE, _FAILED = 1 | 4, 2, 2**64 - 1  # of mmap


def machine_code(machine: str, functions: tuple[int, ...]) -> list[bytes]:
    """Return for each function, given by its address, what calls it with the box of the NvDsUserMeta that it gets."""
    jump = _JUMPS[machine]
    return [jump.replace(bytes(8), function.to_bytes(8, "little"), 1) for function in functions]


@lru_cache(maxsize=1)
def copy_and_release() -> tuple[int, int]:
    """Return the addresses of the two functions for metadata whose ``user_meta_data`` is a box.

    They stay where they are until the process is gone. Raises DeepStreamError where the system does not let them be.
    """
    machine = platform.machine()
    if machine not in _JUMPS:
        raise DeepStreamError(
            f"words cannot be attached to DeepStream metadata on {machine}; DeepStream runs on {', '.join(_JUMPS)}"
        )
    functions = [address_of(ffi.addressof(glib, name)) for name in ("g_atomic_rc_box_acquire", "g_atomic_rc_box_release")]
    codes = machine_code(machine, tuple(functions))
    start = _runnable(b"".join(code.ljust(_PAGE // 2, b"\0") for code in codes))
    return start, start + _PAGE // 2


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
        raise DeepStreamError(
            f"words cannot be attached to DeepStream metadata: no file in memory can be made ({error})"
        ) from error
    if start == _FAILED:
        raise DeepStreamError(
            "this system does not let a process run code that it made (SELinux: deny_execmem), and words on DeepStream metadata "
            "take that; allow it for this program"
        )
    return start


_pointer, _number = Struct("=Q"), Struct("=I")


def new_box(size: int, texts: Mapping[int, bytes], numbers: Mapping[int, int]) -> int:
    """Return the address of a new box: a structure of ``size`` bytes, zeros but for what is given by its place in it.

    ``texts`` are put behind the structure, each with a NUL at its end, and pointed to; ``numbers`` are ints of 32 bits, with a
    sign or without.
    """
    total = size + sum(len(text) + 1 for text in texts.values())
    box: int = glib.g_atomic_rc_box_alloc0(total)
    memory, end = ffi.buffer(ffi.cast("char *", box), total), size
    for place, number in numbers.items():
        _number.pack_into(memory, place, number % 2**32)
    for place, text in texts.items():
        _pointer.pack_into(memory, place, box + end)
        memory[end : end + len(text)] = text
        end += len(text) + 1
    return box
