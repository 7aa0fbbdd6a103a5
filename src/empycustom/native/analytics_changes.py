"""Changing and removing objects of GstAnalytics.

GStreamer has no function for either. So there is a new relation meta in the place of the old one: what stays is copied to it item
by item, as GStreamer itself copies it, with the relations between items. Ids are places in the meta, and others may know them:
regions, other items, our own records. So they stay the same, and what was removed leaves an item of a type of ours, which says
nothing about anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count, zip_longest
from typing import Any

from empycustom.errors import NativeError
from empycustom.native import analytics, masks
from empycustom.native.analytics import API, Detection, Label
from empycustom.native.loading import analytics as _lib
from empycustom.native.loading import ffi, glib
from empycustom.native.masks import Box, Mask, Pixels
from empycustom.native.metas import AS_IT_IS, COPY, Snapshot, remove_meta, scan

_ANY_TYPE, _ANY_RELATION, _PARTS = 0, 2**31 - 1, 1 << 1 | 1 << 2  # the last: IS_PART_OF and CONTAIN
_LARGEST = 2**31 - 1
_REMOVED, _SMALLEST = b"removed-by-empycustom", 8  # the name of our type, and the bytes of an item of it

Adder = Callable[[Any, Any], None]
"""Adds an item to a relation meta; the second argument is set to it."""


def change_detections(address: int, meta: int, changes: Mapping[int, Detection | None]) -> None:
    """Change objects of a relation meta on a writable buffer, by their ids; None: remove one, with what is about it alone."""
    copy = Snapshot(address)
    source = next((found for api, found in scan(copy.address) if api == API), 0)
    if not source:
        raise NativeError("GStreamer refused to copy analytics metadata")
    plan = _Plan(meta)  # before it is copied: a copy has new ids where an element has dropped items
    gone = {number for number, detection in changes.items() if detection is None}
    for number, detection in changes.items():
        plan.change(number, detection, gone)
    remove_meta(address, meta)
    plan.write(ffi.cast("void *", source), copy.address, address)


class _Plan:
    """What becomes of each item of a relation meta: another one in its place, nothing, or the same; and what is added."""

    def __init__(self, address: int) -> None:
        meta = ffi.cast("void *", address)
        numbers = range(_lib.gst_analytics_relation_get_length(meta))
        self._related = [dict(_related(meta, number)) for number in numbers]
        self._kinds = [_kind(meta, number) for number in numbers]
        self._objects = {each.id: each for each in analytics.detections_at(address)}
        self._replaced: dict[int, Adder] = {}
        self._removed: set[int] = {number for number in numbers if not self._kinds[number]}
        self._added: list[tuple[int, Adder]] = []
        self._separated: set[tuple[int, int]] = set()
        self._parents: dict[int, int | None] = {}

    def change(self, number: int, after: Detection | None, gone: set[int]) -> None:
        """Change the object with an id, or remove it (None); ``gone`` are the ids of all that are removed."""
        before = self._objects[number]
        items = [other for other in self._related[number] if other not in self._objects]
        own = before.mask.id if isinstance(before.mask, Mask) else None
        if own is not None and own not in items:  # it knows its object, which does not know it
            items.append(own)
        shared = {
            other
            for other in items
            for owner in self._related[other]
            if owner != number and owner not in gone and owner in self._objects
        }
        if after is None:
            self._removed |= {number, *items} - shared
            return
        if _core(before) != _core(after):
            self._replaced[number] = partial(_add_object, after)
        if after.tracking_id != before.tracking_id:
            tracks = [partial(_add_tracking, after.tracking_id)] if after.tracking_id is not None else []
            self._let_have(number, items, shared, _lib.gst_analytics_tracking_mtd_get_mtd_type(), tracks)
        if after.classifications != before.classifications:
            classes = [partial(_add_classification, labels) for labels in after.classifications]
            self._let_have(number, items, shared, _lib.gst_analytics_cls_mtd_get_mtd_type(), classes)
        if after.mask != before.mask or (after.mask and after[2:6] != before[2:6]):
            pictures = [partial(_add_mask, after.mask, _region(before, after), number)] if after.mask else []
            self._let_have(number, items, shared, _lib.gst_analytics_segmentation_mtd_get_mtd_type(), pictures)
        if after.parent != before.parent:
            self._parents[number] = after.parent

    def _let_have(self, number: int, items: list[int], shared: set[int], kind: int, adders: Sequence[Adder]) -> None:
        """Let an object have other items of a type than before; those that others have as well are only separated from it."""
        there = [other for other in items if self._kinds[other] == kind]
        self._separated |= {pair for other in there if other in shared for pair in ((number, other), (other, number))}
        for other, adder in zip_longest((other for other in there if other not in shared), adders):
            if adder is None:
                self._removed.add(other)
            elif other is None:
                self._added.append((number, adder))
            else:
                self._replaced[other] = adder

    def write(self, source: Any, origin: int, address: int) -> None:
        """Write all into a new relation meta of a buffer, out of its copy ``source`` on the one at ``origin``."""
        meta = _checked(_lib.gst_buffer_add_analytics_relation_meta(address))
        mtd = ffi.new("GstAnalyticsMtd *")
        copied = count()
        for number, kind in enumerate(self._kinds):
            place = next(copied) if kind else -1
            if number in self._replaced:
                self._replaced[number](meta, mtd)
            elif number in self._removed:
                _checked(_lib.gst_analytics_relation_meta_add_mtd(meta, _removed_type(), _SMALLEST, mtd))
            else:
                _copy(source, place, kind, origin, meta, address, mtd)
        self._relate(meta)
        for number, adder in self._added:
            adder(meta, mtd)
            analytics.relate(meta, number, mtd.id)
        for number, parent in self._parents.items():
            if parent is not None:
                analytics.set_parent(meta, number, parent)

    def _relate(self, meta: Any) -> None:
        for number, others in enumerate(self._related):
            for other, relation in others.items():
                if not self._removed & {number, other} and (number, other) not in self._separated:
                    if self._has_other_parent(number, other) or self._has_other_parent(other, number):
                        relation &= ~_PARTS
                    _checked(_lib.gst_analytics_relation_meta_set_relation(meta, relation, number, other))

    def _has_other_parent(self, number: int, parent: int) -> bool:
        return number in self._parents and self._objects[number].parent == parent


def _related(meta: Any, number: int) -> Iterator[tuple[int, int]]:
    """Yield the ids of items that one is related to, and how."""
    state, mtd = ffi.new("void **"), ffi.new("GstAnalyticsMtd *")
    while _lib.gst_analytics_relation_meta_get_direct_related(meta, number, _ANY_RELATION, _ANY_TYPE, state, mtd):
        yield mtd.id, _lib.gst_analytics_relation_meta_get_relation(meta, number, mtd.id)


def _kind(meta: Any, number: int) -> int:
    """Return the type of an item; 0: an element has dropped it."""
    mtd = ffi.new("GstAnalyticsMtd *")
    there = _lib.gst_analytics_relation_meta_get_mtd(meta, number, _ANY_TYPE, mtd)
    return int(_lib.gst_analytics_mtd_get_mtd_type(mtd)) if there else 0


def _copy(source: Any, number: int, kind: int, origin: int, meta: Any, address: int, mtd: Any) -> None:
    """Copy an item; what it holds, such as a mask, is then held by both."""
    from_mtd = ffi.new("GstAnalyticsMtd *", {"id": number, "meta": source})
    size = _lib.gst_analytics_mtd_get_size(from_mtd)
    place = _checked(_lib.gst_analytics_relation_meta_add_mtd(meta, kind, size, mtd))
    ffi.memmove(place, _lib.gst_analytics_relation_meta_get_mtd_data(source, number), size)
    transform = ffi.cast("GstAnalyticsMtdImpl *", kind).mtd_meta_transform
    if transform:
        _checked(transform(address, mtd, origin, COPY, AS_IT_IS))


def _core(detection: Detection) -> tuple[Any, ...]:
    """Return what is in the item of an object itself."""
    return (*detection[1:7], detection.rotation)


def _region(before: Detection, after: Detection) -> Box:
    """Return where the mask of an object is when it has changed: it stays where it was, in parts of the box."""
    mask, box, old = after.mask, after[2:6], before[2:6]
    if isinstance(mask, Pixels) or mask is None or mask.box == old:
        return box
    across, down = box[2] / (old[2] or 1), box[3] / (old[3] or 1)
    left, top, width, height = mask.box
    x, y = box[0] + (left - old[0]) * across, box[1] + (top - old[1]) * down
    limits = ((x, -_LARGEST), (y, -_LARGEST), (width * across, 0), (height * down, 0))
    return tuple(round(max(least, min(number, _LARGEST))) for number, least in limits)  # type: ignore[return-value]


def _add_object(detection: Detection, meta: Any, mtd: Any) -> None:
    analytics.add_object(meta, detection, mtd)


def _add_mask(mask: Mask | Pixels, box: Box, number: int, meta: Any, mtd: Any) -> None:
    masks.add_mask(meta, mask, box, number, mtd)


def _add_tracking(number: int, meta: Any, mtd: Any) -> None:
    analytics.add_tracking(meta, number, mtd)


def _add_classification(labels: Sequence[Label], meta: Any, mtd: Any) -> None:
    analytics.add_classification(meta, labels, mtd)


@lru_cache(maxsize=1)
def _removed_type() -> int:
    """Return our type of items, which is never freed: buffers may live longer than Python."""
    impl = glib.g_malloc0(ffi.sizeof("GstAnalyticsMtdImpl"))
    ffi.cast("GstAnalyticsMtdImpl *", impl).name = ffi.cast("char *", glib.g_intern_string(_REMOVED))
    return int(impl)


def _checked(done: Any) -> Any:
    if not done:
        raise NativeError("GStreamer refused to change analytics metadata")
    return done
