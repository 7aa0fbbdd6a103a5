"""The versions of a library: a new one takes over between two frames. Those of one that runs in the streaming thread are here."""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from empycustom.errors import CallbackError, LibraryError
from empycustom.library.callbacks import Library
from empycustom.library.load import sources_of
from empycustom.runners.inline import InlineRunner, stop
from empycustom.runners.opening import Opening

_V = TypeVar("_V")
Ask: TypeAlias = Callable[[Any, dict[str, Any]], Any]
_TICK_S, _HANG_S = 0.05, 10.0  # while a version is opened; one that takes longer is reported
_PATIENCE_S = 5.0  # at the end: for frames that an old version has


class Owner(Protocol):
    """Whoever has the runner or the pool. ``facts`` is the Library, or what a pool says of it."""

    def offer(self, facts: Any, ask: Ask, change: Callable[[], None]) -> None:
        """Let ``change``, by which a new version takes over, be called once, in the streaming thread, between two frames.

        ``ask`` calls its ``output_caps`` with caps and options.
        """

    def take_back(self) -> bool:
        """Return whether the change that was offered has not begun, and never will."""

    def check(self, facts: Any) -> None:
        """Raise LibraryError where a new version cannot take over now. It is called in the streaming thread."""

    def adopt(self, facts: Any) -> None:
        """Let it be the library from now on. It is called in the streaming thread, before its first frame."""

    def warn(self, error: BaseException) -> None:
        """Report what is wrong with a version, although it can be used."""


class VersionsOf(ABC, Generic[_V]):
    """What versions have in common: :class:`empycustom.library.reload.Versions`. One runs, one may be offered."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._offered: _V | None = None
        self._refusal: LibraryError | None = None
        self._replaced: _V | None = None
        self._retired: list[_V] = []
        self._decided = Event()
        self._has_unloaded = False

    # What a kind of them adds.

    @abstractmethod
    def running(self) -> _V:
        """Return the one that runs."""

    @abstractmethod
    def sources(self) -> Mapping[str, bytes]:
        """Return the files of the newest version, with what was run of each."""

    @abstractmethod
    def open(self, sources: dict[str, bytes]) -> _V:
        """Load and start a new version. Raises LibraryError."""

    @abstractmethod
    def facts(self, version: _V) -> Any:
        """Return what the owner knows a version by."""

    @abstractmethod
    def replace(self, new: _V) -> _V:
        """Let the new version run, and return the old one. Raises LibraryError where it does not want to."""

    @abstractmethod
    def output_caps(self, version: _V, caps: Any, options: dict[str, Any]) -> Any:
        """Call the ``output_caps`` of a version. Raises LibraryError."""

    @abstractmethod
    def stop(self, version: _V) -> None:
        """Stop and unload a version. Raises LibraryError."""

    def is_idle(self, _version: _V) -> bool:
        """Return whether no frame is under way in a version."""
        return True

    @property
    def newest(self) -> _V:
        """The one that is offered, or else the one that runs."""
        return self._offered or self.running()

    # What a Reloader calls.

    def prepare(self, sources: dict[str, bytes], is_outdated: Callable[[], bool]) -> bool:
        """Load and start a new version, and offer it to the streaming thread. Raises LibraryError.

        Return False where it ``is_outdated`` before that has come to an end.
        """
        opening, is_reported = Opening(partial(self.open, sources), self._stop), False
        while not opening.wait(_TICK_S):
            if is_outdated() and opening.give_up():
                self.cancel(opening)
                return False
            if not is_reported and opening.took >= _HANG_S:
                is_reported = True
                self.report(opening)
        version = opening.result()
        self._withdraw()
        self._offered = version
        self._owner.offer(self.facts(version), partial(self.output_caps, version), self._take_over)
        return True

    def _take_over(self) -> None:
        new = self._offered
        assert new is not None, "it was offered"
        try:
            self._owner.check(self.facts(new))
            self._replaced = self.replace(new)
            self._owner.adopt(self.facts(new))
        except LibraryError as error:
            self._refusal = error
        finally:
            self._decided.set()

    def cancel(self, opening: Opening[_V]) -> None:
        """End what opens a version that nobody wants any more, where that can be ended."""

    def report(self, opening: Opening[_V]) -> None:
        """Warn that opening a version takes long, where nobody else does."""

    def interrupt(self) -> None:
        """End the start of a version, where that can be ended. From any thread."""

    def free(self) -> None:
        """Free the memory of versions that were unloaded."""

    def settle(self) -> None:
        """Stop and unload what was replaced. Raises LibraryError where the new version was refused."""
        try:
            self._settle()
        finally:
            if self._has_unloaded:
                self._has_unloaded = False
                self.free()

    def _settle(self) -> None:
        if self._decided.is_set():
            self._decided.clear()
            offered, self._offered = self._offered, None
            replaced, self._replaced = self._replaced, None
            refusal, self._refusal = self._refusal, None
            self._retired += [each for each in (replaced or offered,) if each]
            self._stop_idle()
            if refusal:
                raise refusal
        self._stop_idle()

    def _stop_idle(self) -> None:
        for version in [each for each in self._retired if self.is_idle(each)]:
            self._retired.remove(version)
            self._stop(version)

    def _stop(self, version: _V) -> None:
        self._has_unloaded = True
        try:
            self.stop(version)
        except LibraryError as error:
            self._owner.warn(error)

    def _withdraw(self) -> None:
        """Take back what is offered, or, if it is too late for that, wait until it has taken over."""
        if self._owner.take_back():
            offered, self._offered = self._offered, None
            if offered:
                self._stop(offered)
        elif self._offered:
            self._decided.wait()
            try:
                self.settle()
            except LibraryError as error:
                self._owner.warn(error)

    def close(self) -> None:
        """Withdraw what is offered, and stop all but the version that runs."""
        self._withdraw()
        until = time.monotonic() + _PATIENCE_S
        while self._retired and time.monotonic() < until:
            self._stop_idle()
            time.sleep(0.01)
        for version in self._retired:
            self._stop(version)


class InlineVersions(VersionsOf[Library]):
    """The versions of the library of a runner in the streaming thread. Nothing ends a thread: one that hangs is left behind."""

    def __init__(self, runner: InlineRunner, owner: Owner) -> None:
        super().__init__(owner)
        self._runner, self._is_first = runner, True

    def running(self) -> Library:
        """Return the one that runs."""
        return self._runner.library

    def sources(self) -> Mapping[str, bytes]:
        """Return the files of the newest version; those of modules that are everybody's are looked for once."""
        library = self.newest
        if self._is_first:
            self._is_first = False
            return library.all_sources()
        return sources_of(library.target)

    def open(self, sources: dict[str, bytes]) -> Library:
        """Load and start a new version, in this thread. Raises LibraryError."""
        library = self.newest.again(sources)
        try:
            library.start(self._runner.options)
        except BaseException:
            library.close()
            raise
        for error in library.hints():
            self._owner.warn(error)
        return library

    def cancel(self, opening: Opening[Library]) -> None:
        """Warn that the thread goes on."""
        self._warn_of(opening, ", and is given up; its thread goes on until it returns, and then its stop is called")

    def report(self, opening: Opening[Library]) -> None:
        """Warn that it takes long."""
        self._warn_of(opening, "; the version before goes on")

    def _warn_of(self, opening: Opening[Library], rest: str) -> None:
        path = self.newest.path
        line, details = opening.place(path)
        what = f"the new version has not started after {opening.took:.0f} s"
        self._owner.warn(CallbackError.at(path, line, what, rest, callback="start", details=details))

    def facts(self, version: Library) -> Library:
        """Return the library."""
        return version

    def replace(self, new: Library) -> Library:
        """Let the new version run, after it has taken over state. Raises LibraryError where ``reloaded`` raises."""
        old = self._runner.library
        new.reloaded(old.target)
        self._runner.library = new
        return old

    def output_caps(self, version: Library, caps: Any, options: dict[str, Any]) -> Any:
        """Call the ``output_caps`` of a version, in this thread."""
        return version.output_caps(caps, options)

    def stop(self, version: Library) -> None:
        """Stop and unload a version."""
        stop(version, self._runner.options)

    def free(self) -> None:
        """Collect the modules of old versions, which refer to themselves: their models may be large."""
        gc.collect()
