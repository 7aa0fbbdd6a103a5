"""The signal callback of a stream configuration: load and check it, and call it with documents."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from empycustom.config.options import CallbackResult, EventItem, read_events
from empycustom.errors import (
    CallbackError,
    CallbackMissingError,
    CallbackOutputError,
    CallbackSignatureError,
    EventError,
    LibraryError,
)
from empycustom.library.callbacks import trace_this_thread
from empycustom.library.dialects import line_of
from empycustom.library.explain import ending_error, locate_error
from empycustom.library.load import load, load_error, unload
from empycustom.model.serialize import loads
from empycustom.model.values import name_frames
from empycustom.text import as_text


class SignalCallback:
    """A function ``f(signal) -> (events, debug string)`` in a module of its own. Raises LibraryError if it cannot be loaded.

    ``signal`` is the document of aimeta as a dict, with ``options``: a list of ``{"key", "value"}``, which can be replaced at any
    time.
    """

    def __init__(self, file: Path, name: str, items: Sequence[EventItem], options: Sequence[Mapping[str, Any]]) -> None:
        self._name, self._items = name, items
        self.options = options
        self._module = load(as_text(file))
        self._path = str(self._module.__file__)
        try:
            self._function = self._checked(getattr(self._module, name, None))
        except LibraryError:
            self.close()
            raise
        except BaseException as error:  # the callback may be an object of any class
            self.close()
            raise load_error(error, self._path) from error

    def _checked(self, function: Any) -> Any:
        if not callable(function):
            raise CallbackMissingError(
                f"{self._path} has no function {self._name}, which signal_callback_function_name asks for; define it",
                library=self._path,
                callback=self._name,
            )
        try:
            signature = inspect.signature(function)
            signature.bind({})
        except TypeError as error:
            takes = " ".join(str(signature).split())
            what = f"{self._name} takes {takes}, but is called as {self._name}(signal); change its definition"
            raise CallbackSignatureError.at(self._path, line_of(function), what, callback=self._name) from error
        return function

    def __call__(self, document: str) -> CallbackResult:
        """Call the function. Raises CallbackError if it raises, CallbackOutputError if its result is invalid.

        Raises StreamEndedError if it ends the stream.
        """
        try:
            return self._call(document)
        except LibraryError as error:
            error.frame = name_frames(loads(document)["frame"])
            raise

    def _call(self, document: str) -> CallbackResult:
        signal = {**loads(document), "options": copy.deepcopy(self.options)}
        trace_this_thread()
        try:
            returned = self._function(signal)
        except BaseException as error:
            raise self._error_of(error) from error
        try:
            return read_events(returned, self._items)
        except EventError as error:
            raise self._invalid_result(str(error)) from error
        except BaseException as error:  # of objects of the user
            found = locate_error(error, self._path)
            what = f"what it returned raises {found.text} when it is read"
            raise self._invalid_result(what, found.traceback) from error

    def _invalid_result(self, what: str, details: str = "") -> CallbackOutputError:
        line = line_of(self._function)
        return CallbackOutputError.at(self._path, line, self._name, f": {what}", callback=self._name, details=details)

    def _error_of(self, error: BaseException) -> LibraryError:
        found = locate_error(error, self._path)
        what, rest = f"{self._name} raised {found.text}", "; fix the callback"
        return ending_error(error, found, self._name, frame="") or CallbackError.at(
            self._path, found.line, what, rest, callback=self._name, details=found.traceback
        )

    def close(self) -> None:
        """Unload the module."""
        unload(self._module)
