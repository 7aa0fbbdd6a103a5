"""Playing one task: a pipeline with the libraries, as ``empycustom run`` plays it, whose documents become rows aside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from empycustom.batch import Outcome, Progress, Task, Work
from empycustom.batch.cut_off import check_file
from empycustom.batch.remote import fetched, is_remote
from empycustom.batch.tables import Tables, reason, tables_of
from empycustom.config.streams import Configuration, Stream, library_stage, plain_stream
from empycustom.elements import add_elements
from empycustom.elements.failures import observers
from empycustom.errors import EmPyCustomError
from empycustom.model.keys import FRAMES, OBJECTS, STREAM_TIME
from empycustom.model.serialize import loads
from empycustom.session import Part, PlayOptions
from empycustom.session.play import Session
from empycustom.text import Moment

_REPORT_EVERY_S = 0.5


class _Writer:
    """Takes the documents of a session, and counts what is in them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.error: OSError | None = None
        self.objects = self.last_ns = 0

    def document(self, _stream: Stream, document: str, _waiter: Any) -> bool:
        """Take a document. Raises OSError, which ends the stream."""
        values = loads(document)
        for frame in values[FRAMES]:
            self.objects += len(frame[OBJECTS])
            self.last_ns = max(self.last_ns, frame[STREAM_TIME])
        try:
            self._tables.add(document, values)
        except OSError as error:
            self.error = error
            raise
        return True

    def event(self, _stream: Stream, _event: dict[str, Any], _waiter: Any) -> bool:
        """Take nothing: there is no signal callback."""
        return True

    def unique_path(self, path: Path) -> Path:
        """Return the path."""
        return path


class _First:
    """The first text of each kind (error, warning) about a stream, with its details; what is played at ``place`` is ``name``."""

    def __init__(self, place: str, name: str) -> None:
        self._place, self._name = place, name
        self.texts: dict[str, tuple[str, str]] = {}

    def notify(self, _stream: Stream, kind: str, text: str, details: str) -> None:
        """Keep a text, if it is the first one."""
        self.texts.setdefault(kind, (text.replace(self._place, self._name), details.replace(self._place, self._name)))


def play(
    work: Work,
    task: Task,
    folder: Path,
    known: Mapping[str, Mapping[str, str]],
    report: Callable[[Progress], None] = lambda _progress: None,
) -> Outcome:
    """Play a task, and return what became of it; its files lie aside in ``folder``. Raises nothing of the video or the libraries.

    ``known`` are the types of the library's own columns so far. ``report`` is called while it plays.
    """
    add_elements()
    outcome, began = Outcome(task), time.monotonic()
    stem = f"{task.key}.{task.piece}" if task.pieces > 1 else task.key
    try:
        tables = tables_of(folder, stem, task.name, known, lines=work.lines)
    except OSError as error:
        return _failed(outcome, error, folder)
    try:
        if is_remote(task.location):
            with fetched(task, folder) as place:
                _play(work, task, place, tables, outcome, report)
        else:
            _play(work, task, task.location, tables, outcome, report)
    except EmPyCustomError as error:
        outcome.error, outcome.details = error.reported, error.details
    except OSError as error:
        _failed(outcome, error, folder)
    outcome.seconds = time.monotonic() - began
    try:
        tables.close(complete=not outcome.error)
    except OSError as error:
        return _failed(outcome, error, folder)
    if not outcome.error:
        outcome.files, outcome.columns = dict(tables.files), tables.columns
    return outcome


def _play(work: Work, task: Task, place: str, tables: Tables, outcome: Outcome, report: Callable[[Progress], None]) -> None:
    """Play what is at a place, and write what happens into the outcome. Raises EmPyCustomError; OSError: there is no room."""
    check_file(place, task.name)
    stages = [library_stage(stage["path"], in_place=stage["in_place"], **stage["properties"]) for stage in work.stages]
    first, writer = _First(place, task.name), _Writer(tables)
    stream = plain_stream([place], stages, pixels=work.format)
    configuration = Configuration(None, (replace(stream, name="" if place == task.location else task.name),))
    session = Session(configuration, PlayOptions(part=_part(task)), lambda _session: writer, notify=first.notify)
    (branch,) = session.branches
    began = last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_EVERY_S:
            last = now
            report(Progress(task, session.frames, branch.expected, session.frames / (now - began)))

    def observe(_element: Any, kind: str, error: BaseException) -> None:
        outcome.at_start |= kind == "error" and getattr(error, "callback", None) == "start"

    observers.append(observe)
    try:
        code = session.play(tick)
    finally:
        observers.remove(observe)
    outcome.frames, outcome.objects, outcome.duration_ns = session.frames, writer.objects, writer.last_ns
    libraries = branch.work.libraries()
    outcome.numbered = libraries[0].tally.buffers if libraries else session.frames
    outcome.failed_calls = sum(each.tally.errors for each in libraries)
    if outcome.failed_calls:
        outcome.warning, outcome.details = first.texts.get("warning", ("", ""))
    if writer.error is not None:
        raise writer.error
    if "error" in first.texts:
        outcome.error, outcome.details = first.texts["error"]
    elif code:
        outcome.error = "it was interrupted"


def _part(task: Task) -> Part | None:
    """Return the part of the video that a task plays, None: all of it."""
    if task.pieces == 1:
        return None
    start, duration = (None if not ns else Moment(ns, str(ns / 1e9)) for ns in (task.start_ns, task.duration_ns))
    return Part(start, duration, may_be_empty=True)


def _failed(outcome: Outcome, error: OSError, folder: Path) -> Outcome:
    """Return the outcome of a task whose rows cannot be written."""
    outcome.error, outcome.is_fatal = reason(error, folder), True
    return outcome
