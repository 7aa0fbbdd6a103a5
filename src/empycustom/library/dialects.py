"""Dialects: how the callbacks of each kind of library are found, checked and called.

Adding one is a file with a class, and a line in DIALECTS.

Ours is a module, or any object, with ``start``, ``process_ip``, ``process``, ``output_caps`` and ``stop``; in programs also a
function alone. Which arguments a callback gets is decided once, by its signature. The others are those of other projects, in the
room ``dialects/``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any, NamedTuple, Protocol

from empycustom.errors import CallbackMissingError, CallbackSignatureError, LibraryError
from empycustom.library.compiled import compiled_of
from empycustom.library.explain import misspelt_others, misspelt_process
from empycustom.library.surface import Surface

# The arguments that each callback gets, as the messages show them.
ARGUMENTS = {
    "start": ("options",),
    "process_ip": ("io_buffer", "in_meta", "options"),
    "process": ("in_buffer", "in_meta", "options"),
    "output_caps": ("caps", "options"),
    "stop": ("options",),
    "reloaded": ("old",),
}
HOOKS = ("start", "stop", "output_caps")  # those that are looked for besides
FRAMES = ("process_ip", "process")  # those that see frames
EVENTS, FRAME = "events", "frame"  # what they get by name, and what is in the views
Views = Mapping[str, Callable[[Any, Any], AbstractContextManager[Any]]]
"""Arguments that are made for a call that names them: functions of buffer and ``in_meta``, whose results are entered."""


@dataclass(frozen=True)
class Callback:
    """A callback of a library. ``function`` is the library's own, ``arguments`` are the names of what it gets.

    ``call`` takes the arguments in ARGUMENTS, and with ``takes_events`` the events as well.
    """

    name: str
    function: Any
    arguments: tuple[str, ...]
    call: Callable[..., Any]
    takes_events: bool = False


@dataclass(frozen=True)
class Callbacks:
    """The callbacks of a library. ``frame`` sees frames, and is the only one that every library has.

    ``frame.call`` returns what ``process_ip`` may return; what ``process`` may, where the library is not called in place.
    ``in_place`` is whether it is. ``hints`` are warnings about the library and its settings.
    """

    frame: Callback
    start: Callback | None = None
    stop: Callback | None = None
    output_caps: Callback | None = None
    reloaded: Callback | None = None
    in_place: bool = True
    hints: tuple[LibraryError, ...] = ()


Settings = Mapping[str, Any]
"""What a dialect lets users set: values of properties of the element, by their names; those that are not set are left out."""


class Dialect(Protocol):
    """How libraries of one kind are called. ``target`` is a library's module, or what is in the place of one."""

    def names(self, target: Any) -> set[str]:
        """Return which of the callbacks in ARGUMENTS a library has."""

    def bind(
        self, target: Any, path: str, views: Views, settings: Settings, *, in_place: bool, hooks: Iterable[str] = HOOKS
    ) -> Callbacks:
        """Check the callbacks of the library in the file ``path`` and return them. Raises LibraryError.

        ``hooks`` are those that it may have besides the one that sees frames. ``in_place`` is what the property says: a dialect
        whose libraries know one way alone takes that.
        """

    def hints(self, target: Any, path: str) -> Iterator[CallbackMissingError]:
        """Yield warnings about functions that may be meant to be callbacks and that nobody calls."""


class OwnDialect:
    """Calls callbacks by their names in ARGUMENTS; a function alone is ``process``, if that is its name, or ``process_ip``."""

    def names(self, target: Any) -> set[str]:
        """Return which of the callbacks a library has."""
        if _is_function(target):
            return {"process" if getattr(target, "__name__", "") == "process" else "process_ip"}
        return {name for name in ARGUMENTS if hasattr(target, name)}

    def bind(
        self,
        target: Any,
        path: str,
        views: Views,
        settings: Settings,
        *,
        in_place: bool,
        hooks: Iterable[str] = HOOKS,
    ) -> Callbacks:
        """Check the callbacks and return them. Raises CallbackMissingError, CallbackSignatureError."""
        name = "process_ip" if in_place else "process"
        if isinstance(target, type) and not isinstance(inspect.getattr_static(target, name, None), (staticmethod, classmethod)):
            what = f"{target.__name__} is a class; give an object, {target.__name__}()"
            raise CallbackSignatureError.at(path, None, what, callback=name)
        if _is_function(target):
            callback = _frame_callback(target, path, name, getattr(target, "__name__", name), views)
            return Callbacks(callback, in_place=in_place)
        if not hasattr(target, name):
            raise CallbackMissingError(_missing(target, path, name), library=path, callback=name)
        others = {other: _hook(target, path, other) for other in hooks if hasattr(target, other)}
        hints = not_used(settings, OF_OTHERS, path, f"it has {name}; set dialect to that of another project, or leave it out")
        callback = _frame_callback(getattr(target, name), path, name, name, views)
        return Callbacks(callback, **others, in_place=in_place, hints=hints)

    def hints(self, target: Any, path: str) -> Iterator[CallbackMissingError]:
        """Yield warnings about functions whose names are like ``start`` or ``stop``."""
        if _is_function(target):
            return
        lacking = [name for name in ("start", "stop") if not hasattr(target, name)]
        for name, line, callback in misspelt_others(target, path, lacking):
            yield CallbackMissingError.at(
                path,
                line,
                f"{name} is never called; {callback} may be meant: rename it (to _{name}, if it is a function of your own)",
                callback=callback,
            )


OF_OTHERS = ("class", "function", "arg", "kwarg", "finalize-function")  # settings that libraries of our own dialect do not have


def without_meaning(settings: Settings, path: str, name: str, instead: str = "") -> tuple[LibraryError, ...]:
    """Return warnings about what is set of an element and has no meaning for a dialect whose functions get a frame alone."""
    of_others = [each for each in ("options", "events") if each in settings]
    of_others += ["interface"] if settings.get("interface", _INTERFACE) != _INTERFACE else []
    of_others += [] if settings.get("in-place", True) else ["in-place=false"]
    return not_used(dict.fromkeys(of_others), of_others, path, f"functions for {name} get a frame and nothing else{instead}")


_INTERFACE = 3  # of compiled libraries, where none is set


def not_used(settings: Settings, names: Iterable[str], path: str, why: str) -> tuple[LibraryError, ...]:
    """Return warnings about settings that a dialect does not use."""
    return tuple(LibraryError.at(path, None, f"{name} is set, but not used: {why}") for name in names if name in settings)


AUTO, OWN, COMPILED = "auto", "empycustom", "emcustom"
DIALECTS = {  # the classes, which are imported when a library needs them
    OWN: (__name__, "OwnDialect"),
    "gvapython": ("empycustom.dialects.gvapython", "GvaPython"),
    COMPILED: ("empycustom.dialects.emcustom", "EmCustom"),
    "hailopython": ("empycustom.dialects.hailopython", "HailoPython"),
}
# How a library shows that it is not of our own dialect: packages that it imports from, and the function that it usually has.
_MARKS = {"gvapython": ({"gstgva"}, "process_frame"), "hailopython": ({"gsthailo", "hailo"}, "run")}
# Pixels that functions of other projects take for granted: OpenCV writes BGR, and hailopython has three channels.
USUAL_FORMATS = {"gvapython": "BGR", "hailopython": "RGB"}
USUAL_METHOD = "process_frame"  # of classes for gvapython
_OWN_SETTINGS = {"gvapython": {"class"}, "hailopython": {"finalize-function"}}  # which others do not have


@cache
def dialect(name: str) -> Dialect:
    """Return a dialect by its name."""
    module, attribute = DIALECTS[name]
    made: Dialect = getattr(import_module(module), attribute)()
    return made


# What there is of the packages that libraries of a dialect import: functions that return a Surface, or None: all of it.
_SURFACES = {name: ("empycustom.dialects.surfaces", name) for name in ("gvapython", "hailopython")}


def surface_of(name: str) -> Surface | None:
    """Return what there is of the package of a dialect, None: all of it, or it has none."""
    if name not in _SURFACES:
        return None
    module, attribute = _SURFACES[name]
    found: Surface | None = getattr(import_module(module), attribute)()
    return found


class Recognized(NamedTuple):
    """The name of a dialect, and why a library is of it: the end of a sentence."""

    name: str
    why: str


def recognized(target: Any, settings: Settings) -> Recognized:
    """Return the dialect of a library, from what it defines and imports, and what is set."""
    if compiled_of(target):
        return Recognized(COMPILED, "it is a compiled library")
    if not isinstance(target, ModuleType):
        return Recognized(OWN, "it is not a file")
    for name in FRAMES:
        if hasattr(target, name):
            return Recognized(OWN, f"it has {name}")
    content = vars(target)
    used = {each.__name__ if isinstance(each, ModuleType) else each.__module__ for each in content.values() if _has_origin(each)}
    packages = {part for name in used for part in str(name).split(".")}
    for name, (marks, _) in _MARKS.items():
        for package in sorted(marks & packages):
            return Recognized(name, f"it imports {package}")
    for name, own in _OWN_SETTINGS.items():
        for setting in sorted(own & settings.keys()):
            return Recognized(name, f"{setting} is set")
    for name, (_, function) in _MARKS.items():
        if _takes_one(content.get(function)):
            return Recognized(name, f"it has {function} with one argument")
    if "function" in settings:
        return Recognized("gvapython", "function is set")
    for each, value in content.items():
        if isinstance(value, type) and value.__module__ == content.get("__name__") and USUAL_METHOD in vars(value):
            return Recognized("gvapython", f"its class {each} has {USUAL_METHOD}")
    return Recognized(OWN, "it is of no other project")


def _takes_one(function: Any) -> bool:
    """Return whether a value is a function that can be called with one argument."""
    try:
        return callable(function) and _binds(inspect.signature(function), 1)
    except (ValueError, TypeError):
        return False


def _has_origin(value: Any) -> bool:
    return isinstance(value, (ModuleType, type))


def _is_function(target: Any) -> bool:
    return callable(target) and not any(hasattr(target, name) for name in FRAMES)


def _missing(target: Any, path: str, name: str) -> str:
    other, setting = ("process", "in-place=false") if name == "process_ip" else ("process_ip", "in-place=true")
    needed = f"{name}({', '.join(ARGUMENTS[name])})"
    found = misspelt_process(target, path, name)
    misspelt = f". {found}" if found else ""
    if hasattr(target, other):
        mode = "true" if name == "process_ip" else "false"
        return f"{path} has {other} but no {name}, which in-place={mode} needs; set {setting}, or define {needed}{misspelt}"
    return f"{path} has neither process_ip nor process; define {needed}{misspelt}"


def _hook(target: Any, path: str, name: str) -> Callback:
    function, arguments = getattr(target, name), ARGUMENTS[name]
    signature = _signature(function, path, name, arguments)
    if signature and not _binds(signature, len(arguments)):
        raise _not_callable(function, path, name, f"takes {_shown(signature)}", arguments)
    return Callback(name, function, arguments, function)


def _frame_callback(function: Any, path: str, kind: str, name: str, views: Views) -> Callback:
    """Decide which arguments a callback that sees frames gets: the three, by name those in its signature, or a 4th for events."""
    arguments, known = ARGUMENTS[kind], (EVENTS, FRAME, *views)
    signature = _signature(function, path, name, arguments)
    if signature is None:  # written in C, without a signature
        return Callback(name, function, arguments, function)
    named = _named_parameters(function, signature, known)
    for count in (3,) if EVENTS in named else (4, 3):
        if _binds(signature, count, named):
            given = (*(*arguments, EVENTS)[:count], *named)
            return Callback(name, function, given, _compiled(function, count, named, views), EVENTS in given)
    _refuse_unknown(function, path, name, signature, known)
    what = f"or with events as the 4th argument; by name there are {', '.join(known)}"
    raise _not_callable(function, path, name, f"takes {_shown(signature)}", arguments, f" {what}")


def _refuse_unknown(function: Any, path: str, name: str, signature: inspect.Signature, known: tuple[str, ...]) -> None:
    """Refuse a parameter that can only be passed by name and that nobody passes. Raises CallbackSignatureError."""
    needed = [
        each.name for each in signature.parameters.values() if each.kind is each.KEYWORD_ONLY and each.default is each.empty
    ]
    for wanted in needed:
        if wanted not in known and _binds(signature, 3, tuple(needed)):
            close, there = get_close_matches(wanted, known, n=1), f"by name there are {', '.join(known)}"
            advice = f"{close[0]} may be meant ({there})" if close else there
            what = f"{name} has an argument {wanted}, which does not exist; {advice}"
            raise CallbackSignatureError.at(path, line_of(function), what, callback=name)


def _named_parameters(function: Any, signature: inspect.Signature, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the parameters beyond the first three whose names are among the ``known`` ones, which are passed by name."""
    preset = function.keywords if isinstance(function, partial) else {}
    return tuple(
        name
        for index, (name, parameter) in enumerate(signature.parameters.items())
        if name in known
        and name not in preset
        and (parameter.kind is parameter.KEYWORD_ONLY or (parameter.kind is parameter.POSITIONAL_OR_KEYWORD and index > 2))
    )


def _compiled(function: Any, count: int, named: tuple[str, ...], views: Views) -> Callable[..., Any]:
    """Return a function of buffer, in_meta, options and, where it takes them, events that calls ``function``."""
    if not named:
        return function  # type: ignore[no-any-return]
    if named == (EVENTS,):
        return lambda buffer, in_meta, options, events: function(buffer, in_meta, options, events=events)

    def call(buffer: Any, in_meta: Any, options: Any, events: Any = None) -> Any:
        given: dict[str, Any] = {EVENTS: events, FRAME: next(iter(in_meta["frame"]), None)}
        with ExitStack() as opened:
            for name in named:
                if name in views:
                    given[name] = opened.enter_context(views[name](buffer, in_meta))
            return function(*(buffer, in_meta, options, events)[:count], **{name: given[name] for name in named})

    return call


def _signature(function: Any, path: str, name: str, arguments: tuple[str, ...]) -> inspect.Signature | None:
    """Return the signature of a callback, None where it has none. Raises CallbackSignatureError."""
    problem = problem_of(function)
    if problem:
        raise _not_callable(function, path, name, problem, arguments)
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):
        return None


def problem_of(function: Any) -> str | None:
    """Return why a value cannot be called as a callback, the end of a sentence; None: it can, as far as its kind goes."""
    if not callable(function):
        return f"is a {type(function).__name__}, not a function"
    # The second is for objects that can be called.
    for code in (function, inspect.getattr_static(type(function), "__call__", None)):
        if inspect.iscoroutinefunction(code):
            return "is a coroutine (async def)"
        if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
            return "is a generator (it contains yield)"
    return None


def _not_callable(
    function: Any, path: str, name: str, problem: str, arguments: tuple[str, ...], more: str = ""
) -> CallbackSignatureError:
    advice = "return the result instead of yield" if "yield" in problem else "change its definition"
    message = f"{name} {problem}, but is called as {name}({', '.join(arguments)}){more}; {advice}"
    return CallbackSignatureError.at(path, line_of(function), message, callback=name)


def _shown(signature: inspect.Signature) -> str:
    return " ".join(str(signature).split())


def _binds(signature: inspect.Signature, count: int, named: tuple[str, ...] = ()) -> bool:
    try:
        signature.bind(*range(count), **dict.fromkeys(named))
    except TypeError:
        return False
    return True


def code_of(function: Any) -> CodeType | None:
    """Return the code of a function, or None where Python does not know it."""
    try:
        function = inspect.unwrap(function)
        while isinstance(function, partial):
            function = inspect.unwrap(function.func)
        code = getattr(function, "__code__", None) or function.__call__.__code__
    except BaseException:  # noqa: BLE001 - the user's class may do anything, and a line only decorates a message
        return None
    return code if isinstance(code, CodeType) else None


def line_of(function: Any) -> int | None:
    """Return the line where a function is defined, or None where Python does not know."""
    code = code_of(function)
    return code.co_firstlineno if code else None
