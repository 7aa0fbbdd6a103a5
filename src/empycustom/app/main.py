"""The entry point: parse, run the command, turn exceptions into lines on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from empycustom.app.arguments import make_parser
from empycustom.app.endings import FAILED, INTERRUPTED, StuckError, complain
from empycustom.errors import EmPyCustomError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 after an error, 130 after Ctrl-C. A usage error raises SystemExit(2)."""
    chosen = make_parser().parse_args(arguments)
    try:
        return _command(chosen.module)(chosen)
    except StuckError as error:
        complain(str(error))
        return _leave_at_once(error.exit_code)
    except EmPyCustomError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a callback ran
            return INTERRUPTED
        complain(str(error), error.details)
        return FAILED
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}." if error.filename else f"{error}.")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _command(module: str) -> Callable[[object], int]:
    """The ``main`` of a command's file; what cannot be imported is reported with the way to find out more."""
    try:
        command: Callable[[object], int] = import_module(f"empycustom.app.{module}").main
    except ImportError as error:
        raise EmPyCustomError(f"{error}\n`empycustom doctor` says what is missing and how to mend it.") from error
    return command


def _leave_at_once(exit_code: int) -> int:
    """End the process although threads of the pipeline still run: an ordinary exit would wait for them for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
