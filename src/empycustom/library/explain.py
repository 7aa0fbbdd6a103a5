"""Errors of a library: where in its file they come from, names that may be misspelt, and exceptions that end a stream."""

from __future__ import annotations

import ast
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from types import FunctionType, TracebackType
from typing import Any, NamedTuple

from empycustom.errors import CallbackError, DebuggerLeftError, EmPyCustomError, EndOfStream, LibraryError, StreamEndedError
from empycustom.library.modules import file_of_library, without_package
from empycustom.model.keys import IN_META_KEYS
from empycustom.text import for_people, syntax_tree

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_IMPORTING = (os.path.dirname(__file__) + os.sep, "<frozen importlib")
_LONGEST = 500  # characters of an exception's text on one line
_LONGEST_TRACEBACK = 100_000  # characters; an exception's text may have millions


class NoTerminalError(RuntimeError):
    """A library called a debugger where there is no terminal for it."""


@dataclass(frozen=True)
class ErrorLocation:
    """The place of an exception: file and ``line`` (from 1, or None), its text on one line, and its traceback.

    The traceback begins in the user's code; the frames of this package before it, and those of importing, are left out.
    """

    file: str
    line: int | None
    text: str
    traceback: str

    @property
    def place(self) -> str:
        """The place as text: ``file.py:12``, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file


def locate_error(error: BaseException, library: str) -> ErrorLocation:
    """Find the last line of ``library`` (a path) that ``error`` went through. It never raises itself."""
    try:
        return _located(error, library)
    except BaseException as failure:  # noqa: BLE001 - looking at it runs code of the user's
        what = f"{kind_of(error)} (which cannot be read: that raises {kind_of(failure)})"
        return ErrorLocation(library, None, _printable(what), "")


def kind_of(value: Any) -> str:
    """Return the name of a value's class, whatever the class makes of it."""
    return str(type.__dict__["__name__"].__get__(type(value)))


def is_kind(value: Any, kind: type) -> bool:
    """Return whether the class of a value is ``kind`` or derived from it, whatever the value itself claims."""
    return any(base is kind for base in type.__dict__["__mro__"].__get__(type(value)))


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of an exception, whatever its class does with that attribute."""
    return BaseException.__dict__["__traceback__"].__get__(error)  # type: ignore[no-any-return]


def _located(error: BaseException, library: str) -> ErrorLocation:
    frames = _of_user(traceback_of(error))
    lines = [tb.tb_lineno for tb in frames if tb.tb_frame.f_code.co_filename == library]
    line = lines[-1] if lines else None
    if is_kind(error, SyntaxError) and error.filename == library and isinstance(error.lineno, int):  # type: ignore[attr-defined]
        line = error.lineno  # type: ignore[attr-defined]
    return ErrorLocation(library, line, _one_line(error), _printable(_cut(_traceback(error, _chained(frames)))))


def _traceback(error: BaseException, tb: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, tb)).rstrip()
    except BaseException:  # noqa: BLE001 - the user's class may do anything; then its lines alone
        return "".join(["Traceback (most recent call last):\n", *traceback.format_tb(tb), _one_line(error)])


def _cut(text: str) -> str:
    """Return a traceback of which the middle is left out where it is too long."""
    left_out, half = len(text) - _LONGEST_TRACEBACK, _LONGEST_TRACEBACK // 2
    return text if left_out <= 0 else f"{text[:half]}\n… ({left_out} characters are left out) …\n{text[-half:]}"


def _of_user(tb: TracebackType | None) -> list[TracebackType]:
    frames: list[TracebackType] = []
    while tb is not None:
        own = _IMPORTING if frames else (*_IMPORTING, _PACKAGE)
        if not tb.tb_frame.f_code.co_filename.startswith(own):
            frames.append(tb)
        tb = tb.tb_next
    return frames


def _chained(frames: list[TracebackType]) -> TracebackType | None:
    chain: TracebackType | None = None
    for tb in reversed(frames):
        chain = TracebackType(chain, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return chain


def _one_line(error: BaseException) -> str:
    kind = kind_of(error)
    first, _, more = _text(error).strip().partition("\n")
    if len(first) > _LONGEST:
        first, more = first[:_LONGEST], "more"
    return _printable(f"{kind}: {first.rstrip()}{' …' if more else ''}" if first else kind)


def _text(error: BaseException) -> str:
    try:
        text = (error.msg or "") if is_kind(error, SyntaxError) else error  # type: ignore[attr-defined]
        return str.__str__(str(text))  # also where it is a class of text that does other things
    except BaseException as failure:  # noqa: BLE001 - the user's __str__ may do anything, and is not the error to report
        return f"(its text is not available: {kind_of(failure)})"


def _printable(text: str) -> str:
    """Return ``text`` such that it can be written as UTF-8, ends nowhere in C, and has no control characters for a terminal."""
    return for_people(without_package(text), lines=True)


# Names that may be misspelt: callbacks, and keys of ``in_meta``.


# Other names of start and stop.
_ALIASES = {
    "start": ("init", "initialize", "initialise", "setup", "set_up", "load", "begin", "open"),
    "stop": ("close", "teardown", "tear_down", "cleanup", "finish", "finalize", "shutdown", "end", "deinit"),
}
_PREFIXES = ("on_", "do_", "handle_")
_SURE, _LIKELY = 0.8, 0.65  # how similar names are, from 0 to 1
_LONGEST_NAME = 40  # of a key that is looked for


class Misspelt(NamedTuple):
    """A function of a library that nobody calls, and the callback that it may be meant to be."""

    name: str
    line: int
    callback: str

    def __str__(self) -> str:
        return f"{self.name} in line {self.line} is never called; {self.callback} may be meant"


def misspelt_process(module: Any, path: str, wanted: str) -> Misspelt | None:
    """Return the function that may be meant to be ``wanted``, a callback that sees buffers and that the library lacks."""
    best, found = _LIKELY, None
    for function in _functions(module, path):
        code = function.__code__
        similarity = 1.0 if "in_meta" in code.co_varnames[: code.co_argcount] else _similarity(function.__name__, wanted)
        if similarity >= best:
            best, found = similarity, Misspelt(function.__name__, code.co_firstlineno, wanted)
    return found


def misspelt_others(module: Any, path: str, lacking: Sequence[str]) -> Iterator[Misspelt]:
    """Yield functions that may be meant to be ``lacking``, callbacks that get ``options``: those that nothing in the file uses.

    Raises OSError, SyntaxError where the file is not the one any more that was loaded.
    """
    for function in _functions(module, path):
        name = function.__name__
        for callback in lacking:
            similar = name in _ALIASES[callback] or _is_typo(_normalized(name), callback)
            if similar and function.__code__.co_argcount == 1 and _is_unused(path, name):
                yield Misspelt(name, function.__code__.co_firstlineno, callback)
                break


def key_meant(error: KeyError) -> str:
    """Return the key of ``in_meta`` that is like the one that is missing, or ``""``."""
    key = error.args[0] if len(error.args) == 1 else None
    if type(key) is not str or len(key) > _LONGEST_NAME or key in IN_META_KEYS:
        return ""
    return next(iter(get_close_matches(key, IN_META_KEYS, n=1, cutoff=_SURE)), "")


def _functions(module: Any, path: str) -> list[FunctionType]:
    """Return the functions that a library itself defines and that may be called by others, without its callbacks."""
    return [
        value
        for name, value in [*getattr(module, "__dict__", {}).items()]
        if type(value) is FunctionType
        and value.__code__.co_filename == path
        and value.__name__ == name
        and not name.startswith("_")
        and name not in ("start", "stop", "output_caps", "process", "process_ip")
    ]


def _similarity(name: str, callback: str) -> float:
    return SequenceMatcher(None, _normalized(name), callback).ratio()


def _normalized(name: str) -> str:
    plain = name.lower().strip("_")
    return next((plain.removeprefix(prefix) for prefix in _PREFIXES if plain.startswith(prefix)), plain)


def _is_typo(name: str, callback: str) -> bool:
    """Return whether a name differs by one letter, or by the order of letters; ``started`` and ``restart`` do not count."""
    close = sorted(name) == sorted(callback) or SequenceMatcher(None, name, callback).ratio() > _SURE
    return close and abs(len(name) - len(callback)) < 2


def _is_unused(path: str, name: str) -> bool:
    """Return whether a function, defined at module level without a decorator, is never named in the file."""
    with open(path, "rb") as file:
        tree = syntax_tree(file.read(), path)
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not defined or defined[-1].decorator_list:
        return False
    return not any(
        name in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "value", None), getattr(node, "arg", None))
        for node in ast.walk(tree)
    )


# Exceptions that end a stream without an error: EndOfStream, and those of a debugger that was left.


_DEBUGGER = ("pdb", "bdb", "cmd")  # modules


def ending_error(error: BaseException, found: ErrorLocation, callback: str, *, frame: str | None) -> LibraryError | None:
    """Return the exception for an ``error`` of ``callback`` that ends the stream; None if it is a mistake.

    ``frame``: what becomes of the frame, as the rest of a sentence; None where the callback is not called for frames.
    """
    library, line = found.file, found.line
    if is_kind(error, EndOfStream):
        text = found.text.partition(": ")[2]
        reason = f": {text}" if text else ""
        if frame is None:
            what = f"{callback} raised EndOfStream{reason}, but only process_ip and process can end a stream; raise it there"
            return LibraryError.at(library, line, what, callback=callback, details=found.traceback)
        return StreamEndedError.at(library, line, f"{callback} ended the stream", f"{frame}{reason}", callback=callback)
    if is_debugger_left(error):
        return DebuggerLeftError.at(library, line, f"the debugger was left in {callback}", "; the stream ends", callback=callback)
    return None


def is_debugger_left(error: BaseException) -> bool:
    """Return whether somebody left pdb, or a debugger based on it.

    That is BdbQuit, or what the debugger itself raises: on Python 3.14 SystemExit, or an error when ``exit()`` has closed stdin.
    """
    if is_kind(error, getattr(sys.modules.get("bdb"), "BdbQuit", type(None))):
        return True
    last = traceback_of(error)
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__") in _DEBUGGER


def error_to_report(error: BaseException) -> BaseException:
    """Return the exception to report for one that came out of our own code.

    It is our fault, unless somebody left a debugger there, or code of a library raised it that Python runs besides the
    callbacks.
    """
    if isinstance(error, EmPyCustomError):
        return error
    if is_debugger_left(error):
        return DebuggerLeftError("The debugger was left", "; the stream ends")
    path = file_of_library(traceback_of(error))
    if not path:
        return error
    found = locate_error(error, path)
    return CallbackError.at(
        path,
        found.line,
        f"{found.text}, raised by what Python calls besides the callbacks (given to sys.settrace, sys.setprofile, "
        "sys.addaudithook); fix the library",
        details=found.traceback,
    )
