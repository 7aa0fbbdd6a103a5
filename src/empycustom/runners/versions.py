"""The versions of a library that runs in the streaming thread: a new one takes over between two frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Protocol

from empycustom.errors import LibraryError
from empycustom.library.callbacks import Library
from empycustom.library.load import record_shared, sources_of
from empycustom.runners.inline import InlineRunner, stop


class Owner(Protocol):
    """Whoever has the runner."""

    def offer(self, library: Library, change: Callable[[], None]) -> None:
        """Let ``change``, by which a new version takes over, be called once, in the streaming thread, between two frames."""

    def take_back(self) -> bool:
        """Return whether the change that was offered has not begun, and never will."""

    def check(self, library: Library) -> None:
        """Raise LibraryError where a new version cannot take over now. It is called in the streaming thread."""

    def adopt(self, library: Library) -> None:
        """Let it be the library from now on. It is called in the streaming thread, before its first frame."""

    def warn(self, error: BaseException) -> None:
        """Report what is wrong with a version, although it can be used."""


class InlineVersions:
    """The versions of the library of a runner, as :class:`empycustom.library.reload.Versions` describes them."""

    def __init__(self, runner: InlineRunner, owner: Owner) -> None:
        self._runner, self._owner = runner, owner
        self._offered: Library | None = None
        self._refusal: LibraryError | None = None
        self._replaced: Library | None = None
        self._decided = Event()
        self._is_first = True

    def sources(self) -> Mapping[str, bytes]:
        """Return the files of the newest version, with the digest of what was run of each."""
        newest = (self._offered or self._runner.library).target
        if self._is_first:
            record_shared(newest)
            self._is_first = False
        return sources_of(newest)

    def prepare(self, sources: dict[str, bytes]) -> None:
        """Load and start a new version, and offer it to the streaming thread. Raises LibraryError."""
        library = (self._offered or self._runner.library).again(sources)
        try:
            library.start(self._runner.options)
        except BaseException:
            library.close()
            raise
        for error in library.misspelt():
            self._owner.warn(error)
        self.close()
        self._offered = library
        self._owner.offer(library, self._take_over)

    def _take_over(self) -> None:
        old, new = self._runner.library, self._offered
        assert new is not None, "it was offered"
        try:
            self._owner.check(new)
            new.reloaded(old.target)
            self._owner.adopt(new)
            self._runner.library, self._replaced = new, old
        except LibraryError as error:
            self._refusal = error
        finally:
            self._decided.set()

    def settle(self) -> None:
        """Stop and unload what was replaced. Raises LibraryError where the new version was refused."""
        if not self._decided.is_set():
            return
        self._decided.clear()
        offered, self._offered = self._offered, None
        replaced, self._replaced = self._replaced, None
        refusal, self._refusal = self._refusal, None
        self._retire(replaced or offered)
        if refusal:
            raise refusal

    def _retire(self, library: Library | None) -> None:
        try:
            if library:
                stop(library, self._runner.options)
        except LibraryError as error:
            self._owner.warn(error)

    def _withdraw(self) -> None:
        """Take back what is offered, or, if it is too late for that, wait until it has taken over."""
        if self._owner.take_back():
            offered, self._offered = self._offered, None
            self._retire(offered)
        elif self._offered:
            self._decided.wait()
            self.settle()

    def close(self) -> None:
        """Withdraw what is offered, and stop all but the version that runs."""
        try:
            self._withdraw()
        except LibraryError as error:
            self._owner.warn(error)
