"""The fast path of a buffer from GStreamer into Python, past PyGObject.

PyGObject makes and destroys a thread state of the interpreter for every buffer, because GStreamer's thread was not made by
Python. That is most of what a Python element costs. cffi keeps the state until the thread ends. So a callback of cffi's
goes into the slot of the element's C class which GStreamer calls for a buffer, in the place of PyGObject's.

PyGObject would also have made the ``Gst.Buffer`` for it. Its C interface has the function for that, whose objects hold no
reference, so that the buffer can be written; :func:`boxed_constructor` returns it, and whoever uses it takes care that no
such object outlives its buffer.

Nothing depends on it: where :func:`reason_unavailable` has one, the ``do_*`` methods of the elements get the buffers by
PyGObject, and do the same. ``EMPYCUSTOM_FAST_PATH=off`` is such a reason.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from empycustom.errors import NativeError
from empycustom.native.loading import ffi, glib
from empycustom.native.trampolines import make_constants

_SWITCH = "EMPYCUSTOM_FAST_PATH"
_CAPSULE = b"gobject._PyGObject_API"
_BOXED_NEW = 17  # its place in the table; places are never reused within PyGObject 3
_FLOW_ERROR, _FLOW_FLUSHING = -5, -2
# Return values, at the end, of virtual methods that GstBaseTransform does not have itself.
_AT_END = {"transform_ip": _FLOW_FLUSHING, "transform": _FLOW_FLUSHING, "set_caps": 1}

# The functions to call for each element that is started, by its address, and those that get what they raise.
_transform_ips: dict[int, Callable[[int], int]] = {}
_transforms: dict[int, Callable[[int, int], int]] = {}
_failed: dict[int, Callable[[BaseException], int]] = {}
_TABLES: tuple[dict[int, Any], ...] = (_transform_ips, _transforms, _failed)


# The tables are arguments, because a thread of GStreamer may call when the interpreter has cleared this module.
def _raised(_kind: Any, error: BaseException, traceback: Any, failed: dict[int, Any] = _failed) -> int:
    element = traceback.tb_frame.f_locals["element"]
    if element not in failed:  # unregistered while it was called: the interpreter ends
        return _FLOW_FLUSHING
    flow: int = failed[element](error)
    return flow


@ffi.callback("int(uintptr_t, uintptr_t)", error=_FLOW_ERROR, onerror=_raised)  # type: ignore[untyped-decorator]
def _transform_ip(element: int, buffer: int, table: dict[int, Callable[[int], int]] = _transform_ips) -> int:
    return table[element](buffer)


@ffi.callback("int(uintptr_t, uintptr_t, uintptr_t)", error=_FLOW_ERROR, onerror=_raised)  # type: ignore[untyped-decorator]
def _transform(element: int, source: int, target: int, table: dict[int, Callable[[int, int], int]] = _transforms) -> int:
    return table[element](source, target)


@atexit.register
def _unregister_all() -> None:
    """Unregister all elements: at the end of the interpreter modules of libraries are cleared, and must not be called."""
    for table in _TABLES:
        table.clear()


def reason_unavailable(pygobject_version: tuple[int, ...], capsule: Any) -> str:
    """Return why the fast path cannot be taken here, the empty text where it can.

    ``capsule`` is PyGObject's interface for C, None where this version has none.
    """
    if os.environ.get(_SWITCH, "").lower() in ("off", "0", "no", "false"):
        return f"{_SWITCH}={os.environ[_SWITCH]}"
    if platform.python_implementation() != "CPython":
        return f"it needs CPython, and this is {platform.python_implementation()}"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "this Python runs without the GIL"
    if capsule is None or not (3, 30) <= pygobject_version < (4,):
        return f"PyGObject {'.'.join(map(str, pygobject_version))} is not known to have it"
    return ""


def boxed_constructor(capsule: Any) -> Callable[[int, int, int, int], Any]:
    """Return the function that makes the Python object of a boxed value: of its GType, its address, and twice 0.

    The object holds no reference and must not outlive the value. ``capsule`` is PyGObject's C interface.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    slot = pointer(capsule, _CAPSULE) + _BOXED_NEW * ctypes.sizeof(ctypes.c_void_p)
    function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_int)
    return function(ctypes.c_size_t.from_address(slot).value)


_POINTER_AT = object.__basicsize__  # of PyGBoxed, which PyGObject's header has for everybody: the pointer is its first field


def boxed_address(boxed: Any) -> Callable[[int], None]:
    """Return the function that lets a boxed value, which holds no reference, be that at another address."""
    cell = ctypes.c_size_t.from_address(id(boxed) + _POINTER_AT)
    if cell.value != hash(boxed):
        raise NativeError("PyGObject keeps the pointer of a boxed value in another place than its header says")
    return partial(setattr, cell, "value")


def override_vfuncs(gtype: int, offsets: dict[str, int]) -> None:
    """Put callbacks into the C class ``gtype``, at the ``offsets`` of its virtual methods ``transform_ip`` and ``transform``."""
    callbacks = {"transform_ip": _transform_ip, "transform": _transform}
    start = ffi.cast("char *", glib.g_type_class_ref(gtype))
    for name, offset in offsets.items():
        ffi.cast("void **", start + offset)[0] = callbacks[name]
        # Threads of GStreamer may outlive the interpreter's modules.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(callbacks[name]))


def detach_at_exit(gtype: int, parent: int, offsets: dict[str, int]) -> None:
    """Let the elements of a C class be those of its parent class, all C, from the interpreter's end on.

    Threads of GStreamer go on for a moment then. PyGObject's functions for virtual methods return NULL, and GStreamer takes that
    for caps. ``offsets`` are those of the virtual methods in both classes.
    """
    atexit.register(_detach, gtype, parent, offsets)


def _detach(gtype: int, parent: int, offsets: dict[str, int]) -> None:
    try:
        ends = dict(zip(_AT_END, make_constants(_AT_END.values()), strict=True))
    except NativeError:
        ends = {}  # those return 0, and what was put there for the fast path stays
    own, inherited = (ffi.cast("char *", glib.g_type_class_ref(kind)) for kind in (gtype, parent))
    for name, offset in offsets.items():
        slot, function = ffi.cast("address *", own + offset), ffi.cast("address *", inherited + offset)[0]
        if slot[0] != function and (function or name in ends):
            slot[0] = function or ends[name]


def register(
    element: int,
    failed: Callable[[BaseException], int],
    transform_ip: Callable[[int], int],
    transform: Callable[[int, int], int] | None,
) -> None:
    """Call these from now on for the element at an address, which is started: for its buffers, with their addresses.

    ``transform_ip`` gets one buffer, ``transform`` one that is read and an empty one. What they raise goes to ``failed``, which
    returns the GstFlowReturn.
    """
    _failed[element], _transform_ips[element] = failed, transform_ip
    if transform is not None:
        _transforms[element] = transform


def unregister(element: int) -> None:
    """Forget the element at an address; nothing happens where it is not registered."""
    for table in _TABLES:
        table.pop(element, None)
