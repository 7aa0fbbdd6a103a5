"""Frames as one array, as functions of other projects get them: (height, width, channels), or planes one below the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from empycustom.frames.formats import FORMATS, Layout, PlaneLayout
from empycustom.frames.views import Span

_BYTES = FORMATS["GRAY8"].planes[0]


@lru_cache(maxsize=64)
def whole(layout: Layout, width: int) -> PlaneLayout | None:
    """Return the planes of a frame as one, None: there is padding between them, or its rows have different lengths."""
    first, *others = layout.planes
    size = first.row_bytes // width
    if not others:
        return PlaneLayout(_BYTES, (first.shape[0], width, size), (first.strides[0], size, 1), first.offset)
    end, total = first.offset, 0
    for plane in sorted(layout.planes, key=lambda each: each.offset):
        if plane.offset != end or (plane.strides[0] != plane.row_bytes and plane.shape[0] > 1):
            return None
        end += plane.shape[0] * plane.row_bytes
        total += plane.shape[0] * plane.row_bytes
    row = width * size
    return None if total % row else PlaneLayout(_BYTES, (total // row, width, size), (row, size, 1), first.offset)


def repacked(data: Any, layout: Layout, width: int, span: Span, *, write: bool) -> Iterator[Any]:
    """Yield a copy of the planes, one below the other and without padding; write it back afterwards."""
    import numpy as np

    views = [
        span.array(data, PlaneLayout(_BYTES, (each.shape[0], each.row_bytes), (each.strides[0], 1), each.offset))
        for each in sorted(layout.planes, key=lambda each: each.offset)
    ]
    packed = np.concatenate([view.reshape(-1) for view in views])
    row = width * (layout.planes[0].row_bytes // width)
    rows = -(-packed.size // row)
    whole = np.zeros(rows * row, np.uint8)
    whole[: packed.size] = packed
    yield whole.reshape(rows, width, -1)
    if not write:
        return
    begin = 0
    for view in views:
        view[...] = whole[begin : begin + view.size].reshape(view.shape)
        begin += view.size
