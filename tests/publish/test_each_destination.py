"""What only one destination has: rotated files, retained messages, keys, arrays, signatures, tables that somebody else has made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from sent import HERE, WAITS, Told, document, numbers, once, put, with_query
from servers import Server, wait_for

from empycustom.errors import PublishError

Serve = Callable[[str], Server]


def publish(uri: str, first: int = 0, last: int = 20, **given: Any) -> tuple[Told, dict[str, int]]:
    told = Told()
    publisher = told.publisher(uri, **given)
    put(publisher, first, last)
    assert publisher.drain() == 0, publisher.last_error
    publisher.close()
    return told, publisher.counts()


# Files.


@pytest.mark.parametrize("size", ["2kB", "2kb", "2K", "2000", "0.002mB"])
def test_rotated_files(tmp_path: Path, size: str) -> None:
    told = Told()
    publisher = told.publisher(f"file://{tmp_path}/results.jsonl?rotate={size}&keep=3")
    for n in range(30):  # one after the other: a batch goes into one file
        put(publisher, n, n + 1)
        wait_for(lambda: publisher.waiting == 0, "it to arrive")
    publisher.close()
    assert told == []
    files = [tmp_path / name for name in ("results.3.jsonl", "results.2.jsonl", "results.1.jsonl", "results.jsonl")]
    assert sorted(tmp_path.glob("*.jsonl")) == sorted(files)
    found = [[json.loads(line)["frame"][0]["frame_num"] for line in path.read_text().splitlines()] for path in files]
    last = [n for each in found for n in each]
    assert last == list(range(last[0], 30))
    assert all(2000 <= path.stat().st_size < 3000 for path in files[:-1])


def test_a_half_written_last_line(tmp_path: Path, state: Path) -> None:
    """As after a power cut: a line is there in part, and its message is still kept."""
    uri, path = f"file://{tmp_path}/results.jsonl", tmp_path / "results.jsonl"
    publish(uri, 0, 10)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id":"abc-11","frame":[{"frame_num":1')
    publish(uri, 10, 20)
    lines = path.read_bytes().splitlines()
    assert path.read_bytes().startswith(whole)
    assert [json.loads(line)["frame"][0]["frame_num"] for line in lines] == list(range(20))


@pytest.mark.parametrize("there", [5, 2.5])
def test_a_batch_that_is_in_the_file_but_still_kept(tmp_path: Path, state: Path, there: float) -> None:
    """As after a kill between the write and the removal: all of the batch is in the file, or the half."""
    path, kept = tmp_path / "results.jsonl", tmp_path / "kept.sqlite"
    uri = f"file://{path}"
    publisher = Told().publisher(uri)
    put(publisher, 0, 5)
    wait_for(lambda: publisher.waiting == 0, "them to arrive")
    path.unlink()
    path.mkdir()  # it cannot be written now
    put(publisher, 0, 5)
    publisher.drain()
    publisher.close()
    [spool] = state.glob("*.sqlite")
    kept.write_bytes(spool.read_bytes())
    path.rmdir()
    publish(uri, 5, 6)  # what was kept arrives, and the spool is gone
    lines = path.read_bytes().splitlines(keepends=True)[:5]
    assert list(state.iterdir()) == []
    kept.replace(spool)  # as if it had not been removed
    path.write_bytes(b"".join(lines[: int(there)]) + lines[int(there) % 5][: 50 if there != int(there) else 0])
    publish(uri, 5, 10)
    assert [json.loads(line)["frame"][0]["frame_num"] for line in path.read_bytes().splitlines()] == list(range(10))


def test_a_file_that_somebody_deletes(tmp_path: Path) -> None:
    path, told = tmp_path / "results.jsonl", Told()
    publisher = told.publisher(f"file://{path}")
    put(publisher, 0, 10)
    wait_for(lambda: publisher.waiting == 0, "them to arrive")
    path.unlink()
    put(publisher, 10, 20)
    assert publisher.drain() == 0
    publisher.close()
    assert [json.loads(line)["frame"][0]["frame_num"] for line in path.read_text().splitlines()] == list(range(10, 20))


# Tables.


def test_rows_of_objects_in_sqlite(tmp_path: Path) -> None:
    uri = f"sqlite://{tmp_path}/results.db?select=objects"
    publisher = Told().publisher(uri)
    for n in range(3):
        found = json.loads(document(n))
        found["frame"][0]["object"][0]["object_id"] = (7, 2**63 + 11, -1)[n]
        publisher.put(json.dumps(found).encode(), WAITS)
    assert publisher.drain() == 0, publisher.last_error
    publisher.close()
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        rows = db.execute('SELECT label, track, "left", width, confidence, source, frame_num, time FROM results').fetchall()
    rest = ("gate.mp4", 0, "2026-01-02T03:04:05.678000+00:00")
    assert rows[0] == ("person", 7, 1.5, 30.0, 0.5, *rest)
    assert [row[1] for row in rows] == [7, str(2**63 + 11), None]


def test_a_table_of_another_shape_in_sqlite(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        db.execute("CREATE TABLE results (id TEXT PRIMARY KEY, time TEXT)")
        db.execute(
            "CREATE TABLE mine AS SELECT 1 AS id, 2 AS time, 3 AS source, 4 AS source_id, 5 AS frame_num, 6 AS stream_time, 7 AS objects, 8 AS message"
        )
    with pytest.raises(
        PublishError,
        match=r"the table results has another shape \(it has no column source, source_id, .* message\); name another one",
    ):
        Told().publisher(f"sqlite://{tmp_path}/results.db")
    with pytest.raises(PublishError, match=r"the table mine has another shape \(ON CONFLICT .*\); name another one"):
        Told().publisher(f"sqlite://{tmp_path}/results.db?table=mine")
    (tmp_path / "text.db").write_text("no database " * 1000)
    with pytest.raises(PublishError, match=r"text\.db is not a database of SQLite"):
        Told().publisher(f"sqlite://{tmp_path}/text.db")


def test_constraints_of_others_cost_only_their_rows(tmp_path: Path, serve: Serve) -> None:
    server = serve("postgresql")
    made = "CREATE TABLE results (id text PRIMARY KEY, time {0}, source text, source_id int, frame_num bigint CHECK (frame_num <> 7), stream_time bigint, objects int, message {1})"
    server.query(made.format("timestamptz", "jsonb"))  # type: ignore[attr-defined]
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        db.execute(made.format("text", "text"))
    for uri in (server.uri, f"sqlite://{tmp_path}/results.db"):
        told, counts = publish(uri)
        assert counts["dropped"] == 1
        assert counts["sent"] == 19
        [warning] = told.warnings
        assert "refuses the message" in warning
        assert warning.endswith("it was given up (reported once; the property stats counts them)")
        assert told.states == []
    wanted = [n for n in range(20) if n != 7]
    assert numbers(server) == wanted
    with closing(sqlite3.connect(tmp_path / "results.db")) as db:
        assert [n for (n,) in db.execute("SELECT frame_num FROM results")] == wanted


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE results (id text PRIMARY KEY, time timestamptz)",
        "CREATE TABLE results (id text, time timestamptz, source text, source_id int, frame_num bigint, stream_time bigint, objects int, message jsonb)",
        "CREATE TABLE results (id int PRIMARY KEY, time timestamptz, source text, source_id int, frame_num bigint, stream_time bigint, objects int, message jsonb)",
        "CREATE TABLE results (id text PRIMARY KEY, time int, source text, source_id int, frame_num bigint, stream_time bigint, objects int, message jsonb)",
        "CREATE TABLE results (id text PRIMARY KEY, time timestamptz, source text, source_id int, frame_num bigint, stream_time bigint, objects int, message jsonb, mine int NOT NULL)",
        "CREATE VIEW results AS SELECT 'a' AS id, now() AS time, '' AS source, 0 AS source_id, 0 AS frame_num, 0 AS stream_time, 0 AS objects, '{}' AS message",
    ],
)
def test_a_table_of_another_shape_in_postgresql(serve: Serve, table: str) -> None:
    server = serve("postgresql")
    server.query(table)  # type: ignore[attr-defined]
    with pytest.raises(
        PublishError, match=r"the table results cannot be made, or has another shape \(.*\); name another one with table=NAME"
    ):
        Told().publisher(server.uri)
    publish(with_query(server.uri, "table=public.mine&select=objects"))
    rows = server.query("SELECT label, track, width, time, frame_num FROM mine ORDER BY frame_num")  # type: ignore[attr-defined]
    assert len(rows) == 20
    assert rows[5][:3] == ("person", 1, 30.0)


def test_zero_characters_cost_only_their_message(serve: Serve) -> None:
    server, told = serve("postgresql"), Told()
    publisher = told.publisher(server.uri)
    for n in range(100):
        publisher.put(document(n, text="a\0b" if n == 42 else ""), WAITS)
    assert publisher.drain() == 0
    publisher.close()
    assert numbers(server) == [n for n in range(100) if n != 42]
    assert publisher.counts()["dropped"] == 1
    assert len(told.warnings) == 1


# Brokers.


def test_redis_streams_are_trimmed(serve: Serve) -> None:
    server = serve("redis")
    publish(with_query(server.uri, "maxlen=100"), 0, 2000)
    found = numbers(server)
    assert 100 <= len(found) <= 300  # about
    assert found == list(range(2000 - len(found), 2000))
    entry = server.entries()[-1]  # type: ignore[attr-defined]
    assert sorted(entry) == [b"id", b"key", b"message"]
    assert json.loads(entry[b"message"])["id"] == entry[b"id"].decode()


def test_redis_keys_of_another_kind(serve: Serve) -> None:
    import redis

    server = serve("redis")
    with redis.Redis(port=server.port) as client:
        client.set("results", "text")
        client.set("car", "text")
    with pytest.raises(PublishError, match="results is there, and is not a stream but a string; name another one"):
        Told().publisher(server.uri)
    told = Told()
    publisher = told.publisher(f"redis://127.0.0.1:{server.port}/{{obj_label}}?select=objects")
    for n in range(20):
        publisher.put(document(n, "car" if n % 5 == 0 else "person"), WAITS)
    assert publisher.drain() == 0
    publisher.close()
    found = [json.loads(entry[b"message"])["frame_num"] for entry in server.entries("person")]  # type: ignore[attr-defined]
    assert found == [n for n in range(20) if n % 5]
    assert publisher.counts()["dropped"] == 4
    assert len(told.warnings) == 1
    with pytest.raises(PublishError, match=r"Redis refuses it \(.*DB index is out of range\)"):
        Told().publisher(with_query(f"redis://127.0.0.1:{server.port}/other", "db=99"))


def test_a_redis_that_is_full_takes_them_later(serve: Serve) -> None:
    import redis

    server, told = serve("redis"), Told()
    publisher = told.publisher(server.uri)
    with redis.Redis(port=server.port) as client:
        client.config_set("maxmemory", "1mb")
        put(publisher, 0, 2000)
        wait_for(lambda: publisher.state == "away", "it to be full")
        assert "used memory > 'maxmemory'" in publisher.last_error
        client.config_set("maxmemory", "0")
    wait_for(lambda: publisher.waiting == 0, "all to arrive", 60)
    publisher.close()
    assert numbers(server) == list(range(2000))


def test_mqtt_retained_and_qos(serve: Serve) -> None:
    import paho.mqtt.client as paho

    server = serve("mqtt")
    for qos in (0, 1, 2):
        publish(f"mqtt://127.0.0.1:{server.port}/q{qos}?qos={qos}&retain=true")
    wait_for(lambda: len(numbers(server)) == 60, "all")
    for qos in range(3):
        found = [
            m["frame"][0]["frame_num"] for topic, m in zip(server.topics(), server.received(), strict=True) if topic == f"q{qos}"
        ]  # type: ignore[attr-defined]
        assert found == list(range(20))
    kept: list[Any] = []
    late = paho.Client(paho.CallbackAPIVersion.VERSION2)
    late.on_connect = lambda client, *_: client.subscribe("#")
    late.on_message = lambda _c, _d, message: kept.append((message.topic, message.retain, json.loads(message.payload)))
    late.connect("127.0.0.1", server.port)
    late.loop_start()
    wait_for(lambda: len(kept) >= 3, "what was retained")
    late.disconnect()
    late.loop_stop()
    assert sorted((topic, retain, message["frame"][0]["frame_num"]) for topic, retain, message in kept) == [
        (f"q{k}", True, 19) for k in range(3)
    ]


WILL = """
import os, sys
sys.path[:0] = HERE
from sent import Told
publisher = Told().publisher(URI)
assert publisher.state == "connected"
os.kill(os.getpid(), 9)
"""


def test_mqtt_will(serve: Serve) -> None:
    import subprocess
    import sys

    server = serve("mqtt")
    uri = with_query(server.uri, 'will=gone&will-message={"gone":true}')
    subprocess.run([sys.executable, "-c", f"HERE, URI = {HERE!r}, {uri!r}\n{WILL}"], check=False, timeout=60)
    wait_for(server.received, "the will")
    assert server.topics() == ["gone"]  # type: ignore[attr-defined]
    assert server.received() == [{"gone": True}]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_versions_of_mqtt(serve: Serve, version: str) -> None:
    server = serve("mqtt")
    publish(with_query(server.uri, f"version={version}"), 0, 200)
    wait_for(lambda: len(numbers(server)) == 200, "all")
    assert numbers(server) == list(range(200))


def test_a_camera_keeps_its_partition_in_kafka(serve: Serve) -> None:
    server = serve("kafka")
    for first in (0, 20):
        publish(server.uri, first, first + 20)
    wait_for(lambda: server.count() == 40, "40 messages", 60)
    messages = server._messages  # type: ignore[attr-defined]
    assert {message.key() for message in messages} == {b"gate.mp4"}  # the source of the documents
    assert len({message.partition() for message in messages}) == 1
    assert numbers(server) == list(range(40))


def test_kafka_keys_and_their_order(serve: Serve) -> None:
    server, told = serve("kafka"), Told()
    uri = server.uri.replace("results", "{obj_label}")
    publisher = told.publisher(with_query(uri, "select=objects&key={object_id}"))
    labels = ["person", "a b/c", "", "x" * 300]
    for n in range(40):
        publisher.put(document(n, labels[0] if n < 36 else labels[n - 36]), WAITS)
    assert publisher.drain() == 0, publisher.last_error
    publisher.close()
    wait_for(lambda: len(server.received()) == 38, "38 messages", 60)
    messages = server._messages  # type: ignore[attr-defined]
    assert {message.topic() for message in messages} == {"person", "a_b_c"}
    by_key: dict[tuple[str, bytes], list[int]] = {}
    for message in messages:
        by_key.setdefault((message.topic(), message.key()), []).append(json.loads(message.value())["frame_num"])
        assert dict(message.headers())["id"].decode() == json.loads(message.value())["id"]
    assert sorted(by_key) == [("a_b_c", b"7"), *(("person", str(k).encode()) for k in range(8))]
    assert all(found == sorted(found) for found in by_key.values())
    assert publisher.counts()["dropped"] == 2
    assert len(told.warnings) == 1


def test_a_message_too_large_for_kafka(serve: Serve) -> None:
    server, told = serve("kafka"), Told()
    publisher = told.publisher(server.uri)
    for n in range(20):
        publisher.put(document(n, text="x" * (2_000_000 if n == 10 else 1)), WAITS)
    assert publisher.drain() == 0, publisher.last_error
    publisher.close()
    wait_for(lambda: len(once(numbers(server))) == 19, "19 messages", 60)
    assert sorted(once(numbers(server))) == [n for n in range(20) if n != 10]
    assert publisher.counts()["dropped"] == 1


# Web servers.


def test_arrays(serve: Serve) -> None:
    server = serve("http")
    publish(with_query(server.uri, "batch=50&envelope=cloudevents&token=abc"), 0, 500)
    requests = server.requests  # type: ignore[attr-defined]
    assert [each["data"]["frame"][0]["frame_num"] for each in server.received()] == list(range(500))
    assert all(len(json.loads(body)) <= 50 for _, body in requests)
    assert len(requests) < 500
    assert {headers["content-type"] for headers, _ in requests} == {"application/cloudevents-batch+json"}
    assert {headers["authorization"] for headers, _ in requests} == {"Bearer abc"}
    for headers, body in requests:
        first, last = (json.loads(body)[k]["id"] for k in (0, -1))
        assert headers["webhook-id"] == f"{first}-{last.rpartition('-')[2]}"


def test_one_that_is_refused_in_an_array(serve: Serve) -> None:
    server, told = serve("http"), Told()
    server.refuses = lambda body: b'"frame_num":42,' in body  # type: ignore[attr-defined]
    publisher = told.publisher(with_query(server.uri, "batch=100"))
    put(publisher, 0, 100)
    assert publisher.drain() == 0
    publisher.close()
    assert numbers(server) == [n for n in range(100) if n != 42]
    counts = publisher.counts()
    assert (counts["sent"], counts["dropped"]) == (99, 1)
    [warning] = told.warnings
    assert "answers 422" in warning
    assert told.states == []


@pytest.mark.parametrize("status", [401, 403, 404, 308, 408, 429, 500, 503])
def test_statuses_after_which_it_is_sent_again(serve: Serve, status: int) -> None:
    server = serve("http")
    server.answers = [status]  # type: ignore[attr-defined]
    told, counts = publish(server.uri)
    assert numbers(server) == list(range(20))
    assert counts["dropped"] == 0
    assert counts["repeated"] == 1
    assert told.states == ["away", "connected"]
    assert f"answers {status}" in str(told[0][1])


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(serve: Serve, form: str) -> None:
    server = serve("http")
    server.answers = [503]  # type: ignore[attr-defined]
    server.retry_after = lambda: "2" if form == "seconds" else formatdate(time.time() + 3, usegmt=True)  # type: ignore[attr-defined]
    publish(server.uri)
    assert numbers(server) == list(range(20))
    first, second = server.times[:2]  # type: ignore[attr-defined]
    assert second - first >= 1.9


@pytest.mark.parametrize("secret", ["whsec_" + base64.b64encode(bytes(range(32))).decode(), "any text"])
@pytest.mark.parametrize("batch", [1, 10])
def test_signatures(serve: Serve, secret: str, batch: int, tmp_path: Path) -> None:
    server = serve("http")
    (tmp_path / "secret").write_text(secret + "\n")
    publish(with_query(server.uri, f"batch={batch}&secret=@{tmp_path}/secret"))
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    for headers, body in server.requests:  # type: ignore[attr-defined]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
        if secret.startswith("whsec_"):
            from standardwebhooks import Webhook

            Webhook(secret).verify(body, headers)
