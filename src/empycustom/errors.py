"""The exceptions of the package, ordered by what is at fault.

Each is an :class:`EmPyCustomError` and, where one fits, the builtin that a Python programmer would expect. Messages are whole
sentences that name the file, the line or the property, and end with what to do; data is kept in attributes. ``details`` has
what belongs below the message, a traceback in most cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


BELOW = " (the traceback is below)"


class EmPyCustomError(Exception):
    """Base class of all exceptions. ``details`` is what belongs below the message, a traceback in most cases, or ``""``."""

    details: str = ""

    def __copy__(self) -> Self:
        builtin: Any = type(self)
        while builtin.__module__ != "builtins":
            builtin = builtin.__base__  # of several bases the one whose fields all of them have
        made: Self = builtin.__new__(type(self), *self.args)  # without __init__: ``args`` lack what has to be given by name
        made.args = self.args  # which an OSError sets in __init__
        vars(made).update(vars(self))
        return made

    @property
    def reported(self) -> str:
        """The message for where ``details`` are shown below it: on the bus, and on the console."""
        return str(self)


class FrameRelatedError(EmPyCustomError):
    """Base class of errors about a frame: ``frame``, its number and time, goes before ``rest``; it may be ``""``."""

    frame: str = ""

    def __init__(self, message: str, rest: str = "") -> None:
        super().__init__(message + rest)
        self.parts: tuple[str, ...] = (message, rest) if rest else (message,)

    def __str__(self) -> str:
        if not self.frame or len(self.parts) < 2:
            return super().__str__()
        message, rest = self.parts  # the message may end with a sentence from elsewhere
        return f"{message.removesuffix('.')} at {self.frame}{rest}"


class LibraryError(FrameRelatedError):
    """Base class where the library, the user's file, is at fault.

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
        self.library: str = library
        self.line: int | None = line
        self.callback: str | None = callback
        self.details: str = details

    @classmethod
    def at(
        cls, library: str, line: int | None, message: str, rest: str = "", *, callback: str | None = None, details: str = ""
    ) -> Self:
        """Make an exception whose message begins with the place in the library: ``file.py:12: …``, or the file alone."""
        place = f"{library}:{line}" if line else library
        return cls(f"{place}: {message}", rest, library=library, line=line, callback=callback, details=details)


class LibraryNotFoundError(LibraryError, FileNotFoundError):
    """The library does not exist: there is no such file or module."""

    def set_by(self, name: str) -> Self:
        """Return it with ``name`` in the place of ``custom-lib=``: what the user wrote before the name of the file."""
        return type(self)(str(self).replace("custom-lib=", name, 1), library=self.library, details=self.details)


class LibraryImportError(LibraryError, ImportError):
    """The library exists, but cannot be imported: a syntax error, a missing import, an exception at module level."""


class CallbackMissingError(LibraryError, AttributeError):
    """The library lacks the callback that ``in-place`` asks for."""


class CallbackSignatureError(LibraryError, TypeError):
    """A callback does not accept the arguments that it is called with."""


class TracebackError(LibraryError):
    """Base class where ``details`` may have the traceback of an exception that the library's own code raised."""

    @property
    def reported(self) -> str:
        """The message for where ``details`` are shown below it, with a note that they are."""
        return f"{self}{BELOW}" if self.details else str(self)


class CallbackError(TracebackError, RuntimeError):
    """A callback raised an exception, which is ``__cause__``; its traceback is in ``details``."""


class CallbackTooSlowError(CallbackError, TimeoutError):
    """A call took longer than a frame lasts. It is posted on the bus as a warning, and never raised."""


class DeclarationError(LibraryError, TypeError):
    """The ``OPTIONS`` of a library are not a declaration of options."""


class OptionError(TracebackError, ValueError):
    """An option of a library is missing, does not exist, or has a wrong value. ``option`` is its name, ``""``: several.

    ``start`` of a library may raise it with a sentence; then users read that alone, and no traceback::

        raise empycustom.errors.OptionError("the option font: there is no file a.ttf", option="font")
    """

    def __init__(
        self,
        message: str,
        rest: str = "",
        *,
        option: str = "",
        library: str = "",
        line: int | None = None,
        callback: str | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message, rest, library=library, line=line, callback=callback, details=details)
        self.option: str = option


class ReloadError(TracebackError, RuntimeError):
    """A new version of a library cannot be used, and the one before goes on. It is posted as a warning, and never raised."""

    @classmethod
    def about(cls, error: LibraryError) -> Self:
        """Make it for what is wrong with the new version."""
        made = cls(
            f"the library is not reloaded, and its version before goes on: {error}",
            library=error.library,
            line=error.line,
            callback=error.callback,
            details=error.details,
        )
        made.__cause__ = error
        return made


class WorkerError(TracebackError, RuntimeError):
    """A process that runs a library ended by itself, or was ended. ``exit_code`` is 0 or more, or a signal with a minus.

    ``details`` has the traceback of where it was, as far as that is known.
    """

    exit_code: int | None = None


class CallTimeoutError(WorkerError, TimeoutError):
    """A call took longer than ``call-timeout``; the process that it ran in was ended."""


class EndOfStream(Exception):  # noqa: N818 - it is not an error
    """Ends the stream where ``process_ip`` or ``process`` raises it.

    The frame at hand and those that come after it are not passed on, and the library gets no more of them. Upstream stops,
    downstream gets the end of the stream, so that files are finished; then ``stop`` is called. Its text is posted on the bus::

        raise empycustom.EndOfStream("ten plates were read")
    """


class StreamEndedError(LibraryError):
    """A callback ended the stream by raising :class:`EndOfStream`."""


class DebuggerLeftError(StreamEndedError):
    """The stream ends because somebody left a debugger while a callback ran."""


class CallbackOutputError(TracebackError, ValueError):
    """A callback returned something that is neither results nor a buffer; the message names the part."""


class SharedError(EmPyCustomError, RuntimeError):
    """An object cannot be shared: :func:`empycustom.shared` was called outside of a callback, or loading has failed elsewhere."""


class OutputError(EmPyCustomError, ValueError):
    """A returned value is not valid as results. ``path`` is the part of it (``frame[0].object[2]``), ``""`` for the whole."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class PropertyError(EmPyCustomError, ValueError):
    """A property of an element has a value that it cannot have. ``name`` is the name of the property."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class UnknownOutputError(EmPyCustomError, ValueError):
    """No installed package has an output for the scheme of a URI."""


class StuckOutputError(EmPyCustomError, TimeoutError):
    """An output accepted nothing for a while at the end of a stream. ``lost`` is the number of documents that are not in it."""

    def __init__(self, lost: int, patience_s: float = 0.0) -> None:
        what = f"{lost} document{' is' if lost == 1 else 's are'} lost"
        super().__init__(f"nothing could be written for {patience_s:g} s, and {what}" if patience_s else what)
        self.lost = lost


class PathError(EmPyCustomError, ValueError):
    """A path begins with a home folder (``~somebody``) that is not known, or the URI of a file names another machine."""


class FrameError(EmPyCustomError, ValueError):
    """Pixels are not available in the requested way. ``advice``, in the message, is what to do about it where that is known."""

    advice: str = ""


class FrameClosedError(FrameError):
    """A view of a frame was used after its ``with`` block."""


class FrameAttributeError(FrameError, AttributeError):
    """A frame has no attribute of this name; the message names the one that may be meant."""


class FrameExportError(FrameError, BufferError):
    """GPU memory cannot be exported in the way that another package asks for."""


class NativeError(EmPyCustomError, RuntimeError):
    """A call of a C function, mostly of GStreamer, failed."""


class NotWritableError(NativeError):
    """A buffer is not writable, because something else has a reference to it; nothing can be attached."""


class MetadataError(FrameRelatedError, ValueError):
    """Metadata on a buffer cannot be read; another element wrote it."""


class DeepStreamError(EmPyCustomError, RuntimeError):
    """The version of DeepStream, or the system, does not support what was requested."""


class LaunchError(EmPyCustomError, ValueError):
    """A pipeline cannot be built, or it ended with an error."""


class SourceError(LaunchError):
    """There is no such video, or it cannot be decoded."""


class ConfigurationError(LaunchError):
    """A stream configuration is not valid. ``path`` is the JSON path of the (first) problem, ``""`` for the whole file."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class EventError(EmPyCustomError, ValueError):
    """A signal callback returned something that is not a list of events; ``index`` is the event, ``key`` the item, if known."""

    def __init__(self, message: str, *, index: int | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.index: int | None = index
        self.key: str | None = key


class PublishError(EmPyCustomError, ValueError):
    """Messages cannot be published as it is asked for: an address, a setting, a login, a topic or a table is wrong."""


class AwayError(PublishError, ConnectionError):
    """A destination cannot be reached now, and may be there later."""


class MessageRefusedError(PublishError):
    """A destination never takes one of the messages that it was sent."""


class SpoolFullError(PublishError):
    """There is no room for messages that have not arrived, and none may be given up."""
