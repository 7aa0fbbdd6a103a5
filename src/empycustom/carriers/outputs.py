"""Output of networks on a batch of DeepStream, as callbacks get it: tensors and maps of classes of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empycustom.model import values as model
from empycustom.model.keys import HEIGHT, SEGMENTATION, TENSORS, WIDTH
from empycustom.model.wire import box_dict
from empycustom.native import deepstream as native
from empycustom.native.deepstream import USERS, Layout
from empycustom.native.deepstream_outputs import Array, Segmentation, Tensor, Wanted, read_outputs
from empycustom.native.deepstream_read import BatchMeta

_KINDS = (native.TENSORS, native.SEGMENTATION)


def add_outputs(batch: BatchMeta, frames: Sequence[model.Frame], layout: Layout, warnings: list[str]) -> None:
    """Add to the frames what networks said about those of a batch; ``warnings`` grows by what cannot be read."""
    places = [(at, item.address, user) for at, item in enumerate(batch.frames) for user in item.users if user.kind in _KINDS]
    if not places:
        return
    wanted = [Wanted(owner, owner + USERS["frame"], user.address, user.kind) for _, owner, user in places]
    for (at, *_), found in zip(places, read_outputs(batch.address, wanted, layout, warnings), strict=True):
        frame: Any = frames[at]
        for each in found:
            key, value = _tensor(each) if isinstance(each, Tensor) else _segmentation(each, frame)
            frame.setdefault(key, []).append(value)


def _tensor(found: Tensor) -> tuple[str, dict[str, Any]]:
    return TENSORS, {"name": found.name, "data": _array(found.numbers), "unique_id": found.unique_id}


def _segmentation(found: Segmentation, frame: Any) -> tuple[str, dict[str, Any]]:
    made = {"class_map": _array(found.class_map), "classes": found.classes}
    if found.probabilities:
        made["probabilities"] = _array(found.probabilities)
    return SEGMENTATION, made | {"rect_params": box_dict(0, 0, frame[WIDTH], frame[HEIGHT]), "unique_id": found.unique_id}


def _array(numbers: Array) -> Any:
    import numpy as np

    return np.ndarray(numbers.shape, numbers.code, numbers.data)
