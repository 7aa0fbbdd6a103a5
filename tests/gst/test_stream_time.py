"""``stream_time``: where a frame is in its video, whatever the container counts from."""

from __future__ import annotations

import json

import pytest

from empycustom.elements.upstream import stream_time_in
from empycustom.gstreamer import Gst
from empycustom.model.values import NO_PTS

HOUR = "timestamp-offset=3600000000000"
B_FRAMES = "x264enc bframes=2"
SAYS = "def process_ip(b, m, o):\n    return [{'heard': m['frame'][0]['stream_time']}]\n"

CONTAINERS = {
    "mp4": ("", f"{B_FRAMES} ! mp4mux"),  # an edit list
    "an hour into an mp4": (HOUR, f"{B_FRAMES} ! mp4mux"),
    "mpegts": ("", f"{B_FRAMES} ! mpegtsmux"),
    "an hour into a mpegts": (HOUR, f"{B_FRAMES} ! mpegtsmux"),
    "flv": ("", "x264enc bframes=0 ! flvmux"),
    "an hour into an flv": (HOUR, "x264enc bframes=0 ! flvmux"),
    "mkv": ("", f"{B_FRAMES} ! matroskamux"),
    "an hour into an mkv": (HOUR, f"{B_FRAMES} ! matroskamux offset-to-zero=false"),
    "webm": ("", "vp8enc ! webmmux"),
    "avi": ("", "x264enc bframes=0 ! avimux"),
    "h264 alone": ("", f"{B_FRAMES} ! video/x-h264,stream-format=byte-stream"),
}


def made(play, path, source, encoder, frames=12):
    caps = "video/x-raw,format=I420,width=64,height=48,framerate=25/1"
    assert play(f"videotestsrc num-buffers={frames} {source} ! {caps} ! {encoder} ! filesink location={path}").ended
    return path


def pipeline_of(library, path, meta):
    return Gst.parse_launch(
        f"uridecodebin name=in uri={path.as_uri()} ! videoconvert ! empycustom in-place=true custom-lib={library(SAYS)} ! "
        f"aimeta location={meta} ! fakesink"
    )


def times_in(meta):
    frames = [json.loads(line)["frame"][0] for line in meta.read_text().splitlines()]
    assert all(frame["emcustom"]["heard"] == frame["stream_time"] for frame in frames), "both elements say the same"
    return [frame["stream_time"] for frame in frames]


def rounded(times):
    return [round(time / Gst.MSECOND) for time in times]  # what containers keep


@pytest.mark.parametrize("container", CONTAINERS)
def test_it_is_0_at_the_beginning_of_every_container(play, library, tmp_path, container):
    path = made(play, tmp_path / "video", *CONTAINERS[container])
    assert play(pipeline_of(library, path, tmp_path / "meta.jsonl")).ended
    assert rounded(times_in(tmp_path / "meta.jsonl")) == [40 * n for n in range(12)]


def test_it_is_0_at_the_beginning_of_a_video_with_sound(play, library, tmp_path):
    path, meta = tmp_path / "video", tmp_path / "meta.jsonl"
    video = "videotestsrc num-buffers=12 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! x264enc bframes=2 ! mux."
    sound = "audiotestsrc num-buffers=20 ! avenc_aac ! mux."
    assert play(f"mpegtsmux name=mux ! filesink location={path} {video} {sound}").ended
    assert play(
        f"filesrc location={path} ! decodebin name=in in. ! videoconvert ! empycustom in-place=true custom-lib={library(SAYS)} ! "
        f"aimeta location={meta} ! fakesink in. ! audioconvert ! fakesink"
    ).ended
    assert rounded(times_in(meta)) == [40 * n for n in range(12)]


@pytest.mark.parametrize("container", ["mp4", "mpegts", "mkv"])
def test_a_frame_has_the_same_time_after_a_seek(play, library, tmp_path, container):
    path = made(play, tmp_path / "video", "", CONTAINERS[container][1].replace("x264enc", "x264enc key-int-max=4"), 200)
    pipeline = pipeline_of(library, path, tmp_path / "meta.jsonl")
    pipeline.set_state(Gst.State.PAUSED)
    assert pipeline.get_state(60 * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS
    before = len(times_in(tmp_path / "meta.jsonl"))
    flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT
    assert pipeline.seek_simple(Gst.Format.TIME, flags, 4 * Gst.SECOND)
    assert play(pipeline).ended
    times = rounded(times_in(tmp_path / "meta.jsonl")[before:])
    assert 20 < len(times) < 180
    assert times == sorted(set(times))
    assert set(times) <= {40 * n for n in range(200)}
    assert times[-20:] == [40 * n for n in range(180, 200)]  # of the first ones some decoders leave out what they cannot decode


def test_it_is_minus_one_where_a_buffer_has_no_time(play, library, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(3 * 64 * 48 * 4))
    caps = f"blocksize={64 * 48 * 4} ! video/x-raw,format=RGBA,width=64,height=48,framerate=25/1"
    assert play(
        f"filesrc location={tmp_path}/raw {caps} ! empycustom in-place=true custom-lib={library(SAYS)} ! "
        f"aimeta location={tmp_path}/meta.jsonl ! fakesink"
    ).ended
    assert times_in(tmp_path / "meta.jsonl") == [-1, -1, -1]


def segment_of(**about):
    segment = Gst.Segment()
    segment.init(about.pop("format", Gst.Format.TIME))
    for name, value in about.items():
        setattr(segment, name, value)
    return segment


NONE = Gst.CLOCK_TIME_NONE
SEGMENTS = {
    "the whole": segment_of(),
    "of a seek": segment_of(start=100, stop=200, time=100),
    "an edit list": segment_of(start=80, stop=880, time=0),
    "moved": segment_of(start=100, stop=NONE, time=7),
    "fast forward, done by the source": segment_of(start=100, stop=200, time=50, applied_rate=2.0),
    "backwards": segment_of(start=100, stop=200, time=100, rate=-1.0),
    "backwards, done by the source": segment_of(start=100, stop=200, time=100, applied_rate=-1.0),
    "no time": segment_of(time=NONE),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_it_is_the_one_of_gstreamer(name):
    segment = SEGMENTS[name]
    stream_time = stream_time_in(segment, 0)
    for pts in (0, 50, 79, 80, 99, 100, 101, 150, 199, 200, 201, 880, 881, NONE - 1, NONE):
        expected = segment.to_stream_time(Gst.Format.TIME, pts)
        assert stream_time(pts) == (NO_PTS if expected == NONE else expected), pts


def test_a_segment_of_bytes_has_no_times():
    assert stream_time_in(segment_of(format=Gst.Format.BYTES), 0)(5) == NO_PTS
