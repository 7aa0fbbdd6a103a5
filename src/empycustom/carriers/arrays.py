"""What networks upstream say about whole frames, as arrays for callbacks: tensors and masks of GstAnalytics."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from empycustom.carriers.protocol import Box, FrameSource
from empycustom.errors import NativeError
from empycustom.model.keys import SEGMENTATION, TENSORS
from empycustom.model.wire import box_dict, clean_box
from empycustom.native import masks, tensors
from empycustom.native.analytics import API
from empycustom.native.masks import Mask, masks_of_frame
from empycustom.native.own_metas import Runs
from empycustom.native.tensors import Tensor, tensors_at

# Types of GStreamer that NumPy has by the same name.
_KINDS = frozenset(
    (
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "bool", "complex64", "complex128"),
    )
)
_MOST = 4096  # rows or columns of a mask that has to be fitted to a box


class Tensors:
    """See :class:`~empycustom.carriers.protocol.FrameSource`."""

    key = TENSORS
    api: int = tensors.API

    def read(self, metas: Sequence[int], warnings: list[str]) -> list[dict[str, Any]]:
        """Return the tensors of metas."""
        read = [(tensor, _read(tensor, warnings)) for meta in metas for tensor in tensors_at(meta)]
        return [{"name": tensor.name, "data": data, "unique_id": 0} for tensor, data in read if data is not None]


def _read(tensor: Tensor, warnings: list[str]) -> Any:
    try:
        return _array(tensor)
    except (NativeError, OverflowError, TypeError, ValueError) as error:
        what = f"the tensor {tensor.name} ({tensor.kind}) of an element upstream"
        warnings.append(f"{what} cannot be an array, and is not in in_meta: {error}")
        return None


def _array(tensor: Tensor) -> Any:
    """Return the numbers of a tensor. The last index is that of neighbours, whichever order the tensor names.

    All elements of GStreamer write and read them so: of YOLO, "column-major" says that the boxes are the columns.
    """
    import numpy as np

    if tensor.kind not in _KINDS:
        raise TypeError("NumPy has no such type")
    if not tensor.is_dense:
        raise TypeError("its numbers do not lie one behind the other")
    data, shape, kind = tensor.data, tensor.shape, np.dtype(tensor.kind)
    if shape.count(0) == 1 and data:  # the size that the model leaves open
        rest = kind.itemsize * prod(size for size in shape if size)
        shape = tuple(size or len(data) // rest for size in shape)
    if not prod(shape):
        if data:
            raise ValueError("more than one of its sizes is not known")
        found = np.empty(shape, kind)
        found.flags.writeable = False
        return found
    return np.frombuffer(data, kind, prod(shape)).reshape(shape)


class Segmentation:
    """See :class:`~empycustom.carriers.protocol.FrameSource`. Masks of objects are theirs; the others are about the frame."""

    key = SEGMENTATION
    api: int = API if masks.available else 0

    def read(self, metas: Sequence[int], warnings: list[str]) -> list[dict[str, Any]]:
        """Return the masks of metas."""
        read = [(mask, class_map(mask, warnings), warnings) for meta in metas for mask in masks_of_frame(meta)]
        return [_segmentation(*each) for each in read if each[1] is not None]


def _segmentation(mask: Mask, numbers: Any, warnings: list[str]) -> dict[str, Any]:
    made = {"class_map": numbers}
    if mask.regions:
        made["classes"] = len(mask.regions)
    if mask.labels:
        made["labels"] = mask.labels
    return {**made, "rect_params": box_dict(*clean_box(*mask.box, warnings)), "unique_id": 0}


def class_map(mask: Mask, warnings: list[str]) -> Any:
    """Return the numbers of a mask as an array; None, and a warning, where they cannot be one."""
    try:
        return _numbers(mask)
    except (NativeError, ValueError) as error:
        warnings.append(f"a mask of an element upstream cannot be an array, and is not in in_meta: {error}")
        return None


def _numbers(mask: Mask) -> Any:
    import numpy as np

    if not mask.kind:
        raise ValueError("it is neither GRAY8 nor GRAY16, or has no GstVideoMeta")
    kind, data, (height, width) = np.dtype(mask.kind), mask.data, mask.shape
    row = width * kind.itemsize
    # NumPy does not look where there are no bytes at all.
    if mask.stride < row or mask.offset + mask.stride * (height - 1) + row > len(data) or not width * height:
        raise ValueError("its numbers are not all in its buffer")
    return np.ndarray(mask.shape, kind, data, mask.offset, (mask.stride, kind.itemsize))


def object_mask(mask: Mask, box: Box, warnings: list[str]) -> Any:
    """Return the mask of an object, stretched over its box: an array (h, w) of 0 and 1. None: it cannot be read."""
    numbers = class_map(mask, warnings)
    if numbers is None:
        return None
    made = (numbers != 0).astype("uint8")
    return made if mask.box == box or not all((*mask.box[2:], *box[2:])) else _fitted(made, mask.box, box)


def _fitted(numbers: Any, region: Box, box: Box) -> Any:
    """Return what lies in a box of a picture that is stretched over a region."""
    import numpy as np

    places, inside = [], []
    for axis in (0, 1):  # down, across
        start, size, own_start, own_size = box[1 - axis], box[3 - axis], region[1 - axis], region[3 - axis]
        count = numbers.shape[axis]
        wanted = max(1, min(round(count * size / own_size), max(count, _MOST)))
        place = np.floor((start + (np.arange(wanted) + 0.5) * size / wanted - own_start) * count / own_size).astype(int)
        places.append(place.clip(0, count - 1))
        inside.append((place >= 0) & (place < count))
    return numbers[np.ix_(*places)] * np.outer(*inside).astype("uint8")


FRAME_SOURCES: tuple[FrameSource, ...] = (Tensors(), Segmentation())  # each with an API of its own
_by_api = {source.api: source for source in FRAME_SOURCES if source.api}


def add_arrays(frame: Any, metas: Runs, warnings: Sequence[str]) -> Sequence[str]:
    """Add to a frame of in_meta what the sources know about it; return the warnings, with those about what cannot be read."""
    new: list[str] = []
    for api, run in metas:
        source = _by_api.get(api)
        if source is not None and (found := source.read(run, new)):
            frame[source.key] = [*frame.get(source.key, ()), *found]
    return [*warnings, *new] if new else warnings
