"""`empycustom.attach` on batches of NVIDIA's own metadata, and the files in examples/probes, which take the place of its samples' probes."""

from __future__ import annotations

import ctypes
import json
import re
from pathlib import Path

import cv2
import numpy as np
import nvds
import nvinfer
import pytest
from test_object_shapes import set_mask

import empycustom
from empycustom.gstreamer import Gst

PROBES = Path(__file__).parents[2] / "examples" / "probes"
SOURCE = "videotestsrc num-buffers={} pattern=white ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
PAGE = (PROBES.parents[1] / "docs" / "moving-pyds.md").read_text(encoding="utf-8")


@pytest.fixture
def attached(play):
    """Attach libraries to the sink pad of ``osd``, behind a muxer, play, and return the frames of each batch as pyds's users see it.

    ``upstream`` gets each batch before, ``look`` each buffer behind.
    """

    def run(*libraries, mux="fakemux batch-size=2 objects=3", buffers=2, upstream=None, look=None, options=None, **more):
        pipeline = Gst.parse_launch(
            f"{SOURCE.format(buffers)} ! {mux} ! identity name=infer ! identity name=osd ! appsink name=out"
        )
        pads = {name: pipeline.get_by_name(name).get_static_pad("src") for name in ("infer", "osd")}
        seen, wrong = [], []

        def probe(work):
            def look_at(pad, info):
                try:
                    work(pad, info.get_buffer())
                except Exception as error:  # noqa: BLE001 - PyGObject would only print it
                    wrong.append(error)
                return Gst.PadProbeReturn.OK

            return look_at

        if upstream:
            pads["infer"].add_probe(Gst.PadProbeType.BUFFER, probe(lambda _pad, buffer: upstream(nvds.batch_of(buffer))))
        osd = pipeline.get_by_name("osd").get_static_pad("sink")
        handles = [empycustom.attach(osd, library, options=options, **more) for library in libraries]
        pads["osd"].add_probe(
            Gst.PadProbeType.BUFFER, probe(lambda pad, buffer: seen.append(empycustom.document(buffer, pad)["frame"]))
        )
        if look:
            pads["osd"].add_probe(Gst.PadProbeType.BUFFER, probe(lambda _pad, buffer: look(nvds.batch_of(buffer))))
        done = play(pipeline)
        for handle in handles:
            handle.close()
        assert not wrong, wrong
        assert done.ended, done.errors
        done.frames = seen
        return done

    return run


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """A stand-in for nvinfer."""
    if nvinfer.WHY_NOT:
        pytest.skip(nvinfer.WHY_NOT)
    return nvinfer.Infer(nvinfer.build(tmp_path_factory.mktemp("nvinfer")), 1)


def said(frames):
    return [frame.get("emcustom") for frame in frames]


# What attach does there.


def test_results_are_where_pyds_reads_them(attached, library):
    """In otherAttrs of an event of each frame, which the probes behind it see in C."""
    events = []
    lib = library("def process_ip(b, m, o):\n    return {'frame': [{'meta': {'n': f['source_id']}} for f in m['frame']]}\n")
    attached(lib, look=lambda batch: events.append([nvds.events_of(frame) for frame in nvds.frames_of(batch)]))
    assert [[json.loads(text)["emcustom"] for ((marker, text),) in frames] for frames in events] == [[{"n": 10}, {"n": 11}]] * 2
    assert {marker for frames in events for ((marker, _),) in frames} == {"empycustom"}


def test_behind_a_tee_the_copy_has_the_results_and_the_other_branch_does_not(play, library):
    lib = library("def process_ip(b, m, o):\n    return {'frame': [{'object': [f['source_id']] * 3} for f in m['frame']]}\n")
    pipeline = Gst.parse_launch(
        f"{SOURCE.format(4)} ! fakemux batch-size=2 objects=3 ! tee name=t ! queue ! identity name=a ! fakesink "
        "t. ! queue ! identity name=b ! fakesink"
    )
    seen = {"a": [], "b": []}
    for name, events in seen.items():

        def look(_pad, info, events=events):
            events.append([len(nvds.events_of(frame)) for frame in nvds.frames_of(nvds.batch_of(info.get_buffer()))])
            return Gst.PadProbeReturn.OK

        pipeline.get_by_name(name).get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, look)
    with empycustom.attach(pipeline.get_by_name("a").get_static_pad("sink"), lib):
        assert play(pipeline).ended
    assert seen == {"a": [[1, 1]] * 4, "b": [[0, 0]] * 4}


def test_what_pyds_takes_is_the_hash_of_the_buffer(attached):
    """A library may change what is not in in_meta with NVIDIA's own functions, and return results besides."""

    def mixed(buffer, in_meta, _options):
        batch = nvds.batch_of(buffer)  # as pyds.gst_buffer_get_nvds_batch_meta(hash(buffer))
        for frame in nvds.frames_of(batch):
            nvds.add_object(batch, frame, {"label": b"mine"})
        return {"frame": [{"meta": {"before": len(frame["object"])}} for frame in in_meta["frame"]]}

    for frames in attached(mixed).frames:
        assert said(frames) == [{"before": 3}] * 2
        assert [frame["object"][0]["obj_label"] for frame in frames] == ["mine"] * 2


def test_events_for_a_broker(attached, library):
    """`msg-blob` is a property of the element that works at the pad."""
    lib = library("def process_ip(b, m, o):\n    return {'frame': {'x': 1}}\n")
    pipeline = Gst.parse_launch(f"{SOURCE.format(1)} ! fakemux ! fakesink name=end")
    with empycustom.attach(pipeline.get_by_name("end").get_static_pad("sink"), lib) as handle:
        handle.element.set_property("msg-blob", True)
        kinds = []

        def look(_pad, info):
            (frame,) = nvds.frames_of(nvds.batch_of(info.get_buffer()))
            kinds.extend(nvds.get(nvds.INT, user + 8) for user in nvds.items(nvds.get(nvds.LONG, frame + 120)))
            return Gst.PadProbeReturn.OK

        pipeline.get_by_name("end").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, look)
        pipeline.set_state(Gst.State.PLAYING)
        message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        pipeline.set_state(Gst.State.NULL)
    assert message.type == Gst.MessageType.EOS
    assert sorted(kinds) == [nvds.EVENT_MSG_META, 29]  # NVDS_CUSTOM_MSG_BLOB in 8.0 and later


# The files in examples/probes.


def test_counts(attached):
    counts = {"objects": 3, "labels": {"bike": 1, "person": 1, "car": 1}}
    assert [said(frames) for frames in attached(PROBES / "counts.py").frames] == [[counts] * 2] * 2


def test_events_and_texts(attached):
    texts = []

    def look(batch):
        for frame in nvds.frames_of(batch):
            places = [nvds.get(nvds.LONG, found + nvds.TEXT) for found in nvds.objects_of(frame)]
            texts.extend(map(ctypes.string_at, places))

    first, second, third = attached(PROBES / "events.py", buffers=3, options={"every": 2}, look=look).frames
    assert said(second) == [None] * 2
    for frames in (first, third):
        assert [each["event"] for each in said(frames)] == ["moving"] * 2
        assert said(frames)[0]["object"] == {
            "obj_label": "bike", "object_id": 2, "confidence": pytest.approx(0.52),
            "rect_params": {"left": 20.5, "top": 10.25, "width": 8, "height": 6},
        }  # fmt: skip
    assert texts == [b"bike", b"person", b"car"] * 6


def test_messages_and_who_reads_them(attached, capfd):
    (frames,) = attached(PROBES / "message.py", PROBES / "read_message.py", buffers=1).frames
    assert said(frames) == [{"structId": 0, "message": "test message 0", "sampleInt": 1}] * 2
    assert capfd.readouterr().out == "0, test message 0, 1\n" * 2


def test_pictures_are_saved(attached, tmp_path):
    options = {"folder": str(tmp_path), "every": 2, "above": 0.505, "below": 0.515}
    done = attached(PROBES / "save_frames.py", mux="fakemux objects=3", buffers=3, options=options)
    assert [said(frames) for frames in done.frames] == [
        [{"saved": "stream_0_frame_0.jpg"}], [None], [{"saved": "stream_0_frame_2.jpg"}]
    ]  # fmt: skip
    picture = cv2.imread(str(tmp_path / "stream_0_frame_2.jpg"))
    assert picture.shape == (48, 64, 3)
    blue, _, red = picture[8, 10].astype(int)  # the left edge of the second object
    assert red - blue > 100
    assert picture[40, 60].min() > 240


def test_red_is_halved(attached):
    done = attached(PROBES / "fade.py", mux="fakemux", buffers=1)
    assert done.samples[0].get_buffer().extract_dup(0, 8) == bytes([127, 255, 255, 255] * 2)


def test_the_clock(attached):
    assert said(attached(PROBES / "clock.py").frames[0]) == [{"taken": "2020-09-13 12:26:40+00:00"}] * 2
    assert said(attached(PROBES / "clock.py", mux="fakemux ntp=false").frames[0]) == [None]


def test_masks_are_saved(attached, tmp_path):
    bits = np.array([[1, 0], [0, 0]], np.float32)

    def upstream(batch):
        for frame in nvds.frames_of(batch):
            set_mask(nvds.objects_of(frame)[0], bits)

    attached(PROBES / "masks.py", buffers=1, upstream=upstream, options={"folder": str(tmp_path)})
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["stream_0_frame_0.png", "stream_1_frame_0.png"]
    mask = cv2.imread(str(tmp_path / "stream_1_frame_0.png"), cv2.IMREAD_GRAYSCALE)
    assert mask.shape == (6, 8)
    assert (mask[:2, :3] == 255).all()
    assert (mask[:, 5:] == 0).all()


def test_maps_of_classes(attached, network, tmp_path):
    class_map = np.array([[0, 0, 1, -1]], np.int32)

    def upstream(batch):
        network.segmentation(batch, nvds.frames_of(batch)[0], class_map, classes=2)

    done = attached(PROBES / "class_maps.py", buffers=1, upstream=upstream, options={"folder": str(tmp_path)})
    assert said(done.frames[0]) == [{"covers": {"-1": 0.25, "0": 0.5, "1": 0.25}}, None]
    picture = cv2.imread(str(tmp_path / "stream_0_frame_0.png"))
    assert picture.shape == (1, 4, 3)
    assert (picture[0, 0] == picture[0, 1]).all()
    assert len({tuple(colour) for colour in picture[0].tolist()}) == 3


def test_objects_of_ssd(attached, network):
    tensors = {
        "num_detections": np.array([3], np.float32),
        "detection_scores": np.array([0.9, 0.6, 0.1, 0.9], np.float32),
        "detection_classes": np.array([1, 7, 1, 1], np.float32),
        "detection_boxes": np.array([[0.25, 0, 0.75, 0.5], [0, 0.5, 1, 2], [0, 0, 1, 1], [0, 0, 1, 1]], np.float32),
    }

    def upstream(batch):
        network.tensors(batch, nvds.frames_of(batch)[0], tensors)

    done = attached(
        PROBES / "ssd.py", mux="fakemux objects=0 batch-size=2", buffers=1, upstream=upstream, options={"labels": ["", "dog"]}
    )
    first, second = done.frames[0]
    keys = ("obj_label", "class_id", "confidence", "rect_params")
    assert [[found[key] for key in keys] for found in reversed(first["object"])] == [
        ["dog", 1, pytest.approx(0.9), {"left": 0, "top": 12, "width": 32, "height": 24}],
        ["", 7, pytest.approx(0.6), {"left": 32, "top": 0, "width": 32, "height": 48}],
    ]
    assert second["object"] == []


def test_faces_are_covered_by_a_library_of_the_package(attached):
    """In the place of a background of nvdsosd's: boxes of a label are filled in the frame."""
    options = {"objects": ["car"], "mode": "fill", "grow": 0}
    done = attached("empycustom.libs.privacy", mux="fakemux objects=3", buffers=1, options=options)
    pixels = np.frombuffer(done.samples[0].get_buffer().extract_dup(0, 64 * 48 * 4), np.uint8).reshape(48, 64, 4)
    assert not pixels[1:6, 1:8, :3].any()
    assert pixels[20:, 40:, :3].min() == 255


def test_areas_by_a_library_of_the_package(attached):
    """In the place of nvdsanalytics: who is where."""
    options = {"zones": [{"name": "left", "polygon": [[0, 0], [0.3, 0], [0.3, 1], [0, 1]]}]}
    done = attached("empycustom.libs.zones", mux="fakemux objects=3 batch-size=2", buffers=1, options=options)
    assert [[(zone["name"], zone["inside"]) for zone in about["zones"]] for about in said(done.frames[0])] == [[("left", 2)]] * 2


# The page.

PADS = {  # where the probes of each sample are, deepstream-…
    "custom-binding-test": ["streammux_src", "fakesink_sink"],
    "demux-multi-in-multi-out": ["pgie_src"],
    "imagedata-multistream-cupy": ["tiler_sink"],
    "imagedata-multistream-redaction": ["tiler_sink"],
    "imagedata-multistream": ["tiler_sink"],
    "nvdsanalytics": ["nvanalytics_src"],
    "opticalflow": ["ofvisual_queue_src"],
    "preprocess-test": ["pgie_src"],
    "rtsp-in-rtsp-out": ["pgie_src"],
    "segmask": ["tiler_sink"],
    "segmentation": ["seg_src"],
    "ssd-parser": ["osd_sink", "pgie_src"],
    "test1-rtsp-out": ["osd_sink"],
    "test1-usbcam": ["osd_sink"],
    "test1": ["osd_sink"],
    "test2": ["osd_sink"],
    "test3": ["pgie_src"],
    "test4": ["osd_sink"],
}


def test_the_page_names_each_probe_of_the_samples_and_each_file():
    """The twenty of NVIDIA's repository at the end of 2024."""
    rows = re.findall(r"^\| `deepstream-([\w-]+)`(?:, `[\w-]+`)* \| `(\w+)_pad_buffer_probe` \| (.*) \|$", PAGE, re.MULTILINE)
    assert sorted((sample, pad) for sample, pad, _ in rows) == sorted((sample, pad) for sample in PADS for pad in PADS[sample])
    files = {path.name for path in PROBES.glob("*.py")}
    assert set(re.findall(r"\(\.\./examples/probes/(\w+\.py)\)", PAGE)) == files
    tests = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in files if f'PROBES / "{name}"' in tests} == files
