"""`--json` of the commands that have it: one object on stdout, and nothing else there."""

from __future__ import annotations

import argparse
import json
import re

import pytest
from command_helpers import SAYS

import empycustom
from empycustom.app.arguments import make_parser

(COMMANDS,) = [each.choices for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)]
WITH_JSON = [name for name, command in COMMANDS.items() if "--json" in command._option_string_actions]


def keys_in_help(command):
    """Return the names of the keys that the help of a command lists, by the sentence before each list."""
    text = COMMANDS[command].epilog
    listed = re.findall(r"([A-Z][^\n.]* has:)\n((?:  .*\n)+)", text, re.MULTILINE)
    keys = {head: [re.split(" {2,}", row[2:])[0] for row in rows.splitlines() if row[2] != " "] for head, rows in listed}
    return {head: {key for row in rows for key in row.split(", ") if "[" not in key} for head, rows in keys.items()}


def test_the_commands_that_have_it():
    assert WITH_JSON == ["batch", "check", "doctor"]


@pytest.fixture
def batch(cli, library, video, tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"no video")
    lib = library(SAYS)

    def run(*more):
        ended = cli("batch", "video.avi", "broken.avi", "--lib", lib, "--out", "results", "--json", *more)
        return ended, json.loads(ended.out)

    return run


def test_a_batch(batch, video, tmp_path):
    ended, whole = batch()
    seconds = whole.pop("seconds")
    (failure,) = whole.pop("failures")

    assert whole == {
        "empycustom": empycustom.__version__, "out": "results", "done": 1, "failed": 1, "frames": 40, "objects": 0,
        "stopped": None, "unclosed": None, "exit_code": 1,
    }  # fmt: skip
    assert (ended.code, 0 < seconds < 60) == (1, True)
    assert failure == {"video": str(tmp_path / "broken.avi"), "error": failure["error"]}
    assert "1 video done, 1 failed" in ended.err
    assert {*whole, "seconds", "failures"} == keys_in_help("batch")["The object of --json has:"]


def test_a_batch_that_is_not_played(batch, tmp_path):
    ended, whole = batch("--dry-run")

    assert (ended.code, ended.err) == (0, "")
    assert whole == {
        "empycustom": empycustom.__version__, "out": "results", "new": 2, "done": 0, "failed": 0, "left": 2,
        "videos": [{"video": str(tmp_path / name), "state": "new"} for name in ("video.avi", "broken.avi")],
    }  # fmt: skip
    assert set(whole) == keys_in_help("batch")["With --dry-run it has:"]


def test_the_others_begin_with_the_version_as_well(cli, library):
    for words in (["doctor", "--json"], ["check", library(SAYS), "--json"]):
        whole = json.loads(cli(*words).out)
        assert whole["empycustom"] == empycustom.__version__
        assert set(whole) <= keys_in_help(words[0])["The object of --json has:"] | {"saved", "ended", "error"}
