"""How a process that played a video has ended, and where its library was then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from empycustom.runners.worker_errors import described, without_ours

_THREADS = ("Current thread 0x", "Thread 0x")
_CURRENT = _THREADS[0]
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


class Place(NamedTuple):
    """Where a library was: ``at`` is its file and line, ``in_`` the function, and ``details`` the traceback of the thread."""

    at: str = ""
    in_: str = ""
    details: str = ""


def how(code: int) -> str:
    """Return how a process ended."""
    return described(code)[0].rstrip(",")


def crashed(code: int, place: Place) -> str:
    """Return what is to be said of a process that has ended while it played."""
    where = f" in {place.in_}" if place.in_ else ""
    return f"{place.at}the process that played it {how(code)}{where}{described(code)[1]}"


def stuck(why: str, place: Place) -> str:
    """Return what is to be said of a process that was ended, because of ``why``."""
    return f"{place.at}{why}{f': {place.in_} had not returned' if place.in_ else ''}"


def place_in(note: str, libraries: Sequence[str], *, of_all: bool) -> Place:
    """Return where one of the libraries was, by what the faulthandler has written.

    ``of_all``: in any thread, because a signal from outside does not come to the one that hangs; else in the one that crashed.
    """
    threads = [part for part in note.split("\n\n") if part.startswith(_THREADS)]
    current = [thread for thread in threads if thread.startswith(_CURRENT)]
    for thread in threads if of_all else current:
        for path, line, function in _FRAME.findall(thread):
            if path in libraries:
                return Place(f"{path}:{line}: ", function, without_ours(thread, path))
    return Place(details=without_ours("\n\n".join(threads if of_all else current), ""))
