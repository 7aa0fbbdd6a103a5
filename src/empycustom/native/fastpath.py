"""The short way of a buffer from GStreamer into Python: what it saves, how, and where it is not to be had.

PyGObject makes and destroys a thread state of the interpreter for every buffer, because GStreamer's thread was not made by
Python. That is most of what a Python element costs. cffi keeps the state until the thread ends. So a callback of cffi's
goes into the slot of the element's C class which GStreamer calls for a buffer, in the place of PyGObject's.

PyGObject would also have made the ``Gst.Buffer`` for it. Its C interface has the function for that, whose objects hold no
reference, so that the buffer can be written; :func:`maker` returns it, and whoever uses it takes care that no such object
outlives its buffer.

Nothing depends on it: where :func:`missing` names a reason, the ``do_*`` methods of the elements get the buffers by PyGObject,
and do the same. ``EMPYCUSTOM_FAST_PATH=off`` is such a reason.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
from collections.abc import Callable
from typing import Any

from empycustom.native.loading import ffi, glib

_SWITCH = "EMPYCUSTOM_FAST_PATH"
_CAPSULE = b"gobject._PyGObject_API"
_BOXED_NEW = 17  # its place in the table; places are never reused within PyGObject 3
_FLOW_ERROR, _FLOW_FLUSHING = -5, -2

# What to call for each element that is started, by its address, and what to do with what that raises.
_in_place: dict[int, Callable[[int], int]] = {}
_between: dict[int, Callable[[int, int], int]] = {}
_failed: dict[int, Callable[[BaseException], int]] = {}


# The tables are arguments, because a thread of GStreamer may call when the interpreter has cleared this module.
def _raised(_kind: Any, error: BaseException, traceback: Any, failed: dict[int, Any] = _failed) -> int:
    element = traceback.tb_frame.f_locals["element"]
    if element not in failed:  # forgotten while it was called: the interpreter ends
        return _FLOW_FLUSHING
    flow: int = failed[element](error)
    return flow


@ffi.callback("int(uintptr_t, uintptr_t)", error=_FLOW_ERROR, onerror=_raised)  # type: ignore[untyped-decorator]
def _transform_ip(element: int, buffer: int, in_place: dict[int, Callable[[int], int]] = _in_place) -> int:
    return in_place[element](buffer)


@ffi.callback("int(uintptr_t, uintptr_t, uintptr_t)", error=_FLOW_ERROR, onerror=_raised)  # type: ignore[untyped-decorator]
def _transform(element: int, source: int, target: int, between: dict[int, Callable[[int, int], int]] = _between) -> int:
    return between[element](source, target)


@atexit.register
def _forget_all() -> None:
    """Call nothing any more: what plays at the end of the interpreter gets no frames through libraries half cleared."""
    for table in (_in_place, _between, _failed):
        table.clear()


def missing(pygobject_version: tuple[int, ...], capsule: Any) -> str:
    """Return why the fast path cannot be taken here; the empty text: it can. ``capsule``: PyGObject's interface for C."""
    if os.environ.get(_SWITCH, "").lower() in ("off", "0", "no", "false"):
        return f"{_SWITCH}={os.environ[_SWITCH]}"
    if platform.python_implementation() != "CPython":
        return f"it needs CPython, and this is {platform.python_implementation()}"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "this Python runs without the GIL"
    if capsule is None or not (3, 30) <= pygobject_version < (4,):
        return f"PyGObject {'.'.join(map(str, pygobject_version))} is not known to have it"
    return ""


def maker(capsule: Any) -> Callable[[int, int, int, int], Any]:
    """Return the function that makes the Python object of a boxed value: of its GType, its address, and twice 0.

    The object holds no reference and must not outlive the value. ``capsule`` is PyGObject's C interface.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    slot = pointer(capsule, _CAPSULE) + _BOXED_NEW * ctypes.sizeof(ctypes.c_void_p)
    function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_int)
    return function(ctypes.c_size_t.from_address(slot).value)


def take_slots(gtype: int, offsets: dict[str, int]) -> None:
    """Put the callbacks into the C class ``gtype``; ``offsets`` says where in it ``transform_ip`` and ``transform`` lie."""
    callbacks = {"transform_ip": _transform_ip, "transform": _transform}
    start = ffi.cast("char *", glib.g_type_class_ref(gtype))
    for name, offset in offsets.items():
        ffi.cast("void **", start + offset)[0] = callbacks[name]
        # Threads of GStreamer may outlive the interpreter's modules.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(callbacks[name]))


def enter(
    element: int,
    failed: Callable[[BaseException], int],
    in_place: Callable[[int], int],
    between: Callable[[int, int], int] | None,
) -> None:
    """From now on call these for the element at an address, which is started: for buffers, with their addresses.

    ``in_place`` gets one buffer, ``between`` one that is read and an empty one. What they raise goes to ``failed``,
    which returns the GstFlowReturn.
    """
    _failed[element], _in_place[element] = failed, in_place
    if between is not None:
        _between[element] = between


def leave(element: int) -> None:
    """Forget an element; nothing happens if it did not enter."""
    for table in (_in_place, _between, _failed):
        table.pop(element, None)
