"""GstStructure: the fields of the kinds that metadata is written in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from empycustom.native.declarations import (
    CHARS,
    G_TYPE_DOUBLE,
    G_TYPE_INT,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    bytes_of,
    ffi,
    gst,
    text_at,
)
from empycustom.native.memory import reader, values

_type_of = reader("GValue", "g_type")
DATA: int = ffi.offsetof("GValue", "data")  # where in a GValue the value lies
_int, _uint64, _double = values("=i"), values("=Q"), values("=d")
_PLAIN_TYPES = {int: (G_TYPE_INT, "int"), float: (G_TYPE_DOUBLE, "double"), str: (G_TYPE_STRING, "")}

# How the values of a field are read, by their type.
TEXT_FIELD: dict[int, Callable[[int], Any]] = {G_TYPE_STRING: lambda at: text_at(at) if (at := _uint64(at)[0]) else None}
INT_FIELD: dict[int, Callable[[int], Any]] = {G_TYPE_INT: lambda at: _int(at)[0]}
DOUBLE_FIELD: dict[int, Callable[[int], Any]] = {G_TYPE_DOUBLE: lambda at: _double(at)[0]}
UINT64_FIELD: dict[int, Callable[[int], Any]] = {G_TYPE_UINT64: lambda at: _uint64(at)[0]}
WHOLE_FIELD = INT_FIELD | UINT64_FIELD


def field(structure: int, name: bytes, readers: dict[int, Callable[[int], Any]]) -> Any:
    """Return the value of a field, or None where there is none of a type that is looked for."""
    value = gst.gst_structure_get_value(structure, name)
    reader = readers.get(_type_of(value)[0]) if value else None
    return reader(value + DATA) if reader else None


def set_field(structure: int, name: str, value: Any) -> None:
    """Set a field to an int (of 64 bits, without a sign, where 32 do not hold it), a float or a text."""
    gtype, ctype = _PLAIN_TYPES[type(value)]
    if gtype == G_TYPE_INT and not -(2**31) <= value < 2**31:  # an id of a tracker that counts further
        gtype, ctype = G_TYPE_UINT64, "uint64_t"
    argument = ffi.new(CHARS, bytes_of(value)) if gtype == G_TYPE_STRING else ffi.cast(ctype, value)
    gst.gst_structure_set(structure, name.encode(), ffi.cast("GType", gtype), argument, ffi.NULL)
