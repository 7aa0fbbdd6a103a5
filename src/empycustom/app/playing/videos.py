"""Video files while they are written: whether all frames get into them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from empycustom.app.playing.sinks import ENCODER, MUXER, Sinks
from empycustom.app.playing.sizes import keep_sizes
from empycustom.app.playing.times import FRAME_RATE
from empycustom.gstreamer import GstVideo
from empycustom.native import probes
from empycustom.stream.launch import AIMETA

# Of frames without a frame rate, .mp4 would show the last one for no time, so that players leave it out; .avi would take none.
_NEEDS_A_RATE = (".mp4", ".avi")


_APART = 1_000_000  # ns between frames at least, as .mkv and .webm tell times


class _Apart:
    """Times that are hardly apart or equal, one after the other, apart: encoders, files and decoders would lose such frames."""

    def __init__(self) -> None:
        self._last = 0
        self._given = -_APART

    def times(self, pts: int | None, _duration: int | None) -> probes.Times:
        """Return the pts that a buffer gets instead of ``pts``, and no duration; () where it keeps its own."""
        if pts is None:
            return ()
        too_close = self._last <= pts < self._given + _APART
        self._last = pts
        self._given = self._given + _APART if too_close else pts
        return (self._given, None) if too_close else ()


class Videos:
    """The videos that ``pipeline``, which ends in ``sinks``, writes; ``frames`` counts what should get into each.

    Each has one size and one frame rate, those of its first frame.
    """

    def __init__(self, pipeline: Any, sinks: Sinks) -> None:
        self._last = pipeline.get_by_name(AIMETA).get_static_pad("src")
        self.frames = probes.Counter(hash(self._last))
        self._written = [(path, *_watched(pipeline, index, path)) for index, path in sinks.videos()]
        keep_sizes(pipeline, sinks.videos())

    def without_frames(self, *, complete: bool) -> list[Path]:
        """The files that hold no frame because there was none; ``complete``: the stream has come to its end."""
        return [path for path, written, _ in self._written if complete and not (self.frames.all or written.all)]

    def findings(self, *, complete: bool) -> Iterator[tuple[str, str]]:
        """Say what is wrong with a video: error or warning, and a sentence. ``complete``: the stream has come to its end."""
        caps = self._last.get_current_caps()
        info = caps and GstVideo.VideoInfo.new_from_caps(caps)
        for path, written, rate in self._written:
            is_avi = path.suffix.lower() == ".avi"
            got = written.all if is_avi else written.order  # .avi keeps no times
            if complete and got < self.frames.all:
                counts = f"{path} has {got} of {self.frames.all} frames"
                yield "error", f"{counts}: its encoder lost the others, or their times go back."
            if is_avi and info and self.frames.all > 1 and not (info.fps_n and _is_steady(written, rate)):
                shown = f"{rate.per_second:g} frames a second"
                text = f"{path} shows {shown}, whenever they came; .mp4, .mkv and .webm keep their times."
                yield "warning", text


def _is_steady(frames: probes.Counter, rate: probes.FrameRate) -> bool:
    """Whether frames came as many a second as ``rate`` says, but for one or two."""
    return abs(frames.span_ns * rate.per_second / 1e9 - (frames.order - 1)) < 2.5


def _watched(pipeline: Any, index: int, path: Path) -> tuple[probes.Counter, probes.FrameRate]:
    """Watch what gets into the video with that index."""
    (pad,) = pipeline.get_by_name(f"{MUXER}{index}").sinkpads
    before = pipeline.get_by_name(f"{ENCODER}{index}").get_static_pad("sink")
    probes.give_times(hash(before), _Apart().times)
    missing = FRAME_RATE if path.suffix.lower() in _NEEDS_A_RATE else None
    return probes.Counter(hash(pad)), probes.FrameRate(hash(before), missing)
