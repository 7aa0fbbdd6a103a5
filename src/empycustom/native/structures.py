"""GstStructure: the fields of the kinds that metadata is written in."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from empycustom.native.declarations import (
    CHARS,
    G_TYPE_DOUBLE,
    G_TYPE_INT,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    bytes_of,
    ffi,
    glib,
    gst,
    text,
    text_at,
)
from empycustom.native.memory import values

DATA: int = ffi.offsetof("GValue", "data")  # where in a GValue the value lies
_as_int, _as_uint64, _as_double = values("=Qi"), values("=QQ"), values("=Qd")  # a GValue: its type, and what it holds
_PLAIN_TYPES = {int: (G_TYPE_INT, "int"), float: (G_TYPE_DOUBLE, "double"), str: (G_TYPE_STRING, "")}
_get = gst.gst_structure_get_value


# Fields of the structure at an address; None where there is no field of that name and type.


def text_in(structure: int, name: bytes) -> str | None:
    """Return a text."""
    value = _get(structure, name)
    kind, pointer = _as_uint64(value) if value else (0, 0)
    return text_at(pointer) if kind == G_TYPE_STRING and pointer else None


def int_in(structure: int, name: bytes) -> int | None:
    """Return an int of 32 bits."""
    value = _get(structure, name)
    kind, number = _as_int(value) if value else (0, 0)
    return number if kind == G_TYPE_INT else None


def uint64_in(structure: int, name: bytes) -> int | None:
    """Return an int of 64 bits without a sign."""
    value = _get(structure, name)
    kind, number = _as_uint64(value) if value else (0, 0)
    return number if kind == G_TYPE_UINT64 else None


def double_in(structure: int, name: bytes) -> float | None:
    """Return a float."""
    value = _get(structure, name)
    kind, number = _as_double(value) if value else (0, 0.0)
    return number if kind == G_TYPE_DOUBLE else None


@lru_cache(maxsize=1024)
def text_of_quark(quark: int) -> str:
    """Return the text that a quark stands for, for ever."""
    return text(glib.g_quark_to_string(quark))


def name_of(structure: int) -> str:
    """Return a structure's name."""
    return text_of_quark(gst.gst_structure_get_name_id(structure))


def set_field(structure: int, name: str, value: Any) -> None:
    """Set a field to an int (of 64 bits, without a sign, where 32 do not hold it), a float or a text."""
    gtype, ctype = _PLAIN_TYPES[type(value)]
    if gtype == G_TYPE_INT and not -(2**31) <= value < 2**31:  # an id of a tracker that counts further
        gtype, ctype = G_TYPE_UINT64, "uint64_t"
    argument = ffi.new(CHARS, bytes_of(value)) if gtype == G_TYPE_STRING else ffi.cast(ctype, value)
    gst.gst_structure_set(structure, name.encode(), ffi.cast("GType", gtype), argument, ffi.NULL)
