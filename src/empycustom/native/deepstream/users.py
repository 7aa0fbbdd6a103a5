"""User metadata of ours: events with a text on frames and batches, keys on objects.

NVIDIA's functions take the batch's lock themselves, for as long as they run, and Python's own lock is not held then. So nothing
is added piece by piece: what is added is complete.
"""

from __future__ import annotations

from collections.abc import Sequence

from empycustom.errors import DeepStreamError
from empycustom.native.boxes import copy_and_release, new_box
from empycustom.native.declarations import bytes_of, glib, text_at
from empycustom.native.deepstream.layouts import EVENT_MSG_META, Layout, user_fields
from empycustom.native.deepstream.library import acquired, key_type, nvds
from empycustom.native.memory import fields, writer

MARKER = "empycustom"  # the objectId of our events
COMPONENT_ID = 0x454D  # their componentId: a nvmsgconv whose comp-id is set, and is another, leaves them out

# Places in NvDsEventMsgMeta.
_TYPE, _OBJECT_TYPE, _SENSOR_ID, _COMPONENT_ID, _FRAME_ID, _TIME, _OBJECT_ID = 0, 4, 92, 104, 108, 128, 136
_CUSTOM = 0x101  # NVDS_EVENT_CUSTOM, NVDS_OBJECT_TYPE_CUSTOM
_MESSAGE, _LENGTH, _INFO_SIZE = 0, 8, 16  # NvDsCustomMsgInfo
_OURS: int = glib.g_intern_string(MARKER.encode())  # the uContext of all user metadata of ours

# NVIDIA's functions, by what has the user metadata.
_ADD = {
    "batch": "nvds_add_user_meta_to_batch",
    "frame": "nvds_add_user_meta_to_frame",
    "object": "nvds_add_user_meta_to_obj",
}
_REMOVE = {"batch": "nvds_remove_user_meta_from_batch", "frame": "nvds_remove_user_meta_from_frame"}

_pointer, _number = fields((0, "Q")), fields((0, "i"))
_write = writer("=iIQQQQ")  # a NvDsUserMeta from 8 on: meta_type, padding, uContext, copy_func, release_func, user_meta_data


def event_in(users: Sequence[int], layout: Layout) -> tuple[int, str]:
    """Return our event among user metadata: its address and its text; 0 and ``""``: there is none."""
    for user in users:
        kind, _, data = user_fields(user)
        if kind == EVENT_MSG_META and data and text_at(_pointer(data + _OBJECT_ID)[0]) == MARKER:
            return user, text_at(_pointer(data + layout.event_text)[0])
    return 0, ""


def add_event(
    owner: str, address: int, batch: int, layout: Layout, text: str, timestamp: str, source_id: int = 0, frame_num: int = 0
) -> None:
    """Add our event with a text to a ``"frame"`` or the ``"batch"`` itself, at ``address``."""
    texts = {_TIME: bytes_of(timestamp), _OBJECT_ID: MARKER.encode(), layout.event_text: bytes_of(text)}
    numbers = {_TYPE: _CUSTOM, _OBJECT_TYPE: _CUSTOM, _COMPONENT_ID: COMPONENT_ID, _SENSOR_ID: source_id, _FRAME_ID: frame_num}
    _add(owner, address, batch, EVENT_MSG_META, new_box(layout.event_size, texts, numbers))


def blob_in(users: Sequence[int], kind: int) -> int:
    """Return our message of a kind (see ``versions``) among user metadata, 0: there is none."""
    return next((user for user in users if user_fields(user)[:2] == (kind, _OURS)), 0)


def add_blob(address: int, batch: int, kind: int, text: str) -> None:
    """Add a text to a frame as nvmsgconv publishes it, of a kind."""
    message = bytes_of(text)
    _add("frame", address, batch, kind, new_box(_INFO_SIZE, {_MESSAGE: message}, {_LENGTH: len(message)}))


def remove(owner: str, address: int, user: int) -> None:
    """Remove user metadata from a ``"frame"`` or the ``"batch"``."""
    _, mark, box = user_fields(user)
    ours = mark == _OURS  # somebody else may use our objectId: NVIDIA's library calls its release_func
    if ours:
        _write(user + 8, 0, 0, 0, 0, 0, 0)  # it goes back to the pool as it is; the next one may count on zeros
    getattr(nvds(), _REMOVE[owner])(address, user)
    if ours:
        glib.g_atomic_rc_box_release(box)


def key_in(users: Sequence[int]) -> int:
    """Return the key of the object that has these user metadata; 0: none yet."""
    for user in users:
        kind, _, data = user_fields(user)
        if kind == key_type():
            return int(_number(data)[0])
    return 0


def add_key(address: int, batch: int, key: int) -> None:
    """Give a key to the object at an address, which goes with it from now on."""
    _add("object", address, batch, key_type(), new_box(8, {}, {0: key}))


def _add(owner: str, address: int, batch: int, kind: int, box: int) -> None:
    try:
        copy, release = copy_and_release()
        user = acquired("nvds_acquire_user_meta_from_pool", batch)
    except DeepStreamError:
        glib.g_atomic_rc_box_release(box)
        raise
    _write(user + 8, kind, 0, _OURS, copy, release, box)
    getattr(nvds(), _ADD[owner])(address, user)
