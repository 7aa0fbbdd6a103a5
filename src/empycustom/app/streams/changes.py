"""``--set -``: values that are typed while the streams play."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from empycustom.app.endings import complain
from empycustom.app.playing.sources import is_stdin
from empycustom.app.streams.live import LiveStream
from empycustom.app.streams.stages import check_changes, check_stages
from empycustom.errors import ConfigurationError, EmPyCustomError, LaunchError
from empycustom.stream.config import Configuration
from empycustom.stream.kinds import Problem

STDIN = "-"
_LOOK_EVERY_S = 0.1
_AT_ONCE = 65536  # bytes


def taken_stdin(configuration: Configuration, settings: Sequence[str]) -> Iterator[Problem]:
    """Yield the streams that would read stdin although another one does, or ``--set -``."""
    readers = ["--set -"] if STDIN in settings else []
    for stream in configuration.streams:
        if is_stdin(stream.location):
            if readers:
                yield Problem(stream.place, f"{stream.name} would read stdin, as {readers[0]} does; give it another source")
            readers.append(stream.name)


class Changes:
    """Changes a configuration, and the streams that play it."""

    def __init__(self, configuration: Configuration, streams: Sequence[LiveStream]) -> None:
        self._configuration, self._streams = configuration, streams

    def listen(self, is_over: Callable[[], bool]) -> None:
        """Take ``KEY=VALUE`` or ``STREAM:KEY=VALUE`` from the lines of stdin, in a thread of its own. Raises LaunchError."""
        if sys.stdin is None:
            raise LaunchError("--set -: stdin is closed, from which the lines would come.")
        threading.Thread(target=self._listen, args=[is_over], daemon=True).start()

    def _listen(self, is_over: Callable[[], bool]) -> None:
        for line in _lines(sys.stdin.fileno(), is_over):
            if line.strip():
                self._take(line.strip())

    def _take(self, setting: str) -> None:
        try:
            after = self._configuration.changed(setting)
            check_stages(after)
            for old, new in zip(self._configuration.streams, after.streams, strict=True):
                check_changes(old, new)
        except (EmPyCustomError, OSError) as error:
            complain(f"{str(error).rstrip('.')}; nothing is changed", kind="warning", lines=isinstance(error, ConfigurationError))
            return
        self._configuration = after
        for live, stream in zip(self._streams, after.streams, strict=True):
            live.change(stream)


def _lines(descriptor: int, is_over: Callable[[], bool]) -> Iterator[str]:
    """The lines that arrive, until the end of either. A thread that Python's own reading holds could not be left at the end."""
    rest = b""
    while not is_over():
        if not select.select([descriptor], [], [], _LOOK_EVERY_S)[0]:
            continue
        read = os.read(descriptor, _AT_ONCE)
        *whole, rest = (rest + read).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not read:
            yield rest.decode(errors="replace")
            return
