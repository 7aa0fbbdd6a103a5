"""What lies on a buffer of plain GStreamer, read: objects, and what was said about them (see ``plain``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, cast

from empycustom.carriers import analytics, regions
from empycustom.carriers.labels import ELSEWHERE, stands_for
from empycustom.carriers.protocol import Found
from empycustom.errors import MetadataError
from empycustom.meta import model
from empycustom.meta.foreign import read_note, size_in
from empycustom.meta.values import shorten
from empycustom.native import stamps
from empycustom.native.metas import VIDEO_META_API, VideoLayout, layout_at
from empycustom.native.notes import NoteMeta
from empycustom.native.stamps import stamp_at

META_NAME = "EmPyCustomMeta"


class Contents:
    """What lies on a buffer: the objects in order, and our note with the records in it.

    ``number`` is the frame's, with its time; ``tokens`` are those of ``found``; ``complaints`` are about what was cleaned.
    """

    number: tuple[int, str] | None = None
    layout: VideoLayout | None = None
    note_address = 0

    def __init__(self, metas: list[tuple[int, int]], note_meta: NoteMeta) -> None:
        self.found: list[Found] = []
        self.said: dict[str, Any] = {}
        self.records: dict[str, model.Object] = {}
        self.complaints: list[str] = []
        text, described = "", False
        for api, meta in metas:
            if api == regions.API:
                self.found.append(regions.find(meta, self.complaints))
            elif api == note_meta.api:
                text, self.note_address = note_meta.read(meta), meta
            elif api == stamps.API:
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
