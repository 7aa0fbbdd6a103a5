"""Times for frames that come without: of MJPEG over HTTP, raw MJPEG, pictures. Encoders and muxers would lose such frames."""

from __future__ import annotations

import time
from typing import Any

from empycustom.app.playing.sources import has_length
from empycustom.elements.failures import post_error
from empycustom.gstreamer import GLib, Gst, GstVideo
from empycustom.native import probes

FRAME_RATE = 25  # of what does not say how many frames a second it has
_ENOUGH = 30  # after so many frames with times, nobody looks at the others


class Times:
    """Gives a time to each frame at ``pad`` to which the element ``source`` gave none; ``durations``: and how long it lasts.

    The frames of a file follow each other at its frame rate, or at FRAME_RATE, which a warning on the bus says; the others get
    the time of their arrival. ``end`` has to be called when the pipeline has ended, while ``pad`` is there.
    """

    def __init__(self, source: Any, pad: Any, *, durations: bool = False) -> None:
        self._source, self._pad, self._durations = source, pad, durations
        self._step: int | None = None  # between frames, in ns, where they do not get the time of their arrival
        self._last: int | None = None
        self._given = False
        self._timed = 0  # frames that brought a time
        self._began = 0
        self.end = probes.give_times(hash(self._pad), self._guarded)

    def _guarded(self, pts: int | None, duration: int | None) -> probes.Times:
        try:
            return self._times(pts, duration)
        except Exception as error:  # noqa: BLE001 - the caller is in C
            post_error(self._source, error)
            return None

    def _times(self, pts: int | None, duration: int | None) -> probes.Times:
        if pts is not None:
            if self._last is None:
                self._began = time.monotonic_ns() - pts
            self._last = pts
            self._timed += 1
            if self._durations and duration is None:
                return pts, self._rated() or Gst.SECOND // FRAME_RATE
            return () if self._given or self._timed < _ENOUGH else None
        if not self._given:
            self._given = True
            self._choose()
        self._last = self._next()
        return self._last, self._step

    def _next(self) -> int:
        if self._last is None:
            return self._start()
        if self._step:
            return self._last + self._step
        return max(time.monotonic_ns() - self._began, self._last + 1)

    def _start(self) -> int:
        """The time of a first frame that has none."""
        begin: int = self._pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment().start
        clock, base = self._source.get_clock(), self._source.get_base_time()
        if clock and base:  # it plays: a live source
            begin += max(clock.get_time() - base, 0)
        self._began = time.monotonic_ns() - begin
        return begin

    def _rated(self) -> int | None:
        """How long a frame lasts by the caps, None where they do not say it."""
        info = GstVideo.VideoInfo.new_from_caps(self._pad.get_current_caps())
        return Gst.SECOND * info.fps_d // info.fps_n if info.fps_n else None

    def _choose(self) -> None:
        self._step = self._rated()
        if self._step is None and has_length(self._source):
            self._step = Gst.SECOND // FRAME_RATE
            if self._durations:  # one of several, as is documented
                return
            text = f"The frames have no timestamps and no frame rate; {FRAME_RATE} frames a second are assumed."
            error = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
            self._source.post_message(Gst.Message.new_warning(self._source, error, ""))
