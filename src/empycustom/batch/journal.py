"""The journal of a data set: a line for each video that is done or has failed, the last of what is written about it.

What has no line there is worked on again. The last line about a video counts.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from empycustom.batch.tables import aside, sync
from empycustom.errors import LaunchError

JOURNAL = "journal.jsonl"
LOCK = ".lock"


def states_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of the videos of a data set, by their keys."""
    return _read(folder / JOURNAL)[0]


def sizes_of(state: Mapping[str, Any], table: str) -> set[int]:
    """Return the sizes that the file of a video that is done may have: two, while it is written anew."""
    return {each[table] for name in ("bytes", "rewritten") if table in (each := state.get(name, {}))}


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], bool]:
    """Return the states in a journal, and True if each line is one of another video."""
    found: dict[str, dict[str, Any]] = {}
    is_whole, text = True, b"\n"
    if not path.exists():
        return found, True
    with path.open("rb") as file:
        for text in file:
            try:
                key = (state := orjson.loads(text)).pop("key")
            except (ValueError, AttributeError, KeyError, TypeError):  # it was cut off: that video is worked on again
                is_whole = False
                continue
            is_whole &= key not in found
            found[key] = state
    return found, is_whole and text.endswith(b"\n")


class Journal:
    """Adds lines to the journal of a folder."""

    def __init__(self, folder: Path, lost: set[str]) -> None:
        """Open the journal; ``lost`` are videos without whose states it is to be. Raises OSError."""
        self._path = folder / JOURNAL
        self._waiting: list[bytes] = []
        states, is_whole = _read(self._path)
        if lost or not is_whole:
            lines = [_line(key, state) for key, state in states.items() if key not in lost]
            replace(self._path, b"".join(lines))
        self._file: IO[bytes] = self._path.open("ab", buffering=0)

    def add(self, key: str, state: dict[str, Any]) -> None:
        """Add the state of a video, with the next :meth:`commit`."""
        self._waiting.append(_line(key, state))

    def commit(self) -> None:
        """Let all that was added be on the disk. Raises OSError; then none of it is in the journal."""
        if not self._waiting:
            return
        left, size = memoryview(b"".join(self._waiting)), os.fstat(self._file.fileno()).st_size
        self._waiting.clear()
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError:
            os.ftruncate(self._file.fileno(), size)  # more may be added
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(key: str, state: dict[str, Any]) -> bytes:
    return orjson.dumps({"key": key, **state}, option=orjson.OPT_APPEND_NEWLINE)


def locked(folder: Path) -> IO[bytes]:
    """Make a folder, and keep other batches from it until what is returned is closed, or the process has ended.

    Raises LaunchError where another one works on it, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LaunchError(f"--out {folder}: another batch works on it; wait for its end, or give another folder.") from None
    except OSError as error:
        raise LaunchError(f"--out {folder} cannot be written ({error.strerror}); give another folder.") from error
    return file


def replace(path: Path, content: bytes) -> None:
    """Write a file aside, sync it, and rename it. Raises OSError."""
    new = aside(path)
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync(path.parent)
