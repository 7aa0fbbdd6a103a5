"""The shape of ``in_meta``, as typed dicts, and the values that stand for "unknown".

The dicts are the model itself, not a copy of one: a carrier fills them, the library gets them, aimeta writes them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # in typing itself from Python 3.11


UNKNOWN_CLASS = -1
UNTRACKED = -1
NO_PTS = -1


class RectParams(TypedDict):
    """A box in pixels of the buffer."""

    left: float
    top: float
    width: float
    height: float


class TextParams(TypedDict):
    """What an overlay writes beside an object."""

    display_text: str


class LabelInfo(TypedDict):
    """One label that a classifier gave; ``result_prob`` from 0 to 1."""

    num_classes: int
    result_label: str
    result_class_id: int
    label_id: int
    result_prob: float


class Classifier(TypedDict):
    """What one classifier said about an object."""

    num_labels: int
    unique_component_id: int
    label_info: list[LabelInfo]


class Object(TypedDict):
    """Something that was found in a frame. ``class_id`` -1: unknown. ``object_id`` -1: not tracked.

    ``unique_component_id`` names the element that found it, ``tracker_confidence`` is the tracker's own; both are DeepStream's.
    """

    class_id: int
    object_id: int
    confidence: float
    obj_label: str
    rect_params: RectParams
    text_params: TextParams
    classifier: list[Classifier]
    unique_component_id: NotRequired[int]
    tracker_confidence: NotRequired[float]
    emcustom: NotRequired[Any]


class Frame(TypedDict):
    """One frame of a buffer. ``buf_pts`` in nanoseconds, -1: the buffer has none.

    ``stream_time`` is the frame's time in the video in nanoseconds: 0 at its beginning, whatever the file counts from. -1: not
    known, because the buffer has no time, or came by DeepStream's muxer, which does not keep it.

    ``source`` is what it comes from, where ``empycustom run`` plays: a file as the user named it, a URI without passwords, a
    device, ``test``, ``-`` for stdin; the ``stream_id`` of a stream configuration.

    In DeepStream also: the size that it had at the muxer's input (``stream_width``, ``stream_height``), where it is in the batch
    (``batch_id``), the muxer's pad that it came by, and the time that is behind ``timestamp``, in ns since 1970, 0: unknown.
    """

    frame_num: int
    buf_pts: int
    stream_time: int
    timestamp: str
    source_id: int
    source: NotRequired[str]
    source_frame_width: int
    source_frame_height: int
    stream_width: NotRequired[int]
    stream_height: NotRequired[int]
    batch_id: NotRequired[int]
    pad_index: NotRequired[int]
    ntp_timestamp: NotRequired[int]
    object: list[Object]
    emcustom: NotRequired[Any]


class Plane(TypedDict):
    """Where a plane lies in the mapped buffer: ``offset`` and ``stride`` in bytes, width and height in samples."""

    offset: int
    stride: int
    width: int
    height: int


class BufferInfo(TypedDict):
    """How the buffer's pixels are laid out; ``memory`` is ``"CPU"`` or ``"NVMM"``, ``interlace_mode`` as caps spell it."""

    format: str
    width: int
    height: int
    memory: str
    interlace_mode: str
    planes: list[Plane]


class InMeta(TypedDict):
    """What a callback gets as ``in_meta``."""

    frame: list[Frame]
    buffer: BufferInfo
    emcustom: NotRequired[Any]


def timestamp(seconds: float) -> str:
    """Local time of ``seconds`` since the epoch, in milliseconds with a numeric zone: ``2020-05-13T12:18:47.323-0600``."""
    return timestamp_of_ms(round(seconds * 1000))


@lru_cache(maxsize=16)
def timestamp_of_ms(milliseconds: int) -> str:
    """The same of milliseconds."""
    whole, rest = divmod(milliseconds, 1000)
    head, zone = _second(whole)
    return f"{head}.{rest:03d}{zone}"


@lru_cache(maxsize=4)
def _second(whole: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(whole).astimezone()
    return moment.strftime("%Y-%m-%dT%H:%M:%S"), moment.strftime("%z")


# How messages name frames: by their number and their time.


_MOST = 4  # of a batch


def name_frames(frames: Sequence[Mapping[str, Any]]) -> str:
    """Name the frames of a buffer, as in_meta has them: ``frame 7 (0:00:00.233)``; ``""`` where there are none."""
    if len(frames) == 1 and not frames[0]["source_id"]:
        return f"frame {frames[0]['frame_num']} ({_time(frames[0])})"
    names = [f"{frame['frame_num']} ({_time(frame)}, source {frame['source_id']})" for frame in frames[:_MOST]]
    more = f" and {len(frames) - _MOST} more" if len(frames) > _MOST else ""
    return f"{'frame' if len(frames) == 1 else 'frames'} {', '.join(names)}{more}" if frames else ""


def _time(frame: Mapping[str, Any]) -> str:
    """Return the time of a frame in the video, else its timestamp, as GStreamer writes it, in milliseconds."""
    times = (frame.get(key, NO_PTS) for key in ("stream_time", "buf_pts"))
    time_ns = next((time for time in times if time != NO_PTS), None)
    if time_ns is None:
        return "no timestamp"
    seconds, ms = divmod(time_ns // 1_000_000, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


# How what several libraries said about the same thing becomes one.


class _Nothing:
    """Nobody said anything: not even null, which is a value."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __bool__(self) -> bool:
        return False


NOTHING: Final = _Nothing()


def is_nothing(said: Any) -> bool:
    """Whether ``said`` says nothing: the seed's ``{}``, an empty text, null, or nothing at all."""
    return not said and (said is NOTHING or said is None or said == {} or said == "")


def merge(earlier: Any, later: Any) -> Any:
    """Return ``later`` on top of ``earlier``: dicts key by key, at every depth; anything else replaces.

    Words are merged from the left, in pipeline order: a value that is no dict wipes out what was said before it. Neither argument
    is changed; the result may share parts with both.
    """
    if later is NOTHING:
        return earlier
    if isinstance(earlier, dict) and isinstance(later, dict):
        return {**earlier, **{key: merge(earlier[key], value) if key in earlier else value for key, value in later.items()}}
    return later
