"""Very many documents through each destination, as fast as it takes them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from sent import Told, numbers, put, with_query
from servers import SERVERS, Server, wait_for

# `make test-publish` sends 100,000
COUNT = int(os.environ.get("EMPYCUSTOM_DOCUMENTS", "5000"))
STEP = 4000
QUERIES = {"http": ["", "batch=100"]}


@pytest.mark.parametrize(("name", "query"), [(name, query) for name in SERVERS for query in QUERIES.get(name, [""])])
def test_many_documents(serve: Callable[[str], Server], name: str, query: str) -> None:
    server, told = serve(name), Told()
    publisher = told.publisher(with_query(server.uri, query) if query else server.uri)
    began = time.monotonic()
    for first in range(0, COUNT, STEP):
        put(publisher, first, min(first + STEP, COUNT))
        if name == "kafka":  # that of the tests forgets what nobody reads for a while
            wait_for(lambda first=first: server.count() > first - STEP, "the reader", 120)
    wait_for(lambda: publisher.waiting == 0, "all messages to be sent", 60 + COUNT / 100)
    took = time.monotonic() - began
    publisher.close()
    wait_for(lambda: server.count() >= COUNT, "all messages to arrive", 120)
    assert numbers(server) == list(range(COUNT))
    assert told == []
    print(f"{name} {query}: {COUNT / took:,.0f} documents a second")
