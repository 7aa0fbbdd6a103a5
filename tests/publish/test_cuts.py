"""The network is cut in the middle of a batch: nothing is missing, what is sent again has the same id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from proxy import Proxy
from sent import Told, numbers, once, put, with_query
from servers import Server, wait_for

from empycustom.publish import postgresql

# Not Kafka: its clients connect to the addresses that brokers give them. There test_destinations.py stops the broker.
NAMES = ("mqtt", "redis", "http", "postgresql")


@pytest.fixture
def between() -> Iterator[Callable[[Server], Proxy]]:
    made: list[Proxy] = []

    def make(server: Server) -> Proxy:
        made.append(Proxy(server))
        return made[-1]

    yield make
    for proxy in made:
        proxy.stop()


@pytest.mark.parametrize("way", ["closed", "stall", "deaf"])
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_network(serve: Callable[[str], Server], between: Any, monkeypatch: Any, name: str, way: str) -> None:
    monkeypatch.setattr(postgresql, "_ANSWER_S", 3.0)  # else it takes half a minute until the publisher sees it
    server = serve(name)
    proxy, told = between(server), Told()
    publisher = told.publisher(with_query(proxy.uri, "timeout=3") if name == "http" else proxy.uri)
    put(publisher, 0, 100)
    wait_for(lambda: len(numbers(server)) > 20, "some messages")
    proxy.way = way
    if way == "closed":
        proxy.cut()
    put(publisher, 100, 300)
    wait_for(lambda: publisher.state == "away", "the publisher to see it", 60)
    put(publisher, 300, 400)
    proxy.way = "forward"
    proxy.cut()
    wait_for(lambda: publisher.waiting == 0, "all messages to be sent", 60)
    assert publisher.close() == 0
    wait_for(lambda: len(once(numbers(server))) == 400, "all messages to arrive")
    found = [(message["frame"][0]["frame_num"], message["id"]) for message in server.received()]
    assert [n for n, _ in dict.fromkeys(found)] == list(range(400))  # in order, and each with one id
    if server.is_once:
        assert len(found) == 400
    elif way == "deaf":
        assert len(found) > 400  # the server had them, and they came again
    assert publisher.counts()["repeated"] > 0
    assert told.states == ["away", "connected"]
    assert told.warnings == []
