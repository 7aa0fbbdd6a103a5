"""DLPack: descriptions of memory that another library takes over, in a PyCapsule, and gives back when it likes.

It does so by calling the description's ``deleter``, on any thread, with or without the interpreter's lock, also when Python has
ended. So nothing of that is Python. A description lies in a block of GLib's heap, and has a reference to the GstMemory that it
describes, which is its ``manager_ctx``; its ``deleter`` is a trampoline that calls ``gst_mini_object_unref`` with that, and goes
on to ``g_free`` with the block.

A capsule has no destructor either: whoever made one asks in the end, by :meth:`Capsule.revoke`, whether it was taken.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from empycustom.errors import FrameError, NativeError
from empycustom.native.loading import POINTER, address_of, ffi, glib
from empycustom.native.loading import gst as _gst
from empycustom.native.memory import Writer, writer
from empycustom.native.trampolines import make_trampolines

_UNSIGNED = 1  # DLDataTypeCode
_READ_ONLY = 1  # flag of a versioned tensor
_VERSION = (1, 0)

# DLTensor: data, device type and id, ndim, type (code, bits, lanes), shape, strides (in elements), byte_offset
_TENSOR = "QiiiBBHQQQ"
_LEGACY = f"={_TENSOR}QQ"  # DLManagedTensor: dl_tensor, manager_ctx, deleter
_VERSIONED = f"=IIQQQ{_TENSOR}"  # DLManagedTensorVersioned: version (major, minor), manager_ctx, deleter, flags, dl_tensor
_OWNERS = {False: 48, True: 8}  # where manager_ctx lies

_UNREF: int = address_of(ffi.addressof(_gst, "gst_mini_object_unref"))
_FREE: int = address_of(ffi.addressof(glib, "g_free"))
_NAMES: dict[bool, tuple[int, int]] = {  # of a capsule: before and after it was taken
    versioned: (glib.g_intern_string(name), glib.g_intern_string(b"used_" + name))
    for versioned, name in ((False, b"dltensor"), (True, b"dltensor_versioned"))
}

_text = ctypes.c_void_p  # a const char * that outlives the capsule
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, _text, ctypes.c_void_p)(("PyCapsule_New", ctypes.pythonapi))
_is_capsule = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, _text)(("PyCapsule_IsValid", ctypes.pythonapi))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, _text)(("PyCapsule_SetName", ctypes.pythonapi))


@lru_cache(maxsize=1)
def _deleters() -> dict[bool, int]:
    """Return the addresses of the deleters of legacy and of versioned tensors."""
    try:
        found = make_trampolines((_OWNERS[versioned], _UNREF, _FREE) for versioned in (False, True))
    except NativeError as error:
        raise FrameError(
            f"The frame cannot be handed over by DLPack: {error}. cupy.asarray(view) and view.download() work without; so does "
            "torch.as_tensor(view), if the frame is mapped with writable=True."
        ) from error
    return dict(zip((False, True), found, strict=True))


class _Form(NamedTuple):
    """How tensors of some dimensions are written: the bytes they take, where their shape and their strides lie, and by what."""

    size: int
    shape: int
    strides: int
    write: Writer


@lru_cache(maxsize=16)
def _form(versioned: bool, count: int) -> _Form:
    head = _VERSIONED if versioned else _LEGACY
    shape, both = Struct(head).size, f"{2 * count}q"
    return _Form(shape + 16 * count, shape, shape + 8 * count, writer(head + both))


# What a tensor of unsigned integers is, in DLPack's terms: the address of its first element, its shape and its strides (in
# elements), the bits of an element, the device (type, id), and whether it must not be written.
Tensor = tuple[int, tuple[int, ...], tuple[int, ...], int, tuple[int, int], bool]


class Capsule:
    """Make a tensor ready to be taken: ``object`` is the PyCapsule.

    ``memory`` is the address of the GstMemory that the tensor keeps a reference to. A versioned tensor says whether it may be
    written; others cannot.
    """

    __slots__ = ("_memory", "_name", "_tensor", "_used", "object")

    def __init__(self, memory: int, described: Tensor, *, versioned: bool) -> None:
        data, shape, strides, bits, device, readonly = described
        deleter, count = _deleters()[versioned], len(shape)
        form = _form(versioned, count)
        self._memory = _gst.gst_mini_object_ref(ffi.cast(POINTER, memory))
        self._tensor = tensor = glib.g_malloc(form.size)
        about = (data, *device, count, _UNSIGNED, bits, 1, tensor + form.shape, tensor + form.strides, 0)
        if versioned:
            form.write(tensor, *_VERSION, memory, deleter, _READ_ONLY if readonly else 0, *about, *shape, *strides)
        else:
            form.write(tensor, *about, memory, deleter, *shape, *strides)
        self._name, self._used = _NAMES[versioned]
        self.object: Any = _new_capsule(tensor, self._name, None)

    @property
    def waits(self) -> bool:
        """Whether nobody has taken it yet."""
        return bool(_is_capsule(self.object, self._name))

    def revoke(self) -> None:
        """Take it back where nobody has taken it, for good: it cannot be taken from now on."""
        if _is_capsule(self.object, self._name):
            _rename(self.object, self._used)
            _gst.gst_mini_object_unref(self._memory)
            glib.g_free(ffi.cast(POINTER, self._tensor))
