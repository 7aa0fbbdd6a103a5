"""Giving all files of a table the same columns, when a batch ends, so that every reader takes them as one table.

A file has the columns that are known when its video begins, and those that come with it; a column that comes later, and whole
numbers that have become numbers, are not in the files before. Those files are written anew. The journal says first that a file
may have one of two sizes, then the file is renamed: whenever that is interrupted, nothing is lost.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from empycustom.batch.journal import Journal
from empycustom.batch.tables import aside, copied, pyarrow, schema, sync
from empycustom.batch.values import TABLES

_AT_ONCE = 64 << 20, 500  # bytes and videos that lie aside


def hash_of(columns: Mapping[str, str]) -> str:
    """Return a text for the names, types and order of columns, short enough for each line of the journal."""
    return hashlib.sha256(json.dumps([*columns.items()]).encode()).hexdigest()[:8]


def differing(states: Mapping[str, Mapping[str, Any]], columns: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Return the tables in which the file of a video does not have these columns, by the keys of the videos."""
    wanted = {table: hash_of(columns.get(table, {})) for table in TABLES}
    found: dict[str, list[str]] = {}
    for key, state in states.items():
        has = state.get("columns", {})
        if "bytes" in state and has != wanted:
            found[key] = [table for table in TABLES if has.get(table) != wanted[table]]
    return found


class Unification:
    """Writes files anew that do not have these columns. ``unreadable`` are files that stay as they are, each with the reason."""

    def __init__(self, folder: Path, journal: Journal, columns: Mapping[str, Mapping[str, str]]) -> None:
        self._folder, self._journal = folder, journal
        self._columns = {table: columns.get(table, {}) for table in TABLES}
        self.unreadable: list[tuple[Path, str]] = []

    def run(self, states: Mapping[str, dict[str, Any]], tables: Mapping[str, list[str]], is_over: Callable[[], bool]) -> None:
        """Write the files of videos in these tables anew, until ``is_over``.

        Raises OSError; what lies aside then is nobody's.
        """
        left = [*tables.items()]
        while left and not is_over():
            some = dict(self._written(left, is_over))
            for key, sizes in some.items():
                states[key]["bytes"] |= {table: self._file(table, key).stat().st_size for table in sizes}
                self._journal.add(key, {**states[key], "rewritten": sizes})
            self._journal.commit()
            for key, sizes in some.items():
                for table in sizes:
                    os.replace(aside(self._file(table, key)), self._file(table, key))
            for table in TABLES:
                sync(self._folder / table)
            for key, sizes in some.items():
                state = {name: value for name, value in states[key].items() if name != "rewritten"}
                shorts = {table: hash_of(self._columns[table]) for table in sizes}
                self._journal.add(key, {**state, "bytes": state["bytes"] | sizes, "columns": state.get("columns", {}) | shorts})
            self._journal.commit()

    def _file(self, table: str, key: str) -> Path:
        return self._folder / table / f"{key}.parquet"

    def _written(self, left: list[tuple[str, list[str]]], is_over: Callable[[], bool]) -> Iterator[tuple[str, dict[str, int]]]:
        """Write some videos aside, and take them from what is left; yield the key of each, with the sizes of its files."""
        size, (largest, most) = 0, _AT_ONCE
        for _ in range(min(most, len(left))):
            if is_over():
                return
            key, tables = left.pop(0)
            with suppress(_UnreadableError):
                sizes = {table: self._write(table, key) for table in tables}
                yield key, sizes
                size += sum(sizes.values())
            if size > largest:
                return

    def _write(self, table: str, key: str) -> int:
        """Write a file aside; return its size."""
        arrow, _ = pyarrow()
        path = self._file(table, key)
        new = aside(path)
        try:
            copied(path, new, schema(TABLES[table], self._columns[table])).close()
        except (arrow.ArrowException, OSError) as error:
            if getattr(error, "errno", None) not in (None, errno.ENOENT):  # it cannot be written; pyarrow's own have no number
                raise
            self.unreadable.append((path, str(error)))
            raise _UnreadableError from error
        sync(new)
        return new.stat().st_size


class _UnreadableError(Exception):
    """A file cannot be read."""
