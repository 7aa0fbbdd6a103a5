"""docs/results.md does what it shows, with its own MQTT broker."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blocks import DOCS, Reader, blocks_of, clone, user_env

WITH_SBIN = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])


@pytest.fixture
def broker(tmp_path):
    """Run mosquitto; return a folder of settings (XDG_CONFIG_HOME) by which its clients find it."""
    found = shutil.which("mosquitto", path=WITH_SBIN)
    assert found, "mosquitto is missing: install it with tools/setup.sh dev"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path / "settings"
    settings.mkdir()
    for client in ("mosquitto_pub", "mosquitto_sub"):
        (settings / client).write_text(f"-p {port}\n")
    running = subprocess.Popen([found, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, running)
        yield settings
    finally:
        running.terminate()
        running.wait(10)


def wait_for(port, running):
    """Return when a server listens there."""
    until = time.monotonic() + 30
    while True:
        assert running.poll() is None, f"mosquitto ended with {running.returncode}"
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, "mosquitto does not listen"
            time.sleep(0.05)


def test_what_the_page_shows_is_what_happens(broker, gst_env, tmp_path):
    env = {**user_env(gst_env, tmp_path / "registry"), "XDG_CONFIG_HOME": str(broker)}
    reader = Reader(clone(tmp_path / "reader"), env, play=None)
    for block in blocks_of(DOCS / "results.md"):
        reader.follow(block)
