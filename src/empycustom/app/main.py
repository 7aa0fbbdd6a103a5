"""Entry point: parse, run the command, turn exceptions into lines on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from empycustom.app.arguments import make_parser
from empycustom.errors import ConfigurationError, DebuggerLeftError, EmPyCustomError
from empycustom.library.explain import error_to_report
from empycustom.packages import own_command
from empycustom.session.console import (
    DONE,
    FAILED,
    INTERRUPTED,
    ReportedError,
    StuckError,
    exit_code_of,
    finish_lines,
    finish_streams,
    incomplete,
    prepare_streams,
    print_error,
    print_info,
    release_stdout,
    restore_terminal,
)
from empycustom.session.logs import shown
from empycustom.text import from_native


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 after an error, 130 after Ctrl-C, 2 after wrong arguments.

    With ``arguments`` it is called by a program: stdout is restored, and SystemExit is raised as by argparse.
    """
    if arguments is not None:
        try:
            return _run(arguments)
        finally:
            release_stdout()
    prepare_streams()
    try:
        code = _run([from_native(argument) for argument in sys.argv[1:]])
    except SystemExit as ended:  # by --help, or after wrong arguments
        code = int(ended.code or DONE)
    return _finished(code)


def _run(arguments: Sequence[str]) -> int:
    try:
        args = make_parser().parse_args(arguments)
        command = _command(args.target)
        with shown(getattr(args, "log_level", None)):
            return command(args)
    except StuckError as error:
        print_error(str(error))
        return _leave_at_once(error.exit_code)
    except ReportedError:
        return FAILED
    except EmPyCustomError as error:
        return _failed(error)
    except BrokenPipeError:  # its reader has ended
        return DONE
    except OSError as error:
        print_error(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}.")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        found = error_to_report(error)
        if not isinstance(found, EmPyCustomError):
            raise
        return _failed(found)


def _failed(error: EmPyCustomError) -> int:
    code = exit_code_of(error)
    if isinstance(error, DebuggerLeftError):
        print_info(str(error))
    elif code == FAILED:
        print_error(error.reported, error.details, lines=isinstance(error, ConfigurationError))
    return code


def _command(target: str) -> Callable[[object], int]:
    """Return the function that runs a command, ``file:function``. Raises EmPyCustomError if something cannot be imported."""
    file, _, function = target.partition(":")
    try:
        command: Callable[[object], int] = getattr(import_module(f"empycustom.app.{file}"), function)
    except ImportError as error:
        raise EmPyCustomError(f"{error}. `{own_command()} doctor` reports what is missing and how to fix it.") from error
    return command


def _finished(code: int) -> int:
    """Write what is still to be written, flush the standard streams, and return the exit code."""
    for text in finish_lines():
        print_error(text)
        code = code or FAILED
    try:
        finish_streams()
    except BrokenPipeError:
        return code
    except OSError as error:
        if code == DONE:
            print_error(incomplete(error))
            return FAILED
    return code


def _leave_at_once(exit_code: int) -> int:
    """End the process although threads of the pipeline still run: a normal exit would wait for them forever."""
    restore_terminal()
    os._exit(_finished(exit_code))
