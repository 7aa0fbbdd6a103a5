"""Messages that have not arrived yet, in a file: they outlive the network, the process and its death."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any
from weakref import WeakSet

from empycustom.errors import PathError, PublishError, SpoolFullError
from empycustom.publish.messages import Draft, Message, with_id
from empycustom.text import as_path

_MOST_FILES = 1000  # of one destination: one for each element that publishes to it at the same time
_TABLES = """
CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, topic TEXT, key TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS stream (id TEXT)
"""
_NEXT = "SELECT number, topic, key, body, at FROM message ORDER BY number LIMIT ?"
_LEAST = "SELECT number, length(body) FROM message ORDER BY number"
_BUSY_S = 30.0  # for a disk that is slow
_MOST_BYTES = 8 << 20  # that are read at once


def spool_folder(setting: str) -> Path:
    """Return the folder that a setting names, nothing: that of the user's state, made if it is missing. Raises PublishError."""
    folder = Path()
    try:
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        folder = as_path(setting) if setting else as_path(state) / "empycustom" / "spool"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
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
        self._connections: list[sqlite3.Connection] = []
        _of_this_process.add(self)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite lets others read what it makes
            self._adds, self._takes = self._connection(), self._connection()
            self._adds.executescript(_TABLES)
            self.stream = self._stream()
            self.count, self.bytes = self._adds.execute("SELECT count(*), ifnull(sum(length(body)), 0) FROM message").fetchone()
        except (OSError, sqlite3.Error) as error:
            self._disconnect()
            self.unlock()
            raise PublishError(
                f"{path} cannot be used ({error}); move it away with what it keeps, or name another folder with spool=FOLDER"
            ) from error

    def unlock(self) -> None:
        """Let others use the file."""
        _of_this_process.discard(self)
        os.close(self._lock_file)

    @contextmanager
    def _writes(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise PublishError(f"messages cannot be kept in {self.path} ({error})") from error

    def _connection(self) -> sqlite3.Connection:
        made = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._connections.append(made)
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("PRAGMA synchronous=FULL")  # with a commit for many messages it costs little, and a power cut loses none
        return made

    def _disconnect(self) -> None:
        for connection in self._connections:
            connection.close()

    def _stream(self) -> str:
        found = self._adds.execute("SELECT id FROM stream").fetchone()
        if not found:
            found = (secrets.token_hex(8),)
            self._adds.execute("INSERT INTO stream VALUES (?)", found)
        return str(found[0])

    def add(self, drafts: Sequence[Draft]) -> None:
        """Keep messages. Raises SpoolFullError, PublishError."""
        ends = list(accumulate(len(body) for *_, body in drafts))
        with self._lock:
            fitting = len(drafts)
            if self._full != "oldest":
                fitting = bisect_right(ends, self._most_bytes - self.bytes)
            now = time.time()
            with self._writes():
                self._adds.execute("BEGIN IMMEDIATE")
                try:
                    self._adds.executemany(
                        "INSERT INTO message (at, topic, key, body) VALUES (?, ?, ?, ?)",
                        [(now, *each) for each in drafts[:fitting]],
                    )
                    self._adds.execute("COMMIT")
                except sqlite3.Error:
                    with suppress(sqlite3.Error):
                        self._adds.execute("ROLLBACK")
                    raise
                self.count, self.bytes = self.count + fitting, self.bytes + (ends[fitting - 1] if fitting else 0)
                self._drop_oldest()
            self.dropped += len(drafts) - fitting
            if fitting < len(drafts) and self._full == "stop":
                raise SpoolFullError(
                    f"{self.path} has {self.count} messages that have not arrived, and no room for more; "
                    "set a larger spool-size, or spool-full=oldest"
                )

    def _drop_oldest(self) -> None:
        excess, last = self.bytes - self._most_bytes, 0
        if excess <= 0:
            return
        with closing(self._adds.execute(_LEAST)) as rows:
            for number, size in rows:
                last, excess = number, excess - size
                if excess <= 0:
                    break
        self.dropped += self._delete(self._adds, "number <= ?", last)

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
        made, size, at = list[Message](), 0, 0.0
        with self._writes():
            if self._most_age_s:
                with self._lock:
                    self.dropped += self._delete(self._takes, "at < ?", time.time() - self._most_age_s)
            with closing(self._takes.execute(_NEXT, (most,))) as rows:
                for number, topic, key, body, at in rows:  # noqa: B007 - the last one is returned
                    made.append(Message(self.stream, number, topic, key, with_id(body, f"{self.stream}-{number}")))
                    size += len(body)
                    if size > _MOST_BYTES:
                        break
        return made, at

    def remove(self, number: int) -> None:
        """Remove the messages up to a number: they have arrived."""
        with self._lock, self._writes():
            self._delete(self._takes, "number <= ?", number)

    def close(self) -> None:
        """Close the file, and delete it where nothing is kept."""
        with self._lock:
            self._disconnect()
            if not self.count:
                self.path.unlink(missing_ok=True)
                _lock_of(self.path).unlink(missing_ok=True)
            self.unlock()


_of_this_process: WeakSet[Spool] = WeakSet()


def _leave_to_parent() -> None:
    """Close the locks of spools in a forked child: they are to be free when the parent has died."""
    for spool in list(_of_this_process):
        spool.unlock()


os.register_at_fork(after_in_child=_leave_to_parent)


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


def open_spools(folder: Path, name: str, place: str, *, are_left: bool = False, **how: Any) -> list[Spool]:
    """Open what processes that are gone have left of a destination, and unless ``are_left`` one for new messages, the last.

    ``name`` is for people; spools belong together where ``place`` is the same. Raises PublishError.
    """
    of_place = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    stem = f"{re.sub('[^A-Za-z0-9.-]+', '_', name)[:60]}-{of_place}"
    there = [path for path in _paths(folder, stem) if path.exists()]
    opened = [spool for path in there if (spool := _free(path, how))]
    if opened or are_left:
        return opened
    free = (spool for path in _paths(folder, stem) if not path.exists() and (spool := _free(path, how)))
    if made := next(free, None):
        return [made]
    raise PublishError(f"no more messages to {name} can be kept in {folder}; name another folder with spool=FOLDER")


def _paths(folder: Path, stem: str) -> Iterator[Path]:
    return (folder / f"{stem}.{number}.sqlite" for number in range(_MOST_FILES))


def _free(path: Path, how: dict[str, Any]) -> Spool | None:
    try:
        return Spool(path, **how)
    except (BlockingIOError, PermissionError):  # another process has it, or another user
        return None
    except OSError as error:
        raise PublishError(f"{path} cannot be used ({error.strerror}); name another folder with spool=FOLDER") from error
