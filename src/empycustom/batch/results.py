"""The folder with the data set: what is done, what belongs to it, and how a video becomes a part of it.

``batch.json`` says whose folder it is: a fingerprint of libraries and options, and the types of the library's own columns.
``state/`` has a file for each video that is done or has failed, written last: what has none there is worked on again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import empycustom
from empycustom.batch import Outcome, Task
from empycustom.batch.tables import ASIDE, names, pyarrow, rewritten, schema, sync
from empycustom.batch.values import OTHERS, TABLES, json_of
from empycustom.errors import LaunchError

MARK = "batch.json"
_STATE = "state"
DONE, FAILED = "done", "failed"


class Results:
    """The folder of a data set, opened for one batch. ``columns`` are the types of the library's own columns, by table."""

    def __init__(self, folder: Path, about: Mapping[str, Any], *, lines: bool, force: bool = False) -> None:
        """Open a folder, or make it. Raises LaunchError where it is something else's, or of other libraries or options."""
        self.folder, self._lines, self._about = folder, lines, dict(about)
        self.columns: dict[str, dict[str, str]] = {}
        before = mark_of(folder)
        if before is not None and not force:
            _refuse_changes(folder, before, self._about)
        if before is not None and before.get("about") == self._about:
            self.columns = before.get("columns", {})
        self.tables = names(lines=lines)
        for name in (*self.tables, _STATE):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if before is None or force:
            self._clear()
        else:
            self._remove_aside()
        self._write_mark()

    def _write_mark(self) -> None:
        _write(self.folder / MARK, {"empycustom": empycustom.__version__, "about": self._about, "columns": self.columns})

    def _clear(self) -> None:
        for name in (*names(lines=True), *names(lines=False), _STATE):
            for file in (self.folder / name).glob("*") if (self.folder / name).is_dir() else ():
                file.unlink()

    def _remove_aside(self) -> None:
        """Remove what was under way when a batch ended."""
        states = {file.stem for file in (self.folder / _STATE).glob("*.json")}
        for name in self.tables:
            for file in (self.folder / name).iterdir():
                if file.name.startswith(".") or file.stem not in states:
                    file.unlink()

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what is known of videos, by their keys."""
        return states_in(self.folder)

    def take(self, outcome: Outcome) -> None:
        """Make a video that is complete, or has failed, a part of the data set. Raises OSError."""
        task = outcome.task
        state = {"video": task.name, "location": task.location, "state": FAILED if outcome.error else DONE}
        state |= {key: getattr(outcome, key) for key in ("frames", "objects", "duration_ns", "seconds", "error", "details")}
        if not outcome.error:
            for table, given in outcome.files.items():
                self._settle(table, task, given, outcome.columns.get(table, {}))
        _write(self.folder / _STATE / f"{task.key}.json", state)

    def _settle(self, table: str, task: Task, given: Any, own: Mapping[str, str]) -> None:
        """Let a file that lies aside be one of the table, with the types that the table has."""
        suffix = "jsonl" if self._lines else "parquet"
        place = self.folder / table / f"{task.key}.{suffix}"
        aside = place.with_name(f".{place.name}{ASIDE}")
        if isinstance(given, bytes):
            aside.write_bytes(given)
            sync(aside)
        elif Path(given) != aside:
            os.replace(given, aside)
        if not self._lines:
            self._fit(table, aside, own)
        os.replace(aside, place)
        sync(place.parent)

    def _fit(self, table: str, aside: Path, own: Mapping[str, str]) -> None:
        """Give the columns of a file the types that the data set has decided on; values that do not fit become JSON."""
        known = self.columns.setdefault(table, {})
        before, kept, misfits = dict(known), dict(own), set[str]()
        for name, kind in own.items():
            decided = known.setdefault(name, kind)
            if (decided, kind) == ("int64", "double"):
                known[name] = kind  # files before it have ints, which readers take for floats
            elif (decided, kind) == ("double", "int64"):
                kept[name] = decided
            elif decided != kind:
                misfits.add(name)
                del kept[name]
        if known != before:
            self._write_mark()
        if kept != dict(own):
            rewritten(aside, schema(TABLES[table], kept), lambda part: _moved(part, misfits)).close()
            sync(aside)

    def summarize(self) -> Path:
        """Write ``videos.parquet`` (or ``videos.jsonl``), with a row for each video; return its path."""
        rows = [{"key": key, **state} for key, state in sorted(self.states().items(), key=lambda each: each[1]["video"])]
        if self._lines:
            path = self.folder / "videos.jsonl"
            _replace(path, b"".join(json_of(row).encode() + b"\n" for row in rows))
            return path
        arrow, parquet = pyarrow()
        types = {"frames": arrow.int64(), "objects": arrow.int64(), "duration": arrow.float64(), "seconds": arrow.float64()}
        texts = dict.fromkeys(("video", "key", "location", "state", "error", "traceback"), arrow.string())
        columns = ("video", "state", "duration", "frames", "objects", "seconds", "error", "traceback", "location", "key")
        made = [{**row, "duration": row["duration_ns"] / 1e9, "traceback": row["details"]} for row in rows]
        table = arrow.Table.from_pylist(made, schema=arrow.schema([(name, {**types, **texts}[name]) for name in columns]))
        path = self.folder / "videos.parquet"
        aside = path.with_name(f".{path.name}{ASIDE}")
        parquet.write_table(table, aside, compression="zstd")
        sync(aside)
        os.replace(aside, path)
        sync(self.folder)
        return path


def mark_of(folder: Path, option: str = "--out ") -> dict[str, Any] | None:
    """Return what the mark of a folder says, None: the folder is new, or empty. Raises LaunchError for that of something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except NotADirectoryError:
        raise LaunchError(f"{option}{folder} is a file; give a folder.") from None
    except FileNotFoundError:
        raise LaunchError(
            f"{option}{folder} has files, but no {MARK}: they are not results of `empycustom batch`; give another folder."
        ) from None
    except (ValueError, OSError) as error:
        raise LaunchError(f"{option}{folder}: {MARK} cannot be read ({error}); give another folder.") from error
    if not isinstance(found, dict) or "about" not in found:
        raise LaunchError(f"{option}{folder}: {MARK} was not written by `empycustom batch`; give another folder.")
    return found


def states_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of the videos of a data set, by their keys."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (folder / _STATE).glob("*.json")}


def states_before(folder: Path, about: Mapping[str, Any], *, force: bool) -> dict[str, dict[str, Any]]:
    """Return the states with which a batch into a folder would begin, and change nothing. Raises LaunchError as Results does."""
    before = mark_of(folder)
    if before is None or force:
        return {}
    _refuse_changes(folder, before, about)
    return states_in(folder)


def _moved(part: Any, misfits: set[str]) -> Any:
    """Return a part of a table in which the values of some columns are in that of JSON."""
    arrow, _ = pyarrow()
    rows = part.to_pylist()
    for row in rows:
        rest = {name: value for name in sorted(misfits) if (value := row.pop(name, None)) is not None}
        if rest:
            row[OTHERS] = json_of({**(json.loads(row[OTHERS]) if row.get(OTHERS) else {}), **rest})
    left = arrow.schema([field for field in part.schema if field.name not in misfits])
    return arrow.Table.from_pylist(rows, schema=left)


def _refuse_changes(folder: Path, before: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Raise LaunchError where the data set is of other libraries, or other options."""
    changed = [*_differences(before["about"], about)]
    if changed:
        raise LaunchError(
            f"--out {folder} has results of other work: {'; '.join(changed)}. Give another folder, or --force to work on all "
            "videos anew."
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    old, new = before.get("libraries", []), now.get("libraries", [])
    if [each["path"] for each in old] != [each["path"] for each in new]:
        yield f"its libraries are {', '.join(each['path'] for each in old) or 'none'}"
    else:
        for one, other in zip(old, new, strict=True):
            if one["files"] != other["files"]:
                names_ = sorted({*one["files"]} ^ {*other["files"]}) or [
                    name for name in one["files"] if one["files"][name] != other["files"][name]
                ]
                yield f"{', '.join(names_)} has changed"
            if one["properties"] != other["properties"]:
                yield f"the options of {one['path']} were {json.dumps(one['properties'])}"
    for key in before.keys() | now.keys():
        if key != "libraries" and before.get(key) != now.get(key):
            yield f"{key} was {before.get(key)}"


def _write(path: Path, value: Any) -> None:
    _replace(path, json.dumps(value, indent=1).encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file aside, sync it, and rename it."""
    aside = path.with_name(f".{path.name}{ASIDE}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    sync(path.parent)
