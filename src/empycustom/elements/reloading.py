"""The property ``reload``: new versions of the library of an element take over while it plays."""

from __future__ import annotations

import sys
from typing import Any

from empycustom.elements.base import WARNING
from empycustom.elements.failures import post_error, post_info, post_warning
from empycustom.errors import EmPyCustomError, LibraryError, PropertyError
from empycustom.library.callbacks import Library
from empycustom.library.reload import Reloader, is_available
from empycustom.runners.inline import InlineRunner
from empycustom.runners.versions import InlineVersions


def check_reload(library: Any) -> None:
    """Raise PropertyError where a library cannot be reloaded: because it has no file, or because a package is missing."""
    if not isinstance(library, str):
        raise PropertyError(
            "reload=true is for libraries that are files, and the attribute library is set; set custom-lib in its place, or "
            "reload=false",
            name="reload",
        )
    if not is_available():
        raise PropertyError(
            f"reload=true needs the package watchfiles; install it: {sys.executable} -m pip install watchfiles", name="reload"
        )


class Reloading:
    """Reloads the library of an element, which runs in the streaming thread, as long as the property ``reload`` is true.

    The element has ``check_version`` and ``adopt_version``, which are called in the streaming thread before a new version gets
    its first frame; the first of them raises LibraryError where the old one has to go on.
    """

    def __init__(self, element: Any, runner: InlineRunner) -> None:
        self._element, self._runner = element, runner
        self._reloader: Reloader | None = None
        self._is_on = False

    def set(self, *, wanted: bool) -> None:
        """Begin to watch the library, or end it. Nobody waits for a version that is being started; it is stopped again."""
        if wanted and not self._is_on:
            versions = InlineVersions(self._runner, self)
            self._reloader = Reloader(versions, self.warn, self._log, after=self._reloader)
            self._reloader.start()
        elif self._reloader and not wanted:
            self._reloader.end()
        self._is_on = wanted

    def close(self) -> None:
        """Watch no more, and wait until all versions are stopped but the one that runs."""
        if self._reloader:
            self._reloader.end()
            self._reloader.wait()

    def check(self, library: Library) -> None:
        """Raise LibraryError where a new version cannot take over now."""
        self._element.check_version(library)

    def adopt(self, library: Library) -> None:
        """Let a new version be the library of the element, and report it."""
        self._element.adopt_version(library)
        post_info(self._element, LibraryError.at(library.path, None, "the library is reloaded; its new version takes over"))

    def warn(self, error: BaseException) -> None:
        """Post what is wrong with a version as a warning; what is wrong with us as an error."""
        post = post_warning if isinstance(error, EmPyCustomError) else post_error
        post(self._element, error)

    def _log(self, text: str) -> None:
        self._element.log(WARNING, text)
