"""Long videos in pieces: which pieces there are, and how what becomes of them is put in order as one video.

Each piece is played with the numbers of its frames from 0 on. How many frames lie before it is known when all are complete.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from empycustom.batch import Outcome, Task
from empycustom.batch.results import Results
from empycustom.batch.tables import pyarrow, schema, shaped, sync
from empycustom.batch.values import TABLES, fitted
from empycustom.text import clock

_AHEAD = 4  # videos whose length is found out before their turn
_SUMS = ("frames", "numbered", "objects", "seconds", "failed_calls")  # of a video's pieces
_NUMBER = re.compile(rb'("frame":\[\{"frame_num":)([0-9]+)')  # the first one in a line


class Pieces:
    """Cuts videos that are longer than ``segment_ns``, and collects the pieces; None: no video is cut.

    ``length_of`` returns the duration of what is at a location, in nanoseconds, 0 and a reason where it is not to be cut.
    """

    def __init__(
        self,
        results: Results,
        segment_ns: int | None = None,
        length_of: Callable[[str], tuple[int, str]] = lambda _location: (0, ""),
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._results, self._segment_ns, self._length_of, self._warn = results, segment_ns, length_of, warn
        self._complete: dict[str, dict[int, Outcome]] = {}
        self._failed: set[str] = set()

    def cut(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Yield the pieces of videos that are long, and the others whole."""
        if self._segment_ns is None:
            yield from tasks
            return
        looking = ThreadPoolExecutor(1)
        ahead: deque[tuple[Task, Any]] = deque()
        try:
            for task in tasks:
                ahead.append((task, looking.submit(self._length_of, task.location)))
                if len(ahead) > _AHEAD:
                    yield from self._cut(*ahead.popleft(), self._segment_ns)
            while ahead:
                yield from self._cut(*ahead.popleft(), self._segment_ns)
        finally:
            looking.shutdown(cancel_futures=True)

    def _cut(self, task: Task, looked: Any, segment_ns: int) -> Iterator[Task]:
        duration_ns, why = looked.result()
        if why:
            self._warn(f"{task.name} is played as a whole, in spite of --segment: {why}")
        count = max(1, -(-duration_ns // segment_ns))
        if count == 1:
            yield task
            return
        for piece in range(count):
            if task.key in self._failed:
                return
            length = None if piece == count - 1 else segment_ns  # frames may lie behind the end that the file says
            yield replace(task, piece=piece, pieces=count, start_ns=piece * segment_ns, duration_ns=length)

    def take(self, outcome: Outcome) -> Outcome | None:
        """Take what became of a task; return what became of its video, None: nothing yet, or it has failed before.

        Raises OSError.
        """
        task = outcome.task
        if task.pieces == 1:
            return outcome
        if task.key in self._failed:
            _remove(outcome)
            return None
        complete = self._complete.setdefault(task.key, {})
        if outcome.error:
            self._failed.add(task.key)
            for each in self._complete.pop(task.key).values():
                _remove(each)
            return replace(outcome, error=f"{outcome.error} (in the piece from {clock(task.start_ns)} on)")
        complete[task.piece] = self._kept(outcome)
        if len(complete) < task.pieces:
            return None
        del self._complete[task.key]
        return self._joined([complete[piece] for piece in range(task.pieces)])

    def _kept(self, outcome: Outcome) -> Outcome:
        """Return the outcome with files in the place of bytes, which others need not keep in memory."""
        files = {}
        for table, given in outcome.files.items():
            files[table] = given
            if isinstance(given, bytes):
                path = self._results.aside(table, f"{outcome.task.key}.{outcome.task.piece}")
                path.write_bytes(given)
                files[table] = str(path)
        return replace(outcome, files=files)

    def _joined(self, pieces: Sequence[Outcome]) -> Outcome:
        """Return what became of a video whose pieces are complete."""
        files, columns = {}, {}
        for table in pieces[0].files:
            path = self._results.aside(table, pieces[0].task.key)
            if table in TABLES:
                columns[table] = _join_tables(table, pieces, path)
            else:
                _join_lines(table, pieces, path)
            sync(path)
            files[table] = str(path)
        for piece in pieces:
            _remove(piece)
        return Outcome(
            replace(pieces[0].task, pieces=1, duration_ns=None),
            duration_ns=max(piece.duration_ns for piece in pieces),
            files=files,
            columns=columns,
            **{name: sum(getattr(piece, name) for piece in pieces) for name in _SUMS},
            warning=next((piece.warning for piece in pieces if piece.warning), ""),
            details=next((piece.details for piece in pieces if piece.warning), ""),
        )


def _remove(outcome: Outcome) -> None:
    for given in outcome.files.values():
        if not isinstance(given, bytes):
            Path(given).unlink(missing_ok=True)


def _join_lines(table: str, pieces: Sequence[Outcome], path: Path) -> None:
    """Write the lines of all pieces, with the numbers of the frames in the whole video."""
    before = 0

    def number(found: re.Match[bytes]) -> bytes:
        return found[1] + b"%d" % (int(found[2]) + before)

    with path.open("wb") as whole:
        for piece in pieces:
            with open(piece.files[table], "rb") as file:
                whole.writelines(_NUMBER.sub(number, line, count=1) for line in file)
            before += piece.numbered


def _join_tables(table: str, pieces: Sequence[Outcome], path: Path) -> dict[str, str]:
    """Write the rows of all pieces, with the numbers of the frames in the whole video; return the types of own columns."""
    _, parquet = pyarrow()
    compute = import_module("pyarrow.compute")
    own: dict[str, str] = {}
    for piece in pieces:
        fitted(own, piece.columns.get(table, {}))
    wanted = schema(TABLES[table], own)
    before = 0
    with parquet.ParquetWriter(path, wanted, compression="zstd") as whole:
        for piece in pieces:
            with parquet.ParquetFile(piece.files[table]) as file:
                for group in range(file.num_row_groups):
                    part = file.read_row_group(group)
                    at = part.schema.get_field_index("frame_num")
                    part = part.set_column(at, part.schema.field(at), compute.add(part.column(at), before))
                    whole.write_table(shaped(part, wanted))
            before += piece.numbered
    return own
