"""Hailo's own Python module ``hailo``, and numbers of its detections, which have none of their own.

The module is imported when a buffer has objects of Hailo's, and not earlier.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from itertools import count
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

# What is used of it; another package of this name has none of them.
_NEEDED = (
    "access_HailoMainObject_from_desc",
    "get_roi_from_buffer",
    "HailoROI",
    "HailoDetection",
    "HailoUniqueID",
    "TRACKING_ID",
)


@lru_cache(maxsize=1)
def load() -> tuple[Any, str]:
    """Return the module, or None and why it cannot be used, and what to do."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    install = f"install that of Hailo's TAPPAS for {python}"
    try:
        hailo = import_module("hailo")
    except ModuleNotFoundError as error:
        return None, f"the Python module {error.name} is missing; {install}"
    except Exception as error:  # noqa: BLE001 - a module in C++ that does not fit
        return None, f"the Python module hailo cannot be imported ({type(error).__name__}: {error}); {install}"
    if lacking := [name for name in _NEEDED if not hasattr(hailo, name)]:
        where = getattr(hailo, "__file__", None) or "hailo"
        return None, f"the Python module {where} has no {', '.join(lacking)}: it is another one, or an old one; {install}"
    return hailo, ""


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
