"""Metadata of every known DeepStream, built in memory from the table of NVIDIA's headers, read and written by the package."""

from __future__ import annotations

import ctypes
import gc
import struct
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from empycustom.carriers.deepstream import DeepStreamCarrier
from empycustom.errors import MetadataError
from empycustom.gstreamer import Gst
from empycustom.native.deepstream import LAYOUTS, Steps, key_type, layout_of
from empycustom.native.deepstream_read import (
    BatchMeta,
    BatchReader,
    ClassifierMeta,
    FrameMeta,
    LabelMeta,
    ObjectMeta,
    UserMeta,
    frames_in,
)
from empycustom.native.deepstream_write import fill_object
from empycustom.native.own_metas import Metas

sys.path.insert(0, str(Path(__file__).parents[1] / "deepstream"))
import nvds

ALL_ONES = 2**64 - 1
EVENT = 9  # NVDS_EVENT_MSG_META

# By versions, from the headers and not from the package: sizes of four structures, then places in events and in objects (0: none).
Column = namedtuple("Column", "frame object classifier event other_attrs text label classifiers users mask angle")
COLUMNS = {
    "5.0 and 5.1": Column(192, 544, 56, 184, 152, 232, 336, 464, 472, 208, 0),
    "6.0 to 7.1": Column(200, 544, 64, 264, 152, 232, 336, 464, 472, 208, 0),
    "8.0": Column(232, 544, 64, 14032, 13832, 232, 336, 464, 472, 208, 0),
    "9.0 and 9.1": Column(232, 552, 64, 14040, 13832, 240, 344, 472, 480, 216, 208),
}


def at(address, code):
    """Return the values at an address."""
    return struct.unpack(f"={code}", ctypes.string_at(address, struct.calcsize(f"={code}")))


class Maker:
    """Makes structures, which live as long as it does, and returns their addresses.

    What is not given is not zero: whoever reads the wrong place finds something strange.
    """

    def __init__(self, name):
        self.name, self.column, self.kept = name, COLUMNS[name], []
        self.layout = layout_of(self.batch())

    def block(self, size, *fields):
        memory = ctypes.create_string_buffer(b"\xa5" * size, size)
        for place, code, *values in fields:
            struct.pack_into(f"={code}", memory, place, *values)
        self.kept.append(memory)
        return ctypes.addressof(memory)

    def text(self, chars):
        return 0 if chars is None else self.block(len(chars) + 1, (0, f"{len(chars) + 1}s", chars))

    def listed(self, items):
        node = 0
        for item in reversed(items):
            node = self.block(24, (0, "2Q", item, node))
        return node

    def batch(self, frames=(), users=(), kind=2, sizes=None):
        sizes = sizes or self.column[:3]
        pools = [self.block(48, (0, "I", kind), (8, "I", size)) for size in sizes]
        return self.block(192, (48, "3Q", *pools), (96, "2Q", self.listed(frames), self.listed(users)), (112, "2Q", 0, 0))

    def read(self, found):
        """Read an object."""
        return BatchReader(self.layout).read_object(found, self.batch())

    def said(self, users):
        """Read user metadata."""
        return BatchReader(self.layout).read(self.batch([], users)).users

    def meta(self, batch, kind=4097):
        return self.block(56, (16, "Q", batch), (32, "i", kind))

    def frame(self, objects=(), users=(), **given):
        values, lists = [*(FRAME | given).values()], (self.listed(objects), self.listed(users))
        numbers = (40, "IIi", *values[:3]), (56, "2QI", *values[3:6]), (80, "2I", *values[6:])
        return self.block(self.column.frame, *numbers, (104, "Q", lists[0]), (120, "Q", lists[1]))

    def object(
        self,
        label=b"car",
        text=None,
        classifiers=(),
        users=(),
        ids=(1, 2, 3),
        numbers=(0.5,) * 6,
        mask=(0,) * 5,
        angle=0.0,
        parent=0,
    ):
        places, lists = self.column, (self.listed(classifiers), self.listed(users))
        shown = (places.text, "Q", self.text(text)), (places.label, "128s", label), (places.classifiers, "Q", lists[0])
        shape = (places.mask, "QIf2I", *mask), *([(places.angle, "f", angle)] if places.angle else [])
        known = (40, "Q", parent), (48, "iiQ", *ids), (96, "6f", *numbers), (places.users, "Q", lists[1])
        return self.block(places.object, *known, *shown, *shape)

    def classifier(self, component, labels):
        return self.block(self.column.classifier, (40, "Ii", 77, component), (48, "Q", self.listed(labels)))

    def label(self, num_classes, chars, long, class_id, label_id, probability):
        return self.block(200, (40, "I128s", num_classes, chars), (176, "Q2If", self.text(long), class_id, label_id, probability))

    def user(self, kind, data):
        return self.block(48, (8, "i", kind), (16, "4Q", 0, 0, 0, data))

    def event(self, text, object_id=b"empycustom"):
        fields = (136, "Q", self.text(object_id)), (self.column.other_attrs, "Q", self.text(text))
        return self.user(EVENT, self.block(self.column.event, *fields))


FRAME = {
    "pad_index": 2**32 - 4, "batch_id": 2**32 - 5, "frame_num": -6, "buf_pts": 2**63 + 7,
    "ntp_timestamp": 1_600_000_000_123_456_789, "source_id": 2**32 - 8, "width": 2**32 - 9, "height": 2**32 - 10,
}  # fmt: skip


@pytest.fixture(params=COLUMNS)
def make(request):
    return Maker(request.param)


NEWEST = Maker("9.0 and 9.1")

# Which version it is.


def test_the_sizes_in_the_pools_identify_the_version(make):
    assert make.layout.versions == make.name
    assert (make.layout.event_size, make.layout.other_attrs) == make.column[3:5]


def test_every_version_that_is_known_is_tested():
    assert [layout.versions for layout in LAYOUTS] == list(COLUMNS)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3))
@example([192, 544, 64])
@example([232, 552, 56])
def test_unknown_sizes_are_an_error_that_names_them_and_those_that_are_known(sizes):
    assume(tuple(sizes) not in [column[:3] for column in COLUMNS.values()])
    with pytest.raises(MetadataError, match="not known") as raised:
        layout_of(NEWEST.batch(sizes=sizes))
    found, known = str(raised.value).split("known are")
    assert "/".join(map(str, sizes)) in found
    assert all(f"{column[0]}/{column[1]}/{column[2]} ({name})" in known for name, column in COLUMNS.items())


@pytest.mark.parametrize("kind", [0, 1, 3, 11, 2**32 - 1])
def test_a_batch_of_anything_but_video_is_an_error_that_names_its_kind(make, kind):
    with pytest.raises(MetadataError, match=f"meta type {kind};"):
        layout_of(make.batch(kind=kind))


# Reading.


def test_frames_are_read_in_the_order_in_which_they_lie(make):
    objects, said = [make.object(), make.object(), make.object()], [make.event(b"{}")]
    plain, full = make.frame(frame_num=2**31 - 1, buf_pts=ALL_ONES), make.frame(objects, said)
    others = [make.user(7, 70), make.user(-8, 0)]
    batch = make.batch([plain, full], others)
    read = BatchReader(make.layout).read(batch)
    first = FrameMeta(plain, *(FRAME | {"frame_num": 2**31 - 1, "buf_pts": ALL_ONES}).values(), objects=[], users=[])
    second = FrameMeta(full, *FRAME.values(), objects=[make.read(found) for found in objects], users=make.said(said))
    assert read == BatchMeta(batch, [first, second], [UserMeta(others[0], 7, 0, None, 0), UserMeta(others[1], -8, 0, None, 0)])
    assert [found.address for found in read.frames[1].objects] == objects
    assert frames_in(batch) == [first, second._replace(objects=[], users=[])]
    empty = make.batch()
    assert (BatchReader(make.layout).read(empty), frames_in(empty)) == (BatchMeta(empty, [], []), [])


def test_what_lies_in_several_lists_is_not_mixed_up(make):
    """Lists that are empty, and texts that are not there, are between others."""

    def label(name, long=None):
        return make.label(1, name, long, 1, 1, 1)

    one = make.classifier(1, [label(b"a"), label(b"b", b"long b")])
    frames = [
        make.frame(
            [make.object(b"0", b"text 0"), make.object(b"1", None, [one, make.classifier(2, [])])], [make.event(b"first")]
        ),
        make.frame(),
        make.frame([make.object(b"2", b"text 2", [make.classifier(3, [label(b"c", b"long c")])], [make.event(b"not a key")])]),
        make.frame([], [make.event(None), make.event(b"x", b"other"), make.event(b"last")]),
    ]
    read = BatchReader(make.layout).read(make.batch(frames, [make.event(b"whole")]))
    objects = [found for frame in read.frames for found in frame.objects]
    assert [(found.label, found.display_text) for found in objects] == [("0", "text 0"), ("1", ""), ("2", "text 2")]
    classes = [
        [(each.unique_component_id, [info.label for info in each.labels]) for each in found.classifiers] for found in objects
    ]
    assert classes == [[], [(1, ["a", "long b"]), (2, [])], [(3, ["long c"])]]
    assert [[user.text for user in frame.users] for frame in read.frames] == [["first"], [], [], ["", None, "last"]]
    assert [user.text for user in read.users] == ["whole"]


def test_an_object_is_read_with_its_classifiers(make):
    labels = [make.label(3, b"red", None, 4, 5, 0.25), make.label(2**32 - 1, b"short", b"long " * 50, 2**32 - 6, 2**32 - 7, 1.0)]
    classifiers = [make.classifier(-8, labels), make.classifier(9, [])]
    found = make.object(b"car", b"car 1", classifiers, (), (-10, -11, 2**64 - 2), (0.5, 0.75, -1.5, 2, 3, 4.25))
    labels = [LabelMeta(3, "red", 4, 5, 0.25), LabelMeta(-1, "long " * 50, -6, -7, 1.0)]
    classifiers = [ClassifierMeta(-8, labels), ClassifierMeta(9, [])]
    wanted = ObjectMeta(-10, -11, 2**64 - 2, 0.5, 0.75, -1.5, 2, 3, 4.25, 0.0, "car 1", "car", 0, classifiers, found)
    assert make.read(found) == wanted
    untracked = make.read(make.object(ids=(1, -1, ALL_ONES)))
    assert (untracked.class_id, untracked.object_id, untracked.display_text, untracked.classifiers) == (-1, -1, "", [])


LABELS = {
    b"": "",
    b"car\0behind the end": "car",
    b"x" * 128: "x" * 128,
    b"\xff\xfea": "\ufffd\ufffda",
    "größe 人".encode(): "größe 人",
    b"x" * 127 + "é".encode()[:1]: "x" * 127 + "\ufffd",
}


@pytest.mark.parametrize(("chars", "wanted"), LABELS.items(), ids=range(len(LABELS)))
def test_labels_and_texts_that_are_cut_or_no_utf8(make, chars, wanted):
    long = chars.partition(b"\0")[0]
    inside = [make.classifier(0, [make.label(1, chars, None, 1, 1, 1), make.label(1, b"other", long, 1, 1, 1)])]
    read = make.read(make.object(chars, long, inside))
    assert [read.label, read.display_text, *(info.label for info in read.classifiers[0].labels)] == [wanted] * 4


@settings(deadline=None)
@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, ALL_ONES - 1), st.binary(max_size=128), st.sampled_from([*COLUMNS]))
def test_objects_of_any_class_id_and_label_are_read(class_id, object_id, label, name):
    make = Maker(name)
    read = make.read(make.object(label, ids=(class_id, class_id, object_id)))
    assert (read.unique_component_id, read.class_id, read.object_id) == (class_id, class_id, object_id)
    assert read.label == label.split(b"\0")[0].decode("utf-8", "replace")


def test_our_event_is_found_among_those_of_others(make):
    ours = make.event("größe".encode() + b"\xff")
    others = [make.user(EVENT, 0), make.event(b"1", b"somebody"), make.event(b"2", None), make.event(b"3", b"empycustom2")]
    others.append(make.user(EVENT + 1, *at(ours + 40, "Q")))  # the same, but of another type
    assert [user.text for user in make.said([*others, ours])] == [None] * 5 + ["größe\ufffd"]
    assert [user.address for user in make.said([*others, ours])] == [*others, ours]
    assert [user.text for user in make.said([make.event(None)])] == [""]


def test_a_step_that_fails_leaves_the_lock_to_others(make):
    batch, steps = make.batch(), Steps()
    steps.fill(map(int, ("no number",)))
    with pytest.raises(ValueError, match="no number"):
        steps.run(batch)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(frames_in, batch).result(10) == []
    assert gc.isenabled()


# A whole buffer.

KNOWN = {"frame_num": 1, "timestamp": "then", "source_frame_width": 320, "source_frame_height": 240}


def metas_of(runs):
    metas = Metas()
    metas.others = runs
    return metas


def decode(runs):
    return DeepStreamCarrier().decode(metas_of(runs), KNOWN, 0)


@pytest.fixture(scope="module")
def api():
    """The type of DeepStream's metadata: NVIDIA's own where it is installed, for two of that name cannot be."""
    return nvds.call("nvds_meta_api_get_type") if nvds.FOLDER else hash(Gst.meta_api_type_register("NvDsMetaAPI", ["nvdsmeta"]))


def test_a_whole_batch_is_read_by_the_carrier(make, api):
    classifiers = [make.classifier(2, [make.label(3, b"red", None, 4, 5, 0.1)])]
    found = make.object(b"car", b"car 1", classifiers, (), (-1, 2, ALL_ONES), (0.9, 0.3, 1.5, 2, 3, 4))
    frames = [
        make.frame([found], [make.event(b'{"frame_num": 1, "emcustom": {"light": 0.5}}')]),
        make.frame(buf_pts=ALL_ONES, ntp_timestamp=0, frame_num=8),
    ]
    batch = make.batch(frames, [make.event(b'{"emcustom": ["both"]}')])
    runs = [
        (api, [make.meta(make.block(8), kind=4098)]),
        (hash(Gst.Buffer.__gtype__), [make.block(56)]),
        (api, [make.meta(batch)]),
    ]
    decoded = decode(runs)
    first, second = decoded.frames
    assert datetime.strptime(first["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() == 1_600_000_000.123
    same = {"source_id": 2**32 - 8, "source_frame_width": 320, "source_frame_height": 240, "stream_width": 2**32 - 9}
    same |= {"stream_time": -1, "stream_height": 2**32 - 10, "batch_id": 2**32 - 5, "pad_index": 2**32 - 4}
    label = {"num_classes": 3, "result_label": "red", "result_class_id": 4, "label_id": 5, "result_prob": 0.1}
    facts = {
        "class_id": 2, "object_id": -1, "confidence": 0.9, "obj_label": "car", "unique_component_id": -1, "tracker_confidence": 0.3,
        "rect_params": {"left": 1.5, "top": 2, "width": 3, "height": 4}, "text_params": {"display_text": "car 1"},
        "classifier": [{"num_labels": 1, "unique_component_id": 2, "label_info": [label]}],
    }  # fmt: skip
    numbers = {"frame_num": -6, "buf_pts": FRAME["buf_pts"], "ntp_timestamp": FRAME["ntp_timestamp"]}
    assert first == same | numbers | {"timestamp": first["timestamp"], "object": [facts], "emcustom": {"light": 0.5}}
    assert second == same | {"frame_num": 8, "buf_pts": -1, "ntp_timestamp": 0, "timestamp": "then", "object": []}
    addresses = [[item.address for item in handles] for handles in decoded.handles]
    assert (addresses, decoded.attributes) == ([[found], []], ["both"])
    assert decoded.frame_num == 0  # not below 0: it is counted on from
    numbers = [DeepStreamCarrier().number_in(metas_of(item)) for item in (runs, [(api, [make.meta(make.batch(frames[:1]))])])]
    assert (decoded.has_frame_number, numbers) == (False, [None, 0])  # the second frame has no time


@pytest.mark.skipif(bool(nvds.WHY_NOT), reason=nvds.WHY_NOT)
def test_attributes_of_an_object_are_found_by_its_key(make, api):
    kinds = [(key_type(), 2), (key_type() + 1, 1), (key_type(), 3), (key_type(), 1)]
    objects = [make.object(users=[make.user(kind, make.block(8, (0, "i", key)))]) for kind, key in kinds]
    said = make.event(b'{"object": [{"key": 1, "emcustom": "one"}, {"key": 2, "emcustom": "two"}, {"key": 3}]}')
    (read,) = decode([(api, [make.meta(make.batch([make.frame(objects, [said])]))])]).frames
    assert [found.get("emcustom") for found in read["object"]] == ["two", None, None, "one"]
    assert [make.read(address).key for address in (*objects, make.object())] == [2, 0, 3, 1, 0]


# Writing.

NEW = ObjectMeta(-3, -4, 2**63 + 5, 0.5, 0.25, 30.75, 20.5, 100.25, 50.125, 0.0, "größe 人", "person", 0, [])


def filled(name, found, pattern=b"\0"):
    """Return what becomes of an object of such bytes: its address and all its bytes."""
    memory = ctypes.create_string_buffer(pattern * COLUMNS[name].object, COLUMNS[name].object)
    NEWEST.kept.append(memory)
    fill_object(ctypes.addressof(memory), Maker(name).layout, found)
    return ctypes.addressof(memory), memory.raw


def test_a_new_object_has_all_that_an_overlay_draws(make):
    found, _ = filled(make.name, NEW, b"\xa5")
    text, white, black = found + make.column.text, (1.0,) * 4, (0.0, 0.0, 0.0, 1.0)
    assert at(found + 48, "iiQ4f") == (-3, -4, 2**63 + 5, 30.75, 20.5, 100.25, 50.125)  # the last four are the detector's
    assert (at(found + 96, "2f"), at(found + 104, "4fI")) == ((0.5, 0.25), (30.75, 20.5, 100.25, 50.125, 3))
    assert (at(found + 104 + 24, "4d"), at(found + 104 + 56, "i")) == ((1.0, 0.0, 0.0, 1.0), (0,))
    shown, *place, font, size = at(text, "QIIQI")
    assert (ctypes.string_at(shown).decode(), place, ctypes.string_at(font), size) == ("größe 人", [31, 10], b"Serif", 11)
    assert (at(text + 32, "4d"), at(text + 64, "i"), at(text + 72, "4d")) == (white, (1,), black)
    assert ctypes.string_at(found + make.column.label, 128) == b"person".ljust(128, b"\0")


def test_bytes_that_are_not_for_us_stay_as_they_were(make):
    patterns = [bytes([byte]) for byte in (0x00, 0xA5, 0xFF)]
    made = [filled(make.name, NEW, pattern)[1] for pattern in patterns]
    text, label = make.column.text, make.column.label
    ours = {48: 32, 96: 28, 128: 36, text: 28, text + 32: 36, text + 72: 32, label: 128}
    ours = {place for start, size in ours.items() for place in range(start, start + size)}
    changed = {place for place in range(len(made[0])) if any(raw[place] != by[0] for raw, by in zip(made, patterns, strict=True))}
    assert changed == ours


@settings(deadline=None)
@given(st.sampled_from([*COLUMNS]), st.text(max_size=140), st.floats(-(2**31), 2**31, width=32), st.integers(-1, ALL_ONES - 1))
@example("8.0", "é" * 64, -0.5, -1)
def test_a_new_object_is_read_back(name, label, side, object_id):
    found = NEW._replace(label=label, left=side, top=side, object_id=object_id, display_text="")
    address, _ = filled(name, found)
    whole = label.replace("\0", "\\0")
    cut = whole if len(whole.encode()) < 128 else whole.encode()[:127].decode("utf-8", "ignore")
    assert Maker(name).read(address) == found._replace(label=cut, address=address)
    assert at(address + COLUMNS[name].text + 8, "2I") == (max(0, round(side)), max(0, round(side) - 10))
