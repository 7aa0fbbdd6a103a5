"""What a pool and its workers send to each other: messages over a socket, results and exceptions as plain values.

A socket of whole messages (SEQPACKET) carries them, and files: those of shared memory, and one for a message that is too long.
What goes to a worker is pickled. What comes from one is read by the parent, so that it is plain values alone (marshal); what a
library returned is JSON in them already.
"""

from __future__ import annotations

import errno
import marshal
import os
import pickle
import signal
import socket
import traceback
from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from threading import Lock
from typing import Any, TypeAlias

from empycustom import errors
from empycustom.errors import LibraryError
from empycustom.library.explain import kind_of
from empycustom.model.arrays import ARRAYS
from empycustom.model.results import FrameResult, Result
from empycustom.model.values import NOTHING, Important

_LONGEST = 1 << 15  # bytes of a message in the socket, which holds 212,992 in all
_INTS = [Struct(f"={count}i") for count in range(5)]  # files, as they go with a message
_SPACE = socket.CMSG_SPACE(_INTS[-1].size)
_IN_A_FILE = b"F"
_CLOEXEC, _CTRUNC = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC)  # calculating with enums takes longer than a message
_ENDED = (BrokenPipeError, ConnectionResetError)

# A worker that gets it writes into its notes where it is, and goes on. Libraries use those with names.
WHERE = signal.SIGRTMIN + 12

Packed: TypeAlias = "tuple[Any, ...]"


class Wakeup:
    """Ends waits of other threads: ``file`` can be read from :meth:`set` on, until :meth:`clear`."""

    def __init__(self) -> None:
        self.file = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock, self._is_closed = Lock(), False

    def set(self) -> None:
        """End the waits. From any thread, also when it is closed."""
        with self._lock:  # else the number may be another file's when it is written to
            if not self._is_closed:
                os.eventfd_write(self.file, 1)

    def clear(self) -> None:
        """Let the next wait wait."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.file)

    def close(self) -> None:
        """Close the file: nobody waits any more."""
        with self._lock:
            self._is_closed = True
            os.close(self.file)


def send(control: socket.socket, message: bytes, files: Sequence[int] = (), *, flags: int = 0) -> None:
    """Send a message, and files with it. Raises EOFError where the other process has ended, BlockingIOError with MSG_DONTWAIT."""
    if len(message) <= _LONGEST:
        _send(control, message, files, flags)
        return
    file = os.memfd_create("empycustom message")
    try:
        left = memoryview(message)
        while left:
            left = left[os.write(file, left) :]
        _send(control, _IN_A_FILE, [*files, file], flags)
    finally:
        os.close(file)


def _send(control: socket.socket, message: bytes, files: Sequence[int], flags: int) -> None:
    try:
        if files:
            # socket.send_fds and recv_fds ignore their flags.
            control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _INTS[len(files)].pack(*files))], flags)
        else:
            control.send(message, flags)
    except _ENDED as error:
        raise EOFError from error


def receive(control: socket.socket, *, flags: int = 0) -> tuple[bytes, list[int]]:
    """Return a message, and the files that came with it. Raises as :func:`send` does, and OSError where a file has no room."""
    try:
        message, extra, how, _ = control.recvmsg(_LONGEST, _SPACE, flags | _CLOEXEC)
    except ConnectionResetError:  # the other process ended without having read all; it says so once, before what it sent last
        return receive(control, flags=flags)
    if not message:
        raise EOFError
    if how & _CTRUNC:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    files = [file for _, _, data in extra for file in _INTS[len(data) // 4].unpack(data)] if extra else []
    if message == _IN_A_FILE:
        file = files.pop()
        try:
            message = os.pread(file, os.fstat(file).st_size, 0)
        finally:
            os.close(file)
    return message, files


def to_worker(*message: Any) -> bytes:
    """Return a message to a worker as bytes."""
    return pickle.dumps(message, 5)


at_worker = pickle.loads


def reply(control: socket.socket, *message: Any) -> None:
    """Send a message to the pool, from a worker. A process that the library forked ends here: its socket was closed at the fork.

    Raises EOFError where the pool has ended.
    """
    if control.fileno() < 0:
        os.write(2, b"a process that the library forked has returned from a callback, and is ended; let it call os._exit\n")
        os._exit(1)
    send(control, to_parent(*message))


def to_parent(*message: Any) -> bytes:
    """Return a message from a worker as bytes."""
    return marshal.dumps(message)


at_parent = marshal.loads


# Results: None stands for NOTHING, which is not JSON. (What was returned may hold None.)


def pack_result(result: Result | None) -> Packed | None:
    """Return a result as plain values, without its image."""
    if result is None:
        return None
    frames = [
        (
            _or_none(each.attributes),
            [*map(_or_none, each.objects)],
            [*map(_without_arrays, each.new_objects)],
            {index: _without_arrays(change) for index, change in each.changed.items()},
            [*each.removed],
        )
        for each in result.frames
    ]
    ignored = [(str(each), type(each) is Important) for each in result.ignored]
    return result.plain, _or_none(result.attributes), ignored, result.dropped, frames


def unpack_result(packed: Packed | None) -> Result | None:
    """Return the result in what :func:`pack_result` returned."""
    if packed is None:
        return None
    returned, attributes, ignored, dropped, frames = packed
    result = Result([], returned)
    result.attributes, result.dropped = _or_nothing(attributes), dropped
    result.ignored = [Important(each) if is_important else each for each, is_important in ignored]
    for own, objects, found, changed, removed in frames:
        frame = FrameResult(0)
        frame.attributes, frame.objects = _or_nothing(own), [*map(_or_nothing, objects)]
        frame.new_objects, frame.removed = [*map(_with_arrays, found)], removed
        frame.changed = {index: _with_arrays(change) for index, change in changed.items()}
        result.frames.append(frame)
    return result


def _without_arrays(found: Any) -> Any:
    """Return an object, or a change of one, with its arrays as their types, shapes and bytes."""
    if ARRAYS.isdisjoint(found):
        return found
    return {
        key: (value.dtype.str, value.shape, value.tobytes()) if key in ARRAYS and hasattr(value, "dtype") else value
        for key, value in found.items()
    }


def _with_arrays(found: Any) -> Any:
    if ARRAYS.isdisjoint(found):
        return found
    import numpy as np

    return {
        key: np.frombuffer(value[2], value[0]).reshape(value[1]) if key in ARRAYS and type(value) is tuple else value
        for key, value in found.items()
    }


def _or_none(attributes: Any) -> Any:
    return None if attributes is NOTHING else attributes


def _or_nothing(attributes: Any) -> Any:
    return NOTHING if attributes is None else attributes


# Exceptions.


class RemoteError(Exception):
    """Stands for an exception of another process, whose traceback is its text; a class below it has the name of that one's."""


def pack_error(error: BaseException) -> Packed:
    """Return an exception as plain values."""
    if isinstance(error, LibraryError):
        cause = kind_of(error.__cause__) if error.__cause__ else ""
        about = (error.library, error.line, error.callback, error.details)
        return type(error).__name__, error.parts, (*about, getattr(error, "option", "")), cause
    return "", (f"{kind_of(error)}: {error}",), (), "".join(traceback.format_exception(error)).rstrip()


def unpack_error(packed: Packed) -> Exception:
    """Return the exception in what :func:`pack_error` returned: of the same class, with the same message and data."""
    name, parts, about, cause = packed
    if not name:  # our own fault
        failure = RuntimeError(f"in a worker: {parts[0]}")
        failure.__cause__ = RemoteError(cause)
        return failure
    library, line, callback, details, option = about
    error: LibraryError = getattr(errors, name)(*parts, library=library, line=line, callback=callback, details=details)
    if isinstance(error, errors.OptionError):
        error.option = option
    if cause:
        error.__cause__ = type(cause, (RemoteError,), {})(details)
    return error
