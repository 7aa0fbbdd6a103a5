"""One batch: which videos are left, giving them to an executor, and taking what becomes of them into the data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from empycustom.batch import Executor, Outcome, Progress, Task, Work
from empycustom.batch.pieces import Pieces
from empycustom.batch.results import DONE, FAILED, Results
from empycustom.batch.tables import reason
from empycustom.buffers.callback import VIEWS
from empycustom.elements.limits import called, check_declared
from empycustom.elements.properties import read_object
from empycustom.errors import LaunchError
from empycustom.library.callbacks import Library

_LOOK_EVERY_S = 0.1
_AHEAD = 2  # tasks for each slot that are given out before they are played


class Watcher(Protocol):
    """Sees how a batch goes on."""

    def begun(self, left: int, done: int) -> None:
        """Begin: so many videos are left, and so many were done before."""

    def progress(self, progress: Progress) -> None:
        """See how far a video is."""

    def piece_ended(self, outcome: Outcome) -> None:
        """See what became of a piece of a video."""

    def ended(self, outcome: Outcome) -> None:
        """See what became of a video."""

    def tick(self) -> None:
        """Do periodic work."""


@dataclass
class Summary:
    """What a batch has done: counts of videos, frames and objects.

    ``stopped`` is why it ended early, with ``details``; ``unclosed`` why what libraries share could not be closed.
    """

    done: int = 0
    failed: int = 0
    frames: int = 0
    objects: int = 0
    stopped: str = ""
    details: str = ""
    unclosed: str = ""


def left_of(tasks: Sequence[Task], states: Mapping[str, Mapping[str, Any]], *, retry_failed: bool) -> list[Task]:
    """Return the tasks that are still to be done."""
    settled = {DONE} if retry_failed else {DONE, FAILED}
    return [task for task in tasks if states.get(task.key, {}).get("state") not in settled]


def run(
    tasks: Sequence[Task],
    results: Results,
    executor: Executor,
    watcher: Watcher,
    *,
    pieces: Pieces | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Summary:
    """Work on tasks, and return what was done. What was under way when ``is_over`` becomes true is lost, and nothing else.

    ``pieces`` cuts the videos that are long, None: no video is cut.
    The executor is closed. Where the data set cannot be written, or no process can be started, it stops and returns the reason.
    """
    summary = Summary()
    pieces = pieces or Pieces(results)
    waiting, under_way = pieces.cut(tasks), 0
    try:
        while not is_over():
            for task in _some(waiting, executor.slots * _AHEAD - under_way):
                executor.submit(task)
                under_way += 1
            if not under_way:
                break
            under_way -= _handle(executor.events(_LOOK_EVERY_S), results, pieces, watcher, summary)
            if summary.stopped:
                break
            watcher.tick()
    except LaunchError as error:
        summary.stopped = str(error)
    except OSError as error:
        summary.stopped = reason(error, results.folder)
    finally:
        summary.unclosed = executor.close()
    return summary


def _handle(events: Iterator[Progress | Outcome], results: Results, pieces: Pieces, watcher: Watcher, summary: Summary) -> int:
    """Take what has happened into the data set; return how many tasks have ended. Raises OSError."""
    ended = 0
    try:
        for event in events:
            if isinstance(event, Progress):
                watcher.progress(event)
                continue
            ended += 1
            if event.is_fatal or (event.at_start and not summary.done):  # others would fail as well
                summary.stopped, summary.details = event.error, event.details
                break
            if event.task.pieces > 1:
                watcher.piece_ended(event)
            video = pieces.take(event)
            if video:
                results.take(video)
                _count(summary, video)
                watcher.ended(video)
    finally:
        results.commit()  # one for all: to be on the disk takes its time
    return ended


def _some(tasks: Iterator[Task], count: int) -> Iterator[Task]:
    for _ in range(count):
        task = next(tasks, None)
        if task is None:
            return
        yield task


def _count(summary: Summary, outcome: Outcome) -> None:
    if outcome.error:
        summary.failed += 1
        return
    summary.done += 1
    summary.frames += outcome.frames
    summary.objects += outcome.objects


def with_options(work: Work) -> Work:
    """Return the work with what is in the files that options name, which may change while it goes on. Raises PropertyError."""
    stages = []
    for stage in work.stages:
        properties = dict(stage["properties"])
        if (options := properties.get("options", "")).startswith("@"):
            properties["options"] = json.dumps(read_object("options", options))
        stages.append({**stage, "properties": properties})
    return replace(work, stages=stages)


def fingerprint(work: Work) -> dict[str, Any]:
    """Return what the results depend on: the contents of the libraries' files, and what is set.

    Each library is loaded for it, which shows what is wrong with it, or with what is set. Raises LibraryError, PropertyError.
    """
    libraries = []
    for stage in work.stages:
        library = open_library(stage)
        try:
            library.options_for(read_object("options", stage["properties"].get("options")))
            check_declared(stage["properties"], library)
            sources = library.all_sources()
            files = {_short(path, stage["path"]): hashlib.sha256(source).hexdigest() for path, source in sources.items()}
        finally:
            library.close()
        properties = {name: value for name, value in stage["properties"].items() if name not in _INDIFFERENT}
        libraries.append({"path": stage["path"], "files": files, "properties": properties})
    return {"libraries": libraries, "format": work.format, "lines": work.lines}


_INDIFFERENT = ("workers", "pace", "call-timeout", "reload")  # the same results come of it


def open_library(stage: Mapping[str, Any]) -> Library:
    """Load the library of a stage, as the element does. Raises LibraryError."""
    values = {**stage["properties"], "in-place": stage["in_place"]}
    return Library.open(stage["path"], **called(values), views=VIEWS)


def _short(path: str, library: str) -> str:
    """Return a file as it lies beside the library, if it does."""
    folder = Path(library).parent
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def check_stateful(work: Work, why: str) -> None:
    """Raise LaunchError where a library declares that it needs all frames in their order."""
    for stage in work.stages:
        library = open_library(stage)
        try:
            is_stateful = library.stateful
        finally:
            library.close()
        if is_stateful:
            raise LaunchError(
                f"{why} lets pieces of a video be worked on side by side, and {library.path} declares STATEFUL: it needs all "
                "frames in their order; leave --segment out."
            )
