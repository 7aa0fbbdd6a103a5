"""Where frames come from: the name of their source, which travels with them as an event."""

from __future__ import annotations

from itertools import count, takewhile
from typing import Any, NamedTuple

from empycustom.elements.segments import beginning_of
from empycustom.gstreamer import Gst

_EVENT, _NAME, _BEGINNING = "empycustom-source", "name", "beginning"


class Origin(NamedTuple):
    """The ``name`` of a source, and the stream time at which its video begins, None: as its segment says."""

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
    """Return the source that an event tells, None where it is about something else."""
    if event.type != Gst.EventType.CUSTOM_DOWNSTREAM_STICKY or not event.has_name(_EVENT):
        return None
    structure = event.get_structure()
    structure = structure.__enter__() if hasattr(structure, "__enter__") else structure  # a context manager in GStreamer 1.26
    beginning = structure.get_string(_BEGINNING)
    return Origin(structure.get_string(_NAME), None if beginning is None else int(beginning))
