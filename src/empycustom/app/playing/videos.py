"""Video files while they are written: whether all frames get into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from empycustom.app.playing.sinks import ENCODER, MUXER, Sinks
from empycustom.app.playing.times import FRAME_RATE
from empycustom.gstreamer import GstVideo
from empycustom.native import probes
from empycustom.stream.launch import AIMETA

# Of frames without a frame rate, .mp4 would show the last one for no time, so that players leave it out; .avi would take none.
_NEEDS_A_RATE = (".mp4", ".avi")


class Videos:
    """The videos that ``pipeline``, which ends in ``sinks``, writes; ``frames`` counts what should get into each."""

    def __init__(self, pipeline: Any, sinks: Sinks) -> None:
        self._last = pipeline.get_by_name(AIMETA).get_static_pad("src")
        self.frames = probes.Counter(hash(self._last))
        self._written = []
        for index, path in sinks.videos():
            if path.suffix.lower() in _NEEDS_A_RATE:
                probes.give_frame_rate(hash(pipeline.get_by_name(f"{ENCODER}{index}").get_static_pad("sink")), FRAME_RATE)
            (pad,) = pipeline.get_by_name(f"{MUXER}{index}").sinkpads
            self._written.append((path, probes.Counter(hash(pad))))

    def findings(self, *, complete: bool) -> Iterator[tuple[str, str]]:
        """Say what is wrong with a video: error or warning, and a sentence. ``complete``: the stream has come to its end."""
        caps = self._last.get_current_caps()
        info = caps and GstVideo.VideoInfo.new_from_caps(caps)
        rate = info.fps_n / info.fps_d if info and info.fps_n else None
        for path, written in self._written:
            if complete and written.order < self.frames.all:
                counts = f"{path} has {written.order} of {self.frames.all} frames"
                yield "error", f"{counts}: its encoder lost the others, or their times go back."
            if caps and path.suffix.lower() == ".avi" and not (rate and _is_steady(written, rate)) and self.frames.all > 1:
                shown = f"{rate or FRAME_RATE:g} frames a second"
                text = f"{path} shows {shown}, whenever they came; .mp4, .mkv and .webm keep their times."
                yield "warning", text


def _is_steady(frames: probes.Counter, rate: float) -> bool:
    """Whether frames came as many a second as ``rate`` says, but for one or two."""
    return abs(frames.span_ns * rate / 1e9 - (frames.order - 1)) < 2.5
