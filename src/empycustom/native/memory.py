"""Fields of C structures by their address: a fifth of what attributes of cffi's cost, which counts where a buffer passes.

An address that is none ends the process, as in C.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct, calcsize
from typing import Any

from empycustom.native.declarations import ffi

# All memory of the process, from address 0. Nothing is looked at until something is read.
_MEMORY: Any = ffi.buffer(ffi.cast("char *", 0), 2**62)
_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}  # of the struct module; capitals are unsigned

Reader = Callable[[int], tuple[Any, ...]]
Writer = Callable[..., None]


def reader(structure: str, *names: str) -> Reader:
    """Return what reads the fields ``names`` of a structure of declared.h at an address, given in the order in which they lie.

    Such as this one::

        read = reader("GstBuffer", "mini_object.flags", "pts")
        flags, pts = read(address)

    Pointers are integers.
    """
    places = [_place(ffi.typeof(structure), name) for name in names]
    return fields(*((offset, _code(kind)) for offset, kind in places))


def fields(*places: tuple[int, str]) -> Reader:
    """Return what reads values at an address, each given by its offset from there and its code of the struct module."""
    pattern, end = "=", 0
    for offset, code in places:
        pattern += f"{offset - end}x{code}"
        end = offset + calcsize(f"={code}")
    return values(pattern)


def values(pattern: str) -> Reader:
    """Return what reads values at an address, laid out as a pattern of the struct module says."""
    return partial(Struct(pattern).unpack_from, _MEMORY)


def writer(pattern: str) -> Writer:
    """Return what writes values to an address, laid out as a pattern says; it must have no padding, which would become zeros."""
    return partial(Struct(pattern).pack_into, _MEMORY)


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


_item = reader("GList", "data", "next")


def items(item: int) -> list[int]:
    """Return the pointers in the GList that begins at an address; 0 is the empty one."""
    found = []
    while item:
        data, item = _item(item)
        found.append(data)
    return found


def single(value: float) -> float:
    """Return a C float as the number that it was written as: 0.979, not 0.9789999723434448."""
    return float(f"{value:.7g}")
