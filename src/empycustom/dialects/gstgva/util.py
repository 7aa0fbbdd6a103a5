"""``gstgva.util``: what modules use of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from empycustom.errors import NativeError
from empycustom.gstreamer import GstVideo
from empycustom.native.library_of_gst import libgst
from empycustom.native.memory import AutoMap

__all__ = ["TRANSFORM_IP_BUFFER", "GVAJSONMetaStr", "VideoInfoFromCaps", "gst_buffer_data", "libgst"]


class GVAJSONMetaStr(str):
    """A message of a frame, as ``VideoFrame.messages`` returns it and ``remove_message`` takes it."""

    __slots__ = ()


@contextmanager
def gst_buffer_data(buffer: Any, flags: Any) -> Iterator[Any]:
    """Map a buffer, and give its bytes as a memoryview, read-only unless the flags have WRITE. Raises RuntimeError."""
    try:
        mapped = AutoMap(hash(buffer), int(flags))
    except NativeError as error:
        raise RuntimeError(f"the buffer cannot be mapped: {error}") from error
    try:
        yield mapped.data
    finally:
        mapped.unmap()


@contextmanager
def TRANSFORM_IP_BUFFER(buffer: Any) -> Iterator[Any]:
    """Give the buffer: the one that a callback gets can be written."""
    yield buffer


def VideoInfoFromCaps(caps: Any) -> Any:
    """Return the GstVideo.VideoInfo of caps."""
    return GstVideo.VideoInfo.new_from_caps(caps)
