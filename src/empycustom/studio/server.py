"""The server of the page: the page itself, and a WebSocket for each browser."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from empycustom.errors import EmPyCustomError, LaunchError
from empycustom.model.serialize import dumps
from empycustom.session.console import print_error
from empycustom.studio.access import Connection, Guard, address_of_this_machine
from empycustom.studio.preview import Picture

STATIC = Path(__file__).parent / "static"
MOST_CLIENTS = 16
_MOST_BYTES = 256 << 10  # of a message of a browser
_MOST_MESSAGES, _PER_S = 300, 60.0  # of a browser: at once, and in a second
_MOST_ANSWERS = 32  # that a browser has not taken yet
_LOOK_EVERY_S = 0.35  # what is told about libraries
_SEND_S = 30.0  # a browser that takes nothing for so long is gone


class Source(Protocol):
    """What the page shows. Any thread may call it, except that pictures are wanted in the thread of the server."""

    command: str

    def names(self) -> Sequence[str]:
        """Return the names of all streams."""

    def status(self) -> list[dict[str, Any]]:
        """Return how the streams do, as values of JSON."""

    def want(self, stream: str) -> None:
        """Let one picture of a stream be made; it is given to :meth:`Server.deliver`."""

    def set_options(self, stream: str, library: int, options: dict[str, Any]) -> None:
        """Set all options of a library. Raises EmPyCustomError."""

    def set(self, stream: str, name: str, value: Any) -> None:
        """Set an option of the configuration file. Raises EmPyCustomError, OSError."""

    def clip(self, stream: str) -> tuple[str, bytes]:
        """Return name and content of a video of the last seconds. Raises EmPyCustomError."""


class Server:
    """Serves ``source`` on a socket that is bound, in a thread of its own. ``token``: what a browser needs, ``""``: nothing."""

    def __init__(self, source: Source, listening: socket.socket, *, token: str) -> None:
        self._source, self._socket, self._token = source, listening, token
        self._boot = secrets.token_hex(8)
        self._clients: set[_Client] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_making_clip = threading.Lock()
        self._last_state, self._is_reported = dumps({"type": "state", "streams": []}), False
        routes = [
            Route("/", self._index),
            Route("/favicon.svg", self._icon),
            Route("/clip", self._clip),
            Mount("/static", StaticFiles(directory=STATIC)),
            WebSocketRoute("/ws", self._converse),
        ]
        application = Guard(Starlette(routes=routes), token=token, port=listening.getsockname()[1])
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=Connection,
                ws="websockets-sansio",
                ws_max_size=_MOST_BYTES,
                ws_per_message_deflate=False,
                log_config=None,
                access_log=False,  # the token is in an address once
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=16 << 10,
            )
        )
        self._thread = threading.Thread(target=self._run, name="empycustom studio", daemon=True)

    @property
    def address(self) -> str:
        """The address to open in a browser, with the token."""
        host, port = self._socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        if ipaddress.ip_address(host).is_unspecified:
            shown = address_of_this_machine()
        return f"http://{shown}:{port}/{f'?token={quote(self._token)}' if self._token else ''}"

    def start(self) -> None:
        """Begin to serve; return when browsers can connect. Raises LaunchError."""
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise LaunchError("the server of the page does not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """End; browsers that do not read are left."""
        self._server.should_exit = True
        self._thread.join(3)

    def deliver(self, picture: Picture) -> None:
        """Send a picture to all who wait for one of its stream. Any thread may call it."""
        self._later(self._deliver, picture)

    def tell(self) -> None:
        """Send soon how the streams do. Any thread may call it."""
        self._later(self._wake)

    def _later(self, work: Callable[..., None], *given: Any) -> None:
        if self._loop:
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(work, *given)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        telling = asyncio.create_task(self._tell())
        telling.add_done_callback(_show_failure)
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._loop = None
            telling.cancel()

    # In the thread of the server.

    def _deliver(self, picture: Picture) -> None:
        waiting = [client for client in self._clients if client.is_ready and client.stream == picture.stream]
        if waiting:
            message = picture.message()
            for client in waiting:
                client.put_picture(message)

    def _wake(self) -> None:
        self._news.set()

    async def _tell(self) -> None:
        """Send how the streams do, while somebody listens."""
        last = ""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_EVERY_S)
            self._news.clear()
            if self._clients:
                now = self._state()
                if now != last:
                    for client in self._clients:
                        client.put_state(now)
                last = now
                await asyncio.sleep(_LOOK_EVERY_S / 3)

    def _state(self) -> str:
        try:
            self._last_state = dumps({"type": "state", "streams": self._source.status()})
        except Exception as error:  # noqa: BLE001 - a defect of ours, which must not end the page
            if not self._is_reported:
                self._is_reported = True
                print_error(f"the page is not told how the streams do: {error!r}", traceback.format_exc())
        return self._last_state

    async def _index(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def _icon(self, _request: Request) -> Response:
        return FileResponse(STATIC / "favicon.svg")

    async def _clip(self, request: Request) -> Response:
        stream = request.query_params.get("stream", "")
        if stream not in self._source.names():
            return PlainTextResponse(f"There is no stream {stream!r}.", 404)
        if not self._is_making_clip.acquire(blocking=False):
            return PlainTextResponse("A clip is being made; try again in a moment.", 429)
        try:
            name, content = await run_in_threadpool(self._source.clip, stream)
        except EmPyCustomError as error:
            return PlainTextResponse(str(error), 409)
        finally:
            self._is_making_clip.release()
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def _converse(self, socket: WebSocket) -> None:
        if len(self._clients) >= MOST_CLIENTS:
            await socket.close(1013, "too many pages are open")
            return
        await socket.accept()
        client = _Client(socket)
        self._clients.add(client)
        client.put(
            dumps({"type": "hello", "boot": self._boot, "command": self._source.command, "streams": [*self._source.names()]})
        )
        client.put_state(self._state())
        sending = asyncio.create_task(client.send())
        sending.add_done_callback(_show_failure)
        try:
            while (message := await self._receive(client, sending)) is not None:
                await self._handle(client, message)
        finally:
            self._clients.discard(client)
            sending.cancel()
            await asyncio.wait([sending])

    async def _receive(self, client: _Client, sending: asyncio.Task[None]) -> dict[str, Any] | None:
        """Return the next message; None at the end, and after one that is not allowed."""
        receiving = asyncio.create_task(client.socket.receive())
        await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():  # it takes nothing any more
            receiving.cancel()
            return None
        found = receiving.result()
        if found["type"] != "websocket.receive":
            return None
        try:
            message = _DECODER.decode(found.get("text") or "")
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not client.may_send():
            await client.refuse()
            return None
        return message

    async def _handle(self, client: _Client, message: Mapping[str, Any]) -> None:
        kind, stream = message.get("type"), message.get("stream")
        if kind == "watch" and (stream is None or stream in self._source.names()):
            client.watch(stream)
        elif kind == "ready":
            client.is_ready = True
            if client.stream is not None:
                self._source.want(client.stream)
        elif isinstance(kind, str) and kind in _CHANGES:
            await self._change(client, message, *_CHANGES[kind])
        else:
            await client.refuse()

    async def _change(
        self, client: _Client, message: Mapping[str, Any], method: str, types: Mapping[str, tuple[type, ...]]
    ) -> None:
        given = {name: message.get(name) for name in types}
        error: str | None = None
        if wrong := [name for name, allowed in types.items() if type(given[name]) not in allowed]:
            error = f"{wrong[0]} is missing, or of a type that it cannot have"
        else:
            try:
                await run_in_threadpool(getattr(self._source, method), *given.values())
            except (EmPyCustomError, OSError) as refused:
                error = str(refused)
        client.put(dumps({"type": "reply", "id": message.get("id"), "error": error}))
        self._news.set()


# Messages that change something: the method of the source that is called, and the types of what it gets.
_JSON = (str, int, float, bool, list, dict, type(None))
_CHANGES: dict[str, tuple[str, dict[str, tuple[type, ...]]]] = {
    "options": ("set_options", {"stream": (str,), "library": (int,), "options": (dict,)}),
    "setting": ("set", {"stream": (str,), "name": (str,), "value": _JSON}),
}


class _Client:
    """One browser. ``stream`` is what it watches; ``is_ready``: it has drawn its last picture."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.stream: str | None = None
        self.is_ready = False
        # What is not sent yet: answers, each of which was asked for; of pictures and states the newest alone.
        self._answers: list[str] = []
        self._picture: bytes | None = None
        self._state: str | None = None
        self._wake = asyncio.Event()
        self._allowed, self._counted_at = float(_MOST_MESSAGES), time.monotonic()

    def watch(self, stream: str | None) -> None:
        """Send pictures of this stream from now on."""
        self.stream, self.is_ready, self._picture = stream, False, None

    def put(self, answer: str) -> None:
        """Send an answer."""
        self._answers.append(answer)
        self._wake.set()

    def put_picture(self, picture: bytes) -> None:
        """Send the picture for which it is ready, in the place of one that is not sent yet."""
        self._picture, self.is_ready = picture, False
        self._wake.set()

    def put_state(self, state: str) -> None:
        """Send a state, in the place of one that is not sent yet."""
        self._state = state
        self._wake.set()

    def may_send(self) -> bool:
        """Count a message; return False for more than a page sends."""
        now = time.monotonic()
        self._allowed = min(_MOST_MESSAGES, self._allowed + (now - self._counted_at) * _PER_S) - 1
        self._counted_at = now
        return self._allowed >= 0 and len(self._answers) < _MOST_ANSWERS

    async def refuse(self) -> None:
        """Close the connection of a page that does not keep to the rules."""
        with suppress(RuntimeError, WebSocketDisconnect):
            await self.socket.close(1008)

    async def send(self) -> None:
        """Send what there is, as fast as it is taken; end when nothing was taken for long."""
        with suppress(WebSocketDisconnect, RuntimeError, OSError, asyncio.TimeoutError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (message := self._next()) is not None:
                    sent = self.socket.send_text(message) if isinstance(message, str) else self.socket.send_bytes(message)
                    await asyncio.wait_for(sent, _SEND_S)

    def _next(self) -> str | bytes | None:
        if self._answers:
            return self._answers.pop(0)
        if (picture := self._picture) is not None:
            self._picture = None
            return picture
        state, self._state = self._state, None
        return state


def _show_failure(task: asyncio.Task[None]) -> None:
    """Raise what a task has raised, which asyncio prints then; nobody waits for it."""
    if not task.cancelled():
        task.result()


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number of JSON")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
