"""Reading fields of C structures by their address: a fifth of what attributes of cffi's cost, which counts where a buffer passes.

The layouts are those of declared.h; an address that is none ends the process, as in C.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Any

from empycustom.native.declarations import ffi

# All memory of the process, from address 0. Nothing is looked at until something is read.
_MEMORY: Any = ffi.buffer(ffi.cast("char *", 0), 2**62)
_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}  # of the struct module; capitals are unsigned

Reader = Callable[[int], tuple[Any, ...]]


def reader(structure: str, *names: str) -> Reader:
    """Return what reads the fields ``names`` of a structure at an address, given in the order in which they lie.

    Such as this one::

        read = reader("GstBuffer", "mini_object.flags", "pts")
        flags, pts = read(address)

    Pointers are integers.
    """
    pattern, end = "=", 0
    for name in names:
        offset, kind = _place(ffi.typeof(structure), name)
        pattern += f"{offset - end}x{_code(kind)}"
        end = offset + ffi.sizeof(kind)
    return values(pattern)


def values(pattern: str) -> Reader:
    """Return what reads values at an address, laid out as a pattern of the struct module says."""
    return partial(Struct(pattern).unpack_from, _MEMORY)


def _place(kind: Any, name: str) -> tuple[int, Any]:
    offset = 0
    for part in name.split("."):
        field = dict(kind.fields)[part]
        offset, kind = offset + field.offset, field.type
    return offset, kind


def _code(kind: Any) -> str:
    code = _CODES[ffi.sizeof(kind)]
    signed = kind.kind == "primitive" and int(ffi.cast(kind, -1)) < 0
    return code if signed else code.upper()
