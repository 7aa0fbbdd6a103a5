"""The console of a command: safe standard streams, stdout reserved for results, messages on stderr, exit codes, debuggers."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import wraps
from inspect import unwrap
from types import CodeType, FrameType
from typing import IO, Any

from empycustom.errors import DebuggerLeftError, EmPyCustomError, LaunchError
from empycustom.outputs.queued import QueuedOutput, give_up_all, reason
from empycustom.outputs.table import write_all
from empycustom.text import for_people

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_prompt = threading.RLock()  # of debuggers
_terminal: Any = None  # the settings of the terminal, if stdin is one
_reserved: IO[str] | None = None  # the former stdout, while it is reserved
_STDERR_PATIENCE_S = 1.0
_UNREADABLE = (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT)  # no reader, the terminal is closed, the disk is full


class _Descriptor(io.FileIO):
    """stdout or stderr. Text that stderr does not take is dropped: a missing reader is not an error of the code that prints.

    The same applies to stdout while stderr is in its place.
    """

    def write(self, data: Any, /) -> int:
        """Write as a file does; return how many bytes were written or dropped."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _UNREADABLE or (self.fileno() == _STDOUT and _reserved is None):
                raise
            if error.errno == errno.EPIPE:  # for good, also for C and child processes
                redirect_to_null(self)
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make the standard streams of this process safe: closed ones are opened, and every text can be written."""
    global _terminal
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        if not _is_open(descriptor):
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(descriptor, True)
    # `misc`: for a checker sys.__stdout__ is final; code that restores it has to get the safe stream, too.
    sys.stdout = sys.__stdout__ = _opened(sys.stdout)  # type: ignore[misc]  # mypy takes __stdout__ for a constant
    sys.stderr = sys.stderr or open(_STDERR, "w", closefd=False)  # noqa: SIM115 - for the whole process
    sys.stderr = sys.__stderr__ = _opened(sys.stderr)  # type: ignore[misc]  # mypy takes __stdout__ for a constant

    if os.isatty(_STDIN):
        _terminal = termios.tcgetattr(_STDIN)


def _opened(stream: Any) -> Any:
    """Open the descriptor of a standard stream again, with its encoding and buffering."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    with suppress(OSError):
        stream.flush()
    raw = _Descriptor(stream.fileno(), "w", closefd=False)
    raw.name = stream.name
    buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)  # unbuffered as Python does it
    opened = io.TextIOWrapper(
        buffer,
        stream.encoding,
        "backslashreplace",
        "\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    vars(opened)["mode"] = "w"
    return opened


def restore_terminal() -> None:
    """Restore the settings of the terminal, which a debugger that reads a line has changed and may never restore."""
    if _terminal is not None:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, _terminal)


def finish_streams() -> None:
    """Flush the standard streams. Raises OSError if stdout fails; Python does not try again when it ends."""
    finish_messages()
    failures = [
        error for stream in (sys.stderr, _reserved, sys.stdout) if (error := _finish(stream)) and stream is not sys.stderr
    ]
    if failures:
        raise failures[0]


def show(text: str) -> None:
    """Print a result of a command on stdout. Raises LaunchError if that fails.

    A closed pipe is not an error: the command goes on, and its exit code is that of the command.
    """
    stream = _reserved or sys.stdout
    if stream is None:  # closed from the start
        return
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        redirect_to_null(stream)
        raise LaunchError(incomplete(error)) from error


def incomplete(error: OSError) -> str:
    """Return the message for stdout that cannot be written."""
    return f"stdout cannot be written ({error.strerror}); it is incomplete."


# The context in which a line is written to the terminal: a progress bar is cleared before, and shown again after it.
line_guard: list[Callable[[], AbstractContextManager[Any]]] = [nullcontext]


class _Messages:
    """The output of messages on stderr."""

    name, batch_bytes = "stderr", 1  # each at once, so that it stands before what the library prints next

    def open(self) -> None:
        """Do nothing: stderr is looked up for each message, since libraries replace and close it."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write messages."""
        for line in lines:
            _write_message(line.decode("utf-8", "surrogatepass"))

    def close(self) -> None:
        """Leave stderr open."""


class _NeverWait:
    """A waiter that drops messages for which the queue has no room."""

    def is_live(self) -> bool:
        """Return True, so that messages are dropped."""
        return True

    def is_stopping(self) -> bool:
        """Return False: there is no stream that stops."""
        return False


_messages: QueuedOutput | None = None  # made for the first message from the thread of a stream
_making = threading.Lock()


def write_stderr(text: str) -> None:
    """Write a line on stderr if possible; a stream neither fails nor waits because nobody reads stderr."""
    global _messages
    if _messages is None and threading.current_thread() is threading.main_thread():
        _write_message(text)
        return
    with _making:
        _messages = _messages or QueuedOutput(_Messages(), on_error=lambda _error: None)
    if _messages.is_of_this_process:
        _messages.put(text.encode("utf-8", "surrogatepass"), _NeverWait())
    else:  # in a child process of a library
        _write_message(text)


def finish_lines() -> list[str]:
    """Flush all outputs before the process ends, with a time limit; return a message for each that could not be written."""
    finish_messages()
    return [f"{output.name} cannot be written ({reason(output.failed)}); it is incomplete." for output in give_up_all()]


def finish_messages() -> None:
    """Write the messages that are queued, unless nobody reads stderr."""
    global _messages
    messages, _messages = _messages, None
    if messages:
        messages.close(patience_s=_STDERR_PATIENCE_S)


def _write_message(text: str) -> None:
    """Write a line without Python's buffers, whose lock would stay locked while nobody reads."""
    with suppress(OSError, ValueError), line_guard[0]():
        stream = sys.stderr
        if stream is None or stream.closed:  # by a library; the descriptor is open yet
            write_all(_STDERR, f"{text}\n".encode(errors="backslashreplace"))
        elif (descriptor := _descriptor_of(stream)) is None:
            print(text, file=stream, flush=True)
        else:
            try:
                write_all(descriptor, f"{text}\n".encode(stream.encoding, "backslashreplace"))
            except BrokenPipeError:  # for good, also for C and child processes
                redirect_to_null(stream)


def _descriptor_of(stream: Any) -> int | None:
    with suppress(OSError, AttributeError):  # the stream has no descriptor
        return int(stream.fileno())
    return None


def _finish(stream: IO[str] | None) -> OSError | None:
    if stream is None or stream.closed:  # a library did that
        return None
    try:
        stream.flush()
    except OSError as error:
        redirect_to_null(stream)
        return error
    return None


def redirect_to_null(stream: IO[str] | io.FileIO) -> None:
    """Redirect the descriptor of a stream to /dev/null, for its buffered text and for all later text."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != stream.fileno():  # the same where somebody has closed it
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    stream.flush()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _is_stdout(stream: IO[str]) -> bool:
    with suppress(OSError):  # the stream has no descriptor
        return stream.fileno() == _STDOUT
    return False


def reserve_stdout() -> None:
    """Reserve stdout for results: other code that writes to it (libraries, child processes, C) writes to stderr from now on."""
    global _reserved
    if _reserved is not None or sys.stdout is None:
        return
    if not _is_stdout(sys.stdout):  # something else in its place: a test's, a notebook's
        _reserved, sys.stdout = sys.stdout, sys.stderr
        return
    sys.stdout.flush()
    _reserved = os.fdopen(fcntl.fcntl(_STDOUT, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1), "w", encoding="utf-8")
    os.dup2(_STDERR, _STDOUT)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that it is in order with what is written to stderr


def release_stdout() -> None:
    """Restore stdout for all code, for programs that go on after a command."""
    global _reserved
    finish_messages()
    if _reserved is None:
        return
    if _is_stdout(sys.stdout):
        sys.stdout.flush()
        os.dup2(_reserved.fileno(), _STDOUT)
        _reserved.close()
    else:
        sys.stdout = _reserved
    _reserved = None


def reserved_stdout() -> IO[str]:
    """Return the stream for results. Raises LaunchError if stdout is closed."""
    stream = _reserved or sys.stdout
    if stream is None:
        raise LaunchError("stdout is closed, where the lines would go; name a file with --out or --events.")
    return stream


# Exit codes and messages of commands.


DONE, FAILED, INTERRUPTED = 0, 1, 130


class StuckError(LaunchError):
    """The threads of a pipeline do not end; the process has to exit with ``exit_code`` without them."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ReportedError(EmPyCustomError):
    """Errors that have been printed already."""

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


class ErrorCollector:
    """Calls functions in its ``with`` block; their errors are printed, and raised together as ReportedError at its end."""

    def __init__(self) -> None:
        self._errors: list[EmPyCustomError] = []

    def __enter__(self) -> ErrorCollector:
        return self

    def __call__(self, function: Callable[..., Any], *given: Any) -> Any:
        """Return what ``function`` returns; None where it raises an EmPyCustomError."""
        try:
            return function(*given)
        except EmPyCustomError as error:
            if issubclass(type(error.__cause__), KeyboardInterrupt) or isinstance(error, DebuggerLeftError):
                raise
            print_error(error.reported, error.details)  # at once, because loading the next library may take long
            self._errors.append(error)
            return None

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None and self._errors:
            raise ReportedError(self._errors)


def print_error(message: str, details: str = "", *, kind: str = "error", lines: bool = False) -> None:
    """Print ``message`` on stderr, with ``details`` (such as a traceback) below it; ``lines``: it may have several lines."""
    text = [f"empycustom: {kind}: {for_people(message.rstrip(), lines=lines)}"]
    if details.strip():
        text.append(for_people(details.rstrip(), lines=True))
    write_stderr("\n".join(text))


def print_info(text: str) -> None:
    """Print a text on stderr that is not an error or a warning; it may have several lines."""
    write_stderr(for_people(text, lines=True))


# Debuggers in callbacks, as ``breakpoint()`` opens them.


def is_debugger_open() -> bool:
    """Return True if pdb, or a debugger derived from it, waits for input in any thread."""
    function = getattr(getattr(sys.modules.get("pdb"), "Pdb", None), "interaction", None)
    return function is not None and any(_is_in(unwrap(function).__code__, frame) for frame in sys._current_frames().values())


def _is_in(code: CodeType, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


@contextmanager
def serialize_debuggers(prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let only one debugger of several threads use the terminal at a time. ``prepare`` is called before each of its prompts."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        yield
        return
    from pdb import Pdb  # only on a terminal

    interaction: Any = Pdb.interaction

    @wraps(interaction)
    def one_by_one(*arguments: Any, **named: Any) -> Any:
        with _prompt:
            prepare()
            return interaction(*arguments, **named)

    Pdb.interaction = one_by_one  # type: ignore[method-assign]
    try:
        yield
    finally:
        Pdb.interaction = interaction  # type: ignore[method-assign]
