"""Protocol and table of the outputs of documents, and two outputs: files and the console."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import unquote

from empycustom.errors import PathError, UnknownOutputError
from empycustom.text import as_native, as_path, meant, visible_json

# The class for each scheme of a URI. It is imported when it is needed, and called with the location.
# Other packages add rows by entry points of the group: mqtt = "their_package:MqttOutput".
OUTPUTS = {
    "file": "empycustom.outputs.table:FileOutput",
    "console": "empycustom.outputs.table:ConsoleOutput",
}
ENTRY_POINTS = "empycustom.outputs"
_URI = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]*)://")  # an absolute path with :// in it is a path


def line_of(document: Any) -> bytes:
    """Return a document, or another JSON value, as one line of JSON in UTF-8. Documents become bytes nowhere else."""
    from empycustom.model.serialize import assemble  # messages are written, too, where packages are missing

    return as_line(assemble(document))


_DELETE = 0x7F


def as_line(json: bytes) -> bytes:
    """Return the JSON of a document as a line in UTF-8; control characters are escaped."""
    if not json.isascii() or _DELETE in json:  # JSON itself escapes what is below a blank
        json = visible_json(json.decode()).encode()
    return json.lstrip() + b"\n"


class Output(Protocol):
    """A destination of documents.

    :class:`~empycustom.outputs.queued.QueuedOutput` calls :meth:`open` when the stream starts, and :meth:`write` and
    :meth:`close` in a thread of their own, where they may wait for a disk, a reader or a network.

    Attributes
    ----------
    name : str
        The name in messages.
    batch_bytes : int
        The largest size of the lines that one call of :meth:`write` gets; a longer line comes alone. An output that may be slow
        should get little at once, because progress is only seen between the calls.
    """

    name: str
    batch_bytes: int

    def open(self) -> None:
        """Prepare for writing. The stream waits for this, and does not start if it raises an exception."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write documents, each a line of JSON with its end, so that a reader sees them at once. Raises OSError."""

    def close(self) -> None:
        """Release everything. This is also called after :meth:`write` has failed."""


def output_for(location: str) -> Output:
    """Return the output for the path of a file, or for a URI.

    Raises UnknownOutputError, PathError, and what an output of another package raises.
    """
    output: Output = output_class(location)(location)
    return output


def path_of(location: str) -> Path | None:
    """Return the path of the file that a location names, or None for a URI of something else. Raises PathError."""
    scheme = _scheme_of(location)
    return as_path(location) if not scheme else _path_in(location) if scheme == "file" else None


def _scheme_of(location: str) -> str:
    found = _URI.match(location)
    return found[1].lower() if found else ""


def _path_in(uri: str) -> Path:
    """Return the path in a file:// URI. Raises PathError if it has a host that is not this machine."""
    import socket  # it takes its time, and most locations are not URIs

    rest = uri.partition("://")[2]
    host, slash, path = rest.partition("/")
    if slash and host.lower() in ("", "localhost", socket.gethostname().lower()):
        return Path(as_native(f"/{unquote(path, errors='surrogateescape')}"))
    raise PathError(
        f"{uri}: the text between file:// and the next / is the name of a machine, and {host or 'nothing'} is not this one; "
        f"write file:///absolute/path, or the path without file://{f': {rest}' if rest else ''}"
    )


def output_class(location: str) -> Callable[[str], Any]:
    """Return the class, or function, that makes the output for a location. Raises UnknownOutputError."""
    found: Callable[[str], Any]
    scheme = _scheme_of(location) or "file"
    if scheme in OUTPUTS:
        module, _, name = OUTPUTS[scheme].partition(":")
        found = getattr(import_module(module), name)
        return found
    from importlib.metadata import entry_points  # it takes its time, and most locations are files

    offered = {entry.name.lower(): entry for entry in entry_points(group=ENTRY_POINTS)}
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
    """Writes lines to a file, which is created or emptied; ``path`` is its absolute path. Raises PathError.

    A named pipe is opened when the first document is written, because opening it waits for a reader. If there is no document, it
    is opened at the end without waiting, so that a reader that is there sees the end.
    """

    def __init__(self, location: str) -> None:
        self.path = (path_of(location) or as_path(location)).absolute()
        self.name = str(self.path)
        self.batch_bytes = _PIPE_BYTES
        self._descriptor: int | None = None
        self._is_pending = False  # a named pipe that is not opened yet

    def open(self) -> None:
        """Create the file, or empty it."""
        self._is_pending = self.path.is_fifo()
        if not self._is_pending:
            self._open()

    def _open(self) -> int:
        self._is_pending = False
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self.batch_bytes = _batch_bytes(self._descriptor)
        return self._descriptor

    def write(self, lines: Sequence[bytes]) -> None:
        """Append them."""
        descriptor = self._open() if self._descriptor is None else self._descriptor
        write_all(descriptor, b"".join(lines))

    def close(self) -> None:
        """Close the file."""
        if self._is_pending:
            with suppress(OSError):  # ENXIO: nobody reads
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class ConsoleOutput:
    """Writes lines to a text stream: to ``stream``, or to what stdout is when this output is opened.

    The lines do not go through Python's buffer, because a callback that prints needs its lock; and they have a descriptor of
    their own, so that nothing is written to another file if the stream is closed meanwhile. A stream without a descriptor, as in
    a notebook, gets text.
    """

    name = "stdout"

    def __init__(self, _location: str = "", *, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self.batch_bytes = _PIPE_BYTES
        self._descriptor: int | None = None

    def open(self) -> None:
        """Take the stream. Raises OSError if stdout is closed."""
        self._stream = self._stream or sys.stdout
        if self._stream is None:
            raise OSError(errno.EBADF, "stdout is closed")
        with suppress(OSError, ValueError, AttributeError):  # it is none of the operating system's, or closed
            self._descriptor = fcntl.fcntl(self._stream.fileno(), fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
            self.batch_bytes = _batch_bytes(self._descriptor)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write them."""
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
        """Close the own descriptor; the stream stays open."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # a library has closed it
                os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, however long it takes, also to a descriptor that is in non-blocking mode.

    Raises OSError; its ``characters_written`` is how many bytes were written.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # noqa: PERF203 - the rest is another one each time
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
        except OSError as error:
            error.characters_written = len(data) - len(rest)  # type: ignore[attr-defined]  # each OSError can have it
            raise


def _batch_bytes(descriptor: int) -> int:
    mode = os.fstat(descriptor).st_mode
    is_prompt = stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(descriptor))  # the second: as /dev/null
    return _FILE_BYTES if is_prompt else _PIPE_BYTES
