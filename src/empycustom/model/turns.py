"""How frames were scaled, mirrored and turned since records of objects were written, as far as the objects' own boxes say it.

Elements move the boxes, in whole pixels, and not what is beside them in our JSON. So the frames' sizes and the boxes, before and
now, tell what became of the picture. Where GStreamer loses the boxes there is nothing to find out; where it leaves them as they
were, this finds nothing, either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from empycustom.model.values import Box

Size = tuple[float, float]
Sizes = tuple[Size, Size]
"""Width and height of the frames, before and now."""


class Turn(NamedTuple):
    """First x and y are swapped, then x, then y counted from the other side."""

    swaps: bool = False
    mirrors_x: bool = False
    mirrors_y: bool = False


UNTURNED: Final = Turn()
_TURNS: Final = [Turn(*each) for each in product((False, True), repeat=3)][1:]
FULL_TURN: Final = 6.2832  # radians, and what a number of 32 bits adds to it
_NEAR: Final = 1.5  # pixels: boxes are whole ones, and GStreamer's own turns are one pixel off


class Unclear(Exception):  # noqa: N818 - it is not an error
    """The picture was turned, and it is not clear how."""


def turn_between(boxes: Sequence[tuple[Any, Any]], sizes: Sizes) -> Turn | None:
    """Return the turn after which all boxes, before and now, are where they are; None: there is none, as after a crop.

    The picture may be scaled, too. Raises Unclear where several turns fit, and the picture as it was does not.
    """
    if _fits(UNTURNED, boxes, sizes):
        return UNTURNED
    fitting = [turn for turn in _TURNS if _fits(turn, boxes, sizes)]
    if len(fitting) > 1:
        raise Unclear
    return fitting[0] if fitting else None


def _fits(turn: Turn, boxes: Sequence[tuple[Any, Any]], sizes: Sizes) -> bool:
    across, down = (now / before for before, now in zip(_swapped(turn, sizes[0]), sizes[1], strict=True))
    near = _NEAR * max(1.0, across, down)
    return all(
        abs(there - wanted) <= near
        for before, now in boxes
        for there, wanted in zip(now, turned_box(before, turn, sizes), strict=True)
    )


def turned_box(box: Any, turn: Turn, sizes: Sizes) -> Box:
    """Return a box as it is after a turn, and scaled as the frame was."""
    (left, width), (top, height) = _swapped(turn, ((box[0], box[2]), (box[1], box[3])))
    before, now = _swapped(turn, sizes[0]), sizes[1]
    across, down = now[0] / before[0], now[1] / before[1]
    left = before[0] - left - width if turn.mirrors_x else left
    top = before[1] - top - height if turn.mirrors_y else top
    return Box(left * across, top * down, width * across, height * down)


def _swapped(turn: Turn, pair: Any) -> Any:
    return pair[::-1] if turn.swaps else pair


# What is in parts of a box, as it is after a turn of the picture.


def turned_points(points: Any, turn: Turn) -> Any:
    """Return points (n, 3): x, y in parts of a box, and confidence."""
    made = points[:, [1, 0, 2]] if turn.swaps else points.copy()
    for column, is_mirrored in enumerate(turn[1:]):
        if is_mirrored:
            made[:, column] = 1 - made[:, column]
    return made


def turned_mask(mask: Any, turn: Turn) -> Any:
    """Return a mask (height, width)."""
    made = mask.T if turn.swaps else mask
    return made[:: -1 if turn.mirrors_y else 1, :: -1 if turn.mirrors_x else 1].copy()


def within_a_turn(angle: float) -> float:
    """Return an angle, of which elements upstream may write any, as an object may have it: without full turns."""
    return angle if abs(angle) <= FULL_TURN else math.remainder(angle, math.tau)


def turned_angle(angle: float, turn: Turn) -> float:
    """Return how far a box is turned: each mirror reverses it."""
    return -angle if sum(turn) % 2 else angle
