"""Detections in a HailoROI, and all that is in them, as objects of in_meta, and back.

Boxes are in parts of the ROI that has them: of the frame, or of the detection that they are a part of. Key points are in parts of
their own detection. Numbers are floats of 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from empycustom.carriers.protocol import Box
from empycustom.model import values as model
from empycustom.model.arrays import KEYPOINTS, SKELETON
from empycustom.model.keys import CLASS_ID, CLASSIFIERS, CONFIDENCE, LABEL, TRACK_ID
from empycustom.model.wire import classifier_dict, clean_box, detection_of, plain_object, usable
from empycustom.native.loading import single

_LARGEST = 2**31 - 1  # an int of C
_DEEPEST = 16  # an object that is a part of itself must not hang the pipeline
_PIXELS = 3  # digits of a pixel: more are not in a float of 32 bits, in a frame of 8K
_KIND = "empycustom"  # of classifications and key points that say none: Hailo's have one
_THRESHOLD = 0.0  # of a point's confidence, below which overlays do not draw it


class Seen(NamedTuple):
    """A detection; ``owner`` is the ROI that has it, ``area`` that of the owner in pixels, ``parts`` what the detection has."""

    detection: Any
    owner: Any
    area: Box
    parts: list[Any]
    parent: Any


def detections_in(hailo: Any, roi: Any, size: tuple[int, int]) -> Iterator[Seen]:
    """Yield the detections of a ROI that is a whole frame, each before its own parts."""
    return _walk(hailo, roi, roi.get_objects(), (0, 0, *size), None, _DEEPEST)


def _walk(hailo: Any, owner: Any, objects: Iterable[Any], area: Box, parent: Any, depth: int) -> Iterator[Seen]:
    for found in objects if depth else ():
        if isinstance(found, hailo.HailoDetection):
            parts = found.get_objects()
            yield Seen(found, owner, area, parts, parent)
            if parts:
                yield from _walk(hailo, found, parts, box_in(found, area), found, depth - 1)
        elif isinstance(found, hailo.HailoROI):  # a tile
            yield from _walk(hailo, found, found.get_objects(), box_in(found, area), parent, depth - 1)


def box_in(roi: Any, area: Box) -> Box:
    """Return the box of a ROI in pixels; ``area`` is that of the one that has it."""
    box, (left, top, width, height) = roi.get_bbox(), area
    return left + box.xmin() * width, top + box.ymin() * height, box.width() * width, box.height() * height


def rounded_in(roi: Any, area: Box) -> Box:
    """Return the box of a ROI in pixels as it was written, rather than as 32 bits hold it."""
    left, top, width, height = box_in(roi, area)
    return round(left, _PIXELS), round(top, _PIXELS), round(width, _PIXELS), round(height, _PIXELS)


# Reading.


def read(hailo: Any, seen: Seen, warnings: list[str]) -> model.Object:
    """Return a detection as in_meta has it."""
    detection, parts, confidence = seen.detection, seen.parts, single(seen.detection.get_confidence())
    made: Any = plain_object(_text(detection.get_label), *clean_box(*rounded_in(detection, seen.area), warnings))
    made[CLASS_ID] = detection.get_class_id()
    made[CONFIDENCE] = confidence if 0 <= confidence <= 1 else usable(confidence, "a confidence", warnings)
    if parts:
        _read_parts(hailo, seen, made, warnings)
    return made  # type: ignore[no-any-return]


def _read_parts(hailo: Any, seen: Seen, made: dict[str, Any], warnings: list[str]) -> None:
    tracks = [part.get_id() for part in seen.parts if is_track(hailo, part)]
    if tracks and tracks[0] >= 0:
        made[TRACK_ID] = tracks[0]
    classes = (part for part in seen.parts if isinstance(part, hailo.HailoClassification))
    made[CLASSIFIERS] = [*map(classifier_dict, map(_classification, classes))]
    landmarks = landmarks_of(hailo, seen.parts)
    if landmarks is not None:
        made |= _keypoints(landmarks, box_in(seen.detection, seen.area), warnings)


def is_track(hailo: Any, part: Any) -> bool:
    """Return whether a part of a detection is the number that a tracker gave to it."""
    return isinstance(part, hailo.HailoUniqueID) and int(part.get_mode()) == int(hailo.TRACKING_ID)


def landmarks_of(hailo: Any, parts: Iterable[Any]) -> Any:
    """Return the first landmarks among the parts of a detection that have points; None: there are none."""
    return next((part for part in parts if isinstance(part, hailo.HailoLandmarks) and part.get_points()), None)


def _classification(part: Any) -> model.Classification:
    label = model.Label(_text(part.get_label), single(part.get_confidence()), part.get_class_id())
    return model.Classification((label,), kind=_text(part.get_classification_type))


def _keypoints(landmarks: Any, box: Box, warnings: list[str]) -> dict[str, Any]:
    """Return the key points of an object, and the lines between them."""
    import numpy as np

    left, top, width, height = box
    raw = landmarks.get_points()
    points = np.array([(left + each.x() * width, top + each.y() * height, each.confidence()) for each in raw], np.float64)
    if not (np.abs(points) <= _LARGEST).all():
        warnings.append(
            "landmarks of an object were left out: they are NaN, infinite or out of range; an element upstream wrote them"
        )
        return {}
    pairs = [[*pair] for pair in landmarks.get_pairs() if min(pair) >= 0 and max(pair) < len(points)]
    made = {KEYPOINTS: points.astype(np.float32)}
    return {**made, SKELETON: pairs} if pairs else made


def _text(get: Any) -> str:
    """Return a text of C++, whose bytes need not be UTF-8."""
    try:
        return str(get())
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")


# Writing.


def new_detection(hailo: Any, found: Mapping[str, Any], bbox: Any, warnings: list[str]) -> Any:
    """Return a detection of an object of in_meta, with a box of Hailo's, and without parts."""
    class_id = found[CLASS_ID]
    if not -_LARGEST <= class_id <= _LARGEST:
        warnings.append(f"Hailo's detections have no class_id {class_id}; it is -1 there")
        class_id = model.UNKNOWN_CLASS
    return hailo.HailoDetection(bbox, class_id, _written(found[LABEL]), _sure(found[CONFIDENCE], warnings))


def bbox_of(hailo: Any, box: Any, area: Box) -> Any:
    """Return a box in pixels as that of a ROI; ``area`` is that of the one which is to have it."""
    (x, y, width, height), (left, top, across, down) = box, (area[0], area[1], area[2] or 1, area[3] or 1)
    return hailo.HailoBBox((x - left) / across, (y - top) / down, width / across, height / down)


def track_of(hailo: Any, found: Mapping[str, Any], warnings: list[str]) -> list[Any]:
    """Return the number of a tracker as a part of a detection; empty: the object has none, or Hailo cannot hold it."""
    number = found[TRACK_ID]
    if number > _LARGEST:
        warnings.append(f"Hailo's detections have no object_id {number}: the largest one is {_LARGEST}; ours has it")
        return []
    return [hailo.HailoUniqueID(number, hailo.TRACKING_ID)] if number != model.UNTRACKED else []


def classifications_of(hailo: Any, found: Mapping[str, Any], warnings: list[str]) -> list[Any]:
    """Return the labels that classifiers gave to an object as parts of a detection."""
    return [
        hailo.HailoClassification(
            _written(each.kind or _KIND), label.class_id, _written(label.name), _sure(label.probability, warnings)
        )
        for each in detection_of(found).classifications
        for label in each.labels
    ]


def landmarks_from(hailo: Any, found: Mapping[str, Any], before: Any, box: Box) -> list[Any]:
    """Return the key points of an object as a part of a detection with a ``box`` in pixels; ``before`` are those that it had."""
    points = found.get(KEYPOINTS)
    if points is None:
        return []
    left, top, width, height = box
    across, down = width or 1, height or 1
    made = [hailo.HailoPoint((x - left) / across, (y - top) / down, min(max(sure, 0), 1)) for x, y, sure in points.tolist()]
    kind, threshold = (before.get_landmarks_type(), before.get_threshold()) if before is not None else (_KIND, _THRESHOLD)
    return [hailo.HailoLandmarks(kind, made, threshold, [tuple(pair) for pair in found.get(SKELETON) or ()])]


def points_in(hailo: Any, landmarks: Any, before: Box, now: Box) -> list[Any]:
    """Return the points of landmarks, which were in parts of a box, in parts of another one."""
    (x, y, width, height), (left, top, across, down) = before, (now[0], now[1], now[2] or 1, now[3] or 1)
    return [
        hailo.HailoPoint((x + point.x() * width - left) / across, (y + point.y() * height - top) / down, point.confidence())
        for point in landmarks.get_points()
    ]


def _sure(confidence: float, warnings: list[str]) -> float:
    """Return a confidence as Hailo takes it."""
    if 0 <= confidence <= 1:
        return confidence
    warnings.append(f"Hailo takes confidences from 0 to 1; {confidence} was cut to that")
    return min(max(confidence, 0.0), 1.0)


def _written(label: str) -> str:
    return label.encode("utf-8", "backslashreplace").decode()  # lone surrogates are not in UTF-8
