"""The summary of a run, as a dict for ``--summary-json`` and as lines, and the progress while it plays."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from empycustom.elements.perf import Tally
from empycustom.elements.upstream import upstream_of
from empycustom.native import probes
from empycustom.session.console import is_debugger_open, line_guard, write_stderr
from empycustom.text import working_folder

_LONG_START_S = 1.0
LOST = "documents_lost"  # in the summary of the run: streams share outputs


class LibraryCounts(NamedTuple):
    """What has been counted of a library.

    ``under_way`` are frames in its element now; ``is_final``: nothing is counted any more.
    """

    name: str
    tally: Tally
    under_way: int = 0
    is_final: bool = False


class Work:
    """Counts the work of one stream.

    Time is measured from the arrival of the first frame: ``start`` of a library, which loads models, is not part of its speed.
    """

    def __init__(self) -> None:
        self._folder = Path(working_folder())
        self._began = time.monotonic()
        self._ended: float | None = None
        self._first: float | None = None
        self._elements: list[tuple[str, Any]] = []
        self._publishers: list[Any] = []
        self._read: tuple[list[LibraryCounts], list[dict[str, Any]]] | None = None  # at the end
        self._files: dict[str, Path] = {}  # by their names as they were typed: a library may change the working directory

    def add_files(self, files: Sequence[Path]) -> None:
        """Add files, which count as written if they are not empty at the end."""
        self._files |= {str(path): self._folder / path for path in files}

    def watch(self, first: Any, last: Any) -> None:
        """Begin to count in a pipeline, before it plays, between the queue ``first`` and the element ``last``."""
        before = list(upstream_of(last.get_static_pad("sink")))
        self._elements = [(self._name(each.get_property("custom-lib")), each) for each in _made_by("empycustom", before)]
        self._publishers = _made_by("metapublish", before)
        probes.call_at_first_buffer(hash(first.get_static_pad("sink")), self._begin)

    def _begin(self) -> None:
        self._first = self._first or time.monotonic()

    def end(self) -> None:
        """Read the counts for the last time, after the pipeline has ended."""
        self._ended = time.monotonic()
        self._read = [each._replace(is_final=True) for each in self.libraries()], self.published()
        self._elements, self._publishers = [], []

    def libraries(self) -> list[LibraryCounts]:
        """Return what has been counted of each library so far, in their order. Any thread may call this."""
        now = [LibraryCounts(name, element.tally, element.under_way) for name, element in self._elements]
        return self._read[0] if self._read else now  # asked last: it is there before the elements are forgotten

    def published(self) -> list[dict[str, Any]]:
        """Return what has been counted of each destination so far, by the names of metapublish. Any thread may call this."""
        now = [{"uri": each.name_of_destination, **each.counts()} for each in self._publishers]
        return self._read[1] if self._read else now

    def _name(self, library: str) -> str:
        """Return the path of a library, relative if it is below the working directory."""
        path = Path(library)
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)

    def summary(self, *, frames: int = 0, documents: int = 0, dropped: int = 0, left_out: int = 0, **more: int) -> dict[str, Any]:
        """Return all counts; ``more`` are other numbers."""
        ended = self._ended or time.monotonic()
        first = self._first or ended
        return {
            "frames": frames,
            **_speed(frames, ended - first),
            "start_seconds": round(first - self._began, 3),
            "documents": documents,
            "documents_dropped": dropped,
            "left_out": left_out,
            **more,
            "written": written(self._files),
            "libraries": [_library(counts.name, counts.tally) for counts in self.libraries()],
            **({"published": published} if (published := self.published()) else {}),
        }


def written(files: Mapping[str, Path]) -> list[str]:
    """Return the names of the files that are not empty."""
    return [name for name, path in files.items() if path.exists() and path.stat().st_size]


def _speed(frames: int, seconds: float) -> dict[str, float]:
    return {"seconds": round(seconds, 3), "fps": round(frames / seconds, 2) if seconds else 0.0}


def _made_by(factory: str, before: Sequence[Any]) -> list[Any]:
    """Return the elements of a factory among those upstream, in their order."""
    return [each for each in before if each.get_factory() and each.get_factory().get_name() == factory][::-1]


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
        "calls": times.calls,  # that came back: at an error others were on their way to workers
        "errors": tally.errors,
        "dropped": tally.dropped,
        "skipped": tally.skipped,
        "waited": tally.waited,
        "restarts": tally.restarts,
        **{key: float(f"{ns / 1e6:.3g}") if times.longest_ns else None for key, ns in called.items()},
    }


def total(files: Sequence[str], streams: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the summary of streams that began together; ``files`` were written by all of them."""
    start = min(stream["start_seconds"] for stream in streams)
    end = max(stream["start_seconds"] + stream["seconds"] for stream in streams)
    keys = ("frames", "documents", "documents_dropped", "left_out", "events")
    counts = {key: sum(stream[key] for stream in streams) for key in keys if key in streams[0]}
    names = [*files, *(name for stream in streams for name in stream["written"])]
    done = {**_speed(counts["frames"], end - start), "start_seconds": start, **counts, "written": list(dict.fromkeys(names))}
    return {**done, "streams": list(streams)}


def as_lines(done: Mapping[str, Any]) -> str:
    """Return a summary as text for people: a line, and one more for each library."""
    start = f"; start: {done['start_seconds']:.1f} s" if done["start_seconds"] >= _LONG_START_S else ""
    events = f", {_counted(done['events'], 'event')}" if "events" in done else ""
    dropped = f", {done['documents_dropped']} dropped because they were read too slowly" if done["documents_dropped"] else ""
    lost = f", {done[LOST]} lost because they could not be written" if done.get(LOST) else ""
    left_out = f", {_counted(done['left_out'], 'frame')} left out because the libraries were busy" if done["left_out"] else ""
    written = f"; written: {', '.join(done['written'])}" if done["written"] else ""
    speed = f"{_counted(done['frames'], 'frame')} in {done['seconds']:.1f} s ({done['fps']:.1f} fps{start})"
    documents = f"{_counted(done['documents'], 'document')}{dropped}{lost}"
    first = f"{speed}, {documents}{events}{left_out}{written}"
    return "\n".join([first, *_library_lines(done["libraries"]), *map(_published_line, done.get("published", ()))])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _published_line(published: Mapping[str, Any]) -> str:
    """Return the line of a destination."""
    counts = {"spooled": "kept, to be sent next time", "dropped": "dropped", "repeated": "repeated"}
    more = "".join(f", {published[name]} {what}" for name, what in counts.items() if published[name])
    return f"  {published['uri']}  {_counted(published['sent'], 'message')} sent{more}"


def _library_lines(libraries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each library, in columns."""
    name, calls, time = (max([len(cell(library)) for library in libraries], default=0) for cell in (_named, _calls, _times))
    return [
        f"  {_named(library):{name}}  {_calls(library):>{calls}}  {_times(library):{time}}  {_others(library)}".rstrip()
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


def _others(library: Mapping[str, Any]) -> str:
    errors, restarts = (_counted(library[f"{what}s"], what) for what in ("error", "restart"))
    frames = {what: f"{library[what]} {what}" for what in ("dropped", "skipped", "waited")}
    texts = {"errors": errors, **frames, "restarts": restarts}
    return ", ".join(text for what, text in texts.items() if library[what])


# Progress: a bar on a terminal, a line every few seconds elsewhere.


_LINE_EVERY_S = 3.0


class Progress:
    """Progress on stderr, in frames. :meth:`update` is cheap; a ``total`` of None means that it is not known (yet)."""

    def __init__(self, *, quiet: bool) -> None:
        self._began = self._printed_at = time.monotonic()
        self._bar = None if quiet else _bar()
        self._lines = not quiet and self._bar is None
        self._paused = False
        self._frames_then: int | None = None  # the count of frames in the pause
        self._terminal = threading.Lock()
        if self._bar is not None:
            line_guard[0] = self._without_bar

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._began

    def update(self, frames: int, total: int | None) -> None:
        """Show that ``frames`` of ``total`` are done, unless a debugger has the terminal."""
        with self._terminal:
            if not self._is_paused(frames):
                self._show(frames, total)

    def _is_paused(self, frames: int) -> bool:
        if self._paused and not is_debugger_open():
            self._paused = self._frames_then in (None, frames)
            self._frames_then = frames
        return self._paused

    def _show(self, frames: int, total: int | None) -> None:
        if self._bar is not None:
            self._bar.total = total and max(total, frames)
            with suppress(OSError, ValueError):  # the terminal is closed; the stream goes on
                self._bar.update(frames - self._bar.n)
        elif self._lines and time.monotonic() - self._printed_at >= _LINE_EVERY_S:
            self._printed_at = time.monotonic()
            share = f" of {total} ({100 * frames // max(total, 1)} %)" if total else ""
            write_stderr(f"{frames} frame{'' if frames == 1 else 's'}{share}, {frames / self.seconds:.1f} fps")

    def pause(self) -> None:
        """Leave the terminal to a debugger until it is closed and frames go on; any thread may call this."""
        with self._terminal:
            if self._bar is not None and not self._paused:
                with suppress(OSError, ValueError):
                    self._bar.clear()
            self._paused, self._frames_then = True, None

    def _without_bar(self) -> AbstractContextManager[Any]:
        """Return a context in which the bar is cleared for another line."""
        return nullcontext() if self._bar is None or self._paused else self._bar.external_write_mode(file=sys.stderr)

    def close(self) -> None:
        """Finish the bar and go to the next line."""
        line_guard[0] = nullcontext
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
            self._bar = None


def _bar() -> Any:
    """Return a bar on the terminal, None if stderr is not a terminal."""
    if sys.stderr is None or sys.stderr.closed or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # without the thread that shows the bar again after ten seconds, also during a debugger

    columns = min(shutil.get_terminal_size().columns, 100)
    # With both numbers, tqdm shows a bar even on a terminal that does not know its size.
    return Bar(unit=" frames", file=sys.stderr, mininterval=0.2, ncols=columns, nrows=20)
