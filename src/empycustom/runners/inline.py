"""The runner that calls a library in the streaming thread itself, without a copy; and reading what its callbacks return."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from empycustom.carriers.protocol import Frame
from empycustom.errors import CallbackOutputError, LibraryError, NativeError, OutputError
from empycustom.gstreamer import Gst
from empycustom.library.callbacks import Library, LibraryFacts
from empycustom.library.explain import is_kind, kind_of, locate_error
from empycustom.library.modules import without_package
from empycustom.model.results import Result, read_result

_FRAMES = "a Gst.Buffer, a NumPy array, a tuple of arrays (a plane each)"


class Turn:
    """A change that one thread gives to another, which makes it when it is its turn, unless the first one takes it back before.

    One of them gets it. True while there is one.
    """

    def __init__(self) -> None:
        self._changes: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def give(self, change: Callable[[], None]) -> None:
        """Give a change; the one before has to be taken."""
        self._changes.append(change)

    def take(self) -> Callable[[], None] | None:
        """Take the change; None where the other thread has it, or there is none."""
        try:
            return self._changes.pop()
        except IndexError:
            return None


class InlineRunner:
    """Runs a library in the streaming thread. ``library`` is loaded and checked.

    In place it returns a result, else a pair of the new frame and a result.
    """

    took_ns = 0

    def __init__(self, library: Library) -> None:
        self.library, self.options, self.events = library, dict[str, Any](), None
        self._read: Callable[[Any, list[int]], Result | None] = read_result if library.in_place else read_pair
        self._turn = Turn()

    def start(self, options: dict[str, Any], events: Any) -> None:
        """Call the library's ``start``."""
        self.options, self.events = options, events
        try:
            self.library.start(options)
        except BaseException:
            self.library.close()
            raise

    def run(self, frame: Frame, image: Any) -> Result | None:
        """Call ``process_ip`` or ``process``, and read what it returns."""
        began = perf_counter_ns()
        try:
            returned = self.library.call(image, frame.in_meta, self.options, self.events)
        finally:
            self.took_ns = perf_counter_ns() - began
        if returned is None and self._read is read_result:
            return None
        result: Result | None = read_returned(self.library, self._read, returned, [len(handles) for handles in frame.handles])
        return result

    def before_next(self, change: Callable[[], None]) -> None:
        """Let ``change`` be called once, in the thread of :meth:`run`, before the next frame; it may replace ``library``."""
        vars(self)["run"] = self._change_and_run  # so that no other frame has to look whether there is something to do
        self._turn.give(change)

    def _change_and_run(self, frame: Frame, image: Any) -> Result | None:
        change = self._take()
        if change:
            change()
        return InlineRunner.run(self, frame, image)

    def take_back(self) -> bool:
        """Return whether what was handed to :meth:`before_next` has not begun, and never will."""
        return self._take() is not None

    def _take(self) -> Callable[[], None] | None:
        change = self._turn.take()
        if change:
            vars(self).pop("run", None)
        return change

    def stop(self) -> None:
        """Call the library's ``stop``, and forget the library."""
        stop(self.library, self.options)


def stop(library: Library, options: dict[str, Any]) -> None:
    """Call the ``stop`` of a library that was started, and forget it. Raises LibraryError."""
    try:
        library.stop(options)
    finally:
        library.close()


def read_returned(library: LibraryFacts, reader: Callable[..., Any], *given: Any, callback: str = "") -> Any:
    """Return what ``reader`` makes of what a callback returned: the one place where objects of the user's are looked at.

    Raises CallbackOutputError where it raises OutputError, and where one of these objects raises anything at all.
    """
    try:
        return reader(*given)
    except OutputError as error:
        details = locate_error(error.__cause__, library.path).traceback if error.__cause__ else ""
        raise invalid_result(library, str(error), callback, details) from error
    except (LibraryError, NativeError):
        raise
    except BaseException as error:
        found = locate_error(error, library.path)
        what = f"it raises {found.text} when it is read; return numbers, texts, lists and dicts"
        raise invalid_result(library, what, callback, found.traceback) from error


def invalid_result(library: LibraryFacts, what: str, callback: str = "", details: str = "") -> CallbackOutputError:
    """Return the exception about an invalid result; ``callback`` left out: the one that sees buffers."""
    callback = callback or library.name
    rest = f" cannot be used: {without_package(what)}"
    line = library.line_of(callback)
    return CallbackOutputError.at(library.path, line, f"what {callback} returned", rest, callback=callback, details=details)


def read_pair(returned: Any, object_counts: list[int]) -> Result:
    """Return the result in what ``process`` returned, with the new frame (a buffer, arrays, or None: drop it) as its image."""
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise OutputError(f"got {kind_of(returned)}; return a pair: the new frame (or None) and the meta")
    made, meta = returned
    if made is not None and not _is_frame(made):
        raise OutputError(f"the first of the pair is {kind_of(made)}; return {_FRAMES}, or None to drop the frame")
    result = read_result(meta, object_counts) or Result(object_counts)
    result.image = [made]
    return result


def _is_frame(made: Any) -> bool:
    return is_kind(made, Gst.Buffer) or isinstance(made, (tuple, list)) or hasattr(type(made), "__array_interface__")
