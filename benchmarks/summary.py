"""From samples to numbers: what a contender takes above the baseline of the same repeat, medians, quartiles, and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import BASELINE, OURS, REFERENCE
from benchmarks.workloads import WORKLOADS

Results = dict[str, dict[str, Any]]
"""What was measured: by workload, then by contender."""


@dataclass(frozen=True)
class Spread:
    """The middle of some numbers, and where its quarters lie."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One contender at one workload, in µs a buffer above the baseline; for the baseline itself, and for ``start``, in all."""

    contender: str
    wall: Spread
    cpu: Spread | None
    ratio: float | None
    """Its median to the median of the hand-written gst-python element."""
    rss_mib: float | None
    peak_mib: float | None


@dataclass(frozen=True)
class Wanted:
    """A limit that the project has set itself, beside what was measured."""

    what: str
    limit: float
    measured: float | None
    unit: str


def spread(numbers: Sequence[float]) -> Spread:
    """Return median and quartiles. Needs one number at least."""
    if len(numbers) == 1:
        return Spread(numbers[0], numbers[0], numbers[0])
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return Spread(median, low, high)


def rows(workload: str, found: dict[str, Any]) -> list[Row]:
    """Return a row for each contender of a workload; none for the workloads that are not repeated."""
    if WORKLOADS[workload].kind in ("memory", "inside", "turns"):
        return []
    return [_row(workload, name, found) for name in found]


def _row(workload: str, name: str, found: dict[str, Any]) -> Row:
    wall = spread(times(workload, found, name, "wall_ns"))
    streams = WORKLOADS[workload].kind == "stream"
    ratio = None
    if REFERENCE in found and not (streams and name == BASELINE):
        ratio = _ratio(wall.median, _median({workload: found}, workload, REFERENCE))
    if not streams:
        return Row(name, wall, None, ratio, None, None)
    samples = found[name]["samples"]
    cpu = spread(times(workload, found, name, "cpu_ns"))
    peak = max(sample["peak_kib"] for sample in samples) / 1024
    return Row(name, wall, cpu, ratio, samples[-1]["rss_kib"] / 1024, peak)


def times(workload: str, found: dict[str, Any], name: str, key: str) -> list[float]:
    """Return the µs a buffer of each repeat; for a stream, those above the baseline in the same repeat.

    Parameters
    ----------
    workload
        Name of the workload.
    found
        What was measured there, by contender.
    name
        Name of the contender.
    key
        ``wall_ns`` or ``cpu_ns``.

    """
    own = _microseconds(found, name, key)
    if name == BASELINE or WORKLOADS[workload].kind != "stream":
        return own
    return [one - other for one, other in zip(own, _microseconds(found, BASELINE, key), strict=True)]


def _microseconds(found: dict[str, Any], name: str, key: str) -> list[float]:
    return [sample[key] / sample["buffers"] / 1000 for sample in found[name]["samples"]]


def wanted(results: Results) -> list[Wanted]:
    """Return the limits with what was measured; None where the workloads for it were not run."""
    nothing, reference = _median(results, "nothing", OURS), _median(results, "nothing", REFERENCE)
    json, objects, none = (_median(results, name, OURS) for name in ("json", "objects-10", "objects-0"))
    return [
        Wanted("nothing, to the plain element that does nothing", 0.35, _ratio(nothing, reference), "of it"),
        Wanted(
            "passed, to the plain element that does nothing",
            0.15,
            _ratio(_median(results, "passed", OURS), _median(results, "passed", REFERENCE)),
            "of it",
        ),
        Wanted(
            "pixels, to the plain element that does the same",
            0.7,
            _ratio(_median(results, "pixels", OURS), _median(results, "pixels", REFERENCE)),
            "of it",
        ),
        Wanted(
            "an object of objects-10, above objects-0",
            2.5,
            None if objects is None or none is None else (objects - none) / 10,
            "µs",
        ),
        Wanted("json, above nothing", 15, None if json is None or nothing is None else json - nothing, "µs"),
        Wanted(
            "keypoints-100, to found-100",
            4.0,
            _ratio(_median(results, "keypoints-100", OURS), _median(results, "found-100", OURS)),
            "of it",
        ),
        Wanted("memory: growth between the first hundredth and the end", 1.0, _growth(results, "memory"), "MiB"),
        Wanted("memory-json: the same", 1.0, _growth(results, "memory-json"), "MiB"),
        Wanted("memory-workers: the same, of 5 processes", 5.0, _growth(results, "memory-workers"), "MiB"),
        Wanted(
            "start, to a plain element that imports NumPy",
            1.5,
            _ratio(_median(results, "start", OURS), _median(results, "start", REFERENCE)),
            "of it",
        ),
        *(
            Wanted(f"{workload}: {name}", limit, _measured(results, workload, name), unit)
            for workload, name, limit, unit in _IN_TURNS
        ),
    ]


_IN_TURNS = (
    ("workers-speed", "time of a frame, workers=2 to workers=0", 0.54, "of it"),
    ("workers-speed", "gain of multiprocessing, to that of workers=2", 1.0, "of it"),
    ("workers-transport", "a worker, to one copy, upstream writes into its memory", 0.6, "of it"),
    ("workers-transport", "a worker, to one copy, upstream has memory of its own", 1.8, "of it"),
    ("workers-live", "late frames", 0.0, "frames"),
    ("workers-live", "latency added at most, of the time of a frame", 1.0, "of it"),
    ("publish", "added to a buffer in all threads, above aimeta", 10.0, "µs"),
    ("studio", "studio that nobody watches, to run", 1.05, "of it"),
    ("studio", "added to the pipeline's own threads by somebody who watches", 5.0, "%"),
    ("studio", "from the library to the client, 95th percentile", 150.0, "ms"),
)


def per_object(results: Results) -> dict[str, dict[str, float]]:
    """Return µs an object by workload and contender, above the same contender's ``objects-0``."""
    found: dict[str, dict[str, float]] = {}
    for workload in ("objects-10", "objects-100", "objects-10-params"):
        for contender in results.get(workload, {}):
            one, none = _median(results, workload, contender), _median(results, "objects-0", contender)
            if one is not None and none is not None and contender != BASELINE:
                found.setdefault(workload, {})[contender] = (one - none) / WORKLOADS[workload].regions
    return found


def _median(results: Results, workload: str, contender: str) -> float | None:
    found = results.get(workload, {})
    if contender not in found:
        return None
    return spread(times(workload, found, contender, "wall_ns")).median


def _measured(results: Results, workload: str, name: str) -> float | None:
    """Return the median of what was measured in turns, by the beginning of its name."""
    if OURS not in results.get(workload, {}):
        return None
    measured = results[workload][OURS]["measured"]
    return spread(next(values for key, values in measured.items() if key.startswith(name))).median


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _growth(results: Results, workload: str) -> float | None:
    if OURS not in results.get(workload, {}):
        return None
    marks = results[workload][OURS]["marks"]
    return float(marks[-1]["rss_kib"] - marks[0]["rss_kib"]) / 1024
