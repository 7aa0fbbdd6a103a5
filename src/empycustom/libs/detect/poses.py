"""Look at each person alone: a model of poses gives the objects that were found before it their key points."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import empycustom
from empycustom.libs.chosen import Chosen
from empycustom.libs.detect.layouts import LAYOUTS
from empycustom.libs.detect.model import Model
from empycustom.libs.shapes import Area, Box, box_of

AROUND = 1.25  # the side of the square that is looked at, in longer sides of the box: hands and feet reach out of boxes
POSE = {"keypoints", "keypoint_names", "skeleton"}
_log = logging.getLogger(__name__)


class Poses:
    """Finds the key points of objects with certain labels. Raises ValueError where the model finds no poses."""

    def __init__(self, labels: Sequence[Any], model: Model) -> None:
        self.labels, self._model, self._chosen = labels, model, Chosen(labels)
        if LAYOUTS[model.layout].task != "pose":
            raise ValueError(
                f"the option objects is for models that find poses, and the layout of this one is {model.layout}: leave it out"
            )

    def changes(
        self, io_buffer: Any, in_meta: Mapping[str, Any], frame: Mapping[str, Any], options: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the key points of each object of a frame, those of the surest pose in its square."""
        changed: list[dict[str, Any]] = [{} for _ in frame["object"]]
        boxes = [(index, box_of(obj)) for index, obj in enumerate(frame["object"]) if self._chosen.has(obj)]
        squares = [(index, _square(box)) for index, box in boxes if box and max(box.width, box.height) >= 1]
        if not squares:
            return changed
        with empycustom.map_frame(io_buffer, in_meta, batch_id=frame.get("batch_id", 0)) as mapped:
            height, width = mapped.rgb.shape[:2]
            areas = [(index, Area.around(square.corners(), width, height)) for index, square in squares]
            areas = [(index, area) for index, area in areas if not area.is_empty]
            pictures = [mapped.rgb[area.top : area.bottom, area.left : area.right].download() for _, area in areas]
        for (index, area), poses in zip(areas, self._model.find_all(pictures, options), strict=True):
            if poses:
                pose = {key: value for key, value in poses[0].items() if key in POSE}
                changed[index] = {**pose, "keypoints": pose["keypoints"] + np.array((area.left, area.top, 0), np.float32)}
        return changed

    def stop(self) -> None:
        """Warn where no object was one of those that are looked at."""
        if missed := self._chosen.missed("objects"):
            _log.warning("no pose was looked for: %s", missed)


def _square(box: Box) -> Box:
    side = AROUND * max(box.width, box.height)
    return Box(box.left + (box.width - side) / 2, box.top + (box.height - side) / 2, side, side)
