"""Attributes on a DeepStream batch: one NvDsEventMsgMeta of ours in the user metadata of each frame, with JSON in ``otherAttrs``.

Its ``objectId`` is ``empycustom``. Its JSON::

    {"schema_version": 1, "frame_num": 7, "timestamp": "...", "source_id": 0, "emcustom": <of the frame>,
     "source_frame_width": 320, "source_frame_height": 240,
     "object": [{"key": 1, "class_id": 2, ..., "rect_params": {...}, "emcustom": <of this object>}, ...]}

Only the first three are always there. The key ties an entry to its object, which has it in user metadata of its own: that goes
with it when the batch is copied, with its objects in the reverse order then, and is gone when the object is. The attributes
of the batch are in such an event of the batch: ``{"schema_version": 1, "emcustom": ...}``. ``packed`` of an entry are arrays and
rotation (``model/carried.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from empycustom.carriers.protocol import free_numbers
from empycustom.errors import MetadataError
from empycustom.model import values as model
from empycustom.model.arrays import IN_BOX, SPECIAL, UNIQUE_ID, without_parent
from empycustom.model.carried import pack, unpack
from empycustom.model.keys import ATTRIBUTES, BOX, CLASS_ID, CONFIDENCE, LABEL, PACKED, RECORD_KEY, SOURCE_ID, TRACK_ID
from empycustom.model.results import merged
from empycustom.model.serialize import assemble, shorten
from empycustom.model.values import NOTHING, is_nothing
from empycustom.model.wire import add_records, box_dict, clean_box, json_head, read_event, usable
from empycustom.native.deepstream import Layout, msg_blob_type
from empycustom.native.deepstream_read import MARKER, BatchMeta, FrameMeta, ObjectMeta, UserMeta
from empycustom.native.deepstream_write import add_event, add_key, add_msg_blob, msg_blob_in, remove
from empycustom.native.loading import single

_PLAIN = SPECIAL - IN_BOX  # of what an object has beside its box: what is in JSON as in in_meta
_BESIDE = _PLAIN | {PACKED}


class Event:
    """The attributes of a batch, or of a ``frame`` of it.

    ``attributes`` are those of the whole, ``records`` the entries of objects by their keys, with boxes in a frame of ``size``.
    """

    def __init__(self, batch: BatchMeta, frame: FrameMeta | None, layout: Layout) -> None:
        self._batch, self._frame, self._layout = batch.address, frame, layout
        self._user, text = _event_in(frame.users if frame else batch.users)
        self.attributes: Any = NOTHING
        self.records: dict[int, dict[str, Any]] = {}
        self.size: tuple[Any, Any] = (None, None)
        if text:
            self._read(text)

    def _read(self, text: str) -> None:
        try:
            self.attributes, self.records, self.size = read_event(text)
        except ValueError as error:
            raise MetadataError(
                f"the JSON in the buffer's NvDsEventMsgMeta of objectId {MARKER}",
                f" is not as empycustom writes it: {error}; find the element that wrote it: {shorten(text)}",
            ) from error

    def about(self, key: int) -> Any:
        """Return the attributes of the object of that key."""
        return self.records[key].get(ATTRIBUTES, NOTHING) if key in self.records else NOTHING

    def complete(self, key: int, found: dict[str, Any]) -> None:
        """Add to an object of in_meta with that key what it has beside its box."""
        record = self.records.get(key)
        if record is not None and not _BESIDE.isdisjoint(record):
            found |= {name: record[name] for name in _PLAIN & record.keys()}
            if PACKED in record:
                unpack(record[PACKED], found)

    def attach(self, attributes: Any, timestamp: str, *, blob: bool = False) -> bool:
        """Attach attributes of the whole, on top of the earlier ones, and the records, in the place of the earlier event.

        ``blob``: of a frame, as a message for nvmsgconv as well. Return whether the frame is still there.
        """
        content = json_head() if self._frame is None else _head(self._frame, timestamp)
        attributes = merged(self.attributes, attributes)
        if not is_nothing(attributes):
            content[ATTRIBUTES] = attributes
        if self.records:
            add_records(content, self.size, self.records.values())
        return self._attach_text(assemble(content).decode(), timestamp, blob=blob)

    def _attach_text(self, text: str, timestamp: str, *, blob: bool) -> bool:
        frame = self._frame
        owner, address = _owner(self._batch, frame)
        numbers = (frame.source_id, frame.frame_num) if frame else ()
        added = add_event(owner, address, self._batch, self._layout, text, timestamp, *numbers)
        if self._user:
            remove(owner, address, self._batch, self._user)
        if blob and frame:
            kind = msg_blob_type(self._layout)
            earlier = msg_blob_in(frame.users, kind)
            add_msg_blob(address, self._batch, kind, text)
            if earlier:
                remove(owner, address, self._batch, earlier)
        return added


def discard_unreadable(batch: BatchMeta, frame: FrameMeta | None, layout: Layout) -> None:
    """Remove the event of a frame, or of the batch itself (no frame), where it cannot be read."""
    try:
        Event(batch, frame, layout)
    except MetadataError:
        user, _ = _event_in(frame.users if frame else batch.users)
        owner, address = _owner(batch.address, frame)
        remove(owner, address, batch.address, user)


def _event_in(users: list[UserMeta]) -> tuple[int, str]:
    """Return our event among user metadata: its address and its text; 0 and ``""``: there is none."""
    return next(((user.address, user.text) for user in users if user.text is not None), (0, ""))


def _owner(batch: int, frame: FrameMeta | None) -> tuple[str, int]:
    return ("frame", frame.address) if frame else ("batch", batch)


def _head(frame: FrameMeta, timestamp: str) -> dict[str, Any]:
    return json_head(frame.frame_num, timestamp) | {SOURCE_ID: frame.source_id}


class Records:
    """The entries that an event has of the objects of its frame, which has a ``size`` in pixels now.

    ``held`` are keys that an object's own metadata holds.
    """

    def __init__(self, event: Event, batch: BatchMeta, frame: FrameMeta, size: tuple[int, int], held: Set[str]) -> None:
        self._held, self._special = held, SPECIAL - held
        self._entries, self._batch, self._frame = event.records, batch.address, frame.address
        self._keys = {found.address: found.key for found in frame.objects}
        self._free = free_numbers(set(self._keys.values()))
        for key in self._entries.keys() - set(self._keys.values()):  # of objects that are gone
            del self._entries[key]
        if event.size != size:  # it was scaled, and so were the objects
            event.size = size
            for found in frame.objects:
                if found.key in self._entries:
                    self._entries[found.key][BOX] = _box_of(found)

    def change(self, found: ObjectMeta, whole: Mapping[str, Any]) -> bool:
        """Let the entry of an object say what it is now, if it has or needs one. Return as :meth:`add` does."""
        if self._keys.get(found.address, 0) in self._entries or not self._special.isdisjoint(whole):
            return self.add(found, NOTHING, whole)
        return True

    def needs(self, whole: Mapping[str, Any]) -> bool:
        """Return whether an object of in_meta has something that its own metadata cannot hold."""
        return ATTRIBUTES in whole or not self._special.isdisjoint(whole)

    def remove(self, found: ObjectMeta) -> None:
        """Leave out the entry of an object that is removed; those that are a part of it have no parent any more."""
        entry = self._entries.pop(self._keys.pop(found.address, 0), {})  # a new object may get its memory
        if UNIQUE_ID in entry:
            for key, other in self._entries.items():
                self._entries[key] = without_parent(other, {entry[UNIQUE_ID]})

    def add(self, found: ObjectMeta, attributes: Any, whole: Mapping[str, Any] | None = None) -> bool:
        """Add attributes of an object to those that it has; return whether it is still there.

        ``whole`` is the object as in_meta has it, None: what it has beside its box stays.
        """
        key = self._keys.get(found.address, 0)
        if not key:
            key = next(self._free)
            if not add_key(self._frame, found.address, self._batch, key):
                return False
            self._keys[found.address] = key
        earlier = self._entries.get(key, {})
        self._entries[key] = entry = {
            RECORD_KEY: key,
            CLASS_ID: found.class_id,
            TRACK_ID: found.object_id,
            CONFIDENCE: usable(single(found.confidence), "", []),  # what had to be cleaned was reported when it was read
            LABEL: found.label,
            BOX: _box_of(found),
        }
        if whole is None:
            entry |= {name: earlier[name] for name in _BESIDE & earlier.keys()}
        else:
            entry |= {name: whole[name] for name in _PLAIN & whole.keys()}
            if packed := pack({name: value for name, value in whole.items() if name not in self._held}):
                entry[PACKED] = packed
        attributes = merged(earlier.get(ATTRIBUTES, NOTHING), attributes)
        if attributes is not NOTHING:
            entry[ATTRIBUTES] = attributes
        return True


def _box_of(found: ObjectMeta) -> model.RectParams:
    return box_dict(*clean_box(found.left, found.top, found.width, found.height, []))
