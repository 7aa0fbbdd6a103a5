"""Writing to a batch of DeepStream: new objects, and user metadata of ours, which is events with a text and keys of objects.

What is added is complete, and is added by one call (see :mod:`empycustom.native.deepstream`). From then on it belongs to the
batch. What it is made of comes from pools, by functions of NVIDIA's that take the lock of the batch themselves, for as long as
they run, without the GIL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from empycustom.errors import DeepStreamError
from empycustom.native.deepstream import (
    BATCH_FRAMES,
    EVENT_MSG_META,
    FRAME_OBJECTS,
    LABEL_SIZE,
    USERS,
    Layout,
    acquired,
    change,
    keeping_the_gil,
    key_type,
    nvds,
    user_fields,
)
from empycustom.native.deepstream_read import MARKER, ClassifierMeta, MaskMeta, ObjectMeta, UserMeta
from empycustom.native.loading import POINTER, Writer, bytes_of, ffi, glib, offset_of, packer, reader, writer
from empycustom.native.trampolines import new_rc_blob, rc_blob_functions

# How a new object is drawn, as nvinfer lets its own be drawn: a red border, its text in white on black above it.
_BORDER_WIDTH, _RED, _WHITE, _BLACK = 3, (1.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0)
_FONT, _FONT_SIZE, _TEXT_HEIGHT = b"Serif", 11, 10
_HUGE, LAST_PLACE = 3e38, 2**32 - 1  # what a float and an unsigned int hold, at most

_HEAD, _TAIL, _BOX = "NvDsObjectHead", "NvDsObjectTail", [f"rect_params.{name}" for name in ("left", "top", "width", "height")]
_ids = writer(_HEAD, "unique_component_id", "class_id", "object_id", "detector_bbox_info")
_confidences = writer(_HEAD, "confidence", "tracker_confidence")
_rect, box_writer, _box_of = writer(_HEAD, *_BOX, "rect_params.border_width"), writer(_HEAD, *_BOX), reader(_HEAD, *_BOX)
_border_color, _has_bg_color = writer(_HEAD, "rect_params.border_color"), writer(_HEAD, "rect_params.has_bg_color")
_OFFSET = ("text_params.x_offset", "text_params.y_offset")
text_offset, text_offset_of = writer(_TAIL, *_OFFSET), reader(_TAIL, *_OFFSET)
_display_text = writer(_TAIL, "text_params.display_text")
_text = writer(_TAIL, *_OFFSET, "text_params.font_params.font_name", "text_params.font_params.font_size")
_font_color = writer(_TAIL, "text_params.font_params.font_color")
_set_bg_clr, _text_bg_clr = writer(_TAIL, "text_params.set_bg_clr"), writer(_TAIL, "text_params.text_bg_clr")
_obj_label = writer(_TAIL, "obj_label")
put_mask, put_float = writer("NvOSD_MaskParams", "data", "size", "threshold", "width", "height"), packer("=f")
_classifier_id = writer("NvDsClassifierMeta", "unique_component_id")
_result_label = writer("NvDsLabelInfo", "num_classes", "result_label")
_result = writer("NvDsLabelInfo", "pResult_label", "result_class_id", "label_id", "result_prob")

COMPONENT_ID = 0x454D  # their componentId: a nvmsgconv whose comp-id is set, and is another, leaves them out

# Where fields lie in a NvDsEventMsgMeta, and in a NvDsCustomMsgInfo.
_EVENT_FIELDS = ("type", "objType", "sensorId", "componentId", "frameId", "ts", "objectId")
_TYPE, _OBJ_TYPE, _SENSOR_ID, _COMPONENT_ID, _FRAME_ID, _TS, _OBJECT_ID = (
    offset_of("NvDsEventMsgMeta", name) for name in _EVENT_FIELDS
)
_MESSAGE, _LENGTH = offset_of("NvDsCustomMsgInfo", "message"), offset_of("NvDsCustomMsgInfo", "size")
_MSG_SIZE: int = ffi.sizeof("NvDsCustomMsgInfo")
_CUSTOM = 0x101  # NVDS_EVENT_CUSTOM, NVDS_OBJECT_TYPE_CUSTOM
_OURS: int = glib.g_intern_string(MARKER.encode())  # the uContext of all user metadata of ours

# NVIDIA's functions, by what has the user metadata.
_ADD = {
    "batch": "nvds_add_user_meta_to_batch",
    "frame": "nvds_add_user_meta_to_frame",
    "object": "nvds_add_user_meta_to_obj",
}
_REMOVE = {"batch": "nvds_remove_user_meta_from_batch", "frame": "nvds_remove_user_meta_from_frame"}

_fill = writer(
    "NvDsUserMeta", *(f"base_meta.{name}" for name in ("meta_type", "uContext", "copy_func", "release_func")), "user_meta_data"
)
_UNUSED = (0, 0, 0, 0, 0)  # as it goes back to its pool: the next one may count on zeros


def add_object(frame: int, batch: int, layout: Layout, found: ObjectMeta) -> int:
    """Add an object to the frame at an address and return its own; 0: the frame is not in the batch any more.

    Its label may have 127 bytes, what is more is cut off.
    """
    address = acquired("nvds_acquire_obj_meta_from_pool", batch)
    fill_object(address, layout, found)
    for classifier in reversed(found.classifiers):  # each is put before the others
        nvds().nvds_add_classifier_meta_to_object(address, new_classifier(batch, classifier))
    add = keeping_the_gil("nvds_add_obj_meta_to_frame", 3)
    return address if change(batch, batch + BATCH_FRAMES, frame, (add, (frame, address, 0))) else 0


def fill_object(address: int, layout: Layout, found: ObjectMeta) -> None:
    """Fill in a new NvDsObjectMeta, with how it is drawn; its lists are left alone."""
    box = (found.left, found.top, found.width, found.height)
    _ids(address, found.unique_component_id, found.class_id, found.object_id % 2**64, *box)
    _confidences(address, found.confidence, found.tracker_confidence)
    _rect(address, *box, _BORDER_WIDTH)
    _border_color(address, *_RED)
    _has_bg_color(address, 0)
    tail = address + layout.object_tail
    # The text is freed with the object.
    _display_text(tail, glib.g_strdup(bytes_of(found.display_text)))
    for write, arguments in style_of_text(tail, found.left, found.top):
        write(*arguments)
    _obj_label(tail, cut(found.label))
    if found.angle and layout.angle:
        put_float(address + layout.angle, found.angle)
    if found.mask:
        put_mask(address + layout.mask, *mask_fields(found.mask))


def mask_fields(mask: MaskMeta | None) -> tuple[Any, ...]:
    """Return the fields of a NvOSD_MaskParams in their order, for a mask or none, with new memory for its numbers, for g_free."""
    if mask is None:
        return 0, 0, 0.0, 0, 0
    size = len(mask.numbers)
    memory = glib.g_malloc(size)
    ffi.memmove(ffi.cast(POINTER, memory), mask.numbers, size)
    return memory, size, mask.threshold, mask.width, mask.height


def style_of_text(tail: int, left: float, top: float) -> list[tuple[Writer, tuple[Any, ...]]]:
    """Return the calls by which the text of an object, in the NvDsObjectTail at an address, is drawn above its box."""
    x, y = max(0, round(left)), max(0, round(top) - _TEXT_HEIGHT)
    return [
        (_text, (tail, x, y, glib.g_intern_string(_FONT), _FONT_SIZE)),  # the font's name is nobody's
        (_font_color, (tail, *_WHITE)),
        (_set_bg_clr, (tail, 1)),
        (_text_bg_clr, (tail, *_BLACK)),
    ]


def scale_object(address: int, layout: Layout, x: float, y: float) -> None:
    """Multiply the box of an object, and the place of its text, by one factor across and one down."""
    left, top, width, height = _box_of(address)
    box_writer(address, *(max(-_HUGE, min(side, _HUGE)) for side in (left * x, top * y, width * x, height * y)))
    tail = address + layout.object_tail
    across, down = text_offset_of(tail)
    text_offset(tail, min(round(across * x), LAST_PLACE), min(round(down * y), LAST_PLACE))


def place_object(address: int, layout: Layout, box: Iterable[float], angle: float) -> None:
    """Set the box of an object, and its angle in degrees."""
    box_writer(address, *box)
    put_float(address + layout.angle, angle)


def new_classifier(batch: int, classifier: ClassifierMeta) -> int:
    """Return a classification from the pools of a batch, which belongs to no object yet."""
    address = acquired("nvds_acquire_classifier_meta_from_pool", batch)
    _classifier_id(address, classifier.unique_component_id)
    for label in reversed(classifier.labels):
        info = acquired("nvds_acquire_label_info_meta_from_pool", batch)
        _result_label(info, label.num_classes, cut(label.label))
        text = bytes_of(label.label)
        long_label = glib.g_strdup(text) if len(text) >= LABEL_SIZE else 0
        _result(info, long_label, label.class_id, label.label_id, label.probability)
        nvds().nvds_add_label_info_meta_to_classifier(address, info)
    return address


def cut(text: str) -> bytes:
    """Return a text as it goes into a char array: whole characters, and a NUL behind them."""
    return bytes_of(text)[: LABEL_SIZE - 1].decode("utf-8", "ignore").encode()


def add_event(
    owner: str, address: int, batch: int, layout: Layout, text: str, timestamp: str, source_id: int = 0, frame_num: int = 0
) -> bool:
    """Add our event with a text to a ``"frame"`` or the ``"batch"`` itself, at ``address``; return whether it is still there."""
    texts = {_TS: bytes_of(timestamp), _OBJECT_ID: MARKER.encode(), layout.other_attrs: bytes_of(text)}
    numbers = {_TYPE: _CUSTOM, _OBJ_TYPE: _CUSTOM, _COMPONENT_ID: COMPONENT_ID, _SENSOR_ID: source_id, _FRAME_ID: frame_num}
    return _add(owner, address, batch, EVENT_MSG_META, new_rc_blob(layout.event_size, texts, numbers))


def msg_blob_in(users: Sequence[UserMeta], kind: int) -> int:
    """Return our message of a kind (see ``versions``) among user metadata, 0: there is none."""
    return next((user.address for user in users if (user.kind, user.context) == (kind, _OURS)), 0)


def add_msg_blob(address: int, batch: int, kind: int, text: str) -> None:
    """Add a text to a frame as nvmsgconv publishes it, of a kind."""
    message = bytes_of(text)
    _add("frame", address, batch, kind, new_rc_blob(_MSG_SIZE, {_MESSAGE: message}, {_LENGTH: len(message)}))


def remove(owner: str, address: int, batch: int, user: int) -> None:
    """Remove user metadata from a ``"frame"`` or the ``"batch"``, where it is still there."""
    _, mark, blob = user_fields(user)
    ours = mark == _OURS  # somebody else may use our objectId: NVIDIA's library calls its release_func
    cleared = [(_fill, (user, *_UNUSED))] if ours else []
    removed = (keeping_the_gil(_REMOVE[owner]), (address, user))
    if change(batch, address + USERS[owner], user, *cleared, removed) and ours:
        glib.g_atomic_rc_box_release(blob)


def add_key(frame: int, address: int, batch: int, key: int) -> bool:
    """Give a key to an object of a frame, which goes with it from now on; return whether the object is still there."""
    return _add("object", address, batch, key_type(), new_rc_blob(8, {}, {0: key}), frame + FRAME_OBJECTS)


def _add(owner: str, address: int, batch: int, kind: int, blob: int, place: int = 0) -> bool:
    """Add user metadata with a blob; an object is in the list stored at ``place``. Return whether its owner is still there."""
    try:
        copy, release = rc_blob_functions()
        user = acquired("nvds_acquire_user_meta_from_pool", batch)
    except DeepStreamError:
        glib.g_atomic_rc_box_release(blob)
        raise
    _fill(user, kind, _OURS, copy, release, blob)
    if owner == "frame":
        place = batch + BATCH_FRAMES
    added = change(batch, place, address, (keeping_the_gil(_ADD[owner]), (address, user)))
    if not added:
        _fill(user, *_UNUSED)
        glib.g_atomic_rc_box_release(blob)
    return added
