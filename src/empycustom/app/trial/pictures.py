"""A real frame to try a library on: of a picture, or of a video at some time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from empycustom.app.playing.parts import build
from empycustom.app.playing.reports import report_of
from empycustom.app.playing.sources import SOURCE, Source, describe_source, expect_video, explained, locate, shown
from empycustom.app.playing.upright import keep_upright
from empycustom.app.trial.frames import TrialFrame
from empycustom.elements.segments import beginning_of, stream_time_in
from empycustom.errors import LaunchError
from empycustom.frames.layout import planes_of
from empycustom.gstreamer import Gst
from empycustom.stream.launch import FIRST, TURN

_LAST = "last"
_PATIENCE_S = 30.0
_SEEK = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE


def real(source: str, video_format: str, size: tuple[int, int] | None, count: int, *, at_s: float = 0.0) -> TrialFrame:
    """Decode the frame that ``source`` (see :func:`locate`) shows at a time, upright; without a ``size`` as large as it is.

    Raises LaunchError where there is none, FrameError for unknown formats.
    """
    planes_of(video_format)
    located = locate(source)
    with _paused(located, source, video_format, size) as decoder:
        if at_s:
            decoder.seek(at_s)
        return decoder.frame(count)


@contextmanager
def _paused(located: Source, source: str, video_format: str, size: tuple[int, int] | None) -> Iterator[_Decoder]:
    wanted = f"video/x-raw,format={video_format}" + (",width={},height={}".format(*size) if size else "")
    upright = ["videoconvert", "!", *TURN, "!", "videoscale", "!", "videoconvert"]
    caps = [f"{wanted},pixel-aspect-ratio=1/1" if size else wanted]
    words = [*describe_source(located), "!", "queue", f"name={FIRST}", "!", *upright, "!", *caps, "!", "fakesink"]
    words.append(f"name={_LAST}")
    pipeline = build(" ".join(words))
    try:
        expect_video(pipeline.get_by_name(SOURCE), pipeline.get_by_name(FIRST).get_static_pad("sink"), shown(source))
        keep_upright(pipeline)
        yield _Decoder(pipeline, source, located.name)
    finally:
        pipeline.set_state(Gst.State.NULL)


class _Decoder:
    """A pipeline that has decoded one frame and waits."""

    def __init__(self, pipeline: Any, source: str, name: str) -> None:
        self._pipeline, self._source, self._name = pipeline, source, name
        self._pad = pipeline.get_by_name(_LAST).get_static_pad("sink")
        self._seen: list[Any] = []
        self._pad.add_probe(Gst.PadProbeType.BUFFER, self._see)
        live = pipeline.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.NO_PREROLL
        if live:
            pipeline.set_state(Gst.State.PLAYING)
        self._wait(live=live)
        self._beginning = beginning_of(self._segment, self._pad) if self._seen else 0

    def _see(self, _pad: Any, info: Any) -> Any:
        self._seen[:] = [info.get_buffer()]
        return Gst.PadProbeReturn.OK

    def _wait(self, *, live: bool = False) -> None:
        """Until there is a frame, or there will be none. Raises LaunchError."""
        ends = Gst.MessageType.ERROR | Gst.MessageType.EOS | (Gst.MessageType(0) if live else Gst.MessageType.ASYNC_DONE)
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            message = self._pipeline.get_bus().timed_pop_filtered(Gst.SECOND // 10, ends)
            if message and (report := report_of(message)):
                raise LaunchError(explained(report, self._source))
            if message or (live and self._seen):
                return
        raise LaunchError(f"{shown(self._source)} gave no frame within {_PATIENCE_S:g} s.")

    @property
    def _segment(self) -> Any:
        return self._pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()

    def seek(self, at_s: float) -> None:
        """Go to a time. Raises LaunchError where that cannot be."""
        name, to = shown(self._source), round(at_s * Gst.SECOND)
        known, duration = self._pipeline.query_duration(Gst.Format.TIME)
        if known and 0 <= duration <= to:
            raise LaunchError(f"{name} lasts {duration / Gst.SECOND:.3f} s; give a time before that with --at, not {at_s:g}.")
        self._seen.clear()
        seeking = Gst.Query.new_seeking(Gst.Format.TIME)
        can = self._pipeline.query(seeking) and seeking.parse_seeking()[1]
        if not can or not self._pipeline.seek_simple(Gst.Format.TIME, _SEEK, to + self._beginning):
            raise LaunchError(f"{name} cannot be read from a time on, as --at asks; leave it out, or give a file that can.")
        self._wait()
        if not self._seen:
            raise LaunchError(f"{name} has no frame at {at_s:g} s; give an earlier time with --at.")

    def frame(self, count: int) -> TrialFrame:
        """The frame that was decoded. Raises LaunchError where there was none."""
        if not self._seen:
            raise LaunchError(f"{shown(self._source)} has no frame that GStreamer can decode.")
        buffer, segment = self._seen[0], self._segment
        time_in = stream_time_in(segment, self._beginning)(buffer.pts)
        return TrialFrame(self._pad.get_current_caps(), buffer.copy_deep(), count, source=self._name, stream_time=time_in)
