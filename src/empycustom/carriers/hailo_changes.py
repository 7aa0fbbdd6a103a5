"""What a library changes of Hailo's detections, in the HailoROI.

Python can give another box to a detection, and other parts. For another label, class or confidence there is a new detection in
the place of the old one, and where one becomes a part of another, or no longer is one. What is in a detection stays where it is
in the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from empycustom.carriers.hailo_module import Numbers
from empycustom.carriers.hailo_objects import (
    Seen,
    bbox_of,
    box_in,
    classifications_of,
    detections_in,
    is_track,
    landmarks_from,
    landmarks_of,
    new_detection,
    points_in,
    read,
    rounded_in,
    track_of,
)
from empycustom.carriers.protocol import Box, Change, Size, lost_its_number
from empycustom.model.arrays import KEYPOINTS, PARENT_ID, SKELETON
from empycustom.model.keys import BOX, CLASS_ID, CLASSIFIERS, CONFIDENCE, LABEL, TRACK_ID
from empycustom.model.wire import box_of_object

_FIXED = frozenset((LABEL, CLASS_ID, CONFIDENCE))  # of a detection, once it is made


class Changes:
    """Changes the detections of a ROI in a frame of a ``size``. ``warnings`` gets a sentence for what could not be kept."""

    def __init__(self, hailo: Any, roi: Any, size: Size, numbers: Numbers, warnings: list[str]) -> None:
        self._hailo, self._roi, self._frame, self._numbers, self._warnings = hailo, roi, (0, 0, *size), numbers, warnings
        self._there = {numbers.of(seen.detection): seen for seen in detections_in(hailo, roi, size)}

    def change(self, number: int, change: Change) -> Box | None:
        """Change the detection with a number. Return its box; None: it is no longer there, a branch of a ``tee`` removed it."""
        seen = self._there.get(number)
        if seen is None:
            return None
        found, keys = change
        if lost_its_number(change):
            self._lift_parts(seen)
        area, detection = seen.area, seen.detection
        if PARENT_ID in keys and seen.parent is not None:  # the new one is related to it when all objects are there
            area = self._frame
            detection = self._put(seen, found, self._roi, area, keys)
        elif keys & _FIXED:
            detection = self._put(seen, found, seen.owner, area, keys)
        elif BOX in keys:
            before = box_in(detection, area)
            detection.set_bbox(bbox_of(self._hailo, box_of_object(found), area))
            self._settle(seen, before, detection, box_in(detection, area))
        self._set_parts(detection, found, keys, box_in(detection, area))
        return rounded_in(detection, area)

    def remove(self, number: int) -> None:
        """Remove the detection with a number, but not those that are parts of it."""
        seen = self._there.get(number)
        if seen is not None:
            self._lift_parts(seen)
            seen.owner.remove_object(seen.detection)

    def relate(self, number: int, parent: int) -> None:
        """Let the detection with a number be a part of another one, unless that is a part of it."""
        seen, of = self._there.get(number), self._there.get(parent)
        if seen is None or of is None or seen.parent is of.detection or self._is_within(of, seen):
            return
        self._put(seen, read(self._hailo, seen, self._warnings), of.detection, box_in(of.detection, of.area))

    def _is_within(self, seen: Seen, other: Seen) -> bool:
        while seen.detection is not other.detection:
            if seen.parent is None:
                return False
            seen = self._there[self._numbers.of(seen.parent)]
        return True

    def _lift_parts(self, seen: Seen) -> None:
        """Let what is a part of a detection be beside it."""
        for part in self._parts_of(seen):
            self._put(part, read(self._hailo, part, self._warnings), seen.owner, seen.area)

    def _parts_of(self, seen: Seen) -> list[Seen]:
        return [each for each in self._there.values() if each.parent is seen.detection]

    def _put(self, seen: Seen, found: Mapping[str, Any], owner: Any, area: Box, keys: Set[str] = frozenset()) -> Any:
        """Put an object of in_meta into a ROI, in the place of the detection that was seen, and with its parts; return it.

        ``keys`` are those of what is different; ``area`` is the box of the owner.
        """
        box = box_of_object(found) if BOX in keys else box_in(seen.detection, seen.area)
        made = new_detection(self._hailo, found, bbox_of(self._hailo, box, area), self._warnings)
        seen.owner.remove_object(seen.detection)
        for part in seen.parts:
            if not isinstance(part, self._hailo.HailoDetection):
                made.add_object(part)
        owner.add_object(made)
        self._numbers.give(made, self._numbers.of(seen.detection))
        self._settle(seen, box_in(seen.detection, seen.area), made, box_in(made, area))
        return made

    def _settle(self, seen: Seen, before: Box, detection: Any, now: Box) -> None:
        """Let the parts of a detection that was seen be in another one, or in its new box, where they are in the frame."""
        for part in seen.parts:
            if before != now and isinstance(part, self._hailo.HailoLandmarks):
                part.set_points(points_in(self._hailo, part, before, now))
        for part in self._parts_of(seen):
            self._put(part, read(self._hailo, part, self._warnings), detection, now)

    def _set_parts(self, detection: Any, found: Mapping[str, Any], keys: Set[str], box: Box) -> None:
        """Write what is in parts of a detection, as far as the library has changed it."""
        hailo, parts = self._hailo, detection.get_objects()
        gone, made = [], []
        if TRACK_ID in keys:
            gone += [part for part in parts if is_track(hailo, part)]
            made += track_of(hailo, found, self._warnings)
        if CLASSIFIERS in keys:
            gone += [part for part in parts if isinstance(part, hailo.HailoClassification)]
            made += classifications_of(hailo, found, self._warnings)
        if keys & {KEYPOINTS, SKELETON}:
            before = landmarks_of(hailo, parts)
            gone += [before] if before is not None else []
            made += landmarks_from(hailo, found, before, box)
        for part in gone:
            detection.remove_object(part)
        for part in made:
            detection.add_object(part)
