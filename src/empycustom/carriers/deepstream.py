"""The carrier of DeepStream: a batch of frames with NvDsObjectMeta on a buffer; attributes as events (see ``events``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar, cast

from empycustom.carriers.batch_objects import Family, changed_meta, fields_of, holds, meta_of, scale_objects
from empycustom.carriers.events import Event, Records, discard_unreadable
from empycustom.carriers.outputs import add_outputs
from empycustom.carriers.protocol import Carrier, Frame, rescaled, scaled
from empycustom.errors import MetadataError
from empycustom.model import values as model
from empycustom.model.arrays import with_changes
from empycustom.model.keys import (
    ATTRIBUTES,
    BUF_PTS,
    FRAME_NUM,
    HEIGHT,
    OBJECTS,
    SOURCE,
    SOURCE_ID,
    TIMESTAMP,
    WIDTH,
)
from empycustom.model.results import FrameResult, Result
from empycustom.model.values import NOTHING, name_frames
from empycustom.model.wire import frame_dict
from empycustom.native.deepstream import NO_TIME, Layout, batch_in, is_deepstream, layout_of
from empycustom.native.deepstream_changes import change_object, remove_object
from empycustom.native.deepstream_outputs import Array, read_vectors
from empycustom.native.deepstream_read import (
    BatchMeta,
    BatchReader,
    FrameMeta,
    ObjectMeta,
    frames_in,
)
from empycustom.native.deepstream_write import add_object
from empycustom.native.own_metas import Metas, add_stamp, check_writable, metas_on

_TENSORS, _PARENT = attrgetter("tensors"), attrgetter("parent")
_REMOVED = "the library removed its metadata from the buffer"


def batch_on(metas: Metas) -> int:
    """Return the address of the batch among the metas of a buffer; 0: there is none, and this carrier has nothing to do."""
    for api, run in metas.others:
        if is_deepstream(api):
            for batch in filter(None, map(batch_in, run)):
                return batch
    return 0


class BatchFrame(Frame):
    """A batch, decoded. ``handles`` are its objects, ``times`` the timestamps of the frames."""

    def __init__(self, carrier: Carrier, metas: Metas, frame: model.Frame, time_ns: int, batch: BatchMeta) -> None:
        super().__init__(carrier, metas, frame, time_ns)
        self.batch, self.found = batch, batch.frames
        self.handles = [item.objects for item in self.found]
        self.times: list[str] = []


class DeepStreamCarrier:
    """See :class:`~empycustom.carriers.protocol.Carrier`. ``msg_blob``: let nvmsgconv publish the attributes of frames."""

    _layout: Layout
    _reader: BatchReader
    msg_blob, writes_messages, is_portable = False, False, False

    def accepts(self, metas: Metas) -> bool:
        """Accept buffers with a batch."""
        return bool(batch_on(metas))

    def decode(self, metas: Metas, frame: model.Frame, time_ns: int, *, as_json: bool = False) -> Frame:  # noqa: ARG002 - the protocol has it
        """Decode the batch on a buffer."""
        batch = batch_on(metas)
        if not hasattr(self, "_layout"):  # one process, one DeepStream
            self._layout = layout_of(batch)
            self._reader = BatchReader(self._layout)
        decoded = BatchFrame(self, metas, frame, time_ns, self._reader.read(batch))
        try:
            return self._completed(decoded, frame)
        except MetadataError as error:
            error.frame = name_frames([_numbers_of(item) for item in decoded.found])
            raise

    def _completed(self, decoded: BatchFrame, frame: model.Frame) -> Frame:
        """Add what is beside the batch, and what was attached to its frames."""
        stamp = decoded.metas.stamp
        time = model.timestamp_of_ms(stamp[1] // 1_000_000) if stamp else frame[TIMESTAMP]
        decoded.times = [_time_of(item) or time for item in decoded.found]
        decoded.has_frame_number = stamp is not None or all(map(_has_time, decoded.found))
        events = [Event(decoded.batch, item, self._layout) for item in decoded.found]
        warnings: list[str] = []
        abouts = zip(decoded.found, decoded.times, events, strict=True)
        has_vectors = any(any(map(_TENSORS, item.objects)) for item in decoded.found)
        vectors = read_vectors(decoded.batch.address, self._layout) if has_vectors else {}
        decoded.frames = [self._frame(*about, frame, vectors, warnings) for about in abouts]
        decoded.warnings = warnings
        decoded.attributes = Event(decoded.batch, None, self._layout).attributes
        if decoded.found:
            decoded.frame_num, decoded.timestamp = _number_of(decoded.found[0]), decoded.times[0]
        return decoded

    def _frame(
        self, item: FrameMeta, time: str, event: Event, frame: model.Frame, vectors: Mapping[int, Array], warnings: list[str]
    ) -> model.Frame:
        read = frame_dict(
            item.frame_num,
            _pts_of(item),
            model.NO_PTS,  # the muxer has dropped the segments of its sources
            time,
            item.source_id,
            (frame[WIDTH], frame[HEIGHT]),
            frame.get(SOURCE),
            (item.width, item.height, item.batch_id, item.pad_index, item.ntp_timestamp),
        )
        read[OBJECTS] = [fields_of(found, event, warnings, vectors) for found in item.objects]
        if any(map(_PARENT, item.objects)):
            Family(item.objects, event).complete(read[OBJECTS])
        if event.attributes is not NOTHING:
            read[ATTRIBUTES] = event.attributes
        return read

    def add_arrays(self, frame: Frame) -> None:
        """Add what is in NvDsInferTensorMeta and NvDsInferSegmentationMeta of the frames."""
        warnings: list[str] = []
        add_outputs(cast("BatchFrame", frame).batch, frame.frames, self._layout, warnings)
        if warnings:
            frame.warnings = [*frame.warnings, *warnings]

    def keep(self, address: int, metas: Metas, size: tuple[int, int]) -> None:
        """Return None: a copy of a batch costs as much as decoding it."""

    def number_in(self, metas: Metas) -> int | None:
        """Look at the first frame; None also where the time is still missing."""
        found = frames_in(batch_on(metas))
        timed = all(map(_has_time, found)) or metas.stamp
        return _number_of(found[0]) if found and timed else None

    def discard(self, address: int) -> None:
        """Remove our events that cannot be read. A batch of another kind, or of an unknown version, is left alone."""
        batch = self._batch_on(address) if hasattr(self, "_layout") else None
        if batch:
            for item in (*batch.frames, None):
                discard_unreadable(batch, item, self._layout)

    def _batch_on(self, address: int) -> BatchMeta | None:
        """Read the batch on a buffer; None: there is none."""
        batch = batch_on(metas_on(address))
        return self._reader.read(batch) if batch else None

    def rescale(self, address: int, frame: Frame, factors: tuple[float, float]) -> None:
        """Find what was decoded in the copy of the batch, and scale its boxes, which DeepStream's own copy does not."""
        frame.size, frame.factors = scaled(frame.size, factors), factors
        decoded, batch = cast("BatchFrame", frame), self._batch_on(address)
        if batch is None or batch.address == decoded.batch.address:
            return
        there = _matched(decoded.found, batch.frames, _fingerprint_of_frame)
        decoded.batch, decoded.found = batch, [_followed(*pair) for pair in zip(decoded.found, there, strict=True)]
        for item, time in zip(there, decoded.times, strict=True):
            if item:
                scale_objects(batch, item, self._layout, factors, time)

    def apply(self, address: int, frame: Frame, result: Result) -> Sequence[str]:
        """Write the attributes into events, and new objects into metas of their own."""
        decoded, batch = cast("BatchFrame", frame), self._batch_on(address)
        if batch is None:
            return [*result.ignored, f"attributes of a batch were dropped: {_REMOVED}"]
        warnings = list(result.ignored)
        # The batch is read anew: others may have changed something in it, or this is a copy of it.
        same = batch.address == decoded.batch.address
        by: tuple[Any, Any] = (_address_of, _address_of) if same else (_fingerprint_of_frame, _fingerprint_of_object)
        frames = _matched(decoded.found, batch.frames, by[0])
        for before, item, of_frame, time in zip(decoded.found, frames, result.frames, decoded.times, strict=True):
            if of_frame.attributes is NOTHING and not of_frame.is_about_objects:
                continue
            if item is None:
                warnings.append(f"attributes of a frame were dropped: {_REMOVED}")
                continue
            objects = _matched(before.objects, item.objects, by[1])
            warnings += self._apply_frame(decoded, batch, before, item, objects, of_frame, time)
        if result.attributes is not NOTHING:
            Event(batch, None, self._layout).attach(result.attributes, decoded.timestamp)
        if not decoded.has_frame_number:
            check_writable(address)
            add_stamp(address, decoded.frame_num, decoded.time_ns)
        return warnings

    def _apply_frame(
        self,
        decoded: BatchFrame,
        batch: BatchMeta,
        before: FrameMeta,
        item: FrameMeta,
        objects: Sequence[ObjectMeta | None],
        result: FrameResult,
        time: str,
    ) -> list[str]:
        warnings = []
        event = Event(batch, item, self._layout)
        records = Records(event, batch, item, decoded.size, holds(self._layout))
        family = Family(before.objects, event)
        for found, attributes in zip(objects, result.objects, strict=True):
            if attributes is not NOTHING and (found is None or not records.add(found, attributes)):
                warnings.append(f"attributes of an object were dropped: {_REMOVED}")
        changed = {index: rescaled(change, decoded.factors) for index, change in result.changed.items()}
        changed = family.recorded(changed, result.new_objects)
        warnings += self._change(batch.address, item.address, objects, changed, event, records)
        for removed in filter(None, map(objects.__getitem__, result.removed)):
            records.remove(removed)
            remove_object(item.address, batch.address, removed.address)
        added = {}
        for new in result.new_objects:
            address = add_object(item.address, batch.address, self._layout, meta_of(new, self._layout, warnings))
            if address:
                added[address] = new
                if records.needs(new):
                    records.add(self._reader.read_object(address, batch.address), new.get(ATTRIBUTES, NOTHING), new)
        stay = [found if index not in result.removed else None for index, found in enumerate(objects)]
        family.tie(item.address, batch.address, stay, changed, added, anew=before.address != item.address)
        if not event.attach(result.attributes, time, blob=self.msg_blob):
            warnings.append(f"attributes of a frame were dropped: {_REMOVED}")
        return warnings

    def _change(
        self,
        batch: int,
        frame: int,
        objects: Sequence[ObjectMeta | None],
        changed: Mapping[int, dict[str, Any]],
        event: Event,
        records: Records,
    ) -> list[str]:
        """Change objects of a frame by their indices. Return a sentence for each thing that could not be done."""
        warnings: list[str] = []
        for index, change in changed.items():
            found = objects[index]
            if found is not None:
                read = fields_of(found, event, [])
                whole = with_changes(read, change, warnings)
                after = changed_meta(found, read, whole, change, self._layout, warnings)
                if change_object(frame, batch, self._layout, found, after):
                    records.change(after, whole)
                    continue
            warnings.append(f"changes of an object were dropped: {_REMOVED}")
        return warnings


Thing = TypeVar("Thing")


def _matched(read: Sequence[Thing], there: Sequence[Thing], fingerprint: Callable[[Thing], Hashable]) -> list[Thing | None]:
    """Return for each thing that was read the one that is there and has the same fingerprint, None where there is none left.

    Things with the same fingerprint cannot be told apart, and need not be.
    """
    left = defaultdict(list)
    for thing in reversed(there):
        left[fingerprint(thing)].append(thing)
    return [left[key].pop() if left[key] else None for key in map(fingerprint, read)]


def _followed(before: FrameMeta, item: FrameMeta | None) -> FrameMeta:
    """Return a frame with its objects as they are in the copy, in the order in which they were."""
    if item is None:
        return before  # its address is nowhere in the batch, and neither are those of its objects
    there = _matched(before.objects, item.objects, _fingerprint_of_object)
    return item._replace(objects=[found or gone._replace(address=0) for gone, found in zip(before.objects, there, strict=True)])


def _address_of(item: FrameMeta | ObjectMeta) -> int:
    return item.address


def _fingerprint_of_frame(item: FrameMeta) -> Hashable:
    return item[1:-2]  # all numbers but its address


def _fingerprint_of_object(found: ObjectMeta) -> Hashable:
    return found[:13]  # its numbers and texts


def _number_of(item: FrameMeta) -> int:
    return max(item.frame_num, 0)  # an int, which a muxer may count through its sign


def _pts_of(item: FrameMeta) -> int:
    return item.buf_pts if item.buf_pts != NO_TIME else model.NO_PTS


def _numbers_of(item: FrameMeta) -> dict[str, int]:
    return {FRAME_NUM: item.frame_num, BUF_PTS: _pts_of(item), SOURCE_ID: item.source_id}


def _has_time(item: FrameMeta) -> bool:
    return item.ntp_timestamp not in (0, NO_TIME)


def _time_of(item: FrameMeta) -> str:
    return model.timestamp_of_ms(item.ntp_timestamp // 1_000_000) if _has_time(item) else ""
