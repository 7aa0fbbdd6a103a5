"""Real frames for ``empycustom check``, and the frame after a call as a picture with boxes, labels and attributes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from empycustom.config.launch import FIRST, TURN, assignments, quoted
from empycustom.elements.upstream import beginning_of, stream_time_in
from empycustom.errors import LaunchError
from empycustom.frames.formats import check_format
from empycustom.gstreamer import GLib, Gst, GstVideo
from empycustom.model import values as model
from empycustom.model.keys import ATTRIBUTES, BOX, CLASS_ID, CONFIDENCE, LABEL, TRACK_ID
from empycustom.model.results import value_of
from empycustom.model.values import NOTHING
from empycustom.packages import how_to_get_any
from empycustom.session.parts import build, exists, report_of
from empycustom.session.sources import SOURCE, Source, describe_source, error_text, expect_video, locate, shown
from empycustom.session.upright import keep_upright
from empycustom.testing import Result, SampleFrame
from empycustom.text import as_text

_ENCODERS = {".png": "pngenc", ".jpg": "jpegenc quality=95", ".jpeg": "jpegenc quality=95"}
# Red, green and blue of colours that are easy to distinguish.
_COLOURS = ((255, 140, 120), (90, 230, 220), (255, 220, 50), (150, 240, 150), (255, 150, 220), (150, 200, 255), (255, 180, 70))
_WHITE = (255, 255, 255)
_TIMEOUT = 30 * Gst.SECOND
_MAX_LINES, _LONGEST = 8, 48  # attributes of one object; characters of a line


def check_picture(path: Path) -> None:
    """Raise LaunchError if the name of a file is not that of a picture, or if elements are missing."""
    encoder = _ENCODERS.get(path.suffix.lower())
    if encoder is None:
        raise LaunchError(f"--save {path}: the ending is not that of a picture; it can be {' '.join(_ENCODERS)}.")
    for factory in ("appsrc", "textoverlay", encoder.partition(" ")[0]):
        if not exists(factory):
            raise LaunchError(f"--save {path} needs the element {factory}, which is not installed; {how_to_get_any(factory)}.")


def save_picture(path: Path, last: Result, objects: Sequence[model.Object], size: tuple[int, int]) -> None:
    """Write the frame after a call. ``objects`` are those of the frame before it, which had ``size``. Raises LaunchError."""
    pixels = _pixels(last)
    height, width = pixels.shape[:2]
    result = last.result.frames[0]
    factors = width / size[0], height / size[1]
    found = [(_box(each, *factors), _title(each), _lines(value_of(attributes))) for each, attributes in result.left_of(objects)]
    found += [(_box(each), _title(each), _lines(each.get(ATTRIBUTES, NOTHING))) for each in result.new_objects]
    step = max(round(height / 30), 11)
    texts = list(_text(_lines(value_of(result.attributes)), 0, 0, _WHITE, step, width, height))
    for index, (box, title, lines) in enumerate(found):
        colour = _COLOURS[index % len(_COLOURS)]
        _draw(pixels, box, max(2, height // 240), colour)
        texts += _texts(box, title, lines, colour, step, width, height)
    _write(path, pixels, texts)


def _pixels(last: Result) -> Any:
    """Return the pixels of the frame after the call, as a new RGBA array of (height, width, 4)."""
    width, height = last.format.width, last.format.height
    caps = Gst.Caps.from_string(last.format.caps)
    wanted = Gst.Caps.from_string(f"video/x-raw,format=RGBA,width={width},height={height}")
    try:
        sample = GstVideo.video_convert_sample(Gst.Sample.new(last.after, caps, None, None), wanted, _TIMEOUT)
    except GLib.Error as error:
        raise LaunchError(f"the frame cannot be made into a picture: {error.message}.") from error
    buffer = sample.get_buffer()
    return (
        np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)[: width * height * 4].reshape(height, width, 4).copy()
    )


def _box(found: model.Object, across: float = 1.0, down: float = 1.0) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom in pixels."""
    rect = found[BOX]
    left, top = rect["left"] * across, rect["top"] * down
    return round(left), round(top), round(left + rect["width"] * across), round(top + rect["height"] * down)


def _draw(pixels: Any, box: tuple[int, int, int, int], thick: int, colour: tuple[int, int, int]) -> None:
    """Draw a line inside the box, with a dark one around it, which is visible on any background."""
    for grown, shade, wide in ((1, (0, 0, 0), thick + 2), (0, colour, thick)):
        left, top, right, bottom = box[0] - grown, box[1] - grown, box[2] + grown, box[3] + grown
        for x0, y0, x1, y1 in (
            (left, top, right, top + wide),
            (left, bottom - wide, right, bottom),
            (left, top, left + wide, bottom),
            (right - wide, top, right, bottom),
        ):
            pixels[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0), :3] = shade


def _title(found: model.Object) -> str:
    """Return label, number and confidence of an object: ``person 7  98%``."""
    number = f" {found[TRACK_ID]}" if found[TRACK_ID] >= 0 else ""
    return f"{found[LABEL] or found[CLASS_ID]}{number}  {found[CONFIDENCE]:.0%}"


def _lines(attributes: Any) -> list[str]:
    """Return attributes as lines of text, one for each key of a dict."""
    if attributes is NOTHING or attributes is None:
        return []
    by_key = attributes.items() if isinstance(attributes, dict) else None
    lines = [f"{key} {_value(value)}" for key, value in by_key] if by_key is not None else [_value(attributes)]
    lines = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines]
    return lines if len(lines) <= _MAX_LINES else [*lines[: _MAX_LINES - 1], "…"]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(
    box: tuple[int, int, int, int], title: str, lines: list[str], colour: tuple[int, int, int], step: int, width: int, height: int
) -> Iterator[str]:
    """Yield elements that write the texts above and below a box; inside it if there is no room."""
    left, top, right, bottom = box
    above = top - step - step // 3
    yield from _text([title], left, above if above >= 0 else max(top, 0), colour, step, width, height, right)
    yield from _text(lines, left, bottom, colour, step, width, height, right)


def _text(
    lines: list[str],
    left: int,
    top: int,
    colour: tuple[int, int, int],
    step: int,
    width: int,
    height: int,
    right: int = 0,
) -> Iterator[str]:
    """Yield an element that writes lines at a place; to the left of ``right`` if that is far to the right."""
    if not lines:
        return
    top = max(0, min(top, height - len(lines) * step * 3 // 2))
    side, pad = ("right", width - right) if left > width * 0.6 else ("left", left)
    red, green, blue = colour
    text = GLib.markup_escape_text("\n".join(lines), -1)
    properties = {
        "text": text,
        "halignment": side,
        "line-alignment": side,
        "xpad": max(pad, 0) + 3,
        "valignment": "top",
        "ypad": top + 2,
        "wrap-mode": "none",
        "auto-resize": False,
        "font-desc": f"Sans Bold {step * 3 // 4}px",
        "color": 0xFF000000 | red << 16 | green << 8 | blue,
    }
    yield " ".join(["textoverlay", *assignments(properties)])


def _write(path: Path, pixels: Any, texts: Sequence[str]) -> None:
    height, width = pixels.shape[:2]
    caps = f"video/x-raw,format=RGBA,width={width},height={height},framerate=1/1"
    encoder = f"videoconvert ! {_ENCODERS[path.suffix.lower()]}"
    parts = [f"appsrc name=frame format=time caps={caps}", *texts, encoder, f"filesink location={quoted(as_text(path))}"]
    pipeline = build(" ! ".join(parts))
    try:
        pipeline.set_state(Gst.State.PLAYING)
        buffer = Gst.Buffer.new_wrapped(pixels.tobytes())
        buffer.pts, buffer.duration = 0, Gst.SECOND
        frame = pipeline.get_by_name("frame")
        frame.emit("push-buffer", buffer)
        frame.emit("end-of-stream")
        message = pipeline.get_bus().timed_pop_filtered(_TIMEOUT, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    finally:
        pipeline.set_state(Gst.State.NULL)
    report = report_of(message) if message else None
    if message is None or report:
        raise LaunchError(f"--save {path}: {report.text if report else 'encoding it takes too long.'}")


# A real frame: from a picture, or from a video at a time.


_LAST = "last"
_PATIENCE_S = 30.0
_SEEK = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE


def real(source: str, video_format: str, size: tuple[int, int] | None, count: int, *, at_s: float = 0.0) -> SampleFrame:
    """Decode the frame of ``source`` (see :func:`locate`) at a time, upright; without ``size`` in its own size.

    Raises LaunchError if there is none, FrameError for unknown formats.
    """
    check_format(video_format)
    with _paused(locate(source), video_format, size) as decoder:
        if at_s:
            decoder.seek(at_s)
        return decoder.frame(count)


@contextmanager
def _paused(source: Source, video_format: str, size: tuple[int, int] | None) -> Iterator[_Decoder]:
    wanted = f"video/x-raw,format={video_format}" + (",width={},height={}".format(*size) if size else "")
    upright = ["videoconvert", "!", *TURN, "!", "videoscale", "!", "videoconvert"]
    caps = [f"{wanted},pixel-aspect-ratio=1/1" if size else wanted]
    tokens = [*describe_source(source), "!", "queue", f"name={FIRST}", "!", *upright, "!", *caps, "!", "fakesink"]
    tokens.append(f"name={_LAST}")
    pipeline = build(" ".join(tokens))
    try:
        expect_video(pipeline.get_by_name(SOURCE), pipeline.get_by_name(FIRST).get_static_pad("sink"), shown(source.name))
        keep_upright(pipeline)
        yield _Decoder(pipeline, source)
    finally:
        pipeline.set_state(Gst.State.NULL)


class _Decoder:
    """A pipeline that has decoded one frame and waits."""

    def __init__(self, pipeline: Any, source: Source) -> None:
        self._pipeline, self._source, self._name = pipeline, source, shown(source.name)
        self._pad = pipeline.get_by_name(_LAST).get_static_pad("sink")
        self._seen: list[Any] = []
        self._pad.add_probe(Gst.PadProbeType.BUFFER, self._see)
        live = pipeline.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.NO_PREROLL
        if live:
            pipeline.set_state(Gst.State.PLAYING)
        self._wait(live=live)
        self._beginning = beginning_of(self._segment, self._pad) if self._seen else 0

    def _see(self, _pad: Any, info: Any) -> Any:
        self._seen[:] = [info.get_buffer()]
        return Gst.PadProbeReturn.OK

    def _wait(self, *, live: bool = False) -> None:
        """Wait until there is a frame, or the end. Raises LaunchError."""
        ends = Gst.MessageType.ERROR | Gst.MessageType.EOS | (Gst.MessageType(0) if live else Gst.MessageType.ASYNC_DONE)
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            message = self._pipeline.get_bus().timed_pop_filtered(Gst.SECOND // 10, ends)
            if message and (report := report_of(message)):
                raise LaunchError(error_text(report, self._source, has_begun=bool(self._seen)))
            if message or (live and self._seen):
                return
        raise LaunchError(f"{self._name} gave no frame within {_PATIENCE_S:g} s.")

    @property
    def _segment(self) -> Any:
        return self._pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()

    def seek(self, at_s: float) -> None:
        """Go to a time. Raises LaunchError if that is not possible."""
        name, to = self._name, round(at_s * Gst.SECOND)
        known, duration = self._pipeline.query_duration(Gst.Format.TIME)
        if known and 0 <= duration <= to:
            raise LaunchError(f"{name} lasts {duration / Gst.SECOND:.3f} s; give a time before that with --at, not {at_s:g}.")
        self._seen.clear()
        seeking = Gst.Query.new_seeking(Gst.Format.TIME)
        can = self._pipeline.query(seeking) and seeking.parse_seeking()[1]
        if not can or not self._pipeline.seek_simple(Gst.Format.TIME, _SEEK, to + self._beginning):
            raise LaunchError(f"{name} cannot be read from a given time; leave --at out, or give a file that can be.")
        self._wait()
        if not self._seen:
            raise LaunchError(f"{name} has no frame at {at_s:g} s; give an earlier time with --at.")

    def frame(self, count: int) -> SampleFrame:
        """Return the frame that was decoded. Raises LaunchError if there was none."""
        if not self._seen:
            raise LaunchError(f"{self._name} has no frame that GStreamer can decode.")
        buffer, segment = self._seen[0], self._segment
        time_in = stream_time_in(segment, self._beginning)(buffer.pts)
        return SampleFrame(self._pad.get_current_caps(), buffer.copy_deep(), count, source=self._source.name, stream_time=time_in)
