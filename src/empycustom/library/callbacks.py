"""What debuggers, coverage and profilers need in order to see callbacks in the threads of GStreamer.

Python hands the functions that such a tool sets to every thread that ``threading`` starts. A thread of GStreamer is none of them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from threading import current_thread, getprofile, gettrace
from types import CodeType, ModuleType
from typing import Any

from empycustom.errors import CallbackError, CallbackMissingError, CallbackSignatureError, CallbackTooSlowError, LibraryError
from empycustom.library.explain import ending, is_kind, key_meant, locate_error, misspelt_others, misspelt_process
from empycustom.library.load import load, load_ahead, load_error, unload


def trace_this_thread() -> None:
    """Let this thread have the functions of ``threading.settrace`` and ``threading.setprofile``, as threads of Python's have.

    For every call: a tool may begin while a stream plays, and a thread of GStreamer may lose its functions between two buffers.
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


# The callbacks of a library: which there are, whether they can be called as they will be, and calling them.


# The arguments that each callback gets, as the messages show them; `events` only where the callback has room for it.
ARGUMENTS = {
    "start": ("options",),
    "stop": ("options",),
    "output_caps": ("caps", "options"),
    "process": ("in_buffer", "in_meta", "options", "events"),
    "process_ip": ("io_buffer", "in_meta", "options", "events"),
}


def callbacks_of(custom_lib: str) -> set[str]:
    """Return which of the callbacks a library has. Raises LibraryError where it cannot be loaded.

    It is loaded for the next :meth:`Library.open` with the same ``custom_lib``: its file runs once.
    """
    module = load_ahead(custom_lib)
    try:
        return {name for name in ARGUMENTS if hasattr(module, name)}
    except BaseException as error:  # a __getattr__ of the module
        raise load_error(error, str(vars(module).get("__file__"))) from error


@dataclass(frozen=True)
class Library:
    """A loaded and checked library. ``name`` is the callback that sees buffers: ``process_ip`` or ``process``.

    ``function`` takes ``(buffer, in_meta, options)``, or ``events`` besides where ``takes_events``; :meth:`call` wraps it, for
    those who need no speed.
    """

    path: str
    name: str
    function: Callable[..., Any]
    takes_events: bool
    module: ModuleType

    @classmethod
    def open(cls, custom_lib: str, *, in_place: bool) -> Library:
        """Load ``custom_lib`` and check its callbacks. Raises LibraryError, which says what to fix."""
        module = load(custom_lib)
        try:
            return cls._checked(module, "process_ip" if in_place else "process")
        except BaseException:
            unload(module)
            raise

    @classmethod
    def _checked(cls, module: ModuleType, name: str) -> Library:
        try:
            return cls._looked_at(module, name)
        except LibraryError:
            raise
        except BaseException as error:  # the callbacks may be objects of any class
            raise load_error(error, str(vars(module).get("__file__"))) from error

    @classmethod
    def _looked_at(cls, module: ModuleType, name: str) -> Library:
        path = str(vars(module).get("__file__"))
        if not hasattr(module, name):
            raise CallbackMissingError(_missing(module, path, name), library=path, callback=name)
        for hook in ("start", "stop", "output_caps"):
            if hasattr(module, hook):
                _room(module, path, hook)
        room = _room(module, path, name)
        return cls(path, name, getattr(module, name), room > len(ARGUMENTS[name]) - 1, module)

    def misspelt(self) -> list[CallbackMissingError]:
        """Return what is to be said of functions that may be meant to be callbacks: nobody calls them."""
        lacking = [name for name in ("start", "stop") if not hasattr(self.module, name)]
        try:
            found = [*misspelt_others(self.module, self.path, lacking)]
        except (OSError, SyntaxError, ValueError):  # it is no more than a hint
            return []
        return [
            CallbackMissingError(
                f"{self.path}:{line}: {name} is never called; {callback} may be meant: rename it (to _{name}, if it is a "
                "function of your own)",
                library=self.path,
                line=line,
                callback=name,
            )
            for name, line, callback in found
        ]

    def by(self, name: str) -> Library:
        """Return the same loaded library, with the callback ``name``. Raises LibraryError."""
        return self._checked(self.module, name)

    def close(self) -> None:
        """Give back what loading took; the library must not be called after it."""
        unload(self.module)

    def start(self, options: dict[str, Any]) -> None:
        """Call ``start(options)``, if there is one. Raises CallbackError."""
        self._run_hook("start", options)

    def stop(self, options: dict[str, Any]) -> None:
        """Call ``stop(options)``, if there is one. Raises CallbackError."""
        self._run_hook("stop", options)

    @property
    def has_output_caps(self) -> bool:
        """Whether there is an ``output_caps``: what ``process`` makes may have other caps than what it gets."""
        return hasattr(self.module, "output_caps")

    def output_caps(self, caps: Any, options: dict[str, Any]) -> Any:
        """Call ``output_caps(caps, options)`` and return what it returns; None if there is none. Raises CallbackError."""
        return self._run_hook("output_caps", caps, options)

    def _run_hook(self, name: str, *arguments: Any) -> Any:
        trace_this_thread()
        try:
            hook = getattr(self.module, name, None)
            return hook(*arguments) if hook is not None else None
        except BaseException as error:
            raise self.failed(error, name) from error

    def call(self, buffer: Any, in_meta: Any, options: dict[str, Any], events: Any) -> Any:
        """Call the callback that sees buffers and return what it returns. Raises CallbackError, StreamEndedError."""
        trace_this_thread()
        try:
            if self.takes_events:
                return self.function(buffer, in_meta, options, events)
            return self.function(buffer, in_meta, options)
        except BaseException as error:
            raise self.failed(error, self.name) from error

    def failed(self, error: BaseException, callback: str) -> LibraryError:
        """Return the exception that says where ``callback`` raised ``error``, which may end the stream well."""
        found = locate_error(error, self.path)
        meant = key_meant(error) if type(error) is KeyError else ""
        advice = f": if that is a key of in_meta, {meant} may be meant" if meant else ""
        advice = "that is how Ctrl-C ends a call" if is_kind(error, KeyboardInterrupt) else f"fix the library{advice}"
        frame = ", and this frame is not passed on" if callback == self.name else None
        return ending(error, found, callback, frame=frame) or CallbackError(
            f"{found.place}: {callback} raised {found.text}",
            f"; {advice} (the traceback is below)",
            library=self.path,
            line=found.line,
            callback=callback,
            details=found.traceback,
        )

    def too_slow(self, took_ms: float, frame_ms: float) -> CallbackTooSlowError:
        """Return what is to be said of a call that took longer than a frame lasts."""
        line = self.line_of(self.name)
        return CallbackTooSlowError(
            f"{self.path}{f':{line}' if line else ''}: {self.name} took {took_ms:.1f} ms",
            f", and a frame lasts {frame_ms:.1f} ms: live video falls behind. Make it faster, or call it less often with "
            "process-interval; the property stats tells more (this is said once)",
            library=self.path,
            line=line,
            callback=self.name,
        )

    def buffer_retained_error(self, refusal: Exception) -> CallbackError:
        """Return what is to be said where nothing can be attached to a buffer: ``refusal`` says what GStreamer says."""
        line = self.line_of(self.name)
        error = CallbackError(
            f"{self.path}{f':{line}' if line else ''}: what {self.name} returned",
            f" cannot be attached to the buffer ({refusal}): the library holds on to it. buffer.copy() does, too; keep "
            "buffer.copy_deep() instead",
            library=self.path,
            line=line,
            callback=self.name,
        )
        error.__cause__ = refusal
        return error

    def line_of(self, callback: str) -> int | None:
        """The line where ``callback`` is defined, or None where Python does not know."""
        return line_of(self.function if callback == self.name else vars(self.module).get(callback))


def _missing(module: ModuleType, path: str, name: str) -> str:
    other, setting = ("process", "in-place=false") if name == "process_ip" else ("process_ip", "in-place=true")
    needed = f"{name}({', '.join(ARGUMENTS[name][:3])})"
    found = misspelt_process(module, path, name)
    misspelt = f". {found}" if found else ""
    if hasattr(module, other):
        mode = "true" if name == "process_ip" else "false"
        return f"{path} has {other} but no {name}, which in-place={mode} needs; set {setting}, or define {needed}{misspelt}"
    return f"{path} has neither process_ip nor process; define {needed}{misspelt}"


def _room(module: ModuleType, path: str, name: str) -> int:
    """Return how many positional arguments the callback takes at most; raise CallbackSignatureError if none of ours fits."""
    function, arguments = getattr(module, name), ARGUMENTS[name]
    fewest = min(3, len(arguments))
    problem = _problem(function)
    if problem is None:
        try:
            signature = inspect.signature(function)
        except (ValueError, TypeError):  # written in C: cannot be asked
            return fewest
        for count in range(len(arguments), fewest - 1, -1):
            if _binds(signature, count):
                return count
        problem = f"takes {' '.join(str(signature).split())}"
    line = line_of(function)
    raise CallbackSignatureError(
        f"{path}{f':{line}' if line else ''}: {name} {problem}, but is called as {name}({', '.join(arguments[:fewest])})"
        f"{' or with events as the 4th argument' if fewest < len(arguments) else ''}; change its definition",
        library=path,
        line=line,
        callback=name,
    )


def _problem(function: Any) -> str | None:
    if not callable(function):
        return f"is a {type(function).__name__}, no function"
    for code in (
        function,
        inspect.getattr_static(type(function), "__call__", None),
    ):  # the second: of an object that can be called
        if inspect.iscoroutinefunction(code):
            return "is a coroutine (async def)"
        if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
            return "is a generator (it contains yield)"
    return None


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def line_of(function: Any) -> int | None:
    """Return the line where a callback is defined, or None where Python does not know."""
    try:
        code = inspect.unwrap(function).__code__
    except BaseException:  # noqa: BLE001 - the user's class may do anything, and a line only decorates a message
        return None
    return code.co_firstlineno if isinstance(code, CodeType) else None
