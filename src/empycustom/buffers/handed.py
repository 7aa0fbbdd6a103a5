"""The buffer as a callback gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from empycustom.errors import NativeError
from empycustom.gstreamer import PYGOBJECT_INTERFACE, Gst
from empycustom.native.fastpath import maker
from empycustom.native.maps import LooseMap, reference


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


def borrower() -> Callable[[int], Any]:
    """Return the function that makes a Buffer of the buffer at an address, without a reference, so that it can be written.

    The Buffer must be gone before the buffer, or be handed to :func:`keep`. Only where the fast path is to be had.
    """
    make, gtype = maker(PYGOBJECT_INTERFACE), hash(Gst.Buffer.__gtype__)

    def borrow(address: int) -> Any:
        buffer = make(gtype, address, 0, 0)
        buffer.__class__ = Buffer
        return buffer

    return borrow


def keep(buffer: Any) -> None:
    """Let a borrowed Buffer hold a reference after all, for whoever goes on using it."""
    buffer._reference = reference(hash(buffer))
