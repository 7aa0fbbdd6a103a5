"""What GstAnalytics says about whole frames, as arrays of in_meta: tensors and maps of classes (GStreamer 1.26 and later)."""

from __future__ import annotations

import json

import pytest

import empycustom
from empycustom.gstreamer import Gst
from empycustom.native import tensors

pytestmark = pytest.mark.skipif(not tensors.available, reason="this GStreamer has no GstTensorMeta (it came with 1.26)")

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
HEADER = """
import gi
gi.require_version("GstAnalytics", "1.0")
from gi.repository import GLib, Gst, GstAnalytics, GstVideo
import numpy as np

def tensor(name, array, kind=None, order="ROW", dims=None):
    kind = getattr(GstAnalytics.TensorDataType, (kind or array.dtype.name).upper())
    order = getattr(GstAnalytics.TensorDimOrder, order + "_MAJOR")
    data = Gst.Buffer.new_wrapped(array.tobytes())
    return GstAnalytics.Tensor.new_simple(GLib.quark_from_string(name), kind, data, order, list(dims or array.shape))

def segment(b, numbers, regions, box, format="GRAY8", offset=0, padding=0):
    height, width = numbers.shape
    step = numbers.itemsize
    stride = (width + padding) * step
    data = bytearray(b"\\xee" * (offset + stride * height))
    for row in range(height):
        data[offset + row * stride : offset + row * stride + width * step] = numbers[row].tobytes()
    mask = Gst.Buffer.new_wrapped(bytes(data))
    planes = [offset, 0, 0, 0], [stride, 0, 0, 0]
    GstVideo.buffer_add_video_meta_full(
        mask, GstVideo.VideoFrameFlags.NONE, getattr(GstVideo.VideoFormat, format), width, height, 1, *planes
    )
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    made, found = meta.add_segmentation_mtd(mask, GstAnalytics.SegmentationType.SEMANTIC, regions, *box)
    assert made
    return meta, found
"""
TENSORS = (
    HEADER
    + """
def process_ip(b, m, o):
    rows, columns = np.arange(6, dtype="float32").reshape(1, 2, 3), np.arange(6, dtype="float16").reshape(2, 3) / 2
    GstAnalytics.buffer_add_tensor_meta(b).set([
        tensor("rows", rows), tensor("columns", columns, order="COL"), tensor("numbers", np.array([-1, 2**40])),
    ])
"""
)
READER = """
def process_ip(b, m, o):
    return {"frame": {"tensors": [
        [each["name"], str(each["data"].dtype), each["data"].tolist(), each["unique_id"], each["data"].flags.writeable]
        for each in m["frame"][0].get("tensors", [])
    ]}}
"""


def last_frame(play, description):
    pipeline = Gst.parse_launch(f"{description} ! aimeta name=meta ! fakesink")
    played = play(pipeline)
    assert played.ended, played.errors
    return json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0], [text for text, _ in played.warnings]


def elements(*libs):
    return " ! ".join(f"empycustom in-place=true custom-lib={lib}" for lib in libs)


@pytest.mark.parametrize("workers", [0, 1])
def test_tensors_reach_a_library_as_arrays(play, library, workers):
    """Of either order the last index is that of neighbours, as of all tensors of GStreamer's own elements."""
    upstream, reader = library(TENSORS, "upstream.py"), library(READER, "reader.py")
    frame, warnings = last_frame(play, f"{SOURCE} ! {elements(upstream, reader)} workers={workers}")
    assert frame["emcustom"]["tensors"] == [
        ["rows", "float32", [[[0, 1, 2], [3, 4, 5]]], 0, False],
        ["columns", "float16", [[0, 0.5, 1], [1.5, 2, 2.5]], 0, False],
        ["numbers", "int64", [-1, 2**40], 0, False],
    ]
    assert not warnings
    assert "tensors" not in frame


def test_documents_of_programs_have_no_tensors(play, library):
    played = play(f"{SOURCE} ! {elements(library(TENSORS))} ! appsink name=out sync=false")
    assert len(played.samples) == 2
    for sample in played.samples:
        assert not {"tensors", "segmentation"} & set(empycustom.document(sample)["frame"][0])


@pytest.mark.skipif(Gst.version() < (1, 28), reason="before 1.28 a buffer has one GstTensorMeta, which no copy of it has")
def test_tensors_of_several_elements_and_of_copies(play, library):
    more = HEADER + "\ndef process_ip(b, m, o):\n    GstAnalytics.buffer_add_tensor_meta(b).set([tensor('more', np.ones(1))])\n"
    libs = library(TENSORS, "upstream.py"), library(more, "more.py"), library(READER, "reader.py")
    frame, _ = last_frame(play, f"{SOURCE} ! {elements(*libs[:2])} ! tee ! queue ! videobalance hue=0.5 ! {elements(libs[2])}")
    assert [name for name, *_ in frame["emcustom"]["tensors"]] == ["rows", "columns", "numbers", "more"]


def test_an_array_that_a_library_keeps_stays_as_it_is(play, library):
    """Long after its frame, which other elements could write meanwhile."""
    upstream = (
        HEADER
        + """
def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    GstAnalytics.buffer_add_tensor_meta(b).set([tensor("t", np.full(10_000, number, "int32"))])
"""
    )
    keeper = """
kept = []
def process_ip(b, m, o):
    kept.append(m["frame"][0]["tensors"][0]["data"])
    return {"frame": {"right": [int(each[0]) == int(each[-1]) == number for number, each in enumerate(kept)]}}
"""
    libs = library(upstream, "upstream.py"), library(keeper, "keeper.py")
    source = SOURCE.replace("num-buffers=2", "num-buffers=40")
    frame, _ = last_frame(play, f"{source} ! {elements(*libs)} ! videobalance hue=0.5")
    assert frame["emcustom"]["right"] == [True] * 40


UNREADABLE = {
    "int4": ("np.zeros(4, 'uint8')", "kind='int4', dims=[8]", "NumPy has no such type"),
    "bfloat16": ("np.zeros(4, 'uint16')", "kind='bfloat16'", "NumPy has no such type"),
    "uint8": ("np.zeros(12, 'uint8')", "dims=[0, 5, 0, 1]", "more than one of its sizes is not known"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_tensor_that_cannot_be_an_array_is_left_out_and_said(gst_launch, library, kind):
    array, how, reason = UNREADABLE[kind]
    upstream = (
        HEADER
        + f"""
def process_ip(b, m, o):
    GstAnalytics.buffer_add_tensor_meta(b).set([tensor("odd", {array}, {how}), tensor("even", np.ones(2, "int8"))])
"""
    )
    libs = elements(library(upstream, "upstream.py"), library(READER, "reader.py"))
    launched = gst_launch(f"-q {SOURCE} ! {libs} ! aimeta silent=false ! fakesink", GST_DEBUG="*empycustom*:2")
    for document in launched.documents:
        assert [name for name, *_ in document["frame"][0]["emcustom"]["tensors"]] == ["even"]
    said = (
        f"the tensor odd ({kind}) of an element upstream cannot be an array, and is not in in_meta: {reason} (first at frame 0 "
    )
    assert launched.err.count(said) == 1, launched.err


@pytest.mark.parametrize(
    ("size", "dims", "shape"), [(12, [0, 4], (3, 4)), (0, [0, 4], (0, 4)), (0, [0, 0, 2], (0, 0, 2)), (12, [2, 3, 0], (2, 3, 2))]
)
def test_a_size_that_the_model_leaves_open_is_that_of_the_data(play, library, size, dims, shape):
    upstream = (
        HEADER
        + f"""
def process_ip(b, m, o):
    GstAnalytics.buffer_add_tensor_meta(b).set([tensor("t", np.arange({size}, dtype="uint8"), dims={dims})])
"""
    )
    reader = "def process_ip(b, m, o):\n    return {'frame': {'shape': m['frame'][0]['tensors'][0]['data'].shape}}\n"
    frame, warnings = last_frame(play, f"{SOURCE} ! {elements(library(upstream, 'upstream.py'), library(reader, 'reader.py'))}")
    assert (tuple(frame["emcustom"]["shape"]), warnings) == (shape, [])


# Maps of classes.


SEGMENTED = (
    HEADER
    + """
def process_ip(b, m, o):
    quark, relate = GLib.quark_from_string, GstAnalytics.RelTypes.RELATE_TO
    numbers = np.array([[0, 12, 12, 0], [0, 12, 31, 31]])
    meta, road = segment(b, numbers.astype("uint8"), [0, 12, 31], (0, 0, 64, 48), padding=3, offset=5)
    _, classes = meta.add_cls_mtd([-1, 0.5, 0.75], [quark(name) for name in ("background", "road", "sky")])
    assert meta.set_relation(relate, road.id, classes.id)
    segment(b, (numbers * 1000).astype("<u2"), [], (8, 6, 32, 24), "GRAY16_LE")
    segment(b, (numbers * 1000).astype(">u2"), [12000], (8, 6, 32, 24), "GRAY16_BE", padding=1)
    for pair in ((0, 1), (1, 0)):  # of objects: it is not one of the frame's, whichever way they are related
        _, person = meta.add_od_mtd(quark("person"), 8, 6, 32, 24, 0.5)
        _, own = segment(b, numbers.astype("uint8"), [1], (8, 6, 32, 24))
        ids = person.id, own.id
        assert meta.set_relation(relate, ids[pair[0]], ids[pair[1]])
"""
)
SHOWN = """
def process_ip(b, m, o):
    return {"frame": {"maps": [
        {**each, "class_map": each["class_map"].tolist(), "labels": [*each.get("labels", {}).items()]}
        for each in m["frame"][0]["segmentation"]
    ]}}
"""
NUMBERS = [[0, 12, 12, 0], [0, 12, 31, 31]]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "between", ["identity", "videoconvert ! video/x-raw,format=I420", "videoscale ! video/x-raw,width=32,height=24"]
)
def test_maps_of_classes_reach_a_library(play, library, between, workers):
    """Their numbers stay as they are; the box that they are stretched over is scaled with the frame."""
    libs = elements(library(SEGMENTED, "upstream.py")), elements(library(SHOWN, "shown.py"))
    frame, warnings = last_frame(play, f"{SOURCE} ! {libs[0]} ! {between} ! {libs[1]} workers={workers}")
    part = 2 if "width=32" in between else 1
    whole = {"left": 0, "top": 0, "width": 64 / part, "height": 48 / part}
    box = {"left": 8 / part, "top": 6 / part, "width": 32 / part, "height": 24 / part}
    thousands = [[number * 1000 for number in row] for row in NUMBERS]
    named = [[0, "background"], [12, "road"], [31, "sky"]]
    assert frame["emcustom"]["maps"] == [
        {"class_map": NUMBERS, "classes": 3, "labels": named, "rect_params": whole, "unique_id": 0},
        {"class_map": thousands, "labels": [], "rect_params": box, "unique_id": 0},
        {"class_map": thousands, "classes": 1, "labels": [], "rect_params": box, "unique_id": 0},
    ]
    assert "segmentation" not in frame
    assert not warnings


def test_a_map_cannot_be_written_and_can_be_kept(play, library):
    keeper = """
kept = []
def process_ip(b, m, o):
    kept.extend(each["class_map"] for each in m["frame"][0]["segmentation"])
    return {"frame": {"written": any(each.flags.writeable for each in kept), "sums": sorted({int(each.sum()) for each in kept})}}
"""
    libs = library(SEGMENTED, "upstream.py"), library(keeper, "keeper.py")
    frame, _ = last_frame(play, f"{SOURCE.replace('num-buffers=2', 'num-buffers=40')} ! {elements(*libs)}")
    assert frame["emcustom"] == {"written": False, "sums": [98, 98000]}


def test_a_map_of_a_flipped_frame_is_lost(play, library):
    """GStreamer drops it, rather than being wrong."""
    reader = "def process_ip(b, m, o):\n    return {'frame': {'has': 'segmentation' in m['frame'][0]}}\n"
    libs = elements(library(SEGMENTED, "upstream.py")), elements(library(reader, "reader.py"))
    frame, _ = last_frame(play, f"{SOURCE} ! {libs[0]} ! videoflip method=horizontal-flip ! {libs[1]}")
    assert frame["emcustom"] == {"has": False}
