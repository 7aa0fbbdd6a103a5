"""GstGVAJSONMeta, in which DL Streamer keeps messages on buffers. Its plugin registers it when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable

from empycustom.errors import NativeError
from empycustom.native.loading import bytes_of, ffi, glib, gst, reader, text_at, writer
from empycustom.native.metas import remove_meta
from empycustom.native.own_metas import check_writable

_NAME, _API_NAME = b"GstGVAJSONMeta", b"GstGVAJSONMetaAPI"
_message, _set_message = reader(_NAME.decode(), "message"), writer(_NAME.decode(), "message")


def message_api() -> int:
    """Return the GType of the API of these metas, 0: DL Streamer is not in this process."""
    return int(glib.g_type_from_name(_API_NAME))


def can_add_messages() -> bool:
    """Return whether DL Streamer has registered the metas in this process."""
    return bool(message_api() and gst.gst_meta_get_info(_NAME))


def messages_at(metas: Iterable[int]) -> list[str]:
    """Return the messages in metas, by their addresses; those without a text are left out."""
    return [text_at(message) for (message,) in map(_message, metas) if message]


def add_message(address: int, message: str) -> None:
    """Add a message to a writable buffer. Raises NotWritableError, NativeError where DL Streamer is not there."""
    check_writable(address)
    info = gst.gst_meta_get_info(_NAME)
    meta = gst.gst_buffer_add_meta(address, info, 0) if info else 0
    if not meta:
        raise NativeError("GStreamer refused to add a message of DL Streamer")
    _set_message(meta, glib.g_strdup(ffi.new("char[]", bytes_of(message))))


def remove_messages(address: int, metas: Iterable[int]) -> None:
    """Remove metas of a writable buffer, by their addresses. Raises NotWritableError."""
    check_writable(address)
    for meta in metas:
        remove_meta(address, meta)
