"""Publishing by `empycustom`, as a user types it: each stream of a configuration has a place of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sent import NUMBER
from servers import Server, wait_for

from ports import free_port

STREAMS = [{"stream_id": "gate", "location": "test"}, {"stream_id": "back yard+", "location": "test"}]


@pytest.fixture
def configured(tmp_path: Path, library: Callable[..., Path]) -> Callable[[Any], str]:
    """Return a function that writes a configuration of two streams, which publish there."""
    library(NUMBER, "number.py")

    def write(publish: Any) -> str:
        pipeline = {"empycustom": {"custom-lib": "number.py", "in-place": True}, "publish": publish}
        (tmp_path / "cameras.json").write_text(json.dumps({"pipeline_configuration": pipeline, "streams": STREAMS}))
        return "cameras.json"

    return write


def test_each_stream_has_a_file_of_its_own(cli: Any, configured: Any, tmp_path: Path) -> None:
    ended = cli("run", configured({"uri": f"file://{tmp_path}/{{stream_id}}.jsonl"}), "--frames", 5, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    for stream in STREAMS:
        lines = [json.loads(line) for line in (tmp_path / f"{stream['stream_id']}.jsonl").read_text().splitlines()]
        assert [(line["frame"][0]["source"], line["frame"][0]["frame_num"]) for line in lines] == [
            (stream["stream_id"], n) for n in range(5)
        ]


def test_streams_share_a_table(cli: Any, configured: Any, tmp_path: Path) -> None:
    assert cli("run", configured(f"sqlite://{tmp_path}/all.db"), "--frames", 5, "--quiet").code == 0
    with closing(sqlite3.connect(tmp_path / "all.db")) as db:
        assert db.execute("SELECT source, count(*) FROM results GROUP BY source ORDER BY source").fetchall() == [
            ("back yard+", 5),
            ("gate", 5),
        ]


@pytest.mark.parametrize("command", ["check", "run"])
def test_streams_that_would_write_one_file(cli: Any, configured: Any, tmp_path: Path, command: str) -> None:
    uri = f"file://{tmp_path}/all.jsonl"
    ended = cli(command, configured(["mqtt://localhost/x", uri]))
    assert ended.code == 1
    at = "$.pipeline_configuration.publish[1]"
    assert (
        f"{at}: {uri}: gate and back yard+ cannot write one file; write {{stream_id}} into its name: all-{{stream_id}}.jsonl"
        in ended.err
    )
    assert not (tmp_path / "all.jsonl").exists()


def test_topics_have_the_name_of_the_stream(cli: Any, configured: Any, serve: Callable[[str], Server]) -> None:
    server = serve("mqtt")
    uri = f"{server.uri.rpartition('/')[0]}/cameras/{{source}}"
    assert cli("run", configured(uri), "--frames", 3, "--quiet").code == 0
    wait_for(lambda: server.count() == 6, "all messages")
    assert sorted(set(server.topics())) == ["cameras/back yard_", "cameras/gate"]  # type: ignore[attr-defined]


def test_a_kafka_that_is_away_is_one_warning(cli: Any, library: Callable[..., Path]) -> None:
    """The log of its client, hundreds of lines, is not for the user's terminal."""
    library(NUMBER, "number.py")
    uri = f"kafka://localhost:{free_port()}/people?drain-timeout=3"
    ended = cli("run", "test", "--lib", "number.py", "--frames", 5, "--quiet", "--publish", uri)
    assert ended.code == 0
    away, left = ended.err.splitlines()
    assert away.startswith(f"empycustom: warning: {uri.partition('?')[0]} cannot be reached (")
    assert "5 messages have not arrived at" in left


@pytest.mark.parametrize("scheme", ["file", "sqlite"])
def test_a_file_that_cannot_be_written_ends_the_run(cli: Any, library: Callable[..., Path], scheme: str) -> None:
    library(NUMBER, "number.py")
    ended = cli("run", "test", "--lib", "number.py", "--frames", 5, "--quiet", "--publish", f"{scheme}:///proc/results")
    assert ended.code == 1
    assert f"{scheme}:///proc/results: /proc/results cannot be written (" in ended.err
    assert "kept" not in ended.err


def test_settings_of_one_destination_in_a_configuration(cli: Any, configured: Any, tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/{{stream_id}}.jsonl"
    given = {"uri": f"{uri}?keep=2", "rotate": "1kB", "keep": 50, "select": "objects"}
    assert cli("run", configured(given), "--frames", 100, "--quiet").code == 0
    assert (tmp_path / "gate.1.jsonl").exists()
    assert not (tmp_path / "gate.3.jsonl").exists()  # the URI goes first
    ended = cli("check", configured([{**given, "rotat": "1kB"}, {"uri": "mqtt://localhost/x", "password": "a&b", "qos": 7}]))
    assert ended.code == 1
    assert "publish[0]: file://" in ended.err
    assert "there is no setting rotat; rotate may be meant" in ended.err
    assert 'publish[1]: mqtt://localhost/x: qos must be a whole number, 0 to 2, not "7"' in ended.err
    assert "a&b" not in ended.err
    assert "a%26b" not in ended.err


def test_a_scheme_that_is_not_known(cli: Any) -> None:
    ended = cli("run", "test", "--publish", "foo://localhost/x")
    assert ended.code == 1
    assert ended.err.startswith("empycustom: error: --publish: nothing publishes to foo://; there are ")
