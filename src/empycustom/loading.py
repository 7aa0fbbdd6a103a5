"""For the loader files: an element's class, or an error that says which Python could not load it and what to do."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def element_class(name: str) -> Any:
    """Return the class of an element. Raises ImportError with one sentence, which the loader prints."""
    try:
        return import_module("empycustom.elements").ELEMENTS[name]
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ImportError(
            f"the element {name} cannot be loaded by GStreamer's Python {version} ({sys.prefix}): {error}. Activate the virtual "
            f"environment that empycustom is installed in ({Path(__file__).parent}), made by /usr/bin/python3 with "
            "--system-site-packages; 'empycustom doctor' tells more."
        ) from None
