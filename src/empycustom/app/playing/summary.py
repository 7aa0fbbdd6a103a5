"""What a stream did, in one dict: the lines that people read are made of it, and the file of ``--summary-json`` holds it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from empycustom.elements.tally import Tally
from empycustom.native import probes
from empycustom.stream.launch import AIMETA, FIRST

_LONG_START_S = 1.0


class Work:
    """Counts what one stream does, in a pipeline or in several one after another.

    Playing begins when the first frame arrives: a library's ``start`` loads models, which says nothing about its speed.
    """

    def __init__(self) -> None:
        self._folder = Path.cwd()
        self._began = time.monotonic()
        self._ended: float | None = None
        self._first: float | None = None
        self._elements: list[Any] = []
        self._libraries: list[tuple[str, Tally]] = []
        self._files: dict[str, Path] = {}  # by their names as they were typed: a library may change the working directory

    def watch(self, pipeline: Any, files: Sequence[Path]) -> None:
        """Count in a pipeline that is about to play and to write ``files``."""
        self._elements = _libraries_in(pipeline)
        self._files |= {str(path): path.absolute() for path in files}
        probes.at_first(hash(pipeline.get_by_name(FIRST).get_static_pad("sink")), self._begin)

    def _begin(self) -> None:
        self._first = self._first or time.monotonic()

    def end(self) -> None:
        """Take what the libraries of the pipeline have counted: it has ended."""
        self._ended = time.monotonic()
        found = [(self._name(element.values["custom-lib"]), element.tally) for element in self._elements]
        self._elements = []
        for (_, before), (_, tally) in zip(self._libraries, found, strict=False):
            before.add(tally)
        self._libraries = self._libraries or found

    def _name(self, library: str) -> str:
        """How a library is named: from the working directory, if it lies below that."""
        path = Path(library)
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)

    def summary(self, *, frames: int = 0, documents: int = 0, left_out: int = 0, **more: int) -> dict[str, Any]:
        """Return all that was counted; ``more`` are other numbers."""
        ended = self._ended or time.monotonic()
        first = self._first or ended
        return {
            "frames": frames,
            **_speed(frames, ended - first),
            "start_seconds": round(first - self._began, 3),
            "documents": documents,
            "left_out": left_out,
            **more,
            "written": written(self._files),
            "libraries": [_library(name, tally) for name, tally in self._libraries],
        }


def written(files: Mapping[str, Path]) -> list[str]:
    """The names of those files in which there is something."""
    return [name for name, path in files.items() if path.exists() and path.stat().st_size]


def _speed(frames: int, seconds: float) -> dict[str, float]:
    return {"seconds": round(seconds, 3), "fps": round(frames / seconds, 2) if seconds else 0.0}


def _libraries_in(pipeline: Any) -> list[Any]:
    """The elements that run a library, in their order."""
    found: list[Any] = []
    element = pipeline.get_by_name(AIMETA)
    while element and element.sinkpads:
        if element.get_factory().get_name() == "empycustom":
            found.append(element)
        peer = element.sinkpads[0].get_peer()
        element = peer and peer.get_parent_element()
    return found[::-1]


def _library(name: str, tally: Tally) -> dict[str, Any]:
    times = tally.times
    called = {
        "median_ms": times.percentile_ns(50),
        "p95_ms": times.percentile_ns(95),
        "mean_ms": times.mean_ns,
        "max_ms": times.longest_ns,
    }
    return {
        "library": name,
        "frames": tally.buffers,
        "calls": tally.processed,
        "errors": tally.errors,
        "dropped": tally.dropped,
        **{key: float(f"{ns / 1e6:.3g}") if times.longest_ns else None for key, ns in called.items()},
    }


def total(files: Sequence[str], streams: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the summary of streams that began together; ``files`` were written by all of them."""
    start = min(stream["start_seconds"] for stream in streams)
    end = max(stream["start_seconds"] + stream["seconds"] for stream in streams)
    counts = {
        key: sum(stream[key] for stream in streams) for key in ("frames", "documents", "left_out", "events") if key in streams[0]
    }
    names = [*files, *(name for stream in streams for name in stream["written"])]
    done = {**_speed(counts["frames"], end - start), "start_seconds": start, **counts, "written": list(dict.fromkeys(names))}
    return {**done, "streams": list(streams)}


def in_lines(done: Mapping[str, Any]) -> str:
    """Return a summary as people read it: a line, and one more for each library."""
    start = f"; start: {done['start_seconds']:.1f} s" if done["start_seconds"] >= _LONG_START_S else ""
    events = f", {_counted(done['events'], 'event')}" if "events" in done else ""
    left_out = f", {_counted(done['left_out'], 'frame')} left out because the libraries were busy" if done["left_out"] else ""
    written = f"; written: {', '.join(done['written'])}" if done["written"] else ""
    speed = f"{_counted(done['frames'], 'frame')} in {done['seconds']:.1f} s ({done['fps']:.1f} fps{start})"
    return "\n".join(
        [f"{speed}, {_counted(done['documents'], 'document')}{events}{left_out}{written}", *_library_lines(done["libraries"])]
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _library_lines(libraries: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each library, in columns."""
    name, calls, time = (max([len(cell(library)) for library in libraries], default=0) for cell in (_named, _calls, _times))
    return [
        f"  {_named(library):{name}}  {_calls(library):>{calls}}  {_times(library):{time}}  {_mishaps(library)}".rstrip()
        for library in libraries
    ]


def _named(library: Mapping[str, Any]) -> str:
    return str(library["library"])


def _calls(library: Mapping[str, Any]) -> str:
    return f"{library['calls']} call{' ' if library['calls'] == 1 else 's'}"


def _times(library: Mapping[str, Any]) -> str:
    shown = [(name, library[f"{name}_ms"]) for name in ("median", "p95")]
    return "  ".join(f"{name} {_ms(ms):>9}" for name, ms in shown if ms is not None)


def _ms(ms: float) -> str:
    return f"{ms:.1f} ms" if ms >= 1 else f"{ms:.3f} ms"


def _mishaps(library: Mapping[str, Any]) -> str:
    errors = _counted(library["errors"], "error") if library["errors"] else ""
    dropped = f"{library['dropped']} dropped" if library["dropped"] else ""
    return ", ".join(filter(None, [errors, dropped]))
