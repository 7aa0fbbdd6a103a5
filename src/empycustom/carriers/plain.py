"""What lies on a buffer of plain GStreamer, read: objects, and what was said about them (see ``plain``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, cast

from empycustom.carriers import analytics, regions
from empycustom.carriers.protocol import ELSEWHERE, Found, Reading, free_numbers, scaled, stands_for
from empycustom.errors import MetadataError
from empycustom.model import values as model
from empycustom.model.results import Said
from empycustom.model.serialize import dumps, shorten
from empycustom.model.values import NOTHING, is_nothing, merge
from empycustom.model.wire import known, read_note, size_in
from empycustom.native import metas as stamps
from empycustom.native.metas import (
    VIDEO_META_API,
    JsonMeta,
    VideoLayout,
    add_stamp,
    check_writable,
    layout_at,
    remove_meta,
    scan,
    stamp_at,
)

META_NAME = "EmPyCustomMeta"


class Contents:
    """What lies on a buffer: the objects in order, and our note with the records in it.

    ``number`` is the frame's, with its time; ``tokens`` are those of ``found``; ``complaints`` are about what was cleaned.
    """

    number: tuple[int, str] | None = None
    layout: VideoLayout | None = None
    json_address = 0

    def __init__(self, metas: list[tuple[int, int]], json_meta: JsonMeta) -> None:
        self.found: list[Found] = []
        self.said: dict[str, Any] = {}
        self.records: dict[str, model.Object] = {}
        self.complaints: list[str] = []
        text, described = "", False
        for api, meta in metas:
            if api == regions.API:
                self.found.append(regions.find(meta, self.complaints))
            elif api == json_meta.api:
                text, self.json_address = json_meta.get(meta), meta
            elif api == stamps.STAMP_API:
                self._read_stamp(meta)
            elif api == VIDEO_META_API:
                self.layout = layout_at(meta)
            elif api == analytics.API:
                self.found += analytics.find(meta, self.complaints)
                described = True
        self.tokens: list[Hashable] = []
        if self.found:
            self._tell_apart(described=described)
        if text:
            self._read_note(text)

    def _read_stamp(self, meta_address: int) -> None:
        stamp = stamp_at(meta_address)
        if stamp:
            self.number = stamp[0], model.timestamp_of_ms(stamp[1] // 1_000_000)

    def _tell_apart(self, *, described: bool) -> None:
        """Let every object be there once, under a token that no other has. ``described``: some are of analytics metas."""
        if described:
            self.found = _without_twins(self.found)
        self.tokens = [found.token for found in self.found]
        if len(set(self.tokens)) < len(self.tokens):
            self._number_tokens()

    def _number_tokens(self) -> None:
        """Number the tokens of objects that are like an earlier one in everything."""
        seen: Counter[Hashable] = Counter()
        for index, found in enumerate(self.found):
            if seen[found.token]:
                self.tokens[index] = (*found.token, seen[found.token])
                self.found[index] = found._replace(token=(*found.token, seen[found.token]))
            seen[found.token] += 1

    def _read_note(self, text: str) -> None:
        try:
            note = read_note(text)
        except ValueError as error:
            raise MetadataError(
                f"the JSON in the buffer's {META_NAME}",
                f" is not as empycustom writes it: {error}; find the element that wrote it: {shorten(text)}",
            ) from error
        self.said, self.number, self.records = note.said, (note.frame_num, note.timestamp), note.records
        if self.records:
            self.found = [self._completed(found) for found in self.found]

    def forget_the_gone(self) -> None:
        """Drop the records of objects that are on the buffer no more: a new one may get the same id."""
        present = {found.key for found in self.found}
        self.records = {key: record for key, record in self.records.items() if key in present}

    @property
    def size(self) -> tuple[Any, Any]:
        """The size of the frames that the boxes of the records are of."""
        return size_in(self.said)

    def refresh(self) -> None:
        """Let the records have the boxes that the objects have now."""
        for found in self.found:
            if found.key in self.records:
                self.records[found.key]["rect_params"] = found.facts["rect_params"]

    def _completed(self, found: Found) -> Found:
        """Fill in what our record knows and the meta itself has lost, or cannot hold."""
        record = self.records.get(found.key)
        label = found.facts["obj_label"]
        if record is None or not stands_for(label, record["obj_label"]):
            return found
        known = set(found.known)
        if label == ELSEWHERE:
            known.discard("obj_label")
        if _are_same(_labels(found.facts), _labels(record)):
            known.discard("classifier")
        facts = {**found.facts, **{name: value for name, value in record.items() if name not in known and name != "key"}}
        if _rounded(record["rect_params"]) != _rounded(found.facts["rect_params"]):
            facts["rect_params"] = found.facts["rect_params"]  # it was rescaled or moved meanwhile
        return found._replace(facts=cast("model.Object", facts))


def _labels(found: model.Object) -> list[str]:
    return [info["result_label"] for classifier in found["classifier"] for info in classifier["label_info"]]


def _are_same(there: list[str], labels: list[str]) -> bool:
    return there == labels or (len(there) == len(labels) and all(map(stands_for, there, labels)))


def _rounded(rect: model.RectParams) -> tuple[int, ...]:
    left, top = round(rect["left"]), round(rect["top"])
    return left, top, round(rect["left"] + rect["width"]) - left, round(rect["top"] + rect["height"]) - top


def _without_twins(found: list[Found]) -> list[Found]:
    """Leave out regions that repeat an object of the analytics meta under the same id: some elements write both."""
    described = {_described(item) for item in found if item.token[0] == analytics.KIND}
    return [item for item in found if item.token[0] == analytics.KIND or _described(item) not in described]


def _described(found: Found) -> tuple[Hashable, ...]:
    return (found.token[1], found.facts["obj_label"], *_rounded(found.facts["rect_params"]))


# The carrier of plain GStreamer: objects from regions and analytics, words in a custom meta of our own.
#
# The custom meta ``EmPyCustomMeta`` has the fields ``frame-num`` and ``json``::
#
#     {"frame_num": 7, "timestamp": "...", "meta": <about the batch>, "emcustom": <about the frame>,
#      "source_frame_width": 320, "source_frame_height": 240,
#      "object": [<an object of in_meta, with "key" and "emcustom">, ...]}
#
# Only the first two are always there. The boxes in ``object`` are of frames of the size that stands beside it: what scales a
# frame
# scales its regions, and not a text. Each entry of ``object`` is tied to its object by ``key`` (``region/7``: the id of the
# region; ``analytics/0``: the id in the relation meta), not by position, and repeats what a conversion would lose. Where a
# library
# says nothing, number and time are a stamp (see :mod:`empycustom.native.metas`).


def _are_shaped_differently(one: tuple[Any, Any], other: tuple[int, int]) -> bool:
    return None not in one and one != other and one[0] * other[1] != one[1] * other[0]


class PlainCarrier:
    """See :class:`~empycustom.carriers.protocol.Carrier`. Buffers of plain GStreamer hold one frame."""

    def __init__(self) -> None:
        self._json_meta = JsonMeta(META_NAME)

    def read(self, metas: list[tuple[int, int]], frame: model.Frame) -> Reading:
        """Read the metas of a buffer."""
        contents = Contents(metas, self._json_meta)
        if contents.number:
            frame["frame_num"], frame["timestamp"] = contents.number
        if contents.found:
            frame["object"] = [found.facts for found in contents.found]
        if "emcustom" in contents.said:
            frame["emcustom"] = contents.said["emcustom"]
        reading = Reading(frame)
        reading.numbered = contents.number is not None
        reading.layout = contents.layout
        reading.complaints = contents.complaints
        if contents.records:
            reading.reshaped = _are_shaped_differently(contents.size, reading.size)
        if contents.found or contents.json_address:
            reading.blank = False
            reading.tokens = [contents.tokens]
            reading.words = contents.said.get("meta", NOTHING)
        return reading

    def number_in(self, metas: list[tuple[int, int]]) -> int | None:
        """Look for a note or a stamp."""
        for api, meta in metas:
            if api == self._json_meta.api:
                return self._json_meta.frame_num(meta)
            stamp = stamp_at(meta) if api == stamps.STAMP_API else None
            if stamp:
                return stamp[0]
        return None

    def stamp(self, address: int, frame_num: int, time_ns: int) -> None:
        """Add number and time, where nothing is to be said."""
        add_stamp(address, frame_num, time_ns)

    def discard(self, address: int) -> None:
        """Remove our custom meta, which cannot be read."""
        for api, meta in scan(address):
            if api == self._json_meta.api:
                remove_meta(address, meta)

    def say(self, address: int, reading: Reading, words: str) -> Sequence[str]:
        """Add a note with words about the frame."""
        text = f'{{"frame_num":{reading.frame_num},"timestamp":"{reading.timestamp}","emcustom":{words}}}'
        known.add(text)
        self._json_meta.add(address, reading.frame_num, text)
        return ()

    def follow(self, address: int, reading: Reading, factors: tuple[float, float]) -> None:
        """Know the objects by their order: their boxes, which are part of their tokens, have changed."""
        reading.size = scaled(reading.size, factors)
        there = Contents(scan(address), self._json_meta).tokens
        if [_without_box(token) for token in there] == [_without_box(token) for token in reading.tokens[0]]:
            reading.tokens = (there,)

    def write(self, address: int, reading: Reading, said: Said) -> list[str]:
        """Add what was said."""
        check_writable(address)
        contents = Contents(scan(address), self._json_meta)
        if contents.records:
            contents.forget_the_gone()
            if contents.size != reading.size:
                contents.refresh()
        complaints = list(said.ignored)
        if said.frames and said.frames[0].speaks_of_objects:
            self._write_objects(address, contents, reading.tokens[0], said, complaints)
        text = dumps(_told(contents, reading, said))
        known.add(text)
        if contents.json_address:
            self._json_meta.replace(address, contents.json_address, reading.frame_num, text)
        else:
            self._json_meta.add(address, reading.frame_num, text)
        return complaints

    def _write_objects(
        self, address: int, contents: Contents, tokens: Sequence[Hashable], said: Said, complaints: list[str]
    ) -> None:
        by_token = {found.token: found for found in contents.found}
        keys = {found.token: found.key for found in contents.found}
        usage = Counter(keys.values())
        free = free_numbers({_region_id(key) for key in (*contents.records, *usage)})
        for token, words in zip(tokens, said.frames[0].objects, strict=True):
            if words is NOTHING:
                continue
            if token not in by_token:
                complaints.append("words about an object were dropped: the library removed its metadata from the buffer")
                continue
            found, key = by_token[token], keys[token]
            if not key or usage[key] > 1:  # a region that has no id, or shares it
                key = regions.claim(found.meta_address, next(free))
            contents.records[key] = _record(found.facts, key, words)
        for new in said.frames[0].new_objects:
            key = self._add(address, new, free, complaints)
            contents.records[key] = _record(new, key, NOTHING)

    def _add(self, address: int, new: model.Object, free: Iterator[int], complaints: list[str]) -> str:
        if analytics.AVAILABLE:
            return analytics.add(address, new, complaints)
        return regions.add(address, new, next(free), complaints)


def _without_box(token: Hashable) -> Hashable:
    return cast("tuple[Any, ...]", token)[:3]


def _region_id(key: str) -> int:
    """Return the id of the region of that key, 0: it is of no region."""
    kind, _, number = key.partition("/")
    return int(number) if kind == regions.KIND and number.isascii() and number.isdecimal() else 0


def _record(facts: model.Object, key: str, words: Any) -> model.Object:
    merged = merge(facts.get("emcustom", NOTHING), words)
    record: dict[str, Any] = {**facts, "key": key}
    if merged is not NOTHING:
        record["emcustom"] = merged
    return cast("model.Object", record)


def _told(contents: Contents, reading: Reading, said: Said) -> dict[str, Any]:
    """Return what the note has to say: what was said before, and now."""
    told: dict[str, Any] = {"frame_num": reading.frame_num, "timestamp": reading.timestamp}
    before = contents.said
    words = merge(before["meta"], said.words) if "meta" in before else said.words
    if not is_nothing(words):
        told["meta"] = words
    words = said.frames[0].words if said.frames else NOTHING
    if "emcustom" in before:
        words = merge(before["emcustom"], words)
    if not is_nothing(words):
        told["emcustom"] = words
    if contents.records:
        told["source_frame_width"], told["source_frame_height"] = reading.size
        told["object"] = list(contents.records.values())
    return told
