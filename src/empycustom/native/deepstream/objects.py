"""New objects: NvDsObjectMeta with classifiers and labels, and where and how an overlay draws them."""

from __future__ import annotations

from empycustom.native.declarations import bytes_of, glib
from empycustom.native.deepstream.batches import ClassifierMeta, ObjectMeta
from empycustom.native.deepstream.layouts import BATCH_FRAMES, LABEL_SIZE, Layout
from empycustom.native.deepstream.library import acquired, keeping_the_gil, nvds
from empycustom.native.deepstream.lock import change
from empycustom.native.memory import fields, writer

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
    """Add an object to the frame at an address and return its own; 0: the frame is not in the batch any more.

    Its label may have 127 bytes, what is more is cut off.
    """
    address = acquired("nvds_acquire_obj_meta_from_pool", batch)
    fill_object(address, layout, found)
    for classifier in found.classifiers:
        nvds().nvds_add_classifier_meta_to_object(address, _new_classifier(batch, classifier))
    add = keeping_the_gil("nvds_add_obj_meta_to_frame", 3)
    return address if change(batch, batch + BATCH_FRAMES, frame, (add, (frame, address, 0))) else 0


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
