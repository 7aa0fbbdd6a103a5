"""What dialects return in place of a result, where a library of another project says what becomes of the frame."""

from __future__ import annotations

from typing import Any


class Dropped:
    """The frame is to be dropped. ``why`` is reported once, ``""``: not. ``returned`` is what the library itself returned."""

    def __init__(self, why: str = "", returned: Any = None) -> None:
        self.why, self.returned = why, returned


class Refused:
    """The library returned what it may not; ``error`` is raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error
