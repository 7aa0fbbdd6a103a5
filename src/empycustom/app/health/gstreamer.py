"""Checks of GStreamer as this Python sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from empycustom.app.health.packages import ESSENTIAL, WINDOWS, how_to_get
from empycustom.app.health.report import OK, PROBLEM, WARNING, Finding
from empycustom.errors import DeepStreamError
from empycustom.native.loaded import path_of

_OLDEST = (1, 20)  # custom metas
_INTROSPECTION = {
    "Gst": "gir1.2-gstreamer-1.0",
    "GstBase": "gir1.2-gstreamer-1.0",
    "GstVideo": "gir1.2-gst-plugins-base-1.0",
}


def _namespace(name: str) -> Any:
    """A namespace of GObject introspection. Raises ImportError."""
    try:
        import_module("gi").require_version(name, "1.0")
    except ValueError as error:
        raise ImportError(str(error)) from error
    return import_module(f"gi.repository.{name}")


def _lack(name: str) -> str:
    """Why a namespace cannot be used, ``""`` if it can."""
    try:
        _namespace(name)
    except ImportError as error:
        return str(error)
    return ""


def _gstreamer() -> Any:
    """``Gst``, initialised, or None where it cannot be had."""
    if _lack("Gst"):
        return None
    gst = _namespace("Gst")
    gst.init(None)
    return gst


def check_bindings() -> Iterator[Finding]:
    """Whether the introspection data is there, and GStreamer new enough."""
    if find_spec("gi") is None:
        return  # reported by the checks of Python
    lacks = {name: lack for name in _INTROSPECTION if (lack := _lack(name))}
    for name, lack in lacks.items():
        yield Finding(PROBLEM, f"{name} cannot be used from Python: {lack}.", f"apt install {_INTROSPECTION[name]}")
    if lacks:
        return
    version = _gstreamer().version()
    text = f"GStreamer {'.'.join(map(str, version[:3]))}"
    if version[:2] < _OLDEST:
        yield Finding(
            PROBLEM, f"{text} is too old; 1.20 is the oldest that works.", "use a newer system, Ubuntu 22.04 or Debian 12"
        )
    else:
        yield Finding(OK, text)


def check_overrides() -> Iterator[Finding]:
    """Whether ``Gst.Buffer.map`` gives memory that can be written, as python3-gst-1.0 makes it."""
    if (gst := _gstreamer()) is None:
        return
    # A buffer of GStreamer's own: only the override makes the mapped data a view of it instead of a copy.
    mapped = gst.Buffer.new_allocate(None, 4, None).map(gst.MapFlags.READ)
    data = mapped.data if hasattr(mapped, "data") else mapped[1].data
    if isinstance(data, memoryview):
        yield Finding(OK, "Gst.Buffer.map gives views of the memory (python3-gst-1.0).")
    else:
        text = f"Gst.Buffer.map gives a copy ({type(data).__name__}), for GStreamer's Python overrides are missing."
        yield Finding(PROBLEM, text, "apt install python3-gst-1.0")


def check_exceptions() -> Iterator[Finding]:
    """Whether GStreamer brings libunwind, beside which exceptions of C++ may end a process."""
    if _gstreamer() is None or path_of("libunwind.so") is None:
        return
    yield Finding(
        OK,
        "This GStreamer uses libunwind. The commands of empycustom and gst-launch-1.0 need nothing for that. A Python program of "
        "your own should import empycustom before gi, or be started with LD_PRELOAD=libgcc_s.so.1; otherwise, where it imports "
        "NumPy first, an exception in C++ code (OpenCV, onnxruntime, PyTorch) ends the program.",
    )


def check_analytics() -> Iterator[Finding]:
    """Whether GstAnalytics is there, in which newer detectors write what they find."""
    if (gst := _gstreamer()) is None:
        return
    if gst.version()[:2] < (1, 24):
        yield Finding(OK, "No GstAnalytics before GStreamer 1.24; objects travel as region-of-interest metas.")
        return
    if lack := _lack("GstAnalytics"):
        yield Finding(WARNING, f"GstAnalytics cannot be used from Python: {lack}.", "apt install gir1.2-gst-plugins-bad-1.0")
    else:
        yield Finding(OK, "GstAnalytics")


def check_elements() -> Iterator[Finding]:
    """Whether the elements are there that `empycustom run` puts around the libraries."""
    if (gst := _gstreamer()) is None:
        return
    missing = [name for name in ESSENTIAL if gst.ElementFactory.find(name) is None]
    for name in missing:
        yield Finding(PROBLEM, f"GStreamer has no element {name}.", how_to_get([name]))
    if not missing:
        yield Finding(OK, f"GStreamer's elements that `empycustom run` needs: {', '.join(ESSENTIAL)}")


def check_windows() -> Iterator[Finding]:
    """Whether there is an element for the window of `empycustom run --show`."""
    if (gst := _gstreamer()) is None:
        return
    displays = [name for name in WINDOWS if os.environ.get(name)] or list(WINDOWS)[:1]
    sinks = list(dict.fromkeys(sink for name in displays for sink in WINDOWS[name]))
    found = [sink for sink in sinks if gst.ElementFactory.find(sink)]
    if found:
        yield Finding(OK, f"`empycustom run --show` has elements that show frames: {', '.join(found)}")
    else:
        yield Finding(WARNING, "`empycustom run --show` has no element that shows frames in a window.", how_to_get(sinks[:1]))


def check_deepstream() -> Iterator[Finding]:
    """Where DeepStream is installed: whether words can be attached to its metadata."""
    if (gst := _gstreamer()) is None or (muxer := gst.ElementFactory.find("nvstreammux")) is None:
        return
    text = f"DeepStream {muxer.get_plugin().get_version()}"
    if find_spec("_cffi_backend") is None:
        return  # reported by the checks of Python
    try:
        import_module("empycustom.native.boxes").copy_and_release()
    except DeepStreamError as error:
        yield Finding(PROBLEM, f"{text}: {error}.", "allow it, or run where it is allowed; reading the metadata works as it is")
    else:
        yield Finding(OK, text)


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    check_bindings,
    check_overrides,
    check_exceptions,
    check_analytics,
    check_elements,
    check_windows,
    check_deepstream,
)
