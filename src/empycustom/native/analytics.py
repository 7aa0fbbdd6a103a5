"""GstAnalytics, the object metadata of GStreamer since 1.24: boxes, tracking ids and classifications, and how they relate.

``available`` is False where the library is not there; nothing else of this file may be used then. It has turned boxes and masks
from 1.26 on (``masks.available``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from empycustom.errors import NativeError
from empycustom.native import loading, masks
from empycustom.native.loading import POINTER, STATE, bytes_of, ffi, glib, single, text_of_quark
from empycustom.native.masks import MTD, Mask, Pixels

_IS_PART_OF, _CONTAIN, _RELATE_TO, _ANY, _ANY_TYPE = 1 << 1, 1 << 2, 1 << 3, 2**31 - 1, 0
_NO_TIME = 2**64 - 1
_lib: Any = loading.analytics
available = _lib is not None
API: int = _lib.gst_analytics_relation_meta_api_get_type() if available else 0
_OBJECT, _TRACKING, _CLASSES = (
    (
        _lib.gst_analytics_od_mtd_get_mtd_type(),
        _lib.gst_analytics_tracking_mtd_get_mtd_type(),
        _lib.gst_analytics_cls_mtd_get_mtd_type(),
    )
    if available
    else (0, 0, 0)
)


class Label(NamedTuple):
    """A class that an object may be of, and how sure that is, from 0 to 1."""

    name: str
    confidence: float


class Detection(NamedTuple):
    """One object: its place in pixels, its tracking id (None: not tracked), and a list of labels for each classification.

    ``id`` is its number in its buffer's relation meta and stays the same when the buffer is copied. ``rotation``: by how much the
    box is turned about its centre, in radians, clockwise. ``mask``: what is stretched over a part of the frame, or over the box.
    ``parent``: the id of the object that it is a part of.
    """

    id: int
    label: str
    x: int
    y: int
    w: int
    h: int
    confidence: float
    tracking_id: int | None
    classifications: list[list[Label]]
    rotation: float = 0.0
    mask: Mask | Pixels | None = None
    parent: int | None = None


def detections_at(meta_address: int) -> list[Detection]:
    """Read the objects of the relation meta at an address, in the order in which they were added."""
    meta, mtd = ffi.cast(POINTER, meta_address), ffi.new(MTD)
    numbers = range(_lib.gst_analytics_relation_get_length(meta))
    parents: dict[int, int] = {}
    of_objects = masks.masks_in(meta)[0] if masks.available else {}
    found = [
        _detection(meta, mtd, of_objects, parents)
        for number in numbers
        if _lib.gst_analytics_relation_meta_get_od_mtd(meta, number, mtd)
    ]
    return [each._replace(parent=parents[each.id]) if each.id in parents else each for each in found] if parents else found


def numbers_at(meta_address: int) -> list[int]:
    """Return the ids of the objects of the relation meta at an address, in the same order."""
    meta, mtd = ffi.cast(POINTER, meta_address), ffi.new(MTD)
    numbers = range(_lib.gst_analytics_relation_get_length(meta))
    return [mtd.id for number in numbers if _lib.gst_analytics_relation_meta_get_od_mtd(meta, number, mtd)]


def _detection(meta: Any, mtd: Any, of_objects: dict[int, Mask], parents: dict[int, int]) -> Detection:
    """Read an object. ``parents`` grows by what it says of itself and its parts."""
    x, y, w, h, rotation, confidence = masks.place_of(mtd)
    number, label = mtd.id, text_of_quark(_lib.gst_analytics_od_mtd_get_obj_type(mtd))
    tracking_id, classes = None, []
    for other in _related(meta, number):
        kind = _lib.gst_analytics_mtd_get_mtd_type(other)
        if kind == _CLASSES:
            classes.append(_labels(other))
        elif kind == _TRACKING and tracking_id is None:
            tracking_id = _tracking_id(other)
        elif kind == _OBJECT:
            relation = _lib.gst_analytics_relation_meta_get_relation(meta, number, other.id)
            if relation & _IS_PART_OF:
                parents[number] = other.id
            elif relation & _CONTAIN:
                parents.setdefault(other.id, number)
    return Detection(number, label, x, y, w, h, confidence, tracking_id, classes, rotation, of_objects.get(number))


def _related(meta: Any, number: int) -> Iterator[Any]:
    state, mtd = ffi.new(STATE), ffi.new(MTD)
    while _lib.gst_analytics_relation_meta_get_direct_related(meta, number, _ANY, _ANY_TYPE, state, mtd):
        yield mtd


def _tracking_id(mtd: Any) -> int:
    number, times, lost = ffi.new("uint64_t *"), ffi.new("uint64_t[2]"), ffi.new("gboolean *")
    _lib.gst_analytics_tracking_mtd_get_info(mtd, number, times, times + 1, lost)
    return int(number[0])


def _labels(mtd: Any) -> list[Label]:
    return [
        Label(
            text_of_quark(_lib.gst_analytics_cls_mtd_get_quark(mtd, index)),
            single(_lib.gst_analytics_cls_mtd_get_level(mtd, index)),
        )
        for index in range(_lib.gst_analytics_cls_mtd_get_length(mtd))
    ]


def add_detection(address: int, detection: Detection) -> int:
    """Add an object to a writable buffer, with what is known of it, and return its id. ``detection.id`` is not read."""
    meta = _lib.gst_buffer_add_analytics_relation_meta(address)
    if not meta:
        raise NativeError("GStreamer refused to add analytics metadata")
    mtd = ffi.new(MTD)
    add_object(meta, detection, mtd)
    number = int(mtd.id)
    if detection.tracking_id is not None:
        add_tracking(meta, detection.tracking_id, mtd)
        relate(meta, number, mtd.id)
    for labels in detection.classifications:
        add_classification(meta, labels, mtd)
        relate(meta, number, mtd.id)
    if detection.mask is not None:
        masks.add_mask(meta, detection.mask, detection[2:6], number, mtd)
        relate(meta, number, mtd.id)
    if detection.parent is not None:
        set_parent(meta, number, detection.parent)
    return number


def add_object(meta: Any, detection: Detection, mtd: Any) -> None:
    """Add the box of an object, with its label, to a relation meta; ``mtd`` is set to it."""
    quark, box, rotation = quark_of(detection.label), detection[2:6], detection.rotation
    if rotation and masks.available:
        add_oriented = _lib.gst_analytics_relation_meta_add_oriented_od_mtd
        _check(add_oriented(meta, quark, *box, rotation, detection.confidence, mtd))
    else:
        _check(_lib.gst_analytics_relation_meta_add_od_mtd(meta, quark, *box, detection.confidence, mtd))


def relate_part(meta_address: int, number: int, parent: int) -> None:
    """Let an object be a part of another one, by their ids in the relation meta at an address."""
    set_parent(ffi.cast(POINTER, meta_address), number, parent)


def set_parent(meta: Any, number: int, parent: int) -> None:
    """Let an object be a part of another one, by their ids in a relation meta."""
    _check(_lib.gst_analytics_relation_meta_set_relation(meta, _CONTAIN, parent, number))
    _check(_lib.gst_analytics_relation_meta_set_relation(meta, _IS_PART_OF, number, parent))


def add_tracking(meta: Any, number: int, mtd: Any) -> None:
    """Add the id of a track to a relation meta; ``mtd`` is set to it."""
    _check(_lib.gst_analytics_relation_meta_add_tracking_mtd(meta, number, _NO_TIME, mtd))


def add_classification(meta: Any, labels: Sequence[Label], mtd: Any) -> None:
    """Add a classification to a relation meta; ``mtd`` is set to it."""
    levels = ffi.new("float[]", [label.confidence for label in labels])
    quarks = ffi.new("GQuark[]", [quark_of(label.name) for label in labels])
    _check(_lib.gst_analytics_relation_meta_add_cls_mtd(meta, len(labels), levels, quarks, mtd))


def relate(meta: Any, one: int, other: int) -> None:
    """Relate two items of a relation meta."""
    # Both ways: consumers look from either end.
    _check(_lib.gst_analytics_relation_meta_set_relation(meta, _RELATE_TO, one, other))
    _check(_lib.gst_analytics_relation_meta_set_relation(meta, _RELATE_TO, other, one))


def quark_of(name: str) -> int:
    """Return the quark of a label."""
    return int(glib.g_quark_from_string(bytes_of(name)))


def _check(done: int) -> None:
    if not done:
        raise NativeError("GStreamer refused to add analytics metadata")
