"""The HTTP server of ``--metrics``: two paths to read, for whoever the address lets in.

A thread accepts connections, and each has one of its own. None of them is waited for at the end of the run.
"""

from __future__ import annotations

import re
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from typing import Any, NamedTuple

from empycustom.errors import LaunchError
from empycustom.metrics import Address

_MOST = 16  # connections at a time
_SILENT_S, _LONGEST_S = 5.0, 10.0  # without a byte of a client's, and of a connection
_LOOK_EVERY_S = 0.1
_LOCAL = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?", re.IGNORECASE)


class Answer(NamedTuple):
    """What a client gets."""

    status: HTTPStatus
    kind: str
    body: bytes


Path = Callable[[Message], Answer]  # what answers, from the headers of the request


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves what ``paths`` return, GET and HEAD alone; ``look`` is called ten times a second. Raises LaunchError.

    Where only this machine can connect, the Host header has to be a name of this machine: a page in a browser may have a name of
    its own that leads here.
    """

    daemon_threads, allow_reuse_address, allow_reuse_port = True, True, False
    block_on_close = False
    request_queue_size = _MOST

    def __init__(self, address: Address, paths: Mapping[str, Path], look: Callable[[], None]) -> None:
        self.paths, self._look = paths, look
        self._connections: dict[Any, float] = {}  # since when
        try:
            self._open(address)
        except OSError as error:
            why = error.strerror or str(error)
            raise LaunchError(
                f"--metrics {address.text}: metrics cannot be served there ({why}); name another address."
            ) from error
        self._given = {address.host.lower(), f"{address.host.lower()}:{self.port}"}
        self._is_local = ip_address(str(self.server_address[0]).partition("%")[0]).is_loopback
        self._thread = threading.Thread(target=self.serve_forever, args=[_LOOK_EVERY_S], name="empycustom metrics", daemon=True)
        self._thread.start()

    def _open(self, address: Address) -> None:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, place = min(found, key=lambda each: each[0])  # IPv4 where it has both
        super().__init__(place, _Handler)  # type: ignore[arg-type]  # four values for IPv6
        self.port = int(self.server_address[1])

    def close(self) -> None:
        """End, without those who are connected."""
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            _cut(connection)

    def is_welcome(self, hosts: list[str]) -> bool:
        """Return whether a request with these Host headers is answered."""
        if not self._is_local:
            return True
        return len(hosts) == 1 and (hosts[0].lower() in self._given or bool(_LOCAL.fullmatch(hosts[0])))

    # In the thread that accepts connections.

    def service_actions(self) -> None:
        """Look at the streams, and cut off connections that last too long."""
        self._look()
        now = time.monotonic()
        for connection, since in list(self._connections.items()):
            if now - since > _LONGEST_S:
                _cut(connection)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class has it
        """Return whether there is room for a connection; else it is closed."""
        has_room = len(self._connections) < _MOST
        if has_room:
            self._connections[request] = time.monotonic()
        return has_room

    # In the thread of a connection, too.

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class has it
        """Report a defect. That a client is gone is none."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            _report(error)


def _cut(connection: Any) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _report(error: BaseException | None) -> None:
    from empycustom.session.console import print_error

    print_error(f"--metrics: a request failed: {error!r}", "".join(traceback.format_exception(error)), kind="warning")


class _Handler(BaseHTTPRequestHandler):
    """Reads one request, and answers it."""

    server: Server
    timeout = _SILENT_S
    server_version, sys_version = "empycustom", ""

    def do_GET(self) -> None:
        answer = self._answer()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 - the base class calls them so

    def _answer(self) -> Answer:
        if not self.server.is_welcome(self.headers.get_all("Host", [])):
            return _said(HTTPStatus.FORBIDDEN, "the Host header is not an address of this machine")
        if self.command not in ("GET", "HEAD"):
            return _said(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
        path = self.server.paths.get(self.path.partition("?")[0])
        if path is None:
            return _said(HTTPStatus.NOT_FOUND, f"there are {' and '.join(self.server.paths)}")
        try:
            return path(self.headers)
        except Exception as error:  # noqa: BLE001 - libraries may have metrics of their own, which fail
            _report(error)
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "it failed; the run's stderr says why")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _said(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())
