"""``--segment``: the results of pieces that were worked on side by side are those of the whole videos."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import duckdb
import pytest

from empycustom.gstreamer import Gst

# It numbers nothing itself, and notes where a piece begins.
SUMS = """
import os
import zlib
from empycustom import map_frame

def process_ip(buffer, in_meta, options):
    frame = in_meta["frame"][0]
    with map_frame(buffer, in_meta) as mapped:
        total = zlib.crc32(mapped.pixels.tobytes())
    if frame["frame_num"] == 0:
        begun = os.open("begun.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(begun, f"{os.path.basename(frame['source'])} {frame['stream_time']}\\n".encode())
        os.close(begun)
    box = {"left": total % 50, "top": 1, "width": 8, "height": 4}
    return {"frame": [{"meta": {"sum": total}, "new_object": [{"obj_label": "ball", "rect_params": box}] * (total % 3)}]}
"""
X264 = "x264enc key-int-max={} ! h264parse"
EVEN = "10/1", [number / 10 for number in range(40)]  # a frame lies on each whole second
NTSC = "30000/1001", [number * 1001 / 30000 for number in range(120)]
UNEVEN = "0/1", [0, 0.04, 0.5, 0.999, 1, 1.001, 1.5, 2.999, 3.25, 3.3, 3.35]
GAP = "0/1", [0, 0.25, 0.5, 4.5, 4.75]
VIDEOS = {  # the rate and the times of the frames, how they are encoded, and whether the video is cut
    "few.mkv": (EVEN, f"{X264.format(1000)} ! matroskamux", True),
    "b.mp4": (EVEN, "x264enc key-int-max=12 bframes=2 ! mp4mux", True),
    "open.mp4": (NTSC, 'x264enc key-int-max=25 bframes=3 option-string="open-gop=1:scenecut=0" ! mp4mux', True),
    "ntsc.mkv": (NTSC, "x264enc key-int-max=25 bframes=2 ! matroskamux", True),
    "uneven.mp4": (UNEVEN, f"{X264.format(4)} ! mp4mux", True),
    "vp8.webm": (EVEN, "vp8enc deadline=1 keyframe-max-dist=15 ! webmmux", True),
    "jpeg.avi": (EVEN, "jpegenc ! avimux", True),
    "b.flv": (EVEN, f"{X264.format(10)} ! flvmux", True),
    "theora.ogv": (EVEN, "theoraenc ! oggmux", True),
    "fragments.mp4": (EVEN, "x264enc key-int-max=10 bframes=0 ! mp4mux fragment-duration=1000", True),
    "streamed.mp4": (EVEN, "x264enc key-int-max=10 bframes=0 ! mp4mux fragment-duration=1000 streamable=true", True),
    "streamed.mkv": (EVEN, f"{X264.format(10)} ! matroskamux streamable=true", True),
    "stream.ts": (EVEN, f"{X264.format(10)} ! mpegtsmux", False),
    "raw.mjpg": (EVEN, "jpegenc", False),
    "short.mkv": (("10/1", EVEN[1][:9]), "jpegenc ! matroskamux", False),
}
# Matroska whose frames have no rate: GStreamer 1.26 loses the last one after a seek.
WITHOUT_RATE = {"uneven.mkv": (UNEVEN, f"{X264.format(4)} ! matroskamux"), "gap.mkv": (GAP, f"{X264.format(2)} ! matroskamux")}


def write_video(path, rate, times, encoder):
    """Write a video of small frames, each different, at these seconds."""
    caps = f"video/x-raw,format=I420,width=64,height=48,framerate={rate}"
    pipeline = Gst.parse_launch(f"appsrc name=a format=time caps={caps} ! {encoder} ! filesink location={path}")
    source = pipeline.get_by_name("a")
    pipeline.set_state(Gst.State.PLAYING)
    for number, (at, after) in enumerate(zip(times, [*times[1:], times[-1] + 0.04], strict=True)):
        buffer = Gst.Buffer.new_wrapped(bytes((number * 7 + x * (number + 1)) % 256 for x in range(64 * 48 * 3 // 2)))
        buffer.pts, buffer.duration = round(at * Gst.SECOND), round((after - at) * Gst.SECOND)
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message.type == Gst.MessageType.EOS, message.parse_error()


def rows(out, table, columns):
    return duckdb.sql(f"SELECT video, {columns} FROM '{out}/{table}/*.parquet'").fetchall()


def frames_of(out):
    found = {}
    for video, *values in rows(out, "frames", "frame_num, time, objects, sum"):
        found.setdefault(os.path.basename(video), []).append(tuple(values))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("long")
    for name, ((rate, times), encoder, _) in VIDEOS.items():
        write_video(place / name, rate, times, encoder)
    return place


def test_every_frame_is_there_once_with_its_number_and_its_time(batch, library, folder, tmp_path):
    lib = library(SUMS)
    whole = batch(folder, "--lib", lib, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    (tmp_path / "begun.txt").unlink()
    cut = batch(folder, "--lib", lib, "--out", "cut", "--segment", "1s")
    assert cut.returncode == 0, cut.stderr
    assert f"{len(VIDEOS)} videos done" in cut.stderr
    wanted, found = frames_of(tmp_path / "whole"), frames_of(tmp_path / "cut")
    assert {name: len(frames) for name, frames in wanted.items()} == {
        name: len(times) for name, ((_, times), *_) in VIDEOS.items()
    }
    for name, frames in wanted.items():
        assert [frame[0] for frame in frames] == [*range(len(frames))]
        assert found[name] == frames, name
    boxes = 'frame_num, time, index, label, "left", width'
    assert rows(tmp_path / "cut", "objects", boxes) == rows(tmp_path / "whole", "objects", boxes)
    begun = [line.split()[0] for line in (tmp_path / "begun.txt").read_text().splitlines()]
    for name, (_, _, is_cut) in VIDEOS.items():
        assert (begun.count(name) > 1) == is_cut, name
        said = f"{folder / name} is played as a whole, in spite of --segment: " in cut.stderr
        assert said == (not is_cut and name != "short.mkv"), name
    videos = "state, frames, objects, round(duration, 3)"
    totals = [duckdb.sql(f"SELECT video, {videos} FROM '{tmp_path}/{out}/videos.parquet'").fetchall() for out in ("cut", "whole")]
    assert totals[0] == totals[1]


@pytest.mark.parametrize("name", WITHOUT_RATE)
def test_every_frame_is_there_where_frames_have_no_rate(batch, library, tmp_path, name):
    (rate, times), encoder = WITHOUT_RATE[name]
    write_video(tmp_path / name, rate, times, encoder)
    for out, more in (("whole", ()), ("cut", ("--segment", "1s"))):
        ended = batch(tmp_path / name, "--lib", library(SUMS), "--out", out, *more)
        assert ended.returncode == 0, ended.stderr
    assert frames_of(tmp_path / "cut") == frames_of(tmp_path / "whole")


def test_lines_are_those_of_the_whole_video(batch, library, folder, tmp_path):
    lib = library(SUMS.replace('{"sum": total}', '{"sum": total, "frame_num": 2**70, "text": \'"frame":[{"frame_num":1\'}'))
    for out, more in (("whole", ()), ("cut", ("--segment", "1"))):
        ended = batch(folder / "b.mp4", "--lib", lib, "--out", out, "--format", "jsonl", *more)
        assert ended.returncode == 0, ended.stderr
    lines = []
    for out in ("whole", "cut"):
        (file,) = (tmp_path / out / "documents").iterdir()
        lines.append([json.loads(line) for line in file.read_text().splitlines()])
        for line in lines[-1]:
            del line["frame"][0]["timestamp"]  # of the clock
    assert lines[0] == lines[1]


DROPS = """
def process(buffer, in_meta, options):
    return (None if in_meta["frame"][0]["buf_pts"] // 100_000_000 % 4 == 1 else buffer), {}
"""


def test_frames_that_a_library_drops_have_numbers_too(batch, library, folder, tmp_path):
    lib, numbers = library(DROPS), []
    for out, more in (("whole", ()), ("cut", ("--segment", "1"))):
        ended = batch(folder / "few.mkv", "--lib", lib, "--out", out, *more)
        assert ended.returncode == 0, ended.stderr
        numbers.append(rows(tmp_path / out, "frames", "frame_num, time"))
    assert numbers[0] == numbers[1]
    assert [number for _, number, _ in numbers[0]] == [number for number in range(40) if number % 4 != 1]


TYPES = """
def process_ip(buffer, in_meta, options):
    second = in_meta["frame"][0]["stream_time"] // 10**9
    return {"frame": [{"count": 1}, {"count": 2.5}, {"count": "three"}, {"other": True}][second]}
"""


def test_columns_have_one_type_in_all_pieces(batch, library, folder, tmp_path):
    ended = batch(folder / "few.mkv", "--lib", library(TYPES), "--out", "out", "--segment", "1", "--jobs", "3")
    assert ended.returncode == 0, ended.stderr
    found = duckdb.sql(f"SELECT DISTINCT floor(time), count, other, emcustom FROM '{tmp_path}/out/frames/*.parquet' ORDER BY 1")
    assert found.fetchall() == [
        (0.0, 1.0, None, None),
        (1.0, 2.5, None, None),
        (2.0, None, None, '{"count":"three"}'),
        (3.0, None, True, None),
    ]


FAILS = """
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["source"].endswith("few.mkv") and 2.2e9 < in_meta["frame"][0]["stream_time"] < 3e9:
        {}
"""


@pytest.mark.parametrize(("how", "reason"), [("1 / 0", "ZeroDivisionError"), ("import os; os.abort()", "SIGABRT")])
def test_a_piece_that_fails_fails_its_video(batch, library, folder, tmp_path, how, reason):
    lib = library(FAILS.format(how))
    ended = batch(folder / "few.mkv", folder / "b.mp4", "--lib", lib, "--out", "out", "--segment", "1", "--jobs", "2")
    assert ended.returncode == 1
    assert ended.stderr.count("(in the piece from 0:02.0 on)") == 1
    states = rows_of_videos(tmp_path / "out")
    assert [(os.path.basename(video), state) for video, state, _, _ in states] == [("b.mp4", "done"), ("few.mkv", "failed")]
    assert reason in states[1][3]
    assert [name.partition("-")[0] for name in sorted(os.listdir(tmp_path / "out" / "frames"))] == ["b"]
    lib.write_text("def process_ip(b, m, o):\n    pass\n")
    ended = batch(folder / "few.mkv", folder / "b.mp4", "--lib", lib, "--out", "out", "--segment", "1", "--force")
    assert ended.returncode == 0, ended.stderr
    assert [frames for *_, frames, _ in rows_of_videos(tmp_path / "out")] == [40, 40]


def rows_of_videos(out):
    return duckdb.sql(f"SELECT video, state, frames, error FROM '{out}/videos.parquet' ORDER BY 1").fetchall()


WAITS = """
import time
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["stream_time"] >= 3e9:
        open("waits", "w").close()
        time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_half_is_left_of_a_video_that_was_ended_in_the_middle(env_with, batch, library, folder, tmp_path, how):
    lib, out = library(WAITS), tmp_path / "out"
    words = [folder / "few.mkv", "--lib", lib, "--out", out, "--segment", "1", "--jobs", "2"]
    command = [sys.executable, "-m", "empycustom", "batch", *map(str, words)]
    running = subprocess.Popen(command, env=env_with(), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (tmp_path / "waits").exists() and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(how)
    running.communicate(timeout=60)
    assert running.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not [name for name in os.listdir(out / "frames") if name.endswith(".parquet")]
    if how == signal.SIGINT:
        assert os.listdir(out / "frames") == os.listdir(out / "objects") == []
    lib.write_text("def process_ip(b, m, o):\n    pass\n")
    ended = batch(*words, "--force")
    assert ended.returncode == 0, ended.stderr
    assert [number for _, number in rows(out, "frames", "frame_num")] == [*range(40)]
    assert len(os.listdir(out / "frames")) == 1


def test_a_stateful_library_is_refused(batch, library, folder, tmp_path):
    lib = library("STATEFUL = True\n\n\ndef process_ip(b, m, o):\n    pass\n")
    ended = batch(folder, "--lib", lib, "--out", "out", "--segment", "1:00")
    assert ended.returncode == 1
    assert (
        f"--segment 1:00 lets pieces of a video be worked on side by side, and {lib} declares STATEFUL: it needs all frames in "
        "their order; leave --segment out." in ended.stderr
    )
    assert not (tmp_path / "out").exists()
    assert batch(folder / "few.mkv", "--lib", lib, "--out", "out").returncode == 0


def test_every_counts_in_each_piece_which_is_a_warning(batch, library, folder, tmp_path):
    ended = batch(folder / "few.mkv", "--lib", library(TYPES), "--every", "7", "--out", "out", "--segment", "1")
    assert ended.returncode == 0
    assert "warning: --every 7 counts from the first frame of each piece (--segment 1), not of each video" in ended.stderr
    called = duckdb.sql(
        f"SELECT frame_num FROM '{tmp_path}/out/frames/*.parquet' WHERE coalesce(emcustom, count::text, other::text) > ''"
    )
    assert [number for (number,) in called.fetchall()] == [0, 7, 10, 17, 20, 27, 30, 37]


@pytest.mark.parametrize("wrong", ["0", "x", "-1"])
def test_what_is_not_a_duration_is_refused(batch, library, folder, wrong):
    ended = batch(folder, "--lib", library("def process_ip(b, m, o):\n    pass\n"), "--out", "out", f"--segment={wrong}")
    assert ended.returncode == 2
    assert f"--segment: {wrong} is not a " in ended.stderr
