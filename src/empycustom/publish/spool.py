"""Messages that have not arrived yet, in a file: they outlive the network, the process and its death."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from empycustom.errors import PathError, PublishError, SpoolFullError
from empycustom.publish.messages import Draft, Message, with_id
from empycustom.text import as_path

_MOST_FILES = 1000  # of one destination: one for each element that publishes to it at the same time
_TABLES = """
CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, topic TEXT, key TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS stream (id TEXT)
"""
_LEAST = "SELECT number, length(body) FROM message ORDER BY number"
_BUSY_S = 30.0  # for a disk that is slow


def spool_folder(setting: str) -> Path:
    """Return the folder that a setting names, nothing: that of the user's state, made if it is missing. Raises PublishError."""
    folder = Path()
    try:
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        folder = as_path(setting) if setting else as_path(state) / "empycustom" / "spool"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, PathError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PublishError(f"messages cannot be kept in {folder} ({why}); name another folder with spool=FOLDER") from error
    return folder


class Spool:
    """A file of messages. One thread adds, and one takes the first ones and removes them.

    Parameters
    ----------
    path : Path
        The file; beside it lies a lock, so that no other process uses it. Raises BlockingIOError where one does.
    most_bytes : int
        The most bytes of bodies.
    most_age_s : float
        Seconds after which a message is given up, 0: never.
    full : str
        What becomes of messages where there is no room: "oldest", "newest" are given up, "stop" raises SpoolFullError.

    Attributes
    ----------
    count, bytes : int
        What is kept.
    dropped : int
        Messages that were given up.
    """

    def __init__(self, path: Path, *, most_bytes: int, most_age_s: float = 0, full: str = "oldest") -> None:
        self.path, self._most_bytes, self._most_age_s, self._full = path, most_bytes, most_age_s, full
        self.count = self.bytes = self.dropped = 0
        self._lock = threading.Lock()
        self._lock_file = _locked(path)
        try:
            self._adds, self._takes = self._connection(), self._connection()
            self._adds.executescript(_TABLES)
            self.stream = self._stream()
            self.count, self.bytes = self._adds.execute("SELECT count(*), ifnull(sum(length(body)), 0) FROM message").fetchone()
        except sqlite3.Error as error:
            os.close(self._lock_file)
            raise PublishError(f"{path} cannot be used ({error}); remove it, or name another folder with spool=FOLDER") from error

    def _connection(self) -> sqlite3.Connection:
        made = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=FULL")  # with a commit for many messages it costs little, and a power cut loses none
        return made

    def _stream(self) -> str:
        found = self._adds.execute("SELECT id FROM stream").fetchone()
        if not found:
            found = (secrets.token_hex(8),)
            self._adds.execute("INSERT INTO stream VALUES (?)", found)
        return str(found[0])

    def add(self, drafts: Sequence[Draft]) -> None:
        """Keep messages. Raises SpoolFullError, PublishError."""
        size = sum(len(body) for *_, body in drafts)
        with self._lock:
            if self.bytes + size > self._most_bytes:
                if self._full == "stop":
                    raise SpoolFullError(
                        f"{self.path} has {self.count} messages that have not arrived, and no room for more; "
                        "set a larger spool-size, or spool-full=oldest"
                    )
                if self._full == "newest":
                    self.dropped += len(drafts)
                    return
            now = time.time()
            try:
                self._adds.execute("BEGIN IMMEDIATE")
                self._adds.executemany(
                    "INSERT INTO message (at, topic, key, body) VALUES (?, ?, ?, ?)", [(now, *each) for each in drafts]
                )
                self.count, self.bytes = self.count + len(drafts), self.bytes + size
                if self.bytes > self._most_bytes:
                    self._drop_oldest(self._adds)
                self._adds.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._adds.execute("ROLLBACK")
                raise PublishError(f"messages cannot be kept in {self.path} ({error})") from error

    def _drop_oldest(self, connection: sqlite3.Connection) -> None:
        excess, last = self.bytes - self._most_bytes, 0
        for number, size in connection.execute(_LEAST):
            if excess <= 0:
                break
            last, excess = number, excess - size
        self.dropped += self._delete(connection, "number <= ?", last)

    def _delete(self, connection: sqlite3.Connection, which: str, value: Any) -> int:
        """Delete some messages, and return how many there were."""
        count, size = connection.execute(
            f"SELECT count(*), ifnull(sum(length(body)), 0) FROM message WHERE {which}", (value,)
        ).fetchone()
        if count:
            connection.execute(f"DELETE FROM message WHERE {which}", (value,))
            self.count, self.bytes = self.count - count, self.bytes - size
        return int(count)

    def first(self, most: int) -> tuple[list[Message], float]:
        """Return the messages to send next, and when the last of them was added, in seconds since 1970."""
        if self._most_age_s:
            with self._lock:
                self.dropped += self._delete(self._takes, "at < ?", time.time() - self._most_age_s)
        rows = self._takes.execute("SELECT number, topic, key, body, at FROM message ORDER BY number LIMIT ?", (most,)).fetchall()
        made = [
            Message(self.stream, number, topic, key, with_id(body, f"{self.stream}-{number}"))
            for number, topic, key, body, _ in rows
        ]
        return made, rows[-1][-1] if rows else 0.0

    def remove(self, number: int) -> None:
        """Remove the messages up to a number: they have arrived."""
        with self._lock:
            self._delete(self._takes, "number <= ?", number)

    def close(self) -> None:
        """Close the file, and delete it where nothing is kept."""
        with self._lock:
            self._adds.close()
            self._takes.close()
            if not self.count:
                self.path.unlink(missing_ok=True)
                _lock_of(self.path).unlink(missing_ok=True)
            os.close(self._lock_file)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _locked(path: Path) -> int:
    """Lock the file beside a spool, and return its descriptor. Raises BlockingIOError where another process has it."""
    while True:
        file = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:  # else its owner has just removed it
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def open_spools(folder: Path, name: str, *, are_left: bool = False, **how: Any) -> list[Spool]:
    """Open what processes that are gone have left of a destination, and unless ``are_left`` one for new messages, the last.

    Raises PublishError.
    """
    stem = (
        f"{re.sub('[^A-Za-z0-9.-]+', '_', name)[:60]}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
    )
    there = [path for path in _paths(folder, stem) if path.exists()]
    opened = [spool for path in there if (spool := _free(path, how))]
    if not (opened or are_left):
        opened = [next(spool for path in _paths(folder, stem) if not path.exists() and (spool := _free(path, how)))]
    return opened


def _paths(folder: Path, stem: str) -> Iterator[Path]:
    return (folder / f"{stem}.{number}.sqlite" for number in range(_MOST_FILES))


def _free(path: Path, how: dict[str, Any]) -> Spool | None:
    try:
        path.touch(0o600)
        return Spool(path, **how)
    except BlockingIOError:
        return None
    except OSError as error:
        raise PublishError(f"{path} cannot be used ({error.strerror}); name another folder with spool=FOLDER") from error
