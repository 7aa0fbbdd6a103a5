"""NumPy arrays into buffers: what ``process`` may return in the place of a ``Gst.Buffer``."""

from __future__ import annotations

from typing import Any

import numpy as np

from empycustom.buffers.system import default_layout, layout_on
from empycustom.errors import FrameClosedError, FrameError
from empycustom.frames.layout import PlaneLayout
from empycustom.frames.views import FrameView
from empycustom.native.lent import ALONE, Lender, holders
from empycustom.native.maps import BufferMap

Described = tuple[str, int, int, str]  # format, width, height, interlace mode


def write_frame(address: int, made: Any, described: Described) -> None:
    """Copy a frame into the writable buffer at an address, in the layout of its GstVideoMeta, else in GStreamer's own.

    ``made`` is one array, for a format of one plane, or a tuple or list with an array for each plane, each with the shape and the
    type of ``frame.planes``. Raises FrameError where it is something else.
    """
    layout = layout_on(address, *described)
    video_format, width, height, _ = described
    planes = list(made) if isinstance(made, (tuple, list)) else [made]
    wanted = f"{video_format} of {width}x{height} needs {_shapes(layout.planes)}"
    if len(planes) != len(layout.planes):
        raise FrameError(f"{_count(len(planes))}; {wanted}")
    arrays = [_checked(array, plane, wanted) for array, plane in zip(planes, layout.planes, strict=True)]
    mapped = BufferMap(address, writable=True)
    try:
        for array, plane in zip(arrays, layout.planes, strict=True):
            target: Any = np.ndarray(plane.shape, plane.sample, mapped.data, plane.offset, plane.strides)
            target[...] = array
    finally:
        mapped.unmap()


def lend_frame(address: int, held: list[Any], lender: Lender, frame_size: int, described: Described) -> bool:
    """Let the buffer without memory at an address have the array in a list as its memory, and say whether that can be.

    It can where the array has exactly the layout of the frame and nobody else has it, who might write into it later.
    """
    plane, *others = default_layout(*described).planes
    if others or holders(held) != ALONE:
        return False
    array = held[0]
    if type(array) not in (np.ndarray, FrameView) or not array.flags.owndata:
        return False
    if (array.shape, array.strides, array.dtype, array.nbytes) != (plane.shape, plane.strides, plane.sample, frame_size):
        return False
    lender.lend(address, array, array.__array_interface__["data"][0], frame_size)
    return True


def _checked(array: Any, plane: PlaneLayout, wanted: str) -> Any:
    if not isinstance(array, np.ndarray):
        raise FrameError(f"it is {type(array).__name__}, not a NumPy array; {wanted}")
    try:
        shape, kind = array.shape, array.dtype
    except FrameClosedError as error:
        raise FrameError(f"it is a view of a frame whose with block is over; return view.copy(). {wanted}") from error
    if shape != plane.shape or kind != plane.sample:
        hint = " (array.astype makes another type)" if shape == plane.shape else ""
        raise FrameError(f"an array has the shape {shape} and the type {kind}; {wanted}{hint}")
    return array


def _count(number: int) -> str:
    return f"{number} array{'s' if number != 1 else ''}"


def _shapes(planes: tuple[PlaneLayout, ...]) -> str:
    shapes = [f"{plane.shape} of {np.dtype(plane.sample).name}" for plane in planes]
    return f"an array {shapes[0]}" if len(shapes) == 1 else f"a tuple of {len(shapes)} arrays: {', '.join(shapes)}"
