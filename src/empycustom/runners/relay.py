"""What workers print and log: a thread passes it on, line by line, to this process's own stdout and stderr, and ``logging``."""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import threading
import traceback
from contextlib import suppress

from empycustom.runners.messages import Wakeup

_AT_ONCE, _LONGEST_LINE = 1 << 16, 1 << 16  # bytes
LOG = "log"  # the name of a pipe with records as JSON
_POSITIONAL = ("name", "levelno", "pathname", "lineno", "msg")  # of a LogRecord
_PATIENCE_S = 5.0  # where this process's stdout takes nothing


class Relay:
    """Reads pipes, whose files are its own from then on. Any thread may add one."""

    def __init__(self) -> None:
        self._wake = Wakeup()
        self._pipes: dict[int, tuple[str, bytearray]] = {}  # the name of the stream, and the line that has not ended yet
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="empycustom workers' output", daemon=True)
        self._thread.start()

    def add(self, file: int, name: str) -> None:
        """Pass on what comes out of a pipe, as ``sys.stdout`` or ``sys.stderr``."""
        os.set_blocking(file, False)
        self._pipes[file] = name, bytearray()
        self._wake.set()

    def close(self) -> None:
        """Pass on what is there, and close all."""
        self._is_closing = True  # from here on the thread may close all, if something else has woken it
        self._wake.set()
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while True:
            closing = self._is_closing
            poll = select.poll()
            for file in (self._wake.file, *self._pipes):
                poll.register(file, select.POLLIN)
            ready = {file for file, _ in poll.poll(0 if closing else None)}
            if self._wake.file in ready:
                self._wake.clear()
            for file in ready - {self._wake.file} if not closing else [*self._pipes]:
                self._read(file)
            if closing:
                for file in [*self._pipes]:
                    self._end(file)
                self._wake.close()
                return

    def _read(self, file: int) -> None:
        """Pass on what a pipe has."""
        name, line = self._pipes[file]
        with suppress(BlockingIOError):
            while data := os.read(file, _AT_ONCE):
                line += data
                end = line.rfind(b"\n") + 1 or (len(line) if len(line) > _LONGEST_LINE else 0)
                if end and not _write(name, bytes(line[:end])):
                    break
                del line[:end]
            self._end(file)

    def _end(self, file: int) -> None:
        name, line = self._pipes.pop(file)
        os.close(file)
        if line:
            _write(name, bytes(line))


def encoding_of(name: str) -> str:
    """Return how text is encoded in a pipe for a standard stream: as it is in that stream of this process."""
    return getattr(getattr(sys, name), "encoding", None) or "utf-8"


def _write(name: str, data: bytes) -> bool:
    """Write to a standard stream; return False where it takes nothing any more, which the worker is to see as well."""
    if name == LOG:
        for line in data.splitlines():
            _log(line)
        return True
    stream = getattr(sys, name)
    if stream is None:
        return True
    text = data.decode(encoding_of(name), "backslashreplace")
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _log(line: bytes) -> None:
    try:
        about = json.loads(line)
        make = logging.getLogRecordFactory()  # which the program may have replaced
        record = make(*(about[name] for name in _POSITIONAL), (), None, about["funcName"])
        record.__dict__.update({key: value for key, value in about.items() if key != "name"})
        logging.getLogger(record.name).handle(record)
    except Exception:  # noqa: BLE001 - half a line of a process that was killed, or a filter of the program's that raises
        traceback.print_exc()
