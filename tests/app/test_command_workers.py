"""`empycustom run --workers`, `--pace`, `--call-timeout`, and the keys of these names in configurations."""

from __future__ import annotations

import json
import re

import pytest

WHO = """\
import os
import time
from pathlib import Path

print("loaded in", os.getpid(), flush=True)


def process_ip(b, m, o):
    Path(f"NAME-{os.getpid()}").touch()
    while len(list(Path().glob("NAME-*"))) < o.get("workers", 1):
        time.sleep(0.01)  # until all were called: one that is quick could do all frames
    return {"frame": {"NAME": os.getpid()}}
"""
CRASHES = """\
import ctypes


def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    if number == 3:
        ctypes.string_at(0)
    return {"frame": {"n": number}}
"""
HANGS = CRASHES.replace("import ctypes", "import time").replace("ctypes.string_at(0)", "time.sleep(600)")


def frames_of(ended):
    return [document["frame"][0] for document in ended.documents]


def test_libraries_in_a_row_have_workers_of_their_own(cli, library):
    first, second = library(WHO.replace("NAME", "first"), "first.py"), library(WHO.replace("NAME", "second"), "second.py")
    ended = cli(
        "run",
        "test",
        "--lib",
        first,
        "--workers",
        2,
        "--options",
        '{"workers": 2}',
        "--lib",
        second,
        "--workers",
        1,
        "--frames",
        20,
    )
    assert ended.code == 0, ended.err
    found = frames_of(ended)
    assert [frame["frame_num"] for frame in found] == [*range(20)]
    assert len({frame["emcustom"]["first"] for frame in found}) == 2
    assert len({frame["emcustom"]["second"] for frame in found}) == 1
    assert ended.err.count("loaded in") + ended.out.count("loaded in") == 3, "nobody but the workers loads a library"


def test_before_the_first_library_they_are_for_all(cli, library):
    library(WHO)
    words = ("--workers", 2, "--pace", "latest", "--call-timeout", 500, "--lib", "lib.py", "--lib", "lib.py", "--workers", 1)
    ended = cli("run", "test", *words, "--dry-run")
    first, second = ended.out.split("custom-lib=")[1:]
    assert "loaded in" not in ended.text
    for part, workers in ((first, 2), (second, 1)):
        assert f"workers={workers} " in part
        assert "pace=latest " in part
        assert "call-timeout=500 " in part


def test_new_frames_are_known_without_running_the_library(cli, library):
    library("print('loaded')\nif True:\n    def process(b, m, o):\n        return None, None\n")
    ended = cli("run", "test", "--lib", "lib.py", "--workers", 1, "--dry-run")
    assert "in-place=false" in ended.out
    assert "loaded" not in ended.text


def test_a_crash_is_an_error_that_names_the_line(cli, library):
    ended = cli("run", "test", "--lib", library(CRASHES), "--workers", 1, "--frames", 8)
    assert ended.code == 1
    assert "lib.py:7: the worker was" in ended.err


@pytest.mark.parametrize(("source", "limit"), [(CRASHES, 0), (HANGS, 5000)], ids=["crash", "hang"])
def test_a_call_that_does_not_end_well_costs_its_frame_alone(cli, library, source, limit):
    """The limit is for the start of the next process, too."""
    words = ("--workers", 1, "--call-timeout", limit, "--on-error", "pass", "--frames", 8)
    ended = cli("run", "test", "--lib", library(source), *words)
    assert ended.code == 0, ended.err
    assert [frame.get("emcustom", {}).get("n") for frame in frames_of(ended)] == [0, 1, 2, None, 4, 5, 6, 7]


def test_the_keys_of_a_configuration(cli, configured, library, tmp_path):
    library(WHO.replace("NAME", "who"))
    element = {"custom-lib": "lib.py", "in-place": True, "workers": 1, "pace": "skip", "call-timeout": 2000}
    words = ("run", configured({"empycustom": element}), "--source", "test", "--frames", 5)
    ended = cli(*words)
    assert ended.code == 0, ended.err
    assert ended.text.count("loaded in") == 1
    line = cli(*words, "--dry-run").out
    assert all(f"{name}={value} " in line for name, value in [("workers", 1), ("pace", "skip"), ("call-timeout", 2000)])
    wrong = cli("check", configured({"empycustom": {**element, "workers": 65, "pace": "fast"}}))
    assert "workers: 65 must be a whole number from 0 to 64" in wrong.err
    assert 'pace: "fast" must be one of every, skip, latest' in wrong.err


def test_latest_says_which_frame_it_is_about(cli, library, tmp_path):
    out = tmp_path / "meta.jsonl"
    words = ("--workers", 1, "--pace", "latest", "--frames", 3000, "--out", out)
    ended = cli("run", "test", "--lib", library(CRASHES.replace("number == 3", "False")), *words)
    assert ended.code == 0, ended.err
    found = [json.loads(line)["frame"][0] for line in out.read_text().splitlines()]
    about = [frame for frame in found if "emcustom" in frame]
    assert about
    assert all(frame["emcustom"]["n"] == frame["from_frame"] < frame["frame_num"] for frame in about)


def test_an_error_says_what_to_use(cli, library, tmp_path):
    """Of what ``run`` has: it has no in-place, and sets it as the library is."""
    lib = library("def process(b, m, o): return b, None\n")
    ended = cli("run", "test", "--frames", 1, "--lib", lib, "--workers", 1, "--pace", "latest")
    assert ended.code == 1
    assert ended.err.endswith("new frames cannot; use process_ip (in-place=true), or pace=skip\n")
    lib = library("def process_ip(b, m, o):\n    breakpoint()\n")
    ended = cli("run", "test", "--frames", 1, "--lib", lib, "--workers", 1)
    assert "a worker has none at frame 0 (0:00:00.000); set workers=0 while you debug (the traceback is below)" in ended.err


def test_the_calls_of_a_run_that_failed_are_those_that_came_back(cli, library):
    """Others were with a worker already, which never called the library for them."""
    lib = library(
        "import os, time\n\ndef process_ip(b, m, o):\n    time.sleep(0.2)\n    if m['frame'][0]['frame_num']: os._exit(3)\n"
    )
    ended = cli("run", "test", "--frames", 9, "--lib", lib, "--workers", 1)
    assert ended.code == 1
    assert re.search(r"lib\.py  2 calls ", ended.err), ended.err


# The summary counts what workers count.

SLOW = """\
import time


def process_ip(b, m, o):
    time.sleep(0.02)
"""
SLOW_AT_FIRST = SLOW.replace("0.02", "0.02 if m['frame'][0]['frame_num'] else 1")
COUNTED = ("skipped", "waited", "restarts")


def counts_of(ended, tmp_path, name="summary.json"):
    """Return the counts of workers in the last summary, library by library, and the lines of the libraries."""
    done = json.loads((tmp_path / name).read_text())
    streams = done.get("streams", [done])
    lines = [line for line in ended.err.splitlines() if re.match(r"  \S+\.py ", line)]
    return [{name: lib[name] for name in COUNTED} for stream in streams for lib in stream["libraries"]], lines


def test_the_summary_counts_skipped_frames(cli, library, tmp_path):
    words = ("--lib", library(SLOW_AT_FIRST), "--workers", 1, "--pace", "skip", "--frames", 40, "--summary-json", "summary.json")
    ended = cli("run", "test", *words)
    ((found,), (line,)) = counts_of(ended, tmp_path)
    assert 0 < found["skipped"] < 40
    assert found == {"skipped": found["skipped"], "waited": 0, "restarts": 0}
    assert f"{40 - found['skipped']} call" in line
    assert line.endswith(f" ms  {found['skipped']} skipped")


def test_the_summary_counts_frames_that_waited(cli, library, tmp_path):
    words = ("--lib", library(SLOW_AT_FIRST), "--workers", 1, "--frames", 20, "--summary-json", "summary.json")
    ended = cli("run", "test", *words)
    ((found,), (line,)) = counts_of(ended, tmp_path)
    assert found == {"skipped": 0, "waited": found["waited"], "restarts": 0}
    assert 0 < found["waited"] <= 20
    assert line.endswith(f" ms  {found['waited']} waited")


def test_the_summary_counts_restarts_of_each_library(cli, library, tmp_path):
    library(SLOW, "slow.py")
    words = ("--workers", 1, "--on-error", "pass", "--lib", library(CRASHES), "--lib", "slow.py", "--workers", 0)
    ended = cli("run", "test", *words, "--frames", 9, "--summary-json", "summary.json")
    assert ended.code == 0, ended.err
    (crashing, inline), (first, second) = counts_of(ended, tmp_path)
    assert crashing["restarts"] == 1
    assert re.search(r" ms  1 error, (\d+ waited, )?1 restart$", first)
    assert inline == {"skipped": 0, "waited": 0, "restarts": 0}
    assert second.endswith(" ms")


def test_the_summaries_of_a_configuration_have_them(cli, configured, library, tmp_path):
    library(CRASHES)
    library(SLOW, "slow.py")
    crashing = {"custom-lib": "lib.py", "in-place": True, "workers": 1, "on-error": "pass"}
    slow = {"custom-lib": "slow.py", "in-place": True, "workers": 1, "pace": "skip"}
    words = ("run", configured({"empycustom": [crashing, slow]}), "--source", "test", "--source", "test", "--frames", 9)
    ended = cli(*words, "--summary-json", "summary.json")
    assert ended.code == 0, ended.err
    found, lines = counts_of(ended, tmp_path)
    assert [each["restarts"] for each in found] == [1, 0, 1, 0]
    assert len([line for line in lines if line.endswith("1 restart")]) == 2
