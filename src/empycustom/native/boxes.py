"""Values that C copies and frees without Python.

DeepStream copies and frees user metadata through two functions that lie beside it, ``copy_func`` and ``release_func``; both get
the NvDsUserMeta. They are called on whatever thread drops the buffer, also when Python has ended, and a function written in
Python ends the process then. So none is: GLib has a block of memory that counts its references, a *box* here, and the right pair
of functions for it, except that they take the box itself, which lies in the last field of the NvDsUserMeta. Two jumps of
:mod:`empycustom.native.jumps` fetch it from there and go on to GLib's.

A copy shares the box. So nothing in it changes once it is attached; whoever has something new to say attaches another box.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from struct import Struct

from empycustom.errors import DeepStreamError, NativeError
from empycustom.native.declarations import address_of, ffi, glib
from empycustom.native.jumps import MACHINES, jumps

_DATA = 40  # where in a NvDsUserMeta the box lies


@lru_cache(maxsize=1)
def copy_and_release() -> tuple[int, int]:
    """Return the addresses of the two functions for metadata whose ``user_meta_data`` is a box.

    They stay where they are until the process is gone. Raises DeepStreamError where the system does not let them be.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise DeepStreamError(
            f"words cannot be attached to DeepStream metadata on {machine}; DeepStream runs on {', '.join(MACHINES)}"
        )
    functions = [address_of(ffi.addressof(glib, name)) for name in ("g_atomic_rc_box_acquire", "g_atomic_rc_box_release")]
    try:
        copy, release = jumps((_DATA, function) for function in functions)
    except NativeError as error:
        raise DeepStreamError(f"words cannot be attached to DeepStream metadata: {error}") from error
    return copy, release


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
