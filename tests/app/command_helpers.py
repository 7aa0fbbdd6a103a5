"""What the tests of the command line share: libraries, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SRC = Path(__file__).parents[2] / "src"
TIMEOUT_S = 60

SAYS = "def process_ip(io_buffer, in_meta, options):\n    return [{'said': options.get('word', 'hello')}]\n"
SLOW = "import time\n\ndef process_ip(io_buffer, in_meta, options):\n    time.sleep(0.02)\n    return [{'slow': True}]\n"
STUCK = (
    "import pathlib, time\n\ndef process_ip(io_buffer, in_meta, options):\n"
    "    pathlib.Path('stuck').touch()\n    time.sleep(1000)\n"
)


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until something is true of a child; fail if it never is."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.02)
