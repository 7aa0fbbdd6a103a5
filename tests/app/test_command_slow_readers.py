"""Documents that somebody reads slowly, or not at all: frames go on where they are live, and nothing is lost where they are not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command_helpers import LIB, SAYS, TIMEOUT_S, wait_for

from empycustom.outputs.queued import MOST_DOCUMENTS
from ports import free_port

BIG = """\
def process_ip(io_buffer, in_meta, options):
    with open("calls", "ab") as calls:
        calls.write(b".")
    return {"frame": {"text": "x" * 2000}}
"""


def numbers_in(text):
    return [json.loads(line)["frame"][0]["frame_num"] for line in text.splitlines()]


@pytest.fixture
def shell(env, tmp_path):
    """Run a line of bash, in which EMPYCUSTOM is the command."""

    def run(line):
        line = line.replace("EMPYCUSTOM", f"{sys.executable} -m empycustom")
        command = ["bash", "-c", f"set -o pipefail; {line}"]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

    return run


@pytest.fixture
def unread(env, tmp_path):
    """Start a command whose stdout nobody reads, and which is open; return it, and the end that can be read."""
    started = []

    def start(*words):
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "empycustom", *map(str, words)]
        child = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        started.append((child, reading))
        return started[-1]

    yield start
    for child, reading in started:
        child.kill()
        child.communicate()
        os.close(reading)


def test_a_reader_that_sleeps_gets_all(shell, library):
    library(SAYS)
    done = shell("EMPYCUSTOM run test --frames 4000 --lib lib.py --quiet | (sleep 1; cat)")
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers_in(done.stdout) == list(range(4000))


def test_so_it_is_with_documents_and_events_of_several_streams(shell, configured):
    streams = [{"stream_id": name, "location": "test"} for name in "ab"]
    callback = "def update(signal):\n    return [{'n': signal['frame'][0]['frame_num']}]\n"
    configured({"empycustom": LIB}, streams=streams, callback=callback)
    done = shell("EMPYCUSTOM run emi_stream_config.json --frames 1500 --out o.jsonl --quiet | (sleep 1; cat)")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    for name in "ab":
        assert [event["n"] for event in events if event["stream_id"] == name] == list(range(1500))


def test_a_named_pipe(shell, library, tmp_path):
    library(SAYS)
    os.mkfifo(tmp_path / "pipe")
    done = shell(
        "(sleep 1; cat pipe > read.jsonl) & EMPYCUSTOM run test --frames 4000 --lib lib.py --quiet --out pipe; e=$?; wait; exit $e"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers_in((tmp_path / "read.jsonl").read_text()) == list(range(4000))


@pytest.mark.parametrize("frames", [10, 3000])
def test_what_nobody_reads_is_given_up_at_the_end(library, unread, tmp_path, frames):
    """With few frames they are in the pipe, although nobody has read them yet."""
    path = library(BIG)
    child, reading = unread("run", "test", "--frames", frames, "--lib", path, "--summary-json", "done.json")
    if frames > 10:
        wait_until_full(tmp_path)
        child.send_signal(signal.SIGINT)
    err = child.communicate(timeout=TIMEOUT_S)[1]

    done = json.loads((tmp_path / "done.json").read_text())
    assert done["documents_dropped"] == 0
    if frames == 10:
        assert child.returncode == 0
        assert len(numbers_in(os.read(reading, 1 << 16).decode())) == 10
    else:
        assert (child.returncode, done["exit_code"]) == (1, 1)
        assert "error: stdout cannot be written (nothing could be written for 5 s, and " in err
        assert " documents are lost); it is incomplete.\n" in err
        assert "Traceback" not in err


def wait_until_full(folder):
    """Wait until there are as many documents as are kept for a reader; the pipe has less than 100."""
    calls = folder / "calls"
    wait_for(lambda: calls.exists() and calls.stat().st_size >= MOST_DOCUMENTS + 10, "documents that wait for a reader")


def test_ctrl_c_once_more_ends_the_wait(library, unread, tmp_path):
    child, _ = unread("run", "test", "--lib", library(BIG))
    wait_until_full(tmp_path)
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)  # much less than it waits otherwise
    child.send_signal(signal.SIGTERM)  # as Ctrl-C, and never one signal with the first
    err = child.communicate(timeout=TIMEOUT_S)[1]
    assert child.returncode == 1
    assert " documents are lost); it is incomplete.\n" in err
    assert "nothing could be written for" not in err, "it waits no longer"


def test_a_camera_goes_on_while_nobody_reads(library, unread, camera, tmp_path):
    """The video has all frames; documents are dropped, which is told once, and counted."""
    port = free_port()
    camera(port)
    path = library(BIG)
    options = ["--save", "a.mkv", "--summary-json", "done.json", "--every-frame", "--frames", 1500]
    child, reading = unread("run", f"rtsp://127.0.0.1:{port}/fast", "--lib", path, "--out", "-", *options)
    try:
        child.wait(TIMEOUT_S)
    finally:
        os.set_blocking(reading, False)
    err = child.stderr.read()
    done = json.loads((tmp_path / "done.json").read_text())
    assert done["frames"] == 1500, err
    assert done["documents_dropped"] > 100
    assert err.count("Documents of this live stream are written more slowly than they are made") == 1
    assert f"{done['documents_dropped']} dropped because they were read too slowly" in err


def test_a_disk_that_is_full_at_the_end(shell, library):
    """The last documents are written behind the last frame."""
    library(SAYS)
    done = shell("EMPYCUSTOM run test --frames 1 --lib lib.py --out /dev/full")
    assert done.returncode == 1
    assert done.stderr.count("cannot be written (No space left on device)") == 1


@pytest.mark.parametrize("documents", ["--out /dev/full", "--out limited.jsonl"])
def test_documents_that_are_not_written_are_counted_in_the_summary(shell, library, tmp_path, documents):
    library(BIG)
    limit = "ulimit -f 100; trap '' XFSZ; " if "limited" in documents else ""
    done = shell(f"{limit}EMPYCUSTOM run test --frames 500 --lib lib.py {documents} --summary-json done.json")
    summary = json.loads((tmp_path / "done.json").read_text())
    assert (done.returncode, summary["exit_code"]) == (1, 1)
    complete = (tmp_path / "limited.jsonl").read_bytes().count(b"\n") if limit else 0
    assert summary["documents_lost"] > 0
    assert summary["documents"] - summary["documents_lost"] == complete
    assert bool(complete) == bool(limit)


def test_nothing_is_lost_where_all_is_written_or_the_reader_ends(shell, library, tmp_path):
    library(SAYS)
    for line in ("--out o.jsonl", "--out - | head -n 1"):
        shell(f"EMPYCUSTOM run test --frames 3 --lib lib.py --summary-json done.json {line}")
        assert json.loads((tmp_path / "done.json").read_text())["documents_lost"] == 0


@pytest.mark.parametrize(
    ("source", "code"), [("bad.mp4", 1), ("test --frames 5 --on-error drop", 0)], ids=["no video", "all frames dropped"]
)
def test_a_reader_of_a_named_pipe_sees_the_end_without_a_document(shell, library, tmp_path, source, code):
    library("def process_ip(io_buffer, in_meta, options):\n    raise ValueError('no')\n")
    (tmp_path / "bad.mp4").write_bytes(b"not a video" * 100)
    os.mkfifo(tmp_path / "pipe")
    done = shell(
        f"timeout 30 cat pipe > read & r=$!; EMPYCUSTOM run {source} --lib lib.py --quiet --out pipe; e=$?; wait $r; echo $e $?"
    )
    assert done.stdout == f"{code} 0\n", done.stderr
    assert (tmp_path / "read").read_text() == ""
