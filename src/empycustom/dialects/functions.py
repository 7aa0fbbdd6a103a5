"""The functions and classes of a module that properties name: found, and checked as far as Python knows their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from empycustom.errors import CallbackMissingError, CallbackSignatureError
from empycustom.library.dialects import line_of, problem_of
from empycustom.text import suggestion


class ByFunction:
    """Base of a dialect that calls a function of any name; without a setting, the ``usual`` one."""

    usual = ""

    def names(self, target: Any) -> set[str]:
        """Return the function that is called where nothing is set."""
        return {self.usual} & {*vars(target)}

    def hints(self, target: Any, path: str) -> Iterator[CallbackMissingError]:  # noqa: ARG002 - any function may be one
        """Yield nothing."""
        return iter(())


def found_in(target: Any, path: str, name: str, setting: str) -> Any:
    """Return what a setting names, of a module or of a class. Raises CallbackMissingError."""
    found = getattr(target, name, None)
    if found is not None:
        return found
    what = f"has no {name}, which {setting}={name} needs; {_instead(target, name, setting)}"
    if isinstance(target, type):
        raise CallbackMissingError.at(path, line_of_class(target), f"the class {target.__name__} {what}", callback=name)
    raise CallbackMissingError(f"{path} {what}", library=path, callback=name)


def _instead(target: Any, name: str, setting: str) -> str:
    """Return what to do where a module, or a class, does not have what a setting names."""
    own = {
        each: value
        for each, value in vars(target).items()
        if getattr(value, "__module__", None) == vars(target).get("__module__", vars(target).get("__name__"))
    }
    classes = [each for each, value in own.items() if isinstance(value, type)]
    if setting == "function" and (having := [each for each in classes if hasattr(own[each], name)]):
        return f"the class {having[0]} has it: set class={having[0]}"
    known = classes if setting == "class" else [each for each in own if each not in classes and not each.startswith("_")]
    methods = [f"class={each} function={method}" for each in classes for method in _for_frames(own[each])]
    if setting == "function" and methods and not get_close_matches(name, known):
        return f"{' or '.join(methods[:3])} may be meant"
    return suggestion(name, known) if known else f"define a {setting} of this name, or set {setting} to another one"


def _for_frames(made: type) -> list[str]:
    """Return the methods of a class that may be called with a frame alone."""
    found = []
    for name, value in vars(made).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            with suppress(TypeError):
                inspect.signature(value).bind("self", "frame")
                found.append(name)
    return found


def line_of_class(made: type) -> int | None:
    """Return the line where a class is defined, or None where Python does not know."""
    try:
        return inspect.findsource(made)[1] + 1
    except (OSError, TypeError):
        return None


def check(function: Any, path: str, name: str, arguments: str) -> None:
    """Raise CallbackSignatureError unless a function can be called with ``arguments``, named as where it is defined."""
    if problem := problem_of(function):
        advice = f"; define {name}({arguments}), which returns its result" if callable(function) else ""
        raise CallbackSignatureError.at(path, line_of(function), f"{name} {problem}{advice}", callback=name)
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(*filter(None, arguments.split(", ")))
    except TypeError:
        given = "with a VideoFrame" if arguments else "without arguments"
        what = f"{name} takes {signature}, but is called {given}; define {name}({arguments})"
        raise CallbackSignatureError.at(path, line_of(function), what, callback=name) from None
