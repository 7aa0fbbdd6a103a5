"""Changing and removing objects of GstAnalytics.

GStreamer has no function for either. So there is a new relation meta in the place of the old one: what stays is copied to it item
by item, as GStreamer itself copies it, with the relations between items. Ids are places in the meta, and others may know them:
regions, other items, our own records. So they stay the same, and what was removed leaves an item of a type of ours, which says
nothing about anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from typing import Any

from empycustom.errors import NativeError
from empycustom.native import analytics
from empycustom.native.analytics import API, Detection, Label
from empycustom.native.loading import ffi, glib, has
from empycustom.native.metas import AS_IT_IS, COPY, Snapshot, remove_meta, scan

_ANY_TYPE, _ANY_RELATION, _RELATE_TO = 0, 2**31 - 1, 1 << 3
_REMOVED, _SMALLEST = b"removed-by-empycustom", 8  # the name of our type, and the bytes of an item of it
_lib: Any = analytics._lib

Adder = Callable[[Any, Any], None]
"""Adds an item to a relation meta; the second argument is set to it."""


def change_detections(address: int, meta: int, changes: Mapping[int, Detection | None]) -> None:
    """Change objects of a relation meta on a writable buffer, by their ids; None: remove one, with what is about it alone."""
    copy = Snapshot(address)
    source = next((found for api, found in scan(copy.address) if api == API), 0)
    if not source:
        raise NativeError("GStreamer refused to copy analytics metadata")
    plan = _Plan(ffi.cast("void *", source))
    gone = {number for number, detection in changes.items() if detection is None}
    for number, detection in changes.items():
        plan.change(number, detection, gone)
    remove_meta(address, meta)
    plan.write(copy.address, address)


class _Plan:
    """What becomes of each item of a relation meta: another one in its place, nothing, or the same; and what is added."""

    def __init__(self, source: Any) -> None:
        self._source = source
        numbers = range(_lib.gst_analytics_relation_get_length(source))
        self._related = [[*_related(source, number)] for number in numbers]
        self._kinds = [_kind(source, number) for number in numbers]
        self._replaced: dict[int, Adder] = {}
        self._removed: set[int] = {number for number in numbers if not self._kinds[number]}
        self._added: list[tuple[int, Adder]] = []
        self._separated: set[tuple[int, int]] = set()

    def change(self, number: int, after: Detection | None, gone: set[int]) -> None:
        """Change the object with an id, or remove it (None); ``gone`` are the ids of all that are removed."""
        objects = _lib.gst_analytics_od_mtd_get_mtd_type()
        items = [other for other in self._related[number] if self._kinds[other] != objects]
        shared = {
            other
            for other in items
            for owner in self._related[other]
            if owner != number and owner not in gone and self._kinds[owner] == objects
        }
        if after is None:
            self._removed |= {number, *items} - shared
            return
        before = analytics.detection(self._source, number)
        if before._replace(tracking_id=after.tracking_id, classifications=after.classifications) != after:
            self._replaced[number] = _object(self._source, number, before, after)
        if after.tracking_id != before.tracking_id:
            tracks = [partial(_add_tracking, after.tracking_id)] if after.tracking_id is not None else []
            self._let_have(number, items, shared, _lib.gst_analytics_tracking_mtd_get_mtd_type(), tracks)
        if after.classifications != before.classifications:
            classes = [partial(_add_classification, labels) for labels in after.classifications]
            self._let_have(number, items, shared, _lib.gst_analytics_cls_mtd_get_mtd_type(), classes)

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

    def write(self, origin: int, address: int) -> None:
        """Write all into a new relation meta of a buffer, out of that on the one at ``origin``."""
        meta = _checked(_lib.gst_buffer_add_analytics_relation_meta(address))
        mtd = ffi.new("GstAnalyticsMtd *")
        for number, kind in enumerate(self._kinds):
            if number in self._replaced:
                self._replaced[number](meta, mtd)
            elif number in self._removed:
                _checked(_lib.gst_analytics_relation_meta_add_mtd(meta, _removed_type(), _SMALLEST, mtd))
            else:
                _copy(self._source, number, kind, origin, meta, address, mtd)
        self._relate(meta)
        for number, adder in self._added:
            adder(meta, mtd)
            analytics.relate(meta, number, mtd.id)

    def _relate(self, meta: Any) -> None:
        for number, others in enumerate(self._related):
            for other in others:
                if not self._removed & {number, other} and (number, other) not in self._separated:
                    relation = _lib.gst_analytics_relation_meta_get_relation(self._source, number, other)
                    _checked(_lib.gst_analytics_relation_meta_set_relation(meta, relation, number, other))


def _related(meta: Any, number: int) -> Iterator[int]:
    state, mtd = ffi.new("void **"), ffi.new("GstAnalyticsMtd *")
    while _lib.gst_analytics_relation_meta_get_direct_related(meta, number, _ANY_RELATION, _ANY_TYPE, state, mtd):
        yield mtd.id


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


def _object(source: Any, number: int, before: Detection, after: Detection) -> Adder:
    """Return what adds an object with another label, box or confidence; it stays turned as it is."""
    from_mtd = ffi.new("GstAnalyticsMtd *", {"id": number, "meta": source})
    box, turned = after[2:6], ffi.new("float[2]")  # by how much, and the confidence
    if has(_lib, "gst_analytics_od_mtd_get_oriented_location"):
        own = ffi.new("int[4]")
        _lib.gst_analytics_od_mtd_get_oriented_location(from_mtd, own, own + 1, own + 2, own + 3, turned, turned + 1)
        if box == before[2:6]:  # the upright box around it
            box = tuple(own)
    quark, angle = analytics.quark_of(after.label), turned[0]

    def add(meta: Any, mtd: Any) -> None:
        if angle:
            add_oriented = _lib.gst_analytics_relation_meta_add_oriented_od_mtd
            _checked(add_oriented(meta, quark, *box, angle, after.confidence, mtd))
        else:
            _checked(_lib.gst_analytics_relation_meta_add_od_mtd(meta, quark, *box, after.confidence, mtd))

    return add


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
