"""Exceptions as messages on the bus: the one place where they are posted."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, TypeVar

from empycustom.errors import (
    AwayError,
    CallbackError,
    CallbackTooSlowError,
    DebuggerLeftError,
    EmPyCustomError,
    LibraryError,
    LibraryNotFoundError,
    OptionError,
    PropertyError,
    PublishError,
    SpoolFullError,
    StreamEndedError,
)
from empycustom.gstreamer import Gst
from empycustom.library.explain import error_to_report, traceback_of
from empycustom.text import for_people

_Error = TypeVar("_Error", bound=BaseException)
# Codes on the bus of a library that ended its stream (an info), and of a debugger that was left (an info or an error).
ENDED, LEFT = (Gst.LibraryError, Gst.LibraryError.FAILED), (Gst.LibraryError, Gst.LibraryError.SHUTDOWN)
# GStreamer's domain and code for each class of exceptions. The first class that fits counts.
_CODES: list[tuple[type[BaseException], Any, Any]] = [
    (LibraryNotFoundError, Gst.ResourceError, Gst.ResourceError.NOT_FOUND),
    (DebuggerLeftError, *LEFT),
    (StreamEndedError, *ENDED),
    (CallbackTooSlowError, Gst.CoreError, Gst.CoreError.CLOCK),
    (CallbackError, Gst.LibraryError, Gst.LibraryError.FAILED),
    (OptionError, Gst.LibraryError, Gst.LibraryError.SETTINGS),
    (LibraryError, Gst.LibraryError, Gst.LibraryError.INIT),
    (AwayError, Gst.ResourceError, Gst.ResourceError.OPEN_WRITE),
    (SpoolFullError, Gst.ResourceError, Gst.ResourceError.NO_SPACE_LEFT),
    (PublishError, Gst.LibraryError, Gst.LibraryError.SETTINGS),
    (PropertyError, Gst.LibraryError, Gst.LibraryError.SETTINGS),
    (OSError, Gst.ResourceError, Gst.ResourceError.WRITE),
    (EmPyCustomError, Gst.StreamError, Gst.StreamError.FAILED),
    (BaseException, Gst.LibraryError, Gst.LibraryError.FAILED),
]

# Who gets the element, the kind (error, warning, info) and the exception of each message, in the thread that posts it.
observers: list[Callable[[Any, str, BaseException], None]] = []
_KINDS = {Gst.MessageType.ERROR: "error", Gst.MessageType.WARNING: "warning", Gst.MessageType.INFO: "info"}


def post_error(element: Any, error: BaseException) -> None:
    """Post ``error`` as an error of ``element``: the sentence as its text, the user's traceback as its debug information."""
    reported = error_to_report(error)
    element.error = to_keep(reported)
    _post(element, Gst.MessageType.ERROR, reported)


def to_keep(error: _Error) -> _Error:
    """Return an error that an element may keep: its texts, without traceback and cause.

    A traceback refers to what its functions and all of their callers had in hand: the object whose ``__del__`` closes a file, and
    the pipeline, which would never be freed.
    """
    return copy(error) if isinstance(error, EmPyCustomError) else error


@contextmanager
def errors_in(place: Any) -> Iterator[dict[int, BaseException]]:
    """Collect the first error of each element in ``place``, or of this element, by its address, with traceback and cause."""
    found: dict[int, BaseException] = {}

    def observe(element: Any, kind: str, error: BaseException) -> None:
        if kind == "error" and element.has_as_ancestor(place):
            found.setdefault(hash(element), error)

    observers.append(observe)
    try:
        yield found
    finally:
        observers.remove(observe)


def post_warning(element: Any, error: BaseException) -> None:
    """Post ``error`` as a warning: the pipeline goes on."""
    _post(element, Gst.MessageType.WARNING, error)


def post_info(element: Any, error: BaseException) -> None:
    """Post the message of ``error`` as an info."""
    _post(element, Gst.MessageType.INFO, error)


def _post(element: Any, kind: Any, error: BaseException) -> None:
    domain, code = next((domain, code) for fits, domain, code in _CODES if isinstance(error, fits))
    file, function, line = _origin(error)
    text, debug = for_people(sentence(error)), for_people(details(error), lines=True)
    if kind == Gst.MessageType.INFO:  # of which gst-launch shows nothing else
        debug = text
    for observe in tuple(observers):
        observe(element, _KINDS[kind], error)
    element.message_full(kind, domain.quark(), int(code), text, debug, for_people(file), function, line)


def sentence(error: BaseException) -> str:
    """Return the message of an exception, on one line."""
    if isinstance(error, EmPyCustomError):
        return error.reported
    if isinstance(error, OSError):
        return str(error)
    return f"the element itself failed, which is a defect of empycustom: {type(error).__name__}: {error}"


def details(error: BaseException) -> str:
    """Return what belongs below :func:`sentence`: the user's traceback, or ours where the fault is ours."""
    if isinstance(error, EmPyCustomError):
        return error.details
    return "".join(traceback.format_exception(error)).rstrip()


def _origin(error: BaseException) -> tuple[str, str, int]:
    """Return file, function and line for the message: of the user's file if that is known, else of the raise."""
    if isinstance(error, LibraryError):
        return error.library, error.callback or "load", error.line or 0
    tb = traceback_of(error)
    while tb and tb.tb_next:
        tb = tb.tb_next
    frame = tb.tb_frame if tb else sys._getframe(3)
    return os.path.basename(frame.f_code.co_filename), frame.f_code.co_name, tb.tb_lineno if tb else frame.f_lineno
