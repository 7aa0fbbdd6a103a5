"""A process that publishes is killed at any moment: what it had kept arrives, in order, when another one publishes there."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from sent import HERE, Told, numbers, once, put
from servers import SERVERS, Server, wait_for

KILLS, STEP = 3, 1_000_000
# It says how many documents are kept, as far as it knows; each life has numbers of its own.
PROGRAM = """
import itertools, os, sys, time
sys.path[:0] = HERE
from sent import Told, WAITS, document
publisher = Told().publisher(URI)
for n in itertools.count():
    publisher.put(document(FIRST + n), WAITS)
    os.write(1, b"%d\\n" % (n + 1 - publisher.counts()["queued"]))
    time.sleep(0.001)
"""


def killed(uri: str, first: int, rng: random.Random) -> int:
    """Start a process that publishes, kill it a while after it has kept one; return how many it had kept at least."""
    program = f"HERE, URI, FIRST = {HERE!r}, {uri!r}, {first}\n{PROGRAM}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ) as child:
        assert child.stdout
        while not int(said := child.stdout.readline()):
            pass
        time.sleep(rng.uniform(0.05, 0.7))
        child.kill()
        said += child.stdout.read()
    return int(said[: said.rindex(b"\n")].split(b"\n")[-1])


@pytest.mark.parametrize("name", SERVERS)
def test_kept_messages_outlive_their_process(serve: Callable[[str], Server], name: str, state: Any) -> None:
    server, rng = serve(name), random.Random()
    kept = [killed(server.uri, life * STEP, rng) for life in range(KILLS)]
    assert all(kept)
    told = Told()
    publisher = told.publisher(server.uri)
    put(publisher, KILLS * STEP, KILLS * STEP + 10)
    wait_for(lambda: publisher.waiting == 0, "all messages to be sent", 120)
    assert publisher.close() == 0
    wait_for(lambda: KILLS * STEP + 9 in numbers(server), "the last message")
    found = numbers(server)
    first = once(found)
    if server.is_once:
        assert found == first
    lives = [[n % STEP for n in first if n // STEP == life] for life in range(KILLS + 1)]
    assert [n for life, those in enumerate(lives) for n in [life * STEP + m for m in those]] == first  # one life after the other
    for those, least in zip(lives, [*kept, 10], strict=True):
        assert those == list(range(len(those)))  # in order, and without gaps
        assert len(those) >= least
    wait_for(lambda: not [*state.iterdir()], "that no spool is left")
    assert told == []
