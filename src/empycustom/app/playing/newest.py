"""Live sources: libraries that are busy get the newest frame next, so that results do not fall behind what happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from empycustom.app.endings import complain
from empycustom.app.playing.sources import SOURCE, Source, has_length
from empycustom.app.playing.windows import show_at_once
from empycustom.gstreamer import Gst
from empycustom.native import probes
from empycustom.stream.launch import FIRST, NEWEST

_MANY = 10  # so many may be left out now and then, without a warning
_LIVE_SCHEMES = ("rtsp", "rtsps", "rtspt", "rtspu", "rtp", "srt", "udp")


def is_live(source: Source) -> bool:
    """Whether a source is known to be live before it plays."""
    return source.kind == "camera" or _scheme(source.target) in _LIVE_SCHEMES


def warn_of_live(source: Source, *, every: bool) -> None:
    """Say that a printed line keeps all frames, where only playing tells that a source is live."""
    if not every and source.kind == "uri" and _scheme(source.target) not in ("file", *_LIVE_SCHEMES):
        complain(
            f"if {source.name} is live, `run` leaves frames out while the libraries are busy, and the line does not.",
            kind="warning",
        )


class LeftOut:
    """Counts the frames of a live source that were left out because the libraries were busy; it may be connected many times."""

    def __init__(self, advice: str) -> None:
        self._advice = advice
        self._before = 0
        self._counter: probes.Overtaken | None = None
        self._told = False

    @property
    def count(self) -> int:
        """How many frames were left out until now."""
        return self._before + (self._counter.count if self._counter else 0)

    def go_on(self, counter: probes.Overtaken) -> None:
        """Add to what was counted until now what is counted there."""
        self._before, self._counter = self.count, counter

    def close(self) -> None:
        """Count no more: no more frames are wanted."""
        self._before, self._counter = self.count, None

    def news(self, *, least: int = _MANY) -> Iterator[str]:
        """Yield a warning, once, when there are at least so many."""
        if not self._told and self.count >= least:
            self._told = True
            yield (
                f"Frames of this live source are left out while the libraries are busy ({self.count} so far): they get the "
                f"newest one. A slow library may be called less often ({self._advice}); with --every-frame all frames are used, "
                "and results fall behind."
            )


class Newest:
    """Lets the queue ``FIRST`` of ``pipeline`` hold the newest frame alone where the source is live, unless ``every`` is wanted.

    Where that is not known from the start, and so in the pipeline's text, the source is asked at the first frame.
    ``falls_behind``: it is live, and slow libraries make its results late.
    """

    def __init__(self, pipeline: Any, left_out: LeftOut, *, every: bool) -> None:
        self._left_out, self._every = left_out, every
        self.falls_behind = False
        queue = pipeline.get_by_name(FIRST)
        if queue.get_property("leaky").value_nick == NEWEST["leaky"]:
            self._count(queue)
        else:
            queue.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._look)

    def _count(self, queue: Any) -> None:
        self._left_out.go_on(probes.Overtaken(*(hash(queue.get_static_pad(name)) for name in ("sink", "src"))))

    def _is_live(self, queue: Any) -> None:
        show_at_once(queue.get_parent())
        self.falls_behind = self._every
        if not self._every:
            for name, value in NEWEST.items():
                Gst.util_set_object_arg(queue, name, str(value))
            self._count(queue)

    def _look(self, pad: Any, _info: Any) -> Any:
        if _turns_out_live(pad):
            self._is_live(pad.get_parent_element())
        return Gst.PadProbeReturn.REMOVE


def _turns_out_live(pad: Any) -> bool:
    """Whether what comes to the queue is live, or is MJPEG that comes over a network without an end, as cameras send it."""
    asked = Gst.Query.new_latency()
    if pad.peer_query(asked) and asked.parse_latency()[0]:
        return True
    source = pad.get_parent_element().get_parent().get_by_name(SOURCE)
    if source.find_property("uri") is None or _scheme(source.get_property("uri")) == "file" or has_length(source):
        return False
    parts = source.iterate_all_by_element_factory_name("multipartdemux")
    while (found := parts.next()[0]) == Gst.IteratorResult.RESYNC:
        parts.resync()
    return bool(found == Gst.IteratorResult.OK)


def _scheme(uri: str) -> str:
    return uri.partition("://")[0].lower()
