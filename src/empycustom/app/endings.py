"""How a command ends: exit codes, and what is said on stderr."""

from __future__ import annotations

from empycustom.app.standard_streams import write_stderr
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
    write_stderr("\n".join(text))


def remark(text: str) -> None:
    """Print what is neither an error nor a warning, on stderr; it may have several lines."""
    write_stderr(for_people(text, lines=True))
