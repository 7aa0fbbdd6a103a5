"""What lies upstream of a pad: elements, borders that they add, the time of a frame in its video, and the name of its source.

``stream_time`` is calculated from the GstSegment that the pts of a frame lies in. The name of a source travels with the frames
as an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count, takewhile
from typing import Any, NamedTuple

from empycustom.carriers.protocol import NOT_TURNED, RESHAPED
from empycustom.gstreamer import Gst, GstVideo, all_of
from empycustom.model.values import NO_PTS


def upstream_of(pad: Any) -> Iterator[Any]:
    """Yield the elements upstream of a sink pad, the next one first, up to a source, or one that makes one stream of several.

    Of a source pad, its own element is the next one.
    """
    source = pad if pad.direction == Gst.PadDirection.SRC else _before(pad)
    while isinstance(source, Gst.GhostPad):  # what leaves a bin leaves the element whose pad it stands for
        source = source.get_target()
    while source is not None:
        sinks = _linked_inside(source)
        if len(sinks) != 1:
            return
        yield source.get_parent_element()
        source = _before(sinks[0])


def _before(pad: Any) -> Any:
    """Return the pad of an element that a sink pad gets its frames from, in whatever bin it is; None: it is not linked."""
    peer = pad.get_peer()
    while isinstance(peer, Gst.ProxyPad):
        # A ghost pad stands for a pad in its bin; a plain proxy pad is the inner side of one, and its parent the outer side.
        peer = peer.get_target() if isinstance(peer, Gst.GhostPad) else peer.get_parent().get_peer()
    return peer if peer and peer.get_parent_element() else None


def _linked_inside(source: Any) -> list[Any]:
    """Return the sink pads that what leaves an element at a source pad has come by; a multiqueue has one for each stream."""
    return all_of(source.iterate_internal_links())


# Borders: where an element adds some, the boxes that GStreamer scales there are wrong.


def adds_borders(pad: Any) -> str | None:
    """Return the name of the next element upstream of a sink pad that adds borders to its frames; None: there is none."""
    return next((str(element.get_name()) for element in upstream_of(pad) if _has_borders(element)), None)


def _has_borders(element: Any) -> bool:
    if element.find_property("add-borders") is None or not element.get_property("add-borders"):
        return False
    shapes = [_shape(pad.get_current_caps()) for pad in (*element.sinkpads, *element.srcpads)]
    return None not in shapes and len(set(shapes)) > 1


def _shape(caps: Any) -> Fraction | None:
    """Return width to height of frames as they are shown; None where the caps do not have it."""
    info = GstVideo.VideoInfo.new_from_caps(caps) if caps else None
    return Fraction(info.width * info.par_n, info.height * info.par_d) if info and info.height and info.par_d else None


_BORDERS = (
    "{0} upstream adds borders to the frames, and GStreamer scales boxes as if there were none: boxes that were found before it "
    "lie beside their objects; set add-borders=false on {0}"
)


# What mirrors or turns a frame: boxes are not moved by all versions of GStreamer, and what lies in the middle looks the same.


def turns_frames(pad: Any) -> str | None:
    """Return the name of the next element upstream of a sink pad that mirrors or turns frames, behind the last library."""
    for element in upstream_of(pad):
        factory = element.get_factory()
        if factory and factory.get_name() == "empycustom":
            return None  # which has seen the same, or has found the objects
        if element.find_property("video-direction") and int(element.get_property("video-direction")) not in _UPRIGHT:
            return str(element.get_name())
    return None


_UPRIGHT = (int(GstVideo.VideoOrientationMethod.IDENTITY), int(GstVideo.VideoOrientationMethod.AUTO))
_TURNS = (
    "{0} upstream mirrors or turns the frames, and the boxes of objects do not show it: they, their key points and their masks "
    "may lie beside the objects that were found before it; put {0} before the elements that find objects"
)
_DOUBTS = {RESHAPED: (adds_borders, _BORDERS), NOT_TURNED: (turns_frames, _TURNS)}


def reason_for(doubt: str, pad: Any) -> str:
    """Return why a doubt (see ``Frame.doubts``) about frames that come to a sink pad is right; ``""``: there is no reason."""
    find, text = _DOUBTS[doubt]
    name = find(pad)
    return text.format(name) if name else ""


# Times.


NO_TIME = 2**64 - 1  # GST_CLOCK_TIME_NONE
# Where the times in a file do not begin at 0, these take the first one for the position; others begin at 0 all the same.
_COUNT_AS_THE_FILE = {"flvdemux", "mpegpsdemux", "tsdemux"}

StreamTime = Callable[[int], int]


def unknown_time(_pts: int) -> int:
    """Return -1, for whatever pts: no segment is known."""
    return NO_PTS


def beginning_of(segment: Any, pad: Any) -> int:
    """Return the stream time at which a video begins whose first segment came to a sink pad, in nanoseconds. Without a pad: 0."""
    if pad is None or segment.time in (0, NO_TIME) or segment.format != Gst.Format.TIME:
        return 0
    names = (element.get_factory().get_name() for element in upstream_of(pad) if element.get_factory())
    return int(segment.time) if not _COUNT_AS_THE_FILE.isdisjoint(names) else 0


def stream_time_in(segment: Any, beginning: int) -> StreamTime:
    """Return a function from a pts to the time in the video, in nanoseconds; -1: no pts, or none in this segment.

    ``beginning`` is the segment's own time at which the video begins.
    """
    if segment.format != Gst.Format.TIME or segment.time == NO_TIME:
        return unknown_time
    if segment.applied_rate != 1:
        own = segment.copy()
        return lambda pts: -1 if (time := own.to_stream_time(Gst.Format.TIME, pts)) == NO_TIME else time - beginning
    start, last = segment.start, min(segment.stop, NO_TIME - 1)
    shift = segment.time - start - beginning
    return lambda pts: pts + shift if start <= pts <= last else NO_PTS


# Sources.


_EVENT, _NAME, _BEGINNING = "empycustom-source", "name", "beginning"


class Origin(NamedTuple):
    """The ``name`` of a source, and the stream time at which its video begins, None: as in its segment."""

    name: str
    beginning: int | None


def announce(pad: Any, name: str, *, begins: bool = False) -> None:
    """Let the elements downstream know the source of the frames that leave ``pad`` from the next one on.

    The numbers of frames go on, where others came before. ``begins``: the next frame is the first of its video, and elements
    behind a pad with others before it cannot see what it comes from.
    """
    structure = Gst.Structure.new_empty(_EVENT)
    # GStreamer's text is UTF-8, and names of files need not be.
    structure.set_value(_NAME, name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))

    def push(pad: Any, _info: Any) -> Any:
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
        if begins and segment:
            structure.set_value(_BEGINNING, str(beginning_of(segment.parse_segment(), pad.get_peer())))
        pad.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM_STICKY, structure.copy()))
        return Gst.PadProbeReturn.REMOVE

    pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, push)


def origin_of(pad: Any) -> Origin | None:
    """Return the source of the frames at ``pad``, None where it is not known."""
    found = (pad.get_sticky_event(Gst.EventType.CUSTOM_DOWNSTREAM_STICKY, index) for index in count())
    return next((origin for event in takewhile(bool, found) if (origin := origin_in(event))), None)


def origin_in(event: Any) -> Origin | None:
    """Return the source that an event names, None where it is about something else."""
    if event.type != Gst.EventType.CUSTOM_DOWNSTREAM_STICKY or not event.has_name(_EVENT):
        return None
    structure = event.get_structure()
    structure = structure.__enter__() if hasattr(structure, "__enter__") else structure  # a context manager in GStreamer 1.26
    beginning = structure.get_string(_BEGINNING)
    return Origin(structure.get_string(_NAME), None if beginning is None else int(beginning))


_FLUSHING = int(Gst.PadFlags.FLUSHING)


class StreamWaiter:
    """Says to a queue of documents that is full whether the stream at a sink pad may wait."""

    def __init__(self, pad: Any) -> None:
        self._pad = pad
        self._live: bool | None = None

    def restart(self) -> None:
        """Forget what is known of the stream: another one begins."""
        self._live = None

    def is_live(self) -> bool:
        """Return whether there is a live source upstream, by GStreamer's latency query."""
        if self._live is None:
            query = Gst.Query.new_latency()
            self._live = bool(self._pad.peer_query(query) and query.parse_latency()[0])
        return self._live

    def is_stopping(self) -> bool:
        """Return whether the pad is being stopped or flushed."""
        return bool(self._pad.flags & _FLUSHING)
