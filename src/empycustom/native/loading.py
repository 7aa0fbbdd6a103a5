"""The C libraries and what is declared of them in declared.h, which ``_declared.py`` holds in the form that is read fastest."""

from __future__ import annotations

from typing import Any

from empycustom.native import _declared

ffi: Any = _declared.ffi

# Libraries are never closed: callbacks and types that live in them stay.
FLAGS = ffi.RTLD_NOW | ffi.RTLD_GLOBAL | ffi.RTLD_NODELETE
glib: Any = ffi.dlopen("libgobject-2.0.so.0", FLAGS)
gst: Any = ffi.dlopen("libgstreamer-1.0.so.0", FLAGS)
video: Any = ffi.dlopen("libgstvideo-1.0.so.0", FLAGS)

# Types of metas that are asked for earlier than this are registered without their tags.
gst.gst_init(ffi.NULL, ffi.NULL)

# GLib's fundamental types, as numbers that never change.
G_TYPE_INT, G_TYPE_UINT64, G_TYPE_DOUBLE, G_TYPE_STRING = (number << 2 for number in (6, 11, 15, 16))

# Types that are needed for every buffer; looking one up by its text costs more than the call that it is for.
BUFFER, META, POINTER, TEXT, CHARS, STATE = (
    ffi.typeof(name) for name in ("GstBuffer *", "GstMeta *", "void *", "const char *", "char[]", "void *[1]")
)


def has(library: Any, name: str) -> bool:
    """Say whether a library has a function that is declared."""
    try:
        getattr(library, name)
    except (AttributeError, ffi.error):
        return False
    return True


def address_of(pointer: Any) -> int:
    """Return the address that a pointer holds."""
    return int(ffi.cast("uintptr_t", pointer))


def text(pointer: Any) -> str:
    """Return the text at a ``char *``, the empty text for NULL; bytes that are no UTF-8 are replaced."""
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


def text_at(address: int) -> str:
    """Return the text at an address, the empty text for 0; bytes that are no UTF-8 are replaced."""
    return text(ffi.cast(TEXT, address))


def bytes_of(value: str) -> bytes:
    """Return a text as C takes it: in UTF-8, without lone surrogates and NULs."""
    return value.encode("utf-8", "backslashreplace").replace(b"\0", b"\\0")


def buffer_at(address: int) -> Any:
    """Return the ``GstBuffer *`` at an address (``hash(buffer)``)."""
    return ffi.cast(BUFFER, address)
