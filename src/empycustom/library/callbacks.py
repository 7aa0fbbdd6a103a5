"""Libraries that are loaded: opening and checking one, calling its callbacks, and its errors with file and line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import current_thread, getprofile, gettrace
from types import ModuleType
from typing import Any, TypeVar

from empycustom.errors import CallbackError, CallbackTooSlowError, FrameError, LibraryError, LibraryImportError, OptionError
from empycustom.library.compiled import compiled_of
from empycustom.library.declared import Declaration, is_declared, refusal
from empycustom.library.dialects import (
    AUTO,
    COMPILED,
    FRAMES,
    HOOKS,
    Callback,
    Callbacks,
    Settings,
    Views,
    code_of,
    dialect,
    line_of,
    recognized,
)
from empycustom.library.explain import ErrorLocation, NoTerminalError, ending_error, is_kind, key_meant, locate_error
from empycustom.library.load import load, load_again, load_ahead, load_error, names_in, record_shared, sources_of, unload
from empycustom.library.shared import Tenant, callers

_E = TypeVar("_E", bound=LibraryError)
_READ_ONLY = re.compile(r"\barray\b.*read-?only|destination is read-only")  # what NumPy and OpenCV report
_ADVICE: dict[type, str] = {
    KeyboardInterrupt: "that is how Ctrl-C ends a call",
    NoTerminalError: "set workers=0 while you debug",
}
_NOT_IN_ORDER = re.compile(r"Layout of the \S+ array \S+ is incompatible with cv::Mat")


def callbacks_of(library: Any) -> set[str]:
    """Return which of the callbacks a library has. Raises LibraryError where it cannot be loaded.

    A file is loaded for the next :meth:`Library.open` of it: it runs once.
    """
    target = load_ahead(library) if isinstance(library, str) else library
    try:
        return dialect(recognized(target, {}).name).names(target)
    except BaseException as error:  # from a __getattr__ of the module
        raise load_error(error, _file_of(target)) from error


def works_in_place(library: Any, *, elsewhere: bool) -> bool:
    """Return whether ``process_ip`` of a library is to be called, not ``process``. Raises LibraryError.

    ``elsewhere``: other processes load it, and this one does not.
    """
    names = names_in(library) if elsewhere and isinstance(library, str) else callbacks_of(library)
    return "process_ip" in names or "process" not in names


class LibraryFacts:
    """What messages say about a library, wherever it runs: its ``path``, and the ``name`` of the callback that sees frames.

    ``in_place``: it returns what ``process_ip`` may return, else what ``process`` may. ``declared`` are its options, None: it
    does not say which there are. ``mandatory``: no frame may go on without it. ``stateful``: it needs all frames in their order.
    """

    path: str
    name: str
    in_place: bool
    declared: Declaration | None
    mandatory: bool
    stateful: bool

    def check_options(self, options: dict[str, Any]) -> None:
        """Raise OptionError where the library does not take these options."""
        if self.declared is not None:
            self.declared.check(options)

    def line_of(self, callback: str) -> int | None:
        """Return the line where ``callback`` is defined, or None where Python does not know."""
        raise NotImplementedError

    def error(self, kind: type[_E], message: str, rest: str = "", *, callback: str = "", details: str = "") -> _E:
        """Return an exception about a callback (the one that sees frames) that begins with its file and line."""
        callback = callback or self.name
        return kind.at(self.path, self.line_of(callback), message, rest, callback=callback, details=details)

    def too_slow(self, took_ms: float, frame_ms: float) -> CallbackTooSlowError:
        """Return the warning about a call that took longer than a frame lasts."""
        return self.error(
            CallbackTooSlowError,
            f"{self.name} took {took_ms:.1f} ms",
            f", and a frame lasts {frame_ms:.1f} ms: live video falls behind. Make it faster, or call it less often with "
            "process-interval; the property stats has more (reported once)",
        )

    def buffer_retained_error(self, refusal: Exception) -> CallbackError:
        """Return the error where nothing can be attached to a buffer; ``refusal`` is GStreamer's."""
        error = self.error(
            CallbackError,
            f"what {self.name} returned",
            f" cannot be attached to the buffer ({refusal}): the library keeps a reference to it. buffer.copy() does, too; keep "
            "buffer.copy_deep() instead",
        )
        error.__cause__ = refusal
        return error


@dataclass(frozen=True)
class LibraryElsewhere(LibraryFacts):
    """A library that another process has loaded and checked."""

    path: str
    name: str
    in_place: bool
    has_output_caps: bool
    lines: dict[str, int | None]
    mandatory: bool
    stateful: bool
    declared: Declaration | None

    def line_of(self, callback: str) -> int | None:
        """Return the line where ``callback`` is defined, or None where Python does not know."""
        return self.lines.get(callback)


@dataclass(frozen=True)
class Library(LibraryFacts):
    """A library whose callbacks are checked. ``name`` is the callback that sees frames, ``path`` the file.

    ``in_place``: it returns what ``process_ip`` may return, else what ``process`` may. ``target`` is its module, or the object,
    or the function, that was given in the place of one. What is called ``options`` here is what was set; callbacks get what the
    library declares, filled with that. ``why`` it is of its dialect is the end of a sentence.
    """

    path: str
    name: str
    in_place: bool
    callbacks: Callbacks
    target: Any
    declared: Declaration | None
    mandatory: bool
    stateful: bool
    dialect: str
    settings: Settings
    views: Views = field(default_factory=dict)
    why: str = ""
    tenant: Tenant = field(default_factory=Tenant)

    @classmethod
    def open(
        cls,
        library: Any,
        *,
        in_place: bool,
        dialect: str = AUTO,
        settings: Settings | None = None,
        views: Views | None = None,
        **loading: Any,
    ) -> Library:
        """Load a library and check its callbacks. Raises LibraryError, whose message has what to fix.

        ``library`` is a file or a dotted module name; in programs also an object that has the callbacks, or a function that is
        the one that sees frames. ``dialect`` is how its callbacks are called, ``"auto"``: as it looks; ``settings`` are those of
        the dialect. ``views`` are what callbacks may ask for by name besides ``events`` and ``frame``. ``loading`` are the
        arguments of :func:`~empycustom.library.load.load`.
        """
        target = load(library, **loading) if isinstance(library, str) else library
        try:
            return cls._bound(target, dialect, settings or {}, views or {}, in_place=in_place)
        except BaseException:
            unload(target)
            raise

    def again(self, sources: dict[str, bytes]) -> Library:
        """Load the library as its files are now, beside this one, and check it. ``sources``: see :func:`load_again`."""
        target = load_again(self.target, sources)
        try:
            return self._bound(target, self.dialect, self.settings, self.views, (*HOOKS, "reloaded"), in_place=self.in_place)
        except BaseException:
            unload(target)
            raise

    @classmethod
    def _bound(
        cls, target: Any, name: str, settings: Settings, views: Views, hooks: Iterable[str] = HOOKS, *, in_place: bool
    ) -> Library:
        path = _file_of(target)
        try:
            name, why = recognized(target, settings) if name == AUTO else (name, "dialect is set")
            if compiled_of(target) and name != COMPILED:
                what = f"dialect={name} is for Python files, and {path} is a compiled library; set dialect=auto"
                raise LibraryImportError(what, library=path)
            callbacks = dialect(name).bind(target, path, views, settings, in_place=in_place, hooks=hooks)
            declared = Declaration.of(target, path)
            mandatory, stateful = (is_declared(target, path, each) for each in ("MANDATORY", "STATEFUL"))
        except LibraryError:
            raise
        except BaseException as error:  # the callbacks may be objects of any class
            raise load_error(error, path) from error
        frame, in_place = callbacks.frame.name, callbacks.in_place
        return cls(path, frame, in_place, callbacks, target, declared, mandatory, stateful, name, settings, views, why=why)

    def called_by(self, name: str) -> Library:
        """Return the same loaded library, to be called by ``process_ip`` or by ``process``. Raises LibraryError."""
        other = self._bound(self.target, self.dialect, self.settings, self.views, in_place=name == "process_ip")
        return replace(other, declared=self.declared, tenant=self.tenant)

    def hints(self) -> list[LibraryError]:
        """Return warnings: about settings, and about functions that may be meant to be callbacks and that nobody calls."""
        try:
            return [*self.callbacks.hints, *dialect(self.dialect).hints(self.target, self.path)]
        except (OSError, SyntaxError, ValueError):  # it is only a hint
            return [*self.callbacks.hints]

    def all_sources(self) -> dict[str, bytes]:
        """Return the files of the library, those of modules that are everybody's as well, with what was run of each."""
        record_shared(self.target)
        return sources_of(self.target)

    def close(self) -> None:
        """Give back what loading took, and what it shares with others; the library must not be called after it.

        Raises CallbackError where it was the last one to have an object, whose ``close`` fails.
        """
        try:
            self.tenant.release()
        except BaseException as error:
            raise self.failed(error, "close") from error
        finally:
            unload(self.target)

    def options_for(self, options: dict[str, Any]) -> Any:
        """Return what callbacks get as options. Raises OptionError."""
        return options if self.declared is None else self.declared.made(options)

    def start(self, options: dict[str, Any]) -> None:
        """Call ``start(options)``, if there is one. Raises CallbackError, OptionError."""
        self._run(self.callbacks.start, self.options_for(options))

    def stop(self, options: dict[str, Any]) -> None:
        """Call ``stop(options)``, if there is one. Raises CallbackError."""
        self._run(self.callbacks.stop, self.options_for(options))

    def reloaded(self, old: Any) -> None:
        """Call ``reloaded(old)``, if there is one, with the module of the version before. Raises CallbackError."""
        self._run(self.callbacks.reloaded, old)

    @property
    def lines(self) -> dict[str, int | None]:
        """The lines where callbacks are defined, None where Python does not know.

        ``reloaded`` is among them also in a first version, of which it is not called.
        """
        found = {each.name: line_of(each.function) for each in vars(self.callbacks).values() if isinstance(each, Callback)}
        if "reloaded" in dialect(self.dialect).names(self.target):
            found.setdefault("reloaded", line_of(self.target.reloaded))
        return found

    def line_of(self, callback: str) -> int | None:
        """Return the line where ``callback`` is defined, or None where Python does not know."""
        return self.lines.get(callback)

    @property
    def has_output_caps(self) -> bool:
        """True where there is an ``output_caps``: what ``process`` makes may have other caps than what it gets."""
        return self.callbacks.output_caps is not None

    def output_caps(self, caps: Any, options: dict[str, Any]) -> Any:
        """Call ``output_caps(caps, options)`` and return what it returns; None if there is none. Raises CallbackError."""
        return self._run(self.callbacks.output_caps, caps, self.options_for(options))

    def _run(self, callback: Callback | None, *arguments: Any) -> Any:
        if callback is None:
            return None
        trace_this_thread()
        try:
            return callback.call(*arguments)
        except BaseException as error:
            raise self.failed(error, callback.name) from error

    def call(self, buffer: Any, in_meta: Any, options: dict[str, Any], events: Any) -> Any:
        """Call the callback that sees frames and return what it returns. Raises CallbackError, StreamEndedError."""
        if gettrace() is not None or getprofile() is not None:
            trace_this_thread()
        callback = self.callbacks.frame
        if self.declared is not None:
            options = self.declared.made(options)
        try:
            if callback.takes_events:
                return callback.call(buffer, in_meta, options, events)
            return callback.call(buffer, in_meta, options)
        except BaseException as error:
            if is_kind(error, LibraryError) and getattr(error, "library", None) == self.path:  # it is the dialect that raised it
                raise
            raise self.failed(error, self.name) from error

    def failed(self, error: BaseException, callback: str) -> LibraryError:
        """Return the exception that names the place where ``callback`` raised ``error``, which may end the stream well."""
        if is_kind(error, OptionError) and not error.library:  # type: ignore[attr-defined]
            return refusal(self.path, None, str(error), option=error.option, callback=callback)  # type: ignore[attr-defined]
        found = locate_error(error, self.path)
        meant = key_meant(error) if type(error) is KeyError else ""
        advice = f": if that is a key of in_meta, {meant} may be meant" if meant else self._about_writing(found)
        advice = next((text for kind, text in _ADVICE.items() if is_kind(error, kind)), f"fix the library{advice}")
        text = found.text
        if is_kind(error, FrameError) and error.advice:  # type: ignore[attr-defined]
            advice, text = error.advice, text.removesuffix(f"; {error.advice}")  # type: ignore[attr-defined]
        frame = ", and this frame is not passed on" if callback == self.name else None
        return ending_error(error, found, callback, frame=frame) or CallbackError.at(
            self.path,
            found.line,
            f"{callback} raised {text}",
            f"; {advice}",
            callback=callback,
            details=found.traceback,
        )

    def _about_writing(self, found: ErrorLocation) -> str:
        """Return how to write into pixels, where an exception shows that it was tried in another way; else an empty text."""
        if _NOT_IN_ORDER.search(found.traceback):  # OpenCV's text has several lines
            return (
                ": OpenCV draws only into pixels as they lie in memory, which frame.rgb, frame.bgr and flipped crops are not; "
                "draw into frame.pixels, with a value for each of its channels"
            )
        if not _READ_ONLY.search(found.text):
            return ""
        if not self.in_place:
            return ": a view of in_buffer is read-only; return a new frame"
        view = "image" if "image" in self.callbacks.frame.arguments else "a view of the frame"
        return f": {view} is read-only; to write, use empycustom.map_frame(io_buffer, in_meta, writable=True)"


callers.update((Library.call.__code__, Library._run.__code__))


def _file_of(target: Any) -> str:
    """Return the file of a library's module, or of the function or the object that is given in the place of one."""
    if isinstance(target, ModuleType):
        return str(vars(target).get("__file__"))
    for name in (None, *FRAMES):
        code = code_of(getattr(target, name, None) if name else target)
        if code is not None:
            return code.co_filename
    return repr(target)


def trace_this_thread() -> None:
    """Let this thread have the functions of ``threading.settrace`` and ``threading.setprofile``, as threads of Python's have.

    Debuggers, coverage and profilers need it in order to see callbacks. For every call: a tool may begin while a stream plays,
    and a thread of GStreamer may lose its functions between two buffers.
    """
    trace, profile = gettrace(), getprofile()
    if trace is not None and sys.gettrace() is None:
        _trace_with(trace)
    if profile is not None and sys.getprofile() is None:
        sys.setprofile(profile)


def _trace_with(function: Any) -> None:
    current_thread()  # `threading` knows it from now on: pydevd, of debugpy and PyCharm, leaves the others alone
    pydevd = sys.modules.get("pydevd_tracing")
    getattr(pydevd, "SetTrace", sys.settrace)(function)  # sys.settrace is its own, which warns of everybody who calls it
