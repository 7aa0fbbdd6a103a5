"""The end of ``empycustom run``: the summary for people, and the same as JSON."""

from __future__ import annotations

import json
import re
import time

import pytest
from command_helpers import SAYS, STUCK, wait_for

SUMMARY = "summary.json"
SLEEPS = """
import time
def process_ip(b, m, o):
    time.sleep(0.005)
    if m["frame"][0]["frame_num"] % 10 == 3:
        raise ValueError("no")
"""
START = r"(?:; start: [\d.]+ s)?"  # of a second or more
LINE = re.compile(r"  (\S+) +(\d+) calls? +median +([\d.]+) ms  p95 +([\d.]+) ms(?:  (.*))?")


@pytest.fixture
def summary(tmp_path):
    return lambda name=SUMMARY: json.loads((tmp_path / name).read_text())


def counts(done):
    return {name: done[name] for name in ("exit_code", "frames", "documents", "written")}


def test_each_library_has_a_line_with_its_calls_and_times(cli, library):
    library(SAYS)
    library(SLEEPS.replace("raise", "pass  #"), "a_longer_name.py")
    ended = cli(
        "run",
        "test",
        "--lib",
        "lib.py",
        "--lib",
        "a_longer_name.py",
        "--every",
        5,
        "--lib",
        "lib.py",
        "--every",
        40,
        "--frames",
        40,
    )
    assert ended.code == 0
    head, *lines = ended.err.splitlines()[-4:]
    assert re.fullmatch(rf"40 frames in [\d.]+ s \([\d.]+ fps{START}\), 40 documents", head)
    found = [LINE.fullmatch(line) for line in lines]
    assert [(match[1], match[2], match[5]) for match in found] == [
        ("lib.py", "40", None),
        ("a_longer_name.py", "8", None),
        ("lib.py", "1", None),
    ]
    assert float(found[1][3]) >= 5 > float(found[0][3])
    assert len({line.index("median") for line in lines}) == len({line.index(" ms") for line in lines}) == 1, "they are in columns"


def test_the_json_equals_the_lines_and_quiet_also_writes_it(cli, library, tmp_path, summary):
    library(SLEEPS.replace("raise", "pass  #"))
    words = (
        "run",
        "test",
        "--lib",
        "lib.py",
        "--frames",
        20,
        "--out",
        "meta.jsonl",
        "--save",
        "last.png",
        "--summary-json",
        SUMMARY,
    )
    ended = cli(*words)
    done = summary()
    assert counts(done) == {"exit_code": 0, "frames": 20, "documents": 20, "written": ["meta.jsonl", "last.png"]}
    assert done["fps"] == pytest.approx(20 / done["seconds"], rel=0.01)
    (lib,) = done["libraries"]
    assert {key: lib[key] for key in ("library", "frames", "calls", "errors", "dropped")} == {
        "library": "lib.py",
        "frames": 20,
        "calls": 20,
        "errors": 0,
        "dropped": 0,
    }
    assert 5 <= lib["median_ms"] <= lib["p95_ms"] <= lib["max_ms"]
    assert 5 <= lib["mean_ms"] <= lib["max_ms"]
    speed = re.escape(f"20 frames in {done['seconds']:.1f} s ({done['fps']:.1f} fps")
    assert re.search(rf"{speed}{START}\), 20 documents; written: meta\.jsonl, last\.png\n", ended.err)
    (line,) = [LINE.fullmatch(line) for line in ended.err.splitlines() if line.startswith("  lib.py")]
    assert (line[3], line[4]) == (f"{lib['median_ms']:.1f}", f"{lib['p95_ms']:.1f}")

    quiet = cli(*words, "--quiet")
    assert (quiet.code, quiet.text) == (0, "")
    assert counts(summary()) == counts(done), "an old summary is replaced"


def test_the_speed_is_measured_from_the_first_frame_on(cli, library, summary, tmp_path):
    """A library that loads models for a second is not slow for that."""
    library(f"import time\ndef start(o):\n    time.sleep(1.2)\n    open('started', 'w').write(str(time.monotonic()))\n{SAYS}")
    ended = cli("run", "test", "--lib", "lib.py", "--frames", 5, "--summary-json", SUMMARY)
    done, since_start = summary(), time.monotonic() - float((tmp_path / "started").read_text())
    assert done["start_seconds"] >= 1.2
    assert done["seconds"] < since_start
    assert re.search(r"5 frames in [\d.]+ s \([\d.]+ fps; start: [\d.]+ s\), 5 documents", ended.err)


def test_after_an_error_the_summary_is_written_and_counts_it(cli, library, summary):
    library(SLEEPS)
    ended = cli("run", "test", "--lib", "lib.py", "--frames", 20, "--out", "meta.jsonl", "--summary-json", SUMMARY)
    assert ended.code == 1
    done = summary()
    assert counts(done) == {"exit_code": 1, "frames": 3, "documents": 3, "written": ["meta.jsonl"]}
    assert [(lib["calls"], lib["errors"]) for lib in done["libraries"]] == [(4, 1)]
    assert re.search(r"  lib.py  4 calls  median .*  1 error\n", ended.err)


def test_one_is_not_several(cli):
    assert re.fullmatch(rf"1 frame in [\d.]+ s \(.* fps{START}\), 1 document\n", cli("run", "test", "--frames", 1).err)


def test_a_library_that_cannot_be_loaded_leaves_no_old_summary(cli, library, summary, tmp_path):
    library(SAYS)
    assert cli("run", "test", "--lib", "lib.py", "--frames", 2, "--summary-json", SUMMARY).code == 0
    library("import no_such_package\n")
    assert cli("run", "test", "--lib", "lib.py", "--frames", 2, "--summary-json", SUMMARY).code == 1
    assert counts(summary()) == {"exit_code": 1, "frames": 0, "documents": 0, "written": []}


def test_after_ctrl_c_the_summary_has_130(begin, library, summary, tmp_path):
    library(SAYS)
    child = begin("run", "test", "--lib", "lib.py", "--out", "meta.jsonl", "--summary-json", SUMMARY)
    wait_for(lambda: (tmp_path / "meta.jsonl").exists() and (tmp_path / "meta.jsonl").stat().st_size, "a document")
    child.interrupt()
    assert child.end().code == 130
    done = summary()
    assert done["exit_code"] == 130
    assert done["frames"] == done["documents"] > 0


def test_a_pipeline_that_does_not_stop_has_a_summary(begin, library, summary, tmp_path):
    library(STUCK)
    child = begin("run", "test", "--lib", "lib.py", "--grace", 0.5, "--summary-json", SUMMARY)
    wait_for((tmp_path / "stuck").exists, "the call that never returns")
    child.interrupt()
    assert child.end().code == 130
    assert counts(summary()) == {"exit_code": 130, "frames": 0, "documents": 0, "written": []}


def test_on_stdout_there_is_nothing_else(cli, library):
    library(f"print('loaded')\n{SAYS}")
    ended = cli("run", "test", "--lib", "lib.py", "--frames", 2, "--out", "meta.jsonl", "--summary-json", "-")
    (done,) = ended.documents
    assert counts(done) == {"exit_code": 0, "frames": 2, "documents": 2, "written": ["meta.jsonl"]}


def test_stdout_that_documents_go_to_is_refused(cli, library, configured):
    library(SAYS)
    config = configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}})
    for words in (["test", "--lib", "lib.py"], ["test", "--out", "-"], [config, "--source", "test"]):
        ended = cli("run", *words, "--frames", 2, "--summary-json", "-")
        assert ended.code == 1
        assert "--summary-json -: stdout is for documents and events here" in ended.err
    assert cli("run", "test", "--summary-json", SUMMARY, "--dry-run").code == 2


def test_no_file_but_a_summary_is_overwritten(cli, library, video):
    library(SAYS)
    video = video.rename(video.with_name("recording"))
    before = video.read_bytes()
    ended = cli("run", "recording", "--lib", "lib.py", "--summary-json", "recording")
    assert ended.code == 1
    assert "--summary-json recording is there, and is not the summary of a run; choose another name" in ended.err
    assert video.read_bytes() == before


def test_nothing_is_written_into_a_file_that_is_named_twice(cli, library, tmp_path, configured):
    config = configured({"empycustom": {"custom-lib": "lib.py", "in-place": True}}, callback="def update(*a): return [{}]")
    for words in (["test", "--out"], [config, "--source", "test", "--out"], [config, "--source", "test", "--events"]):
        ended = cli("run", *words, "same.json", "--frames", 2, "--summary-json", f"../{tmp_path.name}/same.json")
        assert (ended.code, "same.json is named twice" in ended.err) == (1, True), ended.err
        assert not (tmp_path / "same.json").exists()


@pytest.mark.parametrize("name", ["s.csv", "s.mp4", "s.png"])
def test_a_summary_is_json(cli, tmp_path, name):
    ended = cli("run", "test", "--frames", 1, "--summary-json", name)
    assert ended.code == 2
    kind = name[2:]
    assert f"--summary-json: {name}: the summary is one JSON object, not a .{kind} file; name it s.json" in ended.err
    assert not (tmp_path / name).exists()


def test_a_full_disk_is_an_error(cli, library):
    library(SAYS)
    ended = cli("run", "test", "--lib", "lib.py", "--frames", 2, "--quiet", "--out", "meta.jsonl", "--summary-json", "/dev/full")
    assert ended.code == 1
    assert "empycustom: error: /dev/full cannot be written (No space left on device)" in ended.err


def test_a_library_may_change_the_working_directory(cli, library, tmp_path, summary):
    """Everything that was typed goes on to mean what it meant; the library that starts last is the first in the pipeline."""
    (tmp_path / "options.json").write_text('{"word": "hi"}')
    library(SAYS, "says.py")
    library("import os\ndef start(o):\n    os.chdir('/')\ndef process_ip(b, m, o):\n    pass\n", "moves.py")
    outputs = ("--out", "meta.jsonl", "--save", "last.png", "--save", "video.mkv", "--summary-json", SUMMARY)
    ended = cli("run", "test", "--lib", "says.py", "--options", "@options.json", "--lib", "moves.py", "--frames", 2, *outputs)
    assert ended.code == 0, ended.err
    assert "; written: meta.jsonl, last.png, video.mkv\n" in ended.err
    assert all((tmp_path / name).stat().st_size for name in ("meta.jsonl", "last.png", "video.mkv"))
    assert '"said":"hi"' in (tmp_path / "meta.jsonl").read_text()
    assert [lib["library"] for lib in summary()["libraries"]] == ["says.py", "moves.py"]


def test_each_stream_of_a_configuration_has_its_summary(cli, configured, library, summary):
    library(SLEEPS, "sleeps.py")
    stage = {"custom-lib": "sleeps.py", "in-place": True, "on-error": "pass"}
    name = configured(
        {"primary": {"empycustom": {"custom-lib": "lib.py", "in-place": True}}, "empycustom": stage}, application_name="demo"
    )
    words = (
        "run",
        name,
        "--source",
        "test",
        "--source",
        "test",
        "--frames",
        20,
        "--out",
        "meta.jsonl",
        "--save",
        "{stream_id}.png",
    )
    ended = cli(*words, "--summary-json", SUMMARY)
    done = summary()
    assert counts(done) == {"exit_code": 0, "frames": 40, "documents": 40, "written": ["meta.jsonl", "demo-1.png", "demo-2.png"]}
    assert [(stream["stream_id"], stream["frames"], stream["written"]) for stream in done["streams"]] == [
        ("demo-1", 20, ["demo-1.png"]),
        ("demo-2", 20, ["demo-2.png"]),
    ]
    assert [[lib["library"] for lib in stream["libraries"]] for stream in done["streams"]] == [["lib.py", "sleeps.py"]] * 2
    assert all(stream["libraries"][1]["errors"] >= 2 for stream in done["streams"])
    assert re.search(r"demo-1: 20 frames in .*\n  lib.py .*\n  sleeps.py .* errors\n", ended.err)


def test_without_a_library_the_source_is_played_and_measured(cli, video, summary):
    ended = cli("run", "video.avi", "--summary-json", SUMMARY)
    assert (ended.code, ended.out) == (0, "")
    assert re.search(rf"^40 frames in [\d.]+ s \([\d.]+ fps{START}\), 40 documents$", ended.err, re.MULTILINE)
    assert summary()["libraries"] == []
    documents = cli("run", "video.avi", "--out", "-", "--frames", 3).documents
    assert [document["frame"][0]["frame_num"] for document in documents] == [0, 1, 2]
    assert [document["frame"][0]["object"] for document in documents] == [[]] * 3
