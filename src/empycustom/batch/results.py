"""The folder with the data set: what is done, what belongs to it, and how a video becomes a part of it.

``batch.json`` says whose folder it is: a fingerprint of libraries and options, and the types of the library's own columns.
``journal.jsonl`` has a line for each video that is done or has failed, written last: what has none there is worked on again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import empycustom
from empycustom.batch import Outcome, Task
from empycustom.batch.fingerprint import contents_of, differences
from empycustom.batch.journal import JOURNAL, LOCK, Journal, locked, replace, sizes_of, states_in
from empycustom.batch.remote import COPIES, remove
from empycustom.batch.tables import ASIDE, BEFORE, aside, names, pyarrow, reason, rewritten, schema, sync
from empycustom.batch.unify import Unification, differing, hash_of
from empycustom.batch.values import TABLES, fitted
from empycustom.errors import LaunchError
from empycustom.model.serialize import dumps
from empycustom.text import as_native, visible, without_password

MARK, OVERVIEW = "batch.json", "videos"
DONE, FAILED = "done", "failed"
_FIRST = (LOCK, f".{MARK}{ASIDE}")  # what is written before the mark


class Results:
    """The folder of a data set, opened for one batch. ``columns`` are the types of the library's own columns, by table.

    ``lost`` are videos that were done, and whose files are not there as they were written: they are worked on again.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], *, lines: bool, force: bool = False) -> None:
        """Open a folder, or make it. Raises LaunchError where it is something else's, or of other libraries or options."""
        self.folder, self._lines, self._about = folder, lines, dict(about)
        self.columns: dict[str, dict[str, str]] = {}
        self.lost: list[str] = []
        self.tables = names(lines=lines)
        self._suffix = ".jsonl" if lines else ".parquet"
        self._renamed: set[Path] = set()  # folders whose entries are not on the disk yet
        mark_of(folder)  # first, since nothing is written into a folder of something else
        with ExitStack() as opened:
            self._lock = opened.enter_context(locked(folder))
            try:
                self._open(force=force)
            except OSError as error:
                raise LaunchError(f"--out {reason(error, folder)}.") from error
            opened.pop_all()

    def _open(self, *, force: bool) -> None:
        before = mark_of(self.folder)
        if before is None or force or _has_changed(self.folder, before, self._about):
            self._clear()
        else:
            self.columns = before.get("columns", {})
            self._about = before["about"]  # without files that options name and that the libraries have written
        self._write_mark()
        for name in self.tables:
            (self.folder / name).mkdir(exist_ok=True)
        lost = self._tidy()
        self.lost = [state["video"] for key, state in self.states().items() if key in lost]
        self._journal = Journal(self.folder, lost)
        sync(self.folder)  # the folders and the journal are new

    def close(self, is_over: Callable[[], bool] = lambda: False, begun: Callable[[int], None] = lambda _count: None) -> None:
        """Give files the same columns, remove what lies aside, write the table of videos, and let others work on the folder.

        ``begun`` gets how many videos have files with other columns; these stay so when ``is_over`` becomes true. Raises OSError,
        and LaunchError where a file cannot be read.
        """
        with ExitStack() as last:
            for work in (self._lock.close, self._summarize, self._tidy, self._journal.close):
                last.callback(work)
            if not self._lines:
                self._unify(is_over, begun)

    def _unify(self, is_over: Callable[[], bool], begun: Callable[[int], None]) -> None:
        states = self.states()
        tables = differing(states, self.columns)
        if not tables:
            return
        begun(len(tables))
        unification = Unification(self.folder, self._journal, self.columns)
        unification.run(states, tables, is_over)
        for path, why in unification.unreadable[:1]:
            raise LaunchError(f"{path} cannot be read ({why}); remove it, and the same command plays that video anew")

    @property
    def overview(self) -> Path:
        """The table of videos."""
        return self.folder / f"{OVERVIEW}{self._suffix}"

    def _write_mark(self) -> None:
        mark = {"empycustom": empycustom.__version__, "about": self._about, "columns": self.columns}
        replace(self.folder / MARK, json.dumps(mark, indent=1).encode())

    def forget_written(self) -> list[str]:
        """Compare no file any more that an option names and that has changed since the batch began; return their names."""
        changed = []
        for library in self._about["libraries"]:
            named = library.get("named", {})
            now = contents_of(named, library["path"])
            changed += (written := [name for name in named if now.get(name) != named[name]])
            for name in written:
                del named[name]
        if changed:
            self._write_mark()
        return changed

    def _clear(self) -> None:
        """Remove all results: the journal first, so that it has nothing that is not there."""
        (self.folder / JOURNAL).unlink(missing_ok=True)
        for lines, suffix in ((True, ".jsonl"), (False, ".parquet")):
            (self.folder / f"{OVERVIEW}{suffix}").unlink(missing_ok=True)
            for name in names(lines=lines):
                for file in self._files(name):
                    file.unlink()
                with suppress(OSError):  # it is not there, or has files of others
                    (self.folder / name).rmdir()

    def _files(self, table: str) -> list[Path]:
        """Return the files in the folder of a table that are a batch's."""
        folder = self.folder / table
        ours = (".jsonl", ".parquet", ASIDE, BEFORE)
        return [file for file in folder.iterdir() if file.suffix in ours] if folder.is_dir() else []

    def _tidy(self) -> set[str]:
        """Remove what was under way when a batch ended; return the videos whose files are not as they were written."""
        remove(self.folder / COPIES)
        states = self.states()
        done = {key: state for key, state in states.items() if state.get("state") == DONE}
        lost = set[str]()
        for table in self.tables:
            there = {}
            for file in self._files(table):
                if file.suffix == self._suffix and not file.name.startswith(".") and file.stem in done:
                    there[file.stem] = file.stat().st_size
                else:
                    file.unlink()
            lost |= {key for key, state in done.items() if there.get(key) not in sizes_of(state, table)}
        return lost

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what is known of videos, by their keys."""
        return states_in(self.folder)

    def take(self, outcome: Outcome) -> None:
        """Make a video that is complete, or has failed, a part of the data set, with the next :meth:`commit`. Raises OSError."""
        task = outcome.task
        state: dict[str, Any] = {"video": task.name, "location": _kept(task.location), "state": FAILED if outcome.error else DONE}
        state |= {
            key: getattr(outcome, key)
            for key in ("frames", "objects", "duration_ns", "seconds", "failed_calls", "error", "details")
        }
        if not outcome.error:
            settled = {table: self._settle(table, task, given, outcome.columns) for table, given in outcome.files.items()}
            state["bytes"] = {table: size for table, (size, _) in settled.items()}
            state["columns"] = {table: columns for table, (_, columns) in settled.items()}
        self._journal.add(task.key, state)

    def aside(self, table: str, stem: str) -> Path:
        """Return where a file lies that is to be one of a table."""
        return aside(self.folder / table / f"{stem}{self._suffix}")

    def commit(self) -> None:
        """Let all that was taken be on the disk, the files before the journal. Raises OSError."""
        for folder in self._renamed:
            sync(folder)
        self._renamed.clear()
        self._journal.commit()

    def _settle(self, table: str, task: Task, given: Any, columns: Mapping[str, Mapping[str, str]]) -> tuple[int, str]:
        """Let a file that lies aside be one of the table, with the types that the table has; return its size and its columns."""
        place, new = self.folder / table / f"{task.key}{self._suffix}", self.aside(table, task.key)
        if isinstance(given, bytes):
            new.write_bytes(given)
            sync(new)
        elif Path(given) != new:
            os.replace(given, new)
        has = {} if self._lines else self._fit(table, new, columns.get(table, {}))
        os.replace(new, place)
        self._renamed.add(place.parent)
        return place.stat().st_size, hash_of(has)

    def _fit(self, table: str, new: Path, own: Mapping[str, str]) -> Mapping[str, str]:
        """Give the columns of a file the types that the data set has decided on, and return them."""
        known = self.columns.setdefault(table, {})
        before = dict(known)
        kept = fitted(known, own)
        if known != before:
            self._write_mark()
        if kept != dict(own):
            rewritten(new, schema(TABLES[table], kept)).close()
            sync(new)
        return kept

    def _summarize(self) -> None:
        """Write the table of videos, with a row for each."""
        rows = [{"key": key, **state} for key, state in sorted(self.states().items(), key=lambda each: each[1]["video"])]
        if self._lines:
            replace(self.overview, b"".join(dumps(row).encode() + b"\n" for row in rows))
            return
        arrow, parquet = pyarrow()
        types = {name: arrow.int64() for name in ("frames", "objects", "failed_calls")}
        types |= {"duration": arrow.float64(), "seconds": arrow.float64()}
        texts = dict.fromkeys(("video", "key", "location", "state", "error", "traceback"), arrow.string())
        columns = (
            "video",
            "state",
            "duration",
            "frames",
            "objects",
            "seconds",
            "failed_calls",
            "error",
            "traceback",
            "location",
            "key",
        )
        made = [{**row, "duration": row["duration_ns"] / 1e9, "traceback": row["details"]} for row in rows]
        table = arrow.Table.from_pylist(made, schema=arrow.schema([(name, {**types, **texts}[name]) for name in columns]))
        content = arrow.BufferOutputStream()
        parquet.write_table(table, content, compression="zstd")
        replace(self.overview, content.getvalue())


def _kept(location: str) -> str:
    """Return a location without secrets; a name that is not UTF-8 as a URI, which is text everywhere."""
    if "://" in location:
        return without_password(location)
    return location if location == visible(location) else Path(as_native(location)).as_uri()


def mark_of(folder: Path, option: str = "--out ") -> dict[str, Any] | None:
    """Return what the mark of a folder says, None: the folder is new, or empty. Raises LaunchError for that of something else."""
    if not folder.exists() or (folder.is_dir() and all(each.name in _FIRST for each in folder.iterdir())):
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
    if not isinstance(found, dict) or not isinstance(found.get("about"), dict):
        raise LaunchError(f"{option}{folder}: {MARK} was not written by `empycustom batch`; give another folder.")
    return found


def states_before(folder: Path, about: Mapping[str, Any], *, force: bool) -> dict[str, dict[str, Any]]:
    """Return the states with which a batch into a folder would begin, and change nothing. Raises LaunchError as Results does."""
    before = mark_of(folder)
    if before is None or force or _has_changed(folder, before, about):
        return {}
    lines = bool(about.get("lines"))
    return {key: state for key, state in states_in(folder).items() if _is_there(folder, key, state, lines=lines)}


def _is_there(folder: Path, key: str, state: Mapping[str, Any], *, lines: bool) -> bool:
    """Return False for a video that is done and whose files are not as they were written."""
    if state["state"] != DONE:
        return True
    suffix = ".jsonl" if lines else ".parquet"
    files = {table: folder / table / f"{key}{suffix}" for table in names(lines=lines)}
    return all(file.exists() and file.stat().st_size in sizes_of(state, table) for table, file in files.items())


def _has_changed(folder: Path, before: Mapping[str, Any], about: Mapping[str, Any]) -> bool:
    """Return True where nothing is done with libraries or options that were others. Raises LaunchError where something is."""
    changed = [*differences(before["about"], about)]
    if changed and any(state.get("state") == DONE for state in states_in(folder).values()):
        raise LaunchError(
            f"--out {folder} has results of other work: {'; '.join(changed)}. Give another folder, or --force to work on all "
            "videos anew."
        )
    return bool(changed)
