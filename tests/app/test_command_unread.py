"""stdout that nobody reads (`| head -1`), and one that cannot be written: no traceback, and the exit code of what was done."""

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
