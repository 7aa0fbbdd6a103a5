"""Elements upstream that add borders where they scale: what GStreamer makes of boxes there is wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from empycustom.gstreamer import Gst, GstVideo


def adds_borders(pad: Any) -> str | None:
    """Return the name of the next element upstream of a sink pad that adds borders to its frames; None: there is none."""
    while (element := _upstream(pad)) is not None:
        sinks = element.sinkpads
        if len(sinks) != 1:  # a source, or one that makes one stream of several
            return None
        pad = sinks[0]
        if _has_borders(element):
            return str(element.get_name())
    return None


def _upstream(pad: Any) -> Any:
    """Return the element that a sink pad gets its frames from, in whatever bin it is; None: it is not linked."""
    peer = pad.get_peer()
    while isinstance(peer, Gst.ProxyPad):
        # A ghost pad stands for a pad in its bin; a plain proxy pad is the inner side of one, and its parent the outer side.
        peer = peer.get_target() if isinstance(peer, Gst.GhostPad) else peer.get_parent().get_peer()
    return peer.get_parent_element() if peer else None


def _has_borders(element: Any) -> bool:
    if element.find_property("add-borders") is None or not element.get_property("add-borders"):
        return False
    shapes = [_shape(pad.get_current_caps()) for pad in (*element.sinkpads, *element.srcpads)]
    return None not in shapes and len(set(shapes)) > 1


def _shape(caps: Any) -> Fraction | None:
    """Return width to height of frames as they are shown; None where the caps do not say."""
    info = GstVideo.VideoInfo.new_from_caps(caps) if caps else None
    return Fraction(info.width * info.par_n, info.height * info.par_d) if info and info.height and info.par_d else None
