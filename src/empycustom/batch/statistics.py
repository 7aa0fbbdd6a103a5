"""What is in a data set, in numbers for people: counted in one pass over its rows, a few thousand of them in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from empycustom.batch.journal import states_in
from empycustom.batch.results import DONE, mark_of
from empycustom.batch.tables import LINES, pyarrow
from empycustom.batch.values import TABLES, Columns, rows_of
from empycustom.errors import LaunchError
from empycustom.session.playlist import natural_key

BINS = 120  # of a timeline
SAMPLE = 20_000  # values of a column that are kept
MOST_COUNTED = 10_000  # different texts of a column that are counted
_MOST_CLASSES = 500  # that have their own timeline
_ROWS = 16_384
_IN_PARTS: dict[str, Any] = {"buffer_size": 1 << 16, "pre_buffer": False}  # by default pyarrow reads a file's columns at once
_WINDOW_S, _OF_A_VIDEO = 10.0, 3  # the frames with most objects: one of each window, so many of a video
_READ = {"frames": ("frame_num", "time", "width", "height", "objects"), "objects": ("time", "class_id", "label", "confidence")}


class Texts(NamedTuple):
    """A column of texts: ``names`` are those that are in it, ``codes`` which of them a row has; -1: none."""

    codes: Any
    names: list[str]


class Numbers:
    """The values of a column of numbers. ``sample`` are all of them, or ``SAMPLE`` that were drawn by chance."""

    def __init__(self) -> None:
        self.count, self.total, self.least, self.most = 0, 0.0, float("inf"), float("-inf")
        self.sample, self._drawn = np.empty(0), np.empty(0)
        self._random = np.random.default_rng(0)  # the same report of the same data set

    def add(self, values: Any) -> None:
        """Add an array; what is not finite is none."""
        values = values[np.isfinite(values)]
        if not len(values):
            return
        self.count, self.total = self.count + len(values), self.total + float(values.sum())
        self.least, self.most = min(self.least, float(values.min())), max(self.most, float(values.max()))
        sample, drawn = np.append(self.sample, values), np.append(self._drawn, self._random.random(len(values)))
        if len(sample) > SAMPLE:
            kept = np.argpartition(drawn, SAMPLE)[:SAMPLE]
            sample, drawn = sample[kept], drawn[kept]
        self.sample, self._drawn = sample, drawn


class Counts:
    """How often each text of a column is there; ``others`` are those for which there was no room."""

    def __init__(self) -> None:
        self.by_name: Counter[str] = Counter()
        self.others = 0

    def add(self, texts: Texts) -> None:
        """Add a column."""
        numbers = np.bincount(texts.codes[texts.codes >= 0], minlength=len(texts.names))
        for name, number in zip(texts.names, numbers.tolist(), strict=True):
            if name in self.by_name or len(self.by_name) < MOST_COUNTED:
                self.by_name[name] += number
            else:
                self.others += number


class Timeline:
    """Frames and objects over ``span_s`` seconds, in ``BINS`` parts of it."""

    def __init__(self, span_s: float) -> None:
        self.span_s, self.frames, self.others = span_s, np.zeros(BINS), np.zeros(BINS)
        self.classes: dict[str, Any] = {}

    def _bins(self, times: Any) -> Any:
        return np.clip(times / (self.span_s or 1.0) * BINS + 1e-6, 0, BINS - 1).astype(int)

    def add_frames(self, times: Any) -> None:
        """Add frames at these times; NaN: none."""
        self.frames += np.bincount(self._bins(times[np.isfinite(times)]), minlength=BINS)

    def add_objects(self, times: Any, classes: Texts) -> None:
        """Add objects at these times, of these classes."""
        known = np.isfinite(times) & (classes.codes >= 0)
        flat = classes.codes[known] * BINS + self._bins(times[known])
        counts = np.bincount(flat, minlength=len(classes.names) * BINS).reshape(-1, BINS)
        for name, row in zip(classes.names, counts, strict=True):
            if name not in self.classes and len(self.classes) >= _MOST_CLASSES:
                self.others += row
            else:
                self.classes[name] = self.classes.get(name, 0) + row


class Crowded(NamedTuple):
    """A frame with many objects."""

    objects: int
    key: str
    frame_num: int
    time: float
    width: int
    height: int


@dataclass
class Statistics:
    """What is in a data set. ``videos`` are the states of all videos, by their keys, in the order of their names.

    ``values`` are the library's own columns, by table and name; ``in_order`` has the videos one after the other, which
    begin at ``begins``; ``beginnings`` has them side by side, all from 0 on.
    """

    folder: Path
    mark: dict[str, Any]
    videos: dict[str, dict[str, Any]]
    in_order: Timeline
    beginnings: Timeline
    begins: dict[str, float] = field(default_factory=dict)
    classes: Counts = field(default_factory=Counts)
    confidence: Numbers = field(default_factory=Numbers)
    values: dict[tuple[str, str], Numbers | Counts] = field(default_factory=dict)
    crowded: list[Crowded] = field(default_factory=list)

    @property
    def has_lines(self) -> bool:
        """True if the data set is lines of JSON."""
        return bool(self.mark["about"].get("lines"))

    @property
    def done(self) -> dict[str, dict[str, Any]]:
        """The videos that are done."""
        return {key: state for key, state in self.videos.items() if state["state"] == DONE}


def statistics(folder: Path, most_crowded: int, watched: Callable[[Collection[str]], Iterable[str]] = iter) -> Statistics:
    """Read a data set. Raises LaunchError where it is none, or a file of it cannot be read.

    ``watched`` gets the keys of the videos that are read, and returns them one by one.
    """
    mark = mark_of(folder, "")
    if mark is None:
        raise LaunchError(f"{folder} has no results of `empycustom batch`; give the folder that was its --out.")
    videos = dict(sorted(states_in(folder).items(), key=lambda each: natural_key(each[1]["video"])))
    lengths = {key: _length_s(state) for key, state in videos.items() if state["state"] == DONE}
    timelines = Timeline(sum(lengths.values())), Timeline(max(lengths.values(), default=0.0))
    found, begin = Statistics(folder, mark, videos, *timelines), 0.0
    own = {table: Columns(fixed) for table, fixed in TABLES.items()} if found.has_lines else None
    for key in watched(lengths):
        found.begins[key] = begin
        best: dict[float, Crowded] = {}
        for table, columns in _rows(folder, key, own):
            _add(found, table, columns, begin)
            if table == "frames":
                _add_crowded(best, key, columns)
        chosen = nlargest(_OF_A_VIDEO, best.values(), key=lambda each: each.objects)
        found.crowded = nlargest(most_crowded, [*found.crowded, *chosen], key=lambda each: each.objects)
        begin += lengths[key]
    return found


def _length_s(state: Mapping[str, Any]) -> float:
    """Return how long a video is, with its last frame."""
    last, frames = max(0, state["duration_ns"]) / 1e9, state["frames"]
    return float(last * frames / (frames - 1)) if frames > 1 else last


def _add(found: Statistics, table: str, columns: Mapping[str, Any], begin: float) -> None:
    times = columns["time"]
    if table == "frames":
        found.in_order.add_frames(times + begin)
        found.beginnings.add_frames(times)
    else:
        classes = _named(columns["label"], columns["class_id"])
        found.classes.add(classes)
        found.confidence.add(columns["confidence"])
        found.in_order.add_objects(times + begin, classes)
        found.beginnings.add_objects(times, classes)
    for name, column in columns.items():
        if name in TABLES[table]:
            continue
        is_text = isinstance(column, Texts)
        known: Any = found.values.setdefault((table, name), Counts() if is_text else Numbers())
        known.add(column)


def _named(labels: Texts, class_ids: Any) -> Texts:
    """Return labels, with the number of the class where there is none."""
    if "" not in labels.names and (labels.codes >= 0).all():
        return labels
    names, codes = list(labels.names), labels.codes.copy()
    nameless = (codes < 0) | (codes == (names.index("") if "" in names else -1))
    for number in np.unique(class_ids[nameless]):
        codes[nameless & (class_ids == number)] = len(names)
        names.append(f"class {number:.0f}")
    return Texts(codes, names)


def _add_crowded(best: dict[float, Crowded], key: str, columns: Mapping[str, Any]) -> None:
    """Keep the first frame with most objects of each window."""
    times, objects, numbers = columns["time"], columns["objects"], columns["frame_num"]
    has_time = np.isfinite(times) & ((times > 0) | (numbers == 0))  # pictures of a folder have none, or 0 each
    windows = np.where(has_time, times, numbers / 25) // _WINDOW_S
    for window in np.unique(windows[objects > 0]).tolist():
        rows = np.flatnonzero(windows == window)
        row = rows[np.argmax(objects[rows])]
        values = [int(columns[name][row]) for name in ("objects", "frame_num", "width", "height")]
        if window not in best or values[0] > best[window].objects:
            best[window] = Crowded(values[0], key, values[1], float(times[row]), *values[2:])


# Rows, as columns of so many of them: an array of floats (NaN: null), or Texts.


def _rows(folder: Path, key: str, own: dict[str, Columns] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a video, with the name of their table; of columns that are always there those that are needed.

    ``own`` are the library's columns so far, where the data set is lines of JSON.
    """
    if own is not None:
        yield from _of_lines(folder / LINES / f"{key}.jsonl", own)
        return
    for table in TABLES:
        yield from ((table, columns) for columns in _of_parquet(folder / table / f"{key}.parquet", table))


def _of_parquet(path: Path, table: str) -> Iterator[dict[str, Any]]:
    arrow, parquet = pyarrow()
    try:
        with parquet.ParquetFile(path, **_IN_PARTS) as file:
            names = [name for name in file.schema_arrow.names if name in _READ[table] or name not in TABLES[table]]
            for group in range(file.num_row_groups):  # which is small where rows are large
                for batch in file.iter_batches(_ROWS, [group], columns=names):
                    yield {name: _column(arrow, column) for name, column in zip(names, batch.columns, strict=True)}
    except (OSError, arrow.ArrowException) as error:
        raise _unreadable(path, error) from error


def _column(arrow: Any, column: Any) -> Any:
    if arrow.types.is_boolean(column.type):
        column = column.cast(arrow.string())
    if not arrow.types.is_string(column.type):
        return column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    encoded = column.dictionary_encode()
    return Texts(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(int), encoded.dictionary.to_pylist())


def _of_lines(path: Path, own: dict[str, Columns]) -> Iterator[tuple[str, dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}

    def columns(table: str) -> tuple[str, dict[str, Any]]:
        there, types = rows[table], {**{name: TABLES[table][name] for name in _READ[table]}, **own[table].types}
        rows[table] = []
        return table, {name: _of_values([row.get(name) for row in there], types[name]) for name in types}

    try:
        with path.open("rb") as file:
            for line in file:
                document = orjson.loads(line)
                for table, row in rows_of(document, document["video"], own["frames"], own["objects"]):
                    rows[table].append(row)
                    if len(rows[table]) >= _ROWS:
                        yield columns(table)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    yield from (columns(table) for table in TABLES if rows[table])


def _of_values(values: list[Any], kind: str) -> Any:
    if kind not in ("string", "bool"):
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    numbers: dict[str, int] = {}
    texts = [value if value is None or kind == "string" else "true" if value else "false" for value in values]
    codes = [-1 if text is None else numbers.setdefault(text, len(numbers)) for text in texts]
    return Texts(np.array(codes, dtype=int), list(numbers))


def _unreadable(path: Path, error: Exception) -> LaunchError:
    reason = getattr(error, "strerror", None) or str(error)
    return LaunchError(f"{path} cannot be read ({reason}); remove it, and the same `empycustom batch` plays that video anew.")


# The objects on some frames.

_BOXES = ("frame_num", "class_id", "label", "confidence", "left", "top", "width", "height", "rotation")


def objects_on(found: Statistics) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the objects on the crowded frames, by the key of the video and the number of the frame.

    Each has the columns of its box, and ``name``: its label, or its class.
    """
    wanted: dict[str, list[int]] = {}
    for frame in found.crowded:
        wanted.setdefault(frame.key, []).append(frame.frame_num)
    rows: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for key, numbers in wanted.items():
        for row in (_boxes_in_lines if found.has_lines else _boxes)(found.folder, key, numbers):
            row["name"] = row["label"] or f"class {row['class_id']}"
            rows.setdefault((key, row["frame_num"]), []).append(row)
    return rows


def _boxes(folder: Path, key: str, numbers: list[int]) -> Iterator[dict[str, Any]]:
    arrow, parquet = pyarrow()
    with parquet.ParquetFile(folder / "objects" / f"{key}.parquet", **_IN_PARTS) as file:
        for batch in file.iter_batches(_ROWS, columns=list(_BOXES)):
            there = np.isin(batch.column("frame_num").to_numpy(), numbers)
            yield from batch.take(arrow.array(np.flatnonzero(there))).to_pylist()


def _boxes_in_lines(folder: Path, key: str, numbers: list[int]) -> Iterator[dict[str, Any]]:
    own = Columns(TABLES["frames"]), Columns(TABLES["objects"])
    with (folder / LINES / f"{key}.jsonl").open("rb") as file:
        for line in file:
            document = orjson.loads(line)
            if any(frame["frame_num"] in numbers for frame in document["frame"]):
                rows = rows_of(document, document["video"], *own)
                yield from (row for table, row in rows if table == "objects" and row["frame_num"] in numbers)
