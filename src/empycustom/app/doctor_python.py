"""Checks of ``empycustom doctor``: the Python that runs this command, its environment and its packages.

Nothing that may be missing (gi, NumPy, cffi) is imported at the top.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import starmap
from pathlib import Path

from empycustom.packages import (
    OK,
    PROBLEM,
    SYSTEM_PYTHON,
    WARNING,
    Finding,
    Fix,
    apt,
    can_import,
    python_version,
    run,
)

_OLDEST = (3, 10)
_MAKE_ENVIRONMENT = f"make a virtual environment from the system's Python: {SYSTEM_PYTHON} -m venv --system-site-packages .venv"
_STATIC_TLS = "cannot allocate memory in static TLS block"
_GOMP_AFTER_GST = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None); import cv2"


def check_python() -> Iterator[Finding]:
    """Check that this Python is new enough, and the one of PyGObject."""
    name = f"Python {platform.python_version()} ({sys.executable})"
    system = python_version(SYSTEM_PYTHON)
    if sys.version_info < _OLDEST:
        yield Finding(PROBLEM, f"{name} is too old; {_OLDEST[0]}.{_OLDEST[1]} is the oldest that works.", _MAKE_ENVIRONMENT)
    elif not system:
        yield Finding(WARNING, f"{name}; there is no {SYSTEM_PYTHON}, for which Debian has python3-gi.", apt("python3"))
    elif not is_system_python():
        yield Finding(WARNING, f"{name} is not the system's, {SYSTEM_PYTHON} ({system}).", _MAKE_ENVIRONMENT)
    else:
        yield Finding(OK, f"{name}, the system's own or made from it.")


def is_system_python() -> bool:
    """Return whether this interpreter is ``/usr/bin/python3``, or a virtual environment's link to it."""
    return os.path.realpath(sys.executable) == os.path.realpath(SYSTEM_PYTHON)


def check_environment() -> Iterator[Finding]:
    """Check that the virtual environment, if there is one, has access to the system's packages."""
    if sys.prefix == sys.base_prefix:
        yield Finding(OK, "No virtual environment.")
    elif _sees_system_packages():
        yield Finding(OK, f"Virtual environment {sys.prefix}, with the system's packages.")
    else:
        gi = "" if find_spec("gi") is None else " It has its own gi."
        yield Finding(
            WARNING if gi else PROBLEM,
            f"The virtual environment {sys.prefix} does not see the system's packages, such as python3-gi.{gi}",
            _see_system_packages(
                f"write include-system-site-packages = true into {sys.prefix}/pyvenv.cfg, or {_MAKE_ENVIRONMENT}"
            ),
        )


_SEE = "s/^include-system-site-packages.*/include-system-site-packages = true/"


def _see_system_packages(text: str) -> Fix:
    """Return the fix that lets this virtual environment see the system's packages."""
    return Fix(text, "sed", "-i", _SEE, f"{sys.prefix}/pyvenv.cfg")


def _sees_system_packages() -> bool:
    config = Path(sys.prefix, "pyvenv.cfg")
    text = config.read_text(encoding="utf-8") if config.exists() else ""
    return re.search(r"(?mi)^include-system-site-packages\s*=\s*true\s*$", text) is not None


def check_packages() -> Iterator[Finding]:
    """Check that the Python packages that the project needs are installed."""
    return starmap(_package, (("numpy", "numpy"), ("cffi", "_cffi_backend"), ("orjson", "orjson"), ("tqdm", "tqdm")))


# The packages of each extra, and what needs them. Not from the metadata of the package: Debian's has none.
_EXTRAS = {
    "reload": (("watchfiles",), "reload=true"),
    "studio": (("starlette", "uvicorn", "websockets"), "studio"),
    "metrics": (("prometheus-client",), "run --metrics"),
    "batch": (("pyarrow", "fsspec"), "batch"),
    "ray": (("ray",), "batch --ray"),
    "libs": (("onnxruntime", "opencv-python-headless", "pillow", "norfair-enough"), "empycustom.libs"),
    "vision": (("supervision",), "empycustom.to_detections"),
    "completion": (("shtab",), "completion"),
}
_DEBIAN = {"opencv-python-headless": "opencv", "pillow": "pil"}  # Debian's names that are others
_NOT_IN_DEBIAN = ("norfair-enough", "pyarrow", "ray", "supervision")
_MODULES = {"opencv-python-headless": "cv2", "pillow": "PIL"}  # that other packages, such as Debian's, have as well


def check_extras() -> Iterator[Finding]:
    """Check which packages are installed that only some options need."""
    for extra, (dists, option) in _EXTRAS.items():
        there = {dist: found for dist in dists if (found := _version_of(dist) or _found_as(_MODULES.get(dist)))}
        missing = [dist for dist in dists if dist not in there]
        if there:
            yield Finding(OK, ", ".join(map(" ".join, there.items())))
        if missing:
            verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
            text = f"{', '.join(missing)} {verb} not installed, and only {option} needs {them}"
            yield Finding(OK, f"{text}: {_install_extra(extra, missing)}")


def _found_as(module: str | None) -> str:
    return f"(as {module})" if module and find_spec(module) else ""


def _install_extra(extra: str, missing: list[str]) -> str:
    """Return the command; with the name of the extra, where pip can read what it means, it has the right versions."""
    if sys.prefix == "/usr":
        rest = [dist for dist in missing if dist in _NOT_IN_DEBIAN]
        known = [install(dist) for dist in missing if dist not in rest]
        return "; ".join([*known, *(f"Debian has no {dist}, a virtual environment can have it" for dist in rest)])
    if _version_of("empycustom"):
        return f'{sys.executable} -m pip install "empycustom[{extra}]"'
    return install(*missing)


_CLIENTS = {  # of publishing, by the schemes that need them
    "mqtt": "paho-mqtt",
    "kafka": "confluent-kafka",
    "redis": "redis",
    "http": "httpx",
    "postgresql": "psycopg",
}


def check_clients() -> Iterator[Finding]:
    """Check which packages are installed that metapublish needs."""
    there = {dist: found for dist in _CLIENTS.values() if (found := _version_of(dist))}
    if there:
        yield Finding(OK, f"Clients of metapublish: {', '.join(map(' '.join, there.items()))}")
    for scheme, dist in _CLIENTS.items():
        if dist not in there:
            yield Finding(OK, f"{dist} is not installed, and only {scheme}:// needs it: {install(dist)}")


def _version_of(dist: str) -> str:
    try:
        return version(dist)
    except PackageNotFoundError:
        return ""


def _package(name: str, module: str) -> Finding:
    try:
        found = import_module(module)
    except ImportError as error:
        return Finding(PROBLEM, f"{name} cannot be imported: {error}.", install(name))
    return Finding(OK, f"{name} {found.__version__}")


def install(*modules: str, executable: str = sys.executable, prefix: str = sys.prefix) -> Fix:
    """Return the command that installs packages for an interpreter; for Debian's own Python it is apt."""
    if prefix == "/usr":
        return apt(*(f"python3-{_DEBIAN.get(module, module)}" for module in modules))
    return Fix(f"{executable} -m pip install {' '.join(modules)}", "pip", executable, *modules)


def check_gi() -> Iterator[Finding]:
    """Check that PyGObject can be imported."""
    try:
        gi = import_module("gi")
    except ImportError as error:
        yield Finding(PROBLEM, f"PyGObject cannot be imported: {error}.", _fix_gi())
    else:
        yield Finding(OK, f"PyGObject {gi.__version__} ({Path(gi.__file__ or '').parent})")


def _fix_gi() -> Fix:
    if not can_import(SYSTEM_PYTHON, "gi"):
        return apt("python3-gi", "python3-gst-1.0")
    if is_system_python():
        return _see_system_packages(
            f"it is installed for {SYSTEM_PYTHON}; write include-system-site-packages = true into pyvenv.cfg"
        )
    return Fix(f"it is installed for {SYSTEM_PYTHON}, not for this Python; {_MAKE_ENVIRONMENT}")


def check_libgomp() -> Iterator[Finding]:
    """Check that OpenCV can be imported after GStreamer: on some machines libgomp has no room for its thread-local data."""
    if find_spec("cv2") is None or find_spec("gi") is None:
        return
    child = run(sys.executable, "-c", _GOMP_AFTER_GST)
    if child.code == 0:
        yield Finding(OK, "OpenCV can be imported after GStreamer.")
    elif _STATIC_TLS in child.stderr:
        yield Finding(
            PROBLEM,
            f"OpenCV cannot be imported after GStreamer: {_STATIC_TLS}.",
            f"export LD_PRELOAD={_libgomp(child.stderr)}",
        )
    else:
        text = "OpenCV cannot be imported after GStreamer; only libraries with OpenCV are affected."
        yield Finding(WARNING, text, "", child.stderr)


def _libgomp(stderr: str) -> str:
    """Return the path of libgomp: the one in the error if it exists, else the system's."""
    named = re.search(r"(\S*libgomp\S*\.so[\w.]*)", stderr)
    if named and Path(named[1]).is_file():
        return named[1]
    listed = re.search(r"libgomp\.so\S* .*=> (\S+)", run("/sbin/ldconfig", "-p").stdout)
    return listed[1] if listed else "$(find / -name 'libgomp.so.1' 2>/dev/null | head -n 1)"


PYTHON_CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    check_python,
    check_environment,
    check_packages,
    check_extras,
    check_clients,
    check_gi,
    check_libgomp,
)
