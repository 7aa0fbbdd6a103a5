"""How a command ends: exit codes, and what is said on stderr."""

from __future__ import annotations

import re
import sys

from empycustom.errors import LaunchError

_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^@\s]*@")
DONE, FAILED, INTERRUPTED = 0, 1, 130


class StuckError(LaunchError):
    """The pipeline does not let go of its threads; the process can only be ended, with ``exit_code``."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def complain(message: str, details: str = "", *, kind: str = "error") -> None:
    """Print ``message`` on stderr, with ``details`` (a traceback, mostly) below it; passwords in URIs are left out."""
    lines = [f"empycustom: {kind}: {message.rstrip()}", *([details.rstrip()] if details.strip() else [])]
    print(_PASSWORD.sub(r"\1***@", "\n".join(lines)), file=sys.stderr, flush=True)
