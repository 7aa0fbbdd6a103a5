"""What a carrier is, and a source of objects; and what a buffer carries, decoded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

from empycustom.model import values as model
from empycustom.model.keys import FRAME_NUM, HEIGHT, TIMESTAMP, WIDTH
from empycustom.model.results import Result
from empycustom.model.values import NOTHING
from empycustom.native.metas import Runs, VideoLayout

Handle = tuple[Any, int, tuple[Any, ...], str, Any]  # of an object, see ObjectSource.decode
Place = tuple[tuple[Any, ...], Any, int, int]  # of an object, see ObjectSource.locate
Box = tuple[int, int, int, int]


class Frame:
    """What a buffer carries, decoded once: one frame, or the frames of a batch.

    ``frames`` are fresh dicts that the library may change. What is needed to apply its result stays beside them: ``handles`` of
    the objects of each frame, in the same order, which are the carrier's; the number and the timestamp of the first frame; and
    ``text``, our own JSON on the buffer. ``has_frame_number``: the buffer itself carries number and timestamp. ``attributes``
    are those of the batch. ``layout`` is what the GstVideoMeta says, if there is one; ``in_meta`` is what a callback gets.
    ``time_ns`` is when it was read, since 1970. ``warnings`` are sentences about what could not be taken as it is. ``size`` is
    that of the frames, in pixels; ``is_reshaped``: objects got attributes when the frame had another shape.
    """

    handles: Sequence[Sequence[Any]] = ((),)
    has_frame_number = False
    attributes: Any = NOTHING
    layout: VideoLayout | None = None
    time_ns = 0
    warnings: Sequence[str] = ()
    is_reshaped = False
    text = b""
    carrier: Carrier
    in_meta: dict[str, Any]

    def __init__(self, frame: model.Frame) -> None:
        self.frames = [frame]
        self.frame_num, self.timestamp = frame[FRAME_NUM], frame[TIMESTAMP]
        self.size = frame[WIDTH], frame[HEIGHT]


Kept = tuple[int | None, Callable[[Any], Frame]]
"""The number that a buffer carries, None: it carries none; and what returns it decoded, given what the element itself knows.

Attributes may stay JSON in it.
"""


class Carrier(Protocol):
    """Decodes and writes the metadata of one kind of buffer. ``address`` is ``hash(buffer)``, ``runs`` are what scanning finds.

    Adding one is a row in ``carriers/tables.py``. ``msg_blob``: attributes become messages for a broker, too, where it knows how.
    """

    msg_blob: bool

    def accepts(self, runs: Runs) -> bool:
        """Return whether buffers with these metas are of this kind."""

    def decode(self, runs: Runs, frame: model.Frame, *, as_json: bool = False) -> Frame:
        """Decode the metas of a buffer. ``as_json``: attributes may stay JSON (bytes), as for a document that becomes JSON.

        ``frame`` holds what the element itself knows; what the buffer says goes on top of it. Raises MetadataError.
        """

    def keep(self, address: int, runs: Runs, size: tuple[int, int]) -> Kept | None:
        """Return what decodes a buffer with frames of a ``size`` later, when it is gone. None: it has to be decoded now."""

    def number_in(self, runs: Runs) -> int | None:
        """Return the number of the frame that a buffer carries itself, None where it carries none."""

    def discard(self, address: int) -> None:
        """Take off a writable buffer the attributes that cannot be decoded: the frame is to go on without them."""

    def rescale(self, address: int, frame: Frame, factors: tuple[float, float]) -> None:
        """Fit to its size what was copied to the buffer at ``address``, whose frame is wider and higher by two factors.

        GStreamer's own copy did the rest; ``frame`` is what was decoded, and is known there from now on.
        """

    def apply(self, address: int, frame: Frame, result: Result) -> Sequence[str]:
        """Add the result about a decoded buffer to a writable one: the same, or another one with copies of its metas.

        Objects that are no longer there get nothing. Return a sentence for each thing that could not be kept.
        """


class ObjectSource(Protocol):
    """Knows one kind of GstMeta that holds objects. Adding one is a file, and a row in ``carriers/tables.py`` or an entry point.

    An object has a *number* there, which copies and conversions keep, and a *state*, a tuple by which it is found again on a
    buffer.
    """

    kind: str
    """Begins the keys of its objects: ``"region"`` of ``region/7``."""
    api: int
    """The GType of the API of its metas; 0: this GStreamer has none."""
    kept: frozenset[str]
    """The keys of an object of in_meta that its metas hold through all conversions; others go beside the attributes."""
    fixed: int
    """So many entries at the beginning of a state are the same when the frame is scaled."""
    can_add: bool
    """New objects may become metas of this kind."""

    def decode(self, metas: Sequence[int], objects: list[Any], handles: list[Handle], warnings: list[str]) -> None:
        """Add the objects of the metas at some addresses to ``objects``, as in_meta has them, and to ``handles``.

        A handle is ``(source, number, state, label, lost)``; ``lost`` is a dict of what a conversion would lose, or None. None of
        it may be shared with the objects, which are the library's.
        """

    def locate(self, metas: Sequence[int]) -> list[Place]:
        """Return ``(state, source, meta, number)`` of each object of the metas at some addresses, in the same order."""

    def key(self, number: int) -> str:
        """Return the key of the object with a number, ``""``: it has none yet."""

    def claim(self, meta: int, number: int, free: Iterator[int]) -> int:
        """Give the object with a ``number`` that is 0, or shared, a free one; return the number that it has from now on."""

    def add(self, address: int, found: model.Object, free: Iterator[int], warnings: list[str]) -> tuple[str, Box]:
        """Add an object, with one of the free numbers; return its key, and the box that is there."""


LARGEST_NUMBER = 2**31 - 1


def free_numbers(used: Collection[int]) -> Iterator[int]:
    """Return the numbers of an int, from 1, that are not ``used``: those behind all of them first."""
    last = max(used, default=0)
    yield from range(max(0, last) + 1, LARGEST_NUMBER + 1)
    yield from (number for number in range(1, min(last, LARGEST_NUMBER)) if number not in used)


def is_reshaped(before: tuple[Any, Any] | None, now: tuple[int, int]) -> bool:
    """Return whether a frame of the size ``before``, if it is known, has another shape now."""
    if before is None or None in before or before == now:
        return False
    return bool(before[0] * now[1] != before[1] * now[0])


def scaled(size: tuple[int, int], factors: tuple[float, float]) -> tuple[int, int]:
    """Return a size in pixels that has become wider and higher by two factors."""
    return round(size[0] * factors[0]), round(size[1] * factors[1])


# Labels of new objects where they are GQuarks: in the type of a region, and in GstAnalytics.
#
# GLib never frees a quark. So labels that keep coming, such as number plates, stay out of them: the object is called
# :data:`ELSEWHERE`, and its label stands in our own record of it.


ELSEWHERE = "label-in-EmPyCustomMeta"
MOST, LONGEST = 4096, 256  # labels of the whole process, and characters of one: 2 MB at most
_TOO_MANY = (
    f"more than {MOST} labels, or one of more than {LONGEST} characters: GStreamer frees none, so further objects are called "
    f"{ELSEWHERE} in GStreamer's own metadata; their labels are in the JSON of EmPyCustomMeta"
)

_labels: set[str] = set()


def carried(label: str, warnings: list[str]) -> str:
    """Return what an object with a label is called in GStreamer's own metadata: the same, or ELSEWHERE and a warning."""
    if label in _labels:
        return label
    if len(_labels) >= MOST or len(label) > LONGEST:
        warnings.append(_TOO_MANY)
        return ELSEWHERE
    _labels.add(label)
    return label


def stands_for(there: str, label: str) -> bool:
    """Return whether an object that is called ``there`` may be the one with a label."""
    return there in (label, ELSEWHERE)
