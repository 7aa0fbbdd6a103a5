"""``--start`` and ``--duration``: exactly the frames of a part of a video."""

from __future__ import annotations

import json

import pytest
from command_helpers import LIB, SAYS, documents_in, play

from empycustom.gstreamer import Gst
from ports import free_port

SUMS = """\
import zlib
from empycustom import map_frame

def process_ip(io_buffer, in_meta, options):
    with map_frame(io_buffer, in_meta) as frame:
        return {"frame": {"sum": zlib.crc32(frame.pixels.tobytes())}}
"""
X264 = "x264enc key-int-max=30"
VIDEOS = {  # 100 frames, 25 a second
    "b.mp4": f"{X264} bframes=2 ! mp4mux",
    "fragments.mp4": f"{X264} bframes=0 ! mp4mux fragment-duration=1000",
    "b.mkv": f"{X264} bframes=2 ! matroskamux",
    "b.ts": f"{X264} bframes=2 ! mpegtsmux",
    "b.flv": f"{X264} bframes=0 ! flvmux",
    "b.264": f"{X264} bframes=2 ! video/x-h264,stream-format=byte-stream",
    "b.webm": "vp8enc deadline=1 keyframe-max-dist=30 ! webmmux",
    "b.ogv": "theoraenc ! oggmux",
    "b.avi": "jpegenc ! avimux",
    "b.mjpg": "jpegenc",
}
SECOND = Gst.SECOND


@pytest.fixture
def made(tmp_path):
    """Make one of VIDEOS; return its path."""

    def make(name):
        path = tmp_path / name
        source = "videotestsrc num-buffers=100 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1"
        play(f'{source} ! {VIDEOS[name]} ! filesink location="{path}"')
        return path

    return make


@pytest.fixture
def told(cli, library, tmp_path):
    """Run a source; return the time and the sum of the pixels of each frame."""
    lib = library(SUMS, "sums.py")

    def run(*words):
        ended = cli("run", *words, "--lib", lib, "--out", "meta.jsonl", "--quiet")
        assert ended.code == 0, ended.err
        frames = documents_in(tmp_path / "meta.jsonl")
        assert [frame["frame_num"] for frame in frames] == list(range(len(frames)))
        return [(frame["stream_time"], frame["emcustom"]["sum"]) for frame in frames]

    return run


@pytest.mark.parametrize("name", VIDEOS)
def test_exactly_the_frames_of_a_part_are_played(told, made, name):
    path = made(name)
    frames = told(path)
    assert len(frames) == 100
    parts = ((["--start", "1.81"], 1.81, 9), (["--start", "0:02", "--duration", "1"], 2, 1), (["--start", "3.9"], 3.9, 9))
    for words, start, duration in parts:
        wanted = [frame for frame in frames if start * SECOND <= frame[0] < (start + duration) * SECOND]
        assert told(path, *words) == wanted, words
    assert told(path, "--duration", "0.5") == [frame for frame in frames if frame[0] < SECOND / 2]


@pytest.mark.parametrize("name", ["b.mp4", "b.ts", "b.mjpg"])
def test_a_start_behind_the_end_is_an_error(cli, library, made, name):
    ended = cli("run", made(name), "--start", "1:20", "--lib", library(SAYS))

    assert ended.code == 1
    assert ended.documents == []
    assert f"empycustom: error: {name}: --start 1:20 is behind the end of the video" in ended.err.replace(str(made(name)), name)
    assert ended.err.count("there is no frame to play.") == 1


def test_a_start_behind_the_beginning_of_the_last_frame_is_reported_as_such(cli, library, made):
    ended = cli("run", made("b.mp4"), "--start", "3.99", "--lib", library(SAYS))

    assert ended.code == 1
    assert "--start 3.99: the last frame of the video, which is 0:04.0 long, begins before; there is no" in ended.err


def test_what_is_saved_begins_at_0(cli, library, told, made, frames_in, tmp_path):
    names = ["a.mp4", "a.mkv", "a.webm", "a.avi"]
    saves = [word for name in names for word in ("--save", name)]
    ended = cli("run", made("b.mp4"), "--lib", library(SAYS), "--start", "2", "--duration", "1", *saves)

    assert ended.code == 0, ended.err
    for name in names:
        times = [round(time / Gst.MSECOND) for time, _ in told(tmp_path / name)]
        assert times == [40 * number for number in range(25)], name


def test_a_part_may_hold_fewer_frames_than_are_wanted_of_it(told, made):
    path = made("b.mkv")
    assert [time for time, _ in told(path, "--start", "3.88", "--duration", "1:00")] == [
        3_880_000_000,
        3_920_000_000,
        3_960_000_000,
    ]
    assert len(told(path, "--start", "1", "--duration", "2", "--frames", 3)) == 3


def test_of_what_cannot_be_sent_to_a_time_a_duration_can_be_had(cli, library, made, told, camera, tmp_path):
    port = free_port()
    camera(port)
    lib, ball = library(SAYS), f"rtsp://127.0.0.1:{port}/ball"
    whys = {
        "test": "test is made while it plays; give a file. --duration alone works.",
        "-": "stdin is a pipe, which is read from its beginning; give a file. --duration alone works.",
        ball: f"{ball} is live, and begins when you begin; --duration alone works.",
    }
    for source, why in whys.items():
        ended = cli("run", source, "--lib", lib, "--start", "1:20")
        assert (ended.code, ended.err) == (1, f"empycustom: error: --start 1:20: {why}\n")
    assert [time for time, _ in told("test", "--duration", "0.1")] == [0, 33_333_333, 66_666_666]
    times = [time for time, _ in told(ball, "--every-frame", "--duration", "1")]
    assert times[-1] - times[0] < SECOND
    assert 14 <= len(times) <= 18, "the times of RTSP follow the clock of the machine"

    several = cli("run", made("b.mkv"), made("b.mp4"), "--lib", lib, "--duration", "1")
    assert several.err == "empycustom: error: --start and --duration are for one SOURCE, and there are 2; play it alone.\n"


def test_every_stream_plays_its_part(cli, configured, made, tmp_path):
    streams = [{"stream_id": name, "location": str(made(name))} for name in ("b.mp4", "b.ts")]
    name = configured({"empycustom": LIB}, streams=streams)
    ended = cli("run", name, "--start", "1", "--duration", "0.2", "--out", "meta.jsonl")
    documents = [json.loads(line) for line in (tmp_path / "meta.jsonl").read_text().splitlines()]

    assert ended.code == 0, ended.err
    for stream in streams:
        frames = [document["frame"][0] for document in documents if document["stream_id"] == stream["stream_id"]]
        assert [round(frame["stream_time"] / Gst.MSECOND) for frame in frames] == [1000, 1040, 1080, 1120, 1160]
    behind = cli("run", name, "--start", "5")
    assert behind.code == 1
    assert behind.err.count("--start 5 is behind the end of the video") == 2
    live = cli("run", configured({"empycustom": LIB}), "--source", "rtsp://127.0.0.1/x", "--start", "5")
    assert live.code == 1
    assert "--start 5: rtsp://127.0.0.1/x is live, and begins when you begin; --duration alone works" in live.err


def test_an_rtsp_source_is_not_tried_again_after_its_duration(cli, configured, camera):
    port = free_port()
    camera(port)
    ball = f"rtsp://127.0.0.1:{port}/ball"
    ended = cli("run", configured({"empycustom": LIB}), "--source", ball, "--every-frame", "--duration", "0.5", "--quiet")

    assert ended.code == 0, ended.err
    assert 5 <= len(ended.documents) <= 8  # of 15 a second
    assert "trying again" not in ended.err


def test_a_printed_line_is_the_whole_video(cli, library, made, configured):
    warning = "empycustom: warning: --start and --duration are not in the line: gst-launch-1.0 plays a source from its beginning to its end.\n"
    for words in ((made("b.mkv"), "--lib", library(SAYS)), (configured({}), "--source", "test")):
        ended = cli("run", *words, "--duration", "1", "--dry-run")
        assert (ended.code, ended.err) == (0, warning)
        assert ended.out.startswith("gst-launch-1.0 ")


@pytest.mark.parametrize(
    ("option", "value"), [("--start", "1:90"), ("--start", "-3"), ("--duration", "0"), ("--duration", "long")]
)
def test_wrong_times_are_usage_errors_with_an_example(cli, library, option, value):
    ended = cli("run", "test", "--lib", library(SAYS), f"{option}={value}")

    assert ended.code == 2
    assert f"argument {option}: {value} is not a {'duration' if value == '0' else 'time'}" in ended.err
    assert "such as 12.5, or 1:20, or 1:00:03.5" in ended.err
