"""``empycustom studio`` as a process, and a client in Python that speaks what its page speaks.

A client looks like a page of that address: it has its Origin. Every wait ends after TIMEOUT_S, with what the program has printed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

TIMEOUT_S = 60
ADDRESS = re.compile(r"http://[^\s]+")
RAISES_ONCE = """\
import os

def process_ip(io_buffer, in_meta, options):
    if os.path.exists("raise"):
        os.remove("raise")
        raise ValueError("once")
"""


def wait_for(is_true: Callable[[], Any], what: str, seconds: float = TIMEOUT_S) -> Any:
    """Wait until something is true, and return it."""
    until = time.monotonic() + seconds
    while not (found := is_true()):
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


class Studio:
    """The program: it runs when this was made, and is killed at the end of the test.

    ``url`` is the address that it prints, with a token if it has one; ``base`` is it without path and token.
    """

    def __init__(self, words: list[str], folder: Path, env: dict[str, str]) -> None:
        self.words, self.folder, self.env = words, folder, env
        self.port = int(words[words.index("--port") + 1])
        self.url = ""
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, is_served: bool = True) -> Studio:
        """Start it; ``is_served``: and wait until it has printed the address."""

        def set_signals() -> None:
            # Whoever runs the tests in the background of a shell has this ignored, and children inherit that.
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        self.starts += 1
        with self._path("out").open("wb") as out, self._path("err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "empycustom", "studio", *self.words],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # what it starts is killed with it
                preexec_fn=set_signals,
            )
        if is_served:
            self.url = wait_for(self._address, "the address")
        return self

    def _path(self, stream: str) -> Path:
        return self.folder / f"studio-{self.port}-{self.starts}.{stream}"

    def _address(self) -> str:
        assert self.process
        ended, found = self.process.poll() is not None, ADDRESS.search(self.output)
        assert not ended, f"empycustom studio ended with {self.process.returncode}: {self.output}"
        return found[0] if found else ""

    @property
    def out(self) -> str:
        """What it has printed since its last start."""
        return self._path("out").read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        """What is on its stderr since its last start."""
        return self._path("err").read_text("utf-8", "replace")

    @property
    def output(self) -> str:
        return self.out + self.err

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def end(self, seconds: float = TIMEOUT_S) -> int:
        """Wait for the end; return the exit code."""
        assert self.process
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"empycustom studio does not end: {self.output}") from None

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send the program a signal, as Ctrl-C does."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it and its processes without a word."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def restart(self) -> Studio:
        """Start it again, as it was, on the same port; it is killed before if it still runs."""
        self.kill()
        return self.start()


@dataclass
class Answer:
    """What an HTTP request got; names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(studio: Studio, path: str, *, method: str = "GET", host: str | None = "", **headers: str) -> Answer:
    """Send a request with that path as it is. ``host``: of the header, None: no such header; ``_`` in names is ``-``."""
    connection = HTTPConnection("127.0.0.1", studio.port, timeout=TIMEOUT_S)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if host is not None:
            connection.putheader("Host", host or f"127.0.0.1:{studio.port}")
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass
class Frame:
    """A picture as it comes: what is said about it, and the JPEG."""

    header: dict[str, Any]
    jpeg: bytes

    @property
    def number(self) -> int:
        return int(self.header["number"])

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects in its document."""
        return list(self.header["document"]["frame"][0].get("object", []))


def _as_a_browser_reads(text: str | bytes) -> Any:
    """Return the values of JSON; a browser does not know NaN."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


class Client:
    """A WebSocket to the program. ``state`` is the newest that has come."""

    def __init__(self, studio: Studio, **options: Any) -> None:
        options.setdefault("origin", studio.base)
        options = {"compression": None, "max_size": None, "open_timeout": TIMEOUT_S, "close_timeout": 1, "proxy": None} | options
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(f"ws://127.0.0.1:{studio.port}/ws", **options))
        self.state: dict[str, Any] = {}
        self.requests = 0
        self.hello = self.receive()
        assert self.hello["type"] == "hello"

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def receive(self, seconds: float = TIMEOUT_S) -> Any:
        """Return the next message: a dict, or a Frame."""
        try:
            data = self.socket.recv(seconds)
        except TimeoutError:
            raise AssertionError(f"no message came within {seconds} s") from None
        if isinstance(data, bytes):
            size = int.from_bytes(data[:4], "big")
            return Frame(_as_a_browser_reads(data[4 : 4 + size]), data[4 + size :])
        message = _as_a_browser_reads(data)
        if message["type"] == "state":
            self.state = message
        return message

    def until(self, is_wanted: Callable[[Any], Any], what: str, seconds: float = TIMEOUT_S) -> Any:
        """Receive until a message is wanted, and return it; all others are forgotten."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if is_wanted(message := self.receive(left)):
                return message
        raise AssertionError(f"waited {seconds} s for {what}")

    def watch(self, stream: str | None = "") -> None:
        """Ask for pictures of a stream, by default of the first."""
        self.send(type="watch", stream=self.hello["streams"][0] if stream == "" else stream)

    def frame(self) -> Frame:
        """Say that the last picture is drawn, and return the next one; ``watch`` comes first."""
        self.send(type="ready")
        return self.until(lambda message: isinstance(message, Frame), "a frame")

    def stream(self, name: str | None = None) -> dict[str, Any]:
        """The newest state of a stream, by default of the first."""
        if not self.state:
            self.until(lambda message: self.state, "a state")
        return next(each for each in self.state["streams"] if name in (None, each["name"]))

    def until_stream(self, is_wanted: Callable[[dict[str, Any]], Any], what: str, name: str | None = None) -> dict[str, Any]:
        """Wait for a state of a stream, by default of the first, and return it."""
        if not is_wanted(self.stream(name)):
            self.until(lambda message: is_wanted(self.stream(name)), f"{what}; the last state is {self.stream(name)}")
        return self.stream(name)

    def set_options(self, options: Any, *, library: int = 0, stream: str | None = None) -> str | None:
        """Set the options of a library; return the sentence of the error, or None."""
        self.requests += 1
        stream = stream or self.hello["streams"][0]
        self.send(type="options", id=self.requests, stream=stream, library=library, options=options)
        answer = self.until(lambda message: isinstance(message, dict) and message["type"] == "reply", "the reply")
        assert answer["id"] == self.requests
        return answer["error"]

    def close(self) -> None:
        self._open.close()


class NeverReads:
    """A client that says it is ready, again and again, and never reads."""

    def __init__(self, client: Client) -> None:
        self.client, self.is_over = client, threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        client.watch()
        self._thread.start()

    def _run(self) -> None:
        with suppress(ConnectionClosed, OSError):
            while not self.is_over.wait(0.05):
                self.client.send(type="ready")
                self.sent += 1

    def end(self) -> None:
        self.is_over.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
