"""The tables of one task, written aside: Parquet, or lines of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from empycustom.batch.values import EXACT, OTHERS, TABLES, Columns, rows_of
from empycustom.errors import EmPyCustomError
from empycustom.model.serialize import dumps

AT_ONCE, _LARGEST = 4096, 16 << 20  # rows, and bytes of documents, that are kept in memory
LINES = "documents"  # the table that is lines of JSON
ASIDE, BEFORE = ".tmp", ".before"
INSTALL = "pip install 'empycustom[batch]'"


def pyarrow() -> Any:
    """Return the modules pyarrow and pyarrow.parquet. Raises EmPyCustomError with what to install."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise EmPyCustomError(
            f"Parquet needs the package pyarrow ({error}); install it: {INSTALL}; or write lines: --format jsonl"
        ) from error
    return arrow, parquet


class Tables(Protocol):
    """Takes the documents of a task."""

    files: dict[str, str]

    @property
    def columns(self) -> dict[str, dict[str, str]]:
        """The types of the library's own columns that are in the files, by table."""

    def add(self, text: str, document: dict[str, Any]) -> None:
        """Take a document, as JSON and as a dict. Raises OSError."""

    def close(self, *, complete: bool) -> None:
        """Write what is left, and sync it; or remove all, where it is not complete. Raises OSError."""


class Lines:
    """Documents as lines of JSON, a file for each video."""

    def __init__(self, folder: Path, stem: str, video: str) -> None:
        self._path = aside(folder / LINES / f"{stem}.jsonl")
        self.files = {LINES: str(self._path)}
        self._head = f'{{"video":{dumps(video)},'.encode()
        self._file: IO[bytes] = self._path.open("wb")

    @property
    def columns(self) -> dict[str, dict[str, str]]:
        """None, because lines have no columns."""
        return {}

    def add(self, text: str, _document: dict[str, Any]) -> None:
        """Write a document, with the name of its video first."""
        self._file.write(self._head + text.strip().encode()[1:] + b"\n")

    def close(self, *, complete: bool) -> None:
        """Sync the file, or remove it."""
        try:
            with self._file:
                if complete:
                    self._file.flush()
                    os.fsync(self._file.fileno())
        finally:
            if not complete:
                self._path.unlink(missing_ok=True)


class Parquet:
    """Tables of frames and objects; ``known`` are the types of the library's own columns in the data set so far."""

    def __init__(self, folder: Path, stem: str, video: str, known: Mapping[str, Mapping[str, str]]) -> None:
        pyarrow()
        self._video = video
        self._columns = {name: Columns(fixed, known.get(name)) for name, fixed in TABLES.items()}
        self._waiting = 0  # bytes of documents
        self._writers = {name: _Writer(aside(folder / name / f"{stem}.parquet"), TABLES[name]) for name in TABLES}
        self.files = {name: str(writer.path) for name, writer in self._writers.items()}

    @property
    def columns(self) -> dict[str, dict[str, str]]:
        """The types of the library's own columns that are in the files, by table."""
        return {name: writer.own for name, writer in self._writers.items()}

    def add(self, text: str, document: dict[str, Any]) -> None:
        """Add the rows of a document."""
        columns = self._columns
        self._waiting += len(text)
        for name, row in rows_of(document, self._video, columns["frames"], columns["objects"]):
            writer = self._writers[name]
            writer.rows.append(row)
            if len(writer.rows) >= AT_ONCE:
                writer.flush(columns[name].types)
        if self._waiting > _LARGEST:
            self._waiting = 0
            for name, writer in self._writers.items():
                if writer.rows:
                    writer.flush(columns[name].types)

    def close(self, *, complete: bool) -> None:
        """Write what is left, and sync the files; or remove them."""
        with ExitStack() as each:  # where one fails, the others are closed nevertheless
            for name, writer in self._writers.items():
                each.callback(writer.close, self._columns[name].types, complete=complete)


class _Writer:
    """Writes rows into one Parquet file. Where a later row needs another column, what is written is written anew."""

    def __init__(self, path: Path, fixed: Mapping[str, str]) -> None:
        self.path, self._fixed = path, dict(fixed)
        self.own: dict[str, str] = {}
        self.rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def flush(self, types: Mapping[str, str]) -> None:
        """Write the rows that wait; a file is there then, also without any."""
        if self._writer is not None and not self.rows:
            return
        arrow, parquet = pyarrow()
        wanted = dict(types)
        if self._writer is None:
            self.own = wanted
            self._writer = parquet.ParquetWriter(self.path, schema(self._fixed, self.own), compression="zstd")
        elif wanted != self.own:
            self._writer.close()
            self.own = wanted
            self._writer = rewritten(self.path, schema(self._fixed, self.own))
        self._writer.write_table(arrow.Table.from_pylist(self.rows, schema=schema(self._fixed, self.own)))
        self.rows = []

    def close(self, types: Mapping[str, str], *, complete: bool) -> None:
        """Write what is left and sync the file, or remove it."""
        try:
            try:
                if complete:
                    self.flush(types)
            finally:
                if self._writer is not None:
                    self._writer.close()
            if complete:
                sync(self.path)
        finally:
            if not complete:
                self.path.unlink(missing_ok=True)


def schema(fixed: Mapping[str, str], own: Mapping[str, str]) -> Any:
    """Return the schema of a table: what is always there, then the library's own columns."""
    arrow, _ = pyarrow()
    types = {"string": arrow.string(), "bool": arrow.bool_(), "double": arrow.float64(), "int64": arrow.int64()}
    types["int32"] = arrow.int32()
    named = {**{name: kind for name, kind in fixed.items() if name != OTHERS}, **own, OTHERS: fixed[OTHERS]}
    return arrow.schema([(name, types[kind]) for name, kind in named.items()])


def rewritten(path: Path, wanted: Any) -> Any:
    """Return a writer that has written what is in a file anew, in another schema, to the same path."""
    before = path.with_name(f"{path.name}{BEFORE}")
    path.rename(before)
    writer = copied(before, path, wanted)
    before.unlink()
    return writer


def copied(path: Path, to: Path, wanted: Any) -> Any:
    """Return a writer that has written what is in a file to another one, in another schema."""
    _, parquet = pyarrow()
    with parquet.ParquetFile(path) as file:
        writer = parquet.ParquetWriter(to, wanted, compression="zstd")
        for group in range(file.num_row_groups):  # of which each was in memory when it was written
            writer.write_table(shaped(file.read_row_group(group), wanted))
    return writer


def shaped(table: Any, wanted: Any) -> Any:
    """Return a table with the columns of another schema. What it does not have is empty, and values that do not fit are JSON."""
    arrow, _ = pyarrow()
    types = {field.name: field.type for field in wanted}
    differ = {field.name for field in table.schema if field.type != types.get(field.name)}
    masks = {name: _misfits(table.column(name), types.get(name)) for name in differ}
    table = _moved(table, {name: mask for name, mask in masks.items() if mask.true_count})
    there = {name: table.column(name) for name in table.column_names}
    columns = [there[name].cast(kind) if name in there else arrow.nulls(len(table), kind) for name, kind in types.items()]
    return arrow.table(columns, schema=wanted)


def _misfits(column: Any, kind: Any) -> Any:
    """Return for each value of a column if it cannot be one of another type, None: of no column."""
    arrow, _ = pyarrow()
    compute = import_module("pyarrow.compute")
    column = column.combine_chunks()
    if kind is not None and arrow.types.is_integer(column.type) and arrow.types.is_floating(kind):
        found = compute.or_(compute.less(column, -EXACT), compute.greater(column, EXACT))
        return compute.fill_null(found, fill_value=False)
    return compute.is_valid(column)


def _moved(table: Any, misfits: Mapping[str, Any]) -> Any:
    """Return a table in which some values of some columns are in that of JSON."""
    arrow, _ = pyarrow()
    if not misfits:
        return table
    compute = import_module("pyarrow.compute")
    texts = table.column(OTHERS).to_pylist()
    values = {name: table.column(name).to_pylist() for name in sorted(misfits)}
    for row, text in enumerate(texts):
        rest = {name: values[name][row] for name in values if misfits[name][row].as_py()}
        if rest:
            texts[row] = dumps({**(json.loads(text) if text else {}), **rest})
    for name, mask in misfits.items():
        at, column = table.schema.get_field_index(name), table.column(name)
        table = table.set_column(at, table.schema.field(at), compute.if_else(mask, arrow.scalar(None, column.type), column))
    at = table.schema.get_field_index(OTHERS)
    return table.set_column(at, table.schema.field(at), arrow.array(texts, arrow.string()))


def aside(path: Path) -> Path:
    """Return where a file lies until it is complete."""
    return path.with_name(f".{path.name}{ASIDE}")


def reason(error: OSError, folder: Path) -> str:
    """Return why results cannot be written."""
    text = os.strerror(error.errno) if error.errno else str(error)  # the texts of pyarrow are long
    return f"{folder} cannot be written ({text})"


def sync(path: Path) -> None:
    """Let a file, or a folder, be on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tables_of(folder: Path, stem: str, video: str, known: Mapping[str, Mapping[str, str]], *, lines: bool) -> Tables:
    """Return what takes the documents of a task."""
    return Lines(folder, stem, video) if lines else Parquet(folder, stem, video, known)


def names(*, lines: bool) -> Sequence[str]:
    """Return the tables of a data set."""
    return (LINES,) if lines else tuple(TABLES)
