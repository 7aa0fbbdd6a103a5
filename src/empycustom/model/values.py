"""Values of the model: those that stand for "unknown", timestamps, and attributes of several libraries as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:  # the dicts of in_meta, for annotations
    from empycustom.types import BufferInfo as BufferInfo
    from empycustom.types import Classifier as Classifier
    from empycustom.types import FrameMeta, ObjectMeta
    from empycustom.types import InMeta as InMeta
    from empycustom.types import LabelInfo as LabelInfo
    from empycustom.types import Plane as Plane
    from empycustom.types import RectParams as RectParams
    from empycustom.types import TextParams as TextParams

    Frame = FrameMeta
    Object = ObjectMeta

UNKNOWN_CLASS = -1
UNTRACKED = -1
NO_PTS = -1


class Box(NamedTuple):
    """A box in pixels, from the upper left corner of the frame."""

    left: float
    top: float
    width: float
    height: float


class Label(NamedTuple):
    """A label of a classifier: the name and the number of the class, and a probability from 0 to 1."""

    name: str
    probability: float = 1.0
    class_id: int = 0
    label_id: int = 0
    num_classes: int = 0


class Classification(NamedTuple):
    """The labels of one classifier; ``component_id`` is the number of its element, 0: unknown; ``kind`` is what it classifies."""

    labels: tuple[Label, ...]
    component_id: int = 0
    kind: str = ""


class Detection(NamedTuple):
    """An object in a frame.

    ``class_id`` -1: unknown; ``track_id`` -1: not tracked; ``confidence`` from 0 to 1; ``text`` is what an overlay writes beside
    it. ``component_id`` (of the element that found it) and ``tracker_confidence`` are DeepStream's, None elsewhere.
    """

    label: str
    box: Box
    class_id: int = UNKNOWN_CLASS
    track_id: int = UNTRACKED
    confidence: float = 1.0
    text: str = ""
    classifications: tuple[Classification, ...] = ()
    component_id: int | None = None
    tracker_confidence: float | None = None


class Important(str):
    """A warning that goes to the bus, once, rather than to the log alone: the user has to install or correct something."""

    __slots__ = ()


def timestamp(seconds: float) -> str:
    """Return the local time of ``seconds`` since the epoch, to milliseconds, with a zone: ``2020-05-13T12:18:47.323-0600``."""
    return timestamp_of_ms(round(seconds * 1000))


@lru_cache(maxsize=16)
def timestamp_of_ms(milliseconds: int) -> str:
    """Return the local time of ``milliseconds`` since the epoch, as :func:`timestamp` writes it."""
    whole, rest = divmod(milliseconds, 1000)
    head, zone = _second(whole)
    return f"{head}.{rest:03d}{zone}"


@lru_cache(maxsize=4)
def _second(whole: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(whole).astimezone()
    return moment.strftime("%Y-%m-%dT%H:%M:%S"), moment.strftime("%z")


# Names of frames in messages: their number and their time.


_MOST = 4  # of a batch


def name_frames(frames: Sequence[Mapping[str, Any]]) -> str:
    """Name the frames of a buffer, as in_meta has them: ``frame 7 (0:00:00.233)``; ``""`` where there are none."""
    if len(frames) == 1 and not frames[0]["source_id"]:
        return f"frame {frames[0]['frame_num']} ({_time(frames[0])})"
    names = [f"{frame['frame_num']} ({_time(frame)}, source {frame['source_id']})" for frame in frames[:_MOST]]
    more = f" and {len(frames) - _MOST} more" if len(frames) > _MOST else ""
    return f"{'frame' if len(frames) == 1 else 'frames'} {', '.join(names)}{more}" if frames else ""


def number_in(name: str) -> int | None:
    """Return the number of the frame that :func:`name_frames` named; None: it named none, or several."""
    found = re.match(r"frame (\d+) ", name)
    return int(found[1]) if found else None


def _time(frame: Mapping[str, Any]) -> str:
    """Return the time of a frame in the video, else its timestamp, as GStreamer writes it, in milliseconds."""
    times = (frame.get(key, NO_PTS) for key in ("stream_time", "buf_pts"))
    time_ns = next((time for time in times if time != NO_PTS), None)
    if time_ns is None:
        return "no timestamp"
    seconds, ms = divmod(time_ns // 1_000_000, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


# The absence of attributes.


class _Nothing:
    """The absence of any value; null is a value."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __bool__(self) -> bool:
        return False


NOTHING: Final = _Nothing()


def is_nothing(value: Any) -> bool:
    """Return whether a value stands for no attributes: ``{}``, an empty text, null, or NOTHING."""
    return not value and (value is NOTHING or value is None or value == {} or value == "")
