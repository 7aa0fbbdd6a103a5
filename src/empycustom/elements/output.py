"""The caps of what ``process`` makes, as the library's ``output_caps`` says."""

from __future__ import annotations

from typing import Any

from empycustom.elements.answers import read, unusable
from empycustom.errors import LibraryError, OutputError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.blame import kind_of
from empycustom.library.hooks import Library

_EXAMPLE = '"video/x-raw,width=320,height=240"'
_LIMIT = 1 << 15  # GStreamer's own elements go no further
_OF_THE_FORMAT = ("colorimetry", "chroma-site")  # they do not outlive a change of the format


class OutputCaps:
    """Asks the library once for each caps that come in. ``template`` is what the element can put out at all."""

    def __init__(self, library: Library, template: Any) -> None:
        self._library, self._template = library, template
        self._known: dict[str, Any] = {}

    def negotiated(self, caps: Any, offered: Any, options: dict[str, Any]) -> Any:
        """Return the fixed caps of what is made of frames with the fixed ``caps``, if ``offered``, what downstream takes, allows.

        Raises LibraryError where ``output_caps`` fails, or where it does not.
        """
        wanted = self.of(caps, options)
        if not offered.can_intersect(wanted):
            raise unusable(
                self._library,
                f"downstream of the element does not take {wanted.to_string()}, but {offered.to_string()}; "
                "return what it takes, or put videoconvert ! videoscale behind the element",
                "output_caps",
            )
        return offered.intersect(wanted).fixate()

    def of(self, caps: Any, options: dict[str, Any]) -> Any:
        """Return the fixed caps of what is made of frames with the fixed ``caps``. Raises LibraryError."""
        key = caps.to_string()
        if key not in self._known:  # GStreamer asks several times
            try:
                self._known[key] = self._ask(caps, options)
            except LibraryError as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, LibraryError):
            raise known
        return known

    def _ask(self, caps: Any, options: dict[str, Any]) -> Any:
        returned = self._library.output_caps(caps, options)
        return caps if returned is None else read(self._library, self._completed, returned, caps, callback="output_caps")

    def _completed(self, returned: Any, caps: Any) -> Any:
        if not isinstance(returned, (str, Gst.Caps)):
            raise OutputError(f"it is {kind_of(returned)}; return a text such as {_EXAMPLE}, a Gst.Caps, or None")
        asked = Gst.Caps.from_string(returned) if isinstance(returned, str) else returned
        if asked is None or asked.is_any() or asked.get_size() != 1 or not _is_raw_video(asked):
            raise OutputError(f"{_text(returned)!r} is no one kind of raw video; return a text such as {_EXAMPLE}")
        made = _completed(asked, caps)
        if not made.is_fixed():
            raise OutputError(f"{_text(returned)!r} leaves a choice; give every field one value")
        if not is_video(made):
            raise OutputError(f"{made.to_string()!r} is no format of video")
        if not made.is_subset(self._template):
            raise OutputError(f"empycustom cannot put out {made.to_string()!r}; gst-inspect-1.0 empycustom lists what it can")
        return made


def _is_raw_video(caps: Any) -> bool:
    return str(caps.to_string()).startswith("video/x-raw")


def is_video(caps: Any) -> bool:
    """Whether frames of these fixed caps have a format and a size."""
    try:
        info = GstVideo.VideoInfo.new_from_caps(caps)
    except TypeError:  # how PyGObject says that there is none
        return False
    return info is not None and 0 < info.width < _LIMIT and 0 < info.height < _LIMIT


def _text(returned: Any) -> str:
    return returned if isinstance(returned, str) else str(returned.to_string())


def _completed(asked: Any, given: Any) -> Any:
    """Return the caps ``asked`` for, with what they leave out taken from those ``given``."""
    left, fields = _structure(given), _structure(asked)
    names = [fields.nth_field_name(index) for index in range(fields.n_fields())]
    if "format" in names and fields.get_string("format") != left.get_string("format"):
        names += _OF_THE_FORMAT
    for name in names:
        left.remove_field(name)
    features = asked.get_features(0)
    rest = left.to_string().rstrip(";").removeprefix("video/x-raw")
    return Gst.Caps.from_string(f"video/x-raw({features.to_string()}){rest}").intersect(asked)


def _structure(caps: Any) -> Any:
    """Return a structure of one's own with the fields of caps that are one kind of raw video."""
    _, comma, fields = caps.to_string().partition(",")
    return Gst.Structure.new_from_string(f"video/x-raw{comma}{fields}")
