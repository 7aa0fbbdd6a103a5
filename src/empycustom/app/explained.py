"""The explanation of a result: what ``empycustom check`` makes of one, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from empycustom.model import values as model
from empycustom.model.carried import as_plain
from empycustom.model.keys import LABEL
from empycustom.model.results import value_of
from empycustom.model.values import NOTHING
from empycustom.testing import Result
from empycustom.text import shown

_FRAME_MS = 1000 / 30


def facts_of(last: Result, times_ms: list[float]) -> dict[str, Any]:
    """Return the facts of the calls of a callback as JSON values: the last result, what it means, warnings, and times."""
    frame = last.result.frames[0]
    times = [round(time_ms, 4) for time_ms in times_ms]
    return {
        "callback": last.callback,
        "type": type(last.returned).__name__,
        "returned": last.meta,
        "dropped": _why_dropped(last),
        "objects": [_or_null(attributes) for attributes in frame.objects],
        "frame": _or_null(frame.attributes),
        "batch": _or_null(last.result.attributes),
        "new_objects": [*map(as_plain, last.new_objects)],
        "changed_objects": [as_plain(frame.changed.get(index, {})) for index in range(len(frame.objects))],
        "removed_objects": sorted(frame.removed),
        "pixels": "dropped" if last.dropped else "changed" if last.changed else "unchanged",
        "warnings": last.warnings,
        "time_ms": {"best": min(times), "median": median(times), "worst": max(times), "calls": len(times)},
    }


def explained(facts: Mapping[str, Any], objects: Sequence[model.Object], *, is_own: bool) -> list[str]:
    """Return the lines of a report about the result of :func:`facts_of`; ``is_own``: the library is not of another project."""
    text = "nothing" if facts["returned"] is None else json.dumps(facts["returned"], indent=2, ensure_ascii=False)
    if facts["dropped"] is not None:
        return ["", f"The frame is dropped: {facts['dropped']}.", "", _timing(facts["time_ms"])]
    what = f"returned, as {facts['type']}:" if is_own else "added and changed, as libraries of empycustom return it:"
    lines = ["", f"{facts['callback']} {what}", _indented(text), "", "which means:"]
    lines += [f"  {line}" for line in _meaning(facts, objects)]
    if facts["warnings"]:
        lines += ["", "warnings:", *(f"  {line}" for line in facts["warnings"])]
    return [*lines, "", _timing(facts["time_ms"])]


def _why_dropped(last: Result) -> str | None:
    """Return why a library dropped the frame by what it returned; None: it did not, or it is ``process``, which has a warning."""
    why = last.result.dropped
    if why or why is None:
        return why
    returned = repr(last.returned) if isinstance(last.returned, bool) else shown(last.returned)
    return f"{last.callback} returned {returned}, which drops it"


def _meaning(facts: Mapping[str, Any], objects: Sequence[model.Object]) -> Iterator[str]:
    for index, (found, attributes) in enumerate(zip(objects, facts["objects"], strict=True)):
        name = f"object {index} ({found[LABEL]})"
        yield f"{name}: {_text(attributes)}"
        if index in facts["removed_objects"]:
            yield f"{name} is removed"
        elif change := facts["changed_objects"][index]:
            yield f"{name} is changed: {_text(change)}"
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


def _timing(times: Mapping[str, Any]) -> str:
    best, median_, worst = (f"{times[key]:.3f} ms" for key in ("best", "median", "worst"))
    share = f"{100 * times['median'] / _FRAME_MS:.1f} % of a frame at 30 fps"
    return f"time of a call: best {best}, median {median_}, worst {worst}, of {times['calls']} calls; {share}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
