"""An editor, as a debugger sees it: the Debug Adapter Protocol, as much of it as the tests need."""

from __future__ import annotations

import json
import socket
import time
from typing import Any


class Editor:
    """Speaks with a debugger that listens at ``port``, or soon will. What takes longer than ``timeout_s`` is an error."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self._until = time.monotonic() + timeout_s
        self._socket = self._connected(port)
        self._socket.settimeout(timeout_s)
        self._file = self._socket.makefile("rb")
        self._sent = 0
        self._events: list[dict[str, Any]] = []

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _connected(self, port: int) -> socket.socket:
        found = socket.socket()
        while found.connect_ex(("127.0.0.1", port)):  # it does not listen yet
            found.close()
            assert time.monotonic() < self._until, "no debugger listens"
            time.sleep(0.05)
            found = socket.socket()
        return found

    def attach(self, path: Any, *lines: int) -> None:
        """Attach, and let the lines of the file be breakpoints."""
        self.ask("initialize", adapterID="tests", clientID="tests", pathFormat="path")
        attached = self._send("attach", {"justMyCode": True})
        self.wait("initialized")
        self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=[{"line": line} for line in lines])
        self.ask("configurationDone")
        self._answer(attached)

    def at_breakpoint(self, name: str) -> tuple[str, int, str]:
        """Wait for a breakpoint; return the function and the line where it stands, and the value of a variable there."""
        thread = self.wait("stopped")["threadId"]
        frame = self.ask("stackTrace", threadId=thread)["stackFrames"][0]
        value = self.ask("evaluate", expression=name, frameId=frame["id"])["result"]
        return frame["name"], frame["line"], value

    def go_on(self) -> None:
        """Let all threads run, without breakpoints."""
        self.ask("disconnect", terminateDebuggee=False)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a request and return the body of its answer."""
        return self._answer(self._send(command, arguments))

    def wait(self, event: str) -> Any:
        """Return the body of the next event of that name."""
        while True:
            for index, found in enumerate(self._events):
                if found["event"] == event:
                    del self._events[: index + 1]
                    return found.get("body")
            self._hear()

    def _send(self, command: str, arguments: dict[str, Any]) -> int:
        self._sent += 1
        text = json.dumps({"seq": self._sent, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        return self._sent

    def _answer(self, number: int) -> Any:
        while (message := self._hear()).get("request_seq") != number:
            pass
        assert message["success"], message
        return message.get("body")

    def _hear(self) -> dict[str, Any]:
        length = 0
        while (line := self._file.readline()) != b"\r\n":
            assert line, "the debugger has gone away"
            name, _, value = line.decode().partition(":")
            length = int(value) if name == "Content-Length" else length
        message: dict[str, Any] = json.loads(self._file.read(length))
        if message["type"] == "event":
            self._events.append(message)
        return message
