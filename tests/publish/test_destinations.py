"""One suite over all destinations, with real servers: what arrives, in which order, and what becomes of it where they are away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from servers import AWAY, SERVERS, Server, wait_for

from empycustom.outputs.queued import Patient
from empycustom.publish.publisher import Publisher

WAITS = Patient()


def document(n: int, label: str = "person") -> bytes:
    """Return the document of a frame with an object."""
    found = {"obj_label": label, "object_id": n // 5, "class_id": 3, "confidence": 0.5, "classifier": []}
    found["rect_params"] = {"left": 1.5, "top": 2, "width": 30, "height": 40}
    frame = {
        "frame_num": n,
        "buf_pts": n * 10,
        "stream_time": n * 10,
        "timestamp": "2026-01-02T03:04:05.678+0000",
        "source_id": 7,
    }
    frame |= {"source": "gate.mp4", "source_frame_width": 64, "source_frame_height": 48, "object": [found], "emcustom": {"n": n}}
    return json.dumps({"schema_version": 1, "frame": [frame]}, separators=(",", ":")).encode() + b"\n"


class Told(list[Any]):
    """What a publisher says."""

    def publisher(self, uri: str, **given: Any) -> Publisher:
        settings = {name.replace("_", "-"): value for name, value in given.items()}
        return Publisher(uri, settings, on_state=lambda *said: self.append(said), on_warning=self.append, on_error=self.append)


def numbers(server: Server) -> list[int]:
    return [message["frame"][0]["frame_num"] for message in server.received()]


def put(publisher: Publisher, first: int, last: int) -> None:
    for n in range(first, last):
        assert publisher.put(document(n), WAITS)


def once(found: list[int]) -> list[int]:
    """Return what came, each at its first arrival."""
    return list(dict.fromkeys(found))


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
    assert list(state.iterdir()) == []  # no spool is left


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
    assert list(state.iterdir()) == []


def test_publishers_that_start_together_have_spools_of_their_own(serve: Callable[[str], Server], state: Any) -> None:
    server, barrier = serve("redis"), threading.Barrier(8)
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
    assert list(state.iterdir()) == []
