"""Say when each frame was taken, by the clock of an RTSP camera.

In the place of the probe of deepstream-rtsp-in-rtsp-out. ``timestamp`` in ``in_meta`` is the same time as a text, in local time.
"""

from datetime import datetime, timezone


def process_ip(io_buffer, in_meta, options):
    """Return the time of each frame of the batch, in UTC; none where the camera did not say it."""
    times = [frame.get("ntp_timestamp", 0) for frame in in_meta["frame"]]
    return {"frame": [{"meta": {"taken": text_of(time)}} if time else {} for time in times]}


def text_of(time_ns):
    """Return a time as a text."""
    return datetime.fromtimestamp(time_ns / 1e9, timezone.utc).isoformat(sep=" ", timespec="seconds")
