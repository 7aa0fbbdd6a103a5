"""Entry point: parse, run the command with its log on stderr, turn exceptions into lines there and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from empycustom.app.arguments import LEVELS, make_parser
from empycustom.app.options import as_option
from empycustom.errors import ConfigurationError, DebuggerLeftError, EmPyCustomError, PropertyError
from empycustom.library.explain import error_to_report
from empycustom.library.modules import without_package
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
    write_stderr,
)
from empycustom.text import for_people, from_native


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
        with log_shown(getattr(args, "log_level", None)):
            return command(args)
    except StuckError as error:
        print_error(str(error))
        return _leave_at_once(error.exit_code)
    except ReportedError:
        return FAILED
    except PropertyError as error:
        return _failed(as_option(error))
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


# ``--log-level``: the log of libraries (Python's ``logging``) and of our elements (GStreamer's) on stderr.


_OF_GSTREAMER = {1: logging.ERROR, 2: logging.WARNING, 3: logging.WARNING, 4: logging.INFO}


@contextmanager
def log_shown(level: str | None) -> Iterator[None]:
    """Show log records from ``level`` on, each line with its level and its logger.

    Without a level Python's defaults apply: warnings are shown, unless a library changes the settings.
    """
    with ExitStack() as after:

        def replace(name: str, value: Any) -> None:
            after.callback(setattr, logging, name, getattr(logging, name))
            setattr(logging, name, value)

        after.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
        logging.setLogRecordFactory(partial(_record, logging.getLogRecordFactory()))
        if level is None:
            replace("lastResort", _Lines(logging.WARNING))
            replace("basicConfig", partial(_configured, logging.basicConfig))
        else:
            _show_all(level, after)
        yield


def _record(made: Callable[..., logging.LogRecord], *given: Any, **named: Any) -> logging.LogRecord:
    """Make a record in which the module of a library has the name that its author gave it."""
    record = made(*given, **named)
    record.name = without_package(record.name)
    return record


def _configured(configure: Callable[..., None], **settings: Any) -> None:
    """Call ``logging.basicConfig``, except without settings, as ``logging.info`` does."""
    if settings:
        configure(**settings)


def _show_all(level: str, after: ExitStack) -> None:
    root, handler = logging.getLogger(), _Lines()
    after.callback(root.setLevel, root.level)
    after.callback(root.removeHandler, handler)
    root.setLevel(level.upper())
    root.addHandler(handler)
    if "GST_DEBUG" not in os.environ:  # which has more detailed settings
        after.callback(_show_elements(LEVELS[level]))


class _Lines(logging.Handler):
    """Writes lines on stderr without damage to a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_stderr(for_people(self.format(record), lines=True))
        except Exception:  # noqa: BLE001 - as every handler of Python's: the arguments are a library's
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return ``WARNING my_lib: the text``, and the traceback if there is one."""
        name = record.module if record.name == "root" else record.name
        return f"{record.levelname} {name}: {super().format(record)}"


def _show_elements(level: int) -> Callable[[], None]:
    """Forward the log of our elements to ``logging``; return the function that ends it."""
    from empycustom.elements.aimeta import AIMeta
    from empycustom.elements.base import listeners
    from empycustom.elements.empycustom import EmPyCustom
    from empycustom.elements.perf import Perf

    categories = [element.category for element in (AIMeta, EmPyCustom, Perf)]
    before = [category.threshold for category in categories]
    for category in categories:
        category.threshold = level
    listeners.append(_forward)

    def end() -> None:
        listeners.remove(_forward)
        for category, threshold in zip(categories, before, strict=True):
            category.threshold = threshold

    return end


def _forward(level: int, element: str, text: str) -> None:
    # An error is on the bus as well, with its traceback.
    shown_text = text.partition("\n")[0] if level == LEVELS["error"] else text
    logging.getLogger(element).log(_OF_GSTREAMER.get(level, logging.DEBUG), "%s", shown_text)
