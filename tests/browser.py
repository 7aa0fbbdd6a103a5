"""Chromium for tests of pages: fixtures, a plugin of tests/conftest.py."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = f"no browser is installed ({' or '.join(BROWSERS)}): apt install chromium, or tools/setup.sh dev"
PATIENCE_MS = 30_000
# Of a page whose server a test ends, whatever the page was just loading from it.
SERVER_IS_LOST = (r"net::ERR_", "WebSocket")


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
