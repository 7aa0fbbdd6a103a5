"""``run --metrics``: what it counts is what the summary counts, and never goes back."""

from __future__ import annotations

import http.client
import json
import threading
import time

import pytest
from command_helpers import LIB, SAYS, wait_for
from metrics_helpers import WAITS, Client, is_counter

from ports import free_port

FAILS = "def process_ip(b, m, o):\n    assert m['frame'][0]['frame_num'] % o['of'], 'this one fails'\n"
DIES = "import os\ndef process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 10: os.kill(os.getpid(), 9)\n"
OUT = ("--out", "out.jsonl", "--quiet")


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def until_last(begin, client, library, tmp_path):
    """Run with libraries over 40 frames; return metrics while the last frame is in a library behind them, and then the summary."""

    def run(*words, come=40):
        waits = ("--lib", library(WAITS, "waits.py"), "--options", '{"at": 39}')
        running = begin("run", "test", "--frames", 40, *words, *waits, *OUT, "--metrics", client.port, "--summary-json", "s.json")
        client.wait(running)
        wait_for(lambda: client.value("frames_total", stream="test", library="waits.py") == come, "the last frame")
        found = client.samples()
        (tmp_path / "go").touch()
        ended = running.end()
        assert ended.code == 0, ended.err
        return found, json.loads((tmp_path / "s.json").read_text())

    return run


def of(samples, **labels):
    return {name: value for (name, found), value in samples.items() if found == frozenset(labels.items())}


def test_they_are_those_of_the_summary(until_last, library):
    fails = library(FAILS, "fails.py")
    samples, summary = until_last(
        *("--lib", fails, "--options", '{"of": 5}', "--on-error", "pass"),
        *("--lib", fails, "--options", '{"of": 7}', "--on-error", "drop"),
        *("--lib", library(SAYS), "--every", 3),
        come=34,
    )

    assert [library["errors"] for library in summary["libraries"]] == [8, 6, 0, 0]
    for name, library in zip(("fails.py", "fails.py#2", "lib.py"), summary["libraries"], strict=False):
        found = of(samples, stream="test", library=name)
        passed = library["frames"] - library["calls"]
        assert {key: found[f"{key}_total"] for key in ("frames", "frames_processed", "errors", "frames_dropped")} == {
            "frames": library["frames"],
            "frames_processed": library["calls"],
            "errors": library["errors"],
            "frames_dropped": library["dropped"],
        }
        assert found["frames_passed_total"] in (passed, max(0, passed - 1)), "of the last one it is not known yet"
        assert found["call_seconds_count"] == library["calls"]
        assert found["call_seconds_sum"] == pytest.approx(library["mean_ms"] / 1000 * library["calls"], rel=0.01)
        assert (found["worker_restarts_total"], found["frames_skipped_total"], found["frames_waited_total"]) == (0, 0, 0)
    stream = of(samples, stream="test")
    assert (stream["stream_frames_total"], stream["documents_total"]) == (summary["frames"] - 1, summary["documents"] - 1)
    assert summary["frames"] == 34


def test_the_histogram_is_cumulative(until_last, library):
    sleeps = library("import time\ndef process_ip(b, m, o):\n    time.sleep(0.03 if m['frame'][0]['frame_num'] < 10 else 0)\n")
    samples, summary = until_last("--lib", sleeps)

    labels = {"stream": "test", "library": "lib.py"}
    buckets = {
        float(dict(found)["le"]): value
        for (name, found), value in samples.items()
        if name == "call_seconds_bucket" and dict(found).items() >= labels.items()
    }
    limits = sorted(buckets)
    assert [buckets[limit] for limit in limits] == sorted(buckets.values())
    found = of(samples, **labels)
    assert buckets[float("inf")] == found["call_seconds_count"] == 40
    assert buckets[0.025] <= 30, "ten calls took longer for certain"
    assert found["call_seconds_sum"] >= 0.3
    longest_s = summary["libraries"][0]["max_ms"] / 1000
    assert all(value == 40 for limit, value in buckets.items() if limit > longest_s * 1.04)
    assert buckets[max(limit for limit in limits if limit < longest_s / 1.04)] < 40
    assert not [name for name in found if name.startswith("transport")], "it has no workers"


def test_a_worker_that_died_is_counted(until_last, library):
    workers = ("--workers", 2, "--on-error", "pass")
    samples, summary = until_last("--lib", library(DIES, "dies.py"), *workers)

    found, of_summary = of(samples, stream="test", library="dies.py"), summary["libraries"][0]
    assert found["worker_restarts_total"] == of_summary["restarts"] == 1
    assert found["errors_total"] == of_summary["errors"] > 0
    assert found["frames_waited_total"] == of_summary["waited"]
    assert found["call_seconds_count"] == found["transport_seconds_count"] == 39
    assert found["frames_under_way"] == 1, "the last one, which is in the next library"


def test_frames_that_found_no_worker_are_counted(until_last, library):
    slow = library("import time\ndef process_ip(b, m, o):\n    time.sleep(0.05)\n", "slow.py")
    samples, summary = until_last("--lib", slow, "--workers", 1, "--pace", "skip", "--lib", library(SAYS))

    found, of_summary = of(samples, stream="test", library="slow.py"), summary["libraries"][0]
    assert found["frames_skipped_total"] == of_summary["skipped"] > 0
    assert found["frames_total"] == 40
    assert found["frames_processed_total"] == of_summary["calls"] < 40
    assert found["frames_passed_total"] in (40 - of_summary["calls"], 39 - of_summary["calls"])


HOSTILE = ['a "gate"', "back\\slash\\n", '{x="y"}, 1 #', "Übergang ☃", "gate", "gate#2"]


def test_names_of_streams_are_data(begin, client, configured):
    streams = [{"stream_id": name, "location": "test"} for name in HOSTILE]
    running = begin("run", configured({"empycustom": LIB}, streams=streams), *OUT, "--metrics", client.port)
    client.wait(running)
    wait_for(lambda: all(client.value("stream_frames_total", stream=each) for each in HOSTILE), "frames of all")
    found = {dict(labels)["stream"] for name, labels in client.samples() if name == "frames_total"}
    assert found == set(HOSTILE)
    assert set(client.health()[2]) == set(HOSTILE)
    running.interrupt()
    assert running.end().code == 130


def test_names_of_files_are_data(begin, client, library, video, tmp_path):
    """A file, and the library, whose names no line of text can hold as they are."""
    source = video.rename(tmp_path / 'two\nlines "\\" of.avi')
    lib = library(WAITS, 'a "b"\n\\n.py')
    running = begin("run", source.name, "--lib", lib, "--options", '{"at": 39}', *OUT, "--metrics", client.port)
    client.wait(running)
    wait_for(lambda: client.value("frames_total", stream=source.name, library=lib.name) == 40, "the last frame")
    (tmp_path / "go").touch()
    assert running.end().code == 0


def test_passwords_are_in_no_label(begin, client, configured, tmp_path):
    port = free_port()
    streams = [{"stream_id": "gate", "location": f"rtsp://admin:geheim@127.0.0.1:{port}/x?token=geheim"}]
    publish = {"uri": f"mqtt://user:geheim@127.0.0.1:{port}/topic", "spool": str(tmp_path)}
    name = configured({"empycustom": LIB, "publish": publish}, streams=streams)
    running = begin("run", name, *OUT, "--metrics", client.port)
    client.wait(running)
    shown = f"mqtt://user:***@127.0.0.1:{port}/topic"
    wait_for(lambda: client.value("publish_messages_sent_total", stream="gate", destination=shown) == 0, "the destination")
    for path in ("/metrics", "/healthz"):
        assert "geheim" not in client.ask(path)[1]
    running.interrupt()
    running.end()


def test_counters_do_not_go_back_while_libraries_are_reloaded(begin, client, library):
    text = "def process_ip(b, m, o):\n    return {{'frame': {{'version': {}}}}}\n"
    path = library(text.format(1))
    running = begin("run", "test", "--reload", "--workers", 2, "--lib", path, *OUT, "--metrics", client.port)
    client.wait(running)
    wait_for(lambda: client.value("frames_total", stream="test", library="lib.py"), "frames")
    last, seen = client.samples(), 0
    for version in range(2, 6):
        library(text.format(version))
        for _ in range(15):
            last, seen = checked(last, client.samples()), seen + 1
            time.sleep(0.02)
    assert seen == 60
    running.interrupt()
    assert running.end().code == 130


def checked(before, after):
    """Return the later samples, of which no counter is lower than before, or missing."""
    for (name, labels), value in before.items():
        if is_counter(name):
            assert after[name, labels] >= value, (name, labels)
    return after


def test_two_scrapers_at_once_while_streams_begin_and_end(begin, client, configured, library, tmp_path):
    """Streams of different lengths, with workers: elements start and stop between the answers."""
    library(WAITS, "waits.py")
    pipeline = {"empycustom": [{**LIB, "workers": 1}, LIB, {**LIB, "custom-lib": "waits.py", "options": {"at": 299}}]}
    streams = [{"stream_id": f"s{index}", "location": "test"} for index in range(4)]
    name = configured(pipeline, streams=streams)
    running = begin("run", name, *OUT, "--frames", 300, "--metrics", client.port)
    client.wait(running)
    barrier, wrong, answers = threading.Barrier(2), [], []

    def scrape():
        try:
            last = {}
            barrier.wait()
            while True:
                try:
                    last = checked(last, client.samples())
                    assert not any(value for (name, _), value in last.items() if name == "frames_passed_total")
                except (OSError, http.client.IncompleteRead):  # the run has ended
                    return
                answers.append(len(last))
        except BaseException as error:  # noqa: BLE001 - shown below
            wrong.append(error)

    threads = [threading.Thread(target=scrape) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) > 4 or wrong, "some answers")
    (tmp_path / "go").touch()
    ended = running.end()
    for thread in threads:
        thread.join(60)
    assert (ended.code, wrong) == (0, []), ended.err
