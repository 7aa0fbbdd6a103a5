"""What goes out line by line: JSON, on stdout or into a file; and the documents that leave aimeta."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from empycustom.app.standard_streams import kept_stdout, send_nowhere
from empycustom.elements.failures import post_error
from empycustom.errors import LaunchError
from empycustom.text import write_json


class Lines:
    """Lines on stdout, or in the file at ``path``, which is made anew. Any thread may write.

    Stdout holds nothing but these lines where it was kept for them: see :mod:`empycustom.app.standard_streams`. ``on_closed`` is
    called once if whoever reads them goes away (``| head``). Raises OSError where the file cannot be made.
    """

    def __init__(self, path: Path | None, *, on_closed: Callable[[], None]) -> None:
        self._path = path
        self._file: IO[str] = path.open("w", encoding="utf-8") if path else kept_stdout()
        self._on_closed = on_closed
        self._closed = False
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write one line, at once. Raises LaunchError, once, where that fails."""
        with self._lock:
            if not self._closed:
                self._write(line)

    def _write(self, line: str) -> None:
        try:
            write_json(self._file, line)
        except BrokenPipeError:
            self._give_up()
            self._on_closed()
        except OSError as error:
            self._give_up()
            raise LaunchError(f"{self._path or 'stdout'} cannot be written ({error.strerror}); it is incomplete.") from error

    def _give_up(self) -> None:
        """Write no more; what Python still holds would fail once more when it ends."""
        self._closed = True
        send_nowhere(self._file)

    def close(self) -> None:
        """Close the file; what is written later goes nowhere."""
        with self._lock:
            self._closed = True
            if self._path:
                with suppress(OSError):  # it was told when the line was written
                    self._file.close()


class Documents:
    """Counts the documents of an ``aimeta`` element, and prints each on a line of stdout where ``shown``."""

    def __init__(self, aimeta: Any, *, shown: bool, on_closed: Callable[[], None]) -> None:
        self.count = 0
        self._lines = Lines(None, on_closed=on_closed) if shown else None
        aimeta.connect("new-meta", self._hear)

    def _hear(self, aimeta: Any, document: str) -> None:
        self.count += 1
        try:
            if self._lines:
                self._lines.write(document)
        except BaseException as error:  # noqa: BLE001 - PyGObject would print it and go on
            post_error(aimeta, error)

    def close(self) -> None:
        """Write no more."""
        if self._lines:
            self._lines.close()
