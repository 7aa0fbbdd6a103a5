"""Frames that come without times, or without a frame rate: all of them get into the videos."""

from __future__ import annotations

import re

import pytest
from command_helpers import LIB, SAYS, documents_in, lines_in, play, wait_for

from empycustom.gstreamer import Gst

VIDEOS = ["a.mp4", "a.mkv", "a.avi", "a.webm"]
SAVES = [word for name in VIDEOS for word in ("--save", name)]
LOST = r"empycustom: error: {} has [89] of 10 frames: its encoder lost the others, or their times go back\."
PTS_LOST = """\
from gi.repository import Gst

def process_ip(io_buffer, in_meta, options):
    if in_meta["frame"][0]["frame_num"] in (3, 4):
        io_buffer.pts = Gst.CLOCK_TIME_NONE
    return [{"number": in_meta["frame"][0]["frame_num"]}]
"""


@pytest.fixture
def mjpeg(pictures, tmp_path):
    """A file of 20 JPEG pictures, and of nothing else."""
    path = tmp_path / "raw.mjpeg"
    path.write_bytes(b"".join(picture.read_bytes() for picture in pictures(20)))
    return path


def test_frames_of_a_file_without_times_follow_each_other(cli, library, mjpeg, tmp_path, frames_in):
    ended = cli("run", mjpeg, "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES)

    assert ended.code == 0, ended.err
    assert [document["buf_pts"] for document in documents_in(tmp_path / "meta.jsonl")] == [n * 40_000_000 for n in range(20)]
    assert {name: frames_in(tmp_path / name) for name in VIDEOS} == dict.fromkeys(VIDEOS, 20)
    assert "The frames have no timestamps and no frame rate; 25 frames a second are assumed." in ended.err


def test_so_they_do_in_all_streams_of_a_configuration(cli, configured, mjpeg, tmp_path, frames_in):
    streams = [{"stream_id": name, "location": str(mjpeg)} for name in "abcdef"]
    name = configured({"empycustom": LIB, "aimeta": {}}, streams=streams)
    ended = cli("run", name, "--out", "meta.jsonl", "--save", "{stream_id}.mkv", "--save", "{stream_id}.mp4")

    assert ended.code == 0, ended.err
    assert len(documents_in(tmp_path / "meta.jsonl")) == 120
    assert [frames_in(tmp_path / f"{name}.{ending}") for name in "abcdef" for ending in ("mkv", "mp4")] == [20] * 12


@pytest.mark.parametrize("encoder", ["jpegenc", "pngenc"])
def test_a_picture_is_a_video_of_one_frame(encoder, cli, library, tmp_path, frames_in):
    play(f'videotestsrc num-buffers=1 ! video/x-raw,width=64,height=48 ! {encoder} ! filesink location="{tmp_path}/one"')
    ended = cli("run", "one", "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES, "--save", "a.png")

    assert ended.code == 0, ended.err
    assert "empycustom: " not in ended.err
    assert len(documents_in(tmp_path / "meta.jsonl")) == 1
    assert [frames_in(tmp_path / name) for name in (*VIDEOS, "a.png")] == [1] * 5


def test_a_sequence_of_pictures_keeps_its_frame_rate(cli, library, pictures, tmp_path, frames_in):
    if not Gst.uri_protocol_is_supported(Gst.URIType.SRC, "imagesequence"):
        pytest.skip("this GStreamer has no imagesequencesrc")
    folder = pictures(12)[0].parent
    source = f"imagesequence://{folder}/%2503d.jpg?framerate=10/1"
    ended = cli("run", source, "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES)

    assert ended.code == 0, ended.err
    assert [document["buf_pts"] for document in documents_in(tmp_path / "meta.jsonl")] == [n * 100_000_000 for n in range(12)]
    assert [frames_in(tmp_path / name) for name in VIDEOS] == [12] * 4


def test_frames_over_http_get_the_time_of_their_arrival(cli, library, pictures, serve, tmp_path, frames_in):
    # A part is known to be complete when the next one begins.
    source = serve(pictures(20), pauses=[9], is_seen=lambda: lines_in(tmp_path / "meta.jsonl") >= 9)
    ended = cli("run", source, "--every-frame", "--lib", library(SAYS), "--out", "meta.jsonl", *SAVES)
    times = [document["buf_pts"] for document in documents_in(tmp_path / "meta.jsonl")]

    assert ended.code == 0, ended.err
    assert len(times) == 20
    assert times == sorted(set(times))
    assert times[-1] - times[0] > Gst.SECOND / 2  # the camera paused for a second
    assert [frames_in(tmp_path / name) for name in VIDEOS] == [20] * 4
    assert ended.err.count("empycustom: ") == 1
    assert "warning: a.avi shows 25 frames a second, whenever they came; .mp4, .mkv and .webm keep their times." in ended.err


def test_frames_over_http_do_not_wait_for_others(begin, library, pictures, serve, tmp_path, frames_in):
    """Neither until megabytes of them are there, nor until a buffer is full again."""
    source = serve(pictures(60), pauses=range(0, 60, 15), lasts=True)
    child = begin("run", source, "--every-frame", "--lib", library(SAYS), "--out", "meta.jsonl", "--save", "a.mp4")
    # A part is known to be complete when the next one begins.
    wait_for(lambda: lines_in(tmp_path / "meta.jsonl") >= 59, "the frames that were sent")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert frames_in(tmp_path / "a.mp4") == len(documents_in(tmp_path / "meta.jsonl"))


@pytest.mark.parametrize("name", VIDEOS)
def test_times_without_a_frame_rate_lose_no_frame(name, cli, library, pictures, tmp_path, frames_in):
    def push(source):
        for index, path in enumerate(pictures(10)):
            buffer = Gst.Buffer.new_wrapped(path.read_bytes())
            buffer.pts = buffer.dts = index * index * 10 * Gst.MSECOND
            source.emit("push-buffer", buffer)
        source.emit("end-of-stream")

    caps = "image/jpeg,width=64,height=48,framerate=0/1"
    play(f'appsrc name=in format=time caps={caps} ! matroskamux ! filesink location="{tmp_path}/uneven.mkv"', push=push)
    ended = cli("run", "uneven.mkv", "--lib", library(SAYS), "--out", "meta.jsonl", "--save", name)

    assert ended.code == 0, ended.err
    assert [document["buf_pts"] for document in documents_in(tmp_path / "meta.jsonl")] == [n * n * 10**7 for n in range(10)]
    assert frames_in(tmp_path / name) == 10


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_video_with_fewer_frames_than_documents_is_an_error(name, cli, configured, library, tmp_path):
    ended = cli("run", "test", "--lib", library(PTS_LOST), "--frames", 10, "--out", "meta.jsonl", "--save", name)

    assert ended.code == 1
    assert len(documents_in(tmp_path / "meta.jsonl")) == 10
    assert re.search(LOST.format(name), ended.err), ended.err

    config = configured({"empycustom": {**LIB, "custom-lib": "lib.py"}, "aimeta": {}})
    library(PTS_LOST)
    ended = cli("run", config, "--source", "test", "--frames", 10, "--save", name)
    assert ended.code == 1
    assert re.search(LOST.format(name), ended.err), ended.err


def test_times_that_go_back_are_an_error(cli, library, tmp_path):
    back = "def process_ip(io_buffer, in_meta, options):\n    io_buffer.pts = 10**10 - 10**8 * in_meta['frame'][0]['frame_num']\n"
    ended = cli("run", "test", "--lib", library(back), "--frames", 10, "--out", "meta.jsonl", "--save", "a.mkv")

    assert ended.code == 1
    assert len(documents_in(tmp_path / "meta.jsonl")) == 10
    assert "a.mkv has 1 of 10 frames: its encoder lost the others, or their times go back." in ended.err
