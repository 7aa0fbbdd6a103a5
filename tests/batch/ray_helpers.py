"""A real Ray on this machine, for tests."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

STARTS_S = 60


def environment(home):
    """What Ray needs so that nothing of it is shared: it writes into HOME, and its sockets need a short path."""
    return {"HOME": str(home), "RAY_TMPDIR": str(home), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextmanager
def home_of_ray():
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started_ray(env):
    """Start a Ray with two CPUs as an administrator does, and yield its address."""
    place = Path(env["HOME"]) / "ray" / "ray_current_cluster"
    # It ends with the tests, even where these are killed.
    command = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--num-cpus=2",
        "--port=0",
    ]
    command += ["--include-dashboard=false", "--disable-usage-stats"]
    log = (Path(env["HOME"]) / "log").open("w")
    process = subprocess.Popen(command, env=os.environ | env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: place.exists() and place.read_text(), STARTS_S)
        yield place.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STARTS_S)
        log.close()


def wait_for(condition, timeout_s):
    """Wait until a condition is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
