"""A library that takes DLPack capsules, as dlpack.h has them, written by hand: it takes any device, and can hold and give back."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

_api = ctypes.pythonapi
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _api))
name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", _api))
_KEPT = [b"used_dltensor", b"used_dltensor_versioned"]  # a capsule does not copy its name


class DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]  # fmt: skip


class Managed(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class Versioned(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32 * 2), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", DLTensor)]  # fmt: skip


class Taken(NamedTuple):
    """What was taken: to be given back once."""

    managed: Any

    @property
    def device(self) -> tuple[int, int]:
        return tuple(self.managed.tensor.device)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.managed.tensor.shape[: self.managed.tensor.ndim])

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(self.managed.tensor.strides[: self.managed.tensor.ndim])

    @property
    def pixels(self) -> Any:
        """A view, on machines where the memory of the GPU is that of the process."""
        about = self.managed.tensor
        assert (about.code, about.bits, about.lanes, about.byte_offset) == (1, 8, 1, 0)
        size = sum((count - 1) * stride for count, stride in zip(self.shape, self.strides, strict=True)) + 1
        return np.ndarray(self.shape, np.uint8, (ctypes.c_uint8 * size).from_address(about.data), 0, self.strides)

    @property
    def address(self) -> int:
        return ctypes.addressof(self.managed)

    def give_back(self) -> None:
        """Call the deleter, as C does: without the interpreter's lock."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.managed.deleter)(self.address)


def take(capsule: Any) -> Taken:
    """Take a capsule, as a consumer has to."""
    name = name_of(capsule)
    kind, used = {b"dltensor": (Managed, _KEPT[0]), b"dltensor_versioned": (Versioned, _KEPT[1])}[name]
    managed = kind.from_address(_pointer(capsule, name))
    _rename(capsule, used)
    return Taken(managed)
