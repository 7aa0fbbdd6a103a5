"""Reading a batch of DeepStream, all of it at one time (see :mod:`empycustom.native.deepstream`).

Addresses are of NVIDIA's structures; lists are as they lie there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, compress, repeat
from operator import add, eq, gt, itemgetter, mul
from typing import NamedTuple

from empycustom.errors import DeepStreamError
from empycustom.native.deepstream import (
    EVENT_MSG_META,
    TENSORS,
    UNTRACKED,
    Layout,
    Steps,
    batch_fields,
    chars_at,
    classifier_fields,
    flat,
    frame_fields,
    key_type,
    label_fields,
    lists_at,
    texts_at,
    user_fields,
)
from empycustom.native.loading import ffi, reader, unpacker

MARKER = "empycustom"  # the objectId of our events
NOT_TRACKED = -1
_MARKER = MARKER.encode()
_key_number = unpacker("=i")
# What is in rows of fields: of a batch, of frames, of objects; beginnings of lists, and texts.
_FRAMES, _OBJECTS, _CLASSIFIERS, _USERS, _SHOWN, _MASK = (itemgetter(place) for place in (0, -2, -2, -1, -4, -5))
_KIND, _DATA = itemgetter(0), itemgetter(2)  # of user metadata
_LABELS, _LONG_LABEL = itemgetter(1), itemgetter(2)  # of a classifier, of a label
_NAME, _TEXT = itemgetter(0), itemgetter(1)  # of an event
_mask = reader("NvOSD_MaskParams", "data", "size", "threshold", "width", "height")
_NUMBERS, _SIZE, _WIDTH, _HEIGHT = (itemgetter(place) for place in (0, 1, 3, 4))  # of a mask
_MOST_BYTES = 2**28  # of a mask; what is larger is left out


class UserMeta(NamedTuple):
    """The fields of a NvDsUserMeta. ``text`` is that of an event of ours, else None; ``key`` that of a key of ours, else 0."""

    address: int
    kind: int
    context: int
    text: str | None
    key: int


class LabelMeta(NamedTuple):
    """The fields of a NvDsLabelInfo."""

    num_classes: int
    label: str
    class_id: int
    label_id: int
    probability: float


class ClassifierMeta(NamedTuple):
    """The fields of a NvDsClassifierMeta."""

    unique_component_id: int
    labels: list[LabelMeta]


class MaskMeta(NamedTuple):
    """The fields of a NvOSD_MaskParams: ``numbers`` are floats, row by row; the object is where they are above the threshold."""

    width: int
    height: int
    threshold: float
    numbers: bytes


class ObjectMeta(NamedTuple):
    """The fields of a NvDsObjectMeta, in pixels. ``object_id`` -1: not tracked. ``key`` is ours; 0: it has none.

    ``angle`` is in degrees. ``tensors`` is the address of user metadata with tensors, ``parent`` of another object; 0: none.
    """

    unique_component_id: int
    class_id: int
    object_id: int
    confidence: float
    tracker_confidence: float
    left: float
    top: float
    width: float
    height: float
    angle: float
    display_text: str
    label: str
    key: int
    classifiers: list[ClassifierMeta]
    address: int = 0
    mask: MaskMeta | None = None
    tensors: int = 0
    parent: int = 0


class FrameMeta(NamedTuple):
    """The fields of a NvDsFrameMeta."""

    address: int
    pad_index: int
    batch_id: int
    frame_num: int
    buf_pts: int
    ntp_timestamp: int
    source_id: int
    width: int
    height: int
    objects: list[ObjectMeta]
    users: list[UserMeta]


class BatchMeta(NamedTuple):
    """The fields of a NvDsBatchMeta; ``users`` are those of the batch itself."""

    address: int
    frames: list[FrameMeta]
    users: list[UserMeta]


class BatchReader:
    """Reads batches of a layout.

    Most have no classifiers or no user metadata, and what is not there costs nothing: it is looked for where the last batch had
    some, and else read at a second time.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._has = (False, False, False)  # there are classifiers; masks; user metadata

    def read(self, batch: int) -> BatchMeta:
        """Read the batch at an address."""
        read = None
        while read is None:
            read = self._read(batch)
        return read

    def _read(self, batch: int) -> BatchMeta | None:
        """Read it as the last one was; None: that has left something out."""
        looked = self._has
        classified, masked, used = looked
        steps = Steps()
        heads = steps.fill(map(batch_fields, (batch,)))
        frames = steps.fill(lists_at(map(_FRAMES, heads)))
        rows = steps.fill(map(frame_fields, flat(frames)))
        objects = _Objects(steps, lists_at(map(_OBJECTS, rows)), self._layout, classified=classified, masked=masked)
        of_all = chain(map(_USERS, heads), map(_USERS, rows), map(_USERS, objects.rows))
        users = _Users(steps, of_all, self._layout) if used else None
        steps.run(batch)
        used = any((heads[0][1], *map(_USERS, rows), *map(_USERS, objects.rows)))
        self._has = any(map(_CLASSIFIERS, objects.rows)), any(map(_MASK, objects.rows)), used
        if any(map(gt, self._has, looked)):
            return None
        of_batch = users.at(heads[0][1]) if users else []
        of_frames = [users.at(row[-1]) if users else [] for row in rows]
        made = [
            FrameMeta._make((address, *row[:-2], objects.at(row[-2], users), mine))
            for address, row, mine in zip(flat(frames), rows, of_frames, strict=True)
        ]
        return BatchMeta(batch, made, of_batch)

    def read_object(self, address: int, batch: int) -> ObjectMeta:
        """Read one object of a batch."""
        steps = Steps()
        objects = _Objects(steps, iter([[address]]), self._layout, classified=True, masked=True)
        users = _Users(steps, map(_USERS, objects.rows), self._layout)
        steps.run(batch)
        return objects.at(address, users)[0]


def frames_in(batch: int) -> list[FrameMeta]:
    """Read the frames of a batch without what is on them."""
    steps = Steps()
    frames = steps.fill(lists_at(map(_FRAMES, map(batch_fields, (batch,)))))
    rows = steps.fill(map(frame_fields, flat(frames)))
    steps.run(batch)
    return [FrameMeta._make((address, *row[:-2], [], [])) for address, row in zip(flat(frames), rows, strict=True)]


class _Users:
    """User metadata, in lists that begin at ``heads``."""

    def __init__(self, steps: Steps, heads: Iterator[int], layout: Layout) -> None:
        lists = steps.fill(lists_at(heads))
        self._rows = steps.fill(map(user_fields, flat(lists)))  # kind, context, data
        events = steps.fill(map(layout.event_fields, self._data_of(EVENT_MSG_META)))  # objectId, otherAttrs
        named = steps.fill(compress(events, map(_NAME, events)))
        names = steps.fill(texts_at(map(_NAME, named)))
        texts = steps.fill(texts_at(map(_TEXT, compress(named, map(eq, names, repeat(_MARKER))))))
        self._key_kind = _key_kind()
        keys = steps.fill(flat(map(_key_number, self._data_of(self._key_kind))))
        self._addresses, self._each = iter(lists), iter(self._rows)
        self._events, self._names, self._texts, self._keys = iter(events), iter(names), iter(texts), iter(keys)

    def _data_of(self, kind: int) -> Iterator[int]:
        return filter(None, compress(map(_DATA, self._rows), map(eq, map(_KIND, self._rows), repeat(kind))))

    def at(self, head: int) -> list[UserMeta]:
        """Return what was read of the next list, whose head this is."""
        return [self._made(address) for address in next(self._addresses)] if head else []

    def of_object(self, head: int) -> tuple[int, int]:
        """Return our key in the next list, and the address of what has tensors there; 0: there is none, or several."""
        users = self.at(head)
        tensors = [user.address for user in users if user.kind == TENSORS]
        return next(filter(None, [user.key for user in users]), 0), tensors[0] if len(tensors) == 1 else 0

    def _made(self, address: int) -> UserMeta:
        kind, context, data = next(self._each)
        text, key = None, 0
        if kind == EVENT_MSG_META and data:
            name, attributes = next(self._events)
            if name and next(self._names) == _MARKER:
                text = next(self._texts).decode("utf-8", "replace") if attributes else ""
        elif kind == self._key_kind and data:
            key = next(self._keys)
        return UserMeta(address, kind, context, text, key)


class _Objects:
    """The objects in lists, with their classifiers; ``rows`` are their fields."""

    def __init__(self, steps: Steps, lists: Iterator[list[int]], layout: Layout, *, classified: bool, masked: bool) -> None:
        found = steps.fill(lists)
        self.rows = steps.fill(map(layout.object_fields, flat(found)))
        shown = steps.fill(texts_at(map(_SHOWN, self.rows)))
        self._addresses, self._each, self._shown = iter(found), iter(self.rows), iter(shown)
        self._turns = layout.angle != 0
        if classified:
            self._add_classifiers(steps)
        if masked:
            self._add_masks(steps, found, layout)

    def _add_classifiers(self, steps: Steps) -> None:
        classifiers = steps.fill(lists_at(map(_CLASSIFIERS, self.rows)))
        rows = steps.fill(map(classifier_fields, flat(classifiers)))
        labels = steps.fill(lists_at(map(_LABELS, rows)))
        label_rows = steps.fill(map(label_fields, flat(labels)))
        long_labels = steps.fill(texts_at(map(_LONG_LABEL, label_rows)))
        self._classifiers, self._classifier_rows = iter(classifiers), iter(rows)
        self._labels, self._label_rows, self._long_labels = iter(labels), iter(label_rows), iter(long_labels)

    def _add_masks(self, steps: Steps, found: list[list[int]], layout: Layout) -> None:
        having = steps.fill(compress(flat(found), map(_MASK, self.rows)))
        rows = steps.fill(map(_mask, map(add, having, repeat(layout.mask))))
        areas = map(mul, map(mul, map(_WIDTH, rows), map(_HEIGHT, rows)), repeat(4))
        sizes = map(min, map(_SIZE, rows), areas, repeat(_MOST_BYTES))
        numbers = steps.fill(map(ffi.unpack, map(chars_at, map(_NUMBERS, rows)), sizes))
        self._masks = zip(rows, numbers)  # noqa: B905 - they are filled later

    def at(self, head: int, users: _Users | None) -> list[ObjectMeta]:
        """Return what was read of the next list, whose head this is."""
        return [self._made(address, users) for address in next(self._addresses)] if head else []

    def _made(self, address: int, users: _Users | None) -> ObjectMeta:
        parent, component, class_id, object_id, *numbers, mask, shown, label, classifiers, its_users = next(self._each)
        if not self._turns:
            numbers.append(0.0)
        key, tensors = users.of_object(its_users) if users and its_users else (0, 0)
        return ObjectMeta._make(
            (
                component,
                class_id,
                object_id if object_id != UNTRACKED else NOT_TRACKED,
                *numbers,
                next(self._shown).decode("utf-8", "replace") if shown else "",
                _label(label),
                key,
                [self._classifier() for _ in next(self._classifiers)] if classifiers else [],
                address,
                self._mask() if mask else None,
                tensors,
                parent,
            )
        )

    def _mask(self) -> MaskMeta:
        (_, _, threshold, width, height), numbers = next(self._masks)
        return MaskMeta(width, height, threshold, numbers)

    def _classifier(self) -> ClassifierMeta:
        component, labels = next(self._classifier_rows)
        return ClassifierMeta(component, [self._info() for _ in next(self._labels)] if labels else [])

    def _info(self) -> LabelMeta:
        num_classes, label, long_label, class_id, label_id, probability = next(self._label_rows)
        text = next(self._long_labels).decode("utf-8", "replace") if long_label else _label(label)
        return LabelMeta(num_classes, text, class_id, label_id, probability)


@lru_cache(maxsize=1024)
def _label(chars: bytes) -> str:
    return chars.partition(b"\0")[0].decode("utf-8", "replace")


def _key_kind() -> int:
    """Return the type of our keys; where NVIDIA's library is not there nobody has given any."""
    try:
        return key_type()
    except DeepStreamError:
        return -1
