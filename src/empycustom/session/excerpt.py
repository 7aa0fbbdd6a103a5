"""Which frames of a source are played: of live sources the newest one, and a part of a video (``--start``, ``--duration``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from empycustom.config.launch import FIRST, NEWEST
from empycustom.elements.upstream import NO_TIME, beginning_of, stream_time_in, unknown_time, upstream_of
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst, all_of
from empycustom.native import probes
from empycustom.session import Part
from empycustom.session.parts import in_background
from empycustom.session.sinks import show_at_once
from empycustom.session.sources import SOURCE, Source, has_length, shown
from empycustom.text import clock

_MANY, _START_S = 10, 1.0  # so many may be skipped without a warning, and any number in the first second
LIVE_SCHEMES = ("rtsp", "rtsps", "rtspt", "rtspu", "rtp", "srt", "udp")


def is_live(source: Source) -> bool:
    """Return True if a source is known to be live before it plays."""
    return source.kind == "camera" or scheme_of(source.target) in LIVE_SCHEMES


def may_be_live(source: Source) -> bool:
    """Return True if a source may turn out to be live when it plays."""
    return source.kind == "uri" and scheme_of(source.target) not in ("file", *LIVE_SCHEMES)


class SkippedFrames:
    """Counts the frames of a live source that were skipped because the libraries were busy, in all connections."""

    def __init__(self) -> None:
        self._counts: list[Callable[[], int]] = []  # replaced as a whole: other threads ask
        self._warned = False
        self._starting_until: float | None = None
        self._at_start = 0  # a quick library, too, may be slow at its first frame

    @property
    def count(self) -> int:
        """The number of frames that were skipped."""
        return sum(count() for count in self._counts)

    def add(self, counter: probes.OvertakenCounter) -> None:
        """Keep the count of the former counter, and add that of another one from now on."""
        before = self.count
        self._counts = [lambda: before, lambda: counter.count]

    def close(self) -> None:
        """Stop counting, because no more frames are wanted."""
        count = self.count
        self._counts = [lambda: count]

    def warnings(self, *, has_ended: bool = False) -> Iterator[str]:
        """Yield a warning, once: when many frames were skipped after the first second of that, or at the end, if any were."""
        if not self._warned and (self.count if has_ended else self._is_often()):
            self._warned = True
            yield (
                f"Frames of this live source are left out while the libraries are busy ({self.count} so far): they get the "
                "newest one. A slow library may be called less often (--every, or process-interval in a configuration); with "
                "--every-frame all frames are used, and results fall behind."
            )

    def _is_often(self) -> bool:
        count, now = self.count, time.monotonic()
        if count and self._starting_until is None:
            self._starting_until = now + _START_S
        if self._starting_until is None or now < self._starting_until:
            self._at_start = count
        return count - self._at_start >= _MANY


class Newest:
    """Limits the queue ``FIRST`` of ``pipeline`` to the newest frame if the source is live, unless ``every`` frame is wanted.

    If that is not known before, and so in the pipeline's text, the source is queried at the first frame. ``is_live`` is the
    result; ``can_fall_behind``: slow libraries make results late.
    """

    def __init__(self, pipeline: Any, left_out: SkippedFrames, *, every: bool) -> None:
        self._left_out, self._every = left_out, every
        self.can_fall_behind = self.is_live = False
        queue = pipeline.get_by_name(FIRST)
        if queue.get_property("leaky").value_nick == NEWEST["leaky"]:
            self.is_live = True
            self._count(queue)
        else:
            queue.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._look)

    def _count(self, queue: Any) -> None:
        self._left_out.add(probes.OvertakenCounter(*(hash(queue.get_static_pad(name)) for name in ("sink", "src"))))

    def _set_live(self, queue: Any) -> None:
        self.is_live = True
        show_at_once(queue.get_parent())
        self.can_fall_behind = self._every
        if not self._every:
            for name, value in NEWEST.items():
                Gst.util_set_object_arg(queue, name, str(value))
            self._count(queue)

    def _look(self, pad: Any, _info: Any) -> Any:
        if _turns_out_live(pad):
            self._set_live(pad.get_parent_element())
        return Gst.PadProbeReturn.REMOVE


def _turns_out_live(pad: Any) -> bool:
    """Return True if the source of a pad is live, or endless MJPEG over a network, as cameras send it."""
    query = Gst.Query.new_latency()
    if pad.peer_query(query) and query.parse_latency()[0]:
        return True
    source = pad.get_parent_element().get_parent().get_by_name(SOURCE)
    if source.find_property("uri") is None or scheme_of(source.get_property("uri")) == "file" or has_length(source):
        return False
    return bool(all_of(source.iterate_all_by_element_factory_name("multipartdemux")))


def scheme_of(uri: str) -> str:
    """Return the scheme of a URI, in small letters."""
    return uri.partition("://")[0].lower()


# A part of a video.


# How long before the start to seek, one after the other, because an index may lead to a later frame.
_BACK_NS = (0, 3 * Gst.SECOND, 30 * Gst.SECOND)
# Demuxers that seek to the key frame before a time. Other files are read from their beginning: MPEG streams have no index, and
# decoders would get frames without the key frames that they refer to.
_INDEXED = {"avidemux", "flvdemux", "matroskademux", "oggdemux", "qtdemux"}
_DROP, _PASS = Gst.PadProbeReturn.DROP, Gst.PadProbeReturn.OK
_FLUSHES = (Gst.EventType.FLUSH_START, Gst.EventType.FLUSH_STOP)
_EVENTS = Gst.PadProbeType.EVENT_DOWNSTREAM | Gst.PadProbeType.EVENT_FLUSH


def check_part(part: Part | None, sources: Sequence[Source | None]) -> None:
    """Raise LaunchError if ``part`` of the sources cannot be played."""
    if part is None:
        return
    if len(sources) > 1:
        raise LaunchError(f"--start and --duration are for one SOURCE, and there are {len(sources)}; play it alone.")
    for source in sources:
        if source and part.start and (why := why_no_start(source)):
            raise LaunchError(f"--start {part.start.text}: {why}")


def why_no_start(source: Source) -> str:
    """Return why a source cannot be played from a later time on, or ``""``."""
    if is_live(source):
        return f"{source.name} is live, and begins when you begin; --duration alone works."
    kinds = {"pipe": "is a pipe, which is read from its beginning", "test": "is made while it plays"}
    why = kinds.get(source.kind, "")
    return why and f"{shown(source.name)} {why}; give a file. --duration alone works."


class Excerpt:
    """Drops frames outside of ``part`` before the queue ``FIRST`` of ``pipeline``; ``is_file``: its times count from 0.

    In a source with an index it seeks to the last key frame before the part. Behind the queue, the segment begins with the part.
    It has to be made after Times, which sets timestamps.
    """

    def __init__(self, pipeline: Any, part: Part, *, is_file: bool) -> None:
        self._part, self._is_file = part, is_file
        self._stream_time: Callable[[int], int] = unknown_time
        self._segment: Any = None
        self._beginning: int | None = None
        self._places: list[int] | None = None  # times to seek to until the first frame is found
        self._at = 0  # the time of the last seek
        self._seeking = self._saw_earlier = self._began = self.ended = False
        self._end: int | None = None
        pad = pipeline.get_by_name(FIRST).get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER | _EVENTS, self._look)

    def _look(self, pad: Any, info: Any) -> Any:
        return (
            self._on_buffer(pad, info.get_buffer().pts)
            if info.type & Gst.PadProbeType.BUFFER
            else self._on_event(pad, info.get_event())
        )

    def _on_event(self, pad: Any, event: Any) -> Any:
        if event.type in _FLUSHES:
            self._seeking = self._seeking and event.type == Gst.EventType.FLUSH_START
            return _DROP  # the elements behind the queue have got no data yet
        if event.type == Gst.EventType.SEGMENT:
            self._segment = event.parse_segment().copy()
            if self._beginning is None:
                self._beginning = beginning_of(self._segment, pad)
            self._stream_time = stream_time_in(self._segment, self._beginning)
        elif event.type == Gst.EventType.EOS and not self._began:
            return self._on_early_end(pad)
        return _PASS

    def _on_buffer(self, pad: Any, pts: int) -> Any:
        if self._seeking or self.ended:
            return _DROP
        if self._places is None:
            start = self._part.start_ns
            is_indexed = start and has_index(pad, self._segment)
            self._places = [*(start - back for back in _BACK_NS if back < start), 0] if is_indexed else []
            if is_indexed and self._segment.stop == NO_TIME:
                _leave_open(pad)
            if self._seek_next(pad):
                return _DROP
        time = self._stream_time(pts)
        if not self._began and not self._begins_with(pad, pts, time):
            return _DROP
        if self._end is not None and time >= self._end:
            self.ended = True
            pad.send_event(Gst.Event.new_eos())
            return _DROP
        return _PASS if self._end is not None else Gst.PadProbeReturn.REMOVE  # without an end, all that follows is wanted

    def _begins_with(self, pad: Any, pts: int, time: int) -> bool:
        """Return True if the part begins with this frame; a new segment begins with it then."""
        if time < self._part.start_ns and self._part.start_ns:  # without a start, frames without a time are played, too
            self._saw_earlier = True
            return False
        if self._at and not self._saw_earlier and self._seek_next(pad):
            return False
        self._began = True
        if self._part.duration:
            self._end = self._part.duration.ns + (self._part.start_ns if self._is_file else time)
        if self._part.start_ns:
            segment = self._segment.copy()
            segment.start, segment.time, segment.base = pts, time + (self._beginning or 0), 0
            pad.send_event(Gst.Event.new_segment(segment))
        return True

    def _seek_next(self, pad: Any) -> bool:
        """Seek to the next place; return False if there is none left."""
        if not self._places:
            return False
        self._at, self._seeking, self._saw_earlier = self._places.pop(0), True, False
        in_background(partial(self._seek, pad, self._at + (self._beginning or 0)))  # not in a thread of the source
        return True

    def _seek(self, pad: Any, time: int) -> None:
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT | Gst.SeekFlags.SNAP_BEFORE
        if not pad.push_event(Gst.Event.new_seek(1.0, Gst.Format.TIME, flags, Gst.SeekType.SET, time, Gst.SeekType.NONE, -1)):
            self._fail(pad)

    def _on_early_end(self, pad: Any) -> Any:
        """Handle the end of a source without a frame of the part: seek to another place, or fail."""
        if self._seeking:
            return _DROP  # the end was sent before the seek
        known, duration = pad.peer_query_duration(Gst.Format.TIME)
        if not (known and 0 < duration <= self._part.start_ns) and self._seek_next(pad):
            return _DROP
        if not self._part.may_be_empty:
            self._fail(pad)
        return _PASS

    def _fail(self, pad: Any) -> None:
        source = pad.get_parent_element().get_parent().get_by_name(SOURCE)
        known, duration = pad.peer_query_duration(Gst.Format.TIME)
        long = f", which is {clock(duration)} long" if known and duration > 0 else ""
        start = self._part.start.text if self._part.start else "0"
        if known and duration > self._part.start_ns:
            text = f"--start {start}: the last frame of the video{long}, begins before; there is no frame to play."
        else:
            text = f"--start {start} is behind the end of the video{long}: there is no frame to play."
        error = GLib.Error.new_literal(Gst.ResourceError.quark(), text, Gst.ResourceError.SEEK)
        source.post_message(Gst.Message.new_error(source, error, ""))


def _leave_open(pad: Any) -> None:
    """Let segments of a source have no end, as before the seek.

    After one, matroskademux ends its segment with the time of the last frame, and decoders of GStreamer 1.26 drop that frame.
    """
    for element in upstream_of(pad):
        if element.get_factory() and element.get_factory().get_name() in _INDEXED:
            for peer in filter(None, (each.get_peer() for each in element.srcpads)):
                peer.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, _without_end)


def _without_end(pad: Any, info: Any) -> Any:
    event = info.get_event()
    if event.type != Gst.EventType.SEGMENT or event.parse_segment().stop == NO_TIME:
        return _PASS
    segment = event.parse_segment().copy()
    segment.stop = NO_TIME
    open_ended = Gst.Event.new_segment(segment)
    open_ended.set_seqnum(event.get_seqnum())
    pad.send_event(open_ended)
    return _DROP


def has_index(pad: Any, segment: Any) -> bool:
    """Return True if the source of a pad can seek to a time exactly."""
    query = Gst.Query.new_seeking(Gst.Format.TIME)
    if not pad.peer_query(query) or not query.parse_seeking()[1]:
        return False
    names = {element.get_factory().get_name() for element in upstream_of(pad) if element.get_factory()}
    # A fragmented .mp4 does not have its duration, and its frames have other times after a seek.
    return not _INDEXED.isdisjoint(names) and not ("qtdemux" in names and segment.stop == NO_TIME)
