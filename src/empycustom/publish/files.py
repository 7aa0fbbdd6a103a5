"""Destinations that need nothing to be started: a file of lines, and a database in a file."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from empycustom.errors import AwayError, MessageRefusedError, PathError, PublishError
from empycustom.library.declared import Option
from empycustom.outputs.table import write_all
from empycustom.publish.address import Address
from empycustom.publish.destinations import TRANSPORT_S, Destination, refuse_fields
from empycustom.publish.messages import Message
from empycustom.publish.rows import SAMPLE, columns_of, row_of
from empycustom.text import as_native, as_path, shown, working_folder

_LAST = 1 << 16  # bytes at the end of a file in which its last line is looked for first
# What does not pass by itself: no right, no such folder. Others, such as a full disk, may.
_LASTING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)
_LASTING_OF_SQLITE = ("unable to open database file", "readonly database")


def _file_of(address: Address) -> Path:
    """Return the file at an address. Raises PublishError where there can be none."""
    refuse_fields(address)
    if address.hosts not in ([("", 0)], [("localhost", 0)]):
        raise address.error(f"a file has no host: write {address.scheme}:///absolute/path")
    if not address.path:
        raise address.error(f"no file is named: write {address.scheme}:///absolute/path")
    try:
        path = as_path(as_native(f"/{address.path.lstrip('/')}"))
        _check_place(address, path)
    except PathError as error:
        raise address.error(str(error)) from error
    except OSError as error:  # a name that is too long
        raise _unwritable(address, path, error.strerror or error) from error
    return path


def _check_place(address: Address, path: Path) -> None:
    """Raise PublishError where a path is not a file, or hardly can be the one that is meant."""
    if path.is_dir():
        raise address.error("is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise address.error("is a device or a pipe, which does not keep what was written; name a file")
    if not path.parent.is_dir():
        raise address.error(f"the folder {path.parent} does not exist; make it first")
    if path.parent == Path("/") and not address.path.startswith("/"):  # others mean the working directory by this
        here, there = (f"{address.scheme}://{folder}/{path.name}" for folder in (working_folder(), "/"))
        raise address.error(f"is {path}, in the root folder; write {here} for a file in this folder, {there} for that one")


def _unwritable(address: Address, path: Path, why: object) -> PublishError:
    return address.error(f"{path} cannot be written ({why}); name another file, or let this user write it")


class Lines(Destination):
    """A file with one message a line, to which lines are added. Each message stands there once.

    With ``rotate`` a file that is larger is renamed: ``results.jsonl`` to ``results.1.jsonl``, the one before to
    ``results.2.jsonl``, and so on up to ``keep``.
    """

    settings: ClassVar[Mapping[str, Option]] = {
        "rotate": Option("0", "size from which on a new file is begun, such as 100MB; 0: never", unit="bytes"),
        "keep": Option(10, "how many older files are kept", limits=(1, 100_000)),
    }
    is_exclusive = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.path: Path = _file_of(address)
        self._descriptor = -1
        self._last: tuple[str, int] = ("", 0)  # the message in the last line

    def connect(self) -> None:
        """Open the file, behind its last whole line."""
        try:
            self._open()
            self._last = self._begin_behind_last_line()
        except OSError as error:
            self.close()
            if error.errno in _LASTING:
                raise _unwritable(self.address, self.path, error.strerror) from error
            raise self._away(error) from error
        except PublishError:
            self.close()
            raise

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise self.address.error("something else publishes to this file already; name another one") from error

    def _begin_behind_last_line(self) -> tuple[str, int]:
        """Cut off a line that was not written to its end, and return the message in the last one."""
        size, tail = os.fstat(self._descriptor).st_size, b""
        start = size
        while start and tail.count(b"\n", 0, -1) < 2:
            step = min(start, max(_LAST, len(tail)))
            start -= step
            tail = os.pread(self._descriptor, step, start) + tail
        end = tail.rfind(b"\n") + 1
        if end < len(tail):
            os.ftruncate(self._descriptor, start + end)
        last = tail[:end].rstrip(b"\n").rpartition(b"\n")[2]
        stream, _, number = last.removeprefix(b'{"id":"').partition(b'"')[0].decode("ascii", "replace").rpartition("-")
        return (stream, int(number)) if number.isdecimal() else ("", 0)

    def send(self, messages: Sequence[Message]) -> None:
        """Add lines, but for those that are there already."""
        stream, number = self._last
        new = [each for each in messages if each.stream != stream or each.number > number]
        if not new:
            return
        try:
            there = os.fstat(self._descriptor)
            if not there.st_nlink:  # somebody has deleted it
                raise FileNotFoundError(errno.ENOENT, "it was deleted")
            if 0 < self.address.settings["rotate"] <= there.st_size:
                self._rotate()
            write_all(self._descriptor, b"".join(each.body + b"\n" for each in new))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._away(error) from error
        self._last = new[-1].stream, new[-1].number

    def _rotate(self) -> None:
        self.close()
        older = [self.path.with_suffix(f".{number}{self.path.suffix}") for number in range(1, self.address.settings["keep"] + 1)]
        for before, after in zip(older[-2::-1], older[:0:-1], strict=True):
            with suppress(FileNotFoundError):
                before.replace(after)
        self.path.replace(older[0])
        self._open()

    def _away(self, error: OSError) -> AwayError:
        return AwayError(f"{self.path} cannot be written ({error.strerror or error})")

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _lite(value: Any) -> Any:
    """Return a value as SQLite has it; a number that is larger than its numbers as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if type(value) is int and value > _LARGEST else value


_LARGEST = 2**63 - 1
_ANOTHER = "name another one with table=NAME, which is made then"
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Sqlite(Destination):
    """A table in a database of SQLite, made if it is missing. Each message is one row."""

    settings: ClassVar[Mapping[str, Option]] = {"table": Option("results", "name of the table")}
    most = 500
    places = ("table",)

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.path: Path = _file_of(address)
        table = address.settings["table"]
        if not _TABLE.fullmatch(table):
            raise address.error(f"table must be a name of letters, digits and _, not {shown(table)}")
        self._columns, self._table = columns_of(address.settings["select"]), table
        self._connection: sqlite3.Connection | None = None

    def connect(self) -> None:
        """Open the database, make the table, and check that rows fit into it."""
        wanted = ["id", *(column.name for column in self._columns), "message"]
        try:
            os.close(
                os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            )  # it says why it cannot, as SQLite does not
            self._connection = connection = sqlite3.connect(self.path, timeout=TRANSPORT_S, check_same_thread=False)
            kinds = ", ".join(f'"{column.name}" {column.lite}' for column in self._columns)
            with connection:
                connection.execute(f'CREATE TABLE IF NOT EXISTS "{self._table}" (id TEXT PRIMARY KEY, {kinds}, message TEXT)')
            there = [row[1] for row in connection.execute(f'PRAGMA table_info("{self._table}")')]
            if missing := [name for name in wanted if name not in there]:
                raise sqlite3.IntegrityError(f"it has no column {', '.join(missing)}")
            self._insert([SAMPLE])
            connection.rollback()
        except OSError as error:
            if error.errno in _LASTING:
                raise _unwritable(self.address, self.path, error.strerror) from error
            raise AwayError(f"{self.path} cannot be written ({error.strerror})") from error
        except sqlite3.DatabaseError as error:
            self.close()
            if any(each in str(error) for each in _LASTING_OF_SQLITE):
                raise _unwritable(self.address, self.path, error) from error
            if isinstance(error, sqlite3.IntegrityError) or "CONFLICT" in str(error):
                raise self.address.error(f"the table {self._table} has another shape ({error}); {_ANOTHER}") from error
            if isinstance(error, sqlite3.OperationalError):
                raise AwayError(f"{self.path} cannot be written ({error})") from error
            raise self.address.error(f"{self.path} is not a database of SQLite ({error}); name another file") from error

    def _insert(self, messages: Sequence[Message]) -> None:
        assert self._connection, "it is connected"
        names = ", ".join(f'"{name}"' for name in ("id", *(column.name for column in self._columns), "message"))
        rows = [list(map(_lite, row_of(each, self._columns))) for each in messages]
        places = ", ".join("?" * len(rows[0]))
        adds = f'INSERT INTO "{self._table}" ({names}) VALUES ({places}) ON CONFLICT (id) DO NOTHING'
        self._connection.executemany(adds, rows)

    def send(self, messages: Sequence[Message]) -> None:
        """Add rows; those that are there already stay as they are."""
        assert self._connection, "it is connected"
        try:
            with self._connection:
                self._insert(messages)
        except sqlite3.IntegrityError as error:
            raise MessageRefusedError(f"{self.path} refuses the message {messages[0].id} ({error})") from error
        except sqlite3.Error as error:
            raise AwayError(f"{self.path} cannot be written ({error})") from error

    def close(self) -> None:
        """Close the database."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()
