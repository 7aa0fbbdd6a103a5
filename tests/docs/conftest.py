"""Servers for what pages show."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest


@pytest.fixture
def serve():
    """Return a function that starts a server; all are stopped in the end."""
    made = []

    def start(kind):
        folder = Path(mkdtemp(prefix="empycustom-page-"))  # where PostgreSQL may enter, which runs as another user
        folder.chmod(0o755)
        made.append(kind(folder))
        made[-1].start()
        return made[-1]

    yield start
    for server in made:
        server.stop()
        shutil.rmtree(server.folder)
