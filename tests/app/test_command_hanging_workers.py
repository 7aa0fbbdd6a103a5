"""`empycustom run` with libraries whose `start`, or a call of which, never returns in a worker."""

from __future__ import annotations

import pytest
from command_helpers import wait_for

# The first process is ended by a frame; `start` of the one in its place does not return.
HANGS_AGAIN = """\
import os
import time
from pathlib import Path


def start(options):
    if Path("crashed").exists():
        time.sleep(600)


def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    if number == 3 and not Path("crashed").exists():
        Path("crashed").touch()
        os._exit(1)
    return {"frame": {"n": number}}
"""
HANGS_AT_ONCE = """\
from pathlib import Path


def start(options):
    Path("begun").touch()
    while True: pass


def process_ip(b, m, o):
    pass
"""


def results_of(ended):
    return [document["frame"][0].get("emcustom", {}).get("n") for document in ended.documents]


def test_frames_fail_soon_where_the_start_of_the_only_worker_hangs(cli, library):
    words = ("--workers", 1, "--on-error", "pass", "--call-timeout", 3000, "--frames", 20)
    ended = cli("run", "test", "--lib", library(HANGS_AGAIN), *words)
    assert ended.code == 0, ended.err
    assert results_of(ended) == [0, 1, 2] + [None] * 17
    assert "the worker ended by itself, with exit code 1, in process_ip at frame 3" in ended.err
    place = "lib.py:6: the worker that takes the place of one that died is not ready after 3 s at frame 4"
    assert f"{place} (0:00:00.133): start has not returned; until it is ready, frames fail as on-error says" in ended.err
    assert ended.err.count("warning: ") == 2


@pytest.mark.parametrize("limit", [0, 3000])
def test_a_worker_whose_start_hangs_leaves_all_frames_to_the_others(cli, library, limit):
    words = ("--workers", 2, "--on-error", "pass", "--call-timeout", limit, "--frames", 40)
    ended = cli("run", "test", "--lib", library(HANGS_AGAIN), *words)
    assert ended.code == 0, ended.err
    assert results_of(ended) == [None if number == 3 else number for number in range(40)]
    assert ended.err.count("warning: ") == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_ctrl_c_ends_a_start_that_hangs_and_says_where(begin, library, tmp_path, workers):
    child = begin("run", "test", "--lib", library(HANGS_AT_ONCE), "--workers", workers, "--grace", 600)
    wait_for((tmp_path / "begun").exists, "start")
    child.interrupt()
    ended = child.end()
    assert ended.code == 130
    assert "lib.py:6: the pipeline was stopped while workers started the library (the traceback is below)" in ended.err
    assert "Leaving it behind" not in ended.err


def test_ctrl_c_during_a_call_that_hangs_says_where_and_at_which_frame(begin, library, tmp_path):
    source = (
        'import time\nfrom pathlib import Path\n\n\ndef process_ip(b, m, o):\n    Path("begun").touch()\n    time.sleep(600)\n'
    )
    child = begin("run", "test", "--lib", library(source), "--workers", 1, "--grace", 2)
    wait_for((tmp_path / "begun").exists, "the first frame")
    child.interrupt()
    ended = child.end()
    assert ended.code != 0
    assert "lib.py:7: process_ip had not returned 1 s after the stream had ended at frame 0" in ended.err
    after = ended.err.partition("The call was here (most recent call first):\n")[2].splitlines()
    assert after[0].endswith('lib.py", line 7 in process_ip')
    assert "File" not in "".join(after[1:])
