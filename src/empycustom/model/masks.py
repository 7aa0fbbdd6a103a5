"""Masks of objects: COCO's run-length encoding (RLE) both ways, and polygons as masks. NumPy is imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

    from empycustom.model.values import Box

    Array = np.ndarray[Any, np.dtype[Any]]

MOST_PIXELS: Final = 1 << 26  # 8192 x 8192; a size that somebody mistyped must not take the memory of the machine
MOST_SIDE: Final = 4096  # of the mask of a polygon: pixels of larger boxes are larger
LONGEST: Final = 7  # letters of a number in compressed counts: 35 bits
FAR: Final = 1e9  # points of polygons that are further away are moved here: their products stay finite


def encode_rle(mask: Any) -> dict[str, Any]:
    """Return a mask in COCO's compressed RLE.

    Parameters
    ----------
    mask : array_like
        (height, width), of bool, 0 and 1, or confidences; from 0.5 on a pixel is covered, and where it is NaN.

    Returns
    -------
    dict
        ``{"size": [height, width], "counts": "..."}``, as ``pycocotools`` reads and writes it.

    Raises
    ------
    ValueError
        For what is not a two-dimensional array of numbers, or has no pixels.
    """
    import numpy as np

    values = np.asarray(mask)
    if values.ndim != 2 or not values.size or values.dtype.kind not in "biuf":
        raise ValueError(f"a mask has to be an array (height, width) of numbers, not {values.shape} of {values.dtype}")
    pixels = np.logical_not(values < 0.5).ravel(order="F")  # COCO counts down the columns
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    start = [0, 0] if pixels[0] else [0]  # the first run is of pixels that are not covered, and may be of none
    counts = np.diff(np.concatenate((start, changes, [pixels.size])))
    return {"size": list(values.shape), "counts": _compress(counts)}


def decode_rle(rle: Mapping[str, Any]) -> Array:
    """Return the mask that COCO's RLE holds, as an array (height, width) of uint8, 0 and 1.

    Parameters
    ----------
    rle : mapping
        ``{"size": [height, width], "counts": ...}``; counts are a text (compressed; bytes, too), or a list of the lengths
        of runs.

    Raises
    ------
    ValueError
        Where size or counts are missing or wrong, or do not fit each other.
    """
    import numpy as np

    height, width = _size(rle)
    counts = rle.get("counts")
    runs = _expand(counts) if isinstance(counts, (str, bytes)) else np.asarray([] if counts is None else counts)
    if runs.ndim != 1 or not runs.size or runs.dtype.kind not in "iu":
        raise ValueError("counts of RLE have to be a text, or a list of whole numbers")
    if int(runs.min()) < 0 or int(runs.max()) > height * width or int(runs.sum()) != height * width:
        raise ValueError(f"counts of RLE have to be 0 or more, and {height * width} together, which is size {height} x {width}")
    covered = (np.arange(runs.size) & 1).astype(np.uint8)
    return np.repeat(covered, runs).reshape((height, width), order="F")


def polygon_mask(points: Any, box: Box) -> Array:
    """Return the part of a polygon that is in a box, as a mask (height, width) of uint8, 0 and 1, stretched over the box.

    A pixel of the mask is covered where its centre is in the polygon. Where a polygon crosses or overlaps itself, what is
    inside of it twice is outside. Two polygons that share an edge share no pixel.

    Parameters
    ----------
    points : array_like
        (n, 2): x and y of three or more corners, in pixels of the frame.
    box : Box
        Left, top, width and height in pixels of the frame; the mask has about one pixel for each of its own, 4096 at most
        each way.

    Raises
    ------
    ValueError
        For points of another shape or that are not finite, and for a box that is not finite.
    """
    import numpy as np

    corners = np.asarray(points)
    if corners.dtype.kind not in "iuf" or corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError("a polygon has to be a list of three or more [x, y]")
    area = np.asarray(box, np.float64)
    if not np.isfinite(corners).all() or not np.isfinite(area).all():
        raise ValueError("the points of a polygon and its box have to be finite numbers")
    size = np.clip(np.ceil(area[2:]), 1, MOST_SIDE)  # width and height, in pixels of the mask
    scale = size / np.maximum(area[2:], 1e-6)
    x, y = np.clip((corners.astype(np.float64) - area[:2]) * scale, -FAR, FAR).T
    width, height = size.astype(int)
    toggled = np.zeros((height, width + 1), np.uint8)  # 1: here a row enters or leaves the polygon
    rows, at = _crossings(x, y, int(height))
    columns = np.clip(np.ceil(at - 0.5), 0, width).astype(int)
    np.bitwise_xor.at(toggled, (rows, columns), 1)
    return np.bitwise_xor.accumulate(toggled[:, :-1], axis=1)


def _crossings(x: Array, y: Array, height: int) -> tuple[Array, Array]:
    """Return where the edges of a polygon cross the middles of rows: rows, and the x of each."""
    import numpy as np

    end_x, end_y = np.roll(x, -1), np.roll(y, -1)
    first = np.clip(np.ceil(np.minimum(y, end_y) - 0.5), 0, height).astype(int)
    last = np.clip(np.ceil(np.maximum(y, end_y) - 0.5), 0, height).astype(int)
    crossed = last - first
    edges = np.repeat(np.arange(len(x)), crossed)
    before = np.repeat(np.cumsum(crossed) - crossed, crossed)
    rows = first[edges] + np.arange(len(edges)) - before
    part = (rows + 0.5 - y[edges]) / (end_y - y)[edges]
    return rows, x[edges] + part * (end_x - x)[edges]


def _size(rle: Mapping[str, Any]) -> tuple[int, int]:
    """Return height and width of RLE. Raises ValueError."""
    size = rle.get("size")
    if not isinstance(size, (list, tuple)) or len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
        raise ValueError(f"size of RLE has to be [height, width], two whole numbers of 1 or more, not {size!r}")
    if size[0] * size[1] > MOST_PIXELS:
        raise ValueError(f"size of RLE is {size[0]} x {size[1]}; at most {MOST_PIXELS} pixels are read")
    return size[0], size[1]


def _compress(counts: Array) -> str:
    """Return counts as COCO's text: the difference to the run before the last, five bits a letter, the lowest first."""
    import numpy as np

    numbers = counts.astype(np.int64)
    numbers[3:] -= counts[1:-2]
    left = numbers[:, None] >> np.arange(0, 5 * LONGEST, 5)
    rest = left >> 5
    more = rest != -((left & 16) >> 4)  # what is left is not the sign of this letter alone
    letters = (left & 31) + 32 * more + 48
    needed = np.column_stack((np.ones(len(numbers), bool), more[:, :-1]))
    needed = np.logical_and.accumulate(needed, axis=1)
    return bytes(letters[needed].tolist()).decode("ascii")


def _expand(text: str | bytes) -> Array:
    """Return the counts in COCO's text. Raises ValueError."""
    import numpy as np

    raw = text.encode() if isinstance(text, str) else text  # the bytes of other letters than ASCII's are above 127: refused
    letters = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if not letters.size or letters.min() < 0 or letters.max() > 63 or letters[-1] & 32:
        raise ValueError("counts of RLE are not COCO's: they are empty, have letters that do not belong there, or are cut off")
    ends = np.flatnonzero((letters & 32) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > LONGEST:
        raise ValueError("counts of RLE are not COCO's: a number is too long")
    place = np.arange(letters.size) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((letters & 31) << (5 * place), starts)
    numbers -= ((letters[ends] & 16) >> 4) << (5 * lengths)  # the sign is the highest bit of the last letter
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
