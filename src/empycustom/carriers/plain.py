"""The carrier of plain GStreamer: objects by sources such as regions, attributes in a custom meta of our own.

The custom meta ``EmPyCustomMeta`` has the fields ``frame-num`` and ``json``::

    {"schema_version": 1, "frame_num": 7, "timestamp": "...", "meta": <of the batch>, "emcustom": <of the frame>, "from_frame": 5,
     "source_frame_width": 320, "source_frame_height": 240,
     "object": [{"key": "region/7", "obj_label": "person", "emcustom": ...}, ...]}

Only the first three are always there. Each entry of ``object`` is tied to its object by ``key`` (``region/7``: the id of the
region; ``analytics/0``: the id in the relation meta), not by position, and holds what the object's own metadata cannot, or what
a conversion would lose. It repeats no box: what scales or crops a frame changes its regions, and not a text. ``box_in_region``
is there where an object does not lie on whole pixels inside of the frame: left, top, width and height in parts of its region.
``source_frame_width`` and ``_height`` are the frame's size then. ``packed`` are arrays and rotation (``model/carried.py``),
with the region of that time: how these have moved since says how the frame was scaled, mirrored and turned. ``numbers``, beside
``object``, are those of GstAnalytics, which numbers objects anew where items are dropped. Where a library says nothing, number
and time are a stamp (:func:`empycustom.native.own_metas.add_stamp`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from empycustom.carriers.arrays import add_arrays
from empycustom.carriers.matching import drop_duplicates, matched, moved, rounded, shared, twins
from empycustom.carriers.messages import HAS_MESSAGES, read_messages, write_messages
from empycustom.carriers.protocol import (
    NOT_TURNED,
    RESHAPED,
    Change,
    Frame,
    Handle,
    ObjectSource,
    Place,
    Size,
    free_numbers,
    rescaled,
    scaled,
    stands_for,
)
from empycustom.carriers.records import (
    by_numbers_now,
    complete,
    is_moved,
    is_same,
    numbers_of,
    opened,
    record_of,
    relate,
    renumber,
    turn_of,
)
from empycustom.carriers.sources import Sources
from empycustom.errors import MetadataError
from empycustom.model import keys, wire
from empycustom.model import values as model
from empycustom.model.arrays import MASK, PARENT_ID, ROTATION, UNIQUE_ID, with_changes, without_parent
from empycustom.model.carried import NUMBERS
from empycustom.model.results import FrameResult, Result, merged, value_of
from empycustom.model.serialize import shorten
from empycustom.model.turns import UNTURNED
from empycustom.model.values import NOTHING, is_nothing
from empycustom.model.wire import known, read_note
from empycustom.native.gva import message_api
from empycustom.native.masks import has_masks
from empycustom.native.metas import remove_meta
from empycustom.native.own_metas import META_NAME, NO_METAS, JsonMeta, Metas, check_writable, copied, frame_num_at, metas_on


class PlainCarrier:
    """See :class:`~empycustom.carriers.protocol.Carrier`. Buffers of plain GStreamer hold one frame."""

    msg_blob, writes_messages, is_portable = False, False, True

    def __init__(self, sources: Iterable[ObjectSource], others: Callable[[], Iterable[ObjectSource]]) -> None:
        self._json = JsonMeta()
        self._sources = Sources(sources, others)
        can_add = [source for source in self._sources.order if source.can_add]
        self._adds, self._repeats = can_add[0], cast("Any", can_add[-1] if len(can_add) > 1 else None)

    def accepts(self, metas: Metas) -> bool:  # noqa: ARG002 - the protocol has it
        """Accept all that others do not."""
        return True

    def decode(self, metas: Metas, frame: model.Frame, time_ns: int, *, as_json: bool = False) -> Frame:
        """Decode the metas of a buffer."""
        if metas is NO_METAS:
            return Frame(self, metas, frame, time_ns)
        text, stamp = metas.text, metas.stamp
        earlier = _read_note(text, as_json=as_json) if text else None
        if earlier:
            frame[keys.FRAME_NUM], frame[keys.TIMESTAMP] = earlier[keys.FRAME_NUM], earlier[keys.TIMESTAMP]
        elif stamp:
            frame[keys.FRAME_NUM], frame[keys.TIMESTAMP] = stamp[0], model.timestamp_of_ms(stamp[1] // 1_000_000)
        decoded = Frame(self, metas, frame, time_ns)
        if metas.others:
            self._decode_objects(decoded, frame[keys.OBJECTS])
        if earlier:
            decoded.has_frame_number = True
            _complete(decoded, earlier)
        elif stamp:
            decoded.has_frame_number = True
        if self._sources.messages and metas.others:
            decoded.warnings = [*decoded.warnings, *read_messages(frame, metas.others, self._sources.messages)]
        return decoded

    def _decode_objects(self, decoded: Frame, objects: list[Any]) -> None:
        warnings: list[str] = []
        handles = self._read_objects(decoded.metas, decoded.size, objects, warnings)
        if any(handle[0] is not handles[0][0] for handle in handles):
            drop_duplicates(objects, handles, self._sources.order)
        decoded.handles, decoded.warnings = [handles], warnings

    def _read_objects(self, metas: Metas, size: Size, objects: list[Any], warnings: list[str]) -> list[Handle]:
        handles: list[Handle] = []
        for api, run in metas.others:
            source = self._sources[api]
            if source is not None:
                source.decode(run, size, objects, handles, warnings)
        return handles

    def add_arrays(self, frame: Frame) -> None:
        """Add what GstAnalytics says about the whole frame."""
        frame.warnings = add_arrays(frame.frames[0], frame.metas.others, frame.warnings)

    def keep(self, address: int, metas: Metas, size: tuple[int, int]) -> tuple[int | None, Metas] | None:
        """Return number and metas: the same, or if there are objects, those of a copy."""
        text, stamp = metas.text, metas.stamp
        number = known.get(text) if text else stamp[0] if stamp else None
        if text and (number is None or _is_reshaped(known.size(text), size)):  # it has to be looked at
            return None
        if metas.others and self._sources.know(metas):
            if metas.has_parent or self._sources.are_shared(metas):  # a copy would hold another buffer, or what others may change
                return None
            metas = copied(address)
        return number, metas

    def number_in(self, metas: Metas) -> int | None:
        """Look for our custom meta or a stamp."""
        if metas.jsons:
            return frame_num_at(metas.jsons[0])
        return metas.stamp[0] if metas.stamp else None

    def discard(self, address: int) -> None:
        """Remove our custom meta, which cannot be decoded."""
        for meta in metas_on(address).jsons:
            remove_meta(address, meta)

    def rescale(self, address: int, frame: Frame, factors: tuple[float, float]) -> None:
        """Know the objects where they are now: what scales a frame has moved them."""
        frame.size, frame.factors = scaled(frame.size, factors), factors
        places, _ = self._there(address)
        there = defaultdict(list)
        for state, source, *_ in places:
            there[source, state[: source.fixed]].append(state)
        frame.handles = [[moved(handle, there) for handle in handles] for handles in frame.handles]

    def apply(self, address: int, frame: Frame, result: Result) -> Sequence[str]:
        """Write the attributes into our custom meta, and new objects into metas of their own."""
        (of_frame,) = result.frames
        content = wire.json_head(frame.frame_num, frame.timestamp)
        if result.attributes is not NOTHING:
            content[keys.RESULT_ATTRIBUTES] = result.attributes
        if of_frame.attributes is not NOTHING:
            content[keys.ATTRIBUTES] = of_frame.attributes
        if result.from_frame is not None:
            content[keys.FROM_FRAME] = result.from_frame
        warnings, json_at, size = list(result.ignored), 0, None
        if frame.metas.text or of_frame.new_objects or (frame.handles[0] and of_frame.is_about_objects):
            json_at = self._add_earlier(address, frame, of_frame, content, warnings)
            size = frame.size if keys.OBJECTS in content else None
        text = wire.note_text(content)
        known.add(text, frame.frame_num, size)
        if json_at:
            self._json.replace(address, json_at, frame.frame_num, text)
        else:
            self._json.add(address, frame.frame_num, text)
        if self.writes_messages and of_frame.attributes is not NOTHING and HAS_MESSAGES in of_frame.attributes:
            write_messages(address, content.get(keys.ATTRIBUTES))
        return warnings

    def _add_earlier(self, address: int, frame: Frame, result: FrameResult, content: dict[str, Any], warnings: list[str]) -> int:
        """Add to what is to be written what stands on the buffer, and the objects. Return the address of our own meta, or 0."""
        earlier = _read_note(frame.metas.text) if frame.metas.text else {}
        for key in (keys.RESULT_ATTRIBUTES, keys.ATTRIBUTES):
            if key in earlier:
                content[key] = merged(earlier[key], content.get(key, NOTHING))
                if is_nothing(content[key]):
                    del content[key]
        if (then := earlier.get(keys.FROM_FRAME)) is not None:  # there is one number for all: no result is about an earlier frame
            content[keys.FROM_FRAME] = min(then, content.get(keys.FROM_FRAME, then))
        records = {record[keys.RECORD_KEY]: record for record in earlier.get(keys.OBJECTS, ())}
        if not records and not result.is_about_objects:
            return self._json.find(address)
        there, json_at = self._there(address)
        if then := earlier.get(NUMBERS):
            records = by_numbers_now(records, ((source, number) for _, source, _, number in there), then)
        self._apply_objects(address, frame, result, records, there, warnings, wire.size_in(earlier))
        if records:
            wire.add_records(content, frame.size, records.values())
            if has_masks(address):
                content[NUMBERS] = numbers_of((source, number) for _, source, _, number in self._there(address)[0])
        return json_at

    def _there(self, address: int) -> tuple[list[Place], int]:
        """Return (state, source, meta, number) of the objects on a writable buffer, in order; and the address of our own meta."""
        check_writable(address)
        metas = metas_on(address)
        places: list[Place] = []
        for api, run in metas.others:
            source = self._sources[api]
            if source is not None:
                places += source.locate(run)
        return places, metas.jsons[0] if metas.jsons else 0

    def _apply_objects(
        self,
        address: int,
        frame: Frame,
        result: FrameResult,
        records: dict[str, Any],
        there: list[Place],
        warnings: list[str],
        size: tuple[Any, Any],
    ) -> None:
        """Bring records up to date, which are of frames of a ``size``: drop those of objects that are gone, add what is new."""
        if records:  # a new object may get the same id
            for key in records.keys() - {source.key(number) for _, source, _, number in there}:
                del records[key]
        if frame.is_moved or (frame.factors != (1, 1) and any(keys.PACKED in record for record in records.values())):
            self._settle(address, records, (size, frame.size), warnings)
            size = frame.size
        free, ambiguous = free_numbers([number for *_, number in there]), shared(there)
        at = matched(frame.handles[0], there)
        for index, (handle, place, attributes) in enumerate(zip(frame.handles[0], at, result.objects, strict=True)):
            if attributes is NOTHING and index not in result.changed:
                continue
            if place is None:
                what = "changes" if index in result.changed else "attributes"
                warnings.append(f"{what} of an object were dropped: the library removed its metadata from the buffer")
                continue
            record = opened(records, handle, there[place], ambiguous, free)
            if attributes is not NOTHING:
                record[keys.ATTRIBUTES] = merged(record[keys.ATTRIBUTES], attributes) if keys.ATTRIBUTES in record else attributes
        changes: dict[int | None, Any] = {at[index]: None for index in result.removed}
        changes |= {at[index]: rescaled(change, frame.factors) for index, change in result.changed.items()}
        changes.pop(None, None)
        if changes:
            self._change(address, changes, records, (size, frame.size), warnings)
        self._add(address, result.new_objects, frame, records, free, warnings)
        if any(PARENT_ID in record for record in records.values()):
            relate(self._there(address)[0], records)

    def _add(
        self,
        address: int,
        objects: Iterable[model.Object],
        frame: Frame,
        records: dict[str, Any],
        free: Iterator[int],
        warnings: list[str],
    ) -> None:
        """Add objects, where this buffer has them, with free numbers."""
        adds = self._sources.taker(frame.metas) or self._adds
        for new in objects:
            key, box = adds.add(address, new, frame.size, free, warnings)
            records[key] = record_of(new, key, box, adds)
            if adds is self._adds and self._repeats and message_api():
                self._repeats.repeat(address, new, int(key.rpartition("/")[2]), warnings)

    def _settle(self, address: int, records: dict[str, Any], sizes: Any, warnings: list[str]) -> None:
        """Let records say where arrays of objects are now: what comes is about the frame as it is.

        After a turn the objects' own metadata says it, too: GStreamer leaves angles as they were, and drops masks.
        """
        objects: list[Any] = []
        handles = self._read_objects(metas_on(address), sizes[1], objects, [])
        metas = [meta for *_, meta, _ in self._there(address)[0]]
        each = [
            (found, source, meta, number, lost)
            for found, (source, number, *_, lost), meta in zip(objects, handles, metas, strict=True)
            if keys.PACKED in records.get(source.key(number), ())
        ]
        turn = turn_of([(found, records[source.key(number)]) for found, source, _, number, _ in each], sizes, warnings)
        regions: dict[tuple[ObjectSource, int], Any] = defaultdict(dict)
        steps: dict[tuple[ObjectSource, int], dict[int, Change | None]] = defaultdict(dict)
        for found, source, meta, number, lost in each:
            regions[source, meta][number] = rounded(wire.box_of_object(found))
            record = {name: value_of(value) for name, value in records[source.key(number)].items()}
            complete(found, record, source, lost or {}, sizes, turn)
            steps[source, meta][number] = Change(found, {ROTATION, MASK})
        if turn and turn != UNTURNED:
            regions |= {
                (source, meta): source.change(address, meta, step, sizes[1], warnings) for (source, meta), step in steps.items()
            }
        for found, source, meta, number, _ in each:
            key = source.key(number)
            records[key] = record_of(found, key, regions[source, meta][number], source)

    def _change(self, address: int, changes: dict[Any, Any], records: dict[str, Any], sizes: Any, warnings: list[str]) -> None:
        """Change objects by their indices among all that are there, or remove them (None), with those that repeat them."""
        objects: list[Any] = []
        handles = self._read_objects(metas_on(address), sizes[1], objects, [])
        metas = [meta for *_, meta, _ in self._there(address)[0]]
        same = twins(objects, handles)
        steps: dict[tuple[ObjectSource, int], dict[int, Change | None]] = defaultdict(dict)
        recorded: list[Any] = []
        gone: set[Any] = set()
        for index, change in changes.items():
            source, number, _, _, lost = handles[index]
            key, step = source.key(number), None
            if change is None:
                gone.add({**objects[index], **records.pop(key, {})}.get(UNIQUE_ID))
            else:
                found, record = objects[index], {name: value_of(value) for name, value in records[key].items()}
                complete(found, record, source, lost or {}, sizes)
                different = {name for name, value in change.items() if not is_same(found.get(name), value)}
                if not different:
                    continue
                step = Change(with_changes(found, change, warnings), different)
                recorded.append((key, source, metas[index], number, step.found))
            for twin in same[index]:
                steps[handles[twin][0], metas[twin]][handles[twin][1]] = step
        boxes = {(source, meta): source.change(address, meta, step, sizes[1], warnings) for (source, meta), step in steps.items()}
        for key, source, meta, number, found in recorded:
            records[key] = record_of(found, key, boxes[source, meta][number], source)
        for key in records:
            records[key] = without_parent(records[key], gone - {None})


def _read_note(text: bytes, *, as_json: bool = False) -> dict[str, Any]:
    try:
        return read_note(text, as_json=as_json)
    except ValueError as error:
        shown = shorten(text.decode("utf-8", "replace"))
        raise MetadataError(
            f"the JSON in the buffer's {META_NAME}",
            f" is not as empycustom writes it: {error}; find the element that wrote it: {shown}",
        ) from error


def _complete(decoded: Frame, earlier: dict[str, Any]) -> None:
    """Fill in what our own meta says."""
    (frame,) = decoded.frames
    if keys.ATTRIBUTES in earlier:
        frame[keys.ATTRIBUTES] = earlier[keys.ATTRIBUTES]
    if keys.FROM_FRAME in earlier:
        frame[keys.FROM_FRAME] = earlier[keys.FROM_FRAME]
    decoded.attributes = earlier.get(keys.RESULT_ATTRIBUTES, NOTHING)
    if keys.OBJECTS not in earlier:
        return
    size = wire.size_in(earlier)
    if _is_reshaped(size, decoded.size):
        decoded.doubts = (RESHAPED,)
    records = {record[keys.RECORD_KEY]: record for record in earlier[keys.OBJECTS]}
    if then := earlier.get(NUMBERS):
        records = by_numbers_now(records, ((source, number) for source, number, *_ in decoded.handles[0]), then)
    sizes = size, decoded.size
    numbers, turn = {}, None
    if any(keys.PACKED in record for record in earlier[keys.OBJECTS]):
        turn = _turn_of(decoded, records, sizes)
    for found, (source, number, _, label, lost) in zip(frame[keys.OBJECTS], decoded.handles[0], strict=True):
        record = records.get(source.key(number))
        if record is not None and (record[keys.LABEL] == label or stands_for(label, record[keys.LABEL])):
            if UNIQUE_ID in found and UNIQUE_ID in record:
                numbers[found[UNIQUE_ID]] = record[UNIQUE_ID]
            complete(found, record, source, lost or {}, sizes, turn)
    if numbers:
        renumber(frame[keys.OBJECTS], numbers)


def _turn_of(decoded: Frame, records: dict[str, Any], sizes: Any) -> Any:
    """Find out how a frame was turned since the records were written; what is in doubt is said in the frame."""
    keyed = ((found, source.key(number)) for found, (source, number, *_) in zip(*_objects_of(decoded), strict=True))
    pairs = [(found, records[key]) for found, key in keyed if keys.PACKED in records.get(key, ())]
    warnings: list[str] = []
    decoded.is_moved = is_moved(pairs, sizes)
    turn = turn_of(pairs, sizes, warnings) if decoded.is_moved else UNTURNED
    decoded.warnings = [*decoded.warnings, *warnings]
    if pairs and (turn is None or turn == UNTURNED):
        decoded.doubts = (*decoded.doubts, NOT_TURNED)
    return turn


def _objects_of(decoded: Frame) -> tuple[Any, Any]:
    return decoded.frames[0][keys.OBJECTS], decoded.handles[0]


def _is_reshaped(before: tuple[Any, Any] | None, now: tuple[int, int]) -> bool:
    """Return whether a frame of the size ``before``, if it is known, has another shape now."""
    if before is None or None in before or before == now:
        return False
    return bool(before[0] * now[1] != before[1] * now[0])
