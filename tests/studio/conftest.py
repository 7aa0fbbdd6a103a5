"""The program in its own process, Chromium, and clients: all are ended when the test is over."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from program import TIMEOUT_S, Client, Studio, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

SRC = Path(__file__).parents[2] / "src"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = f"no browser is installed ({' or '.join(BROWSERS)}): apt install chromium, or tools/setup.sh dev"
PATIENCE_MS = 30_000


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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Chromium of the system, one for all tests of this process; Playwright's own is not downloaded."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.fail(NO_BROWSER, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, timeout=PATIENCE_MS)
        yield browser
        browser.close()


class Complaints:
    """What went wrong in the pages of a test: errors and warnings of scripts and of the browser, requests that failed.

    There must be none at the end of the test, but those that match a pattern of ``allow``.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self.allowed: list[str] = []

    def allow(self, *patterns: str) -> None:
        """Let complaints pass that have one of these patterns in them, also those from before."""
        self.allowed += patterns

    @property
    def left(self) -> list[str]:
        return [text for text in self.found if not any(re.search(pattern, text) for pattern in self.allowed)]

    def listen(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"error: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # by the page itself, which was left
            self.found.append(f"request: {request.method} {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"response: {response.status} {response.url}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the pages of the test complain about; it has to be empty at the end."""
    complaints = Complaints()
    yield complaints
    assert complaints.left == []


@pytest.fixture
def new_page(chromium: Browser, complaints: Complaints) -> Iterator[Callable[..., Page]]:
    """Make a page that shares nothing with others; keywords are those of ``Browser.new_context`` (viewport, color_scheme …)."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        contexts[-1].set_default_timeout(PATIENCE_MS)
        complaints.listen(contexts[-1])
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page of a wide window."""
    return new_page(viewport={"width": 1280, "height": 800})
