"""Every exception of the project, by who is at fault.

Each is an :class:`EmPyCustomError` and, where one fits, the builtin that a Python programmer would expect. Messages are whole
sentences that name the file, the line or the property, and end with what to do; data is kept in attributes. ``details`` holds
what belongs below the message, a traceback in most cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class EmPyCustomError(Exception):
    """Base of all; ``details`` is text for the second part of an error message, or ``""``."""

    details: str = ""


class FrameRelatedError(EmPyCustomError):
    """May be about a frame, or a batch: ``frame`` names it, with number and time, or is ``""``; it is said before ``rest``."""

    frame: str = ""

    def __init__(self, message: str, rest: str = "") -> None:
        super().__init__(message + rest)
        self._parts = (message, rest) if rest else (message,)

    def __str__(self) -> str:
        if not self.frame or len(self._parts) < 2:
            return super().__str__()
        message, rest = self._parts  # the message may end with a sentence of somebody else's
        return f"{message.removesuffix('.')} at {self.frame}{rest}"


class LibraryError(FrameRelatedError):
    """The user's file is at fault.

    ``library`` is its path or module name as far as known, ``line`` the line in it (from 1) or None, ``callback`` the function
    or None.
    """

    def __init__(
        self,
        message: str,
        rest: str = "",
        *,
        library: str = "",
        line: int | None = None,
        callback: str | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message, rest)
        self.library, self.line, self.callback, self.details = library, line, callback, details

    @classmethod
    def at(
        cls, library: str, line: int | None, message: str, rest: str = "", *, callback: str | None = None, details: str = ""
    ) -> Self:
        """Make one whose message begins with the place in the library: ``file.py:12: …``, or the file alone."""
        place = f"{library}:{line}" if line else library
        return cls(f"{place}: {message}", rest, library=library, line=line, callback=callback, details=details)


class LibraryNotFoundError(LibraryError, FileNotFoundError):
    """There is no such file or module."""


class LibraryImportError(LibraryError, ImportError):
    """The file is there, and running it failed: a syntax error, a missing import, an exception at module level."""


class CallbackMissingError(LibraryError, AttributeError):
    """The library lacks the callback that ``in-place`` asks for."""


class CallbackSignatureError(LibraryError, TypeError):
    """A callback cannot be called with the arguments that it gets."""


class CallbackError(LibraryError, RuntimeError):
    """A callback raised; the user's exception is ``__cause__`` and its traceback is in ``details``."""


class CallbackTooSlowError(CallbackError, TimeoutError):
    """A call took longer than a frame lasts. Never raised: it is a warning on the bus."""


class EndOfStream(Exception):  # noqa: N818 - it is not an error
    """Ends the stream where ``process_ip`` or ``process`` raises it.

    The frame at hand and those that come after it are not passed on, and the library gets no more of them. Upstream stops,
    downstream gets the end of the stream, so that files are finished; then ``stop`` is called. A text is told on the bus::

        raise empycustom.EndOfStream("ten plates were read")
    """


class StreamEndedError(LibraryError):
    """A callback raised :class:`EndOfStream`."""


class DebuggerLeftError(StreamEndedError):
    """Somebody left a debugger while a callback ran."""


class CallbackOutputError(LibraryError, ValueError):
    """A callback returned what is neither meta nor a buffer; says where in it."""


class OutputError(EmPyCustomError, ValueError):
    """A value is no meta. ``path`` says where in the value (``frame[0].object[2]``), empty for the whole."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class PropertyError(EmPyCustomError, ValueError):
    """A property of an element holds what it cannot hold. ``name`` is the property."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class PathError(EmPyCustomError, ValueError):
    """A path begins with the name of a home folder that is not known."""


class FrameError(EmPyCustomError, ValueError):
    """Pixels cannot be had in the way that was asked for."""


class FrameClosedError(FrameError):
    """A view of a frame was used after its ``with`` block."""


class FrameAttributeError(FrameError, AttributeError):
    """A frame has no attribute of that name; the message says what may be meant."""


class FrameExportError(FrameError, BufferError):
    """Another library asked for a view of GPU memory in a way in which it cannot be had."""


class NativeError(EmPyCustomError, RuntimeError):
    """A call into GStreamer's C libraries failed."""


class NotWritableError(NativeError):
    """Nothing can be attached to a buffer: somebody else holds it as well."""


class MetadataError(FrameRelatedError, ValueError):
    """Metadata on a buffer is not what it should be; an element in between wrote it."""


class DeepStreamError(EmPyCustomError, RuntimeError):
    """What was asked for cannot be done with this version of DeepStream, or on this system."""


class LaunchError(EmPyCustomError, ValueError):
    """A pipeline cannot be built, or ended with an error."""


class ConfigurationError(LaunchError):
    """A stream configuration says what cannot be. ``path`` is the JSON path of the (first) place, ``""`` for the whole file."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class EventError(EmPyCustomError, ValueError):
    """A signal callback returned what is no list of events; ``index`` is the event's, ``key`` the item's, where known."""

    def __init__(self, message: str, *, index: int | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.index, self.key = index, key
