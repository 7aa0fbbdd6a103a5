"""One batch: which videos are left, giving them to an executor, and taking what becomes of them into the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from empycustom.batch import Executor, Outcome, Progress, Task
from empycustom.batch.pieces import Pieces
from empycustom.batch.results import DONE, FAILED, Results
from empycustom.batch.tables import reason
from empycustom.errors import LaunchError

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
