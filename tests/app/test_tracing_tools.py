"""Debuggers, coverage and profilers see what a library does in the threads of GStreamer."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_helpers import LIB, TIMEOUT_S, wait_for
from dap import Editor

from ports import free_port

LIBRARY = """\
import helper

calls = 0


def start(options):
    global calls
    calls = 0


def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    if calls > 1:
        doubled = helper.double(calls)
    else:
        doubled = 0
    return {"frame": [{"meta": {"calls": calls, "doubled": doubled}}]}


def stop(options):
    helper.double(calls)
"""
LINE = LIBRARY.splitlines().index("        doubled = helper.double(calls)") + 1
HELPER = "def double(number):\n    twice = 2 * number\n    return twice\n"
CALLBACK = "def update(signal):\n    found = signal['frame'][0]\n    return [{'number': found['frame_num']}], ''\n"
PIPELINE = "videotestsrc num-buffers=5 ! video/x-raw,format=RGBA ! empycustom custom-lib=lib.py in-place=true ! fakesink"
COMMANDS = {
    "run": "run test --lib lib.py --frames 5 --out out.jsonl",
    "check": "check lib.py",
    "launch": f"launch {PIPELINE}",
}
# Set a function for all threads, as a profiler does, and print the functions of the library that it gets.
PROFILER = """\
import sys, threading

import empycustom.app.main

seen = set()


def see(frame, event, _argument):
    if event == "call" and frame.f_code.co_filename.endswith("/lib.py"):
        seen.add(frame.f_code.co_name)


threading.setprofile(see)
code = empycustom.app.main.main(sys.argv[1:])
print(*sorted(seen), file=sys.stderr)
sys.exit(code)
"""
# Tracing begins while a stream plays; the handler of a signal is traced, too.
LATER = """\
import sys, threading

import empycustom
from empycustom.gstreamer import Gst

empycustom.register()
seen, counted = set(), threading.Semaphore(0)


def see(frame, _event, _argument):
    seen.add(frame.f_code.co_name)


def hear(_element, _document):
    counted.release()


pipeline = Gst.parse_launch(
    "videotestsrc is-live=true ! video/x-raw,format=RGBA,framerate=100/1 ! "
    "empycustom custom-lib=lib.py in-place=true ! aimeta name=documents ! fakesink"
)
pipeline.get_by_name("documents").connect("new-meta", hear)
pipeline.set_state(Gst.State.PLAYING)
counted.acquire()
threading.settrace(see)
while counted.acquire(blocking=False):  # what came before
    pass
for _ in range(10):
    counted.acquire()
threading.settrace(None)
pipeline.set_state(Gst.State.NULL)
print(*sorted(seen & {"process_ip", "double", "hear"}))
"""
NO_SPEED = {"EMPYCUSTOM_FAST_PATH": "off"}


@pytest.fixture
def python(env, tmp_path, library):
    """Run Python in a folder with the library and its module."""
    library(LIBRARY)
    library(HELPER, "helper.py")

    def run(*words, **extra):
        command = [sys.executable, *map(str, words)]
        return subprocess.run(
            command, env={**env, **extra}, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    return run


@pytest.mark.parametrize("speed", [{}, NO_SPEED], ids=["fast path", "slow path"])
@pytest.mark.parametrize("command", COMMANDS)
def test_coverage_sees_every_line(command, speed, python):
    done = python("-m", "coverage", "run", "--source=.", "-m", "empycustom", *COMMANDS[command].split(), **speed)
    assert done.returncode == 0, done.stderr
    told = python("-m", "coverage", "report", "-m")
    assert [line.split()[0::3] for line in told.stdout.splitlines()[2:4]] == [["helper.py", "100%"], ["lib.py", "100%"]], told


def test_coverage_sees_the_callback_of_a_configuration(python, configured, library):
    source = configured({"empycustom": LIB}, callback=CALLBACK)
    library(LIBRARY)
    done = python("-m", "coverage", "run", "--source=.", "-m", "empycustom", "run", source, "--source", "test", "--frames", 3)
    assert done.returncode == 0, done.stderr
    told = python("-m", "coverage", "report", "-m")
    assert [line.split()[3] for line in told.stdout.splitlines()[2:5]] == ["100%"] * 3, told.stdout


def test_a_profile_function_is_called(python, tmp_path):
    (tmp_path / "profile_all.py").write_text(PROFILER)
    done = python("profile_all.py", *COMMANDS["run"].split())
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].split() == ["process_ip", "start", "stop"]


@pytest.mark.parametrize("speed", [{}, NO_SPEED], ids=["fast path", "slow path"])
def test_who_begins_to_trace_while_a_stream_plays_sees_it(speed, python, tmp_path):
    (tmp_path / "later.py").write_text(LATER)
    done = python("later.py", **speed)
    assert done.stdout.split() == ["double", "hear", "process_ip"], done.stderr


@pytest.fixture
def debugged(env, tmp_path, library):
    """Start a command under debugpy, and return it with an editor that is connected."""
    path = library(LIBRARY)
    library(HELPER, "helper.py")
    port = free_port()
    ended = []

    def start(*words, listen=(), **extra):
        command = [sys.executable, "-Xfrozen_modules=off", "-m", "debugpy", "--listen", f"127.0.0.1:{port}", *listen, *words]
        child = subprocess.Popen(
            list(map(str, command)), env={**env, **extra}, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        editor = Editor(port, TIMEOUT_S)
        ended.append((child, editor))
        return child, editor, path

    yield start
    for child, editor in ended:
        editor.close()
        child.kill()
        child.communicate()


@pytest.mark.parametrize("speed", [{}, NO_SPEED], ids=["fast path", "slow path"])
def test_a_breakpoint_of_an_editor_stops_a_callback(speed, debugged):
    child, editor, path = debugged("-m", "empycustom", *COMMANDS["run"].split(), listen=["--wait-for-client"], **speed)
    editor.attach(path, LINE)

    assert editor.at_breakpoint("calls") == ("process_ip", LINE, "2")
    editor.go_on()
    _, err = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 0
    assert "settrace" not in err


def test_an_editor_that_attaches_to_a_stream_that_plays(debugged, tmp_path):
    child, editor, path = debugged("-m", "empycustom", "run", "test", "--lib", "lib.py", "--out", "out.jsonl")
    out = tmp_path / "out.jsonl"
    wait_for(lambda: out.exists() and out.stat().st_size, "a document")
    editor.attach(path, LINE)

    function, line, calls = editor.at_breakpoint("calls")
    assert (function, line) == ("process_ip", LINE)
    assert int(calls) > 1
    editor.go_on()
    child.terminate()
    child.communicate(timeout=TIMEOUT_S)
    assert child.returncode == 130
