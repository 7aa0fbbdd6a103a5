"""Normal ends: they wait for libraries, and files are finished; otherwise the exit code is not 0."""

from __future__ import annotations

import json

import pytest
from command_helpers import LIB

# The first call takes longer than --grace, as where it loads a model.
LOADS = """\
import time
number = 0

def process_ip(io_buffer, in_meta, options):
    global number
    number += 1
    time.sleep(1.2 if number == options.get("slow", 1) else 0)
    return [{"number": number}]
"""
STOPS = "import pathlib, time\n\ndef process_ip(b, m, o): pass\n\ndef stop(options):\n    time.sleep(1)\n"
STOPS += "    pathlib.Path('stopped').touch()\n"


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("slow", [1, 3])
def test_the_end_waits_for_a_call_that_takes_longer_than_grace(slow, cli, library, tmp_path, frames_in):
    saves = [word for name in ("a.mp4", "b.mkv", "c.png") for word in ("--save", name)]
    options = json.dumps({"slow": slow})
    lib = ["--lib", library(LOADS), "--options", options]
    ended = cli("run", "test", *lib, "--frames", slow, "--grace", 0.2, "--out", "meta.jsonl", *saves)

    assert ended.code == 0, ended.err
    assert len(lines_of(tmp_path / "meta.jsonl")) == slow
    assert [frames_in(tmp_path / name) for name in ("a.mp4", "b.mkv", "c.png")] == [slow, slow, 1]
    assert "empycustom: " not in ended.err


def test_so_it_does_for_the_end_of_a_file(cli, library, video, tmp_path, frames_in):
    lib = ["--lib", library(LOADS), "--options", '{"slow": 40}']
    ended = cli("run", video, *lib, "--grace", 0.2, "--out", "meta.jsonl", "--save", "a.mp4")

    assert ended.code == 0, ended.err
    assert len(lines_of(tmp_path / "meta.jsonl")) == frames_in(tmp_path / "a.mp4") == 40


def test_so_it_does_for_all_streams_of_a_configuration(cli, configured, library, tmp_path, frames_in):
    library(LOADS, "loads.py")
    streams = [{"stream_id": name, "location": "test"} for name in "abc"]
    slow = {**LIB, "custom-lib": "loads.py", "options": {"slow": 3}}  # the frame behind the last that is wanted
    name = configured({"empycustom": slow, "aimeta": {}}, streams=streams)
    ended = cli("run", name, "--frames", 2, "--grace", 0.2, "--out", "meta.jsonl", "--save", "{stream_id}.mp4")

    assert ended.code == 0, ended.err
    assert sorted(document["stream_id"] for document in lines_of(tmp_path / "meta.jsonl")) == ["a", "a", "b", "b", "c", "c"]
    assert [frames_in(tmp_path / f"{name}.mp4") for name in "abc"] == [2, 2, 2]


def test_a_reader_that_goes_away_during_such_a_call_ends_the_run_and_its_video(begin, library, tmp_path, frames_in):
    lib = ["--lib", library(LOADS), "--options", '{"slow": 2}']
    child = begin("run", "test", *lib, "--grace", 0.2, "--out", "-", "--save", "a.mp4", "--quiet")
    assert json.loads(child.process.stdout.readline())
    child.process.stdout.close()
    err = child.process.stderr.read()

    assert child.process.wait(30) == 0
    assert err == ""
    assert frames_in(tmp_path / "a.mp4") >= 2


@pytest.mark.parametrize("name", ["a.mp4", None])
def test_a_stop_that_takes_longer_than_grace_is_waited_for(name, cli, library, tmp_path):
    saves = ["--save", name] if name else []
    ended = cli("run", "test", "--lib", library(STOPS), "--frames", 2, "--grace", 0.2, *saves, "--quiet")

    assert ended.code == 0, ended.err
    assert (tmp_path / "stopped").exists()
    assert ended.err == (
        "empycustom: warning: A callback of a library, or an element, takes long to stop; waiting. Ctrl-C ends that.\n"
    )


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_video_that_cannot_be_written_to_its_end_is_named(ending, cli, library, tmp_path):
    (tmp_path / f"full.{ending}").symlink_to("/dev/full")
    ended = cli("run", "test", "--lib", library(LOADS), "--frames", 100, "--save", f"full.{ending}")

    assert ended.code == 1
    assert "empycustom: error: " in ended.err
    assert f"full.{ending} may be unfinished" in ended.err
