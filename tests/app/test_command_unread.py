"""stdout and stderr without a reader (`| head -1`), or that cannot be written: no traceback, and the exit code of the command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from command_helpers import SAYS, SRC, TIMEOUT_S

COMMANDS = [
    ["--help"],
    ["--version"],
    ["run", "--help"],
    ["schema"],
    ["doctor"],
    ["plugin-path"],
    ["new", "new.py"],
    ["check", "lib.py"],
    ["run", "test", "--lib", "lib.py", "--dry-run"],
    ["run", "emi_stream_config.json", "--source", "test", "--dry-run"],
    ["launch", "videotestsrc", "num-buffers=2", "!", "fakesink"],
]
PRINTS = """\
import os

print("imported", flush=True)


def process_ip(io_buffer, in_meta, options):
    print("called", flush=True)
    os.write(1, b"by descriptor\\n")
    return [{"a": 1}]
"""


@pytest.fixture
def run_into(env, tmp_path):
    """Run a command whose stdout is a descriptor; return its exit code and what is on stderr."""

    def run(stdout, words, **extra):
        command = [sys.executable, "-m", "empycustom", *words]
        done = subprocess.run(
            command, env={**env, **extra}, cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S
        )
        return done.returncode, done.stderr

    return run


@pytest.fixture
def unread():
    """A pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_nobody_reads(run_into, unread, configured, words, unbuffered):
    configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}})

    assert run_into(unread, words, PYTHONUNBUFFERED=unbuffered) == (0, "")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_an_error(run_into, configured, words):
    configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}})
    with open("/dev/full", "w") as full:
        code, said = run_into(full, words, PYTHONUNBUFFERED="")

    assert (code, said) == (1, "empycustom: error: stdout cannot be written (No space left on device); it is incomplete.\n")


@pytest.mark.parametrize("words", [["check", "raises.py"], ["doctor"], ["run", "two.json", "--dry-run"]], ids=" ".join)
def test_what_is_wrong_is_in_the_exit_code_although_nobody_reads(run_into, unread, library, tmp_path, words):
    library("def process_ip(b, m, o): 1 / 0\n", "raises.py")
    library("raise ImportError('broken on purpose')\n", "tqdm.py")
    library(SAYS)
    streams = '[{"stream_id": "a", "location": "test"}, {"stream_id": "b", "location": "nope.mp4"}]'
    pipeline = '{"empycustom": {"custom-lib": "lib.py"}}'
    (tmp_path / "two.json").write_text(f'{{"pipeline_configuration": {pipeline}, "streams": {streams}}}')
    extra = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{SRC}"} if words == ["doctor"] else {}
    code, said = run_into(unread, words, **extra)

    assert code == 1
    assert "Broken" not in said


def test_what_a_library_prints_while_it_is_checked_is_beside_the_report(cli, run_into, unread, library):
    path = library(PRINTS)
    ended = cli("check", path, "--repeat", 2)

    assert ended.code == 0
    assert ended.err == "imported\n" + "called\nby descriptor\n" * 2
    assert ended.out.startswith(f"{path}: one frame")
    assert run_into(unread, ["check", path, "--repeat", "2"]) == (0, ended.err)


PRINTS_TO_STDERR = """\
import logging
import sys


def process_ip(io_buffer, in_meta, options):
    print("called", file=sys.stderr, flush=True)
    sys.stderr.buffer.write(b"bytes\\n")
    sys.stderr.flush()
    print("before any replacement", file=sys.__stderr__, flush=True)
    logging.warning("logged")
    return [{"a": 1}]
"""
PRINTS_TO_STDOUT = """\
import sys


def process_ip(io_buffer, in_meta, options):
    print("called", flush=True)
    sys.stdout.buffer.write(b"bytes\\n")
    sys.stdout.flush()
    print("before any replacement", file=sys.__stdout__, flush=True)
    return [{"a": 1}]
"""
WITH_PRINTS = [
    (PRINTS_TO_STDERR, "run test --frames 20 --lib lib.py --out o.jsonl"),
    (PRINTS_TO_STDOUT, "run test --frames 20 --lib lib.py --out o.jsonl"),
    (PRINTS_TO_STDERR, "launch videotestsrc num-buffers=20 ! video/x-raw,format=RGBA ! LIB ! aimeta location=o.jsonl ! fakesink"),
    (PRINTS_TO_STDERR, "check lib.py --repeat 20"),
    (PRINTS_TO_STDOUT, "check lib.py --repeat 20"),
]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("reader", ["2>&1 >/dev/null | head -1", "2>/dev/full"])
@pytest.mark.parametrize(("source", "words"), WITH_PRINTS)
def test_a_library_may_print_where_nobody_reads_stderr(env, library, tmp_path, source, words, reader, unbuffered):
    library(source)
    words = words.replace("LIB", "empycustom custom-lib=lib.py in-place=true").replace("!", "'!'")
    line = f"({sys.executable} -m empycustom {words}; echo $? > code) {reader}"
    environment = {**env, "PYTHONUNBUFFERED": unbuffered}
    subprocess.run(["sh", "-c", line], env=environment, cwd=tmp_path, capture_output=True, timeout=TIMEOUT_S, check=False)

    assert (tmp_path / "code").read_text() == "0\n"
    if "o.jsonl" in words:
        assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 20


def test_descriptors_and_children_may_follow(env, library, tmp_path, unread):
    """The first print finds stderr without a reader; later ones can be written, by anything."""
    follows = "    os.write(2, b'by descriptor')\n    subprocess.run(['sh', '-c', 'echo by a child >&2'], check=True)\n"
    library(f"import os, subprocess, sys\n\ndef process_ip(b, m, o):\n    print('called', file=sys.stderr)\n{follows}")
    command = [sys.executable, "-m", "empycustom", "run", "test", "--frames", "3", "--lib", "lib.py", "--out", "o.jsonl"]
    ended = subprocess.run(command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=unread, timeout=TIMEOUT_S)

    assert ended.returncode == 0
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 3


def test_what_a_library_cannot_write_elsewhere_is_its_exception(cli, library):
    ended = cli(
        "run", "test", "--frames", 2, "--lib", library("def process_ip(b, m, o):\n    open('/dev/full', 'w', 1).write('x\\n')\n")
    )

    assert ended.code == 1
    assert "No space left on device" in ended.err


LOGS = """\
import logging


def process_ip(io_buffer, in_meta, options):
    logging.warning("x" * 1000)
    return [{"a": 1}]
"""


@pytest.mark.parametrize("words", [["run", "test"], ["run", "emi_stream_config.json", "--source", "test", "--source", "test"]])
def test_a_stderr_that_is_open_and_not_read_stops_no_stream(env, configured, library, tmp_path, words):
    """As of `2>&1 | less`: messages for which there is no room in the pipe wait, and are dropped in the end."""
    configured({"empycustom": {"custom-lib": "logs.py", "in-place": True}})
    more = ["--lib", "logs.py"] if words == ["run", "test"] else []
    library(LOGS, "logs.py")
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "empycustom", *words, *more, "--frames", "300", "--out", "o.jsonl", "--log-level", "debug"]
    child = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=writing)
    os.close(writing)
    try:
        assert child.wait(TIMEOUT_S) == 0
    finally:
        child.kill()
        os.close(reading)
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 300 * (1 if more else 2)
