"""What goes out line by line: JSON, on stdout or into a file; and the documents that leave aimeta."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from empycustom.elements.failures import post_error
from empycustom.errors import LaunchError


class Lines:
    """Lines on stdout, or in the file at ``path``, which is made anew. Any thread may write.

    Stdout holds nothing but these lines until they are closed: what libraries print in the meantime goes to stderr.
    ``on_closed`` is called once if whoever reads them goes away (``| head``). Raises OSError where the file cannot be made.
    """

    def __init__(self, path: Path | None, *, on_closed: Callable[[], None]) -> None:
        self._path = path
        self._stdout: IO[str] | None = None
        if path:
            self._file: IO[str] = path.open("w", encoding="utf-8", buffering=1)
        elif sys.stdout is None:
            raise LaunchError("stdout is closed, where the lines would go; name a file with --out or --events.")
        else:
            self._file = self._stdout = sys.stdout
            sys.stdout = sys.stderr
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
            self._file.write(f"{line}\n")
            self._file.flush()
        except BrokenPipeError:
            self._give_up()
            self._on_closed()
        except OSError as error:
            self._give_up()
            raise LaunchError(f"{self._path or 'stdout'} cannot be written ({error.strerror}); it is incomplete.") from error

    def _give_up(self) -> None:
        """Write no more; what Python still holds would fail once more when it ends."""
        self._closed = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._file.fileno())
        os.close(nowhere)

    def close(self) -> None:
        """Close the file, or leave stdout to others; what is written later goes nowhere."""
        with self._lock:
            self._closed = True
            if self._stdout is not None:
                sys.stdout, self._stdout = self._stdout, None
            elif self._path:
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
        except LaunchError as error:  # PyGObject would print it and go on
            post_error(aimeta, error)

    def close(self) -> None:
        """Leave stdout to others."""
        if self._lines:
            self._lines.close()
