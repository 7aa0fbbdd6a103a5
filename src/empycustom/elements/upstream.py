"""The elements that frames come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from empycustom.gstreamer import Gst


def upstream_of(pad: Any) -> Iterator[Any]:
    """Yield the elements upstream of a sink pad, the next one first, up to a source, or one that makes one stream of several."""
    sinks = [pad]
    while len(sinks) == 1 and (element := _before(sinks[0])) is not None:
        sinks = element.sinkpads
        if len(sinks) == 1:
            yield element


def _before(pad: Any) -> Any:
    """Return the element that a sink pad gets its frames from, in whatever bin it is; None: it is not linked."""
    peer = pad.get_peer()
    while isinstance(peer, Gst.ProxyPad):
        # A ghost pad stands for a pad in its bin; a plain proxy pad is the inner side of one, and its parent the outer side.
        peer = peer.get_target() if isinstance(peer, Gst.GhostPad) else peer.get_parent().get_peer()
    return peer.get_parent_element() if peer else None
