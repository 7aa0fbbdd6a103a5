"""The property ``reload``: new versions of the library of an element take over while it plays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Lock
from typing import Any

from empycustom.elements.base import WARNING
from empycustom.elements.failures import post_error, post_info, post_warning
from empycustom.elements.limits import about_state, check_declared
from empycustom.elements.output import OutputCaps
from empycustom.elements.properties import Property
from empycustom.errors import DeclarationError, EmPyCustomError, LibraryError, PropertyError
from empycustom.library.compiled import is_compiled
from empycustom.library.reload import Reloader, is_available
from empycustom.runners.inline import InlineRunner, Turn
from empycustom.runners.versions import InlineVersions, VersionsOf

OF_RELOADING = Property(
    name="reload",
    kind=bool,
    default=False,
    live=True,
    blurb="Load the library anew when its file, or a module beside it, has changed",
)


def check_reload(library: Any) -> None:
    """Raise PropertyError where a library cannot be reloaded: because it has no file, or because a package is missing."""
    if not isinstance(library, str):
        raise PropertyError(
            "reload=true is for libraries that are files, and this one is a function or an object of the program; put it into a "
            "file, and give the name of the file as the library; or set reload=false",
            name="reload",
        )
    if is_compiled(library):
        raise PropertyError(
            f"reload=true is for Python files, and a process loads {library} once; set reload=false. With workers=1 each start "
            "of the element loads it anew",
            name="reload",
        )
    if not is_available():
        raise PropertyError(
            f"reload=true needs the package watchfiles; install it: {sys.executable} -m pip install watchfiles", name="reload"
        )


class Reloading:
    """Reloads the library of an element, wherever it runs, as long as the property ``reload`` is true.

    The element has ``output_of``, which makes what negotiates the caps of new frames, None where they stay as they are; and
    ``adopt``, which gets a new version with that, in the streaming thread, before its first frame.
    """

    def __init__(self, element: Any, runner: Any) -> None:
        self._element, self._runner, self._wake_fd = element, runner, element.workers.wake if element.workers else -1
        self._lock = Lock()  # any thread may set a property
        self._reloader: Reloader | None = None
        self._is_on = self._is_closed = False
        # Where the caps of new frames may change, a version takes over when they are negotiated.
        self._negotiation = Turn()
        self._is_open = False
        self._output: OutputCaps | None = None
        self._caps: tuple[Any, Any] | None = None

    def set(self, *, wanted: bool) -> None:
        """Begin to watch the library, or end it. Nobody waits for a version that is being started; it is stopped again."""
        with self._lock:
            if self._is_closed or wanted == self._is_on:
                return
            self._is_on = wanted
            if wanted:
                self._warn_about_state(self._element.library_facts)
                self._reloader = Reloader(self._versions(), self.warn, self._log, after=self._reloader)
                self._reloader.start()
            elif self._reloader:
                self._reloader.end()

    def _versions(self) -> VersionsOf[Any]:
        if isinstance(self._runner, InlineRunner):
            return InlineVersions(self._runner, self)
        from empycustom.runners.replaceable import PoolVersions

        return PoolVersions(self._runner, self, self._wake_fd)

    def close(self) -> None:
        """Watch no more, and wait until all versions are stopped but the one that runs."""
        with self._lock:
            self._is_closed = True
        if self._reloader:
            self._reloader.end()
            self._reloader.wait()

    def accepts_any_caps(self) -> bool:
        """Return whether a new version waits for the next negotiation, from which on frames may have other caps."""
        self._is_open = bool(self._negotiation)
        return self._is_open

    def negotiate(self, caps: Any, offered: Any) -> None:
        """Let a version that waits take over, if ``offered``, what downstream takes, allows what it makes of ``caps``."""
        change = self._negotiation.take() if self._is_open else None
        if change:
            self._caps = caps, offered
            change()

    # What the versions ask for.

    def offer(self, library: Any, ask: Callable[[Any, dict[str, Any]], Any], change: Callable[[], None]) -> None:
        """Let ``change`` be made before the next frame, or when the caps are negotiated, which it causes."""
        self._output = self._element.output_of(library, ask)
        if self._output:
            self._negotiation.give(change)
            self._element.srcpad.mark_reconfigure()
        else:
            self._runner.before_next(change)

    def take_back(self) -> bool:
        """Return whether the change that was offered has not begun, and never will."""
        return self._runner.take_back() or self._negotiation.take() is not None

    def check(self, library: Any) -> None:
        """Raise LibraryError where a new version does not take the options, or downstream does not take its frames."""
        library.check_options(self._runner.options)
        try:
            check_declared(self._element.values, library)
        except PropertyError as error:
            raise DeclarationError(str(error), library=library.path) from error
        if self._output and self._caps:
            self._output.negotiated(*self._caps, self._runner.options)

    def adopt(self, library: Any) -> None:
        """Let a new version be the library of the element, and report it."""
        if "reloaded" not in self._element.library_facts.lines:  # else it is known already
            self._warn_about_state(library)
        self._element.adopt(library, self._output)
        post_info(self._element, LibraryError.at(library.path, None, "the library is reloaded; its new version takes over"))

    def _warn_about_state(self, library: Any) -> None:
        if error := about_state(library, self._element.values["workers"]):
            self.warn(error)

    def warn(self, error: BaseException) -> None:
        """Post what is wrong with a version as a warning; what is wrong with us as an error."""
        post = post_warning if isinstance(error, EmPyCustomError) else post_error
        post(self._element, error)

    def _log(self, text: str) -> None:
        self._element.log(WARNING, text)
