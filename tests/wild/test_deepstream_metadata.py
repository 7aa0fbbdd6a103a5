"""Whatever other programs put into a batch of DeepStream is read, refused in a sentence, or cleaned: numbers, texts, and events like ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import EDGES, bounded, json_texts
from hypothesis import given
from hypothesis import strategies as st
from judging import strictly

sys.path.insert(0, str(Path(__file__).parents[1] / "deepstream"))

import nvds

from empycustom.gstreamer import Gst
from empycustom.native.loading import glib

pytestmark = pytest.mark.skipif(bool(nvds.WHY_NOT), reason=nvds.WHY_NOT)

SPEAKS = """
def process_ip(io_buffer, in_meta, options):
    repr(in_meta)
    new = {"obj_label": "new", "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}}
    change = {"object_id": 5, "class_id": 3, "confidence": 0.5, "obj_label": "changed", "rect_params": new["rect_params"],
              "mask": [[1, 0, 1]], "rotation": 0.5, "unique_id": 4, "parent_id": 1,
              "text_params": {"display_text": "x"}, "classifier": [{"label_info": [{"result_label": "red"}]}]}
    return {"meta": {"a": 1}, "frame": [
        {"meta": {"b": 2}, "object": [{"c": 3} for _ in frame["object"]], "new_object": [new],
         "changed_object": [{} if n % 2 else change for n, _ in enumerate(frame["object"])],
         "removed_object": [n for n, _ in enumerate(frame["object"]) if n % 4 == 3]} for frame in in_meta["frame"]]}
"""
NOTE = {
    "frame_num": 7, "timestamp": "2026-01-01T00:00:00.000Z", "source_id": 0, "emcustom": {"n": [1]},
    "object": [{"key": 1, "class_id": 2, "object_id": 5, "confidence": 0.5, "obj_label": "car",
                "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}, "emcustom": {"n": 1},
                "unique_id": 3, "parent_id": 3, "keypoint_names": ["a"], "skeleton": [[0, 0]],
                "packed": {"rotation": [0.5, 3, 4], "keypoints": "AAAAPwAAAD8AAAA/", "mask": {"size": [2, 3], "counts": "06"},
                           "embedding": {"type": "float16", "data": "ADw="}}}],
}  # fmt: skip


def within(low: int, high: int) -> Any:
    return st.integers(0, 9).filter(lambda n: low <= n <= high) | st.sampled_from([edge for edge in EDGES if low <= edge <= high])


INTS, UINTS, LONGS, FLOATS = within(-(2**31), 2**31 - 1), within(0, 2**32 - 1), within(0, 2**64 - 1), st.floats(width=32)
CHARS = st.sampled_from([b"", b"car", b"\xff\xfe", b"\xed\xa0\x80", b"a\x1b[31mb", b'"', b"\\", b"\n", "é".encode()]) | st.binary(
    max_size=9
)
LABELS = CHARS.map(lambda text: text.replace(b"\0", b"")) | st.just(b"x" * 127)
TEXTS = LABELS | st.just(b"y" * 3000)
OBJECTS = st.fixed_dictionaries(
    {"label": LABELS},
    optional={
        "unique_component_id": INTS,
        "class_id": INTS,
        "object_id": LONGS,
        "confidence": FLOATS,
        "tracker_confidence": FLOATS,
        "rect": st.tuples(FLOATS, FLOATS, FLOATS, FLOATS),
        "text": TEXTS,
        "classifiers": st.lists(st.tuples(UINTS, st.lists(st.tuples(TEXTS, FLOATS), max_size=2)), max_size=2),
        "key": st.just(1) | INTS,
        "angle": FLOATS,
        "mask": st.tuples(st.lists(FLOATS, min_size=1, max_size=6), FLOATS, UINTS, UINTS),
        "parent": st.integers(0, 3) | LONGS.map(lambda pointer: pointer + 4),
    },
)
FRAMES = st.fixed_dictionaries(
    {"objects": st.lists(OBJECTS, max_size=3), "events": st.lists(json_texts(NOTE), max_size=2)},
    optional={
        "pad_index": UINTS,
        "frame_num": INTS,
        "buf_pts": LONGS,
        "ntp_timestamp": LONGS,
        "source_id": UINTS,
        "width": UINTS,
        "height": UINTS,
    },
)


def fill(buffer: Any, frames: list[dict[str, Any]], words: list[str]) -> None:
    """Attach a batch; keys of objects and events are as we write them, with texts of another program."""
    from empycustom.native.deepstream import layout_of
    from empycustom.native.deepstream_write import add_event, add_key

    batch = nvds.attach(hash(buffer), frames)
    layout = layout_of(batch)
    for text in words:
        add_event("batch", batch, batch, layout, text, "")
    for frame, about in zip(nvds.frames_of(batch), frames, strict=True):
        for text in about["events"]:
            add_event("frame", frame, batch, layout, text, "2026-01-01T00:00:00.000Z")
        for found, told in zip(nvds.objects_of(frame), reversed(about["objects"]), strict=True):
            if "key" in told:
                add_key(frame, found, batch, told["key"])
            shape(found, told, nvds.objects_of(frame))


def shape(found: int, told: dict[str, Any], objects: list[int]) -> None:
    """Give an object an angle, a mask, and a parent: one of the objects, or a pointer to nowhere."""
    nvds.put(nvds.FLOAT, found + 208, told.get("angle", 0))
    parent = told.get("parent", 4)
    nvds.put(nvds.LONG, found + 40, objects[parent] if parent < len(objects) else max(parent - 4, 0))
    if "mask" in told:
        numbers, threshold, width, height = told["mask"]
        nvds.put(nvds.LONG, found + 216, glib.g_malloc0(4 * len(numbers)))
        nvds.put(nvds.FLOAT, nvds.get(nvds.LONG, found + 216), *numbers)
        nvds.put(nvds.UINT, found + 224, 4 * len(numbers))
        nvds.put(nvds.FLOAT, found + 228, threshold)
        nvds.put(nvds.UINT, found + 232, width, height)


@pytest.fixture
def tried(stream, judged, library):
    """Send a buffer through two libraries and aimeta; its documents have to be JSON, under both ways of on-error."""
    path = library(SPEAKS)
    element = f"empycustom in-place=true {{0}} custom-lib={path}"
    streams = [stream(f"{element} ! {element} ! aimeta name=meta".format(way)) for way in ("on-error=fail", "on-error=pass")]

    def attempt(frames: Any, words: Any) -> None:
        for one in streams:
            buffer = Gst.Buffer.new_allocate(None, 16 * 16 * 4, None)
            fill(buffer, frames, words)
            outcome = one.send(buffer)
            judged(outcome, "NvDs", "metadata")
            if outcome.arrived:
                strictly(one.pipeline.get_by_name("meta").get_property("last-meta"))

    return attempt


@bounded(120)
@given(st.lists(FRAMES, max_size=3), st.lists(json_texts({"emcustom": {"a": 1}}), max_size=2))
def test_batches(tried, frames, words):
    tried(frames, words)
