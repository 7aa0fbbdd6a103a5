"""docs/errors.md: the messages of the commands, of empycustom.process and of empycustom.attach."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from error_rows import compare

import empycustom
from empycustom.errors import FrameError, LaunchError, LibraryError, PropertyError, SourceError
from empycustom.gstreamer import Gst
from empycustom.session import attach, process

GOOD = "def process_ip(b, m, o):\n    return []\n"


def make_files(tmp_path):
    """Make the files that the commands name."""
    (tmp_path / "video.avi").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "caf\udce9.py").write_text(GOOD)
    short = "videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48,framerate=30/1 ! jpegenc ! avimux ! filesink location=short.avi"
    subprocess.run(["gst-launch-1.0", "-q", *short.split()], check=True)
    (tmp_path / "outside.json").write_text('{"pipeline_configuration": {"aimeta": {"location": "/nowhere/x"}}}')
    (tmp_path / "many").mkdir()
    for index in range(101):
        (tmp_path / f"many/{index}.jpg").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    (tmp_path / "dots.json").write_text('{"pipeline_configuration": {}, "application_name": ".."}')


def commands_that_fail(lib, without_frame):
    """Return commands, each of which prints an error of its own."""
    return [
        ["run", "none.mp4", "--lib", lib],
        ["run", "file:///", "--lib", lib],
        ["run", "empty", "--lib", lib],
        ["run", "empty/*.jpg", "--lib", lib],
        ["run", "empty/%d.jpg", "--lib", lib],
        ["run", "video.avi", "test", "--lib", lib],
        ["run", "nosuch://x", "--lib", lib],
        ["run", "/dev/null", "--lib", lib],
        ["run", "rtsp://127.0.0.1:9/x", "--lib", lib],
        ["check", "li.py"],
        ["launch", "videotestsrc fakesink"],
        ["launch", "videotestsrc video/x-raw ! fakesink"],
        ["launch", "videotestsrc ! video/x-raw,width=64 perf ! fakesink"],
        ["run", "test", "--lib", lib, "--start", "1:20"],
        ["run", "video.avi", "video.avi", "--lib", lib, "--duration", "10"],
        ["run", "dots.json", "--source", "-", "--source", "-"],
        ["run", "test", "--lib", lib, "--format", "NONE"],
        ["run", "test", "--lib", lib, "--save", "x.nothing"],
        ["run", "test", "--lib", lib, "--out", "x.csv"],
        ["run", "test", "--lib", lib, "--summary-json", "x.csv"],
        ["run", "test", "--lib", lib, "--save", ""],
        ["run", "video.avi", "--lib", lib, "--save", "video.avi"],
        ["run", "test", "--lib", lib, "--show"],
        ["run", "test", "--lib", "caf\udce9.py"],
        ["run", "outside.json", "--source", "test"],
        ["run", "dots.json", "--source", "test", "--save", "{stream_id}/x.png"],
        ["check", lib, "--save", "x.mp4"],
        ["check", without_frame, "--save", "x.png"],
        ["check", lib, "--video", "short.avi", "--at", "1"],
        ["run", "test", "--out", "udp://x"],
        ["run", "test", "--out", "file://x/y"],
        ["run", "test", "--save", "udp://x/y.png"],
        ["run", "test", "--save", "a.mp4", "--save", "a.mp4"],
        ["run", "test", "--out", "a", "--summary-json", "a"],
        ["run", "test", "--lib", lib, "--summary-json", "dots.json"],
        ["run", "test", "--lib", lib, "--summary-json", "-"],
        ["run", "dots.json", "--source", "test", "--source", "test", "--save", "a.mp4"],
        ["run", "dots.json", "--source", "test", "--out", "{stream_id}.jsonl"],
        ["run", "dots.json", "--source", "test", "--events", "e"],
        ["run", "socket", "--lib", lib],
        ["run", "many/*.jpg", "--lib", lib, "--dry-run"],
        ["new", "lib.txt"],
        ["new", lib],
    ]


def test_the_command_line(capsys, tmp_path, monkeypatch, library):
    from empycustom.app.main import main

    monkeypatch.chdir(tmp_path)
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(display, raising=False)
    lib = str(library(GOOD))
    make_files(tmp_path)
    without_frame = str(library("def process(b, m, o):\n    return None, None\n", "none.py"))
    messages = []
    for command in commands_that_fail(lib, without_frame):
        if "x.csv" in command or "" in command:  # a wrong argument
            with pytest.raises(SystemExit, match="2"):
                main(command)
        else:
            assert main(command) == 1, command
        messages.append(re.sub(r"(?s)^.*?empycustom(?: run)?: error: ", "", capsys.readouterr().err.strip()).splitlines()[0])
    full = subprocess.run(
        f"{sys.executable} -m empycustom plugin-path > /dev/full", shell=True, capture_output=True, text=True, check=False
    )
    messages.append(full.stderr.strip().removeprefix("empycustom: error: "))
    compare("The command line", messages)


ASKS = """\
import urllib.request
from prometheus_client import Gauge

def process_ip(b, m, o):
    Gauge("broken", "One that cannot be read").set_function(lambda: 1 / 0)
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{o['port']}/metrics")
    except urllib.error.HTTPError as error:
        assert error.code == 500
"""


def test_metrics(capsys, tmp_path, monkeypatch, library):
    from empycustom.app.main import main

    monkeypatch.chdir(tmp_path)
    words = ["run", "test", "--frames", "1", "--out", "out.jsonl", "--quiet", "--lib", str(library(ASKS))]
    messages = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main([*words, "--metrics", port]) == 1
    messages.append(capsys.readouterr().err)
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--metrics", "here"])
    messages.append(re.sub(r"(?s)^.*error: ", "", capsys.readouterr().err))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "prometheus_client", None)
        assert main(["run", "test", "--metrics", "0"]) == 1
    messages.append(capsys.readouterr().err)
    command = [sys.executable, "-m", "empycustom", *words, "--options", json.dumps({"port": port}), "--metrics", port]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    messages.append(done.stderr.splitlines()[0])
    compare("Metrics", [re.sub("^empycustom: (error|warning): ", "", each.strip()) for each in messages])


def test_the_end_and_videos(tmp_path, library):
    from empycustom.session.documents import SLOW

    lost = "from gi.repository import Gst\ndef process_ip(b, m, o):\n    b.pts = Gst.CLOCK_TIME_NONE\n"
    slow = f"{GOOD}def stop(options):\n    __import__('time').sleep(1)\n"
    # Ctrl-C while a call hangs.
    stuck = "import os, signal, time\ndef process_ip(b, m, o):\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(1000)\n"
    late = f"import time\n{GOOD.replace('return', 'time.sleep(0.4); return')}"
    live = {"input": {"live-source": True}, "empycustom": {"custom-lib": str(library(late, "late.py")), "in-place": True}}
    (tmp_path / "live.json").write_text(json.dumps({"pipeline_configuration": live}))
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    made = f"videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48 ! jpegenc ! filesink location={tmp_path / 'a.mjpeg'}"
    short = made.replace("jpegenc", "jpegenc ! avimux").replace("a.mjpeg", "short.avi")
    for line in (made, short, made.replace("a.mjpeg", "b.mjpeg").replace("width=64", "width=32")):
        subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True)
    commands = [
        (GOOD, 0, "a.mjpeg", "b.mjpeg", "--save", "c.mp4"),
        (GOOD, 1, "test", "--frames", "50", "--save", "full.mp4"),
        (lost, 1, "test", "--frames", "5", "--save", "a.mkv"),
        (GOOD, 0, "a.mjpeg", "--save", "a.avi"),
        (GOOD, 1, "a.mjpeg", "--start", "1:20"),
        (GOOD, 1, "short.avi", "--start", "0.09"),
        ("", 0, "live.json", "--source", "test", "--frames", "4"),
        (GOOD, 1, "test", "--show"),
        (slow, 0, "test", "--frames", "1", "--grace", "0.2"),
        (stuck, 130, "test", "--save", "b.mp4", "--grace", "0.2"),
    ]
    messages = [SLOW]  # tests/app/test_command_slow_readers.py provokes it, with a camera
    unreachable = {**os.environ, "DISPLAY": ":4242", "WAYLAND_DISPLAY": ""}
    for source, code, *words in commands:
        lib = ["--lib", str(library(source))] if source else []
        command = [sys.executable, "-m", "empycustom", "run", *words, *lib, "--quiet"]
        done = subprocess.run(command, cwd=tmp_path, env=unreachable, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        messages += re.findall("^empycustom: (?:error|warning): (.*)", done.stderr, re.MULTILINE)
    compare(
        "The end, and videos", [text for text in messages if not text.startswith(("No space left", "Error while", "Could not"))]
    )


def test_in_a_program(monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "_GRACE_S", 0.3)
    monkeypatch.setattr(attach, "_GRACE_S", 0.3)
    for name in ("a.mp4", "b.mp4"):
        Path(name).write_bytes(b"nothing" * 100)
    refused = [
        lambda: empycustom.process(5),
        lambda: empycustom.process(np.zeros((2, 2, 3), np.uint8)),
        lambda: list(empycustom.process([5])),
        lambda: list(empycustom.process(["a.mp4", "b.mp4"])),
        lambda: empycustom.process("test", on_error="ignore"),
        lambda: empycustom.process("test", workers=-1),
        lambda: empycustom.process("test", reload="yes"),
        lambda: empycustom.process("test", ["a.py", "b.py"], options=[None]),
        lambda: empycustom.attach(None, late),
        lambda: empycustom.attach(pad_with("audio/x-raw"), late),
        lambda: empycustom.attach(pad_with("video/x-raw"), make),
    ]
    free, begun, messages = threading.Event(), threading.Event(), []

    def late(_buffer, in_meta, _options):
        if in_meta["frame"][0]["frame_num"]:
            begun.set()
            free.wait(60)

    def make(buffer, _in_meta, _options):
        return buffer, None

    make.__name__ = "process"
    for call in refused:
        with pytest.raises((SourceError, PropertyError, FrameError, LibraryError)) as caught:
            call()
        messages.append(str(caught.value))

    results = empycustom.process("test", late)
    next(results)
    assert begun.wait(60)
    with pytest.raises(LaunchError) as caught:
        results.close()
    pipeline = Gst.parse_launch("videotestsrc ! video/x-raw,format=RGB ! fakesink name=end")
    empycustom.attach(pipeline.get_by_name("end").get_static_pad("sink"), late)
    begun.clear()
    pipeline.set_state(Gst.State.PLAYING)
    assert begun.wait(60)
    attach._close_all()  # as at the end of the program
    free.set()
    pipeline.set_state(Gst.State.NULL)
    compare("In a program", [*messages, str(caught.value), caplog.messages[-1]])


def pad_with(caps):
    pad = Gst.Pad.new("pad", Gst.PadDirection.SRC)
    pad.set_active(True)
    pad.push_event(Gst.Event.new_stream_start("id"))
    pad.push_event(Gst.Event.new_caps(Gst.Caps.from_string(caps)))
    return pad
