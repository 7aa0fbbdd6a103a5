"""``run --document-format gva``: messages as DL Streamer's gvametaconvert makes them, in the place of documents."""

from __future__ import annotations

import json

from command_helpers import COUNTS, LIB

MESSAGES = """\
def process_ip(io_buffer, in_meta, options):
    if in_meta["frame"][0]["frame_num"] == 1:
        return [{"speed": 3, "messages": [{"a": 1}, "text"]}]
"""
OPTIONS = ("--document-format", "gva", "--frames", 3, "--quiet")


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_messages_are_printed_and_go_into_a_file(cli, library, tmp_path):
    lib = library(MESSAGES)
    printed = cli("run", "test", "--lib", lib, *OPTIONS)
    assert (printed.code, printed.err) == (0, "")
    own, *added = lines_of(printed.out)
    assert (own["speed"], own["source"], own["resolution"].keys(), added) == (3, "test", {"width", "height"}, [{"a": 1}, "text"])
    written = cli("run", "test", "--lib", lib, *OPTIONS, "--out", "out.jsonl")
    assert (written.code, written.out) == (0, "")
    assert lines_of((tmp_path / "out.jsonl").read_text()) == [own, *added]


def test_those_of_several_streams_have_its_name_and_callbacks_get_documents(cli, configured, library):
    library(MESSAGES, "lib.py")
    streams = [{"stream_id": "a", "location": "test"}, {"stream_id": "b", "location": "test"}]
    configuration = configured({"empycustom": LIB}, streams=streams, callback=COUNTS)
    ended = cli("run", configuration, *OPTIONS, "--out", "-")
    assert ended.code == 0, ended.err
    lines = lines_of(ended.out)
    assert sorted(line["number"] for line in lines if "number" in line) == [0, 0, 1, 1, 2, 2]
    of_a = [line for line in lines if line["stream_id"] == "a" and "number" not in line]
    assert [next(iter(line)) for line in of_a] == ["stream_id"] * 3
    assert of_a[1:] == [{"stream_id": "a", "a": 1}, {"stream_id": "a", "message": "text"}]


def test_the_line_of_a_dry_run_does_the_same(cli, library):
    ended = cli("run", "test", "--lib", library(MESSAGES), *OPTIONS[:2], "--dry-run")
    assert "aimeta name=aimeta silent=false format=gva" in ended.out


def test_where_nothing_is_written_it_is_an_error(cli, library):
    ended = cli("run", "test", "--lib", library(MESSAGES), *OPTIONS, "--save", "a.png")
    assert (ended.code, ended.out) == (1, "")
    assert "--document-format gva: no documents are written; add --out FILE, or --out -" in ended.err
