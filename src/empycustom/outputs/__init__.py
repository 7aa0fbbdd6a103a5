"""Outputs of documents: files, the console, and those of other packages, each with a queue and a thread of its own."""

from __future__ import annotations

import os
import select


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, however long it takes, also to a descriptor that is in non-blocking mode.

    Raises OSError; its ``characters_written`` is how many bytes were written.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # noqa: PERF203 - the rest is another one each time
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
        except OSError as error:
            error.characters_written = len(data) - len(rest)  # type: ignore[attr-defined]  # each OSError can have it
            raise
