"""The frame after a call as a picture: with the boxes of its objects, what they are called, and what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from empycustom.app.health.packages import how_to_get_any
from empycustom.app.playing.parts import build, exists
from empycustom.app.playing.reports import report_of
from empycustom.app.trial.findings import Trial
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, Gst, GstVideo
from empycustom.meta import model
from empycustom.meta.merge import NOTHING
from empycustom.paths import as_text
from empycustom.stream.launch import assignments, quoted

_ENCODERS = {".png": "pngenc", ".jpg": "jpegenc quality=95", ".jpeg": "jpegenc quality=95"}
# Red, green and blue of colours that are told apart easily.
_COLOURS = ((255, 140, 120), (90, 230, 220), (255, 220, 50), (150, 240, 150), (255, 150, 220), (150, 200, 255), (255, 180, 70))
_WHITE = (255, 255, 255)
_TIMEOUT = 30 * Gst.SECOND
_MOST_LINES, _LONGEST = 8, 48  # of what was said about one object; characters of a line


def check_picture(path: Path) -> None:
    """Raise LaunchError for a file whose ending is not that of a picture, or where elements are missing."""
    encoder = _ENCODERS.get(path.suffix.lower())
    if encoder is None:
        raise LaunchError(f"--save {path}: the ending is not that of a picture; it may be {' '.join(_ENCODERS)}.")
    for factory in ("appsrc", "textoverlay", encoder.partition(" ")[0]):
        if not exists(factory):
            raise LaunchError(f"--save {path} needs the element {factory}, which is not here; {how_to_get_any(factory)}.")


def save_picture(path: Path, trial: Trial, objects: Sequence[model.Object], size: tuple[int, int]) -> None:
    """Write the frame after a call. ``objects`` are those on the frame before it, whose ``size`` it had. Raises LaunchError."""
    pixels = _pixels(trial)
    height, width = pixels.shape[:2]
    said = trial.said.frames[0]
    factors = width / size[0], height / size[1]
    found = [(_box(each, *factors), _title(each), _lines(words)) for each, words in zip(objects, said.objects, strict=True)]
    found += [(_box(each), _title(each), _lines(each.get("emcustom", NOTHING))) for each in said.new_objects]
    step = max(round(height / 30), 11)
    texts = list(_text(_lines(said.words), 0, 0, _WHITE, step, width, height))
    for index, (box, title, lines) in enumerate(found):
        colour = _COLOURS[index % len(_COLOURS)]
        _draw(pixels, box, max(2, height // 240), colour)
        texts += _texts(box, title, lines, colour, step, width, height)
    _write(path, pixels, texts)


def _pixels(trial: Trial) -> Any:
    """The pixels of the frame after the call, as a new RGBA array of (height, width, 4)."""
    width, height = trial.format.width, trial.format.height
    caps = Gst.Caps.from_string(trial.format.caps)
    wanted = Gst.Caps.from_string(f"video/x-raw,format=RGBA,width={width},height={height}")
    try:
        sample = GstVideo.video_convert_sample(Gst.Sample.new(trial.after, caps, None, None), wanted, _TIMEOUT)
    except GLib.Error as error:
        raise LaunchError(f"the frame cannot be made into a picture: {error.message}.") from error
    buffer = sample.get_buffer()
    return (
        np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)[: width * height * 4].reshape(height, width, 4).copy()
    )


def _box(found: model.Object, across: float = 1.0, down: float = 1.0) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, in whole pixels."""
    rect = found["rect_params"]
    left, top = rect["left"] * across, rect["top"] * down
    return round(left), round(top), round(left + rect["width"] * across), round(top + rect["height"] * down)


def _draw(pixels: Any, box: tuple[int, int, int, int], thick: int, colour: tuple[int, int, int]) -> None:
    """Draw a line inside of the box, with a dark one around it, which can be seen on anything."""
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
    """What an object is: ``person 7  98%``."""
    number = f" {found['object_id']}" if found["object_id"] >= 0 else ""
    return f"{found['obj_label'] or found['class_id']}{number}  {found['confidence']:.0%}"


def _lines(said: Any) -> list[str]:
    """What was said, a line for each key of a dict."""
    if said is NOTHING or said is None:
        return []
    lines = [f"{key} {_value(value)}" for key, value in said.items()] if isinstance(said, dict) else [_value(said)]
    lines = [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines]
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(
    box: tuple[int, int, int, int], title: str, lines: list[str], colour: tuple[int, int, int], step: int, width: int, height: int
) -> Iterator[str]:
    """What stands above a box, and below it; inside of it where there is no room."""
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
    """An element that writes lines at a place; to the left of ``right`` where that is far to the right."""
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
