"""Live sources: libraries get the newest frame, unless all are wanted."""

from __future__ import annotations

import http.server
import json
import threading
from functools import partial
from itertools import pairwise

import pytest
from command_helpers import LOSES_CAMERA, SAYS, documents_in, lines_in, play, wait_for

from empycustom.gstreamer import Gst
from ports import free_port

FRAME_NS = Gst.SECOND // 15  # of the tests' RTSP server
VERY_SLOW = "import time\n\ndef process_ip(io_buffer, in_meta, options):\n    time.sleep(0.5)\n"
NEWEST = "queue name=first leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 !"
WARNING = "empycustom: warning: {}Frames of this live source are left out while the libraries are busy ("
ADVICE = "they get the newest one. A slow library may be called less often (--every, or process-interval in a configuration); with --every-frame all frames are used, and results"


@pytest.fixture
def ball(camera):
    """The URI of a camera that plays."""
    port = free_port()
    camera(port)
    return f"rtsp://127.0.0.1:{port}/ball"


def steps(times):
    return [later - earlier for earlier, later in pairwise(times)]


def test_libraries_get_the_newest_frame_of_a_live_source(cli, library, ball, tmp_path):
    ended = cli("run", ball, "--lib", library(VERY_SLOW), "--frames", 6, "--out", "meta.jsonl", "--summary-json", "done.json")
    done = json.loads((tmp_path / "done.json").read_text())
    times = [frame["stream_time"] for frame in documents_in(tmp_path / "meta.jsonl")]

    assert ended.code == 0, ended.err
    assert len(times) == 6
    assert times[-1] - times[0] > 5 * 3 * FRAME_NS, times  # a call lasts as long as 7 frames
    first, last = (round(time / FRAME_NS) for time in (times[0], times[-1]))
    assert last - first - 5 <= done["left_out"] <= last - 5, "also those before the first one"
    assert ended.err.count(WARNING.format("")) == 1
    assert ADVICE in ended.err
    assert f"6 documents, {done['left_out']} frames left out because the libraries were busy;" in ended.err
    assert "falls behind" not in ended.err


def test_all_frames_of_a_live_source_where_they_are_wanted(cli, library, ball, tmp_path):
    words = ["--every-frame", "--frames", 6, "--out", "meta.jsonl", "--summary-json", "done.json"]
    ended = cli("run", ball, "--lib", library(VERY_SLOW), *words)
    times = [frame["stream_time"] for frame in documents_in(tmp_path / "meta.jsonl")]

    assert ended.code == 0, ended.err
    assert [round(step / FRAME_NS) for step in steps(times)] == [1] * 5
    assert json.loads((tmp_path / "done.json").read_text())["left_out"] == 0
    assert "and a frame lasts 66.7 ms: live video falls behind." in ended.err
    assert "left out" not in ended.err


def test_skipped_frames_are_reported_also_without_a_summary(cli, library, ball):
    ended = cli("run", ball, "--lib", library(VERY_SLOW), "--frames", 2, "--quiet")

    assert ended.code == 0, ended.err
    assert ended.err.count("are left out while the libraries are busy (") == 1


def test_a_library_that_is_slow_once_is_not_slow(cli, library, ball):
    once = "import time\n\ndef process_ip(b, m, o):\n    if not m['frame'][0]['frame_num']:\n        time.sleep(0.9)\n"
    ended = cli("run", ball, "--lib", library(once), "--frames", 15)

    assert ended.code == 0, ended.err
    assert "frames left out because the libraries were busy" in ended.err
    assert "are left out while" not in ended.err


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_videos_of_live_sources_keep_the_times_of_frames(name, cli, library, ball, tmp_path):
    ended = cli("run", ball, "--lib", library(VERY_SLOW), "--frames", 5, "--out", "meta.jsonl", "--save", name)
    times = [frame["stream_time"] for frame in documents_in(tmp_path / "meta.jsonl")]
    shown = [frame["stream_time"] for frame in shown_in(cli, tmp_path / name, library)]

    assert ended.code == 0, ended.err
    assert len(shown) == 5
    assert [abs(one - other) < 2 * Gst.MSECOND for one, other in zip(steps(times), steps(shown), strict=True)] == [True] * 4


def shown_in(cli, path, library):
    return [document["frame"][0] for document in cli("run", path, "--lib", library(SAYS, "says.py"), "--quiet").documents]


def test_an_avi_cannot_keep_the_times_of_frames(cli, library, ball):
    ended = cli("run", ball, "--lib", library(VERY_SLOW), "--frames", 5, "--save", "a.avi")

    assert ended.code == 0, ended.err
    assert "warning: a.avi shows 15 frames a second, whenever they came; .mp4, .mkv and .webm keep their times." in ended.err


def test_a_camera_over_http_is_live_and_its_end_is_not_lost(cli, library, serve, pictures, tmp_path):
    ended = cli("run", serve(pictures(80)), "--lib", library(VERY_SLOW), "--out", "meta.jsonl", "--summary-json", "done.json")
    done = json.loads((tmp_path / "done.json").read_text())

    assert ended.code == 0, ended.err
    assert done["documents"] + done["left_out"] == 80
    assert done["left_out"] > done["documents"]


def test_ctrl_c_ends_a_live_source_whose_library_is_slow(begin, library, serve, pictures, tmp_path, frames_in):
    child = begin("run", serve(pictures(500), lasts=True), "--lib", library(VERY_SLOW), "--out", "meta.jsonl", "--save", "a.mp4")
    wait_for(lambda: lines_in(tmp_path / "meta.jsonl") > 2, "a document")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert "empycustom: error:" not in ended.err
    assert frames_in(tmp_path / "a.mp4") == len(documents_in(tmp_path / "meta.jsonl"))


@pytest.fixture
def serve_file(tmp_path):
    """Serve the files of the test's folder; with ``sized`` false without their lengths. Return the URI."""
    servers = []

    def start(*, sized):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def send_header(self, name, value):
                if sized or name != "Content-Length":
                    super().send_header(name, value)

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path)))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("sized", [True, False])
def test_a_file_over_http_is_not_live(cli, library, tmp_path, serve_file, sized):
    test = "videotestsrc num-buffers=20 ! video/x-raw,width=64,height=48,framerate=10/1"
    play(f'{test} ! jpegenc ! matroskamux ! filesink location="{tmp_path}/a.mkv"')
    slow = "import time\n\ndef process_ip(io_buffer, in_meta, options):\n    time.sleep(0.05)\n"
    ended = cli("run", f"{serve_file(sized=sized)}/a.mkv", "--lib", library(slow), "--quiet")

    assert ended.code == 0, ended.err
    assert len(ended.documents) == 20
    assert ended.err == ""


def test_the_printed_line_has_the_queue_of_a_live_source(cli, library, configured):
    lib = library(SAYS)
    rtsp, http_uri = "rtsp://127.0.0.1/1", "http://127.0.0.1/1"
    lines = {
        words: cli("run", words[0], "--lib", lib, *words[1:], "--dry-run")
        for words in ((rtsp,), (rtsp, "--every-frame"), (http_uri,), (http_uri, "--every-frame"), ("test",))
    }
    assert [NEWEST in ended.out for ended in lines.values()] == [True, False, False, False, False]
    assert [ended.err for ended in lines.values()] == [
        "", "",
        f"empycustom: warning: if {http_uri} is live, `run` leaves frames out while the libraries are busy, and the line does not.\n",
        "", "",
    ]  # fmt: skip
    name = configured({}, streams=[{"stream_id": "a", "location": rtsp}, {"stream_id": "b", "location": "test"}])
    assert [NEWEST in line for line in cli("run", name, "--dry-run").out.splitlines()[1::2]] == [True, False]
    assert NEWEST not in cli("run", name, "--dry-run", "--every-frame").out


def test_streams_count_what_they_leave_out(begin, configured, library, ball, tmp_path):
    slow = {"custom-lib": str(library(VERY_SLOW, "slow.py")), "in-place": True}
    streams = [{"stream_id": "camera", "location": ball}, {"stream_id": "ball", "location": "test"}]
    child = begin("run", configured({"empycustom": slow}, streams=streams), "--out", "meta.jsonl", "--summary-json", "done.json")
    path = tmp_path / "meta.jsonl"
    wait_for(lambda: path.exists() and path.read_text().count('{"stream_id":"camera"') > 3, "documents of the camera")
    child.interrupt()
    ended = child.end()
    done = json.loads((tmp_path / "done.json").read_text())

    assert ended.code == 130, ended.err
    camera, test = done["streams"]
    assert camera["left_out"] >= 10
    assert test["left_out"] == 0
    assert done["left_out"] == camera["left_out"]
    assert ended.err.count(WARNING.format("camera: ")) == 1
    assert ADVICE in ended.err
    assert f"camera: {camera['frames']} frames in " in ended.err
    assert f", {camera['left_out']} frames left out because the libraries were busy" in ended.err


def test_a_source_that_is_never_there_has_one_message_about_its_picture(begin, configured):
    child = begin("run", configured({}), "--source", f"rtsp://127.0.0.1:{free_port()}/x", "--save", "last.png")
    said = []
    wait_for(lambda: said.append(child.process.stderr.readline()) or sum("trying again" in line for line in said) == 2, "retries")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130
    assert "".join([*said, ended.err]).count("last.png was not written: there was no frame.") == 1


@pytest.mark.parametrize(
    ("path", "at", "wanted"),
    [("ball", 6, ["--frames", 6]), ("ball", None, ["--frames", 6]), ("short", None, [])],
    ids=["in the last frame", "in stop", "in stop behind its end"],
)
def test_a_camera_that_is_lost_when_no_frame_is_wanted_any_more_is_not_a_failure(
    cli, library, camera, tmp_path, path, at, wanted
):
    port = free_port()
    server = camera(port)
    words = ["--options", json.dumps({"camera": server.pid, "at": at}), "--out", "meta.jsonl", "--quiet", *wanted]
    ended = cli("run", f"rtsp://127.0.0.1:{port}/{path}", "--lib", library(LOSES_CAMERA), *words)

    assert ended.code == 0, ended.err
    assert "error: " not in ended.err
    assert "trying again" not in ended.err
    assert len(documents_in(tmp_path / "meta.jsonl")) == 6 or path == "short"
    assert server.wait(10) == -9
