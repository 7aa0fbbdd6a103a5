"""`breakpoint()` in a callback, on a terminal: commands are typed, and the debugger is left."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys
import termios
import time

import pytest
from command_helpers import TIMEOUT_S

LIBRARY = """\
import time

calls = 0


def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    time.sleep(0.02)
    if calls == 20:
        breakpoint()
        calls += 100
    return {"frame": {"calls": calls}}


def stop(options):
    print("stopped")
"""
STARTS = LIBRARY.replace("calls = 0\n", "calls = 0\n\n\ndef start(options):\n    breakpoint()\n    options.clear()\n")
PROMPT = "(Pdb) "
# q asks once more from Python 3.14 on.
QUIT = ["q", "y"] if sys.version_info >= (3, 14) else ["q"]
# From Python 3.13 on it stops at the call of breakpoint(), not behind it.
LINES_BEHIND = ["calls += 100", "return"] if sys.version_info >= (3, 13) else ["return"]


class Terminal:
    """A command on its own terminal."""

    def __init__(self, words, env, folder):
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.execve(words[0], words, env)
        self.text = ""  # what it has shown
        self._read = 0  # up to here it was waited for

    def see(self, wanted):
        """Wait until it shows a text, behind what was waited for before."""
        until = time.monotonic() + TIMEOUT_S
        while (found := self.text.find(wanted, self._read)) < 0:
            assert time.monotonic() < until, f"{wanted!r} does not come: {self.text}"
            assert self._hear(), f"{wanted!r} did not come: {self.text}"
        self._read = found + len(wanted)

    def watch(self, seconds):
        """See what it shows for a while."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._hear(left)

    def type(self, *lines):
        for index, line in enumerate(lines):
            if index:
                self.see("[y/n]")
            os.write(self._terminal, f"{line}\n".encode())

    def press(self, key):
        os.write(self._terminal, key)

    @property
    def echoes(self):
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def end(self):
        """Wait for the end; return the exit code."""
        until = time.monotonic() + TIMEOUT_S
        while self._hear():
            assert time.monotonic() < until, f"it does not end: {self.text}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _hear(self, patience_s=1.0):
        poll = select.poll()
        poll.register(self._terminal, select.POLLIN)
        if not poll.poll(1000 * patience_s):
            return True
        try:
            heard = os.read(self._terminal, 65536)
        except OSError:  # how a terminal says that nobody has it any more
            return False
        self.text += heard.decode(errors="replace").replace("\r\n", "\n")
        return bool(heard)


@pytest.fixture
def on_terminal(env, tmp_path, library):
    library(LIBRARY)
    begun = []

    def start(*words, command=(sys.executable, "-m", "empycustom"), **extra):
        begun.append(Terminal([*command, *words], {**env, "TERM": "dumb", **extra}, tmp_path))
        return begun[-1]

    yield start
    for terminal in begun:
        os.close(terminal._terminal)


def calls_in(path):
    return [json.loads(line)["frame"][0]["emcustom"]["calls"] for line in path.read_text().splitlines()]


def test_run_goes_on_behind_a_breakpoint(on_terminal, tmp_path):
    terminal = on_terminal("run", "test", "--lib", "lib.py", "--frames", "22", "--out", "out.jsonl")
    terminal.see(PROMPT)
    terminal.type("p calls * 1000")
    terminal.see("20000\n")
    terminal.see(PROMPT)
    time.sleep(1)  # the progress bar would come now
    for line in LINES_BEHIND:
        terminal.type("n")
        terminal.see(f"-> {line}")
        terminal.see(PROMPT)
    terminal.type("c")

    assert terminal.end() == 0, terminal.text
    asked = terminal.text.partition("lib.py(")[2].partition("(Pdb) c\n")[0]
    assert "frames/s" not in asked, "a debugger has the terminal for itself"
    assert "frames/s" in terminal.text
    assert calls_in(tmp_path / "out.jsonl") == [*range(1, 20), 120, 121, 122]


def test_stdout_keeps_the_documents(on_terminal, tmp_path):
    shell = ["/bin/sh", "-c", f"'{sys.executable}' -m empycustom run test --lib lib.py --frames 22 > out.jsonl"]
    terminal = on_terminal(*shell[1:], command=shell[:1])
    terminal.see(PROMPT)
    terminal.type("c")

    assert terminal.end() == 0, terminal.text
    assert calls_in(tmp_path / "out.jsonl") == [*range(1, 20), 120, 121, 122]


@pytest.mark.parametrize("word", ["q", "exit()", "\x04"], ids=["q", "exit()", "Ctrl-D"])
def test_leaving_the_debugger_ends_the_stream_well(word, on_terminal, tmp_path, frames_in):
    terminal = on_terminal("run", "test", "--lib", "lib.py", "--out", "out.jsonl", "--save", "video.mp4")
    terminal.see(PROMPT)
    if word == "\x04":
        terminal.press(b"\x04")
        if len(QUIT) > 1:
            terminal.see("[y/n]")
            terminal.type("y")
    elif word == "q":
        terminal.type(*QUIT)
    else:
        terminal.type(word)

    assert terminal.end() == 130, terminal.text
    said = r"lib\.py:1[12]: the debugger was left in process_ip at frame 19 \(0:00:00\.633\); the stream ends\n"
    assert re.search(said, terminal.text)
    assert "Traceback" not in terminal.text
    assert terminal.text.count("stopped\n") == 1
    assert calls_in(tmp_path / "out.jsonl") == [*range(1, 20)]
    assert frames_in(tmp_path / "video.mp4") == 19


def test_leaving_it_where_it_was_stepped_out_of_the_callback(on_terminal):
    terminal = on_terminal("run", "test", "--lib", "lib.py", "--quiet", "--out", "out.jsonl")
    for line in ("n", "n", "n", "n", "n"):
        terminal.see(PROMPT)
        terminal.type(line)
    terminal.see(PROMPT)
    terminal.type(*QUIT)

    assert terminal.end() == 130, terminal.text
    assert "the debugger was left; the stream ends\n" in terminal.text.lower()
    assert "defect" not in terminal.text


@pytest.mark.parametrize("command", ["run", "launch", "check"])
def test_every_command_ends_where_the_debugger_is_left(command, on_terminal):
    words = {
        "run": "run test --lib lib.py --quiet --out out.jsonl",
        "launch": "launch videotestsrc ! empycustom custom-lib=lib.py in-place=true ! fakesink",
        "check": "check lib.py --repeat 20",
    }
    terminal = on_terminal(*words[command].split())
    terminal.see(PROMPT)
    terminal.type(*QUIT)

    assert terminal.end() == 130, terminal.text
    assert "the debugger was left in process_ip" in terminal.text
    assert "Traceback" not in terminal.text


def test_leaving_it_in_start(on_terminal, library, tmp_path):
    library(STARTS)
    terminal = on_terminal("run", "test", "--lib", "lib.py", "--quiet", "--save", "video.mp4")
    terminal.see(PROMPT)
    terminal.type(*QUIT)

    assert terminal.end() == 130, terminal.text
    assert re.search(r"lib\.py:[78]: the debugger was left in start; the stream ends\n", terminal.text)
    assert "error" not in terminal.text


def test_ctrl_c_lets_the_debugger_be_left(on_terminal):
    terminal = on_terminal("run", "test", "--lib", "lib.py", "--grace", "3", "--out", "out.jsonl")
    terminal.see(PROMPT)
    terminal.press(b"\x03")
    terminal.see("q ends the stream. Ctrl-C once more ends it at once.")
    time.sleep(3.5)  # more than the end may take otherwise
    terminal.type("c")

    assert terminal.end() == 130, terminal.text
    assert "stopped\n" in terminal.text
    assert "does not stop" not in terminal.text


def test_a_second_ctrl_c_leaves_the_terminal_as_it_was(on_terminal):
    line = f"trap : INT; '{sys.executable}' -m empycustom run test --lib lib.py --out out.jsonl; echo code $?; read line"
    shell = ["/bin/sh", "-c", line]
    terminal = on_terminal(*shell[1:], command=shell[:1], TERM="xterm")
    terminal.see(PROMPT)
    terminal.press(b"\x03")
    terminal.see("Ctrl-C once more")
    terminal.press(b"\x03")
    terminal.see("a debugger waits for input in a callback")
    terminal.see("code 130\n")
    assert terminal.echoes
    terminal.type("")
    terminal.end()


def test_two_threads_ask_one_after_the_other(on_terminal, configured, library):
    streams = [{"stream_id": name, "location": "test"} for name in "ab"]
    name = configured({"empycustom": {"custom-lib": "lib.py", "in-place": "true"}}, streams=streams)
    library(LIBRARY.partition("\n\ndef stop")[0])  # of the first stream, which may end while the second one asks
    terminal = on_terminal("run", name, "--frames", "21", "--out", "out.jsonl", TERM="dumb")
    for _ in range(2):
        terminal.see(PROMPT)
        terminal.watch(0.5)
        assert terminal.text.endswith(PROMPT), "nobody else asks, or says anything, meanwhile"
        terminal.type("c")

    assert terminal.end() == 0, terminal.text


def test_pythonbreakpoint_turns_it_off(on_terminal):
    terminal = on_terminal("run", "test", "--lib", "lib.py", "--frames", "22", "--out", "out.jsonl", PYTHONBREAKPOINT="0")
    assert terminal.end() == 0, terminal.text
    assert "Pdb" not in terminal.text


def test_under_gst_launch(on_terminal, gst_env, tmp_path):
    line = "gst-launch-1.0 -q videotestsrc ! empycustom custom-lib=lib.py in-place=true ! fakesink"
    terminal = on_terminal(*line.split()[1:], command=["/usr/bin/env", "gst-launch-1.0"], **gst_env)
    terminal.see(PROMPT)
    terminal.type("p calls * 1000")
    terminal.see("20000\n")
    terminal.type(*QUIT)

    assert terminal.end() == 0, terminal.text
    assert "stopped\n" in terminal.text


TRACER = "import sys\n\ndef trace(frame, event, argument):\n    raise ValueError('no')\n\n"


@pytest.mark.parametrize("callback", ["start(options)", "process_ip(b, m, o)"])
@pytest.mark.parametrize("words", ["run test --frames 3 --lib", "check"])
def test_a_trace_function_that_raises_is_a_mistake_of_the_library(words, callback, cli, library):
    source = f"{TRACER}def process_ip(b, m, o):\n    pass\n\ndef {callback}:\n    sys.settrace(trace)\n"
    ended = cli(*words.split(), library(source))
    assert ended.code == 1
    assert "lib.py:4: ValueError: no, raised by what Python calls besides the callbacks (given to sys.settrace" in ended.err
    assert "defect" not in ended.err
