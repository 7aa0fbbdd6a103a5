"""Ports for the servers of tests."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

BEFORE_THOSE_OF_CONNECTIONS = range(20_000, 32_000)  # the kernel takes theirs from 32,768 on, also one that was free a moment ago


def free_port() -> int:
    """Return a port of this machine that nobody has."""
    while True:
        port = random.SystemRandom().choice(BEFORE_THOSE_OF_CONNECTIONS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
