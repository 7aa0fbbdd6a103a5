"""What libraries share lives on from video to video, in the process that plays them; after a failure it is made anew."""

from __future__ import annotations

import json

import pytest
from batch_helpers import rows

LOADS = """
import os
from pathlib import Path

import empycustom


class Model:
    def __init__(self, place):
        self.place, self.videos = place, 0
        self.say("loaded")

    def say(self, what):
        with open(self.place, "a") as file:
            file.write(f"{os.getpid()} {what}\\n")

    def answer(self):
        from helper import ANSWER  # when the library that has loaded the model is gone

        return ANSWER

    def close(self):
        self.say("closed")


def start(options):
    global model
    model = empycustom.shared("model", lambda: Model(options["said"]))
    model.videos += 1


def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["source"].endswith(options.get("fails", "none")):
        raise ValueError("no ball")
    return {"frame": {"pid": os.getpid(), "answer": model.answer(), "video": model.videos}}
"""


@pytest.fixture
def play(batch, library, tmp_path):
    """Play a folder of videos, and return how it ended, and what the models have written: process and event."""

    def run(folder, *arguments, **options):
        said = tmp_path / "said"
        library("ANSWER = 42", "libs/helper.py")
        options = json.dumps({"said": str(said), **options})
        lib = library(LOADS, "libs/lib.py")
        twice = ("--lib", lib, "--options", options) * 2
        ended = batch(folder, *twice, *arguments, "--out", tmp_path / "results")
        return ended, [line.split() for line in said.read_text().splitlines()]

    return run


def test_a_process_loads_a_model_once_and_closes_it_at_its_end(play, videos, tmp_path):
    ended, said = play(videos(8), "--jobs", 2)
    assert ended.returncode == 0, ended.stderr
    loaded, closed = ([pid for pid, what in said if what == wanted] for wanted in ("loaded", "closed"))
    assert len(loaded) == 2
    assert sorted(loaded) == sorted(closed)
    assert [what for _, what in said[:2]] == ["loaded", "loaded"]
    found = rows(f"SELECT pid, answer, count(DISTINCT video) FROM '{tmp_path}/results/frames/*.parquet' GROUP BY ALL")
    assert {str(pid) for pid, *_ in found} == {*loaded}
    assert {answer for _, answer, _ in found} == {42}
    assert sum(count for *_, count in found) == 8


def test_after_a_video_that_failed_it_is_loaded_again(play, videos, tmp_path):
    ended, said = play(videos(4), "--jobs", 1, fails="1.mkv")
    assert ended.returncode == 1
    (first, *_), (second, *_) = (each for each in said if each[1] == "loaded")
    assert first != second
    assert sorted(said) == sorted([[first, "loaded"], [first, "closed"], [second, "loaded"], [second, "closed"]])
    found = rows(f"SELECT DISTINCT pid, right(video, 5) FROM '{tmp_path}/results/frames/*.parquet' ORDER BY 2")
    assert found == [(int(first), "0.mkv"), (int(second), "2.mkv"), (int(second), "3.mkv")]


@pytest.fixture
def play_closing(batch, library, tmp_path):
    """Play a folder of videos by one process, with a model whose ``close`` ends as it is told, and return how it ended."""

    def run(folder, ends, *arguments, fails="none"):
        model = f"class Model:\n    def close(self):\n        {ends}\n"
        start = "def start(options):\n    empycustom.shared('model', Model)\n"
        call = f"def process_ip(b, m, o):\n    assert not m['frame'][0]['source'].endswith({fails!r})\n"
        lib = library(f"import os\nimport empycustom\n{model}{start}{call}")
        return batch(folder, "--lib", lib, "--out", tmp_path / "results", "--jobs", 1, *arguments)

    return run


@pytest.mark.parametrize(
    ("ends", "error"),
    [
        ("raise OSError('full')", "a process ended by itself, with exit code 1 while it closed what libraries share"),
        ("os._exit(3)", "a process ended by itself, with exit code 3 while it closed what libraries share"),
        ("import time; time.sleep(60)", "a process had not closed what libraries share after 5 s, and was ended"),
    ],
)
def test_what_cannot_be_closed_is_an_error(play_closing, videos, ends, error):
    ended = play_closing(videos(2), ends)
    assert ended.returncode == 1
    assert f"empycustom: error: {error}. Results of videos that are done are there.\n" in ended.stderr
    assert "2 videos done" in ended.stderr


def test_neither_is_it_in_a_process_that_is_replaced(play_closing, videos):
    ended = play_closing(videos(3), "raise OSError('full')", fails="1.mkv")
    assert ended.returncode == 1
    assert "a process ended by itself, with exit code 1 while it closed what libraries share" in ended.stderr
    assert "2 videos done, 1 failed" in ended.stderr


def test_programs_get_why_it_is_not_closed(play_closing, videos):
    ended = play_closing(videos(1), "os._exit(3)", "--json", "--quiet")
    found = json.loads(ended.stdout)
    assert (found["exit_code"], found["failed"], found["stopped"]) == (1, 0, None)
    assert found["unclosed"] == "a process ended by itself, with exit code 3 while it closed what libraries share"
