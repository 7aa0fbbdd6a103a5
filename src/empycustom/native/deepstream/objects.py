"""The objects of a frame: NvDsObjectMeta with classifiers and labels, and where and how an overlay draws them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from empycustom.native.declarations import bytes_of, glib, text_at
from empycustom.native.deepstream.layouts import (
    LABEL_SIZE,
    UNTRACKED,
    Layout,
    classifier_fields,
    label_fields,
)
from empycustom.native.deepstream.library import acquired, nvds
from empycustom.native.deepstream.users import key_in
from empycustom.native.memory import fields, items, writer

NOT_TRACKED = -1


class LabelMeta(NamedTuple):
    """What a NvDsLabelInfo says."""

    num_classes: int
    label: str
    class_id: int
    label_id: int
    probability: float


class ClassifierMeta(NamedTuple):
    """What a NvDsClassifierMeta says."""

    unique_component_id: int
    labels: list[LabelMeta]


class ObjectMeta(NamedTuple):
    """What a NvDsObjectMeta says, in pixels. ``object_id`` -1: not tracked. ``key`` is ours; 0: it has none."""

    unique_component_id: int
    class_id: int
    object_id: int
    confidence: float
    tracker_confidence: float
    left: float
    top: float
    width: float
    height: float
    display_text: str
    label: str
    key: int
    classifiers: list[ClassifierMeta]


def object_at(address: int, layout: Layout) -> ObjectMeta:
    """Read an object."""
    component, class_id, object_id, *numbers, shown, label, classifiers, users = layout.object_fields(address)
    return ObjectMeta._make(
        (
            component,
            class_id,
            object_id if object_id != UNTRACKED else NOT_TRACKED,
            *numbers,
            text_at(shown) if shown else "",
            _label(label),
            key_in(items(users)) if users else 0,
            [_classifier_at(classifier) for classifier in items(classifiers)] if classifiers else [],
        )
    )


def key_at(address: int, layout: Layout) -> int:
    """Return the key of an object, 0: it has none."""
    (users,) = layout.users_field(address)
    return key_in(items(users)) if users else 0


def _classifier_at(address: int) -> ClassifierMeta:
    component, labels = classifier_fields(address)
    return ClassifierMeta(component, [_label_at(label) for label in items(labels)])


def _label_at(address: int) -> LabelMeta:
    num_classes, label, long_label, class_id, label_id, probability = label_fields(address)
    return LabelMeta(num_classes, text_at(long_label) if long_label else _label(label), class_id, label_id, probability)


@lru_cache(maxsize=1024)
def _label(chars: bytes) -> str:
    return chars.partition(b"\0")[0].decode("utf-8", "replace")


# How a new object is drawn, as nvinfer lets its own be drawn: a red border, its text in white on black above it.
_BORDER_WIDTH, _RED, _WHITE, _BLACK = 3, (1.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0)
_FONT, _FONT_SIZE, _TEXT_HEIGHT = b"Serif", 11, 10
_HUGE, _LAST_PLACE = 3e38, 2**32 - 1  # what a float and an unsigned int hold, at most
_RECT = 104  # where in a NvDsObjectMeta the NvOSD_RectParams lie

# Runs of fields without padding between them.
_ids = writer("=iiQ4f")  # NvDsObjectMeta from 48: unique_component_id, class_id, object_id, detector_bbox_info
_sureness = writer("=2f")  # from 96: confidence, tracker_confidence
_rect = writer("=4fI")  # NvOSD_RectParams: left, top, width, height, border_width
_box, _box_at = writer("=4f"), fields((_RECT, "ffff"))
_text_place, _text_place_at = writer("=II"), fields((0, "II"))  # NvOSD_TextParams from 8
_colour = writer("=4d")
_text = writer("=QIIQI")  # NvOSD_TextParams: display_text, x_offset, y_offset, font_name, font_size
_int = writer("=i")
_chars = writer(f"={LABEL_SIZE}s")
_classifier = writer("=i")  # NvDsClassifierMeta at 44: unique_component_id
_label_info = writer(f"=i{LABEL_SIZE}s")  # NvDsLabelInfo from 40: num_classes, result_label
_result = writer("=Qiif")  # from 176: pResult_label, result_class_id, label_id, result_prob


def add_object(frame: int, batch: int, layout: Layout, found: ObjectMeta) -> int:
    """Add an object to the frame at an address and return its own. Its label may have 127 bytes, what is more is cut off."""
    address = acquired("nvds_acquire_obj_meta_from_pool", batch)
    fill_object(address, layout, found)
    for classifier in found.classifiers:
        nvds().nvds_add_classifier_meta_to_object(address, _new_classifier(batch, classifier))
    nvds().nvds_add_obj_meta_to_frame(frame, address, 0)
    return address


def fill_object(address: int, layout: Layout, found: ObjectMeta) -> None:
    """Fill in a new NvDsObjectMeta, with how it is drawn; its lists are left alone."""
    box = (found.left, found.top, found.width, found.height)
    _ids(address + 48, found.unique_component_id, found.class_id, found.object_id % 2**64, *box)
    _sureness(address + 96, found.confidence, found.tracker_confidence)
    _rect(address + _RECT, *box, _BORDER_WIDTH)
    _colour(address + _RECT + 24, *_RED)
    _int(address + _RECT + 56, 0)  # has_bg_color
    text = address + layout.text_params
    x, y = max(0, round(found.left)), max(0, round(found.top) - _TEXT_HEIGHT)
    # The text is freed with the object, the font's name is nobody's.
    _text(text, glib.g_strdup(bytes_of(found.display_text)), x, y, glib.g_intern_string(_FONT), _FONT_SIZE)
    _colour(text + 32, *_WHITE)
    _int(text + 64, 1)  # set_bg_clr
    _colour(text + 72, *_BLACK)
    _chars(address + layout.obj_label, _cut(found.label))


def scale_object(address: int, layout: Layout, x: float, y: float) -> None:
    """Multiply the box of an object, and the place of its text, by one factor across and one down."""
    left, top, width, height = _box_at(address)
    _box(address + _RECT, *(max(-_HUGE, min(side, _HUGE)) for side in (left * x, top * y, width * x, height * y)))
    text = address + layout.text_params + 8
    across, down = _text_place_at(text)
    _text_place(text, min(round(across * x), _LAST_PLACE), min(round(down * y), _LAST_PLACE))


def _new_classifier(batch: int, classifier: ClassifierMeta) -> int:
    address = acquired("nvds_acquire_classifier_meta_from_pool", batch)
    _classifier(address + 44, classifier.unique_component_id)
    for label in classifier.labels:
        info = acquired("nvds_acquire_label_info_meta_from_pool", batch)
        _label_info(info + 40, label.num_classes, _cut(label.label))
        text = bytes_of(label.label)
        long_label = glib.g_strdup(text) if len(text) >= LABEL_SIZE else 0
        _result(info + 176, long_label, label.class_id, label.label_id, label.probability)
        nvds().nvds_add_label_info_meta_to_classifier(address, info)
    return address


def _cut(text: str) -> bytes:
    """Return a text as a char array holds it: whole characters, and a NUL behind them."""
    return bytes_of(text)[: LABEL_SIZE - 1].decode("utf-8", "ignore").encode()
