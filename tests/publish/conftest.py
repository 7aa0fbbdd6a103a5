"""Servers for the tests, one for each test, and the state folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from servers import SERVERS, Server


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
