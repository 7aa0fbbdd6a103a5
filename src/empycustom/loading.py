"""For the loader files: an element's class, or an error with the Python that could not load it and the remedy."""

from __future__ import annotations

import codecs
import io
import os
import site
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_ENVIRONMENT = str(Path(__file__).parents[1])  # the folder of packages that this one is installed in


def element_class(name: str) -> Any:
    """Return the class of an element. Raises ImportError with one sentence, which the loader prints."""
    use_environment()
    _use_interpreter()
    _show_prints()
    try:
        if find_spec("numpy") is None:  # imported when pixels are first mapped; that it is missing is reported now
            raise ImportError("No module named 'numpy'")
        return import_module("empycustom.elements").ELEMENTS[name]
    except Exception as error:  # noqa: BLE001 - whatever it is, the loader prints it, and should print this sentence
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ImportError(
            f"the element {name} cannot be loaded by GStreamer's Python {version} ({sys.prefix}): {error}. Activate the virtual "
            f"environment that empycustom is installed in ({_ENVIRONMENT}), made by /usr/bin/python3 with "
            "--system-site-packages; 'empycustom doctor' shows more."
        ) from None


def _show_prints() -> None:
    """Let what libraries print come out line by line: GStreamer's programs end without emptying Python's buffers.

    In the C locale their Python writes ASCII, and a name with an accent would be an exception in the library. An ordinary Python
    writes UTF-8 there, and so it is made here.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if codecs.lookup(stream.encoding).name == "ascii" and not os.environ.get("PYTHONIOENCODING"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
            stream.reconfigure(line_buffering=True)


def _use_interpreter() -> None:
    """Let multiprocessing start this Python; for one that is embedded, it is the first python3 on PATH, of whatever version."""
    if sys.orig_argv:
        return  # it is not embedded
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [os.path.join(prefix, "bin", name) for prefix in (sys.prefix, sys.base_prefix)]
    sys.executable = next((place for place in places if os.access(place, os.X_OK)), sys.executable)
    if "multiprocessing.spawn" in sys.modules:  # it has read sys.executable before
        sys.modules["multiprocessing.spawn"].set_executable(sys.executable)


def use_environment() -> None:
    """Let the packages of the environment be found although it is not active, and before the system's, as if it were."""
    if _ENVIRONMENT in site.getsitepackages():
        return  # it is active, or this is the system's own package, which another environment's packages go before
    before = [folder for folder in sys.path if folder != _ENVIRONMENT]
    sys.path[:] = before
    site.addsitedir(_ENVIRONMENT)
    added = [folder for folder in sys.path if folder not in before]
    place = next((at for at, folder in enumerate(before) if folder.endswith(("dist-packages", "site-packages"))), len(before))
    sys.path[:] = [*before[:place], *added, *before[place:]]
