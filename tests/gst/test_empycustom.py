"""The element ``empycustom`` in place: what callbacks get, what becomes of what they return, properties and signals."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from recording import documents_of, record, seen, source

import empycustom
from empycustom.gstreamer import Gst


def test_in_meta_describes_frame_and_buffer(play, library, tmp_path):
    lib = library(record(tmp_path / "seen"))
    assert play(f"{source(format='I420', width=33, height=17)} ! empycustom in-place=true custom-lib={lib} ! fakesink").ended
    first, second, _ = seen(tmp_path / "seen")
    frame = first["in_meta"]["frame"][0]
    assert list(first["in_meta"]) == ["frame", "buffer"]
    assert len(first["in_meta"]["frame"]) == 1
    datetime.strptime(frame.pop("timestamp"), "%Y-%m-%dT%H:%M:%S.%f%z")
    assert frame == {
        "frame_num": 0,
        "buf_pts": 0,
        "stream_time": 0,
        "source_id": 0,
        "source_frame_width": 33,
        "source_frame_height": 17,
        "object": [],
    }
    assert first["in_meta"]["buffer"] == {
        "format": "I420",
        "width": 33,
        "height": 17,
        "memory": "CPU",
        "interlace_mode": "progressive",
        "framerate": "30/1",
        "planes": [
            {"offset": 0, "stride": 36, "width": 33, "height": 17},
            {"offset": 648, "stride": 20, "width": 17, "height": 9},
            {"offset": 828, "stride": 20, "width": 17, "height": 9},
        ],
    }
    assert second["in_meta"]["frame"][0]["frame_num"] == 1
    assert second["in_meta"]["frame"][0]["buf_pts"] == second["pts"] > 0


@pytest.mark.parametrize("format", ["RGBA", "RGBx", "BGRA", "BGRx", "RGB", "BGR", "GRAY8", "I420", "NV12"])
def test_every_format_of_the_caps_is_accepted(play, library, tmp_path, format):
    lib = library(record(tmp_path / "seen"))
    assert play(f"{source(n=1, format=format)} ! empycustom in-place=true custom-lib={lib} ! fakesink").ended
    assert seen(tmp_path / "seen")[0]["in_meta"]["buffer"]["format"] == format


def test_a_buffer_without_time_has_pts_minus_one(play, library, tmp_path):
    lib = library(record(tmp_path / "seen"))
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(64 * 48 * 4))
    caps = "video/x-raw,format=RGBA,width=64,height=48,framerate=0/1"
    assert play(
        f"filesrc location={raw} blocksize={64 * 48 * 4} ! {caps} ! empycustom in-place=true custom-lib={lib} ! fakesink"
    ).ended
    assert seen(tmp_path / "seen")[0]["in_meta"]["frame"][0]["buf_pts"] == -1


def test_in_meta_is_the_librarys_own(play, library):
    lib = library("""
def process_ip(io_buffer, in_meta, options):
    frame = in_meta["frame"][0]
    frame["object"].append("mine")
    frame["frame_num"] = 77
    frame["timestamp"] = "never"
    in_meta["buffer"]["planes"][0]["stride"] = 0
    return [{"n": in_meta.get("count", 0)}]
""")
    pipeline = Gst.parse_launch(f"{source()} ! empycustom in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink")
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert [document["frame"][0]["frame_num"] for document in documents] == [0, 1, 2]
    assert all(document["frame"][0]["object"] == [] for document in documents)
    assert all(document["frame"][0]["timestamp"] != "never" for document in documents)


def test_attributes_of_the_frame_reach_aimeta(play, library):
    lib = library("def process_ip(b, m, o):\n    return [{'n': m['frame'][0]['frame_num']}]\n")
    pipeline = Gst.parse_launch(f"{source()} ! empycustom in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink")
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert [document["frame"][0]["emcustom"] for document in documents] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_signals_and_last_meta(play, library):
    lib = library("def process_ip(b, m, o):\n    n = m['frame'][0]['frame_num']\n    return [{'n': n}] if n else None\n")
    pipeline = Gst.parse_launch(f"{source()} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    element, heard = pipeline.get_by_name("e"), []
    assert element.get_property("last-meta") is None
    element.connect("emcustom", lambda e: heard.append(("emcustom", e.get_property("last-meta"))))
    element.connect("new-meta", lambda e, text: heard.append(("new-meta", text)))
    assert play(pipeline).ended
    assert heard == [(signal, f'[{{"n":{n}}}]') for n in (1, 2) for signal in ("emcustom", "new-meta")]


def test_silent_emits_nothing(play, library):
    lib = library("def process_ip(b, m, o):\n    return [{'n': 1}]\n")
    pipeline = Gst.parse_launch(f"{source()} ! empycustom name=e in-place=true silent=true custom-lib={lib} ! fakesink")
    element, heard = pipeline.get_by_name("e"), []
    element.connect("emcustom", heard.append)
    element.connect("new-meta", lambda e, text: heard.append(text))
    assert play(pipeline).ended
    assert heard == []
    assert pipeline.get_by_name("e").get_property("last-meta") == '[{"n":1}]'


def test_events_reach_a_callback_with_four_arguments(play, library, tmp_path):
    lib = library(f"""
def process_ip(b, m, o, events):
    with open({str(tmp_path / "events")!r}, "a") as file:
        file.write(repr(events) + "\\n")
""")
    pipeline = Gst.parse_launch(f"{source(n=1)} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    pipeline.get_by_name("e").set_property("events", '[{"key": "door", "value": 1}]')
    assert play(pipeline).ended
    assert (tmp_path / "events").read_text() == "[{'key': 'door', 'value': 1}]\n"


def test_start_and_stop_are_called_once_each_with_options(play, library, tmp_path):
    lib = library(f"""
def note(text):
    with open({str(tmp_path / "calls")!r}, "a") as file:
        file.write(text + "\\n")
def start(options):
    options["model"] = "loaded"
    note("start")
def stop(options):
    note("stop " + options["model"])
def process_ip(b, m, options):
    note("frame " + options["model"])
""")
    pipeline = f"{source(n=2)} ! empycustom in-place=true custom-lib={lib} ! fakesink"
    assert play(pipeline).ended
    assert (tmp_path / "calls").read_text().split("\n")[:-1] == ["start", "frame loaded", "frame loaded", "stop loaded"]


def test_an_element_can_be_started_again_with_an_edited_library(play, library):
    lib = library("def process_ip(b, m, o):\n    return [{'v': 1}]\n")
    pipeline = Gst.parse_launch(f"{source(n=1)} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    element = pipeline.get_by_name("e")
    assert play(pipeline).ended
    assert element.get_property("last-meta") == '[{"v":1}]'
    lib.write_text("def process_ip(b, m, o):\n    return [{'version': 2}]\n")
    assert play(pipeline).ended
    assert element.get_property("last-meta") == '[{"version":2}]'


def test_two_elements_with_one_library_share_nothing(play, library):
    lib = library("count = 0\ndef process_ip(b, m, o):\n    global count\n    count += 1\n    return [{o['name']: count}]\n")
    pipeline = Gst.parse_launch(
        f"{source(n=3)} ! empycustom name=a in-place=true process-interval=2 custom-lib={lib} ! queue ! "
        f"empycustom name=b in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink"
    )
    for name in "ab":
        pipeline.get_by_name(name).set_property("options", json.dumps({"name": name}))
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert [document["frame"][0]["emcustom"] for document in documents] == [{"a": 1, "b": 1}, {"b": 2}, {"a": 2, "b": 3}]


def test_pixels_written_in_place_reach_downstream(play, library):
    lib = library("""
from gi.repository import Gst
def process_ip(io_buffer, in_meta, options):
    ok, info = io_buffer.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE)
    assert ok
    info.data[:4] = b"\\x01\\x02\\x03\\x04"
    io_buffer.unmap(info)
""")
    played = play(
        f"{source(n=2)} ! tee name=t ! queue ! empycustom in-place=true custom-lib={lib} ! appsink name=out t. ! fakesink"
    )
    assert [sample.get_buffer().extract_dup(0, 4) for sample in played.samples] == [b"\x01\x02\x03\x04"] * 2


def test_frame_numbers_start_anew_with_a_new_stream(play, library, tmp_path):
    lib = library(record(tmp_path / "seen"))
    one, other = source(n=2), source(n=3)
    assert play(f"concat name=c ! empycustom in-place=true custom-lib={lib} ! fakesink {one} ! c. {other} ! c.").ended
    assert [call["in_meta"]["frame"][0]["frame_num"] for call in seen(tmp_path / "seen")] == [0, 1, 0, 1, 2]


@pytest.mark.inline("its memory does not go to workers")
def test_nvmm_buffers_reach_the_callback_and_what_is_none_is_refused(play, library):
    """The caps pass; a buffer that only claims to be on the GPU is not mapped as if it were in system memory."""
    lib = library("""
import empycustom
def process_ip(io_buffer, in_meta, options):
    try:
        with empycustom.map_frame(io_buffer, in_meta):
            pass
    except empycustom.FrameError as error:
        return [{"memory": in_meta["buffer"]["memory"], "format": in_meta["buffer"]["format"], "refused": str(error)}]
""")
    pipeline = Gst.parse_launch(f"appsrc name=src ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    source = pipeline.get_by_name("src")
    source.set_property("caps", Gst.Caps.from_string("video/x-raw(memory:NVMM),format=NV12,width=640,height=480,framerate=30/1"))
    source.connect(
        "need-data",
        lambda source, _: (source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(64))), source.emit("end-of-stream")),
    )
    played = play(pipeline)
    assert played.ended, played.errors
    (said,) = json.loads(pipeline.get_by_name("e").get_property("last-meta"))
    assert (said["memory"], said["format"]) == ("NVMM", "NV12")
    assert "NVMM memory" in said["refused"]


@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false"])
def test_the_size_may_change_in_the_stream(play, library, properties):
    lib = library("""
import empycustom
def process_ip(b, m, o):
    with empycustom.map_frame(b, m) as frame:
        return [{"shape": frame.pixels.shape, "declared": [m["buffer"]["width"], m["buffer"]["height"]]}]
def process(b, m, o):
    return b.copy_deep(), process_ip(b, m, o)
""")
    small, large = source(n=2, width=33, height=17), source(n=2, width=64, height=48)
    pipeline = Gst.parse_launch(
        f"concat name=c ! empycustom {properties} custom-lib={lib} ! aimeta name=meta ! appsink name=out {small} ! c. {large} ! c."
    )
    documents = documents_of(pipeline)
    played = play(pipeline)
    assert played.ended, played.errors
    said = [document["frame"][0]["emcustom"] for document in documents]
    assert said == [{"shape": [17, 33, 4], "declared": [33, 17]}] * 2 + [{"shape": [48, 64, 4], "declared": [64, 48]}] * 2
    assert [sample.get_buffer().get_size() for sample in played.samples] == [33 * 17 * 4] * 2 + [64 * 48 * 4] * 2


def test_streams_side_by_side_do_not_mix(play, library):
    """Four streams in one process, each with a detector and a library that returns what it gets."""
    detector = library(
        "def process_ip(b, m, o):\n    box = {'left': o['n'], 'top': 0, 'width': 5, 'height': 5}\n"
        "    return {'frame': [{'new_object': [{'obj_label': str(o['n']), 'rect_params': box}]}]}\n",
        "detector.py",
    )
    teller = library(
        "def process_ip(b, m, o):\n    return [{'seen': f['obj_label']} for f in m['frame'][0]['object']]\n", "teller.py"
    )
    branches = [
        f"{source(n=200)} ! empycustom name=e{n} in-place=true custom-lib={detector} ! queue ! "
        f"empycustom in-place=true custom-lib={teller} ! aimeta name=meta{n} ! fakesink"
        for n in range(4)
    ]
    pipeline = Gst.parse_launch(" ".join(branches))
    documents = {}
    for n in range(4):
        pipeline.get_by_name(f"e{n}").set_property("options", json.dumps({"n": n}))
        documents[n] = documents_of(pipeline, f"meta{n}")
    assert play(pipeline).ended
    for n, heard in documents.items():
        frames = [document["frame"][0] for document in heard]
        assert [frame["frame_num"] for frame in frames] == list(range(200))
        assert all(found["obj_label"] == found["emcustom"]["seen"] == str(n) for frame in frames for found in frame["object"])
        assert all(len(frame["object"]) == 1 for frame in frames)


@pytest.mark.inline("frames that are flushed have numbers, too")
def test_a_flushing_seek_goes_on(play, library):
    """The callback goes on after a seek; frame numbers go on, too."""
    lib = library("def process_ip(b, m, o):\n    return [{'pts': m['frame'][0]['buf_pts']}]\n")
    pipeline = Gst.parse_launch(
        f"{source(n=100)},framerate=100/1 ! empycustom in-place=true custom-lib={lib} ! aimeta name=meta ! fakesink name=sink sync=true"
    )
    documents = documents_of(pipeline)
    pipeline.set_state(Gst.State.PAUSED)
    assert pipeline.get_state(60 * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS
    flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
    assert pipeline.seek_simple(Gst.Format.TIME, flags, int(2.5 * Gst.SECOND))
    assert play(pipeline).ended
    frames = [document["frame"][0] for document in documents]
    assert [frame["frame_num"] for frame in frames] == list(range(len(frames)))
    assert frames[0]["buf_pts"] == 0
    times = [frame["emcustom"]["pts"] for frame in frames]
    assert int(2.5 * Gst.SECOND) in times
    assert not any(Gst.SECOND < time < 2.5 * Gst.SECOND for time in times), "what was sought over is not there"


def test_an_array_can_be_an_attribute_of_the_frame(play, library):
    lib = library("import numpy as np\ndef process_ip(b, m, o):\n    return [np.array([0.5, 2])]\n")
    pipeline = Gst.parse_launch(f"{source(n=1)} ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    played = play(pipeline)
    assert played.ended, played.errors
    assert pipeline.get_by_name("e").get_property("last-meta") == "[[0.5,2.0]]"


BY_NAME = """
import numpy as np

def process_ip(buffer, in_meta, options, *, image, frame, events):
    assert frame is in_meta["frame"][0]
    return {"frame": {"shape": image.rgb.shape, "same": frame["frame_num"], "events": events, "w": bool(image.pixels.flags.writeable)}}

def process(buffer, in_meta, options, image):
    return 255 - image.pixels, {"frame": {"number": in_meta["frame"][0]["frame_num"]}}
"""


@pytest.mark.parametrize("in_place", ["true", "false"])
def test_callbacks_get_by_name_what_they_ask_for(play, library, in_place):
    line = f"{source(n=2, format='RGB')} ! empycustom name=lib in-place={in_place} custom-lib={library(BY_NAME)} events=[1] ! "
    played = play(f"{line}appsink name=out")
    assert (played.ended, played.errors) == (True, [])
    attributes = [empycustom.document(sample)["frame"][0]["emcustom"] for sample in played.samples]
    if in_place == "true":
        assert attributes == [{"shape": [48, 64, 3], "same": number, "events": [1], "w": False} for number in range(2)]
    else:
        assert attributes == [{"number": 0}, {"number": 1}]


def test_what_an_image_by_name_is_used_for_when_the_callback_is_over(play, library):
    text = "kept = []\ndef process_ip(b, m, o, *, image):\n    kept.append(image.pixels)\n    return {'frame': {'m': int(kept[0].max())}}\n"
    played = play(f"{source(n=2, format='RGB')} ! empycustom in-place=true custom-lib={library(text)} ! fakesink")
    assert "process_ip raised FrameClosedError" in played.errors[0][0]


@pytest.mark.inline("these do not go to workers")
@pytest.mark.parametrize("how", ["function", "object"])
def test_a_program_gives_a_function_or_an_object_to_an_element(play, how):
    class Doubles:
        def __init__(self):
            self.calls = []

        def start(self, options):
            self.calls.append(options)

        def process_ip(self, _buffer, in_meta, _options):
            return {"frame": {"twice": in_meta["frame"][0]["frame_num"] * 2}}

        def stop(self, _options):
            self.calls.append("stopped")

    empycustom.register()
    doubles = Doubles()
    pipeline = Gst.parse_launch(f"{source(n=3)} ! empycustom name=lib in-place=true options={{}} ! appsink name=out")
    pipeline.get_by_name("lib").library = doubles if how == "object" else doubles.process_ip
    played = play(pipeline)
    assert [empycustom.document(sample)["frame"][0]["emcustom"] for sample in played.samples] == [
        {"twice": 0}, {"twice": 2}, {"twice": 4}
    ]  # fmt: skip
    assert doubles.calls == ([{}, "stopped"] if how == "object" else [])
