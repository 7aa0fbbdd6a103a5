"""The C libraries, and fields of their structures.

The declarations of the libraries are in declared.h; ``_declared.py`` has them in the form that is read fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from struct import Struct, calcsize
from typing import Any

from empycustom.native import _declared

ffi: Any = _declared.ffi

# Libraries are never closed: callbacks and types that live in them stay.
FLAGS = ffi.RTLD_NOW | ffi.RTLD_GLOBAL | ffi.RTLD_NODELETE
glib: Any = ffi.dlopen("libgobject-2.0.so.0", FLAGS)
gst: Any = ffi.dlopen("libgstreamer-1.0.so.0", FLAGS)
video: Any = ffi.dlopen("libgstvideo-1.0.so.0", FLAGS)
allocators: Any = ffi.dlopen("libgstallocators-1.0.so.0", FLAGS)
try:
    analytics: Any = ffi.dlopen("libgstanalytics-1.0.so.0", FLAGS)
except OSError:  # it came with GStreamer 1.24
    analytics = None

# Types of metas that are used earlier than this are registered without their tags.
gst.gst_init(ffi.NULL, ffi.NULL)

# GLib's fundamental types, as numbers that never change.
G_TYPE_INT, G_TYPE_UINT64, G_TYPE_DOUBLE, G_TYPE_STRING = (number << 2 for number in (6, 11, 15, 16))

# Types that are needed for every buffer; looking one up by its text costs more than the call that it is for.
BUFFER, META, POINTER, TEXT, CHARS, STATE = (
    ffi.typeof(name) for name in ("GstBuffer *", "GstMeta *", "void *", "const char *", "char[]", "void *[1]")
)


def has(library: Any, name: str) -> bool:
    """Return whether a library has a function that is declared."""
    try:
        getattr(library, name)
    except (AttributeError, ffi.error):
        return False
    return True


def address_of(pointer: Any) -> int:
    """Return the address in a pointer."""
    return int(ffi.cast("uintptr_t", pointer))


def text(pointer: Any) -> str:
    """Return the text at a ``char *``, the empty text for NULL; bytes that are not UTF-8 are replaced."""
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


def text_at(address: int) -> str:
    """Return the text at an address, the empty text for 0; bytes that are not UTF-8 are replaced."""
    return text(ffi.cast(TEXT, address))


def bytes_of(value: str) -> bytes:
    """Return a text as C takes it: in UTF-8, without lone surrogates and NULs."""
    return value.encode("utf-8", "backslashreplace").replace(b"\0", b"\\0")


def buffer_at(address: int) -> Any:
    """Return the ``GstBuffer *`` at an address (``hash(buffer)``)."""
    return ffi.cast(BUFFER, address)


# Fields of C structures by their address: a fifth of what attributes of cffi's cost, which counts where a buffer passes.


# All memory of the process, seen from an address on; nothing is looked at until something is read. cffi needs a length: this is
# more than any processor's addresses have bits for, so that none is out of range. An address that is not one of a structure ends
# the process, as it does in C.
_ALL_BYTES = 2**62
_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}  # of the struct module; capitals are unsigned

Reader = Callable[[int], tuple[Any, ...]]
Writer = Callable[..., None]


@lru_cache(maxsize=256)
def reader(structure: str, *names: str) -> Reader:
    """Return a function of C that reads the fields ``names`` of a structure of declared.h, given in the order in which they lie.

    It takes the address of the structure::

        read = reader("GstBuffer", "mini_object.flags", "pts")
        flags, pts = read(address)

    Pointers are integers, arrays of char are bytes; a field that is a structure, or another array, is all values in it.
    """
    begin, pattern = _layout(structure, names)
    return partial(Struct(pattern).unpack_from, _memory_from(begin))


@lru_cache(maxsize=256)
def writer(structure: str, *names: str) -> Writer:
    """Return a function of C that writes fields which lie side by side: of an address and the values, as :func:`reader` has them.

    What lies between two of them, and belongs to neither, becomes zeros.
    """
    begin, pattern = _layout(structure, names)
    return partial(Struct(pattern).pack_into, _memory_from(begin))


def unpacker(pattern: str) -> Reader:
    """Return a function of C that reads values at an address, laid out by a pattern of the struct module."""
    return partial(Struct(pattern).unpack_from, _memory_from(0))


def packer(pattern: str) -> Writer:
    """Return a function of C that writes values to an address, laid out by a pattern of the struct module."""
    return partial(Struct(pattern).pack_into, _memory_from(0))


def offset_of(structure: str, name: str) -> int:
    """Return how many bytes behind the beginning of a structure of declared.h a field of it lies."""
    return _field(ffi.typeof(structure), name)[0]


def pattern_of(structure: str, *names: str) -> str:
    """Return the pattern of the struct module for fields of a structure of declared.h, all of them where none is named."""
    return _layout(structure, names)[1]


def _memory_from(address: int) -> Any:
    return ffi.buffer(ffi.cast("char *", address), _ALL_BYTES)


def _layout(structure: str, names: tuple[str, ...]) -> tuple[int, str]:
    """Return where the first of some fields lies, and the pattern of all from there on."""
    kind = ffi.typeof(structure)
    places = [_field(kind, name) for name in names] or [(0, kind)]
    begin = end = places[0][0]
    pattern = "="
    for place, field in places:
        for at, code in _values(field, place):
            pattern += f"{at - end}x{code}" if at > end else code
            end = at + calcsize(f"={code}")
    return begin, pattern


def _field(kind: Any, name: str) -> tuple[int, Any]:
    offset = 0
    for part in name.split("."):
        field = dict(kind.fields)[part]
        offset, kind = offset + field.offset, field.type
    return offset, kind


def _values(kind: Any, place: int) -> Iterator[tuple[int, str]]:
    """Yield where each value in a field lies, and its code of the struct module."""
    if kind.kind == "struct":
        for _, field in kind.fields:
            yield from _values(field.type, place + field.offset)
    elif kind.kind != "array":
        yield place, _code(kind)
    elif kind.item.cname == "char":
        yield place, f"{kind.length}s"
    else:
        for index in range(kind.length):
            yield from _values(kind.item, place + index * ffi.sizeof(kind.item))


def _code(kind: Any) -> str:
    if kind.cname in ("float", "double"):
        return str(kind.cname[0])
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


# GstStructure: the fields of the kinds that metadata is written in.


DATA: int = ffi.offsetof("GValue", "data")  # where in a GValue its value lies
_as_int, _as_uint64, _as_double = unpacker("=Qi"), unpacker("=QQ"), unpacker("=Qd")  # a GValue: its type, and its value
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
    """Return the text that a quark stands for; it never changes."""
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
