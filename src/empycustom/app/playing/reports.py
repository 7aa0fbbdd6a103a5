"""What elements say on the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from empycustom.elements.failures import ENDED, LEFT
from empycustom.gstreamer import Gst

_ADVICE = "Either there is no video in it, or its decoder is missing: apt install gstreamer1.0-libav."
_KINDS = {Gst.MessageType.ERROR: "error", Gst.MessageType.WARNING: "warning", Gst.MessageType.INFO: "info"}
# What other elements say when one has failed, after it has said why.
_ECHOES = ((Gst.StreamError, Gst.StreamError.FAILED), (Gst.CoreError, Gst.CoreError.STATE_CHANGE))
# What our element says of a call that took longer than a frame lasts.
_SLOW = (Gst.CoreError, Gst.CoreError.CLOCK)
# Which errors mean that a plugin is not installed.
_LACKS = ((Gst.CoreError, Gst.CoreError.MISSING_PLUGIN), (Gst.StreamError, Gst.StreamError.CODEC_NOT_FOUND))


@dataclass(frozen=True)
class Report:
    """What an element says on the bus. ``kind`` is error, warning or info; ``debug`` may be empty or many lines.

    ``is_echo``: an error that may only follow from another one. ``is_slow``: a call took longer than a frame lasts. ``is_end``: a
    library ended its stream. ``is_left``: somebody left a debugger.
    """

    kind: str
    element: str
    text: str
    debug: str = ""
    lacks_plugin: bool = False
    is_echo: bool = False
    is_slow: bool = False
    is_end: bool = False
    is_left: bool = False

    @property
    def advised(self) -> str:
        """``text``, with what to do where a plugin is missing."""
        return f"{self.text} {_ADVICE}" if self.lacks_plugin else self.text

    @property
    def details(self) -> str:
        """What ``debug`` says beyond its first line, which is GStreamer's own: the place in the element's source."""
        details = self.debug.partition("\n")[2]
        return "" if details == self.text else details


def report_of(message: Any) -> Report | None:
    """Return what a message of the bus says, None where it is none of these kinds."""
    kind = _KINDS.get(message.type)
    if kind is None:
        return None
    error, debug = getattr(message, f"parse_{kind}")()

    def means(*codes: tuple[Any, Any]) -> bool:
        return any(error.matches(domain.quark(), code) for domain, code in codes)

    return Report(
        kind,
        message.src.get_path_string() if message.src else "",
        error.message,
        debug or "",
        lacks_plugin=means(*_LACKS),
        is_echo=kind == "error" and means(*_ECHOES),
        is_slow=kind != "error" and means(_SLOW),
        is_end=kind == "info" and means(ENDED),
        is_left=means(LEFT),
    )
