"""What an output of documents is, the table of those that there are, and two of them: files and the console."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import unquote

from empycustom.errors import UnknownOutputError
from empycustom.model.serialize import dumps
from empycustom.text import as_path, meant, visible_json

# Each row names, for the scheme of a URI, a class that is called with the location; it is imported when somebody asks for it.
# Other packages add rows by entry points of the group: mqtt = "their_package:MqttOutput".
OUTPUTS = {
    "file": "empycustom.outputs.table:FileOutput",
    "console": "empycustom.outputs.table:ConsoleOutput",
}
ENTRY_POINTS = "empycustom.outputs"


def line_of(document: Any) -> bytes:
    """Return a document as one line of JSON in UTF-8, with its end: the one place where documents become bytes."""
    return as_line(dumps(document))


def as_line(text: str) -> bytes:
    """Return JSON that has been made already as :func:`line_of` does."""
    return f"{visible_json(text)}\n".encode()


class Output(Protocol):
    """A place where documents go.

    :class:`~empycustom.outputs.queued.QueuedOutput` calls :meth:`open` when the stream starts, and the others in a thread of
    their own, where they may wait for a disk, a reader or a network. ``batch_bytes`` is how much one call of :meth:`write` gets
    at most, though never less than one document: nobody sees that anything moves while it lasts. ``name`` is for messages.
    """

    name: str
    batch_bytes: int

    def open(self) -> None:
        """Get ready, and fail early: the stream starts now, and waits for this. Raises OSError or an EmPyCustomError."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write documents, each a line as :func:`line_of` makes it, so that whoever follows sees them now. Raises OSError."""

    def close(self) -> None:
        """Let go of everything; also called after :meth:`write` has failed."""


def output_for(location: str) -> Output:
    """Return the output for the path of a file, or for a URI.

    Raises UnknownOutputError, PathError, and what an output of another package raises.
    """
    scheme, separator, _ = location.partition("://")
    output: Output = _class_for(scheme if separator else "file")(location)
    return output


def path_of(location: str) -> Path | None:
    """Return the file that a location names; None: it is the URI of something else. Raises PathError."""
    if location.startswith("file://"):
        return as_path(unquote(location.removeprefix("file://")))
    return None if "://" in location else as_path(location)


def _class_for(scheme: str) -> Callable[[str], Any]:
    found: Callable[[str], Any]
    if scheme in OUTPUTS:
        module, _, name = OUTPUTS[scheme].partition(":")
        found = getattr(import_module(module), name)
        return found
    offered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if scheme in offered:
        found = offered[scheme].load()
        return found
    known = sorted({*OUTPUTS, *offered})
    raise UnknownOutputError(
        f"there is no output for {scheme}://{meant(scheme, known)}; give the path of a file, or a URI that begins with "
        f"{' or '.join(f'{name}://' for name in known)}, or install the package that has this output"
    )


_STDERR = 2
_FILE_BYTES = 1 << 20
_PIPE_BYTES = select.PIPE_BUF  # what a pipe that has room takes in one piece


class FileOutput:
    """Lines in a file, which is made anew, or in whatever else has a name among files. ``path`` is absolute. Raises PathError.

    A named pipe is opened when the first document is written, since that waits for a reader.
    """

    def __init__(self, location: str) -> None:
        self.path = (path_of(location) or as_path(location)).absolute()
        self.name = str(self.path)
        self.batch_bytes = _PIPE_BYTES
        self._descriptor: int | None = None

    def open(self) -> None:
        """Make the file, or empty it."""
        if not self.path.is_fifo():
            self._open()

    def _open(self) -> int:
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self.batch_bytes = _batch_bytes(self._descriptor)
        return self._descriptor

    def write(self, lines: Sequence[bytes]) -> None:
        """Append them."""
        descriptor = self._open() if self._descriptor is None else self._descriptor
        write_all(descriptor, b"".join(lines))

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class ConsoleOutput:
    """Lines on a stream of text: what stdout is when this is opened, or another one.

    They go past Python's buffers, whose lock a callback that prints needs, by a descriptor of their own, so that nothing gets
    into another file if the stream is closed meanwhile. Where there is no descriptor, as in a notebook, they are written as text.
    """

    name = "stdout"

    def __init__(self, _location: str = "", *, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self.batch_bytes = _PIPE_BYTES
        self._descriptor: int | None = None

    def open(self) -> None:
        """Find out what stdout is. Raises OSError where there is none."""
        self._stream = self._stream or sys.stdout
        if self._stream is None:
            raise OSError(errno.EBADF, "stdout is closed")
        with suppress(OSError, ValueError, AttributeError):  # it is none of the operating system's, or closed
            self._descriptor = fcntl.fcntl(self._stream.fileno(), fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
            self.batch_bytes = _batch_bytes(self._descriptor)

    def write(self, lines: Sequence[bytes]) -> None:
        """Print them."""
        data = b"".join(lines)
        if self._descriptor is not None:
            write_all(self._descriptor, data)
        elif binary := getattr(self._stream, "buffer", None):  # UTF-8, whatever the encoding of the stream
            binary.write(data)
            binary.flush()
        elif self._stream is not None:
            self._stream.write(data.decode())
            self._stream.flush()

    def close(self) -> None:
        """Leave the stream itself open, which is somebody else's."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # a library has closed it
                os.close(descriptor)


def _batch_bytes(descriptor: int) -> int:
    return _FILE_BYTES if stat.S_ISREG(os.fstat(descriptor).st_mode) else _PIPE_BYTES


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, however long that takes; also where somebody has made the descriptor one that does not wait."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # noqa: PERF203 - the rest is another one each time
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
