"""User metadata of ours: events with a text on frames and batches, keys on objects.

What is added is complete, and is added by one call (see ``lock``). What it is made of comes from pools, by functions of NVIDIA's
that take the lock of the batch themselves, for as long as they run, without the GIL.
"""

from __future__ import annotations

from collections.abc import Sequence

from empycustom.errors import DeepStreamError
from empycustom.native.deepstream import (
    BATCH_FRAMES,
    EVENT_MSG_META,
    EVENT_OBJECT_ID,
    FRAME_OBJECTS,
    USERS,
    Layout,
    acquired,
    change,
    keeping_the_gil,
    key_type,
    user_fields,
)
from empycustom.native.deepstream_metas import MARKER, UserMeta
from empycustom.native.loading import bytes_of, glib
from empycustom.native.memory import writer
from empycustom.native.trampolines import new_rc_blob, rc_blob_functions

COMPONENT_ID = 0x454D  # their componentId: a nvmsgconv whose comp-id is set, and is another, leaves them out

# Places in NvDsEventMsgMeta.
_TYPE, _OBJECT_TYPE, _SENSOR_ID, _COMPONENT_ID, _FRAME_ID, _TIME = 0, 4, 92, 104, 108, 128
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

_write = writer("=iIQQQQ")  # a NvDsUserMeta from 8 on: meta_type, padding, uContext, copy_func, release_func, user_meta_data


def add_event(
    owner: str, address: int, batch: int, layout: Layout, text: str, timestamp: str, source_id: int = 0, frame_num: int = 0
) -> bool:
    """Add our event with a text to a ``"frame"`` or the ``"batch"`` itself, at ``address``; return whether it is still there."""
    texts = {_TIME: bytes_of(timestamp), EVENT_OBJECT_ID: MARKER.encode(), layout.event_text: bytes_of(text)}
    numbers = {_TYPE: _CUSTOM, _OBJECT_TYPE: _CUSTOM, _COMPONENT_ID: COMPONENT_ID, _SENSOR_ID: source_id, _FRAME_ID: frame_num}
    return _add(owner, address, batch, EVENT_MSG_META, new_rc_blob(layout.event_size, texts, numbers))


def msg_blob_in(users: Sequence[UserMeta], kind: int) -> int:
    """Return our message of a kind (see ``versions``) among user metadata, 0: there is none."""
    return next((user.address for user in users if (user.kind, user.context) == (kind, _OURS)), 0)


def add_msg_blob(address: int, batch: int, kind: int, text: str) -> None:
    """Add a text to a frame as nvmsgconv publishes it, of a kind."""
    message = bytes_of(text)
    _add("frame", address, batch, kind, new_rc_blob(_INFO_SIZE, {_MESSAGE: message}, {_LENGTH: len(message)}))


def remove(owner: str, address: int, batch: int, user: int) -> None:
    """Remove user metadata from a ``"frame"`` or the ``"batch"``, where it is still there."""
    _, mark, blob = user_fields(user)
    ours = mark == _OURS  # somebody else may use our objectId: NVIDIA's library calls its release_func
    # It goes back to the pool as it is; the next one may count on zeros.
    cleared = [(_write, (user + 8, 0, 0, 0, 0, 0, 0))] if ours else []
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
    _write(user + 8, kind, 0, _OURS, copy, release, blob)
    if owner == "frame":
        place = batch + BATCH_FRAMES
    added = change(batch, place, address, (keeping_the_gil(_ADD[owner]), (address, user)))
    if not added:
        _write(user + 8, 0, 0, 0, 0, 0, 0)
        glib.g_atomic_rc_box_release(blob)
    return added
