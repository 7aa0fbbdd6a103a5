"""The buffer as a callback gets it."""

from __future__ import annotations

from typing import Any

from empycustom.errors import NativeError
from empycustom.gstreamer import Gst
from empycustom.native.maps import LooseMap


class Buffer(Gst.Buffer):
    """A ``Gst.Buffer`` that forgives a forgotten ``unmap``.

    With GStreamer's own a map that is not ended leaks the pixels of the frame, and keeps downstream from writing. Here it ends
    with the last array over it; ``unmap`` ends it at once, as usual.
    """

    def map(self, flags: Any) -> Any:
        """Map the buffer; returns a ``Gst.MapInfo``, which unpacks as ``(success, map_info)``."""
        info = Gst.MapInfo()
        try:
            loose = LooseMap(hash(self), int(flags))
        except NativeError:
            return info  # unpacks as (False, ...)
        info.user_data, info.data, info.flags, info.__parent__ = loose, loose.data, flags, self
        info.size = info.maxsize = loose.data.nbytes
        return info

    def unmap(self, info: Any) -> bool:
        """End a map that ``map`` began."""
        if not isinstance(info.user_data, LooseMap):
            return bool(super().unmap(info))
        info.user_data.unmap()
        info.user_data = info.data = info.__parent__ = None
        return True


def hand_over(buffer: Any) -> Any:
    """Turn a ``Gst.Buffer`` into a Buffer, in place, and return it."""
    buffer.__class__ = Buffer
    return buffer
