"""Names of files that promise another format than lines of JSON."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess

import pytest
from command_helpers import LIB, SAYS

FINDS = """\
def process_ip(io_buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    box = {"left": 10.5 + number, "top": 20.5, "width": 30.5, "height": 40.5}
    return {"frame": [{"new_object": [{"obj_label": 'a "small", red dog', "confidence": 0.5, "rect_params": box}]}]}
"""


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.csv", "write a.jsonl, and make a table of it: jq -r '"),
        ("A.TSV", "write A.jsonl, and make a table of it: jq -r '"),
        ("it's.parquet", "COPY (FROM 'it''s.jsonl') TO 'it''s.parquet'"),
        ("a b.csv", "| @csv' 'a b.jsonl' > 'a b.csv'"),
        ("b/a.mp4", "frames are written by `empycustom run --save b/a.mp4`"),
        ("a.png", "frames are written by `empycustom run --save a.png`"),
        ("a.jsonl.gz", "write a.jsonl, and compress it afterwards"),
        ("a.xlsx", "write a.jsonl, and let another program make a.xlsx of it"),
        ("a.db", "write a.jsonl, and let another program make a.db of it"),
    ],
)
def test_a_name_that_promises_another_format_is_refused(cli, library, tmp_path, name, advice):
    ended = cli("run", "test", "--lib", library(SAYS), "--frames", 1, "--out", name)

    assert (ended.code, ended.out) == (2, "")
    kind = name.rpartition(".")[2]
    message = ended.err.splitlines()[-1].removeprefix("empycustom run: error: ")
    start = f"argument --out: {name}: documents are written as JSON Lines, not as a .{kind} file; "
    assert message.startswith(start)
    assert advice in message
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a", "a.log", "a.txt", "a.2024", "a.csv/b", ".csv"])
def test_other_names_are_taken(cli, library, tmp_path, name):
    ended = cli("run", "test", "--lib", library(SAYS), "--frames", 1, "-q", "--out", name)

    assert (ended.code, ended.text) == (0, "")
    assert json.loads((tmp_path / name).read_text())["frame"]


def _advised(ended, folder):
    """Run the command of the message; return the rows that it makes."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    command = re.search("(jq .*)", ended.err)[1]
    subprocess.run(command, shell=True, check=True, cwd=folder)
    with open(folder / command.rpartition("> ")[2], newline="") as file:
        return list(csv.reader(file))


def test_the_command_for_documents_makes_a_row_of_each_object(cli, library, tmp_path):
    asked = ["run", "test", "--lib", library(FINDS), "--frames", 2, "-q", "--out"]
    refused = cli(*asked, "a.csv")
    assert cli(*asked, "a.jsonl").code == 0

    label = 'a "small", red dog'
    assert _advised(refused, tmp_path) == [
        ["0", label, "0.5", "10.5", "20.5", "30.5", "40.5"],
        ["1", label, "0.5", "11.5", "20.5", "30.5", "40.5"],
    ]


def test_the_command_for_documents_makes_a_row_of_the_attributes_of_a_frame(cli, library, tmp_path):
    returns = library("def process_ip(b, m, o):\n    return {'frame': {'light': 'dark', 'mean': 1.5}}\n")
    asked = ["run", "test", "--lib", returns, "--frames", 2, "-q", "--out"]
    refused = cli(*asked, "all.csv")
    assert cli(*asked, "all.jsonl").code == 0
    assert _advised(refused, tmp_path) == [["0", "dark", "1.5"], ["1", "dark", "1.5"]]


def test_the_command_for_events_makes_a_row_of_each(cli, configured, tmp_path):
    events = "def update(signal):\n    return [{'n': signal['frame'][0]['frame_num'], 'where': 'a, b', 'box': [1, 2]}], ''\n"
    asked = ["run", configured({"empycustom": LIB}, callback=events), "--source", "test", "--frames", 2, "-q", "--events"]
    refused = cli(*asked, "e.csv")
    assert (refused.code, cli(*asked, "e.jsonl").code) == (2, 0)

    assert "argument --events: e.csv: events are written as JSON Lines, not as a .csv file; write e.jsonl" in refused.err
    assert _advised(refused, tmp_path) == [["0", "a, b", "[1,2]"], ["1", "a, b", "[1,2]"]]


def test_the_location_of_aimeta(cli, configured, tmp_path):
    launched = cli("launch", "videotestsrc num-buffers=2 ! aimeta location=a.csv ! fakesink")
    assert launched.code == 1
    assert "location=a.csv: documents are written as JSON Lines, not as a .csv file; write a.jsonl, and make" in launched.err

    ended = cli("run", configured({"empycustom": LIB, "aimeta": {"location": "a.parquet"}}), "--source", "test", "--frames", 1)
    assert ended.code == 1
    said = "$.pipeline_configuration.aimeta.location: a.parquet: documents are written as JSON Lines, not as a .parquet file; "
    assert said in ended.err
    assert not list(tmp_path.glob("a.*"))
