"""GstAnalytics, the object metadata of GStreamer since 1.24: boxes, tracking ids and classifications, and how they relate.

``available`` is False where the library is not there; nothing else of this file may be used then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from empycustom.errors import NativeError
from empycustom.native.loading import FLAGS, bytes_of, ffi, glib, single, text

_RELATE_TO, _ANY = 1 << 3, 2**31 - 1
_NO_TIME = 2**64 - 1


def _load() -> Any:
    try:
        return ffi.dlopen("libgstanalytics-1.0.so.0", FLAGS)
    except OSError:
        return None


_lib: Any = _load()
available = _lib is not None
API: int = _lib.gst_analytics_relation_meta_api_get_type() if available else 0


class Label(NamedTuple):
    """A class that an object may be of, and how sure that is, from 0 to 1."""

    name: str
    confidence: float


class Detection(NamedTuple):
    """One object: its place in pixels, its tracking id (None: not tracked), and a list of labels for each classification.

    ``id`` is its number in its buffer's relation meta and stays the same when the buffer is copied.
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


def detection(meta: Any, number: int) -> Detection:
    """Read the object with an id of a relation meta."""
    mtd = ffi.new("GstAnalyticsMtd *")
    _check(_lib.gst_analytics_relation_meta_get_od_mtd(meta, number, mtd))
    return _detection(meta, mtd)


def detections_at(meta_address: int) -> list[Detection]:
    """Read the objects of the relation meta at an address, in the order in which they were added."""
    meta, mtd = ffi.cast("void *", meta_address), ffi.new("GstAnalyticsMtd *")
    numbers = range(_lib.gst_analytics_relation_get_length(meta))
    return [_detection(meta, mtd) for number in numbers if _lib.gst_analytics_relation_meta_get_od_mtd(meta, number, mtd)]


def numbers_at(meta_address: int) -> list[int]:
    """Return the ids of the objects of the relation meta at an address, in the same order."""
    meta, mtd = ffi.cast("void *", meta_address), ffi.new("GstAnalyticsMtd *")
    numbers = range(_lib.gst_analytics_relation_get_length(meta))
    return [mtd.id for number in numbers if _lib.gst_analytics_relation_meta_get_od_mtd(meta, number, mtd)]


def _detection(meta: Any, mtd: Any) -> Detection:
    box, confidence = ffi.new("int[4]"), ffi.new("float *")
    _lib.gst_analytics_od_mtd_get_location(mtd, box, box + 1, box + 2, box + 3, confidence)
    label = _name(_lib.gst_analytics_od_mtd_get_obj_type(mtd))
    tracking = [_tracking_id(other) for other in _related(meta, mtd.id, _lib.gst_analytics_tracking_mtd_get_mtd_type())]
    classes = [_labels(other) for other in _related(meta, mtd.id, _lib.gst_analytics_cls_mtd_get_mtd_type())]
    x, y, w, h = box
    return Detection(mtd.id, label, x, y, w, h, single(confidence[0]), tracking[0] if tracking else None, classes)


def _related(meta: Any, number: int, kind: int) -> list[Any]:
    state, found = ffi.new("void **"), []
    mtd = ffi.new("GstAnalyticsMtd *")
    while _lib.gst_analytics_relation_meta_get_direct_related(meta, number, _ANY, kind, state, mtd):
        found.append(mtd)
        mtd = ffi.new("GstAnalyticsMtd *")
    return found


def _tracking_id(mtd: Any) -> int:
    number, times, lost = ffi.new("uint64_t *"), ffi.new("uint64_t[2]"), ffi.new("gboolean *")
    _lib.gst_analytics_tracking_mtd_get_info(mtd, number, times, times + 1, lost)
    return int(number[0])


def _labels(mtd: Any) -> list[Label]:
    return [
        Label(_name(_lib.gst_analytics_cls_mtd_get_quark(mtd, index)), single(_lib.gst_analytics_cls_mtd_get_level(mtd, index)))
        for index in range(_lib.gst_analytics_cls_mtd_get_length(mtd))
    ]


def _name(quark: int) -> str:
    return text(glib.g_quark_to_string(quark))


def add_detection(address: int, detection: Detection) -> int:
    """Add an object to a writable buffer, with what is known of it, and return its id. ``detection.id`` is not read."""
    meta = _lib.gst_buffer_add_analytics_relation_meta(address)
    if not meta:
        raise NativeError("GStreamer refused to add analytics metadata")
    mtd = ffi.new("GstAnalyticsMtd *")
    box = (detection.x, detection.y, detection.w, detection.h)
    _check(_lib.gst_analytics_relation_meta_add_od_mtd(meta, quark_of(detection.label), *box, detection.confidence, mtd))
    number = int(mtd.id)
    if detection.tracking_id is not None:
        add_tracking(meta, detection.tracking_id, mtd)
        relate(meta, number, mtd.id)
    for labels in detection.classifications:
        add_classification(meta, labels, mtd)
        relate(meta, number, mtd.id)
    return number


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
