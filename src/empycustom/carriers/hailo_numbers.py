"""Numbers of Hailo's detections, which have none of their own."""

from __future__ import annotations

from itertools import count
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary


class Numbers:
    """Numbers of detections, by their identity; any thread may use it. No number is used twice.

    Python forgets a detection when nobody has it, and C++ uses the memory of one that is gone. So those of which something is
    written beside the buffers' pixels are held: as many as there may be in queues, those of some hundreds of frames.
    """

    _MANY = 4096

    def __init__(self) -> None:
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._held: dict[int, Any] = {}
        self._next = count(1)
        self._changing = Lock()

    def of(self, detection: Any) -> int:
        """Return the number of a detection."""
        number = self._numbers.get(detection)
        if number is not None:
            return number
        with self._changing:
            return self._numbers.setdefault(detection, next(self._next))

    def hold(self, detection: Any) -> int:
        """Return the number of a detection, which it keeps from now on."""
        number = self.of(detection)
        self.give(detection, number)
        return number

    def give(self, detection: Any, number: int) -> None:
        """Let a detection have the number of another one, in whose place it is."""
        with self._changing:
            self._numbers[detection] = number
            self._held.pop(number, None)
            self._held[number] = detection
            if len(self._held) > self._MANY:
                del self._held[next(iter(self._held))]
