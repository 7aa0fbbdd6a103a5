"""A frame's number and time on its buffer, where nothing was said about it.

They are the two numbers of a GstReferenceTimestampMeta, whose reference is caps of our own: one call into C, no text, and every
element copies it to whatever it makes of the buffer.
"""

from __future__ import annotations

from empycustom.errors import NativeError
from empycustom.native.declarations import ffi, gst
from empycustom.native.memory import reader
from empycustom.native.metas import check_writable

API: int = gst.gst_reference_timestamp_meta_api_get_type()
FRAME_NUMBERS = 2**63  # so many; what counts on from one of them never leaves the 64 bits that it is kept in
_MAY_BE_LEAKED = 1 << 2  # GstMiniObjectFlags
_REFERENCE: int = gst.gst_caps_new_empty_simple(b"timestamp/x-empycustom")
ffi.cast("GstMiniObject *", _REFERENCE).flags |= _MAY_BE_LEAKED
_read = reader("GstReferenceTimestampMeta", "reference", "timestamp", "duration")
_add = gst.gst_buffer_add_reference_timestamp_meta


def add_stamp(address: int, frame_num: int, time_ns: int) -> None:
    """Stamp a writable buffer; ``time_ns`` is since the epoch."""
    if not _add(address, _REFERENCE, time_ns, frame_num % FRAME_NUMBERS):
        check_writable(address)
        raise NativeError("GStreamer refused to stamp the buffer")


def stamp_at(meta_address: int) -> tuple[int, int] | None:
    """Return frame number and time of the stamp at the address of its meta; None where it is another one's timestamp.

    None also where the number is too large: an element that makes the meta anew may leave out what is a duration to it.
    """
    reference, time_ns, frame_num = _read(meta_address)
    return (frame_num, time_ns) if reference == _REFERENCE and frame_num < FRAME_NUMBERS else None
