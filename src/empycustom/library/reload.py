"""Reloading: when the files of a library have changed, and a new version of it is due. It has a thread of its own.

What a version is, and how it takes the place of another, is known to runners alone (:class:`Versions`).
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from empycustom.errors import LibraryError, ReloadError

_TICK_MS = 100  # how often the thread asks what there is to do
_LOOK_S = 1.0  # how often files are looked at where no event comes
_QUIET_S = 0.1  # for so long nothing has changed when a new version is loaded
_LAST_S = 5.0  # at the end, for a version that is being started
_PATIENCE_S = 0.5  # a version that fails is reported where nothing changes for so long: it may be half a file


def is_available() -> bool:
    """Return whether the package watchfiles is installed."""
    try:
        importlib.import_module("watchfiles")
    except ImportError:
        return False
    return True


class Versions(Protocol):
    """The versions of one library: the one that runs, and a newer one that is offered. The thread of a Reloader calls it."""

    def sources(self) -> Mapping[str, bytes]:
        """Return the files of the newest version, with what was run of each; it may grow."""

    def prepare(self, sources: dict[str, bytes], is_outdated: Callable[[], bool]) -> bool:
        """Load and start a new version beside the one that runs, and offer it. Raises LibraryError: then nothing has changed.

        ``sources`` gets the files that were read, also where it fails. A version that was offered before is withdrawn, if it has
        not taken over. Return False where the new one was given up: it ``is_outdated``, and had not come to an end.
        """

    def interrupt(self) -> None:
        """Let :meth:`prepare` raise LibraryError soon, now and from then on, where it can. From any thread."""

    def settle(self) -> None:
        """Stop and unload what has been replaced meanwhile. Raises LibraryError where the offered version was refused."""

    def close(self) -> None:
        """Withdraw what is offered, and stop and unload all but the version that runs. It is the last call."""


class Reloader:
    """Watches the files of a library, and has a new version prepared when they have changed.

    ``report`` gets a ReloadError for each version that cannot be used, and the exception that ends the thread, which is a
    defect; ``log`` gets sentences for the log. Both are called in the thread. It begins when that of the reloader ``after`` has
    ended.
    """

    _files: _Files

    def __init__(
        self,
        versions: Versions,
        report: Callable[[BaseException], None],
        log: Callable[[str], None],
        after: Reloader | None = None,
    ) -> None:
        self._versions, self._report, self._after = versions, report, after
        self._stopping = threading.Event()
        self._events = _Events(self._stopping, log)
        self._failure: LibraryError | None = None
        self._failed_at = self._ended_at = 0.0
        self._thread = threading.Thread(target=self._run, name="empycustom reload", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def end(self) -> None:
        """Watch no more. A version that is being started is stopped again; nobody waits for that here."""
        self._ended_at = time.monotonic()
        self._stopping.set()
        self._versions.interrupt()

    def wait(self) -> None:
        """Wait for the end of the thread, after :meth:`end`."""
        if threading.current_thread() is not self._thread:  # that is a callback of the new version
            self._thread.join()

    def _run(self) -> None:
        if self._after:
            self._after.wait()
            self._after = None
        try:
            self._watch()
        except BaseException as error:  # noqa: BLE001 - a thread that ends silently would be worse
            self._report(error)
        finally:
            self._events.close()
            self._versions.close()

    def _watch(self) -> None:
        self._files, look_at = _Files(self._versions.sources()), 0.0
        while not self._stopping.is_set():
            names = self._events.next(self._files.folders)
            self._settle()
            if names or time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_S
                self._files.add(self._versions.sources())
                if self._files.has_changed(names) and self._is_quiet():
                    self._renew()
            if self._failure and time.monotonic() - self._failed_at >= _PATIENCE_S:
                failure, self._failure = self._failure, None
                self._report(ReloadError.about(failure))

    def _settle(self) -> None:
        try:
            self._versions.settle()
        except LibraryError as error:
            self._failure, self._failed_at = error, time.monotonic()

    def _is_quiet(self) -> bool:
        """Wait until nothing changes any more; return False at the end."""
        now = None
        while now != (now := self._files.contents()):
            if self._stopping.wait(_QUIET_S):
                return False
        return True

    def _renew(self) -> None:
        newest = self._versions.sources()
        self._failure = None
        if self._files.are(newest):  # what failed was taken back
            self._files = _Files(newest)
            return
        read: dict[str, bytes] = {}
        there, entries = self._files.contents(), self._files.entries()
        try:
            is_done = self._versions.prepare(read, self._outdated(there))
        except LibraryError as error:
            self._failure, self._failed_at = error, time.monotonic()
            self._files = _Files({**newest, **there, **read}, entries)  # what crashed has not said what it read
        else:
            self._files = _Files(read if is_done else {**newest, **there})

    def _outdated(self, tried: dict[str, bytes]) -> Callable[[], bool]:
        """Return what says whether a version of these files is to be given up: they have changed again, or the end has come."""
        look_at = time.monotonic() + _LOOK_S

        def is_outdated() -> bool:
            nonlocal look_at
            now = time.monotonic()
            if self._stopping.is_set():
                return now - self._ended_at >= _LAST_S
            if now < look_at:
                return False
            look_at = now + _LOOK_S
            return any(_content(path) not in (content, None) for path, content in tried.items())

        return is_outdated


class _Files:
    """The files of a library. ``tried`` has what the newest version, or one that failed, has run of each.

    ``entries``: what there was in their folders when it failed. What comes there may be the module that is missing.
    """

    def __init__(self, tried: Mapping[str, bytes], entries: set[str] | None = None) -> None:
        self._tried, self._entries = dict(tried), entries
        self._stats: dict[str, Any] = {}
        self.folders: frozenset[str] = frozenset()
        self.add({})

    def add(self, sources: Mapping[str, bytes]) -> None:
        """Watch further files: of modules that were imported later."""
        self._tried = {**sources, **self._tried}
        self.folders = frozenset(map(os.path.dirname, self._tried))

    def has_changed(self, names: set[str]) -> bool:
        """Return whether there is something to try. Files of these ``names`` are read even if they look the same."""
        changed = False
        for path, tried in self._tried.items():
            stat = _stat(path)
            if stat != self._stats.get(path, ()) or os.path.basename(path) in names:
                self._stats[path] = stat
                changed |= _content(path) not in (tried, None)
        return changed or (self._entries is not None and not self.entries() <= self._entries)

    def contents(self) -> dict[str, bytes]:
        """Return what is in the files now, as far as they are there."""
        return {path: content for path in self._tried if (content := _content(path)) is not None}

    def are(self, sources: Mapping[str, bytes]) -> bool:
        """Return whether this is in the files now, and nothing has come that was missing."""
        is_new = self._entries is None or self.entries() <= self._entries
        return is_new and all(_content(path) == run for path, run in sources.items())

    def entries(self) -> set[str]:
        """Return the Python files and the folders that lie in the folders of these files."""
        found: set[str] = set()
        for folder in self.folders:
            with suppress(OSError):  # it is gone
                found |= {entry.path for entry in os.scandir(folder) if entry.name.endswith(".py") or entry.is_dir()}
        return found


class _Events:
    """Changes in folders, as watchfiles reports them. Folders, because a file that is saved by renaming is another one."""

    def __init__(self, stopping: threading.Event, log: Callable[[str], None]) -> None:
        self._stopping, self._log = stopping, log
        self._places: list[Any] = []
        self._failures = 0
        self._watch: Iterator[set[tuple[Any, str]]] | None = None

    def next(self, folders: frozenset[str]) -> set[str]:
        """Return the names of files that have changed in these folders, after a moment also where there are none."""
        there = [(folder, identity) for folder in sorted(folders) if (identity := _identity(folder))]
        if there != self._places:  # one that was replaced sends no more events
            self.close()
            self._places = there
            self._watch = self._armed([folder for folder, _ in there])
        if self._watch is not None:
            try:
                names = {os.path.basename(path) for _, path in next(self._watch, ())}
            except OSError as error:
                self._watch = None
                if self._failures:
                    self._log(f"changes of files are seen once a second only: {', '.join(sorted(folders))}: {error}")
                else:  # a folder may have gone since it was looked at
                    self._places = []
                self._failures += 1
            else:
                self._failures = 0
                return names
        self._stopping.wait(_TICK_MS / 1000)
        return set()

    def _armed(self, folders: list[str]) -> Iterator[set[tuple[Any, str]]] | None:
        if not folders:
            return None
        watchfiles = importlib.import_module("watchfiles")
        logger = logging.getLogger("watchfiles")
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)  # else it logs each event, also those of files that do not matter
        watch: Iterator[set[tuple[Any, str]]] = watchfiles.watch(
            *folders,
            watch_filter=None,
            debounce=200,
            step=50,
            stop_event=self._stopping,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
        )
        return watch

    def close(self) -> None:
        """Watch no more."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()  # type: ignore[attr-defined]  # it is a generator


def _stat(path: str) -> Any:
    """Return what changes when a file is written or replaced; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev, found.st_size


def _identity(folder: str) -> Any:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_ino, found.st_dev


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
