"""One suite over all destinations, with real servers: what arrives, in which order, and what becomes of it where they are away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sent import Told, document, numbers, once, put
from servers import AWAY, SERVERS, Server, wait_for


@pytest.mark.parametrize("name", SERVERS)
def test_all_arrive_once_and_in_order(serve: Callable[[str], Server], name: str, state: Any) -> None:
    server, told = serve(name), Told()
    publisher = told.publisher(server.uri)
    put(publisher, 0, 300)
    assert publisher.drain() == 0, (told, publisher.last_error)
    assert publisher.close() == 0
    wait_for(lambda: len(numbers(server)) >= 300, "300 messages")
    assert numbers(server) == list(range(300))
    messages = server.received()
    assert len({message["id"] for message in messages}) == 300
    assert messages[7]["frame"] == json.loads(document(7))["frame"]
    assert told == []
    wait_for(lambda: not [*state.iterdir()], "that no spool is left")


@pytest.mark.parametrize("name", SERVERS)
def test_a_program_that_has_many_files_open(serve: Callable[[str], Server], name: str, many_files: Callable[[], None]) -> None:
    server, told = serve(name), Told()
    many_files()
    publisher = told.publisher(server.uri)
    put(publisher, 0, 30)
    assert publisher.drain() == 0, (told, publisher.last_error)
    assert publisher.close() == 0
    wait_for(lambda: len(numbers(server)) >= 30, "30 messages")
    assert told == []


@pytest.mark.parametrize("name", AWAY)
def test_a_server_that_dies_and_comes_back_misses_nothing(serve: Callable[[str], Server], name: str) -> None:
    server, told = serve(name), Told()
    publisher = told.publisher(server.uri)
    put(publisher, 0, 100)
    wait_for(lambda: len(numbers(server)) > 20, "some messages")
    server.kill()
    put(publisher, 100, 300)
    wait_for(lambda: publisher.state == "away", "the publisher to see it", 60)
    put(publisher, 300, 400)
    time.sleep(0.5)
    server.start()
    wait_for(lambda: publisher.waiting == 0, "all messages to be sent", 60)
    wait_for(lambda: len(once(numbers(server))) == 400, "all messages to arrive")
    assert publisher.close() == 0
    found = numbers(server)
    assert once(found) == list(range(400))
    if server.is_once:
        assert found == list(range(400))
    assert [said[0] for said in told] == ["away", "connected"]
    assert publisher.counts()["dropped"] == 0


@pytest.mark.parametrize("name", AWAY)
def test_what_has_not_arrived_is_kept_for_the_next_process(serve: Callable[[str], Server], name: str, state: Any) -> None:
    server, told = serve(name), Told()
    server.kill()
    publisher = told.publisher(server.uri, drain_timeout=1)
    put(publisher, 0, 50)
    assert publisher.drain() == 50
    assert publisher.close() == 50
    wait_for(lambda: not any(thread.name == "empycustom publish" for thread in threading.enumerate()), "its thread to end")
    assert [path.suffix for path in state.iterdir() if path.suffix == ".sqlite"] == [".sqlite"]
    server.start()
    publisher = told.publisher(server.uri)
    put(publisher, 50, 60)
    assert publisher.drain() == 0
    assert publisher.close() == 0
    wait_for(lambda: len(once(numbers(server))) == 60, "all messages")
    assert once(numbers(server)) == list(range(60))
    wait_for(lambda: not [*state.iterdir()], "that no spool is left")


@pytest.mark.parametrize("name", ["redis", "postgresql", "sqlite"])
def test_publishers_that_start_together(serve: Callable[[str], Server], name: str, state: Any) -> None:
    """They have spools of their own, and make one table."""
    server, barrier = serve(name), threading.Barrier(8)
    failed: list[BaseException] = []

    def publish(k: int) -> None:
        try:
            barrier.wait()
            publisher = Told().publisher(server.uri)
            put(publisher, k * 100, k * 100 + 50)
            assert publisher.drain() == 0
            publisher.close()
        except BaseException as error:  # noqa: BLE001 - the test is to see it
            failed.append(error)

    threads = [threading.Thread(target=publish, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(numbers(server)) == [k * 100 + n for k in range(8) for n in range(50)]
    wait_for(lambda: not [*state.iterdir()], "that no spool is left")
