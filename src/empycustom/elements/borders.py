"""Elements upstream that add borders where they scale: what GStreamer makes of boxes there is wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from empycustom.elements.upstream import upstream_of
from empycustom.gstreamer import GstVideo


def adds_borders(pad: Any) -> str | None:
    """Return the name of the next element upstream of a sink pad that adds borders to its frames; None: there is none."""
    return next((str(element.get_name()) for element in upstream_of(pad) if _has_borders(element)), None)


def _has_borders(element: Any) -> bool:
    if element.find_property("add-borders") is None or not element.get_property("add-borders"):
        return False
    shapes = [_shape(pad.get_current_caps()) for pad in (*element.sinkpads, *element.srcpads)]
    return None not in shapes and len(set(shapes)) > 1


def _shape(caps: Any) -> Fraction | None:
    """Return width to height of frames as they are shown; None where the caps do not say."""
    info = GstVideo.VideoInfo.new_from_caps(caps) if caps else None
    return Fraction(info.width * info.par_n, info.height * info.par_d) if info and info.height and info.par_d else None
