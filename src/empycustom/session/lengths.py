"""How long a recorded video is, where pieces of it can be played each by itself."""

from __future__ import annotations

from typing import Any

from empycustom.elements import add_elements
from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst
from empycustom.session.excerpt import has_index, why_no_start
from empycustom.session.parts import build
from empycustom.session.playlist import is_picture
from empycustom.session.sources import SOURCE, Source, describe_source, expect_video, playable

_PATIENCE = 20 * Gst.SECOND
_END = "end"
_NO_INDEX = "it has no index of the times in it"  # MPEG-TS, fragmented MP4, raw streams, pipes


def length_of(location: str) -> tuple[int, str]:
    """Return the duration of a video in nanoseconds and ``""``; 0 and the reason where it can be played as a whole alone.

    The reason is ``""`` where there is nothing to be said: it is a picture, a folder, or cannot be played at all, which is
    reported by those who play it. Any thread may call this; it takes as long as the first frame needs.
    """
    add_elements()
    try:
        source = playable(location)
        if is_picture(source.name):
            return 0, ""
        return (0, why) if (why := why_no_start(source)) else _length(source)
    except LaunchError:
        return 0, ""


def _length(source: Source) -> tuple[int, str]:
    pipeline = build(" ".join([*describe_source(source), "!", "fakesink", f"name={_END}"]))
    pad = pipeline.get_by_name(_END).get_static_pad("sink")
    expect_video(pipeline.get_by_name(SOURCE), pad, source.name)
    try:
        if pipeline.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.NO_PREROLL:
            return 0, "it is live"
        ready = pipeline.get_bus().timed_pop_filtered(_PATIENCE, Gst.MessageType.ASYNC_DONE | Gst.MessageType.ERROR)
        return _asked(pad) if ready and ready.type == Gst.MessageType.ASYNC_DONE else (0, "")
    finally:
        pipeline.set_state(Gst.State.NULL)


def _asked(pad: Any) -> tuple[int, str]:
    """Return the length of what has come to a pad."""
    segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
    known, duration = pad.peer_query_duration(Gst.Format.TIME)
    if not known or duration <= 0 or not segment:
        return 0, "its duration is not known"
    return (duration, "") if has_index(pad, segment.parse_segment()) else (0, _NO_INDEX)
