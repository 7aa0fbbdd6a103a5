"""What debuggers, coverage and profilers need in order to see callbacks in the threads of GStreamer.

Python hands the functions that such a tool sets to every thread that ``threading`` starts. A thread of GStreamer is none of them.
"""

from __future__ import annotations

import sys
from threading import current_thread, getprofile, gettrace
from typing import Any


def be_traced() -> None:
    """Let this thread have the functions of ``threading.settrace`` and ``threading.setprofile``, as threads of Python's have.

    For every call: a tool may begin while a stream plays, and a thread of GStreamer may lose its functions between two buffers.
    """
    trace, profile = gettrace(), getprofile()
    if trace is not None and sys.gettrace() is None:
        _trace_with(trace)
    if profile is not None and sys.getprofile() is None:
        sys.setprofile(profile)


def _trace_with(function: Any) -> None:
    current_thread()  # `threading` knows it from now on: pydevd, of debugpy and PyCharm, leaves the others alone
    pydevd = sys.modules.get("pydevd_tracing")
    getattr(pydevd, "SetTrace", sys.settrace)(function)  # sys.settrace is its own, which warns of everybody who calls it
