"""Where frames come from: the name of their source, which travels with them as an event."""

from __future__ import annotations

from itertools import count, takewhile
from typing import Any, NamedTuple

from empycustom.gstreamer import Gst

_EVENT, _NAME, _GOES_ON = "empycustom-source", "name", "goes-on"


class Origin(NamedTuple):
    """A source: its ``name``; ``goes_on``: it follows another one, and the numbers of frames go on."""

    name: str
    goes_on: bool


def announce(pad: Any, name: str, *, goes_on: bool = False) -> None:
    """Let the elements downstream know the source of the frames that leave ``pad`` from the next one on."""
    structure = Gst.Structure.new_empty(_EVENT)
    # GStreamer's text is UTF-8, and names of files need not be.
    structure.set_value(_NAME, name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
    structure.set_value(_GOES_ON, goes_on)

    def push(pad: Any, _info: Any) -> Any:
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
    return Origin(structure.get_string(_NAME), structure.get_boolean(_GOES_ON)[1])
