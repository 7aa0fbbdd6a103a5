"""Frames for ``empycustom check``, and explanations of what a callback returned."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import time_ns
from typing import Any

import numpy as np

from empycustom.elements.frames import FrameFormat
from empycustom.frames.formats import planes_of
from empycustom.gstreamer import Gst, GstVideo
from empycustom.model import values as model
from empycustom.model.results import Result, is_padded, too_short, value_of
from empycustom.model.values import NOTHING
from empycustom.native.metas import video_layout

_FRAME_MS = 1000 / 30
_NOT_FINITE = re.compile(r"(?<![\w'\"])(nan|NaN|-?inf|-?Infinity)\b")


@dataclass(frozen=True)
class Trial:
    """The calls of one callback: its last result, as it is, as JSON and distributed; the buffers; the time of each call in ms.

    ``format`` is that of the buffer ``after``, which is None if the frame was dropped.
    """

    returned: Any
    meta: Any
    result: Result
    before: Any
    after: Any
    format: FrameFormat
    times_ms: list[float]


def facts_of(trial: Trial, callback: str, objects: Sequence[model.Object]) -> dict[str, Any]:
    """Return the facts of a trial as JSON values: the result, what it means, warnings, and times."""
    frame = trial.result.frames[0]
    times = [round(time_ms, 4) for time_ms in trial.times_ms]
    return {
        "callback": callback,
        "type": type(trial.returned).__name__,
        "returned": trial.meta,
        "objects": [_or_null(attributes) for attributes in frame.objects],
        "frame": _or_null(frame.attributes),
        "batch": _or_null(trial.result.attributes),
        "new_objects": frame.new_objects,
        "pixels": _pixels(trial),
        "warnings": list(_warnings(trial, callback, objects)),
        "time_ms": {"best": min(times), "median": median(times), "worst": max(times), "calls": len(times)},
    }


def explain(facts: Mapping[str, Any], objects: Sequence[model.Object]) -> list[str]:
    """Return the lines of a report about the result of :func:`facts_of`."""
    shown = "nothing" if facts["returned"] is None else json.dumps(facts["returned"], indent=2, ensure_ascii=False)
    lines = ["", f"{facts['callback']} returned, as {facts['type']}:", _indented(shown), "", "which means:"]
    lines += [f"  {line}" for line in _meaning(facts, objects)]
    if facts["warnings"]:
        lines += ["", "warnings:", *(f"  {line}" for line in facts["warnings"])]
    return [*lines, "", _timing(facts["time_ms"])]


def _meaning(facts: Mapping[str, Any], objects: Sequence[model.Object]) -> Iterator[str]:
    for index, (found, attributes) in enumerate(zip(objects, facts["objects"], strict=True)):
        yield f"object {index} ({found['obj_label']}): {_text(attributes)}"
    yield f"the frame: {_text(facts['frame'])}"
    if facts["batch"] is not None:
        yield f"the batch: {_text(facts['batch'])}"
    for new in facts["new_objects"]:
        yield f"a new object: {_text(new)}"
    yield f"the pixels: {_PIXELS[facts['pixels']]}"


def _text(attributes: Any) -> str:
    return "nothing" if attributes is None else json.dumps(attributes, ensure_ascii=False)


def _or_null(attributes: Any) -> Any:
    return None if attributes is NOTHING else value_of(attributes)


_PIXELS = {
    "dropped": "the frame is dropped",
    "unchanged": "unchanged",
    "changed": "changed; the changes go downstream",
}


def _pixels(trial: Trial) -> str:
    if trial.after is None:
        return "dropped"
    before, after = (buffer.extract_dup(0, buffer.get_size()) for buffer in (trial.before, trial.after))
    return "unchanged" if before == after else "changed"


def _timing(times: Mapping[str, Any]) -> str:
    best, median_, worst = (f"{times[key]:.3f} ms" for key in ("best", "median", "worst"))
    share = f"{100 * times['median'] / _FRAME_MS:.1f} % of a frame at 30 fps"
    return f"time of a call: best {best}, median {median_}, worst {worst}, of {times['calls']} calls; {share}"


def _warnings(trial: Trial, callback: str, objects: Sequence[model.Object]) -> Iterator[str]:
    yield from trial.result.ignored
    if isinstance(trial.returned, str) and trial.returned.strip():
        yield from _about_text(trial)
    elif places := list(_not_finite(trial.returned, "")):
        yield f"{', '.join(places)}: NaN and infinities are not JSON and become null."
    if isinstance(trial.meta, list) and len(trial.meta) < len(objects) and not is_padded(trial.result.returned, len(objects)):
        yield f"It returned {too_short(len(trial.meta), len(objects), objects[0]['obj_label'])}."
    if callback == "process":
        yield from _about_buffer(trial)


def _about_text(trial: Trial) -> Iterator[str]:
    try:
        json.loads(trial.returned)
    except ValueError:
        yield "It is text in Python's notation, as str(list) writes it: it is accepted, but return the list itself instead."
    if _NOT_FINITE.search(trial.returned) and any(value is None for value in _leaves(trial.meta)):
        yield "It contains NaN or an infinity: these are not JSON and become null."


def _about_buffer(trial: Trial) -> Iterator[str]:
    if trial.after is None:
        yield "process returned None as out_buffer: with in-place=false the frame is dropped."


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """Yield the places of floats in a Python value that are not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        yield path.lstrip(".") or "the value"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{path}.{key}")
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{path}[{index}]")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


# Frames for a trial: a test picture, or a decoded one, in a real buffer, with objects as in DeepStream.


LABELS = ("car", "bicycle", "person")  # by class_id, from 0
_DURATION = Gst.SECOND // 30  # if the duration of a frame is unknown
_FRAME_TIMEOUT = 10 * Gst.SECOND


class TrialFrame:
    """A frame with ``count`` objects that is used again and again, each time as the next one of its stream.

    ``picture`` is a buffer with ``caps``, ``stream_time`` its time in its video, ``source`` the name of that (``""``: no video).
    """

    def __init__(self, caps: Any, picture: Any, count: int, *, source: str = "", stream_time: int | None = None) -> None:
        self.caps, self.source = caps, source
        self.format = FrameFormat(caps)
        self._picture = picture
        self._pts = picture.pts if picture.pts != Gst.CLOCK_TIME_NONE else 0
        self._shift = (self._pts if stream_time is None else stream_time) - self._pts
        lasts = self.format.duration_ns
        self._duration = round(lasts) if lasts < Gst.SECOND else _DURATION
        self.objects = [_object(index, count, self.format.width, self.format.height) for index in range(count)]

    @property
    def stream_time(self) -> int:
        """Return the time of the first frame in its video, in nanoseconds."""
        return self._pts + self._shift

    def buffer(self, number: int = 0) -> Any:
        """Return a new, writable ``Gst.Buffer`` with the picture, as the frame with this number, from 0."""
        buffer = self._picture.copy_deep()
        buffer.pts, buffer.duration = self._pts + number * self._duration, self._duration
        return buffer

    def in_meta(self, buffer: Any, number: int = 0) -> model.InMeta:
        """Return a new ``in_meta`` for a buffer of :meth:`buffer` with this number."""
        frame = self.format.frame(hash(buffer), number, time_ns(), lambda pts: pts + self._shift, self.source or None)
        frame["object"] = [_copied(found) for found in self.objects]
        return {"frame": [frame], "buffer": self.format.buffer_info(video_layout(hash(buffer)))}


def synthetic(video_format: str, size: tuple[int, int], count: int) -> TrialFrame:
    """Make a frame of a format and of ``size`` (width, height). Raises FrameError for unknown formats."""
    width, height = size
    planes_of(video_format)
    caps = Gst.Caps.from_string(f"video/x-raw,format={video_format},width={width},height={height},framerate=30/1")
    return TrialFrame(caps, _picture(caps, width, height), count)


def _picture(caps: Any, width: int, height: int) -> Any:
    """Return a test picture in the format of ``caps``: red grows to the right, green downwards, blue in squares."""
    pixels = np.full((height, width, 4), 255, np.uint8)
    rows, columns = np.ogrid[:height, :width]
    pixels[..., 0] = columns * 255 // width
    pixels[..., 1] = rows * 255 // height
    pixels[..., 2] = ((rows // 32 + columns // 32) % 2) * 255
    buffer = Gst.Buffer.new_wrapped(pixels.tobytes())
    buffer.pts, buffer.duration = 0, _DURATION
    rgba = Gst.Caps.from_string(f"video/x-raw,format=RGBA,width={width},height={height},framerate=30/1")
    return GstVideo.video_convert_sample(Gst.Sample.new(buffer, rgba, None, None), caps, _FRAME_TIMEOUT).get_buffer()


def _object(index: int, count: int, width: int, height: int) -> model.Object:
    """Return the n-th of ``count`` objects, side by side, each inside the frame; the first is a person."""
    class_id = (2, 0, 1)[index % 3]
    column = width / count
    return {
        "class_id": class_id,
        "object_id": index + 1,
        "confidence": 0.9,
        "obj_label": LABELS[class_id],
        "rect_params": {
            "left": float(int(column * index + column / 8)),
            "top": float(height // 4),
            "width": float(max(1, int(column * 3 / 4))),
            "height": float(max(1, height // 2)),
        },
        "text_params": {"display_text": f"{LABELS[class_id]} {index + 1}"},
        "classifier": [],
    }


def _copied(found: model.Object) -> model.Object:
    copy = found.copy()
    copy["rect_params"] = found["rect_params"].copy()
    copy["text_params"] = found["text_params"].copy()
    copy["classifier"] = []
    return copy
