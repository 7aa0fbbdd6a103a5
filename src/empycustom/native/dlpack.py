"""DLPack: descriptions of memory that another library takes over, in a PyCapsule, and gives back when it likes.

It does so by calling the description's ``deleter``, on any thread, with or without the interpreter's lock, also when Python has
ended. So nothing of that is Python. A description lies in a GstMemory of its own, which is its ``manager_ctx`` and has a
reference to the memory that it describes; its ``deleter`` is machine code that goes on to ``gst_mini_object_unref`` with it. That
one call frees the description and gives the reference back.

A capsule has no destructor either: whoever made one asks in the end, by :meth:`Capsule.revoke`, whether it was taken.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from struct import Struct
from typing import Any

from empycustom.errors import FrameError, NativeError
from empycustom.native.declarations import address_of, ffi, glib
from empycustom.native.declarations import gst as _gst
from empycustom.native.jumps import jumps
from empycustom.native.memory import writer

_UNSIGNED = 1  # DLDataTypeCode
_READ_ONLY = 1  # flag of a versioned tensor
_VERSION = (1, 0)

# DLTensor: data, device type and id, ndim, type (code, bits, lanes), shape, strides (in elements), byte_offset
_TENSOR = "QiiiBBHQQQ"
# DLManagedTensor: dl_tensor, manager_ctx, deleter
_legacy = f"={_TENSOR}QQ"
# DLManagedTensorVersioned: version (major, minor), manager_ctx, deleter, flags, dl_tensor
_versioned = f"=IIQQQ{_TENSOR}"
_write_legacy, _write_versioned = writer(_legacy), writer(_versioned)
_HEADS = {False: Struct(_legacy).size, True: Struct(_versioned).size}
_OWNERS = {False: 48, True: 8}  # where manager_ctx lies

_HEAP: Any = _gst.gst_allocator_find(b"SystemMemory")
_WRITE = 2  # GstMapFlags
_UNREF: int = address_of(ffi.addressof(_gst, "gst_mini_object_unref"))
_KEY: int = glib.g_quark_from_string(b"empycustom-described-memory")
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
        found = jumps((_OWNERS[versioned], _UNREF) for versioned in (False, True))
    except NativeError as error:
        raise FrameError(
            f"The frame cannot be handed over by DLPack: {error}. cupy.asarray(view) and view.download() work without; so does "
            "torch.as_tensor(view), if the frame is mapped with writable=True."
        ) from error
    return dict(zip((False, True), found, strict=True))


class Capsule:
    """A tensor of unsigned integers, ready to be taken: ``object`` is the PyCapsule.

    ``memory`` is the address of the GstMemory that the tensor keeps a reference to, ``data`` that of its first element. Shape and
    strides are in elements, ``bits`` are those of an element, ``device`` is (type, id) in DLPack's numbers. A versioned tensor
    says whether it may be written; others cannot.
    """

    __slots__ = ("_name", "_owner", "_used", "object")

    def __init__(
        self,
        memory: int,
        data: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        bits: int,
        device: tuple[int, int],
        *,
        readonly: bool,
        versioned: bool,
    ) -> None:
        deleter, head, count = _deleters()[versioned], _HEADS[versioned], len(shape)
        self._owner, tensor = _owner_of(memory, head + 16 * count)
        described = (data, *device, count, _UNSIGNED, bits, 1, tensor + head, tensor + head + 8 * count, 0)
        if versioned:
            _write_versioned(tensor, *_VERSION, self._owner, deleter, _READ_ONLY if readonly else 0, *described)
        else:
            _write_legacy(tensor, *described, self._owner, deleter)
        writer(f"={2 * count}q")(tensor + head, *shape, *strides)
        self._name, self._used = _NAMES[versioned]
        self.object: Any = _new_capsule(tensor, self._name, None)

    @property
    def waits(self) -> bool:
        """Whether nobody has taken it yet."""
        return bool(_is_capsule(self.object, self._name))

    def revoke(self) -> None:
        """Take it back where nobody has taken it, for good: it cannot be taken from now on."""
        if self.waits:
            _rename(self.object, self._used)
            _gst.gst_mini_object_unref(ffi.cast("void *", self._owner))


def _owner_of(memory: int, size: int) -> tuple[int, int]:
    """Return a new GstMemory that has a reference to another one, and where its bytes lie."""
    owner, info = _gst.gst_allocator_alloc(_HEAP, size, ffi.NULL), ffi.new("GstMapInfo *")
    described = _gst.gst_mini_object_ref(ffi.cast("void *", memory))
    _gst.gst_mini_object_set_qdata(owner, _KEY, described, ffi.cast("void *", _UNREF))
    _gst.gst_memory_map(owner, info, _WRITE)
    place = address_of(info.data)
    _gst.gst_memory_unmap(owner, info)  # the bytes stay where they are
    return address_of(owner), place
