"""What the return value of a callback means, and what its author should know about it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from empycustom.elements.frames import FrameFormat
from empycustom.meta import model
from empycustom.meta.merge import NOTHING
from empycustom.meta.output import Said, is_padded, too_short

_FRAME_MS = 1000 / 30
_NOT_FINITE = re.compile(r"(?<![\w'\"])(nan|NaN|-?inf|-?Infinity)\b")


@dataclass(frozen=True)
class Trial:
    """What one callback did: what it returned, in plain JSON values and dealt out; the buffers; each call's time in ms.

    ``format`` is that of the buffer ``after``, which is None where the frame was dropped.
    """

    returned: Any
    meta: Any
    said: Said
    before: Any
    after: Any
    format: FrameFormat
    times_ms: list[float]


def facts_of(trial: Trial, callback: str, objects: Sequence[model.Object]) -> dict[str, Any]:
    """What is to be known of a trial, as JSON values: what came back, what it means, what to be warned of, and times."""
    frame = trial.said.frames[0]
    times = [round(time_ms, 4) for time_ms in trial.times_ms]
    return {
        "callback": callback,
        "type": type(trial.returned).__name__,
        "returned": trial.meta,
        "objects": [_or_null(words) for words in frame.objects],
        "frame": _or_null(frame.words),
        "batch": _or_null(trial.said.words),
        "new_objects": frame.new_objects,
        "pixels": _pixels(trial),
        "warnings": list(_warnings(trial, callback, objects)),
        "time_ms": {"best": min(times), "median": median(times), "worst": max(times), "calls": len(times)},
    }


def explain(facts: Mapping[str, Any], objects: Sequence[model.Object]) -> list[str]:
    """The lines of a report about what :func:`facts_of` tells."""
    shown = "nothing" if facts["returned"] is None else json.dumps(facts["returned"], indent=2, ensure_ascii=False)
    lines = ["", f"{facts['callback']} returned, as {facts['type']}:", _indented(shown), "", "which means:"]
    lines += [f"  {line}" for line in _meaning(facts, objects)]
    if facts["warnings"]:
        lines += ["", "warnings:", *(f"  {line}" for line in facts["warnings"])]
    return [*lines, "", _timing(facts["time_ms"])]


def _meaning(facts: Mapping[str, Any], objects: Sequence[model.Object]) -> Iterator[str]:
    for index, (found, words) in enumerate(zip(objects, facts["objects"], strict=True)):
        yield f"object {index} ({found['obj_label']}): {_words(words)}"
    yield f"the frame: {_words(facts['frame'])}"
    if facts["batch"] is not None:
        yield f"the batch: {_words(facts['batch'])}"
    for new in facts["new_objects"]:
        yield f"a new object: {_words(new)}"
    yield f"the pixels: {_PIXELS[facts['pixels']]}"


def _words(words: Any) -> str:
    return "nothing" if words is None else json.dumps(words, ensure_ascii=False)


def _or_null(words: Any) -> Any:
    return None if words is NOTHING else words


_PIXELS = {
    "dropped": "no buffer came back",
    "unchanged": "unchanged",
    "changed": "changed; what was written goes downstream",
}


def _pixels(trial: Trial) -> str:
    if trial.after is None:
        return "dropped"
    before, after = (buffer.extract_dup(0, buffer.get_size()) for buffer in (trial.before, trial.after))
    return "unchanged" if before == after else "changed"


def _timing(times: Mapping[str, Any]) -> str:
    best, median_, worst = (f"{times[key]:.3f} ms" for key in ("best", "median", "worst"))
    share = f"{100 * times['median'] / _FRAME_MS:.1f} % of a frame at 30 fps"
    return f"time of a call: {best} at best, {median_} in the middle, {worst} at worst, of {times['calls']}; {share}"


def _warnings(trial: Trial, callback: str, objects: Sequence[model.Object]) -> Iterator[str]:
    yield from trial.said.ignored
    if isinstance(trial.returned, str) and trial.returned.strip():
        yield from _about_text(trial)
    elif places := list(_not_finite(trial.returned, "")):
        yield f"{', '.join(places)}: NaN and infinities are no JSON and become null."
    if isinstance(trial.meta, list) and len(trial.meta) < len(objects) and not is_padded(trial.meta, len(objects)):
        yield f"It returned {too_short(len(trial.meta), len(objects), objects[0]['obj_label'])}."
    if callback == "process":
        yield from _about_buffer(trial)


def _about_text(trial: Trial) -> Iterator[str]:
    try:
        json.loads(trial.returned)
    except ValueError:
        yield "It is Python's own spelling, as str(list) makes it: understood, but return the list itself instead."
    if _NOT_FINITE.search(trial.returned) and any(value is None for value in _leaves(trial.meta)):
        yield "There is NaN or an infinity in it: these are no JSON and become null."


def _about_buffer(trial: Trial) -> Iterator[str]:
    if trial.after is None:
        yield "process returned None as out_buffer: with in-place=false the frame is dropped."


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """The places in a Python value where a float is no number."""
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
