"""The program in its own process, Chromium, and clients: all are ended when the test is over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from program import TIMEOUT_S, Client, Studio

from ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def studio(env_with: Any, tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Start ``empycustom studio`` with these words, on a free port or ``port``, in the folder of the test.

    ``is_served=False``: without waiting for the address. Keywords in capitals are variables of the environment.
    """
    started: list[Studio] = []

    def start(*words: Any, port: int | None = None, is_served: bool = True, **env: str) -> Studio:
        typed = [*map(str, words), "--port", str(free_port() if port is None else port)]
        started.append(Studio(typed, tmp_path, {**env_with(), "PYTHONPATH": str(SRC), **env}))
        return started[-1].start(is_served=is_served)

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def cli(env_with: Any, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end."""

    def run(*words: Any) -> subprocess.CompletedProcess[str]:
        typed = [sys.executable, "-m", "empycustom", *map(str, words)]
        env = {**env_with(), "PYTHONPATH": str(SRC)}
        return subprocess.run(typed, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)

    return run


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Connect to a studio as its page does; keywords go to ``websockets.sync.client.connect``."""
    made: list[Client] = []

    def start(studio: Studio, **options: Any) -> Client:
        made.append(Client(studio, **options))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page of a wide window."""
    return new_page(viewport={"width": 1280, "height": 800})
