"""What a carrier and an object source are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence, Set
from typing import Any, NamedTuple, Protocol

from empycustom.model import values as model
from empycustom.model.results import Said
from empycustom.model.values import NOTHING
from empycustom.native.metas import VideoLayout


class Reading:
    """What a buffer says.

    ``frames`` are fresh dicts that the library may change. ``tokens`` tell the objects of each frame apart, and ``frame_num`` and
    ``timestamp`` name the first one, in spite of such changes. ``numbered``: the buffer itself carries both. ``words`` are about
    the batch. ``layout`` is what its GstVideoMeta says, if it has one. ``blank``: it is one frame without objects, and nothing
    was said yet. ``time_ns`` is when it was read, since 1970. ``complaints`` are sentences about what could not be taken as it
    is. ``size`` is that of the frames, in pixels; ``reshaped``: objects were spoken about when the frame had another shape.
    """

    tokens: Sequence[Sequence[Hashable]] = ((),)
    numbered = False
    blank = True
    words: Any = NOTHING
    layout: VideoLayout | None = None
    time_ns = 0
    complaints: Sequence[str] = ()
    reshaped = False

    def __init__(self, frame: model.Frame) -> None:
        self.frames = [frame]
        self.frame_num, self.timestamp = frame["frame_num"], frame["timestamp"]
        self.size = frame["source_frame_width"], frame["source_frame_height"]


class Carrier(Protocol):
    """Reads and writes the metadata of one kind of buffer. ``address`` is ``hash(buffer)``."""

    def read(self, metas: list[tuple[int, int]], frame: model.Frame) -> Reading:
        """Read the metas of a buffer, each as the type of its API and its address.

        ``frame`` holds what the element itself knows; what the buffer says goes on top of it.
        """

    def number_in(self, metas: list[tuple[int, int]]) -> int | None:
        """Return the number of the frame that a buffer carries itself, None where it carries none."""

    def stamp(self, address: int, frame_num: int, time_ns: int) -> None:
        """Let a writable buffer carry the number and the time of its frame, for those downstream."""

    def discard(self, address: int) -> None:
        """Take off a writable buffer what was said there and cannot be read: the frame is to go on without it."""

    def say(self, address: int, reading: Reading, words: str) -> Sequence[str]:
        """Add words about the frame, as JSON, to a writable buffer that was blank when read. Returns what ``write`` does."""

    def follow(self, address: int, reading: Reading, factors: tuple[float, float]) -> None:
        """What was read has been copied to the buffer at ``address``, whose frame is wider and higher by two factors.

        Fit to that size what GStreamer's copy did not, and know there what was read.
        """

    def write(self, address: int, reading: Reading, said: Said) -> Sequence[str]:
        """Add what was said about what was read to a writable buffer.

        It may be another buffer than the one that was read, with the same metas. Returns a sentence for each thing that could
        not be kept.
        """


class Found(NamedTuple):
    """One object on a buffer.

    ``token`` begins with the kind of its meta and its id there; it tells the object from the others and is the same on a copy of
    the buffer. ``facts`` is what its meta at ``meta_address`` says, complete; ``known`` names those that the meta itself holds,
    against those that are only defaults.
    """

    token: tuple[Any, ...]
    facts: model.Object
    known: list[str]
    meta_address: int

    @property
    def key(self) -> str:
        """What ties our words to the object across elements, as far as conversions keep it; ``""``: it has none yet."""
        return key_of(self.token)


def key_of(token: tuple[Any, ...]) -> str:
    """Return the key of an object: ``region/7``, ``analytics/0``."""
    kind, number = token[:2]
    return f"{kind}/{number}" if number or kind != "region" else ""  # 0 is the id of every region that got none


LARGEST_NUMBER = 2**31 - 1


def free_numbers(used: Set[int]) -> Iterator[int]:
    """Return the numbers of an int, from 1, that are not ``used``: those behind all of them first."""
    last = max(used, default=0)
    yield from range(max(0, last) + 1, LARGEST_NUMBER + 1)
    yield from (number for number in range(1, min(last, LARGEST_NUMBER)) if number not in used)


def scaled(size: tuple[int, int], factors: tuple[float, float]) -> tuple[int, int]:
    """Return a size in pixels that has become wider and higher by two factors."""
    return round(size[0] * factors[0]), round(size[1] * factors[1])


# Labels of new objects where they are GQuarks: in the type of a region, and in GstAnalytics.
#
# GLib never frees a quark. So labels that keep coming, such as number plates, stay out of them: the object is called
# :data:`ELSEWHERE`, and its label stands in our own record of it.


ELSEWHERE = "label-in-EmPyCustomMeta"
MOST, LONGEST = 4096, 256  # labels of the whole process, and characters of one: 2 MB at most
_COMPLAINT = (
    f"more than {MOST} labels, or one of more than {LONGEST} characters: GStreamer frees none, so further objects are called "
    f"{ELSEWHERE} in GStreamer's own metadata; their labels are in the JSON of EmPyCustomMeta"
)

_labels: set[str] = set()


def carried(label: str, complaints: list[str]) -> str:
    """Return what an object with a label is called in GStreamer's own metadata: the same, or ELSEWHERE and a complaint."""
    if label in _labels:
        return label
    if len(_labels) >= MOST or len(label) > LONGEST:
        complaints.append(_COMPLAINT)
        return ELSEWHERE
    _labels.add(label)
    return label


def stands_for(there: str, label: str) -> bool:
    """Whether an object that is called ``there`` may be the one with a label."""
    return there in (label, ELSEWHERE)
