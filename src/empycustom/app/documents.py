"""What goes out line by line: JSON, on stdout or into a file; and the documents that leave aimeta."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


class Lines:
    """Lines on stdout, or in the file at ``path``, which is made anew. Any thread may write.

    ``on_closed`` is called once if whoever reads stdout goes away (``| head``). Raises OSError where the file cannot be written.
    """

    def __init__(self, path: Path | None, *, on_closed: Callable[[], None]) -> None:
        self._file: IO[str] | None = path.open("w", encoding="utf-8", buffering=1) if path else None
        self._on_closed = on_closed
        self._closed = False
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write one line, at once."""
        with self._lock:
            if not self._closed:
                self._write(line)

    def _write(self, line: str) -> None:
        file = self._file or sys.stdout
        try:
            file.write(f"{line}\n")
            file.flush()
        except BrokenPipeError:
            self._closed = True
            # What Python still holds for stdout would fail once more when the process ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._on_closed()

    def close(self) -> None:
        """Close the file, if it is one; what is written later goes nowhere."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()


class Documents:
    """Counts the documents of an ``aimeta`` element, and prints each on a line of stdout where ``shown``."""

    def __init__(self, aimeta: Any, *, shown: bool, on_closed: Callable[[], None]) -> None:
        self.count = 0
        self._lines = Lines(None, on_closed=on_closed) if shown else None
        aimeta.connect("new-meta", self._hear)

    def _hear(self, _aimeta: Any, document: str) -> None:
        self.count += 1
        if self._lines:
            self._lines.write(document)
