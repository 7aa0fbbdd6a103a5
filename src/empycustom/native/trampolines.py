"""Machine code for callbacks that C calls on any thread, also when Python has ended; memory that C copies and frees with it.

A function written in Python ends the process when it is called then. So none is. A *trampoline* here is machine code that fetches
a pointer from a field of its argument and goes on to a function of C with it: two instructions of the processor and a jump. A few
more for one that calls the function and goes on to another one with the argument itself.

DeepStream copies and frees user metadata through two functions that lie beside it, ``copy_func`` and ``release_func``; both get
the NvDsUserMeta. What is attached is a *blob*, a block of GLib's memory that counts its references (``g_atomic_rc_box_alloc0``).
GLib has the right pair of functions for it, except that they take the block itself, which lies in the last field of the
NvDsUserMeta: two trampolines fetch it from there.

A copy shares the blob, which belongs to all who have a reference. So nothing in it changes once it is attached; whoever has
something new to attach makes another blob.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from functools import lru_cache
from struct import Struct

from empycustom.errors import DeepStreamError, NativeError
from empycustom.native.loading import address_of, ffi, glib

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
        return _BTI_C + _code(fetch, 0x58000050, 0xD61F0200) + _address(function)
    keep, restore = (0xA9BF7BF3, 0xAA0003F3), (0xAA1303E0, 0xA8C17BF3)  # x19 and x30 onto the stack; mov x19, x0; and back
    call = (0x580000D0, 0xD63F0200)  # ldr x16, what lies 24 bytes on; blr x16
    go_on = (0x58000090, 0xD61F0200)  # ldr x16, what lies 16 bytes on; br x16
    return _BTI_C + _code(*keep, fetch, *call, *restore, *go_on) + _address(function) + _address(then)


def _address(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _code(*instructions: int) -> bytes:
    return b"".join(instruction.to_bytes(4, "little") for instruction in instructions)


MACHINES = {"x86_64": _x86_64, "aarch64": _aarch64}


def machine_code(machine: str, place: int, function: int, then: int = 0) -> bytes:
    """Return the code of a trampoline, which calls a function with the pointer at ``place`` of what its argument points to.

    ``function`` and ``then`` are addresses. It ends with the one, or goes on to the other one with its own argument. ``place`` is
    a multiple of 8, and less than 128.
    """
    return MACHINES[machine](place, function, then)


def make_trampolines(wanted: Iterable[tuple[int, ...]]) -> list[int]:
    """Return the addresses of new trampolines, for (place, function) or (place, function, then) each; 64 at most.

    They stay where they are until the process is gone. A NativeError has the reason why not, as the second half of a sentence.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise NativeError(f"there is no machine code for {machine}, only for {', '.join(MACHINES)}")
    return _functions([machine_code(machine, *each) for each in wanted])


def constant_code(machine: str, number: int) -> bytes:
    """Return the code of a function that returns a number, whatever its arguments are; it is between -32768 and 32767."""
    if machine == "x86_64":
        return _ENDBR64 + b"\xb8" + number.to_bytes(4, "little", signed=True) + b"\xc3"  # mov eax, number; ret
    move = 0x52800000 | number << 5 if number >= 0 else 0x12800000 | ~number << 5  # mov w0, number; ret
    return _BTI_C + _code(move, 0xD65F03C0)


def make_constants(numbers: Iterable[int]) -> list[int]:
    """Return the addresses of new functions that return a number each; 64 at most. Raises NativeError like make_trampolines."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise NativeError(f"there is no machine code for {machine}, only for {', '.join(MACHINES)}")
    return _functions([constant_code(machine, number) for number in numbers])


def _functions(codes: list[bytes]) -> list[int]:
    start = _runnable(b"".join(code.ljust(_LARGEST, b"\0") for code in codes))
    return [start + _LARGEST * index for index in range(len(codes))]


def _runnable(page: bytes) -> int:
    """Return the address of a page of instructions, ready to be run."""
    try:
        file = os.memfd_create("empycustom")
        try:
            os.write(file, page)
            start: int = glib.mmap(0, _PAGE, _READ_AND_RUN, _PRIVATE, file, 0)
        finally:
            os.close(file)
    except OSError as error:
        raise NativeError(f"a file in memory cannot be made ({error})") from error
    if start == _FAILED:
        raise NativeError(
            "this system does not let a process run code that it made (SELinux: deny_execmem); allow it for this program"
        )
    return start


_USER_META_DATA = 40  # where in a NvDsUserMeta the blob lies


@lru_cache(maxsize=1)
def rc_blob_functions() -> tuple[int, int]:
    """Return the addresses of ``copy_func`` and ``release_func`` for metadata whose ``user_meta_data`` is a blob.

    They stay where they are until the process is gone. Raises DeepStreamError where the system does not let them be.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise DeepStreamError(
            f"attributes cannot be attached to DeepStream metadata on {machine}; DeepStream runs on {', '.join(MACHINES)}"
        )
    functions = [address_of(ffi.addressof(glib, name)) for name in ("g_atomic_rc_box_acquire", "g_atomic_rc_box_release")]
    try:
        copy, release = make_trampolines((_USER_META_DATA, function) for function in functions)
    except NativeError as error:
        raise DeepStreamError(f"attributes cannot be attached to DeepStream metadata: {error}") from error
    return copy, release


_pointer, _number = Struct("=Q"), Struct("=I")


def new_rc_blob(size: int, texts: Mapping[int, bytes], numbers: Mapping[int, int]) -> int:
    """Return the address of a new blob: a structure of ``size`` bytes, zeros but for what is given by its place in it.

    ``texts`` are put behind the structure, each with a NUL at its end, and pointed to; ``numbers`` are ints of 32 bits, with a
    sign or without.
    """
    total = size + sum(len(text) + 1 for text in texts.values())
    blob: int = glib.g_atomic_rc_box_alloc0(total)
    memory, end = ffi.buffer(ffi.cast("char *", blob), total), size
    for place, number in numbers.items():
        _number.pack_into(memory, place, number % 2**32)
    for place, text in texts.items():
        _pointer.pack_into(memory, place, blob + end)
        memory[end : end + len(text)] = text
        end += len(text) + 1
    return blob
