"""What upstream found reaches a library: batches of NVIDIA's own metadata as in_meta, and into aimeta's documents."""

from __future__ import annotations

import json

import nvds
import pytest

import empycustom
from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
KEEPER = """
import json
def process_ip(b, m, o):
    with open(o["file"], "a") as file:
        file.write(json.dumps(m) + "\\n")
"""


@pytest.fixture
def seen(play, library, tmp_path):
    """Play a pipeline up to a library that keeps every in_meta, and return them."""

    def run(upstream):
        path = tmp_path / "in_meta"
        lib, options = library(KEEPER), json.dumps(json.dumps({"file": str(path)}))
        played = play(f"{upstream} ! empycustom in-place=true custom-lib={lib} options={options} ! fakesink")
        assert played.ended, played.errors
        return [json.loads(line) for line in path.read_text().splitlines()]

    return run


def label(classes, text, number, probability):
    return {
        "num_classes": classes,
        "result_label": text,
        "result_class_id": number,
        "label_id": number + 10,
        "result_prob": probability,
    }


WHOLE = {
    "frame_num": 2,
    "buf_pts": 66_000_000,
    "stream_time": -1,
    "source_id": 10,
    "source_frame_width": 64,
    "source_frame_height": 48,
    "stream_width": 1920,
    "stream_height": 1080,
    "batch_id": 0,
    "pad_index": 0,
    "ntp_timestamp": 1_600_000_000_066_000_000,
    "object": [
        {
            "class_id": 1,
            "object_id": -1,
            "confidence": 0.51,
            "obj_label": "person",
            "rect_params": {"left": 10.5, "top": 5.25, "width": 8, "height": 6},
            "text_params": {"display_text": "person 1"},
            "classifier": [],
            "unique_component_id": 1,
            "tracker_confidence": 0.25,
        },
        {
            "class_id": 0,
            "object_id": 0,
            "confidence": 0.5,
            "obj_label": "car",
            "rect_params": {"left": 0.5, "top": 0.25, "width": 8, "height": 6},
            "text_params": {"display_text": "car 0"},
            "classifier": [
                {
                    "num_labels": 2,
                    "unique_component_id": 3,
                    "label_info": [label(2, "small", 1, 0.125), label(2, "x" * 200, 0, 0.5)],
                },
                {"num_labels": 1, "unique_component_id": 2, "label_info": [label(1, "red", 0, 0.75)]},
            ],
            "unique_component_id": 1,
            "tracker_confidence": 0.25,
        },
    ],
}


def test_a_frame_with_all_that_is_known_of_it(seen):
    """The last buffer's only frame; its objects come in the order of NVIDIA's list, the newest first."""
    in_meta = seen(f"{SOURCE} ! fakemux objects=2")[-1]
    assert in_meta["buffer"]["format"] == "RGBA"
    (frame,) = in_meta["frame"]
    timestamp = frame.pop("timestamp")
    assert timestamp[17:23] == "40.066"  # of the muxer's ntp_timestamp
    assert frame == WHOLE


@pytest.mark.parametrize("batch_size", [1, 2, 4, 16])
def test_every_frame_of_a_batch_is_there_with_its_source(seen, batch_size):
    for number, in_meta in enumerate(seen(f"{SOURCE} ! fakemux batch-size={batch_size} objects=1")):
        frames = in_meta["frame"]
        assert [frame["source_id"] for frame in frames] == list(range(10, 10 + batch_size))
        assert [frame["batch_id"] for frame in frames] == list(range(batch_size))
        assert {frame["frame_num"] for frame in frames} == {number}
        assert [frame["object"][0]["object_id"] for frame in frames] == [1000 * source for source in range(batch_size)]


def test_a_buffer_without_a_batch_is_one_of_plain_gstreamer(seen):
    """The library is there and its metadata is not."""
    (frame,) = seen(SOURCE)[-1]["frame"]
    assert frame["frame_num"] == 2
    assert "batch_id" not in frame


def test_the_time_is_one_for_all_where_the_muxer_gives_none(play, library, tmp_path):
    """Two elements and an aimeta have the same time of a frame, with and without attributes."""
    for words in ("None", "[{'a': 1}]"):
        path = tmp_path / "seen"
        path.unlink(missing_ok=True)
        source = (
            f"def process_ip(b, m, o):\n    with open({str(path)!r}, 'a') as file:\n"
            f"        file.write(m['frame'][0]['timestamp'] + '\\n')\n    return {words}\n"
        )
        lib = library(source)
        element = f"empycustom in-place=true custom-lib={lib}"
        pipeline = Gst.parse_launch(
            f"videotestsrc num-buffers=1 ! fakemux ntp=false batch-size=2 ! {element} ! identity sleep-time=20000 ! {element} ! "
            "aimeta name=meta ! fakesink"
        )
        assert play(pipeline).ended
        frames = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
        assert len({*path.read_text().split(), *(frame["timestamp"] for frame in frames)}) == 1
        assert [frame["ntp_timestamp"] for frame in frames] == [0, 0]


@pytest.mark.parametrize("format_", ["RGBA", "NV12"])
def test_memory_on_the_gpu_passes_and_is_mapped_as_gstreamer_maps_it(play, library, format_):
    """No GPU here: the caps have NVMM, and the buffer holds 64 bytes that stand for the NvBufSurface."""
    lib = library(
        "from gi.repository import Gst\n"
        "def process_ip(b, m, o):\n"
        "    ok, info = b.map(Gst.MapFlags.READ)\n"
        "    first = bytes(info.data)\n"
        "    b.unmap(info)\n"
        "    return [{'bytes': list(first[:3]), 'size': len(first), 'memory': m['buffer']['memory'], 'format': m['buffer']['format']}]\n"
    )
    pipeline = Gst.parse_launch(
        f"appsrc name=in caps=video/x-raw(memory:NVMM),format={format_},width=640,height=480,framerate=30/1 format=time ! "
        f"fakemux objects=0 ! empycustom in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink"
    )
    source = pipeline.get_by_name("in")
    source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(range(64))))
    source.emit("end-of-stream")
    played = play(pipeline)
    assert played.ended, played.errors
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    assert frame["emcustom"] == {"bytes": [0, 1, 2], "size": 64, "memory": "NVMM", "format": format_}


def test_a_buffer_that_only_claims_to_be_on_the_gpu_is_refused_with_the_fix(play, library):
    lib = library("import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m):\n        pass\n")
    pipeline = Gst.parse_launch(
        "appsrc name=in caps=video/x-raw(memory:NVMM),format=RGBA,width=640,height=480,framerate=30/1 format=time ! "
        f"fakemux ! empycustom in-place=true custom-lib={lib} ! fakesink"
    )
    source = pipeline.get_by_name("in")
    source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(64)))
    source.emit("end-of-stream")
    assert "has no NvBufSurface of NVIDIA's: put nvvideoconvert before the element" in play(pipeline).error


def test_an_array_is_no_frame_on_the_gpu(play, library):
    lib = library("import numpy as np\ndef process(b, m, o):\n    return np.zeros((480, 640, 4), np.uint8), None\n")
    pipeline = Gst.parse_launch(
        "appsrc name=in caps=video/x-raw(memory:NVMM),format=RGBA,width=640,height=480,framerate=30/1 format=time ! "
        f"empycustom custom-lib={lib} ! fakesink"
    )
    source = pipeline.get_by_name("in")
    source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(64)))
    source.emit("end-of-stream")
    assert "an array cannot become a frame in NVMM memory; return a Gst.Buffer" in play(pipeline).error


SPOILER = """
import sys
sys.path.insert(0, {folder!r})
import nvds
def process_ip(b, m, o):
    pool = nvds.get(nvds.LONG, nvds.batch_of(b) + {pool})
    nvds.put(nvds.UINT, pool + {place}, {value})
"""


@pytest.mark.parametrize(
    ("pool", "place", "value", "told"),
    [(48, 8, 240, "240/552/64"), (56, 8, 560, "232/560/64"), (64, 8, 72, "232/552/72"), (48, 0, 30, "no batch of video frames")],
)
def test_another_version_of_deepstream_is_an_error_that_names_what_it_found(play, library, pool, place, value, told):
    """Sizes that no version has, in a real batch. The pools make no more of them here, so nothing else takes notice."""
    spoiler = library(SPOILER.format(folder=str(nvds.__file__).rpartition("/")[0], pool=pool, place=place, value=value))
    for element in (f"empycustom in-place=true custom-lib={library('def process_ip(b, m, o): pass', 'nop.py')}", "aimeta"):
        played = play(f"{SOURCE} ! fakemux ! empycustom in-place=true custom-lib={spoiler} ! {element} ! fakesink")
        assert told in played.error
        assert not played.ended


def test_a_buffer_may_lose_its_batch_on_the_way(play, library):
    """A converting videoconvert drops NVIDIA's metadata; from there on it is a stream of plain GStreamer."""
    lib = library("def process_ip(b, m, o):\n    return [{'objects': len(m['frame'][0]['object'])}] * 9\n")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! fakemux objects=2 ! videoconvert ! video/x-raw,format=I420 ! empycustom in-place=true custom-lib={lib} ! "
        "aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    assert frame["emcustom"] == {"objects": 0}
    assert "batch_id" not in frame


def test_a_program_reads_the_document_of_a_batch(play, library):
    says = library(
        "def process_ip(b, m, o):\n    return {'meta': 1, 'frame': [{'meta': frame['batch_id']} for frame in m['frame']]}\n"
    )
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! fakemux objects=2 batch-size=2 ! empycustom in-place=true custom-lib={says} ! aimeta name=aimeta ! appsink name=out"
    )
    texts = []
    pipeline.get_by_name("aimeta").connect("new-meta", lambda _, text: texts.append(text))
    samples = play(pipeline).samples
    assert [empycustom.document(sample) for sample in samples] == [json.loads(text) for text in texts]
    assert [frame["emcustom"] for frame in empycustom.document(samples[-1])["frame"]] == [0, 1]
