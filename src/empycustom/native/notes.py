"""Our own custom meta: a JSON text on a buffer, and the frame's number beside it."""

from __future__ import annotations

import threading
from typing import Any

from empycustom.errors import NativeError
from empycustom.native.declarations import (
    CHARS,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    META,
    POINTER,
    address_of,
    ffi,
    glib,
    gst,
)
from empycustom.native.metas import AS_IT_IS, COPY, check_writable
from empycustom.native.stamps import FRAME_NUMBERS
from empycustom.native.structures import DATA, text_in, uint64_in

_NUMBER, _JSON = b"frame-num", b"json"  # the fields
_registering = threading.Lock()


def _registered(name: bytes) -> Any:
    """Return the GstMetaInfo of the custom meta of a name, which is registered where nobody has done it; from any thread."""
    with _registering:  # GStreamer has no one call for both, and refuses the second of two who register
        info = gst.gst_meta_get_info(name)
        if not info:
            tags = ffi.new("char *[]", [ffi.NULL])
            # Somebody in C, who does not know of our lock, may have been faster.
            info = gst.gst_meta_register_custom(name, tags, ffi.NULL, ffi.NULL, ffi.NULL) or gst.gst_meta_get_info(name)
    if not info:
        raise NativeError(f"GStreamer refused to register the custom meta {name.decode()}")
    return info


class NoteMeta:
    """Our own custom meta, under one name for the whole process.

    It has no tags and no transform function, so that it is all C and survives whatever copies, converts or scales a buffer.

    To add a note, the one on a buffer of our own is filled in and copied: one call into C instead of one for the meta, one for
    its structure and one for each field.
    """

    def __init__(self, name: str) -> None:
        self.api: int = _registered(name.encode()).api
        self._buffer = ffi.gc(ffi.cast(POINTER, gst.gst_buffer_new()), gst.gst_mini_object_unref)
        self._address = address_of(self._buffer)
        self._meta = gst.gst_buffer_add_custom_meta(self._address, name.encode())
        self._copy = ffi.cast(META, self._meta).info.transform
        structure = gst.gst_custom_meta_get_structure(self._meta)
        gst.gst_structure_set(structure, _NUMBER, ffi.cast("GType", G_TYPE_UINT64), ffi.cast("uint64_t", 0), ffi.NULL)
        gst.gst_structure_set(structure, _JSON, ffi.cast("GType", G_TYPE_STRING), ffi.NULL, ffi.NULL)
        self._values = {name: gst.gst_structure_get_value(structure, name) for name in (_NUMBER, _JSON)}
        glib.g_value_set_static_string(self._values[_JSON], ffi.NULL)  # from now on the text is not the value's own
        self._number = ffi.cast("uint64_t *", self._values[_NUMBER] + DATA)
        self._pointer = ffi.cast("const char **", self._values[_JSON] + DATA)
        self._text: Any = None

    def read(self, meta_address: int) -> str:
        """Return the text of the note at the address of its meta, the empty text if it has none."""
        return text_in(gst.gst_custom_meta_get_structure(meta_address), _JSON) or ""

    def number_at(self, meta_address: int) -> int | None:
        """Return the frame's number beside the text, None if it is not there, or too large."""
        number = uint64_in(gst.gst_custom_meta_get_structure(meta_address), _NUMBER)
        return number if number is not None and number < FRAME_NUMBERS else None

    def write(self, address: int, meta_address: int, frame_num: int, text: str) -> None:
        """Write number and text (no NUL in it) to a writable buffer, into the note at ``meta_address`` or, if 0, a new one."""
        check_writable(address)  # neither GStreamer's copying looks whether it may, nor can a structure be written then
        self._number[0] = frame_num
        self._text = self._pointer[0] = ffi.new(CHARS, text.encode("utf-8", "backslashreplace"))
        if meta_address:
            structure = gst.gst_custom_meta_get_structure(meta_address)
            for name, value in self._values.items():
                gst.gst_structure_set_value(structure, name, value)
            return
        self._copy(address, self._meta, self._address, COPY, AS_IT_IS)
