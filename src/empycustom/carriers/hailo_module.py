"""Hailo's own Python module ``hailo``, which is imported when a buffer has objects of Hailo's, and not earlier."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from typing import Any

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
