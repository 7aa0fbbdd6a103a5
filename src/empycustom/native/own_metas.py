"""Our own metas on a buffer: a JSON text, and a stamp with the frame's number and time; and reading all metas of a buffer once.

An address of a meta is good as long as the meta is on its buffer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from empycustom.errors import NativeError, NotWritableError
from empycustom.native.loading import (
    CHARS,
    DATA,
    G_TYPE_STRING,
    G_TYPE_UINT64,
    META,
    POINTER,
    address_of,
    ffi,
    glib,
    gst,
    reader,
    uint64_in,
)
from empycustom.native.memory import is_writable
from empycustom.native.metas import (
    AS_IT_IS,
    COPY,
    PARENT_API,
    VIDEO_META_API,
    Snapshot,
    VideoLayout,
    layout_at,
    scan,
)

Runs = Sequence[tuple[int, list[int]]]
"""Metas: the type of an API, and the addresses of those of this API that lie side by side."""
META_NAME = "EmPyCustomMeta"


class Metas:
    """What lies on a buffer, read once.

    ``jsons`` are the addresses of our custom metas, ``text`` is the first text in them, in UTF-8, empty: there is none. ``stamp``
    is the last one: the frame's number, and its time in nanoseconds since 1970. ``video`` is the address of the last
    GstVideoMeta, 0: there is none. ``has_parent``: it keeps another buffer. ``others`` are all other metas, in the order in which
    they lie. ``copy``: the buffer of our own on which they lie, if they are those of a copy.
    """

    jsons: tuple[int, ...] = ()
    text = b""
    stamp: tuple[int, int] | None = None
    video = 0
    has_parent = False
    others: Runs = ()
    copy: Snapshot | None = None

    @property
    def layout(self) -> VideoLayout | None:
        """The layout in the GstVideoMeta, None where there is none."""
        return layout_at(self.video) if self.video else None


NO_METAS = Metas()


def metas_on(address: int) -> Metas:
    """Read the metas of the buffer at ``address``."""
    found, last = NO_METAS, 0
    run: list[int] = []
    for api, meta in scan(address):
        if found is NO_METAS:
            found = Metas()
        if api in _READ:
            _READ[api](found, meta)
        elif api == last:
            run.append(meta)
        else:
            last, run = api, [meta]
            found.others = [*found.others, (api, run)]
    return found


def check_writable(address: int) -> None:
    """Raise NotWritableError where the buffer at ``address`` may not be written."""
    if not is_writable(address):
        raise NotWritableError("GStreamer refuses to attach anything: the buffer is not writable")


def copied(address: int) -> Metas:
    """Return the metas of a copy of the buffer at ``address``, without its pixels. They last as long as this object."""
    copy = Snapshot(address)
    found = metas_on(copy.address)
    found.copy = copy
    return found


def _read_json(found: Metas, meta: int) -> None:
    found.jsons += (meta,)
    found.text = found.text or text_at(meta)


def _read_stamp(found: Metas, meta: int) -> None:
    found.stamp = stamp_at(meta) or found.stamp


def _read_video(found: Metas, meta: int) -> None:
    found.video = meta


def _read_parent(found: Metas, meta: int) -> None:  # noqa: ARG001 - all of them have two
    found.has_parent = True


# A frame's number and time on its buffer, where no library attached anything to it.
#
# They are the two numbers of a GstReferenceTimestampMeta, whose reference is caps of our own: one call into C, no text, and every
# element copies it to whatever it makes of the buffer.


STAMP_API: int = gst.gst_reference_timestamp_meta_api_get_type()
# What reads a meta, by its API; that of our custom meta is added when it is registered.
_READ = {STAMP_API: _read_stamp, VIDEO_META_API: _read_video, PARENT_API: _read_parent}
FRAME_NUMBERS = 2**63  # so many; what counts on from one of them never leaves the 64 bits that it is kept in
_MAY_BE_LEAKED = 1 << 2  # GstMiniObjectFlags
_REFERENCE: int = gst.gst_caps_new_empty_simple(b"timestamp/x-empycustom")
ffi.cast("GstMiniObject *", _REFERENCE).flags |= _MAY_BE_LEAKED
_read = reader("GstReferenceTimestampMeta", "reference", "timestamp", "duration")
_add = gst.gst_buffer_add_reference_timestamp_meta
_references = reader("GstBuffer", "mini_object.refcount")


def add_stamp(address: int, frame_num: int, time_ns: int) -> None:
    """Stamp a buffer, if it can be written; ``time_ns`` is since the epoch."""
    if _references(address)[0] == 1 or is_writable(address):
        _add(address, _REFERENCE, time_ns, frame_num % FRAME_NUMBERS)


def stamp_at(meta_address: int) -> tuple[int, int] | None:
    """Return frame number and time of the stamp at the address of its meta; None where it is another one's timestamp.

    None also where the number is too large: an element that makes the meta anew may leave out what is a duration to it.
    """
    reference, time_ns, frame_num = _read(meta_address)
    return (frame_num, time_ns) if reference == _REFERENCE and frame_num < FRAME_NUMBERS else None


# Our own custom meta: a JSON text on a buffer, and the frame's number beside it.


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


class JsonMeta:
    """Writes the custom meta of a name: a JSON text on a buffer, and the frame's number beside it. Any thread may use it.

    It has no tags and no transform function, so that it is all C and survives whatever copies, converts or scales a buffer.

    To add one, the one on a buffer of our own is filled in and copied: one call into C instead of one for the meta, one for its
    structure and one for each field.
    """

    def __init__(self, name: str = META_NAME) -> None:
        self.api: int = _registered(name.encode()).api
        if name == META_NAME:
            _READ[self.api] = _read_json
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
        self._filling = threading.Lock()

    def add(self, address: int, frame_num: int, text: str | bytes) -> None:
        """Add the meta to the writable buffer at ``address``; no NUL is in ``text``. Raises NotWritableError."""
        if _references(address)[0] != 1:
            check_writable(address)  # GStreamer's copying does not look
        chars = ffi.new(CHARS, text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
        with self._filling:
            self._number[0], self._pointer[0] = frame_num, chars
            self._copy(address, self._meta, self._address, COPY, AS_IT_IS)

    def replace(self, address: int, meta_address: int, frame_num: int, text: str | bytes) -> None:
        """Write into the meta at ``meta_address``, which is on the writable buffer at ``address``. Raises NotWritableError."""
        check_writable(address)
        structure = gst.gst_custom_meta_get_structure(meta_address)
        chars = ffi.new(CHARS, text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
        with self._filling:
            self._number[0], self._pointer[0] = frame_num, chars
            for name, value in self._values.items():
                gst.gst_structure_set_value(structure, name, value)

    def find(self, address: int) -> int:
        """Return the address of the first such meta on a buffer, 0: it has none."""
        return int(gst.gst_buffer_get_meta(address, self.api))


def text_at(meta_address: int) -> bytes:
    """Return the text in the custom meta at an address, in UTF-8; the empty text where it has none."""
    text = _string_in(_structure(meta_address)[0], _JSON)
    return _bytes_at(text) if text else b""


def frame_num_at(meta_address: int) -> int | None:
    """Return the frame's number in the custom meta at an address; None where it is not there, or too large."""
    number = uint64_in(_structure(meta_address)[0], _NUMBER)
    return number if number is not None and number < FRAME_NUMBERS else None


_structure, _string_in, _bytes_at = reader("GstCustomMeta", "structure"), gst.gst_structure_get_string, ffi.string
