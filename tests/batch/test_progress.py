"""What a batch shows while it works: bars on a terminal, lines elsewhere, nothing on stdout."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress

import pytest

LIBRARY = """
import time
def process_ip(buffer, in_meta, options):
    frame = in_meta["frame"][0]
    time.sleep(0.1)
    if frame["source"].endswith("1.mkv") and frame["frame_num"] == 8:
        print("a line of the library")
        raise ValueError("no ball")
"""


@pytest.fixture
def on_terminal(env_with, tmp_path):
    """Run the command with a terminal as stderr; return its exit code, stdout, and what came to the terminal."""

    def run(*arguments, columns=100, term="xterm"):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        command = [sys.executable, "-m", "empycustom", "batch", *map(str, arguments)]
        said = b""
        with subprocess.Popen(
            command, env={**env_with(), "TERM": term}, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs
        ) as process:
            os.close(theirs)
            with suppress(OSError):  # it has been closed at the other end
                while data := os.read(ours, 1 << 16):
                    said += data
            os.close(ours)
            stdout = process.stdout.read()
        return process.returncode, stdout, said.decode()

    return run


def screen(said):
    """Return the lines of a terminal that never scrolls."""
    lines, row, column = {}, 0, 0
    for each in re.findall(r"\x1b\[A|[^\x1b]", said):
        if each == "\x1b[A":
            row -= 1
        elif each == "\r":
            column = 0
        elif each == "\n":
            row += 1
        else:
            lines.setdefault(row, {})[column] = each
            column += 1
    texts = ("".join(lines[row].get(column, " ") for column in range(max(lines[row]) + 1)).rstrip() for row in sorted(lines))
    return [text for text in texts if text]


def test_bars_on_a_terminal(on_terminal, library, videos, tmp_path):
    code, stdout, said = on_terminal(videos(3), "--lib", library(LIBRARY), "--out", tmp_path / "results", "--jobs", 2)
    assert (code, stdout) == (1, b"")
    assert re.search(r"all: .* [0-9]+/3 \[.* failed\]", said)
    for number in range(3):
        assert re.search(rf"\n\rvideos/{number}\.mkv: .* [0-9]+/10 \[.* frames/s\]", said)
    left = screen(said)
    assert left.count("a line of the library") == 1
    left.remove("a line of the library")  # it stands there before the error, or soon after
    assert re.fullmatch(
        r"empycustom: error: .*/1\.mkv: .*lib\.py:8: process_ip raised ValueError: no ball at frame 8 .*", left[0]
    )
    assert left[1] == "Traceback (most recent call last):"
    assert re.fullmatch(r"2 videos done, 1 failed: 20 frames .*", left[-1])
    assert not any("[00:" in line for line in left)  # the bars are gone


def test_while_the_bars_are_there_lines_stand_above_them(on_terminal, library, videos, tmp_path):
    _, _, said = on_terminal(videos(3), "--lib", library(LIBRARY), "--out", tmp_path / "results", "--jobs", 2)
    until = said[: said.index("ValueError: no ball at frame") + 2000]
    shown = screen(until[: until.rindex("frames/s]") + len("frames/s]")])
    bars = [index for index, line in enumerate(shown) if re.match(r"(all|videos/[0-9]\.mkv): ", line)]
    above = [index for index, line in enumerate(shown) if "no ball" in line or "of the library" in line]
    assert above
    assert max(above) < min(bars)


def test_nothing_with_quiet(on_terminal, library, videos, tmp_path):
    source = LIBRARY.replace("1.mkv", "none")
    code, stdout, said = on_terminal(videos(1), "--lib", library(source), "--out", tmp_path / "results", "--quiet")
    assert (code, stdout, said) == (0, b"", "")


def test_lines_without_a_terminal(batch, library, videos, tmp_path):
    source = "import time\ndef process_ip(b, m, o):\n    time.sleep(2.5)\n"
    began = time.monotonic()
    ended = batch(videos(1), "--lib", library(source), "--out", tmp_path / "results")
    *lines, last = ended.stderr.splitlines()
    assert 2 <= len(lines) <= (time.monotonic() - began) / 10, "one every ten seconds"
    assert {*lines} == {"0 of 1 videos, 1 under way: 0 frames a second"}
    assert last.startswith("1 video done: 10 frames")
    assert "\r" not in ended.stderr


@pytest.mark.parametrize("terminal", [{"columns": 0}, {"term": "dumb"}], ids=str)
def test_a_terminal_that_takes_no_bars_gets_lines(on_terminal, library, videos, tmp_path, terminal):
    """A serial line has no size, with which bars are empty."""
    slow = library(LIBRARY.replace("0.1", "0.6"))
    code, _, said = on_terminal(videos(2), "--lib", slow, "--out", tmp_path / "results", "--jobs", 1, **terminal)
    assert code == 1
    assert re.search(r"^[01] of 2 videos, 1 under way: \d+ frames a second\r$", said, re.MULTILINE), said
    assert "\x1b" not in said
