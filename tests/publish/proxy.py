"""A network that can be cut: a proxy between a publisher and a server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from servers import Server

from ports import free_port


class Proxy:
    """Forwards connections to a server; ``way`` says what becomes of bytes.

    "forward" lets all pass, "stall" nothing, "deaf" only what goes to the server: its answers are lost. :meth:`cut` ends all
    connections; with the way "closed" new ones are ended at once.
    """

    def __init__(self, server: Server) -> None:
        self.way, self.port, self._server = "forward", free_port(), server
        self.uri = server.uri.replace(f":{server.port}", f":{self.port}")
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.way == "closed":
                    raise ConnectionError
                far = socket.create_connection(("127.0.0.1", self._server.port), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._ends += [near, far]
            for source, sink, is_answer in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(source, sink, is_answer), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.way == "forward" or (self.way == "deaf" and not is_answer):
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._listener.close()
        self.cut()
        for end in self._ends:
            end.close()
