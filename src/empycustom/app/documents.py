"""The documents that leave aimeta: counted, and printed where no file wants them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any


class Documents:
    """Counts the documents of an ``aimeta`` element, and prints each on a line of stdout where ``shown``.

    ``on_closed`` is called once if whoever reads stdout goes away (``| head``).
    """

    def __init__(self, aimeta: Any, *, shown: bool, on_closed: Callable[[], None]) -> None:
        self.count = 0
        self._shown, self._on_closed = shown, on_closed
        aimeta.connect("new-meta", self._hear)

    def _hear(self, _aimeta: Any, document: str) -> None:
        self.count += 1
        if self._shown:
            try:
                sys.stdout.write(f"{document}\n")
                sys.stdout.flush()
            except BrokenPipeError:
                self._shown = False
                # What Python still holds for stdout would fail once more when the process ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                self._on_closed()
