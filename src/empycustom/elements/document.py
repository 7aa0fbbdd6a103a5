"""The document of one buffer, as aimeta makes it, for programs that have the buffer."""

from __future__ import annotations

import threading
from typing import Any

from empycustom.elements.frames import FrameFormat, FrameReader
from empycustom.elements.output import is_video
from empycustom.elements.upstream import origin_of
from empycustom.errors import FrameError
from empycustom.gstreamer import Gst
from empycustom.model import keys, wire
from empycustom.model.carried import as_plain

_MOST_FORMATS = 16
_formats: dict[str, FrameFormat] = {}  # by the text of their caps
_own = threading.local()  # a reader of its own for each thread, with what was found out about DeepStream


def document(frame: Any, where: Any = None) -> dict[str, Any]:
    """Return the document that aimeta makes of the frame in a buffer, as a dict: what is known, and what libraries attached.

    Everything is read from the buffer itself, whether or not there is an aimeta in the pipeline, so it belongs to this frame
    also where others were dropped::

        sample = appsink.emit("pull-sample")
        objects = empycustom.document(sample)["frame"][0]["object"]

    ``frame_num`` is -1, and ``timestamp`` the time of the call, where no empycustom or aimeta upstream has numbered the buffer.
    ``stream_time`` needs a sample or a pad, ``source`` a pad. Any thread may call it.

    Parameters
    ----------
    frame : Gst.Sample or Gst.Buffer
        The frame: the sample that an appsink gives, or a buffer.
    where : Gst.Pad or Gst.Caps, optional
        The pad where a buffer was seen, or its caps; a sample needs none.

    Returns
    -------
    dict
        The document, with the keys that :doc:`metadata` lists. It is a copy, and stays valid.

    Raises
    ------
    FrameError
        ``frame`` is neither, or its caps are missing or not those of raw video.
    MetadataError
        The metadata on the buffer cannot be read.
    """
    buffer, caps, segment, pad = _seen(frame, where)
    reader = _reader()
    reader.restart()
    reader.format = _format_of(caps)
    if segment is not None:
        reader.set_segment(segment, pad)
    if pad is not None and (origin := origin_of(pad)):
        reader.set_source(*origin)
    decoded = reader.decode(hash(buffer))
    return wire.document(decoded.frames, decoded.attributes, as_plain)


def _seen(frame: Any, where: Any) -> tuple[Any, Any, Any, Any]:
    """Return the buffer, its caps, and the segment and the pad as far as they are known."""
    buffer, caps, segment, pad = frame, where, None, None
    if isinstance(frame, Gst.Sample):
        buffer, caps, segment = frame.get_buffer(), frame.get_caps(), frame.get_segment()
    if isinstance(where, Gst.Pad):
        caps, pad = where.get_current_caps(), where
        event = where.get_sticky_event(Gst.EventType.SEGMENT, 0)
        segment = event.parse_segment() if event else segment
    if not isinstance(buffer, Gst.Buffer):
        raise FrameError(f"document needs a Gst.Sample or a Gst.Buffer, not a {type(frame).__name__}.")
    return buffer, caps, segment, pad


def _reader() -> FrameReader:
    if not hasattr(_own, "reader"):
        _own.reader = FrameReader()
    reader: FrameReader = _own.reader
    return reader


def _format_of(caps: Any) -> FrameFormat:
    text = caps.to_string() if isinstance(caps, Gst.Caps) else ""
    found = _formats.get(text)
    if found is None:
        if not text or not caps.is_fixed() or not is_video(caps):
            raise FrameError(
                "document needs the caps of the frame: give it the Gst.Sample of an appsink, or beside a buffer the pad where it "
                "was seen: document(info.get_buffer(), pad)."
            )
        if len(_formats) >= _MOST_FORMATS:
            _formats.clear()
        found = _formats[text] = FrameFormat(caps)
    return found


class DocumentResult:
    """The result of one frame as a document: a dict that stays valid. Nothing in it is a view of the frame."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @property
    def frame(self) -> dict[str, Any]:
        """The frame in the document, a dict: ``document["frame"][0]``."""
        frame: dict[str, Any] = self.document[keys.FRAMES][0]
        return frame

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects on the frame as dicts, those that libraries found too, with attributes from libraries in ``emcustom``."""
        objects: list[dict[str, Any]] = self.frame[keys.OBJECTS]
        return objects

    @property
    def attributes(self) -> Any:
        """The attributes that libraries attached to the frame, any JSON; None: nothing."""
        return self.frame.get(keys.ATTRIBUTES)

    @property
    def frame_num(self) -> int:
        """The number of the frame in its stream, from 0."""
        return int(self.frame[keys.FRAME_NUM])

    @property
    def time_s(self) -> float | None:
        """The time of the frame in its video in seconds, from 0; None: not known."""
        time: int = self.frame[keys.STREAM_TIME]
        return None if time < 0 else time / Gst.SECOND
