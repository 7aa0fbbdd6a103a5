"""What a carrier is, and a source of objects; and what a buffer carries, decoded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple, Protocol, runtime_checkable

from empycustom.model import values as model
from empycustom.model.arrays import PARENT_ID, UNIQUE_ID
from empycustom.model.carried import scaled_object
from empycustom.model.keys import FRAME_NUM, HEIGHT, TIMESTAMP, WIDTH
from empycustom.model.results import Result
from empycustom.model.values import NOTHING
from empycustom.native.own_metas import Metas

Handle = tuple[Any, int, tuple[Any, ...], str, Any]  # of an object, see ObjectSource.decode
Place = tuple[tuple[Any, ...], Any, int, int]  # of an object, see ObjectSource.locate
Box = tuple[float, float, float, float]  # left, top, width and height
WholeBox = tuple[int, int, int, int]
Size = tuple[int, int]


class Change(NamedTuple):
    """What an object becomes: as in_meta will have it, and the keys of what is different."""

    found: Mapping[str, Any]
    keys: Set[str]


def lost_its_number(change: Change) -> bool:
    """Return whether a library took away the number of an object: no other one is a part of it any more."""
    return UNIQUE_ID in change.keys and UNIQUE_ID not in change.found


RESHAPED, NOT_TURNED = "reshaped", "not turned"  # see Frame.doubts


class Frame:
    """What a buffer carries, decoded once: one frame, or the frames of a batch.

    ``frames`` are fresh dicts that the library may change. What is needed to apply its result stays beside them: ``carrier``,
    which has decoded it; ``metas``, what lay on the buffer; ``handles`` of the objects of each frame, in the same order, which
    are the carrier's; the number and the timestamp of the first frame. ``time_ns`` is when it was read, since 1970.
    ``has_frame_number``: the buffer itself carries number and timestamp. ``attributes`` are those of the batch. ``in_meta`` is
    what a callback gets. ``warnings`` are sentences about what could not be taken as it is. ``size`` is that of the frames, in
    pixels, and ``factors`` are by how much it became wider and higher since in_meta was made of it; ``is_moved``: objects have
    arrays from when they were elsewhere in the frame, or it had another size. ``doubts`` are reasons to look at what is upstream:
    RESHAPED, objects got attributes when the frame had another shape; NOT_TURNED, they have arrays, and as far as their boxes say
    it, the frame was not mirrored or turned since.
    """

    has_frame_number = False
    attributes: Any = NOTHING
    warnings: Sequence[str] = ()
    is_moved = False
    doubts: Sequence[str] = ()
    factors = (1.0, 1.0)
    handles: Sequence[Sequence[Any]] = ((),)
    in_meta: dict[str, Any]

    def __init__(self, carrier: Carrier, metas: Metas, frame: model.Frame, time_ns: int) -> None:
        self.carrier, self.metas, self.time_ns = carrier, metas, time_ns
        self.frames = [frame]
        self.frame_num, self.timestamp = frame[FRAME_NUM], frame[TIMESTAMP]
        self.size = frame[WIDTH], frame[HEIGHT]


class Carrier(Protocol):
    """Decodes and writes the metadata of one kind of buffer. ``address`` is ``hash(buffer)``, ``metas`` are what lies on it.

    Adding one is a row in ``carriers/tables.py``. ``msg_blob``: attributes become messages for a broker, too, where it knows how.
    """

    msg_blob: bool
    writes_messages: bool
    """``messages`` among attributes of frames become DL Streamer's, too, where it knows how."""
    is_portable: bool
    """What it decodes can be attached to a copy of the pixels, so that another process may have them."""

    def accepts(self, metas: Metas) -> bool:
        """Return whether buffers with these metas are of this kind."""

    def decode(self, metas: Metas, frame: model.Frame, time_ns: int, *, as_json: bool = False) -> Frame:
        """Decode the metas of a buffer. ``as_json``: attributes may stay JSON (bytes), as for a document that becomes JSON.

        ``frame`` holds what the element itself knows at ``time_ns``; what the buffer says goes on top of it. Raises
        MetadataError.
        """

    def add_arrays(self, frame: Frame) -> None:
        """Add to the frames of a decoded buffer what only a callback gets, and no document: tensors and maps of classes.

        What cannot be read is left out, with a sentence in ``warnings``.
        """

    def keep(self, address: int, metas: Metas, size: tuple[int, int]) -> tuple[int | None, Metas] | None:
        """Return the number that a buffer with frames of a ``size`` carries (None: none), and metas that outlive it.

        None: it has to be decoded now.
        """

    def number_in(self, metas: Metas) -> int | None:
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


class FrameSource(Protocol):
    """Knows one kind of GstMeta that says about a whole frame what a callback gets as arrays. Adding one is a row."""

    key: str
    """The key of a frame of in_meta, which is there where something is read."""
    api: int
    """The GType of the API of its metas; 0: this GStreamer has none."""

    def read(self, metas: Sequence[int], warnings: list[str]) -> list[dict[str, Any]]:
        """Return what the metas at some addresses say; arrays hold their memory themselves. ``warnings``: what cannot be read."""


class ObjectSource(Protocol):
    """Knows one kind of GstMeta that holds objects. Adding one is a file, and a row in ``carriers/tables.py`` or an entry point.

    An object has a *number* there, which copies and conversions keep, and a *state*, a tuple by which it is found again on a
    buffer.

    Three attributes may be there and true: ``is_renumbered`` (elements may number the objects anew), ``is_shared`` (copies of a
    buffer have the same objects, which others may change), ``takes_new`` (new objects on a buffer with such a meta become metas
    of this kind, whatever ``can_add`` is).

    What an object has beside its box (``SPECIAL`` in ``model/arrays.py``: rotation, key points, mask, embedding, numbers) is in
    our own record of it, which is what counts. A source whose metas can hold some of it as well reads it in ``decode``, as
    in_meta has it, where others wrote it, and writes it in ``add`` and ``change`` beside our record, for others to read.
    """

    kind: str
    """Begins the keys of its objects: ``"region"`` of ``region/7``."""

    @property
    def api(self) -> int:
        """The GType of the API of its metas; 0: this GStreamer has none, or none was used yet."""

    kept: frozenset[str]
    """The keys of an object of in_meta that its metas hold through all conversions; others go beside the attributes."""
    fixed: int
    """So many entries at the beginning of a state are the same when the frame is scaled."""
    can_add: bool
    """New objects may become metas of this kind."""

    def decode(self, metas: Sequence[int], size: Size, objects: list[Any], handles: list[Handle], warnings: list[str]) -> None:
        """Add the objects of the metas at some addresses to ``objects``, as in_meta has them, and to ``handles``.

        ``size`` is that of the frame, in pixels, here and below: some metas have places in parts of it.

        A handle is ``(source, number, state, label, lost)``; ``lost`` is a dict of what a conversion would lose, or None. None of
        it may be shared with the objects, which are the library's.
        """

    def locate(self, metas: Sequence[int]) -> list[Place]:
        """Return ``(state, source, meta, number)`` of each object of the metas at some addresses, in the same order."""

    def key(self, number: int) -> str:
        """Return the key of the object with a number, ``""``: it has none yet."""

    def claim(self, meta: int, number: int, free: Iterator[int]) -> int:
        """Give the object with a ``number`` that is 0, or shared, a free one; return the number that it has from now on."""

    def add(self, address: int, found: model.Object, size: Size, free: Iterator[int], warnings: list[str]) -> tuple[str, Box]:
        """Add an object, with one of the free numbers; return its key, and the box that is there."""

    def change(
        self, address: int, meta: int, changes: Mapping[int, Change | None], size: Size, warnings: list[str]
    ) -> Mapping[int, Box]:
        """Change objects of a meta, by their numbers, which they keep; None: remove the object.

        Return the boxes that are there, of those that were changed.
        """


@runtime_checkable
class Relating(Protocol):
    """What a source may have besides: objects that are parts of others."""

    def relate(self, meta: int, number: int, parent: int) -> None:
        """Let the object with a number in a meta be a part of another one."""


LARGEST_NUMBER = 2**31 - 1
NATIVE_NUMBERS = 1_000_000
"""An object that only its own metadata says to have parts has this plus its number there as ``unique_id``."""


def number_parents(objects: Sequence[Any], handles: Sequence[Handle], parents: Collection[int]) -> None:
    """Give a ``unique_id`` to the objects of one source that others name as their parents, by their numbers there.

    Who names one that is not there has no parent.
    """
    there = {handle[1] for handle in handles}
    for found, (_, number, *_others) in zip(objects, handles, strict=True):
        if number in parents:
            found[UNIQUE_ID] = NATIVE_NUMBERS + number
        if PARENT_ID in found and found[PARENT_ID] - NATIVE_NUMBERS not in there:
            del found[PARENT_ID]


def free_numbers(used: Collection[int]) -> Iterator[int]:
    """Return the numbers of an int, from 1, that are not ``used``: those behind all of them first."""
    last = max(used, default=0)
    yield from range(max(0, last) + 1, LARGEST_NUMBER + 1)
    yield from (number for number in range(1, min(last, LARGEST_NUMBER)) if number not in used)


def rescaled(change: dict[str, Any], factors: tuple[float, float]) -> dict[str, Any]:
    """Return what a library changed of an object, which is in pixels of in_meta, in those of a frame that is wider and higher."""
    return change if factors == (1, 1) else scaled_object(change, factors)


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
