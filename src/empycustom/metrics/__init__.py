"""What a run counts, and whether frames flow, for Prometheus and for whoever restarts processes: ``run --metrics``."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import NamedTuple

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^:\s\[\]/@]*):)?(?P<port>[0-9]{1,5})")


class Address(NamedTuple):
    """Where to serve; as it is written, ``text``."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """The address as text: ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address in ``HOST:PORT``, ``:PORT`` or ``PORT``; without a host only this machine can connect.

    A type for argparse.
    """
    found = _ADDRESS.fullmatch(text)
    if not found or int(found["port"]) > 65535:
        raise ArgumentTypeError(f"{text} is not an address; write HOST:PORT, :PORT or PORT: 127.0.0.1:9464")
    return Address((found["host"] or "127.0.0.1").strip("[]"), int(found["port"]))
