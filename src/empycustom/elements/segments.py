"""Where a frame is in its video: ``stream_time``, from the GstSegment that its pts lies in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from empycustom.elements.upstream import upstream_of
from empycustom.gstreamer import Gst
from empycustom.meta.model import NO_PTS

NO_TIME = 2**64 - 1  # GST_CLOCK_TIME_NONE
# Where the times in a file do not begin at 0, these take the first one for the position; others begin at 0 all the same.
_COUNT_AS_THE_FILE = {"flvdemux", "mpegpsdemux", "tsdemux"}

StreamTime = Callable[[int], int]


def unknown(_pts: int) -> int:
    """Return -1, for whatever pts: no segment is known."""
    return NO_PTS


def beginning_of(segment: Any, pad: Any) -> int:
    """Return the stream time at which a video begins whose first segment came to a sink pad, in nanoseconds. Without a pad: 0."""
    if pad is None or segment.time in (0, NO_TIME) or segment.format != Gst.Format.TIME:
        return 0
    names = (element.get_factory().get_name() for element in upstream_of(pad) if element.get_factory())
    return int(segment.time) if not _COUNT_AS_THE_FILE.isdisjoint(names) else 0


def stream_time_in(segment: Any, beginning: int) -> StreamTime:
    """Return what says of a pts where in the video it is; -1: no pts, or none in this segment.

    ``beginning`` is the segment's own time at which the video begins.
    """
    if segment.format != Gst.Format.TIME or segment.time == NO_TIME:
        return unknown
    if segment.applied_rate != 1:
        own = segment.copy()
        return lambda pts: -1 if (time := own.to_stream_time(Gst.Format.TIME, pts)) == NO_TIME else time - beginning
    start, last = segment.start, min(segment.stop, NO_TIME - 1)
    shift = segment.time - start - beginning
    return lambda pts: pts + shift if start <= pts <= last else NO_PTS
