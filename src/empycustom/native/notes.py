"""Our own custom meta: a frame's number and time, and a JSON text."""

from __future__ import annotations

from typing import NamedTuple

from empycustom.errors import NativeError
from empycustom.native.declarations import (
    CHARS,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    META,
    POINTER,
    address_of,
    bytes_of,
    ffi,
    glib,
    gst,
)
from empycustom.native.memory import reader
from empycustom.native.metas import AS_IT_IS, COPY
from empycustom.native.structures import DATA, text_in, uint64_in

_references = reader("GstBuffer", "mini_object.refcount")
_UINT64, _STRING = (ffi.cast("GType", number) for number in (G_TYPE_UINT64, G_TYPE_STRING))


class Note(NamedTuple):
    """What our custom meta holds: the frame's number and time, and a JSON text (empty: nothing was said)."""

    frame_num: int
    timestamp: str
    json: str


class NoteMeta:
    """Our own custom meta, under one name for the whole process.

    It has no tags and no transform function, so that it is all C and survives whatever copies, converts or scales a buffer.
    """

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        info = gst.gst_meta_get_info(self._name)
        if not info:
            tags = ffi.new("char *[]", [ffi.NULL])
            info = gst.gst_meta_register_custom(self._name, tags, ffi.NULL, ffi.NULL, ffi.NULL)
        if not info:
            raise NativeError(f"GStreamer refused to register the custom meta {name}")
        self.api: int = info.api
        self._short, self._long = _Pattern(self._name, b"timestamp"), _Pattern(self._name, b"timestamp", b"json")

    def read(self, meta_address: int) -> Note:
        """Read the note at the address of its meta."""
        structure = gst.gst_custom_meta_get_structure(meta_address)
        number, timestamp = uint64_in(structure, b"frame-num"), text_in(structure, b"timestamp")
        return Note(number or 0, timestamp or "", text_in(structure, b"json") or "")

    def write(self, address: int, meta_address: int, note: Note) -> None:
        """Write the note to a writable buffer, into its meta at ``meta_address`` or, if 0, into a new one."""
        pattern = self._long if note.json else self._short
        pattern.fill(note.frame_num, note.timestamp)
        if note.json:
            pattern.say(note.json)
        if not meta_address:
            pattern.copy_to(address)
            return
        structure = gst.gst_custom_meta_get_structure(meta_address)
        pattern.set_in(structure)
        if not note.json:
            gst.gst_structure_remove_field(structure, b"json")


class _Pattern:
    """A note on a buffer of our own. To add a note is to fill it in and to copy it: one call into C instead of one a field."""

    def __init__(self, meta_name: bytes, *texts: bytes) -> None:
        self._buffer = ffi.gc(ffi.cast(POINTER, gst.gst_buffer_new()), gst.gst_mini_object_unref)
        self._address = address_of(self._buffer)
        self._meta = gst.gst_buffer_add_custom_meta(self._address, meta_name)
        self._copy = ffi.cast(META, self._meta).info.transform
        structure = gst.gst_custom_meta_get_structure(self._meta)
        gst.gst_structure_set(structure, b"frame-num", _UINT64, ffi.cast("uint64_t", 0), ffi.NULL)
        for name in texts:
            gst.gst_structure_set(structure, name, _STRING, ffi.NULL, ffi.NULL)
        self._values = {name: gst.gst_structure_get_value(structure, name) for name in (b"frame-num", *texts)}
        number, *pointers = self._values.values()
        for pointer in pointers:
            glib.g_value_set_static_string(pointer, ffi.NULL)  # from now on the text is not the value's own
        self._number = ffi.cast("uint64_t *", number + DATA)
        self._timestamp, *self._json = [ffi.cast("const char **", pointer + DATA) for pointer in pointers]

    def fill(self, number: int, timestamp: str) -> None:
        """Write number and time."""
        self._number[0] = number
        self._timestamp[0] = self._timestamp_text = ffi.new(CHARS, bytes_of(timestamp))

    def say(self, json: str) -> None:
        """Write the JSON."""
        self._json[0][0] = self._json_text = ffi.new(CHARS, bytes_of(json))

    def copy_to(self, address: int) -> None:
        """Add what was filled in to a writable buffer."""
        # GStreamer's copying does not look whether it may.
        if _references(address)[0] != 1 and not gst.gst_mini_object_is_writable(address):
            raise NativeError("GStreamer refuses to add the custom meta: the buffer is not writable")
        self._copy(address, self._meta, self._address, COPY, AS_IT_IS)

    def set_in(self, structure: int) -> None:
        """Set the fields of another note's structure."""
        for name, value in self._values.items():
            gst.gst_structure_set_value(structure, name, value)
