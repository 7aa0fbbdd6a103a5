"""Servers for the tests, one for each test, and the state folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import pytest
from servers import SERVERS, Server

import empycustom


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let spools lie in a folder of the test."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "empycustom" / "spool"


@pytest.fixture
def serve() -> Iterator[Callable[[str], Server]]:
    """Return a function that makes and starts a server; all are stopped in the end."""
    made: list[Server] = []

    def start(name: str) -> Server:
        folder = Path(mkdtemp(prefix=f"empycustom-{name}-"))  # where PostgreSQL may enter, which runs as another user
        folder.chmod(0o755)
        server = SERVERS[name](folder)
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.stop()
        shutil.rmtree(server.folder)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(env_with: Callable[..., dict[str, str]], state: Path, tmp_path: Path) -> Callable[..., Ended]:
    """Return a function that runs a command of ``empycustom`` as a user types it, in the folder of the test."""
    env = {**env_with(), "PYTHONPATH": str(Path(empycustom.__file__).parents[1]), "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}

    def run(*words: Any, **how: Any) -> Ended:
        command = [sys.executable, "-m", "empycustom", *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False, **how)
        return Ended(done.returncode, done.stdout, done.stderr)

    return run
