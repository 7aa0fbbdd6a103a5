"""Objects of DeepStream as the model has them, and new ones of the model for DeepStream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar, cast

from empycustom.carriers.events import Event, Records, discard_unreadable, words_alone
from empycustom.carriers.protocol import Reading, scaled
from empycustom.errors import MetadataError
from empycustom.model import values as model
from empycustom.model.results import FrameSaid, Said
from empycustom.model.values import NOTHING, is_nothing, name_frames
from empycustom.model.wire import box_of, usable
from empycustom.native import metas as stamps
from empycustom.native.deepstream import LABEL_SIZE, NO_TIME, Layout, batch_in, is_deepstream, layout_of
from empycustom.native.deepstream_read import (
    BatchMeta,
    BatchReader,
    ClassifierMeta,
    FrameMeta,
    LabelMeta,
    ObjectMeta,
    frames_in,
)
from empycustom.native.deepstream_write import add_object, scale_object
from empycustom.native.loading import single
from empycustom.native.metas import VIDEO_META_API, add_stamp, layout_at, scan, stamp_at

_DEFAULT_COMPONENT = 0  # of an object that a library found and gave none


def facts_of(found: ObjectMeta, event: Event, complaints: list[str]) -> model.Object:
    """Return what is known of an object, with what was said about it; complain of numbers that are none."""
    facts: model.Object = {
        "class_id": found.class_id,
        "object_id": found.object_id,
        "confidence": usable(single(found.confidence), "a confidence", complaints),
        "obj_label": found.label,
        "rect_params": box_of(found.left, found.top, found.width, found.height, complaints),
        "text_params": {"display_text": found.display_text},
        "classifier": [_classifier(classifier, complaints) for classifier in found.classifiers],
        "unique_component_id": found.unique_component_id,
        "tracker_confidence": usable(single(found.tracker_confidence), "a confidence", complaints),
    }
    words = event.about(found.key) if found.key else NOTHING
    if words is not NOTHING:
        facts["emcustom"] = words
    return facts


def _classifier(found: ClassifierMeta, complaints: list[str]) -> model.Classifier:
    infos: list[model.LabelInfo] = [
        {
            "num_classes": label.num_classes,
            "result_label": label.label,
            "result_class_id": label.class_id,
            "label_id": label.label_id,
            "result_prob": usable(single(label.probability), "a confidence", complaints),
        }
        for label in found.labels
    ]
    return {"num_labels": len(infos), "unique_component_id": found.unique_component_id, "label_info": infos}


def meta_of(new: model.Object) -> ObjectMeta:
    """Return what a new object is to say."""
    rect = new["rect_params"]
    labels = [
        ClassifierMeta(
            classifier["unique_component_id"],
            [
                LabelMeta(
                    info["num_classes"], info["result_label"], info["result_class_id"], info["label_id"], info["result_prob"]
                )
                for info in classifier["label_info"]
            ],
        )
        for classifier in new["classifier"]
    ]
    return ObjectMeta(
        unique_component_id=new.get("unique_component_id", _DEFAULT_COMPONENT),
        class_id=new["class_id"],
        object_id=new["object_id"],
        confidence=new["confidence"],
        tracker_confidence=new.get("tracker_confidence", 0.0),
        left=rect["left"],
        top=rect["top"],
        width=rect["width"],
        height=rect["height"],
        display_text=new["text_params"]["display_text"] or new["obj_label"],
        label=new["obj_label"],
        key=0,
        classifiers=labels,
    )


# The carrier of DeepStream: a batch of frames with NvDsObjectMeta on a buffer; words as events (see ``events``).


_REMOVED = "the library removed its metadata from the buffer"


def batch_on(metas: list[tuple[int, int]]) -> int:
    """Return the address of the batch among the metas of a buffer; 0: there is none, and this carrier has nothing to do."""
    for api, meta in metas:
        if is_deepstream(api):
            batch = batch_in(meta)
            if batch:
                return batch
    return 0


def _stamp_in(metas: list[tuple[int, int]]) -> tuple[int, int] | None:
    return next(filter(None, (stamp_at(meta) for api, meta in metas if api == stamps.STAMP_API)), None)


class BatchReading(Reading):
    """What a batch says. ``tokens`` are its objects, ``times`` the timestamps of the frames."""

    def __init__(self, frame: model.Frame, batch: BatchMeta) -> None:
        super().__init__(frame)
        self.batch, self.found = batch, batch.frames
        self.tokens = [item.objects for item in self.found]
        self.times: list[str] = []


class DeepStreamCarrier:
    """See :class:`~empycustom.carriers.protocol.Carrier`. ``msg_blob``: let nvmsgconv publish what is said about frames."""

    _layout: Layout
    _reader: BatchReader
    msg_blob = False

    def read(self, metas: list[tuple[int, int]], frame: model.Frame) -> Reading:
        """Read the batch on a buffer."""
        batch = batch_on(metas)
        if not hasattr(self, "_layout"):  # one process, one DeepStream
            self._layout = layout_of(batch)
            self._reader = BatchReader(self._layout)
        reading = BatchReading(frame, self._reader.read(batch))
        try:
            return self._completed(reading, metas, frame)
        except MetadataError as error:
            error.frame = name_frames([_numbers_of(item) for item in reading.found])
            raise

    def _completed(self, reading: BatchReading, metas: list[tuple[int, int]], frame: model.Frame) -> Reading:
        """Add what is beside the batch, and what was said about its frames."""
        for api, meta in metas:
            if api == VIDEO_META_API:
                reading.layout = layout_at(meta)
        stamp = _stamp_in(metas)
        time = model.timestamp_of_ms(stamp[1] // 1_000_000) if stamp else frame["timestamp"]
        reading.times = [_time_of(item) or time for item in reading.found]
        reading.numbered = stamp is not None or all(map(_has_time, reading.found))
        events = [Event(reading.batch, item, self._layout) for item in reading.found]
        complaints: list[str] = []
        abouts = zip(reading.found, reading.times, events, strict=True)
        reading.frames = [self._frame(*about, frame, complaints) for about in abouts]
        reading.complaints = complaints
        event = Event(reading.batch, None, self._layout)
        reading.words = event.words
        reading.blank = len(events) == 1 and not (events[0] or event or reading.found[0].objects)
        if reading.found:
            reading.frame_num, reading.timestamp = _number_of(reading.found[0]), reading.times[0]
        return reading

    def _frame(self, item: FrameMeta, time: str, event: Event, frame: model.Frame, complaints: list[str]) -> model.Frame:
        read: model.Frame = {
            "frame_num": item.frame_num,
            "buf_pts": _pts_of(item),
            "stream_time": model.NO_PTS,  # the muxer has dropped the segments of its sources
            "timestamp": time,
            "source_id": item.source_id,
            "source_frame_width": frame["source_frame_width"],
            "source_frame_height": frame["source_frame_height"],
            "stream_width": item.width,
            "stream_height": item.height,
            "batch_id": item.batch_id,
            "pad_index": item.pad_index,
            "ntp_timestamp": item.ntp_timestamp,
            "object": [facts_of(found, event, complaints) for found in item.objects],
        }
        if "source" in frame:
            read["source"] = frame["source"]
        if event.words is not NOTHING:
            read["emcustom"] = event.words
        return read

    def number_in(self, metas: list[tuple[int, int]]) -> int | None:
        """Look at the first frame; None also where the time is still missing."""
        found = frames_in(batch_on(metas))
        timed = all(map(_has_time, found)) or _stamp_in(metas)
        return _number_of(found[0]) if found and timed else None

    def stamp(self, address: int, frame_num: int, time_ns: int) -> None:
        """Add the time, where the muxer gave none."""
        add_stamp(address, frame_num, time_ns)

    def discard(self, address: int) -> None:
        """Remove our events that cannot be read. A batch of another kind, or of an unknown version, is left alone."""
        batch = self._batch_on(address) if hasattr(self, "_layout") else None
        if batch:
            for item in (*batch.frames, None):
                discard_unreadable(batch, item, self._layout)

    def say(self, address: int, reading: Reading, words: str) -> Sequence[str]:
        """Add an event with words about the only frame."""
        read = cast("BatchReading", reading)
        item, time = read.found[0], read.times[0]
        event = Event(read.batch, item, self._layout)
        there = batch_on(scan(address)) == read.batch.address
        if not (there and event.attach_text(words_alone(item, time, words), time, blob=self.msg_blob)):
            return (f"words about a frame were dropped: {_REMOVED}",)
        self._settle(address, reading)
        return ()

    def _batch_on(self, address: int) -> BatchMeta | None:
        """Read the batch on a buffer; None: there is none."""
        batch = batch_on(scan(address))
        return self._reader.read(batch) if batch else None

    def follow(self, address: int, reading: Reading, factors: tuple[float, float]) -> None:
        """Look for what was read in the copy of the batch, and scale its boxes, which DeepStream's own copy does not."""
        reading.size = scaled(reading.size, factors)
        read, batch = cast("BatchReading", reading), self._batch_on(address)
        if batch is None or batch.address == read.batch.address:
            return
        there = _paired(read.found, batch.frames, _looks_of_frame)
        read.batch, read.found = batch, [_followed(*pair) for pair in zip(read.found, there, strict=True)]
        for item in batch.frames:
            for found in item.objects:  # nobody else has this copy yet
                scale_object(found.address, self._layout, *factors)

    def write(self, address: int, reading: Reading, said: Said) -> list[str]:
        """Add what was said."""
        read, batch = cast("BatchReading", reading), self._batch_on(address)
        if batch is None:
            return [*said.ignored, f"words about a batch were dropped: {_REMOVED}"]
        complaints = list(said.ignored)
        # The batch is read anew: the library may have changed something in it, or this is a copy of it.
        same = batch.address == read.batch.address
        looks: tuple[Any, Any] = (_address_of, _address_of) if same else (_looks_of_frame, _looks_of_object)
        frames = _paired(read.found, batch.frames, looks[0])
        for before, item, words, time in zip(read.found, frames, said.frames, read.times, strict=True):
            if words.words is NOTHING and not words.speaks_of_objects:
                continue
            if item is None:
                complaints.append(f"words about a frame were dropped: {_REMOVED}")
                continue
            objects = _paired(before.objects, item.objects, looks[1])
            complaints += self._write_frame(batch, item, objects, words, time, read.size)
        if not is_nothing(said.words):
            Event(batch, None, self._layout).attach(said.words, read.timestamp)
        self._settle(address, reading)
        return complaints

    def _write_frame(
        self,
        batch: BatchMeta,
        item: FrameMeta,
        objects: Sequence[ObjectMeta | None],
        said: FrameSaid,
        time: str,
        size: tuple[int, int],
    ) -> list[str]:
        complaints = []
        event = Event(batch, item, self._layout)
        records = Records(event, batch, item, size)
        for found, words in zip(objects, said.objects, strict=True):
            if words is not NOTHING and (found is None or not records.say(found, words)):
                complaints.append(f"words about an object were dropped: {_REMOVED}")
        for new in said.new_objects:
            if len(new["obj_label"].encode()) >= LABEL_SIZE:
                complaints.append(f"the label of a new object was cut to the {LABEL_SIZE - 1} bytes that DeepStream has for it")
            address = add_object(item.address, batch.address, self._layout, meta_of(new))
            if address and "emcustom" in new:
                records.say(self._reader.read_object(address, batch.address), new["emcustom"])
        if not event.attach(said.words, time, blob=self.msg_blob):
            complaints.append(f"words about a frame were dropped: {_REMOVED}")
        return complaints

    def _settle(self, address: int, reading: Reading) -> None:
        if not reading.numbered:
            self.stamp(address, reading.frame_num, reading.time_ns)


Thing = TypeVar("Thing")


def _paired(read: Sequence[Thing], there: Sequence[Thing], looks: Callable[[Thing], Hashable]) -> list[Thing | None]:
    """Return for each thing that was read the one that is there and looks the same, None where there is none left.

    Things that look the same cannot be told apart, and need not be.
    """
    left = defaultdict(list)
    for thing in reversed(there):
        left[looks(thing)].append(thing)
    return [left[look].pop() if left[look] else None for look in map(looks, read)]


def _followed(before: FrameMeta, item: FrameMeta | None) -> FrameMeta:
    """Return a frame with its objects as they are in the copy, in the order in which they were."""
    if item is None:
        return before  # its address is nowhere in the batch, and neither are those of its objects
    there = _paired(before.objects, item.objects, _looks_of_object)
    return item._replace(objects=[found or gone._replace(address=0) for gone, found in zip(before.objects, there, strict=True)])


def _address_of(item: FrameMeta | ObjectMeta) -> int:
    return item.address


def _looks_of_frame(item: FrameMeta) -> Hashable:
    return item[1:-2]  # all numbers but its address


def _looks_of_object(found: ObjectMeta) -> Hashable:
    return found[:-2]  # all but the classifiers and its address


def _number_of(item: FrameMeta) -> int:
    return max(item.frame_num, 0)  # an int, which a muxer may count through its sign


def _pts_of(item: FrameMeta) -> int:
    return item.buf_pts if item.buf_pts != NO_TIME else model.NO_PTS


def _numbers_of(item: FrameMeta) -> dict[str, int]:
    return {"frame_num": item.frame_num, "buf_pts": _pts_of(item), "source_id": item.source_id}


def _has_time(item: FrameMeta) -> bool:
    return item.ntp_timestamp not in (0, NO_TIME)


def _time_of(item: FrameMeta) -> str:
    return model.timestamp_of_ms(item.ntp_timestamp // 1_000_000) if _has_time(item) else ""
