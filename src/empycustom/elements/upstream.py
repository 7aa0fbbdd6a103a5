"""The elements that frames come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from empycustom.gstreamer import Gst


def upstream_of(pad: Any) -> Iterator[Any]:
    """Yield the elements upstream of a sink pad, the next one first, up to a source, or one that makes one stream of several."""
    while (source := _before(pad)) is not None:
        sinks = _linked_inside(source)
        if len(sinks) != 1:
            return
        yield source.get_parent_element()
        pad = sinks[0]


def _before(pad: Any) -> Any:
    """Return the pad of an element that a sink pad gets its frames from, in whatever bin it is; None: it is not linked."""
    peer = pad.get_peer()
    while isinstance(peer, Gst.ProxyPad):
        # A ghost pad stands for a pad in its bin; a plain proxy pad is the inner side of one, and its parent the outer side.
        peer = peer.get_target() if isinstance(peer, Gst.GhostPad) else peer.get_parent().get_peer()
    return peer if peer and peer.get_parent_element() else None


def _linked_inside(source: Any) -> list[Any]:
    """Return the sink pads that what leaves an element at a source pad has come by; a multiqueue has one for each stream."""
    found: list[Any] = []
    pads = source.iterate_internal_links()
    while pads:
        result, pad = pads.next()
        if result == Gst.IteratorResult.OK:
            found.append(pad)
        elif result == Gst.IteratorResult.RESYNC:
            found.clear()
            pads.resync()
        else:
            break
    return found
