"""Batches and their frames. Addresses are of NVIDIA's structures; lists are in the order in which they lie."""

from __future__ import annotations

from typing import NamedTuple

from empycustom.native.deepstream.layouts import batch_lists, frame_fields
from empycustom.native.memory import items


class FrameMeta(NamedTuple):
    """What a NvDsFrameMeta says; ``objects`` and ``users`` are addresses."""

    address: int
    pad_index: int
    batch_id: int
    frame_num: int
    buf_pts: int
    ntp_timestamp: int
    source_id: int
    width: int
    height: int
    objects: list[int]
    users: list[int]


def frames_of(batch: int) -> list[FrameMeta]:
    """Read the frames of a batch."""
    frames, _ = batch_lists(batch)
    return [_frame_at(address) for address in items(frames)]


def users_of(batch: int) -> list[int]:
    """Return the user metadata of the batch itself."""
    _, users = batch_lists(batch)
    return items(users)


def _frame_at(address: int) -> FrameMeta:
    *numbers, objects, users = frame_fields(address)
    return FrameMeta._make((address, *numbers, items(objects), items(users)))
