"""How messages name frames: by their number and their time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from empycustom.meta.model import NO_PTS

_MOST = 4  # of a batch


def name_frames(frames: Sequence[Mapping[str, Any]]) -> str:
    """Name the frames of a buffer, as in_meta has them: ``frame 7 (0:00:00.233)``; ``""`` where there are none."""
    if len(frames) == 1 and not frames[0]["source_id"]:
        return f"frame {frames[0]['frame_num']} ({_time(frames[0])})"
    names = [f"{frame['frame_num']} ({_time(frame)}, source {frame['source_id']})" for frame in frames[:_MOST]]
    more = f" and {len(frames) - _MOST} more" if len(frames) > _MOST else ""
    return f"{'frame' if len(frames) == 1 else 'frames'} {', '.join(names)}{more}" if frames else ""


def _time(frame: Mapping[str, Any]) -> str:
    """Return the time of a frame in the video, else its timestamp, as GStreamer writes it, in milliseconds."""
    times = (frame.get(key, NO_PTS) for key in ("stream_time", "buf_pts"))
    time_ns = next((time for time in times if time != NO_PTS), None)
    if time_ns is None:
        return "no timestamp"
    seconds, ms = divmod(time_ns // 1_000_000, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"
