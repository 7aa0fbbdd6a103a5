"""``empycustom run --on-error``: what a frame does whose call fails."""

from __future__ import annotations

import json

import pytest
from command_helpers import SAYS, words

FAILS = "def process_ip(b, m, o):\n    number = m['frame'][0]['frame_num']\n    return [{'half': 1 / (number % 2)}]\n"
RAISES_ALWAYS = "def process_ip(b, m, o):\n    raise ValueError(7)\n"
NOT_A_RESULT = FAILS.replace("[{'half': 1 / (number % 2)}]", "[{}] if number % 2 else 7")


@pytest.fixture
def run(cli, library, tmp_path):
    """Run two libraries, of which ``bad.py`` fails in each second frame; return how it ended and their part of the summary."""
    library(SAYS)

    def play(*options, source=FAILS):
        library(source, "bad.py")
        ended = cli("run", "test", *options, "--frames", 6, "--out", "-", "--summary-json", "summary.json")
        return ended, json.loads((tmp_path / "summary.json").read_text())

    return play


@pytest.mark.parametrize("source", [FAILS, NOT_A_RESULT], ids=["raises", "returns what cannot be used"])
@pytest.mark.parametrize(("policy", "documents"), [("pass", [0, 1, 2, 3, 4, 5]), ("drop", [1, 3, 5])])
def test_the_run_goes_on_and_the_summary_counts(run, source, policy, documents):
    ended, done = run("--on-error", policy, "--lib", "bad.py", "--lib", "lib.py", source=source)
    assert ended.code == done["exit_code"] == 0
    assert [document["frame"][0]["frame_num"] for document in ended.documents] == documents
    assert [(lib["calls"], lib["errors"], lib["dropped"]) for lib in done["libraries"]] == [
        (6, 3, 6 - len(documents)),
        (len(documents), 0, 0),
    ]
    assert ended.err.count("empycustom: warning: ") == 1, "each cause once"
    assert " at frame 0 (0:00:00.000)" in ended.err
    assert ("  3 errors, 3 dropped\n" if policy == "drop" else "  3 errors\n") in ended.err


def test_a_result_of_others_stays_on_the_frame_that_passes(run):
    ended, _ = run("--lib", "lib.py", "--lib", "bad.py", "--on-error", "pass")
    assert words(ended.documents)[:2] == [{"said": "hello"}, {"said": "hello", "half": 1.0}]


def test_behind_a_library_it_is_for_that_one(run):
    ended, done = run("--lib", "bad.py", "--lib", "lib.py", "--on-error", "pass")
    assert (ended.code, done["exit_code"], done["documents"]) == (1, 1, 0)
    ended, done = run("--on-error", "drop", "--lib", "bad.py", "--on-error", "pass", "--lib", "lib.py")
    assert (ended.code, done["documents"]) == (0, 6)


def test_the_default_is_to_fail(run):
    for options in ([], ["--on-error", "fail"]):
        ended, done = run(*options, "--lib", "bad.py")
        assert (ended.code, done["frames"]) == (1, 0)
        assert "empycustom: error: " in ended.err


def test_the_printed_line_has_it(cli, library):
    library(SAYS)
    line = cli("run", "test", "--on-error", "drop", "--lib", "lib.py", "--lib", "lib.py", "--on-error", "fail", "--dry-run").out
    assert [part.split(" ! ")[0].split()[-1] for part in line.split("custom-lib=")[1:]] == ["on-error=drop", "on-error=fail"]


def test_where_there_is_no_library_of_the_command_line_it_is_refused(cli, configured):
    for words_, said in (("test", "there is no --lib"), (configured({}), 'write "on-error" beside "custom-lib" in the file')):
        ended = cli("run", words_, "--on-error", "pass")
        assert ended.code == 2
        assert said in ended.err


@pytest.mark.parametrize("as_configuration", [False, True])
def test_a_video_without_a_frame_is_not_written(cli, library, configured, video, tmp_path, as_configuration):
    (tmp_path / "a.mp4").write_text("an older one")
    element = {"custom-lib": "lib.py", "in-place": True, "on-error": "drop"}
    words = ["video.avi", "--lib", "lib.py", "--on-error", "drop"]
    words = [configured({"empycustom": element}), "--source", "video.avi"] if as_configuration else words
    library(RAISES_ALWAYS)  # in place of the library that comes with a configuration
    saves = [word for name in ("a.mp4", "a.mkv", "a.png") for word in ("--save", name)]
    ended = cli("run", *words, *saves)

    assert ended.code == 0, ended.err
    for name in ("a.mp4", "a.mkv", "a.png"):
        assert ended.err.count(f"{name} was not written: there was no frame.") == 1
    assert "; written: " not in ended.err
    assert list(tmp_path.glob("a.*")) == []
