"""The standard streams of a command: open, able to write every text, and stdout kept for lines where that is wanted."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import select
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
_terminal: Any = None  # what it was like, where stdin is one
_kept: IO[str] | None = None  # what stdout was, while it is kept
_STDERR_PATIENCE_S = 1.0
_UNREADABLE = (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT)  # no reader, the terminal is closed, the disk is full


class _Descriptor(io.FileIO):
    """stdout or stderr. What cannot be written on stderr is dropped: that nobody can read it is not an error of who prints it.

    It is the same for stdout as long as stderr is in its place.
    """

    def write(self, data: Any, /) -> int:
        """Write as a file does; return how many bytes were written or dropped."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _UNREADABLE or (self.fileno() == _STDOUT and _kept is None):
                raise
            if error.errno == errno.EPIPE:  # for good, also for C and child processes
                send_nowhere(self)
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make the standard streams of this process safe: no file gets the number of one that is closed, no text is refused."""
    global _terminal
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        if not _is_open(descriptor):
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(descriptor, True)
    # `misc`: for a checker sys.__stdout__ is final; whoever goes back to it has to get the safe stream, too.
    sys.stdout = sys.__stdout__ = _opened(sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.stderr or open(_STDERR, "w", closefd=False)  # noqa: SIM115 - for the whole process
    sys.stderr = sys.__stderr__ = _opened(sys.stderr)  # type: ignore[misc]

    if os.isatty(_STDIN):
        _terminal = termios.tcgetattr(_STDIN)


def _opened(stream: Any) -> Any:
    """Open the descriptor of a standard stream once more, with its encoding and its buffers."""
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
    """Let the terminal be as it was: whoever reads a line, as a debugger, has changed it, and may never come to its end."""
    if _terminal is not None:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, _terminal)


def finish_streams() -> None:
    """Write what Python still holds. Raises OSError where stdout fails; Python does not try it once more when it ends."""
    finish_messages()
    failures = [error for stream in (sys.stderr, _kept, sys.stdout) if (error := _finish(stream)) and stream is not sys.stderr]
    if failures:
        raise failures[0]


def show(text: str) -> None:
    """Print what a command was asked for, on stdout. Raises LaunchError where that cannot be written.

    Where nobody reads it any more, the command goes on all the same: its exit code says how that ended.
    """
    stream = _kept or sys.stdout
    if stream is None:  # closed from the start
        return
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        send_nowhere(stream)
        raise LaunchError(incomplete(error)) from error


def incomplete(error: OSError) -> str:
    """What is to be said where stdout cannot be written."""
    return f"stdout cannot be written ({error.strerror}); it is incomplete."


# What makes room for a line on the terminal, and is there again afterwards: a progress bar.
beside: list[Callable[[], AbstractContextManager[Any]]] = [nullcontext]


class _Messages:
    """The output of what is said on stderr."""

    name, batch_bytes = "stderr", select.PIPE_BUF

    def open(self) -> None:
        """Nothing is needed: stderr is looked up for each message, since libraries replace and close it."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write messages."""
        for line in lines:
            _write_message(line.decode("utf-8", "surrogatepass"))

    def close(self) -> None:
        """Leave stderr open."""


class _Dropped:
    """Messages for which there is no room are dropped; nobody waits until they are read."""

    def is_live(self) -> bool:
        """Drop it."""
        return True

    def is_stopping(self) -> bool:
        """Nobody waits."""
        return False


_messages: QueuedOutput | None = None  # from the first one on that comes from the thread of a stream
_making = threading.Lock()


def write_stderr(text: str) -> None:
    """Write a line on stderr, if it can be: a stream neither ends nor waits because nobody reads what is said about it."""
    global _messages
    if _messages is None and threading.current_thread() is threading.main_thread():
        _write_message(text)
        return
    with _making:
        _messages = _messages or QueuedOutput(_Messages(), on_error=lambda _error: None)
    if _messages.is_of_this_process:
        _messages.put(text.encode("utf-8", "surrogatepass"), _Dropped())
    else:  # a child of a library has its messages to itself
        _write_message(text)


def finish_lines() -> list[str]:
    """Write what is still to be written, but not for long, since the process ends; return what is to be said of the rest."""
    finish_messages()
    return [f"{output.name} cannot be written ({reason(output.failed)}); it is incomplete." for output in give_up_all()]


def finish_messages() -> None:
    """Let what was said be written, unless nobody reads it."""
    global _messages
    messages, _messages = _messages, None
    if messages:
        messages.close(patience_s=_STDERR_PATIENCE_S)


def _write_message(text: str) -> None:
    """Write past Python's buffers, whose lock would be held as long as nobody reads."""
    with suppress(OSError, ValueError), beside[0]():
        stream = sys.stderr
        if stream is None or stream.closed:  # by a library; the descriptor is open yet
            write_all(_STDERR, f"{text}\n".encode(errors="backslashreplace"))
        elif (descriptor := _descriptor_of(stream)) is None:
            print(text, file=stream, flush=True)
        else:
            try:
                write_all(descriptor, f"{text}\n".encode(stream.encoding, "backslashreplace"))
            except BrokenPipeError:  # for good, also for C and child processes
                send_nowhere(stream)


def _descriptor_of(stream: Any) -> int | None:
    with suppress(OSError, AttributeError):  # it is none of the operating system's
        return int(stream.fileno())
    return None


def _finish(stream: IO[str] | None) -> OSError | None:
    if stream is None or stream.closed:  # a library did that
        return None
    try:
        stream.flush()
    except OSError as error:
        send_nowhere(stream)
        return error
    return None


def send_nowhere(stream: IO[str] | io.FileIO) -> None:
    """Let what a stream still holds, and gets from now on, go nowhere."""
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
    with suppress(OSError):  # it is none of the operating system's
        return stream.fileno() == _STDOUT
    return False


def keep_stdout() -> None:
    """Keep stdout for lines: what else writes there from now on (libraries, child processes, C) finds stderr in its place."""
    global _kept
    if _kept is not None or sys.stdout is None:
        return
    if not _is_stdout(sys.stdout):  # something else in its place: a test's, a notebook's
        _kept, sys.stdout = sys.stdout, sys.stderr
        return
    sys.stdout.flush()
    _kept = os.fdopen(fcntl.fcntl(_STDOUT, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1), "w", encoding="utf-8")
    os.dup2(_STDERR, _STDOUT)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that it is in order with what is written to stderr


def give_stdout_back() -> None:
    """Let everybody write to stdout again, for programs that go on after a command."""
    global _kept
    finish_messages()
    if _kept is None:
        return
    if _is_stdout(sys.stdout):
        sys.stdout.flush()
        os.dup2(_kept.fileno(), _STDOUT)
        _kept.close()
    else:
        sys.stdout = _kept
    _kept = None


def kept_stdout() -> IO[str]:
    """Return what lines are written to. Raises LaunchError where stdout is closed."""
    stream = _kept or sys.stdout
    if stream is None:
        raise LaunchError("stdout is closed, where the lines would go; name a file with --out or --events.")
    return stream


# How a command ends: exit codes, and what is said on stderr.


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


# A debugger in a callback, as ``breakpoint()`` opens it, has the terminal until it is left.


def is_debugger_open() -> bool:
    """Return whether pdb, or a debugger made of it, waits for what somebody types, in any thread."""
    function = getattr(getattr(sys.modules.get("pdb"), "Pdb", None), "interaction", None)
    return function is not None and any(_is_in(unwrap(function).__code__, frame) for frame in sys._current_frames().values())


def _is_in(code: CodeType, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


@contextmanager
def one_debugger_at_a_time(prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let the debuggers of several threads ask one after the other. ``prepare`` is called before each question."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        yield
        return
    from pdb import Pdb  # where somebody can type

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
