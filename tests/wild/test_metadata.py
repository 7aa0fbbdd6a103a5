"""Whatever others put on a buffer is read, refused in a sentence under ``on-error``, or cleaned; it is never a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import EDGES, TEXTS, bounded, json_texts
from hypothesis import assume, given
from hypothesis import strategies as st
from judging import strictly

from empycustom.carriers.plain import META_NAME
from empycustom.gstreamer import GObject, Gst, GstVideo
from empycustom.native import analytics, masks
from empycustom.native.loading import ffi, gst

# Reads all that it gets, adds attributes to everything, finds a new object, changes every second one, and removes others.
SPEAKS = """
def process_ip(io_buffer, in_meta, options):
    repr(in_meta)
    frame = in_meta["frame"][0]
    box = {"left": 1, "top": 2, "width": 3, "height": 4}
    change = {"object_id": 5, "class_id": 3, "confidence": 0.5, "obj_label": "changed", "rect_params": box,
              "text_params": {"display_text": "x"}, "classifier": [{"label_info": [{"result_label": "red"}]}]}
    keys = list(change)
    changed = [{} if n % 2 else change if n % 4 else {keys[n % 7]: change[keys[n % 7]]} for n, _ in enumerate(frame["object"])]
    return {"meta": {"a": 1}, "frame": [{"meta": {"b": 2}, "object": [{"c": 3} for _ in frame["object"]],
            "new_object": [{"obj_label": "new", "rect_params": box}], "changed_object": changed,
            "removed_object": [n for n, _ in enumerate(frame["object"]) if n % 4 == 3]}]}
"""
SILENT = "def process_ip(io_buffer, in_meta, options):\n    repr(in_meta)\n"
NAMES = ("EmPyCustomMeta", "region", "GstAnalytics", "metadata")


@pytest.fixture
def tried(stream, judged, library):
    """Send a buffer through two libraries and aimeta; its documents have to be JSON, under both ways of on-error."""
    elements = (
        f"empycustom in-place=true {{}} custom-lib={library(SILENT, 'silent.py')} ! empycustom in-place=true {{}} custom-lib="
    )
    elements += f"{library(SPEAKS, 'speaks.py')} ! aimeta name=meta"
    streams = {way: stream(elements.format(way, way)) for way in ("on-error=fail", "on-error=pass")}

    def attempt(fill: Any) -> None:
        for one in streams.values():
            buffer = Gst.Buffer.new_wrapped(bytes(16 * 16 * 4))
            fill(buffer)
            outcome = one.send(buffer)
            judged(outcome, *NAMES)
            if outcome.arrived:
                strictly(one.pipeline.get_by_name("meta").get_property("last-meta"))

    return attempt


RECORD = {
    "key": "region/7", "class_id": 1, "object_id": 5, "confidence": 0.5, "obj_label": "car",
    "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}, "text_params": {"display_text": ""},
    "classifier": [{"num_labels": 1, "unique_component_id": 0, "label_info": [
        {"num_classes": 0, "result_label": "red", "result_class_id": 0, "label_id": 0, "result_prob": 1.0}]}],
    "emcustom": {"n": 1}, "unique_id": 3, "parent_id": 3, "keypoint_names": ["a"], "skeleton": [[0, 0]],
    "packed": {"region": [1, 2, 3, 4], "rotation": [0.5, 3, 4], "keypoints": "AAAAPwAAAD8AAAA/", "mask": {"size": [2, 3], "counts": "06"},
               "embedding": {"type": "float16", "data": "ADw="}},
}  # fmt: skip
NOTE = {"frame_num": 7, "timestamp": "2026-01-01T00:00:00.000Z", "meta": {"a": 1}, "emcustom": [1], "object": [RECORD],
        "source_frame_width": 64, "source_frame_height": 48, "numbers": [0]}  # fmt: skip


def add_note(buffer: Any, number: Any, text: Any) -> None:
    """Add our custom meta as another program would, with fields of the types that it chooses; None: without that field."""
    meta = gst.gst_buffer_add_custom_meta(hash(buffer), META_NAME.encode())
    structure = gst.gst_custom_meta_get_structure(meta)
    for name, value in ((b"frame-num", number), (b"json", text)):
        if value is None:
            continue
        if isinstance(value, str):
            kind, given = GObject.TYPE_STRING, ffi.new("char[]", value.encode("utf-8", "replace").replace(b"\0", b"?"))
        elif isinstance(value, float):
            kind, given = GObject.TYPE_DOUBLE, ffi.cast("double", value)
        else:
            kind, given = (
                (GObject.TYPE_UINT64, ffi.cast("uint64_t", value)) if value >= 0 else (GObject.TYPE_INT, ffi.cast("int", value))
            )
        gst.gst_structure_set(structure, name, ffi.cast("GType", hash(kind)), given, ffi.NULL)


def add_region(buffer: Any, region: tuple[Any, ...]) -> None:
    label, box, number, parent, params = region
    meta = GstVideo.buffer_add_video_region_of_interest_meta(buffer, label, *box)
    meta.id, meta.parent_id = number, parent
    for name, fields in params:
        structure = Gst.Structure.new_empty(name)
        for key, value in fields.items():
            structure.set_value(key, value)
        meta.add_param(structure)


UINTS = st.integers(0, 20) | st.sampled_from([edge for edge in EDGES if 0 <= edge < 2**32])
INTS = st.integers(-2, 9) | st.sampled_from([edge for edge in EDGES if -(2**31) <= edge < 2**31])
LABELS = (TEXTS | st.sampled_from(["car", "person"])).filter(lambda text: "\0" not in text)
FIELDS = st.booleans() | st.floats() | INTS | LABELS
PARAMS = st.tuples(
    st.sampled_from(["detection", "object_id", "classification", "colour", "odd-name", "x/y"]),
    st.dictionaries(st.sampled_from(["confidence", "label_id", "id", "label", "x_min", "other"]), FIELDS, max_size=4),
)
REGIONS = st.tuples(LABELS, st.tuples(UINTS, UINTS, UINTS, UINTS), INTS, INTS, st.lists(PARAMS, max_size=3))
NOTES = st.tuples(
    st.none() | st.integers(0, 2**64 - 1) | st.just(7) | INTS | st.floats() | LABELS,
    json_texts(NOTE) | json_texts(NOTE) | st.none() | INTS | st.floats(),
)
CAR = ("car", (1, 2, 3, 4), 7, 0, [])  # the one that NOTE speaks about


@bounded(120)
@given(st.lists(REGIONS, max_size=4))
def test_regions(tried, regions):
    tried(lambda buffer: [add_region(buffer, region) for region in regions])


@bounded(200)
@given(NOTES, st.booleans())
def test_our_own_metadata(tried, note, beside):
    tried(lambda buffer: (beside and add_region(buffer, CAR), add_note(buffer, *note)))


@bounded(80)
@given(st.lists(NOTES, max_size=2), st.lists(REGIONS | st.just(CAR), max_size=3))
def test_both(tried, notes, regions):
    tried(lambda buffer: ([add_region(buffer, region) for region in regions], [add_note(buffer, *note) for note in notes]))


NONE = 2**64 - 1  # no time, which GStreamer itself refuses in such metadata
NS = st.integers(0, 10) | st.sampled_from([edge for edge in EDGES if 0 <= edge < 2**64]) | st.integers(0, 2**64 - 1)


@bounded(80)
@given(
    NS,
    NS,
    st.lists(
        st.tuples(st.sampled_from(["timestamp/x-empycustom", "timestamp/x-ntp"]), NS.filter(lambda time: time != NONE), NS),
        max_size=3,
    ),
    NS,
)
def test_times(tried, pts, duration, stamps, offset):
    assume(NONE in (pts, duration) or pts + duration < NONE)  # sinks drop what ends after all times

    def fill(buffer):
        buffer.pts, buffer.duration, buffer.offset = pts, duration, offset
        for caps, time, length in stamps:
            buffer.add_reference_timestamp_meta(Gst.Caps.from_string(caps), time, length)

    tried(fill)


@pytest.mark.skipif(not analytics.available, reason="this GStreamer has no GstAnalytics (it came with 1.24)")
@bounded(120)
@given(st.data())
def test_analytics(tried, data):
    import gi

    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GLib, GstAnalytics

    floats, ids = st.floats(width=32), st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1])
    detections = st.tuples(st.just("od"), LABELS, INTS, INTS, INTS, INTS, floats)
    made = data.draw(
        st.lists(detections | st.tuples(st.just("cls"), LABELS, floats) | st.tuples(st.just("track"), ids), max_size=5)
    )
    links = data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4))

    def fill(buffer):
        meta = GstAnalytics.buffer_add_analytics_relation_meta(buffer)
        found = []
        for kind, *values in made:
            if kind == "od":
                ok, mtd = meta.add_od_mtd(GLib.quark_from_string(values[0] or "x"), *values[1:])
            elif kind == "cls":
                ok, mtd = meta.add_one_cls_mtd(values[1], GLib.quark_from_string(values[0] or "x"))
            else:
                ok, mtd = meta.add_tracking_mtd(values[0], 0)
            if ok:
                found.append(mtd.id)
        for one, other in links:
            if found and one % len(found) != other % len(found):
                meta.set_relation(GstAnalytics.RelTypes.RELATE_TO, found[one % len(found)], found[other % len(found)])

    tried(fill)


MAPS = """
import empycustom
def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        frame.pixels[-1, -1] = frame.pixels.mean()
        return [{"mean": float(frame.pixels.mean())}]
"""
SIZES = st.integers(0, 70) | st.sampled_from([edge for edge in EDGES if 0 <= edge < 2**32])
STRIDES = st.sampled_from([0, 1, 64, 63, -64, 2**31 - 1, -(2**31)]) | INTS
OFFSETS = st.sampled_from([0, 4, 960, 1023, 1024, 2**31, 2**32, 2**63, 2**64 - 64]) | NS
COUNTS = st.integers(0, 300) | st.sampled_from([2**31 - 1, 2**32 - 1])
MASKS = st.tuples(
    st.sampled_from(["GRAY8", "GRAY16_LE", "GRAY16_BE"]), SIZES, SIZES, OFFSETS, STRIDES, st.integers(0, 600),
    st.lists(COUNTS, max_size=3), INTS, INTS, COUNTS, COUNTS,
)  # fmt: skip
TENSORS = st.tuples(
    st.sampled_from(range(14)), st.integers(0, 64), st.lists(st.integers(0, 5) | st.just(2**63), min_size=1, max_size=40)
)


@pytest.mark.skipif(not masks.available, reason="this GStreamer has no masks and tensors in GstAnalytics (they came with 1.26)")
@bounded(120)
@given(st.data())
def test_analytics_masks_parts_and_tensors(tried, data):
    """A mask may be stretched over anything, and say that its numbers are where the buffer has none."""
    import gi

    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GLib, GstAnalytics

    boxes = data.draw(st.lists(st.tuples(INTS, INTS, INTS, INTS, st.floats(width=32)), max_size=3))
    pictures, numbers = data.draw(st.lists(MASKS, max_size=2)), data.draw(st.lists(TENSORS, max_size=2))
    kinds = st.sampled_from(["RELATE_TO", "IS_PART_OF", "CONTAIN"])
    links = data.draw(st.lists(st.tuples(kinds, st.integers(0, 4), st.integers(0, 4)), max_size=6))

    def fill(buffer):
        meta = GstAnalytics.buffer_add_analytics_relation_meta(buffer)
        found = [meta.add_oriented_od_mtd(GLib.quark_from_string("x"), *box, 0.5)[1].id for box in boxes]
        for name, width, height, offset, stride, size, regions, *place in pictures:
            picture = Gst.Buffer.new_allocate(None, size, None) if size else Gst.Buffer.new()
            kind, planes = getattr(GstVideo.VideoFormat, name), ([offset, 0, 0, 0], [stride, 0, 0, 0])
            GstVideo.buffer_add_video_meta_full(picture, GstVideo.VideoFrameFlags.NONE, kind, width, height, 1, *planes)
            found.append(meta.add_segmentation_mtd(picture, GstAnalytics.SegmentationType.INSTANCE, regions, *place)[1].id)
        for kind, one, other in links:
            if found:
                meta.set_relation(getattr(GstAnalytics.RelTypes, kind), found[one % len(found)], found[other % len(found)])
        made = []
        for kind, size, shape in numbers:
            ones, uint8 = [1] * (len(shape) - 1), GstAnalytics.TensorDataType.UINT8
            data, order = Gst.Buffer.new_allocate(None, size, None), GstAnalytics.TensorDimOrder.COL_MAJOR
            tensor = GstAnalytics.Tensor.new_simple(1, uint8, data, order, [size, *ones])
            there = ffi.cast("GstTensor *", hash(tensor))
            there.data_type, there.dims[0 : len(shape)] = kind, shape
            made.append(tensor)
        if made:
            GstAnalytics.buffer_add_tensor_meta(buffer).set(made)

    tried(fill)


@pytest.fixture
def mapped(stream, judged, library):
    """Send a buffer to a library that reads and writes all its pixels."""
    one = stream(f"empycustom in-place=true custom-lib={library(MAPS)}")

    def attempt(buffer: Any) -> None:
        judged(one.send(buffer), "map_frame", "frame", "buffer")

    return attempt


@bounded(120)
@given(
    st.integers(0, 1100),
    st.tuples(SIZES, SIZES, st.integers(1, 4)),
    st.lists(OFFSETS, min_size=4, max_size=4),
    st.lists(STRIDES, min_size=4, max_size=4),
)
def test_layouts_of_pixels(mapped, size, shape, offsets, strides):
    """A GstVideoMeta may place pixels where the buffer has none; nothing may be read there, nor written."""
    buffer = Gst.Buffer.new_allocate(None, size, None) if size else Gst.Buffer.new()
    add, flags, rgba = GstVideo.buffer_add_video_meta_full, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.RGBA
    add(buffer, flags, rgba, *shape, offsets, strides)
    mapped(buffer)
