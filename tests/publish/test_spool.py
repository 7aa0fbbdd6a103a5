"""What is kept while a destination is away: limits, rights, broken files, and several processes."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sent import HERE, WAITS, Told, document, numbers, once, put, with_query
from servers import Http, Server, wait_for

from empycustom.errors import PublishError, SpoolFullError
from empycustom.publish.publisher import Publisher
from ports import free_port

SIZE = len(document(1000)) - 1  # of four digits


def away() -> str:
    return f"redis://127.0.0.1:{free_port()}/results"


def kept(state: Path) -> list[int]:
    """Return the numbers of the documents that are kept."""
    found: list[int] = []
    for path in sorted(state.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as connection:
            found += [
                int(body.split(b'"frame_num":')[1].split(b",")[0]) for (body,) in connection.execute("SELECT body FROM message")
            ]
    return found


def end(publisher: Publisher) -> int:
    left = publisher.close()
    wait_for(lambda: not any(thread.name == "empycustom publish" for thread in threading.enumerate()), "its thread to end")
    return left


@pytest.mark.parametrize(("full", "wanted"), [("oldest", range(1050, 1100)), ("newest", range(1000, 1050))])
def test_a_full_spool(state: Path, full: str, wanted: range) -> None:
    told = Told()
    publisher = told.publisher(with_query(away(), f"spool-size={50 * SIZE}&spool-full={full}"))
    put(publisher, 1000, 1100)
    wait_for(lambda: publisher.counts()["queued"] == 0, "all to be kept")
    assert publisher.counts()["dropped"] == 50
    assert publisher.counts()["spooled"] == 50
    assert end(publisher) == 50
    assert kept(state) == list(wanted)
    [warning] = told.warnings
    assert "that had not arrived were given up" in warning
    assert "spool-size had no room" in warning


def test_a_full_spool_that_stops(state: Path) -> None:
    told = Told()
    publisher = told.publisher(with_query(away(), f"spool-size={50 * SIZE}&spool-full=stop"))
    for n in range(1000, 1100):
        publisher.put(document(n), WAITS)
    wait_for(lambda: publisher.failed, "an error")
    assert not publisher.put(document(1100), WAITS)
    end(publisher)
    assert kept(state) == list(range(1000, 1050))
    [error] = [said for said in told if isinstance(said, SpoolFullError)]
    assert "has 50 messages that have not arrived, and no room for more; set a larger spool-size, or spool-full=oldest" in str(
        error
    )


def test_old_messages_are_given_up(serve: Callable[[str], Server], state: Path) -> None:
    server, told = serve("redis"), Told()
    server.kill()
    publisher = told.publisher(with_query(server.uri, "spool-age=100"))
    put(publisher, 0, 10)
    wait_for(lambda: publisher.counts()["spooled"] == 10, "all to be kept")
    [path] = state.glob("*.sqlite")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE message SET at = at - 101")  # as if that time had gone by
    put(publisher, 10, 20)
    server.start()
    wait_for(lambda: publisher.waiting == 0, "the rest to be sent")
    end(publisher)
    assert numbers(server) == list(range(10, 20))
    assert publisher.counts()["dropped"] == 10
    assert any("older than spool-age" in warning for warning in told.warnings)


def test_nobody_else_may_read_what_is_kept(state: Path) -> None:
    before = os.umask(0o000)
    try:
        publisher = Told().publisher(away())
        put(publisher, 0, 10)
        wait_for(lambda: publisher.counts()["spooled"] == 10, "all to be kept")
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        rights = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    finally:
        os.umask(before)
    assert rights == dict.fromkeys((".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock"), 0o600)
    end(publisher)


@pytest.mark.parametrize("damage", ["text", "torn"])
def test_a_broken_spool_is_named_at_the_start(state: Path, damage: str) -> None:
    uri = away()
    publisher = Told().publisher(uri)
    put(publisher, 0, 200)
    end(publisher)
    [path] = state.glob("*.sqlite")
    whole = path.read_bytes()
    path.write_bytes(b"no database\n" * 1000 if damage == "text" else whole[:4096] + b"\xff" * 8192 + whole[12288:])
    with pytest.raises(
        PublishError, match=r"cannot be used .*; move it away with what it keeps, or name another folder with spool="
    ) as told:
        end(Told().publisher(uri))
    assert str(path) in str(told.value)
    path.unlink()
    end(Told().publisher(uri))
    assert list(state.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_ends_the_pipeline(small_disk: Path) -> None:
    told = Told()
    publisher = told.publisher(with_query(away(), f"spool={small_disk}"))
    for n in range(2000):
        publisher.put(document(n), WAITS)
    wait_for(lambda: publisher.failed, "an error")
    end(publisher)
    [error] = told.warnings
    assert f"messages cannot be kept in {small_disk}" in error
    assert "full" in error
    found = kept(small_disk)
    assert found == list(range(len(found)))
    assert found


@pytest.mark.parametrize("where", ["file", "missing home", "read-only"])
def test_a_place_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: Any, where: str) -> None:
    query = ""
    if where == "file":
        (tmp_path / "file").write_text("")
        query = f"spool={tmp_path}/file/spool"
    elif where == "missing home":
        monkeypatch.delenv("XDG_STATE_HOME")
        monkeypatch.setenv("HOME", "/proc/nothing")
    else:
        query = "spool=/proc/sys"
    with pytest.raises(PublishError, match=r"messages cannot be kept in .*; name another folder with spool=FOLDER|/proc/sys"):
        Told().publisher(with_query(away(), query) if query else away())


ELSEWHERE = """
import os, sys
sys.path[:0] = HERE
from sent import Told, put
publisher = Told().publisher(URI)
put(publisher, 100, 150)
while publisher.counts()["queued"]:
    pass
print("kept", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_two_processes_and_one_takes_over_what_the_other_leaves(
    serve: Callable[[str], Server], state: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("empycustom.publish.publisher._ORPHANS_S", 0.2)
    server = serve("redis")
    server.kill()
    program = f"HERE, URI = {HERE!r}, {server.uri!r}\n{ELSEWHERE}"
    publisher = Told().publisher(server.uri)
    put(publisher, 0, 50)
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "kept\n"
        assert len(list(state.glob("*.sqlite"))) == 2
        other.stdin.close()
    assert other.returncode == -9
    server.start()
    wait_for(lambda: len(numbers(server)) == 100, "those of both")
    assert sorted(numbers(server)) == [*range(50), *range(100, 150)]
    end(publisher)
    assert list(state.iterdir()) == []


def test_a_forked_child_does_not_keep_the_spool(serve: Callable[[str], Server], state: Path) -> None:
    """A process that publishes forks, and is killed; the child lives on."""
    server = serve("redis")
    server.kill()
    forks = "import threading\nchild = os.fork()\nif not child:\n    threading.Event().wait(60)\n    os._exit(0)\nprint(child, flush=True)\n"
    program = f"HERE, URI = {HERE!r}, {server.uri!r}\n{ELSEWHERE.replace('sys.stdin.read()', forks)}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "kept\n"
        child = int(parent.stdout.readline())
        parent.wait(30)
        try:
            server.start()
            publisher = Told().publisher(server.uri)
            wait_for(lambda: len(numbers(server)) == 50, "what the parent kept")
            end(publisher)
        finally:
            os.kill(child, 9)
    assert list(state.iterdir()) == []


def test_what_is_kept_goes_only_where_it_belongs(tmp_path: Path, state: Path) -> None:
    """Rows for one table are not sent to another one that is named next."""
    uri = f"postgresql://127.0.0.1:{free_port()}/db"
    for query in ("table=first", "table=second", "table=first&select=objects", "table=first&user=anna"):
        publisher = Told().publisher(with_query(uri, query))
        put(publisher, 0, 10)
        end(publisher)
    assert len(list(state.glob("*.sqlite"))) == 3  # who logs in makes no difference


def test_closed_while_a_send_hangs(serve: Callable[[str], Server]) -> None:
    server = serve("http")
    assert isinstance(server, Http)
    server.delay_s = 30
    publisher = Told().publisher(with_query(server.uri, "timeout=60"))
    put(publisher, 0, 5)
    wait_for(lambda: server.asked, "a request")
    assert publisher.close() == 5
    server.delay_s = 0
    server.kill()  # what hangs ends
    wait_for(lambda: not any(thread.name == "empycustom publish" for thread in threading.enumerate()), "its thread to end")
    server.start()
    publisher = Told().publisher(server.uri)
    wait_for(lambda: publisher.waiting == 0, "what was kept to arrive")
    end(publisher)
    assert once(numbers(server)) == list(range(5))


def test_threads_of_one_publisher(serve: Callable[[str], Server]) -> None:
    server, barrier = serve("redis"), threading.Barrier(8)
    publisher = Told().publisher(server.uri)

    def publish(k: int) -> None:
        barrier.wait()
        for n in range(k * 100, k * 100 + 100):
            publisher.put(document(n), WAITS)
            counts = publisher.counts()
            assert counts["sent"] + counts["queued"] + counts["spooled"] <= 800

    threads = [threading.Thread(target=publish, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert publisher.drain() == 0
    closing = [threading.Thread(target=publisher.close) for _ in range(4)]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()
    found = numbers(server)
    assert sorted(found) == list(range(800))
    assert all([n for n in found if n // 100 == k] == list(range(k * 100, k * 100 + 100)) for k in range(8))
    assert once(found) == found
    assert publisher.counts()["sent"] == 800
