"""``/healthz`` of ``run --metrics``: whether frames flow, and if not, why."""

from __future__ import annotations

import os
import re

import pytest
from command_helpers import LIB, SAYS, STUCK, wait_for
from metrics_helpers import Client, is_counter

from ports import free_port

OUT = ("--out", "out.jsonl", "--quiet")


@pytest.fixture
def client():
    return Client()


def test_a_source_that_stalls(begin, client, library, video, tmp_path):
    """Before its first frame, while frames come, when none comes any more, and when they come again."""
    os.mkfifo(tmp_path / "fifo")
    running = begin("run", "fifo", "--lib", library(SAYS), *OUT, "--metrics", client.port)
    client.wait(running)
    assert client.wait_for_health(503, "starting") == {"fifo": ("starting", "no frame has come through yet")}
    data = video.read_bytes()
    parts, found = [data[at : at + len(data) // 40] for at in range(0, len(data), len(data) // 40)], []
    with (tmp_path / "fifo").open("wb", buffering=0) as fifo:

        def flows(left):
            """Write a part more, but for those that are left; return whether it flowed before and after the metric was read."""
            if len(parts) > left:
                fifo.write(parts.pop(0))
            found[:] = client.health(), client.value("stream_healthy", stream="fifo"), client.health()
            return found[0][:2] == found[2][:2] == (200, "ok")

        wait_for(lambda: flows(20), "frames")
        assert found[1] == 1
        state, why = found[2][2]["fifo"]
        assert state == "playing"
        assert re.fullmatch(r"the last frame was \d+\.\d s ago", why)
        ((state, why),) = client.wait_for_health(503, "stalled").values()
        assert re.fullmatch(r"no frame for \d+\.\d s, and 5 s are the limit", why), why
        assert client.value("stream_healthy", stream="fifo") == 0
        wait_for(lambda: flows(1), "frames again")
        fifo.write(b"".join(parts))
    ended = running.end()
    assert (ended.code, ended.err) == (0, "")


def test_a_library_that_does_not_return_stalls_its_stream(begin, client, library):
    text = STUCK.replace("    pathlib", "    if in_meta['frame'][0]['frame_num'] < 5: return\n    pathlib")
    running = begin("run", "test", "--lib", library(text), *OUT, "--metrics", client.port, "--grace", 1)
    client.wait(running)
    client.wait_for_health(503, "stalled")
    assert client.value("frames_total", stream="test", library="lib.py") == 6
    assert client.value("call_seconds_count", stream="test", library="lib.py") == 5
    running.interrupt()
    assert running.end().code == 130


def test_a_stream_that_ended_is_fine_and_one_that_failed_is_not(begin, client, configured, video):
    streams = [{"stream_id": "short", "location": video.name}, {"stream_id": "long", "location": "test"}]
    name = configured({"empycustom": LIB}, streams=streams)
    running = begin("run", name, *OUT, "--metrics", client.port)
    client.wait(running)
    wait_for(lambda: client.health()[2].get("short") == ("ended", "it has ended"), "the end of the short one")
    client.wait_for_health(200, "ok")
    assert client.value("frames_total", stream="short", library="lib.py") == 40, "what was counted stays"
    running.interrupt()
    assert running.end().code == 130

    video.write_bytes(b"no video")
    running = begin("run", name, *OUT, "--metrics", client.port)
    client.wait(running)
    found = client.wait_for_health(503, "failed")
    assert found["short"] == ("failed", "it ended with an error")
    wait_for(lambda: client.health()[2].get("long", ("",))[0] == "playing", "frames of the long one")
    running.interrupt()
    assert running.end().code == 1


def test_slow_frames_have_a_limit_of_their_own(begin, client, library):
    """A frame every 6 seconds: what would be too long for a camera is not here."""
    slow = library("import time\ndef process_ip(b, m, o):\n    time.sleep(6)\n", "slow.py")
    running = begin("run", "test", "--lib", slow, *OUT, "--metrics", client.port)
    client.wait(running)

    def frames():
        return client.value("stream_frames_total", stream="test") or 0

    wait_for(lambda: frames() >= 2, "two frames")
    states = {client.health()[:2]}
    while frames() < 3:
        states.add(client.health()[:2])
    assert states == {(200, "ok")}
    running.interrupt()
    running.end()


def test_a_source_that_is_lost_and_comes_back(begin, client, configured, camera):
    port = free_port()
    server = camera(port)
    running = begin(
        "run", configured({"empycustom": LIB}), "--source", f"rtsp://127.0.0.1:{port}/ball", *OUT, "--metrics", client.port
    )
    client.wait(running)
    client.wait_for_health(200, "ok")
    before = client.samples()
    server.kill()
    server.wait()
    client.wait_for_health(503, "stalled")
    lost = "; its source is lost, and tried again"
    wait_for(lambda: client.health()[2]["stream"][1].endswith(lost), "the reason")
    camera(port)
    client.wait_for_health(200, "ok")
    after = client.samples()
    assert all(after[key] >= value for key, value in before.items() if is_counter(key[0]))
    running.interrupt()
    assert running.end().code == 130
