"""How a command ends: exit codes, and what is said on stderr."""

from __future__ import annotations

import sys
from contextlib import suppress

from empycustom.errors import LaunchError
from empycustom.text import for_people

DONE, FAILED, INTERRUPTED = 0, 1, 130


class StuckError(LaunchError):
    """The pipeline does not let go of its threads; the process can only be ended, with ``exit_code``."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def complain(message: str, details: str = "", *, kind: str = "error", lines: bool = False) -> None:
    """Print ``message`` on stderr, with ``details`` (a traceback, mostly) below it; ``lines``: the message has several."""
    text = [f"empycustom: {kind}: {for_people(message.rstrip(), lines=lines)}"]
    if details.strip():
        text.append(for_people(details.rstrip(), lines=True))
    with suppress(OSError):  # there is no other place to say it
        print("\n".join(text), file=sys.stderr, flush=True)


def remark(text: str) -> None:
    """Print what is neither an error nor a warning, on stderr; it may have several lines."""
    print(for_people(text, lines=True), file=sys.stderr, flush=True)
