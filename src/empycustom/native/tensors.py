"""Tensors on buffers, since GStreamer 1.26: raw output of networks, in buffers of their own beside the frame's.

What is returned has their bytes, without a copy, and keeps those buffers.
"""

from __future__ import annotations

from typing import NamedTuple

from empycustom.native.loading import analytics as _lib
from empycustom.native.loading import ffi, has, reader, text_of_quark, unpacker
from empycustom.native.memory import held_bytes

available = _lib is not None and has(_lib, "gst_tensor_meta_api_get_type")
API: int = _lib.gst_tensor_meta_api_get_type() if available else 0
# GstTensorDataType; those from "string" on came with 1.28.
_TYPES = (
    *("int4", "int8", "int16", "int32", "int64", "uint4", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "bfloat16", "string", "bool", "complex64", "complex128"),
    *("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"),
)
_meta = reader("GstTensorMeta", "num_tensors", "tensors")
_tensor = reader("GstTensor", "id", "layout", "data_type", "data", "num_dims")
_DIMS: int = ffi.offsetof("GstTensor", "dims")


class Tensor(NamedTuple):
    """One tensor: what it is called, the type of its numbers as GStreamer spells it, its shape, and where its bytes are.

    ``is_dense``: its numbers lie one behind the other.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    is_dense: bool
    buffer: int

    @property
    def data(self) -> memoryview:
        """The bytes, which keep their buffer. Raises NativeError. To be read while the meta is there."""
        return held_bytes(self.buffer)


def tensors_at(meta_address: int) -> list[Tensor]:
    """Read the tensors of the GstTensorMeta at an address."""
    count, tensors = _meta(meta_address)
    return [_read(address) for address in unpacker(f"={count}Q")(tensors)] if count else []


def _read(address: int) -> Tensor:
    name, layout, kind, buffer, count = _tensor(address)
    shape = unpacker(f"={count}Q")(address + _DIMS) if count else ()
    return Tensor(text_of_quark(name), _TYPES[kind] if kind < len(_TYPES) else f"type {kind}", shape, layout == 0, buffer)
