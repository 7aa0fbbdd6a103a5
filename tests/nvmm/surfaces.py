"""Buffers in NVMM memory that is none: a NvBufSurface as nvbufsurface.h has it, and the pixels behind it, in one block of memory.

The block is freed with the GstMemory that it is in, as NVIDIA's are.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any, NamedTuple

import numpy as np

from empycustom.gstreamer import Gst

PINNED, DEVICE, UNIFIED, SURFACE_ARRAY = 1, 2, 3, 4
OLD, NEW = 384, 416  # bytes of a NvBufSurfaceParams: up to DeepStream 7.1, from 8.0

_glib = ctypes.CDLL("libglib-2.0.so.0")
_gst = ctypes.CDLL("libgstreamer-1.0.so.0")
_glib.g_malloc0.restype = _gst.gst_memory_new_wrapped.restype = ctypes.c_void_p
_gst.gst_memory_new_wrapped.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 6]
_gst.gst_buffer_append_memory.argtypes = _gst.gst_mini_object_weak_ref.argtypes = [ctypes.c_void_p] * 3
_FREE = ctypes.cast(_glib.g_free, ctypes.c_void_p).value
_NO_SHARE = 16  # GstMemoryFlags, as the memory of NVIDIA's pools has it
_KEPT: list[Any] = []  # what C may call as long as the process lives
_GONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


# NvBufSurfaceParams: offsets and sizes of its fields
FIELDS = {
    "width": (0, "I"), "height": (4, "I"), "pitch": (8, "I"), "color": (12, "I"), "layout": (16, "I"), "desc": (24, "Q"),
    "size": (32, "I"), "data": (40, "Q"), "planes": (48, "I"), "image": (312, "Q"), "cuda": (376, "Q"),
}  # fmt: skip


class Format(NamedTuple):
    """A format: NVIDIA's number of it, and for each plane how many pixels of a row and a column share a sample, and its bytes.

    A plane of YUY2 has a whole number of pairs of columns.
    """

    number: int
    planes: tuple[tuple[int, int, int], ...]
    pair: int = 1


FORMATS = {
    "RGBA": Format(19, ((1, 1, 4),)),
    "BGRx": Format(24, ((1, 1, 4),)),
    "GRAY8": Format(1, ((1, 1, 1),)),
    "NV12": Format(6, ((1, 1, 1), (2, 2, 2))),
    "I420": Format(2, ((1, 1, 1), (2, 2, 1), (2, 2, 1))),
    "YUY2": Format(14, ((1, 1, 2),), pair=2),
    "UYVY": Format(10, ((1, 1, 2),), pair=2),
    "NV16": Format(50, ((1, 1, 1), (2, 1, 2))),
    "Y42B": Format(46, ((1, 1, 1), (2, 1, 1), (2, 1, 1))),
    "Y444": Format(18, ((1, 1, 1),) * 3),
    "RGBP": Format(42, ((1, 1, 1),) * 3),
    "BGRP": Format(43, ((1, 1, 1),) * 3),
}


class Surfaces:
    """A Gst.Buffer with a batch of surfaces, their pixels counting up, different in each; ``freed`` fills when they are freed."""

    def __init__(
        self,
        video_format="RGBA",
        width=6,
        height=4,
        *,
        batch=1,
        filled=None,
        memory_type=DEVICE,
        size=NEW,
        gpu=0,
        pitch=64,
        watched=True,
    ):
        self.format, self.width, self.height, self.pitch, self.size = video_format, width, height, pitch, size
        number, planes, pair = FORMATS[video_format]
        self._rows = [-(-height // down) for _, down, _ in planes]
        self._columns = [-(-width // (across * pair)) * pair for across, _, _ in planes]
        self._bytes = [count for _, _, count in planes]
        offsets = [sum(self._rows[:index]) * pitch for index in range(len(planes))]
        data_size = sum(self._rows) * pitch
        self.list_offset, first = 128, 128 + batch * size
        self.pixel_offsets = [[first + index * data_size + offset for offset in offsets] for index in range(batch)]
        total = first + batch * data_size
        self.address = _glib.g_malloc0(ctypes.c_size_t(total))
        self._write(0, "IIII", gpu, batch, batch if filled is None else filled, 0)
        self._write(16, "IxxxxQ", memory_type, self.address + self.list_offset)
        for index in range(batch):
            data = self.address + first + index * data_size
            self.describe(index, width=width, height=height, pitch=pitch, color=number, size=data_size, data=data)
            self._planes(index, offsets)
        for place in range(first, total):
            self._write(place, "B", (place - first) % 251)
        self.memory = _gst.gst_memory_new_wrapped(_NO_SHARE, self.address, total, 0, total, self.address, _FREE)
        self.freed: list[bool] = []
        if watched:
            self._watch()
        self.buffer = Gst.Buffer.new()
        _gst.gst_buffer_append_memory(hash(self.buffer), self.memory, None)

    def _watch(self) -> None:
        gone = _GONE(lambda *_, freed=self.freed: freed.append(True))
        _KEPT.append(gone)
        _gst.gst_mini_object_weak_ref(self.memory, gone, None)

    def _write(self, place: int, code: str, *values: Any) -> None:
        data = struct.pack(f"={code}", *values)
        ctypes.memmove(self.address + place, data, len(data))

    def describe(self, index: int, **fields: int) -> None:
        """Write fields of a surface's description."""
        for name, value in fields.items():
            place, code = FIELDS[name]
            self._write(self.list_offset + index * self.size + place, code, value)

    def head(self, place: int, value: int) -> None:
        """Write a number of the NvBufSurface itself."""
        self._write(place, "I", value)

    def _planes(self, index: int, offsets: list[int]) -> None:
        padded = [[*values, 0, 0, 0, 0][:4] for values in (self._columns, self._rows, [self.pitch] * len(offsets), offsets)]
        self._write(
            self.list_offset + index * self.size + 48, "I16I", len(offsets), *(number for row in padded for number in row)
        )

    def address_of(self, plane: int = 0, batch_id: int = 0) -> int:
        """Return the address of the pixels of a plane."""
        return self.address + self.pixel_offsets[batch_id][plane]

    def pixels(self, plane: int = 0, batch_id: int = 0) -> Any:
        """Return a NumPy view of a plane as it is in memory; not to be used after the memory is freed."""
        rows, columns, count = self._rows[plane], self._columns[plane], self._bytes[plane]
        data = (ctypes.c_uint8 * (rows * self.pitch)).from_address(self.address_of(plane, batch_id))
        shape = (rows, columns) if count == 1 else (rows, columns, count)
        return np.ndarray(shape, np.uint8, data, 0, (self.pitch, count, 1)[: len(shape)])

    @property
    def in_meta(self) -> dict[str, Any]:
        about = {"format": self.format, "width": self.width, "height": self.height, "memory": "NVMM", "planes": []}
        return {"frame": [], "buffer": about}

    def let_go(self) -> None:
        """Drop the buffer, as its last owner does."""
        del self.buffer


def host(view: Any) -> Any:
    """Return the values at the address of a view, in a process in which GPU memory is system memory."""
    shape, strides, address = view.shape, view.strides, view.address
    size = sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True)) + 1 if view.size else 0
    return np.ndarray(shape, view.dtype, (ctypes.c_uint8 * size).from_address(address), 0, strides)
