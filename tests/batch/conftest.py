"""``empycustom batch`` as a user types it, over small videos."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest
from ray_helpers import environment, home_of_ray, started_ray


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A video of ten frames."""
    path = tmp_path_factory.mktemp("made") / "video.mkv"
    line = f"videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc ! matroskamux ! filesink location={path}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=60)
    return path


@pytest.fixture
def videos(tmp_path, made):
    """Make a folder of so many videos, and return it."""

    def make(count=3, folder="videos"):
        place = tmp_path / folder
        place.mkdir(exist_ok=True, parents=True)
        for number in range(count):
            (place / f"{number}.mkv").write_bytes(made.read_bytes())
        return place

    return make


@pytest.fixture
def batch(command):
    """Run `empycustom batch`, and return how it ended; ``place`` is the working directory, ``env`` adds variables."""
    return partial(command, "batch")


@pytest.fixture
def command(env_with, tmp_path):
    """Run a command, and return how it ended; see ``batch``."""

    def run(*arguments, timeout=120, place=tmp_path, env=None, **more):
        command = [sys.executable, "-m", "empycustom", *map(str, arguments)]
        given = {"env": {**env_with(), **(env or {})}, "cwd": place, **more}
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **given)

    return run


@pytest.fixture(scope="session")
def ray_environment(env_with):
    """What a process needs to use the Ray of the tests."""
    with home_of_ray() as home:
        yield env_with() | environment(home)


@pytest.fixture(scope="session")
def cluster(ray_environment):
    """The address of a Ray that is started once."""
    with started_ray(ray_environment) as address:
        yield address


@pytest.fixture(params=["local", "ray"])
def work(request, batch):
    """Run the command with two videos at once, on this machine and on Ray, and return how it ended."""
    if request.param == "local":
        return lambda *arguments: batch(*arguments, "--jobs", 2)
    return request.getfixturevalue("on_ray")


@pytest.fixture
def on_ray(batch, cluster, ray_environment, monkeypatch):
    """Run the command on Ray."""
    for name, value in ray_environment.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: batch(*arguments, "--ray", cluster)
