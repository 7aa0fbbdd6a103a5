"""Give objects a number that stays the same from frame to frame, ``object_id``, which every element downstream sees.

::

    empycustom run street.mp4 --lib examples/people.py --lib empycustom.libs.track --out meta.jsonl

The tracker is that of norfair (the package norfair-enough): it predicts where each box will be by a Kalman filter, and matches
boxes by what they have in common. docs/libs/track.md says how to choose the options.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from empycustom import Option
from empycustom.libs.sources import Sources

OPTIONS = {
    "start_confidence": Option(0.35, "an object that is less sure does not begin a track", limits=(0, 1)),
    "min_confidence": Option(0.3, "an object that is less sure is not looked at; it stays untracked", limits=(0, 1)),
    "min_overlap": Option(
        0.05, "what a box and its predicted place have in common at least (intersection over union)", limits=(0, 1)
    ),
    "min_frames": Option(2, "an object gets its number when it was found so often", limits=(1, 100), unit="frames"),
    "forget_after": Option(2.0, "a track that finds no object for so long ends", limits=(0.01, 600), unit="seconds"),
    "keep_untracked": Option(True, "an object without a number stays; false: it is removed"),
    "per_class": Option(True, "a track has objects of one class_id alone"),
    "frame_rate": Option(0.0, "of the video; 0: the timestamps of the frames say it", limits=(0, 1000), unit="frames/s"),
}
STATEFUL: Final = True  # a track goes on from frame to frame
UNTRACKED: Final = -1
_USUAL_RATE: Final = 30.0  # frames/s, until the second frame says it
_HIGHEST_RATE: Final = 1000.0
_BOX_NOISE, _MOTION_NOISE = 2.0, 0.1  # best of those that were tried on people found by a weak detector
tracks: Sources[Tracks]


def start(options: Mapping[str, Any]) -> None:  # noqa: ARG001 - the callback's
    """Load the tracker, and begin without tracks."""
    global tracks
    try:
        import norfair  # noqa: F401 - it takes a second, which no frame shall wait
    except ImportError as error:
        raise ImportError(f'the tracker is missing ({error}): pip install "empycustom[libs]"') from error
    tracks = Sources(Tracks)


def process_ip(_io_buffer: Any, in_meta: Any, options: Mapping[str, Any]) -> Any:
    """Return the numbers of the objects of each frame."""
    return {"frame": [_numbered(frame, options) for frame in in_meta["frame"]]}


def _numbered(frame: Any, options: Mapping[str, Any]) -> dict[str, list[Any]]:
    of_source, time_s, passed = tracks.at(frame, options["frame_rate"])
    objects = frame["object"]
    ids = of_source.update(objects, time_s, passed, options)
    removed = [] if options["keep_untracked"] else [index for index, number in enumerate(ids) if number == UNTRACKED]
    changed = [
        {} if index in removed or each["object_id"] == ids[index] else {"object_id": ids[index]}
        for index, each in enumerate(objects)
    ]
    return {"changed_object": changed, "removed_object": removed}


class Tracks:
    """The tracks of one source. ``before`` are those from before its stream went back: numbers go on behind theirs."""

    def __init__(self, before: Tracks | None) -> None:
        self._last_id: int = before._last_id if before else 0
        self._first_id = self._last_id
        self._tracker: Any = None
        self._time_s, self._updates, self._rate = 0.0, 0, _USUAL_RATE

    def update(self, objects: Sequence[Any], time_s: float, passed: int, options: Mapping[str, Any]) -> list[int]:
        """Take in the objects of a frame, ``passed`` frames after the last one; return the number of each, -1: none."""
        gap_s, self._time_s = time_s - self._time_s, time_s
        if self._tracker is None or gap_s > options["forget_after"]:
            self._first_id, self._tracker, passed = self._last_id, _new_tracker(), 0
        self._updates += 1
        if passed and gap_s > 0:  # a mean, as timestamps of live sources are not regular
            self._rate += (min(passed / gap_s, _HIGHEST_RATE) - self._rate) * max(1 / (self._updates - 1), 0.05)
        self._set(options, max(passed, 1))
        for _ in range(min(passed - 1, self._tracker.hit_counter_max)):  # not processed, or dropped: the boxes move on
            self._tracker.update()
        known = set(self._tracker.tracked_objects)
        self._tracker.update(self._detections(objects, options), period=max(passed, 1))
        weakest = options["start_confidence"]
        tracks = [each for each in self._tracker.tracked_objects if each in known or each.last_detection.scores[0] >= weakest]
        self._tracker.tracked_objects = tracks
        return self._ids(len(objects))

    def _set(self, options: Mapping[str, Any], period: int) -> None:
        """Set what may change while it plays. A hit counts for all frames that passed, so the counters are of frames."""
        tracker = self._tracker
        tracker.distance_threshold = 1 - options["min_overlap"]
        tracker.initialization_delay = (options["min_frames"] - 1) * period
        tracker.hit_counter_max = max(math.ceil(options["forget_after"] * self._rate), tracker.initialization_delay + 1)
        for track in tracker.tracked_objects:
            track.hit_counter_max = tracker.hit_counter_max
            if track.is_initializing and 0 < track.hit_counter < period:  # it waits for the next frame, however late that is
                track.hit_counter = period

    def _detections(self, objects: Sequence[Any], options: Mapping[str, Any]) -> list[Any]:
        import numpy as np
        from norfair import Detection

        detections = []
        for index, each in enumerate(objects):
            box, confidence = each["rect_params"], each["confidence"]
            if confidence >= options["min_confidence"] and box["width"] > 0 and box["height"] > 0:
                left, top = box["left"], box["top"]
                points = np.array([[left, top], [left + box["width"], top + box["height"]]], float)
                label = each["class_id"] if options["per_class"] else None
                detections.append(Detection(points, np.full(2, confidence), (self._updates, index), label))
        return detections

    def _ids(self, count: int) -> list[int]:
        ids = [UNTRACKED] * count
        for track in self._tracker.tracked_objects:
            updated, index = track.last_detection.data
            if updated == self._updates and track.id is not None:
                ids[index] = self._first_id + track.id
        self._last_id = max([self._last_id, *ids])
        return ids


def _new_tracker() -> Any:
    from norfair import OptimizedKalmanFilterFactory, Tracker
    from norfair.distances import VectorizedDistance

    moves = OptimizedKalmanFilterFactory(R=_BOX_NOISE, Q=_MOTION_NOISE)
    tracker = Tracker("iou", distance_threshold=1, filter_factory=moves)
    tracker.distance_function = VectorizedDistance(_distance)  # it takes functions of two boxes, and names
    return tracker


def _distance(found: Any, predicted: Any) -> Any:
    """Return 1 - intersection over union of boxes (n, 4) and (m, 4): norfair's warns of boxes that shrank to nothing.

    Such are predictions for those whose box became smaller until they were not found: they have nothing in common with any box.
    """
    import numpy as np

    def area(sides: Any) -> Any:
        return np.prod(np.maximum(sides, 0), axis=-1)

    first, last = np.maximum(found[:, None, :2], predicted[:, :2]), np.minimum(found[:, None, 2:], predicted[:, 2:])
    shared = area(last - first)
    return 1 - shared / (area(found[:, 2:] - found[:, :2])[:, None] + area(predicted[:, 2:] - predicted[:, :2]) - shared)
