"""What costs what in a library: its pieces timed inside a callback, and its results timed by the buffer. Runs in a worker."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.pipelines import parse, play_round, stream_text
from benchmarks.workloads import Workload

LIBRARIES = Path(__file__).parent / "libraries"
REPEATS, QUICK_REPEATS = 5, 2
_SECONDS, _QUICK_SECONDS = 0.2, 0.0
_IN_A_CALLBACK = "a call, inside a callback (1280x720 RGBA)"
_BY_THE_BUFFER = "a buffer, above one with as many objects and no result"

Piece = dict[str, Any]


def measure(template: str, workload: Workload, *, quick: bool) -> list[Piece]:
    """Return name and µs (median, quickest) of each piece, in two groups."""
    return _in_a_callback(template, workload, quick=quick) + _by_the_buffer(workload, quick=quick)


def _in_a_callback(template: str, workload: Workload, *, quick: bool) -> list[Piece]:
    """Play one buffer of real size, with an object on it, through the library that times itself."""
    options = {"seconds": _QUICK_SECONDS if quick else _SECONDS, "repeats": QUICK_REPEATS if quick else REPEATS}
    pipeline = parse(stream_text(workload, f"{template} name=inside {_options(options)}"))
    element = pipeline.get_by_name("inside")  # its last-meta outlives the stream
    play_round(pipeline, replace(workload, regions=1), 1)
    result = json.loads(element.get_property("last-meta"))
    return [_piece(_IN_A_CALLBACK, name, times) for name, times in result["frame"][0]["meta"].items()]


def _by_the_buffer(workload: Workload, *, quick: bool) -> list[Piece]:
    """Play streams with libraries that return this or that, in turn. Return what each takes above one that returns nothing."""
    small = replace(workload, format="GRAY8", width=320, height=240)
    buffers = small.per_stream(quick)
    times: dict[str, list[float]] = {}
    for repeat in range((QUICK_REPEATS if quick else REPEATS) + 1):
        for name, (element, regions) in _RESULTS.items():
            workload = replace(small, regions=regions)
            played = play_round(parse(stream_text(workload, element)), workload, buffers // max(1, regions // 10))
            if repeat:
                times.setdefault(name, []).append(played.wall_ns / played.buffers / 1000)
    return [
        _piece(_BY_THE_BUFFER, name, _above(times[name], times[_no_result(regions)]))
        for name, (_, regions) in _RESULTS.items()
        if name != _no_result(regions)
    ]


def _above(times: list[float], base: list[float]) -> list[float]:
    return [one - other for one, other in zip(times, base, strict=True)]


def _piece(group: str, name: str, times: list[float]) -> Piece:
    return {"group": group, "name": name, "median_us": statistics.median(times), "quickest_us": min(times), "us": times}


def _options(options: dict[str, Any]) -> str:
    """Return the property as it is written in the text of a pipeline."""
    text = json.dumps(options).replace('"', '\\"')
    return f'options="{text}"'


def _element(library: str, properties: str = "in-place=true", **options: Any) -> str:
    return f'empycustom {properties} custom-lib="{LIBRARIES / library}" {_options(options)}'


def _no_result(regions: int) -> str:
    return f"no result, {regions} objects"


_RESULTS: dict[str, tuple[str, int]] = {
    _no_result(0): (_element("attributes.py", count=0), 0),
    _no_result(10): (_element("attributes.py", count=0), 10),
    _no_result(100): (_element("attributes.py", count=0), 100),
    "1 attribute of the frame": (_element("attributes.py", count=1), 0),
    "1 attribute of the frame, and aimeta's document": (f"{_element('attributes.py', count=1)} ! aimeta location=/dev/null", 0),
    "1 attribute of the frame, as JSON text": (_element("attributes.py", count=1, form="json"), 0),
    "1 attribute of the frame, as str(list)": (_element("attributes.py", count=1, form="str"), 0),
    "an attribute of each of 10 objects": (_element("attributes.py", count=10), 10),
    "an attribute of each of 10 objects, as JSON text": (_element("attributes.py", count=10, form="json"), 10),
    "an attribute of each of 10 objects, as str(list)": (_element("attributes.py", count=10, form="str"), 10),
    "an attribute of each of 100 objects": (_element("attributes.py", count=100), 100),
    "10 new objects": (_element("attributes.py", count=10, form="new_object"), 0),
    "process-interval=4, above every buffer": (_element("attributes.py", "in-place=true process-interval=4", count=0), 0),
    "process-interval=4, 10 objects, above every buffer": (
        _element("attributes.py", "in-place=true process-interval=4", count=0),
        10,
    ),
    "in-place=false, the buffer that came in is returned": (_element("returning.py", "in-place=false"), 0),
}
