"""How a command ends: exit codes, and what is said on stderr."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from empycustom.app.standard_streams import write_stderr
from empycustom.errors import DebuggerLeftError, EmPyCustomError, LaunchError
from empycustom.text import for_people

DONE, FAILED, INTERRUPTED = 0, 1, 130


class StuckError(LaunchError):
    """The pipeline does not let go of its threads; the process can only be ended, with ``exit_code``."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ToldError(EmPyCustomError):
    """What is wrong was printed already."""

    def __init__(self, errors: Sequence[EmPyCustomError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.details = "\n".join(error.details for error in errors if error.details)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a command that ends with ``error``."""
    if isinstance(error, StuckError):
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # nobody reads it any more
        return DONE
    interrupted = issubclass(type(error.__cause__), KeyboardInterrupt)  # Ctrl-C while a callback ran
    return INTERRUPTED if interrupted or isinstance(error, (KeyboardInterrupt, DebuggerLeftError)) else FAILED


class AllAtOnce:
    """What is called by this, in its ``with`` block, may fail: errors are printed, and the block ends with a ToldError."""

    def __init__(self) -> None:
        self._errors: list[EmPyCustomError] = []

    def __enter__(self) -> AllAtOnce:
        return self

    def __call__(self, function: Callable[..., Any], *given: Any) -> Any:
        """Return what ``function`` returns; None where it raises an EmPyCustomError."""
        try:
            return function(*given)
        except EmPyCustomError as error:
            if issubclass(type(error.__cause__), KeyboardInterrupt):
                raise
            complain(str(error), error.details)  # now: loading the next library may take its time
            self._errors.append(error)
            return None

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None and self._errors:
            raise ToldError(self._errors)


def complain(message: str, details: str = "", *, kind: str = "error", lines: bool = False) -> None:
    """Print ``message`` on stderr, with ``details`` (a traceback, mostly) below it; ``lines``: the message has several."""
    text = [f"empycustom: {kind}: {for_people(message.rstrip(), lines=lines)}"]
    if details.strip():
        text.append(for_people(details.rstrip(), lines=True))
    write_stderr("\n".join(text))


def remark(text: str) -> None:
    """Print what is neither an error nor a warning, on stderr; it may have several lines."""
    write_stderr(for_people(text, lines=True))
