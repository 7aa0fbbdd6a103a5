"""RTSP sources, which come back."""

from __future__ import annotations

import gc
import json
import signal
import socket
import threading
from argparse import Namespace

import pytest
from command_helpers import LIB, TIMEOUT_S, wait_for

from empycustom.config import streams
from empycustom.session import PlayOptions, reconnect
from empycustom.session.play import Session
from ports import free_port


def test_an_rtsp_source_that_went_away_comes_back_and_its_videos_are_finished(begin, configured, camera, tmp_path, frames_in):
    port = free_port()
    server = camera(port)
    streams = [
        {"stream_id": "camera", "location": f"rtsp://127.0.0.1:{port}/ball"},
        {"stream_id": "camera-2", "location": "test"},
    ]
    path = tmp_path / "meta.jsonl"
    name = configured({"input": {"live-source": True}, "empycustom": LIB}, streams=streams)
    child = begin("run", name, "--out", path, "--save", "{stream_id}.mp4", "--summary-json", "summary.json")

    def frames(name):
        return path.read_text().count(f'"stream_id":"{name}"') if path.exists() else 0

    wait_for(lambda: frames("camera") > 5, "a frame of the camera")
    server.kill()
    server.wait()
    child.hear("the source is gone (")
    others = frames("camera-2")
    camera(port)
    before = frames("camera")
    wait_for(lambda: frames("camera") > before + 15, "the camera coming back")
    assert frames("camera-2") > others
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert "empycustom: warning: camera: the source is gone (" in ended.err
    assert "trying again in 1 s" in ended.err
    assert "empycustom: error:" not in ended.err
    first, second, other = (frames_in(tmp_path / name) for name in ("camera.mp4", "camera-3.mp4", "camera-2.mp4"))
    assert (first + second, other) == (frames("camera"), frames("camera-2")), ended.err
    assert min(first, second) > 5
    done = json.loads((tmp_path / "summary.json").read_text())["streams"][0]
    assert done["frames"] == frames("camera")
    assert done["libraries"][0]["calls"] >= frames("camera"), "those of both connections"
    assert done["written"] == ["camera.mp4", "camera-3.mp4"]


def test_an_error_of_stop_while_a_source_is_gone(begin, configured, camera, library, tmp_path):
    port = free_port()
    server = camera(port)
    library("def process_ip(b, m, o): pass\ndef stop(options): raise RuntimeError('sorry')\n", "raises.py")
    name = configured({"empycustom": {**LIB, "custom-lib": "raises.py"}, "aimeta": {}})
    child = begin("run", name, "--source", f"rtsp://127.0.0.1:{port}/ball", "--out", "meta.jsonl")
    path = tmp_path / "meta.jsonl"
    wait_for(lambda: path.exists() and path.read_text(), "a frame of the camera")
    server.kill()
    child.hear("trying again in 1 s")
    child.interrupt()
    ended = child.end()

    assert ended.code == 1
    assert "stop raised RuntimeError: sorry" in ended.err


COUNTS_CALLS = """
calls = []
def start(options):
    print("START", flush=True)
def process_ip(b, m, o):
    calls.append(m["frame"][0]["frame_num"])
    return [{"calls": len(calls), "options": o}]
def stop(options):
    print("STOP", flush=True)
"""


def test_a_library_starts_once_however_often_the_source_comes_back(begin, configured, camera, library, tmp_path):
    port = free_port()
    path = tmp_path / "meta.jsonl"
    library(COUNTS_CALLS, "counts.py")
    option = {"key": {"element": "empycustom", "property": "options"}, "option_type": "gstreamer", "value_type": "object"}
    name = configured({"empycustom": {**LIB, "custom-lib": "counts.py"}}, options=[option])
    server = camera(port)
    child = begin("run", name, "--source", f"rtsp://127.0.0.1:{port}/ball", "--out", path, "--set", "-")

    def frames():
        lines = path.read_text().splitlines(True) if path.exists() else []
        return [json.loads(line)["frame"][0] for line in lines if line.endswith("\n")]

    wait_for(lambda: len(frames()) > 5, "a frame of the camera")
    child.type('empycustom.options={"x": 1}')
    for losses in (1, 2):
        server.kill()
        server.wait()
        child.hear("the source is gone (", losses)
        server = camera(port)
        before = len(frames())
        wait_for(lambda before=before: len(frames()) > before + 15, "the camera coming back")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert (ended.err.count("START\n"), ended.err.count("STOP\n")) == (1, 1)
    assert ended.err.count("the source is gone (") >= 2
    found = frames()
    assert [frame["frame_num"] for frame in found] == list(range(len(found)))
    assert [frame["emcustom"]["calls"] for frame in found] == list(range(1, len(found) + 1))
    assert found[-1]["emcustom"]["options"] == {"x": 1}
    assert {frame["source"] for frame in found} == {"stream"}


@pytest.fixture
def watch(configured, monkeypatch, tmp_path):
    """Play an RTSP source in this process, to be less patient than usual, while a test looks on."""
    import empycustom

    empycustom.register()
    monkeypatch.setattr(reconnect, "_SILENCE_S", 2.0)
    playing, said = [], []

    def start(pipeline, location):
        configuration = streams.read(tmp_path / configured(pipeline), sources=[location])
        output = Namespace(document=lambda *_: True, unique_path=None)

        def hear(stream, kind, text, details):
            said.append((kind, text))

        running = Session(configuration, PlayOptions(grace_s=30.0, reconnect=True), lambda _session: output, notify=hear)
        playing.append((running, threading.Thread(target=running.play)))
        playing[-1][1].start()
        return running, lambda text: ("warning", text) in said

    yield start
    for running, thread in playing:
        running.end()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
        assert running.code == 0, said


THINKS = """
import time
from pathlib import Path

def process_ip(b, m, o):
    if not m["frame"][0]["frame_num"]:
        Path(__file__).with_name("begun").touch()
        time.sleep(5)
        Path(__file__).with_name("done").touch()
"""


def test_a_call_may_take_longer_than_a_source_may_be_silent(watch, library, camera, tmp_path):
    port = free_port()
    camera(port)
    library(THINKS, "thinks.py")
    running, is_said = watch({"empycustom": {**LIB, "custom-lib": "thinks.py"}}, f"rtsp://127.0.0.1:{port}/ball")

    wait_for((tmp_path / "begun").exists, "the first frame")
    begun = is_said("the source is gone (no frame for 2 s); trying again in 1 s")
    wait_for((tmp_path / "done").exists, "the end of its call")
    assert is_said("the source is gone (no frame for 2 s); trying again in 1 s") == begun
    wait_for(lambda: running.frames > 5, "more frames of the camera")


def test_a_server_that_answers_and_sends_nothing_is_connected_again(watch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_rtsp, args=[server], daemon=True).start()
        _, is_said = watch({}, f"rtspt://127.0.0.1:{server.getsockname()[1]}/x")
        wait_for(lambda: is_said("the source is gone (no frame for 2 s); trying again in 1 s"), "the silence")


DESCRIBED = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nm=video 0 RTP/AVP 26\r\na=control:a\r\n"


def answer_rtsp(server):
    """Answer all that is asked of an RTSP server over TCP, and send no video."""
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer, peer.makefile("rb") as asked:
            while words := asked.readline().split():
                headers = dict(line.decode().strip().split(": ", 1) for line in iter(asked.readline, b"\r\n"))
                answer = {"CSeq": headers["CSeq"], "Session": "1", "Public": "DESCRIBE, SETUP, PLAY, TEARDOWN"}
                body = DESCRIBED if words[0] == b"DESCRIBE" else ""
                if words[0] == b"SETUP":
                    answer["Transport"] = headers["Transport"]
                if body:
                    answer |= {"Content-Type": "application/sdp", "Content-Length": str(len(body))}
                peer.sendall(
                    ("RTSP/1.0 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in answer.items()) + "\r\n" + body).encode()
                )


def test_connections_in_vain_leave_nothing_behind(watch, monkeypatch):
    for name in ("_FIRST_WAIT_S", "_LONGEST_WAIT_S", "_SETTLE_S"):
        monkeypatch.setattr(reconnect, name, 0.01)
    made, freed = [], []
    build = reconnect.build_element

    def count(description):
        element = build(description)
        made.append(element.weak_ref(freed.append, 1))
        return element

    monkeypatch.setattr(reconnect, "build_element", count)
    _, is_said = watch({}, f"rtsp://127.0.0.1:{free_port()}/x")

    wait_for(lambda: len(made) > 20, "twenty attempts")
    assert is_said("the source cannot be reached (Could not open resource for reading and writing); trying again in 0.01 s")
    gc.collect()
    attempts = len(made)
    wait_for(lambda: len(freed) > attempts - 5, "that those before the last ones are freed")


def test_an_rtsp_source_that_sends_nothing_is_connected_again(watch, camera):
    port = free_port()
    server = camera(port)
    running, is_said = watch({}, f"rtsp://127.0.0.1:{port}/ball")
    try:
        wait_for(lambda: running.frames > 5, "a frame of the camera")
        server.send_signal(signal.SIGSTOP)
        wait_for(lambda: is_said("the source is gone (no frame for 2 s); trying again in 1 s"), "the silence")
        server.send_signal(signal.SIGCONT)
        before = running.frames
        wait_for(lambda: running.frames > before + 5, "the camera coming back")
    finally:
        server.send_signal(signal.SIGCONT)
