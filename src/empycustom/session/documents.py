"""The documents of a stream, counted and written, and the events that the signal callback of a configuration makes of them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from empycustom.config.options import CallbackResult, EventItem, read_events
from empycustom.config.streams import Stream
from empycustom.elements.failures import post_error
from empycustom.errors import (
    CallbackError,
    CallbackMissingError,
    CallbackOutputError,
    CallbackSignatureError,
    EventError,
    LibraryError,
    StreamEndedError,
)
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import trace_this_thread
from empycustom.library.dialects import line_of
from empycustom.library.explain import ending_error, locate_error
from empycustom.library.load import load, load_error, unload
from empycustom.model.keys import FRAMES
from empycustom.model.serialize import loads
from empycustom.model.values import name_frames
from empycustom.outputs.queued import QueuedOutput, Waiter
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
            error.frame = name_frames(loads(document)[FRAMES])
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


# The documents of a stream while it plays.


SLOW = (
    "Documents of this live stream are written more slowly than they are made; those without room are dropped (the summary has "
    "their count)."
)


class Writer(Protocol):
    """What the streams of a session give their documents and events to; any thread may call it. Its exceptions end the stream."""

    def document(self, stream: Stream, document: str, waiter: Waiter) -> bool:
        """Write a document of aimeta, as JSON; return False if it was dropped. ``waiter`` says whether the stream may wait."""

    def event(self, stream: Stream, event: dict[str, Any], waiter: Waiter) -> bool:
        """Write an event of the signal callback, as :meth:`document` does."""

    def unique_path(self, path: Path) -> Path:
        """Return a name like ``path`` that no other file of the session has."""


# It gets the stream, a kind (error, warning, info, or debug for the debug text of a callback), a text, and details.
StreamNotify = Callable[[Stream, str, str, str], None]


class Notifier:
    """Reports texts about one stream to ``notify``; any thread may call it.

    ``warned`` has the warnings that are reported once for all streams, and are reported already.
    """

    def __init__(self, stream: Stream, notify: StreamNotify, warned: dict[str, object]) -> None:
        self._stream, self._notify, self._warned = stream, notify, warned

    def __call__(self, kind: str, text: str, details: str = "") -> None:
        """Report ``text``."""
        self._notify(self._stream, kind, text, details)

    def warn(self, text: str) -> None:
        """Report a warning."""
        self("warning", text)

    def warn_once(self, text: str) -> None:
        """Report a warning, unless a stream has reported the same one."""
        mine = object()
        if self._warned.setdefault(text, mine) is mine:
            self.warn(text)


class Publisher:
    """Gives the documents of one stream, and the events that ``callback`` makes of them, to ``writer``, as its Waiter.

    ``documents`` and ``events`` are counts. ``ended``: the callback has ended the stream.
    """

    def __init__(self, stream: Stream, writer: Writer, callback: SignalCallback | None, notify: Notifier) -> None:
        self.stream, self.writer, self._callback, self._notify = stream, writer, callback, notify
        self.documents = self.events = self._dropped = 0
        self._outputs: Sequence[QueuedOutput] = ()  # of aimeta, when the stream has ended
        self.ended: StreamEndedError | None = None
        self._refused = False
        self._aimeta: Any = None

    def attach(self, aimeta: Any, *, is_live: Callable[[], bool], is_over: Callable[[], bool], end: Callable[[], None]) -> None:
        """Publish what ``aimeta`` makes. ``is_live`` and ``is_over`` are about the source, ``end`` ends the stream."""
        self._aimeta, self._is_live, self._is_over, self._end = aimeta, is_live, is_over, end
        self._handler = aimeta.connect("new-meta", self._on_document)

    def change(self, stream: Stream) -> None:
        """Go on with other options of the application."""
        self.stream = stream
        if self._callback:
            self._callback.options = stream.options

    @property
    def dropped(self) -> int:
        """The number of documents and events for which their outputs had no room."""
        return self._dropped + sum(output.dropped for output in self.outputs)

    @property
    def outputs(self) -> Sequence[QueuedOutput]:
        """The outputs of aimeta itself, also when the stream has ended. Any thread may ask."""
        aimeta = self._aimeta
        return aimeta.outputs if aimeta else self._outputs

    @property
    def counts(self) -> dict[str, int]:
        """The counts for the summary; of events only if there is a callback."""
        events = {"events": self.events} if self._callback else {}
        return {"documents": self.documents, "dropped": self.dropped, **events}

    def close(self) -> None:
        """Release aimeta, which has stopped, and the callback."""
        if self._aimeta:
            self._aimeta.disconnect(self._handler)
            self._outputs = self._aimeta.outputs  # first: another thread may ask for them at any time
            self._aimeta = None
        if self._callback:
            self._callback.close()

    # In threads of the pipeline.

    def _on_document(self, aimeta: Any, document: str) -> None:
        if self._refused or self.ended:
            return
        try:
            self._publish(document)
        except BaseException as error:  # noqa: BLE001 - PyGObject would print it and go on
            self._refused = True
            post_error(aimeta, error)

    def _publish(self, document: str) -> None:
        """Write a document, and the events that the callback makes of it."""
        self.documents += 1
        self._count(written=self.writer.document(self.stream, document, self))
        if self._callback is None:
            return
        try:
            result = self._callback(document)
        except StreamEndedError as end:
            self._stop(end)
            return
        for event in result.events:
            self.events += 1
            self._count(written=self.writer.event(self.stream, event, self))
        for key in sorted(result.unknown):
            self._notify.warn_once(f"events have {key}, which event_item_keys does not declare")
        if result.debug:
            self._notify("debug", result.debug.rstrip())

    def is_live(self) -> bool:
        """Return whether the stream cannot wait for its outputs: also where only the session knows that the source is live."""
        return self._is_live() or bool(self._aimeta.waiter.is_live())

    def is_stopping(self) -> bool:
        """Return whether the stream has to go on although an output has no room, because it is to end."""
        return self._is_over() or bool(self._aimeta.waiter.is_stopping())

    def _count(self, *, written: bool) -> None:
        if not written:
            self._dropped += 1
            self._notify.warn_once(SLOW)

    def _stop(self, end: StreamEndedError) -> None:
        """End the stream after the current frame, because the callback raised StreamEndedError."""
        self.ended = end
        self._notify("info", str(end))
        pad = self._aimeta.get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, lambda _pad, _info: Gst.PadProbeReturn.DROP)
        self._end()
