"""Ctrl-C: files are finished, nothing hangs."""

from __future__ import annotations

import json
import signal
import time

import pytest
from command_helpers import SLOW, STUCK, wait_for

from ports import free_port

NEVER_S = 600  # more than a test waits for the end of a process


def interrupt_twice(child):
    """Send two signals that count as Ctrl-C, but are not the same: those that nobody has seen yet would become one."""
    child.interrupt()
    time.sleep(0.3)
    child.interrupt(signal.SIGTERM)


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_finishes_the_files(number, begin, library, tmp_path, frames_in):
    child = begin("run", "test", "--lib", library(SLOW), "--out", "meta.jsonl", "--save", "video.mp4", "--grace", NEVER_S)
    wait_for(lambda: len(lines_of(tmp_path / "meta.jsonl")) > 20, "documents")
    child.interrupt(number)
    ended = child.end()

    documents = [json.loads(line)["frame"][0] for line in lines_of(tmp_path / "meta.jsonl")]
    assert ended.code == 130, ended.err
    assert all(document["emcustom"] == {"slow": True} for document in documents)
    assert frames_in(tmp_path / "video.mp4") == len(documents)
    assert f"{len(documents)} frame" in ended.err


def test_ctrl_c_on_a_file_does_not_wait_for_its_end(begin, library, video, tmp_path):
    source = SLOW.replace("0.02", "1 if in_meta['frame'][0]['frame_num'] > 5 else 0")
    child = begin("run", video, "--lib", library(source), "--out", "meta.jsonl")
    wait_for(lambda: len(lines_of(tmp_path / "meta.jsonl")) > 3, "documents")
    child.interrupt()

    assert child.end().code == 130
    assert len(lines_of(tmp_path / "meta.jsonl")) < 30


def test_ctrl_c_ends_a_launched_pipeline_and_its_file(begin, library, tmp_path, frames_in):
    child = begin(
        "launch", "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=30/1"
        f" ! empycustom custom-lib={library(SLOW)} in-place=true ! aimeta location=meta.jsonl"
        " ! jpegenc ! avimux ! filesink location=video.avi"
    )  # fmt: skip
    wait_for(lambda: len(lines_of(tmp_path / "meta.jsonl")) > 3, "documents")
    child.interrupt()

    assert child.end().code == 130
    assert frames_in(tmp_path / "video.avi") == len(lines_of(tmp_path / "meta.jsonl"))


def test_a_library_that_never_returns_does_not_hang_ctrl_c(begin, library, tmp_path):
    saves = [word for name in ("a.mp4", "b.mkv", "c.png") for word in ("--save", name)]
    child = begin("run", "test", "--lib", library(STUCK), "--grace", 0.5, *saves)
    wait_for((tmp_path / "stuck").exists, "the first frame")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130
    assert "The stream did not end within 0.5 s" in ended.err
    assert "The pipeline does not stop: a callback of a library, or an element, does not return." in ended.err
    assert "a.mp4, b.mkv may be unfinished." in ended.err


def test_a_second_ctrl_c_stops_at_once(begin, library, tmp_path):
    child = begin("run", "test", "--lib", library(STUCK), "--grace", NEVER_S)
    wait_for((tmp_path / "stuck").exists, "the first frame")
    interrupt_twice(child)

    assert child.end().code == 130


def test_ctrl_c_works_while_start_runs(begin, library, tmp_path):
    source = STUCK.replace("process_ip(io_buffer, in_meta, options)", "start(options)")
    child = begin("run", "test", "--lib", library(f"{source}\ndef process_ip(b, m, o): pass\n"), "--grace", 0.5)
    wait_for((tmp_path / "stuck").exists, "start")
    child.interrupt()

    assert child.end().code == 130


def test_a_second_ctrl_c_names_the_unfinished_file(begin, library, tmp_path):
    child = begin("run", "test", "--lib", library(SLOW.replace("0.02", "0.7")), "--save", "a.mp4", "--out", "meta.jsonl")
    wait_for(lambda: lines_of(tmp_path / "meta.jsonl"), "a document")
    child.interrupt()
    child.process.send_signal(signal.SIGTERM)
    ended = child.end()

    assert ended.code == 130
    assert "empycustom: warning: a.mp4 may be unfinished: the stream was stopped before its end." in ended.err


@pytest.mark.parametrize("more", [[], ["--save", "video.mp4"]], ids=["", "its encoder tells its latency meanwhile"])
def test_a_second_ctrl_c_leaves_a_start_behind_that_hangs(begin, library, tmp_path, more):
    source = STUCK.replace("process_ip(io_buffer, in_meta, options)", "start(options)")
    lib = library(f"{source}\ndef process_ip(b, m, o): pass\n")
    child = begin("run", "test", "--lib", lib, "--grace", NEVER_S, *more)
    wait_for((tmp_path / "stuck").exists, "start")
    interrupt_twice(child)
    ended = child.end()

    assert ended.code == 130
    assert "The pipeline does not stop" in ended.err


MADE = """\
import pathlib, time
from gi.repository import Gst, GstBase

class Made(GstBase.BaseTransform):
    __gstmetadata__ = ("Made", "Filter", "takes long to be made", "nobody")
    __gsttemplates__ = tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.new_any())
        for name, direction in (("src", Gst.PadDirection.SRC), ("sink", Gst.PadDirection.SINK))
    )

    def __init__(self):
        pathlib.Path("made").touch()
        until = time.monotonic() + 1
        while time.monotonic() < until:
            time.sleep(0.01)

__gstelementfactory__ = ("made", Gst.Rank.NONE, Made)
"""


def test_ctrl_c_while_elements_are_made_is_not_lost(begin, tmp_path):
    """PyGObject prints a KeyboardInterrupt in an element's constructor, and goes on."""
    (tmp_path / "plugins/python").mkdir(parents=True)
    (tmp_path / "plugins/python/made.py").write_text(MADE)
    extra = {"GST_PLUGIN_PATH": str(tmp_path / "plugins"), "GST_REGISTRY": str(tmp_path / "registry.bin")}
    child = begin("launch", "videotestsrc ! made ! fakesink", **extra)
    wait_for((tmp_path / "made").exists, "the element")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert "KeyboardInterrupt" not in ended.err


LOADS = """\
import os, time


def say(what):  # one write, so that those of several streams do not mix
    file = os.open("calls.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{what}\\n".encode())
    os.close(file)


def start(options):
    say("start")
    try:
        os.mkdir("quick")  # of several streams, one starts at once
    except FileExistsError:
        time.sleep(0.7)


def process_ip(io_buffer, in_meta, options):
    return [{"number": in_meta["frame"][0]["frame_num"]}]


def stop(options):
    say("stop")
"""


def balanced(folder, least):
    """Whether each library that was started was stopped, once."""
    calls = lines_of(folder / "calls.txt")
    return calls.count("start") == calls.count("stop") >= least


@pytest.fixture
def loading(configured, library, tmp_path):
    """A configuration of four streams, each with a library that takes long to start."""
    library(LOADS, "loads.py")

    def write(*locations, quick):
        if not quick:
            (tmp_path / "quick").mkdir()
        streams = [{"stream_id": f"s{index}", "location": location} for index, location in enumerate(locations)]
        return configured({"empycustom": {"custom-lib": "loads.py", "in-place": True}, "aimeta": {}}, streams=streams)

    return write


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_while_libraries_start_does_not_start_again(number, begin, loading, tmp_path):
    child = begin("run", loading(*["test"] * 4, quick=False), "--quiet")
    wait_for(lambda: len(lines_of(tmp_path / "calls.txt")) == 4, "start")
    child.interrupt(number)
    ended = child.end()

    assert ended.code == 130, ended.err
    assert lines_of(tmp_path / "calls.txt") == ["start"] * 4 + ["stop"] * 4
    assert ended.err == ""


def test_a_reader_that_goes_away_while_libraries_start_ends_the_run(begin, loading, tmp_path):
    child = begin("run", loading(*["test"] * 4, quick=True), "--quiet")
    assert json.loads(child.process.stdout.readline())
    child.process.stdout.close()
    err = child.process.stderr.read()

    assert child.process.wait(30) == 0, err
    assert balanced(tmp_path, least=4)
    assert err == ""


def test_a_source_that_is_lost_while_libraries_start_does_not_start_them_twice(begin, loading, tmp_path):
    child = begin("run", loading(*[f"rtsp://127.0.0.1:{free_port()}/x"] * 4, quick=False), "--quiet")
    child.hear("trying again in 1 s", 4)
    child.hear("trying again in 2 s")
    child.interrupt()
    ended = child.end()

    assert ended.code == 130, ended.err
    assert lines_of(tmp_path / "calls.txt") == ["start"] * 4 + ["stop"] * 4
    assert "CRITICAL" not in ended.err
    assert ended.err.count("trying again in 1 s") == 4


def test_ctrl_c_while_a_library_is_checked(begin, library, tmp_path):
    child = begin("check", library(STUCK))
    wait_for((tmp_path / "stuck").exists, "the call")
    child.interrupt()

    assert child.end().code == 130


def test_an_error_while_stopping_after_ctrl_c_is_reported(begin, library, tmp_path):
    child = begin("run", "test", "--lib", library(f"{SLOW}\ndef stop(options): 1 / 0\n"), "--out", "meta.jsonl")
    wait_for(lambda: lines_of(tmp_path / "meta.jsonl"), "documents")
    child.interrupt()
    ended = child.end()

    assert ended.code == 1
    assert "stop raised ZeroDivisionError" in ended.err
