"""Libraries and disks that fail: they cost one video, or the batch stops and what is done stays."""

from __future__ import annotations

import json
import resource
import subprocess

import duckdb
import pytest
from batch_helpers import OBJECTS, rows


def states(out):
    """Return state, error and traceback of the videos 0.mkv to 3.mkv."""
    found = duckdb.sql(f"SELECT right(video, 5), state, error, traceback FROM '{out}/videos.parquet' ORDER BY 1").fetchall()
    return {name: tuple(rest) for name, *rest in found}


AT_ONE = """
import ctypes, os, resource, signal, sys, time
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["source"].endswith("1.mkv") and in_meta["frame"][0]["frame_num"] == 3:
        {what}
    return {{"frame": {{"seen": True}}}}
"""
ENDS = {
    "raises": ("raise ValueError('no ball')", "no ball"),
    "exits": ("sys.exit(3)", "process_ip raised SystemExit: 3 at frame 3"),
    "memory_error": ("resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2); bytearray(4 << 30)", "MemoryError"),
    "os_exit": ("os._exit(7)", "the process that played it ended by itself, with exit code 7: something called os._exit"),
    "os_exit_0": ("os._exit(0)", "the process that played it ended by itself, with exit code 0"),
    "segfault": (
        "ctypes.string_at(0)",
        "lib.py:5: the process that played it was killed by SIGSEGV in process_ip: code written in C crashed",
    ),
    "abort": ("os.abort()", "lib.py:5: the process that played it was killed by SIGABRT in process_ip"),
    "killed": ("os.kill(os.getpid(), 9)", "was killed by SIGKILL: by the kernel, where memory ran out"),
    # Whether it ends by itself depends on how busy the machine is.
    "closes_all": ("os.closerange(3, 1000); time.sleep(60)", "the process that played it "),
    "child_outlives": ("os.system('sleep 300 & '); os._exit(1)", "ended by itself, with exit code 1"),
    "fork_outlives": ("os.fork() or time.sleep(300); os._exit(1)", "ended by itself, with exit code 1"),
}


@pytest.mark.parametrize("kind", ENDS)
def test_a_library_costs_the_video_at_which_it_fails(batch, library, videos, tmp_path, kind):
    what, error = ENDS[kind]
    out = tmp_path / "results"
    ended = batch(videos(4), "--lib", library(AT_ONE.format(what=what)), "--out", out, "--jobs", 1, "--json")
    assert ended.returncode == 1, ended.stderr
    assert json.loads(ended.stdout)["unclosed"] is None
    assert "libraries share" not in ended.stderr
    found = states(out)
    assert [state for state, _, _ in found.values()] == ["done", "failed", "done", "done"]
    assert error in found["1.mkv"][1]
    assert f"1.mkv: {found['1.mkv'][1]}" in ended.stderr.replace("\n", " ")
    assert rows(f"SELECT count(*) FROM '{out}/frames/*.parquet'") == [(30,)]


def test_where_a_library_segfaults_is_in_the_table(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    ended = batch(videos(2), "--lib", library(AT_ONE.format(what="ctypes.string_at(0)")), "--out", out, "--jobs", 1)
    assert "libraries share" not in ended.stderr
    traceback = states(out)["1.mkv"][2]
    assert 'lib.py", line 5 in process_ip' in traceback
    assert len(traceback.splitlines()) < 8, "neither other threads nor modules in C"
    assert rows(f"SELECT seconds > 0 FROM '{out}/videos.parquet' WHERE state = 'failed'") == [(True,)]


def test_a_library_that_hangs_is_ended_by_timeout(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    source = AT_ONE.format(what="ctypes.PyDLL(None).sleep(300)")  # holds the GIL
    ended = batch(videos(3), "--lib", library(source), "--out", out, "--jobs", 1, "--timeout", 8, timeout=90)
    assert ended.returncode == 1
    assert "libraries share" not in ended.stderr
    state, error, traceback = states(out)["1.mkv"]
    assert (state, error) == ("failed", f"{tmp_path}/lib.py:5: no frame came for 8 s (--timeout): process_ip had not returned")
    assert "empycustom/batch" not in traceback, "nobody needs what called it"
    assert 8 <= rows(f"SELECT seconds FROM '{out}/videos.parquet' WHERE state = 'failed'")[0][0] < 60
    assert 'lib.py", line 5 in process_ip' in traceback
    assert [state for state, _, _ in states(out).values()] == ["done", "failed", "done"]


STARTS = """
def start(options):
    with open(options["starts"], "a+") as file:
        file.write("x")
        file.seek(0)
        if len(file.read()) in options["fails"]:
            raise ValueError("no model")
def process_ip(buffer, in_meta, options):
    return {"frame": {"seen": True}}
"""


def test_a_library_that_cannot_start_stops_the_batch_before_a_video_is_done(batch, library, videos, tmp_path):
    """It is no fault of the videos: it would be the same with all of them."""
    out, starts = tmp_path / "results", tmp_path / "starts"
    options = json.dumps({"starts": str(starts), "fails": [1, 3]})
    arguments = (videos(5), "--options", options, "--out", out, "--jobs", 1)
    ended = batch(arguments[0], "--lib", library(STARTS), *arguments[1:])
    assert ended.returncode == 1
    assert "lib.py:7: start raised ValueError: no model" in ended.stderr
    assert "stopped. What is done stays" in ended.stderr
    assert ended.stderr.count('raise ValueError("no model")') == 1
    assert "0 videos done: 0 frames" in ended.stderr
    assert len(starts.read_text()) == 1
    # Nothing is done, so a library that is repaired is no other work; and later it costs one video.
    again = batch(arguments[0], "--lib", library(STARTS.replace("True", "1")), *arguments[1:])
    assert again.returncode == 1
    assert "4 videos done, 1 failed" in again.stderr
    assert [state for state, _, _ in states(out).values()] == ["done", "failed", "done", "done", "done"]


PRINTS = """
import os, sys
def process_ip(buffer, in_meta, options):
    for number in range(100):
        print("x" * 1000)
        print("y" * 1000, file=sys.stderr)
        os.write(1, b"z" * 1000)
    if sys.stdin.read():
        raise ValueError("it was given input")
    os.chdir("/")
    return {"frame": {"here": os.path.exists("beside.txt")}}
"""


def test_what_a_library_prints_goes_to_stderr_and_where_it_goes_does_not_matter(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    (tmp_path / "beside.txt").touch()
    source = PRINTS.replace(
        '    os.chdir("/")\n    return', '    here = os.path.exists("beside.txt")\n    os.chdir("/")\n    return'
    )
    source = source.replace('os.path.exists("beside.txt")}}', "here}}")
    ended = batch("videos", "--lib", library(source).name, "--out", "results", "--jobs", 1, place=videos(2).parent)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout == ""
    assert ended.stderr.count("x" * 1000) == ended.stderr.count("y" * 1000) == 2 * 10 * 100
    assert rows(f"SELECT count(*) FROM '{out}/frames/*.parquet' WHERE frame_num = 0 AND here") == [(2,)]


LEAKS = """
import os
kept = []
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["frame_num"] == 0:
        import builtins
        builtins.kept = getattr(builtins, "kept", []) + [os.urandom(200 << 20)]
    return {"frame": {"pid": os.getpid()}}
"""


def test_a_process_that_grows_is_replaced(batch, library, videos, tmp_path):
    out = tmp_path / "results"
    ended = batch(videos(6), "--lib", library(LEAKS), "--out", out, "--jobs", 1)
    assert ended.returncode == 0, ended.stderr
    assert rows(f"SELECT count(DISTINCT pid), count(DISTINCT video) FROM '{out}/frames/*.parquet'") == [(2, 6)]


def test_a_process_that_cannot_start_stops_the_batch(batch, library, videos, tmp_path):
    """It is no fault of the videos."""
    out = tmp_path / "results"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\nif any('batch.worker' in each for each in sys.orig_argv): sys.exit('no worker')\n"
    )
    ended = batch(videos(3), "--lib", library(OBJECTS), "--out", out, env={"PYTHONPATH": str(tmp_path / "site")})
    assert ended.returncode == 1
    assert "no worker" in ended.stderr
    assert "a process that is to play videos ended by itself, with exit code 1 at its start; stopped." in ended.stderr
    assert "0 videos done" in ended.stderr
    assert batch(videos(3), "--lib", library(OBJECTS), "--out", out).returncode == 0
    assert rows(f"SELECT count(*) FROM '{out}/frames/*.parquet'") == [(30,)]


BIG = """
import os
def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    return {"frame": {"noise": os.urandom(200_000).hex() if in_meta["frame"][0]["source"][-5] >= "2" else ""}}
"""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no disk can be mounted: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_full_disk_stops_it_and_what_is_done_stays(batch, library, videos, small_disk, form):
    folder, out = videos(4), small_disk / "results"
    arguments = [folder, "--lib", library(BIG), "--out", out, "--jobs", 1, "--format", form]
    ended = batch(*arguments)
    assert ended.returncode == 1, ended.stderr
    assert f"{out} cannot be written (No space left on device); stopped. What is done stays" in ended.stderr.replace("\n", " ")
    assert "2 videos done" in ended.stderr
    table = "documents" if form == "jsonl" else "frames"
    assert len([*(out / table).iterdir()]) == 2  # nothing lies aside
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    again = batch(*arguments)
    assert again.returncode == 0, again.stderr
    assert "Videos finished before: 2; left: 2." in again.stderr
    assert len([*(out / table).iterdir()]) == 4


LATE = """
import os
def process_ip(buffer, in_meta, options):
    is_last = in_meta["frame"][0]["source"].endswith("2.mkv")
    number = in_meta["frame"][0]["frame_num"]
    return {"frame": {"late": 1} if is_last else {"noise": os.urandom(150_000).hex() if not number else ""}}
"""


def test_a_disk_that_is_full_when_files_get_columns_that_have_come_later(batch, library, videos, small_disk):
    folder, out = videos(3), small_disk / "results"
    subprocess.run(["mount", "-o", "remount,size=500k", small_disk], check=True)
    arguments = [folder, "--lib", library(LATE), "--out", out, "--jobs", 1]
    ended = batch(*arguments)
    assert ended.returncode == 1, ended.stderr
    assert f"{out} cannot be written (No space left on device); stopped." in ended.stderr.replace("\n", " ")
    assert [state for state, _, _ in states(out).values()] == ["done"] * 3
    assert len([*(out / "frames").iterdir()]) == 3  # nothing lies aside
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    again = batch(*arguments)
    assert again.returncode == 0, again.stderr
    assert "Videos finished before: 3; left: 0." in again.stderr
    assert rows(f"SELECT count(noise), count(late) FROM '{out}/frames/*.parquet'") == [(20, 10)]


@pytest.mark.parametrize("last", [None, 400], ids=["all of it", "its first page"])
def test_a_file_that_cannot_be_read_when_it_is_to_get_a_column(batch, library, videos, tmp_path, last):
    out, lib = tmp_path / "results", library(LATE)
    assert batch(videos(2), "--lib", lib, "--out", out).returncode == 0
    damaged, whole = sorted((out / "frames").iterdir())
    content = damaged.read_bytes()
    damaged.write_bytes(content[:4] + b"x" * len(content[4:last]) + content[len(content[:last]) :])
    ended = batch(videos(3), "--lib", lib, "--out", out)
    assert ended.returncode == 1
    assert f"{damaged} cannot be read (" in ended.stderr
    assert "remove it, and the same command plays that video anew; stopped." in ended.stderr.replace("\n", " ")
    assert rows(f"SELECT count(*), count(noise), count(late) FROM '{whole}'") == [(10, 10, 0)]
    damaged.unlink()
    assert batch(videos(3), "--lib", lib, "--out", out).returncode == 0
    assert rows(f"SELECT count(noise), count(late) FROM '{out}/frames/*.parquet'") == [(20, 10)]


def test_a_limit_of_files_is_as_a_full_disk(batch, library, videos, tmp_path):
    out = tmp_path / "results"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2)

    ended = batch(videos(4), "--lib", library(BIG), "--out", out, "--jobs", 1, preexec_fn=limit)
    assert ended.returncode == 1
    assert f"{out} cannot be written (File too large); stopped." in ended.stderr.replace("\n", " ")
    assert [state for state, _, _ in states(out).values()] == ["done", "done"]


def test_a_disk_that_is_full_from_the_start(batch, library, videos, small_disk):
    filled = subprocess.run(["dd", "if=/dev/zero", f"of={small_disk / 'ballast'}"], capture_output=True, text=True, check=False)
    assert "No space left" in filled.stderr
    ended = batch(videos(1), "--lib", library(OBJECTS), "--out", small_disk / "results")
    assert ended.returncode == 1
    assert f"{small_disk / 'results'} cannot be written (No space left on device)" in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr


def test_a_folder_that_cannot_be_written(batch, library, videos, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    ended = batch(videos(1), "--lib", library(OBJECTS), "--out", small_disk / "results")
    assert ended.returncode == 1
    assert f"--out {small_disk / 'results'} cannot be written (Read-only file system); give another folder." in ended.stderr


def test_damaged_files_at_which_gstreamer_waits_for_ever_are_failed_soon(batch, library, videos, tmp_path):
    """Its decoder loses the error of the demuxer in about one of twelve such files."""
    whole = tmp_path / "whole.mp4"
    line = f"videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48 ! x264enc ! mp4mux ! filesink location={whole}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=60)
    content, folder = whole.read_bytes(), tmp_path / "damaged"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.mp4").write_bytes(content.replace(b"moov", b"free"))  # it has no index
    ended = batch(folder, "--lib", library(OBJECTS), "--out", tmp_path / "results", timeout=300)
    assert ended.returncode == 1
    assert "30 failed" in ended.stderr
    assert rows(f"SELECT max(seconds) < 15 FROM '{tmp_path}/results/videos.parquet'") == [(True,)]
