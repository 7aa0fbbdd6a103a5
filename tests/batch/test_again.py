"""A batch that is ended in the middle, and started again: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from batch_helpers import OBJECTS, rows

# Of 5.mkv to 9.mkv it waits for a file, so that a batch is in the middle as long as a test wants.
WAITS = OBJECTS.replace(
    "    box",
    """    import os, time
    while in_meta["frame"][0]["source"][-6] == "/" and in_meta["frame"][0]["source"][-5] >= "5" and not os.path.exists("go"):
        time.sleep(0.02)
    box""",
    1,
)
CHILDREN = WAITS.replace("import os, time", "import os, subprocess, time; number or subprocess.Popen(['sleep', '321'], stdout=2)")
HANGS = """
import ctypes, pathlib
def process_ip(buffer, in_meta, options):
    pathlib.Path(options["mark"]).touch()
    ctypes.PyDLL(None).sleep(300)  # holds the GIL
"""


@pytest.fixture
def begin(env_with, tmp_path):
    """Start the command in a process, which is ended after the test."""

    @contextmanager
    def start(*arguments):
        command = [sys.executable, "-m", "empycustom", "batch", *map(str, arguments)]
        process = subprocess.Popen(
            command, env=env_with(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    return start


def wait_for(what, timeout_s=60):
    """Wait until something is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def family(pid):
    """Return the processes below one."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has ended meanwhile
            for child in path.read_text().split():
                found += [int(child), *family(int(child))]
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def done_in(out):
    """Return how many videos are in the journal."""
    journal = out / "journal.jsonl"
    return len(journal.read_text().splitlines()) if journal.exists() else 0


def contents(out):
    """Return all rows of a data set."""
    frames = rows(f"SELECT right(video, 6), * EXCLUDE (video, timestamp) FROM '{out}/frames/*.parquet' ORDER BY 1, frame_num")
    objects = rows(f"SELECT right(video, 6), * EXCLUDE (video) FROM '{out}/objects/*.parquet' ORDER BY ALL")
    return frames, objects


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_it_goes_on(batch, begin, library, videos, tmp_path, number):
    folder, lib, out, go = videos(12), library(CHILDREN), tmp_path / "results", tmp_path / "go"
    go.touch()
    assert batch(folder, "--lib", lib, "--out", tmp_path / "undisturbed").returncode == 0
    go.unlink()
    arguments = (folder, "--lib", lib, "--out", out, "--jobs", 2)
    with begin(*arguments) as process:
        wait_for(lambda: done_in(out) >= 3)
        below = family(process.pid)
        assert len(below) >= 4  # two processes, and what the library has started in each
        process.send_signal(number)
        _, said = process.communicate(timeout=60)  # the videos and the children last longer
    wait_for(lambda: not any(map(is_alive, below)))
    done = done_in(out)
    assert 3 <= done < 12
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 130, said
        assert rows(f"SELECT state, count(*) FROM '{out}/videos.parquet' GROUP BY 1") == [("done", done)]
        assert len([*(out / "frames").iterdir()]) == done
    before = {file.name: file.stat().st_mtime_ns for file in (out / "frames").glob("[!.]*")}
    go.touch()
    again = batch(*arguments)
    assert again.returncode == 0, again.stderr
    assert f"Videos finished before: {done}; left: {12 - done}." in again.stderr
    assert contents(out) == contents(tmp_path / "undisturbed")
    after = {file.name: file.stat().st_mtime_ns for file in (out / "frames").iterdir()}
    kept = sum(after[name] == when for name, when in before.items())
    assert kept >= done
    assert done_in(out) == 12


def test_ctrl_c_ends_libraries_that_hang(begin, library, videos, tmp_path):
    mark = tmp_path / "mark"
    options = json.dumps({"mark": str(mark)})
    with begin(videos(3), "--lib", library(HANGS), "--options", options, "--out", tmp_path / "results", "--jobs", 2) as process:
        wait_for(mark.exists)
        below = family(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)  # a call lasts five minutes
    assert process.returncode == 130, said
    wait_for(lambda: not any(map(is_alive, below)))
    assert "0 videos done" in said
    assert "Traceback" not in said


def test_two_batches_on_one_folder(batch, begin, library, videos, tmp_path):
    arguments = (videos(20), "--lib", library(WAITS), "--out", tmp_path / "results")
    with begin(*arguments) as process:
        wait_for(lambda: done_in(tmp_path / "results") >= 1)
        for more in ([], ["--force"]):
            second = batch(*arguments, *more)
            assert second.returncode == 1
            said = f"--out {tmp_path / 'results'}: another batch works on it; wait for its end, or give another folder."
            assert second.stderr.strip() == f"empycustom: error: {said}"
        (tmp_path / "go").touch()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert rows(f"SELECT count(*) FROM '{tmp_path}/results/frames/*.parquet'") == [(200,)]


def test_what_a_killed_batch_has_left_before_its_first_file_is_no_obstacle(batch, library, videos, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / ".lock").touch()
    (tmp_path / "results" / ".batch.json.tmp").write_text('{"ab')
    assert batch(videos(1), "--lib", library(OBJECTS), "--out", tmp_path / "results").returncode == 0


CUTS = {
    "a_table_is_gone": lambda out: next((out / "frames").iterdir()).unlink(),
    "a_table_is_cut_off": lambda out: os.truncate(next((out / "objects").iterdir()), 100),
    "the_last_line_is_cut_off": lambda out: os.truncate(out / "journal.jsonl", (out / "journal.jsonl").stat().st_size - 20),
    "a_line_is_nonsense": lambda out: (out / "journal.jsonl").write_text(
        "\n".join(['{"video"', "[]", '{"video": 1}', *(out / "journal.jsonl").read_text().splitlines()[1:]])
    ),
}


@pytest.mark.parametrize("what", CUTS)
def test_what_is_damaged_is_worked_on_again(batch, library, videos, tmp_path, what):
    out = tmp_path / "results"
    arguments = (videos(3), "--lib", library(OBJECTS), "--out", out)
    assert batch(*arguments).returncode == 0
    whole = contents(out)
    CUTS[what](out)
    again = batch(*arguments)
    assert again.returncode == 0, again.stderr
    assert "Videos finished before: 2; left: 1." in again.stderr
    warning = "files of 1 video are gone or cut off; what SOURCE names of them is worked on again: "
    assert (warning in again.stderr) == what.startswith("a_table")
    assert contents(out) == whole
    assert sorted(json.loads(line)["video"][-5:] for line in (out / "journal.jsonl").read_text().splitlines()) == [
        "0.mkv",
        "1.mkv",
        "2.mkv",
    ]
    assert "left: 0." in batch(*arguments).stderr


def test_a_mark_that_is_cut_off(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    arguments = (videos(1), "--lib", library(OBJECTS), "--out", out)
    assert batch(*arguments).returncode == 0
    for text in ('{"empyc', "[]", '{"about": 3}'):
        (out / "batch.json").write_text(text)
        ended = batch(*arguments)
        assert ended.returncode == 1
        assert f"--out {out}: batch.json " in ended.stderr
        assert "give another folder." in ended.stderr
        assert "Traceback" not in ended.stderr


def test_files_of_others_in_the_folders_of_tables_stay(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    arguments = (videos(1), "--lib", library(OBJECTS), "--out", out)
    assert batch(*arguments).returncode == 0
    (out / "frames" / "notes.txt").write_text("mine")
    (out / "frames" / "plots").mkdir()
    assert batch(*arguments).returncode == 0
    assert batch(*arguments, "--force").returncode == 0
    assert (out / "frames" / "notes.txt").read_text() == "mine"
    assert (out / "frames" / "plots").is_dir()


def test_the_lock_ends_with_the_process(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    assert batch(videos(1), "--lib", library(OBJECTS), "--out", out).returncode == 0
    with (out / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_process_that_gives_out_videos_keeps_no_files_of_those_that_crash(begin, library, videos, tmp_path):
    out = tmp_path / "results"
    lib = library("import os\ndef process_ip(buffer, in_meta, options):\n    os.abort()\n")
    counts = []
    with begin(videos(12), "--lib", lib, "--out", out, "--jobs", 1) as process:
        for done in range(2, 11, 2):
            wait_for(lambda done=done: done_in(out) >= done)
            counts.append(len(os.listdir(f"/proc/{process.pid}/fd")))
        process.communicate(timeout=60)
    assert process.returncode == 1
    assert max(counts[1:]) <= counts[0] + 4  # one process more, at its start
