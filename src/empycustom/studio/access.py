"""Who may have the page, and where it is served.

What comes from elsewhere is refused: other hosts' names (DNS rebinding), other sites' pages, and, unless only this machine can
reach the server, everybody without the token.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from empycustom.errors import LaunchError

_ADVICE = {
    errno.EADDRINUSE: "another program uses it: give another --port, 0: a free one",
    errno.EADDRNOTAVAIL: "this machine does not have that address: give one of its own, or 0.0.0.0 for all",
    errno.EACCES: "ports below 1024 are for the administrator: give another --port, 0: a free one",
}
_MOST_CONNECTIONS = 128
_FIRST_REQUEST_S = 10.0
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Connection(H11Protocol):
    """A connection of a browser. There are few, which leaves files for the pipeline, and each begins with a request soon."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has the base class of transports
        """Close it at once where there are too many, and later if nothing is asked."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        else:
            asyncio.get_running_loop().call_later(_FIRST_REQUEST_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and self.transport.get_protocol() is self:  # else it is a WebSocket
            self.transport.abort()


class Guard:
    """Lets those pass who may have the page, and adds headers to all answers.

    ``port`` is a part of the cookie's name: browsers send those of one port to all ports of the machine.
    """

    def __init__(self, application: Any, *, token: str, port: int) -> None:
        self._application, self._token, self._cookie = application, token, f"empycustom_studio_{port}"
        self._names = {"localhost"}
        if token:  # looked up once: it may take seconds
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": bytes(refusal.body).decode()[:100]})
            else:
                await self._application(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                found = [(name, value) for name, value in message["headers"] if name.decode().title() not in _HEADERS]
                message["headers"] = [*found, *((name.encode(), value.encode()) for name, value in _HEADERS.items())]
                message["headers"].append((b"Connection", b"close"))  # who goes on to ask slowly would keep others out
            await send(message)

        await (refusal or self._application)(scope, receive, send_with_headers)

    def _refusal(self, scope: Any, headers: Mapping[str, str]) -> Response | None:
        """Return the answer to those who get nothing else, None for others."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(host):
            return PlainTextResponse(f"This page is not served as {host!r}; open the address that the program has printed.", 421)
        if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):  # behind a proxy
            return PlainTextResponse("Pages of other sites may not use this one.", 403)
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope["path"] != "/":  # without Origin
            return PlainTextResponse("Pages of other sites may not use this one.", 403)
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Only GET is answered.", 405, {"Allow": "GET, HEAD"})
        return self._without_token(scope, headers) if self._token else None

    def _is_own(self, host: str) -> bool:
        """Return whether the Host of a request can only mean this machine: by DNS, other names may be made to mean it as well."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        with suppress(ValueError):
            address = ipaddress.ip_address(name)
            return address.is_loopback or bool(self._token)
        return name.lower() in self._names

    def _without_token(self, scope: Any, headers: Mapping[str, str]) -> Response | None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and scope["type"] == "http" and self._is_token(given):
            answer = RedirectResponse("/", 303)  # so that the token is not in the address any more
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return answer
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            cookie = None
        if cookie is not None and self._is_token(cookie.value):
            return None
        return PlainTextResponse("Open the address that the program has printed, with its token.", 401)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0: a free one. Raises LaunchError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise LaunchError(f"--host {host}: {error.strerror or error}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        what = f"--host {host}, --port {port}" if port else f"--host {host}"
        advice = _ADVICE.get(error.errno or 0, "give another --host or --port")
        raise LaunchError(f"{what}: {error.strerror}; {advice}.") from error
    return bound


def address_of_this_machine() -> str:
    """Return how others reach this machine: its address in the network, which a phone finds as well, else its name."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent; the system chooses the network
        return str(probe.getsockname()[0])
    return socket.gethostname()


def is_local(host: socket.socket) -> bool:
    """Return whether only this machine can reach what is bound."""
    return ipaddress.ip_address(host.getsockname()[0]).is_loopback
