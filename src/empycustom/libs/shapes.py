"""Where objects are in the pixels of a frame: boxes, turned boxes and masks. Shared by ``draw`` and ``privacy``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
FAR = 30000.0  # no frame is so large; what lies further away is moved here, where OpenCV's integers reach


def opencv() -> ModuleType:
    """Return cv2. Raises ImportError, which says how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError('This library needs OpenCV: pip install "empycustom[libs]"') from error
    module: ModuleType = cv2
    return module


class Box(NamedTuple):
    """An upright box, in pixels of the frame."""

    left: float
    top: float
    width: float
    height: float

    def grown(self, by: float) -> Box:
        """Return the box with ``by`` times its smaller side more at each side."""
        more = by * min(self.width, self.height)
        return Box(self.left - more, self.top - more, self.width + 2 * more, self.height + 2 * more)

    def corners(self, rotation: float = 0.0) -> Array:
        """Return the corners as an array (4, 2), from the upper left one clockwise, turned about the centre by radians."""
        x, y = self.width / 2, self.height / 2
        points = np.array([(-x, -y), (x, -y), (x, y), (-x, y)])
        if rotation:
            sin, cos = math.sin(rotation), math.cos(rotation)
            points = points @ np.array([(cos, sin), (-sin, cos)])
        moved: Array = points + np.array((self.left + x, self.top + y))
        return moved


def box_of(obj: Mapping[str, Any]) -> Box | None:
    """Return the box of an object, not yet turned; None where its numbers are missing, not finite, or a size is negative."""
    rect = obj.get("rect_params") or {}
    try:
        box = Box(*(float(rect[key]) for key in Box._fields))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return box if all(map(math.isfinite, box)) and min(box.width, box.height) >= 0 else None


def rotation_of(obj: Mapping[str, Any]) -> float:
    """Return how far an object's box is turned, in radians clockwise; 0.0 for an upright one.

    Raises ValueError where it is not a finite number.
    """
    rotation = float(obj.get("rotation") or 0)
    if not math.isfinite(rotation):
        raise ValueError(f"rotation has to be a finite number of radians, not {rotation}")
    return rotation


class Area(NamedTuple):
    """A part of a frame in whole pixels; ``right`` and ``bottom`` do not belong to it."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points: Array, width: int, height: int, step: int = 1) -> Area:
        """Return the area of a frame that points lie in, from a multiple of ``step`` to one, or to the edge of the frame."""
        size = (width, height)
        first = np.clip(np.floor(points.min(axis=0) / step) * step, 0, size)
        last = np.clip(np.ceil(points.max(axis=0) / step) * step, 0, size)
        return cls(*first.astype(int).tolist(), *last.astype(int).tolist())

    @property
    def is_empty(self) -> bool:
        """True if no pixel is in it."""
        return self.left >= self.right or self.top >= self.bottom

    @property
    def shape(self) -> tuple[int, int]:
        """The height and the width in pixels."""
        return self.bottom - self.top, self.right - self.left


def mask_in(mask: Any, box: Box, area: Area) -> Array:
    """Return which pixels of an area a mask covers, as uint8 (height, width), 255 or 0.

    Parameters
    ----------
    mask : array_like
        (h, w), of 0 and 1 or of confidences, stretched over ``box``; from 0.5 on a pixel is covered, and where it is NaN.
    box : Box
        The upright box of the object.
    area : Area
        The pixels to return; what is outside of the box is not covered.

    Raises
    ------
    ValueError
        For a mask of another shape.
    """
    cv2 = opencv()
    values = np.asarray(mask)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"the mask of an object has to have the shape (height, width), not {values.shape}")
    covered = np.where(values < 0.5, np.float32(0), np.float32(1))
    scale_x, scale_y = values.shape[1] / max(box.width, 1e-6), values.shape[0] / max(box.height, 1e-6)
    into = np.array(
        [
            [scale_x, 0, (area.left + 0.5 - box.left) * scale_x - 0.5],
            [0, scale_y, (area.top + 0.5 - box.top) * scale_y - 0.5],
        ]
    )
    height, width = area.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    stretched = cv2.warpAffine(covered, into, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = Area.around(box.corners() - (area.left, area.top), width, height)
    result = np.zeros((height, width), np.uint8)
    part = np.s_[inside.top : inside.bottom, inside.left : inside.right]
    result[part] = (stretched[part] >= 0.5) * np.uint8(255)
    return result


def polygon_in(points: Array, area: Area) -> Array:
    """Return which pixels of an area a polygon touches, as uint8 (height, width), 255 or 0."""
    cover = np.zeros(area.shape, np.uint8)
    fixed = np.clip((points - (area.left + 0.5, area.top + 0.5)) * 8, -FAR * 8, FAR * 8)
    opencv().fillPoly(cover, [np.rint(fixed).astype(np.int32)], 255, shift=3)
    return cover
