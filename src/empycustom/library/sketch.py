"""What a library looks like from outside, before anybody runs it: a module made from its text.

Commands that choose the format of frames do it before the library is loaded, often by another process.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from empycustom.errors import LibraryError
from empycustom.library.compiled import is_compiled
from empycustom.library.dialects import AUTO, COMPILED, OWN, USUAL_FORMATS, recognized
from empycustom.library.load import origin_of
from empycustom.text import syntax_tree

_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef)
_HOLDING = (ast.stmt, ast.ExceptHandler, ast.match_case)  # statements


def usual_format(libraries: Iterable[tuple[Any, Mapping[str, Any]]], default: str = "RGBA") -> str:
    """Return the pixel format of frames for libraries where none is named, with the settings of how each is called.

    It is that of the first one whose dialect has a format; but a compiled library gets ``default``, which is RGBA or becomes it.
    """
    names = [dialect_of(library, settings) for library, settings in libraries]
    if COMPILED in names:
        return default
    return next((USUAL_FORMATS[name] for name in names if name in USUAL_FORMATS), default)


def dialect_of(library: Any, settings: Mapping[str, Any]) -> str:
    """Return the name of the dialect of a library, as far as its text shows it. What is wrong with it is not reported here."""
    name = settings.get("dialect", AUTO)
    if name != AUTO:
        return str(name)
    if not isinstance(library, str):
        return OWN
    try:
        path = origin_of(library)
        if is_compiled(str(path)):
            return COMPILED
        return recognized(_sketch(path), settings).name
    except (LibraryError, OSError, SyntaxError, ValueError):
        return OWN


def _sketch(path: Path) -> ModuleType:
    """Return a module with the names of a file: its functions with their arguments, its classes, and what it imports."""
    made = ModuleType(path.stem)
    for node in _statements(syntax_tree(path.read_bytes(), str(path)).body):
        for name, value in _bound(node, path.stem):
            setattr(made, name, value)
    return made


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the statements that run when a file is loaded, those in if, try and with as well."""
    for node in body:
        yield node
        if not isinstance(node, (*_DEFINED, ast.ClassDef)):
            yield from _statements(each for each in ast.iter_child_nodes(node) if isinstance(each, _HOLDING))


def _bound(node: ast.AST, module: str) -> Iterator[tuple[str, Any]]:
    """Yield the names that a statement binds, with what stands for their values."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0], ModuleType(alias.name)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, _Imported(alias.name, (), {"__module__": node.module or ""})
    elif isinstance(node, _DEFINED):
        yield node.name, _Function(node.args)
    elif isinstance(node, ast.ClassDef):
        content = {each.name: None for each in node.body if isinstance(each, _DEFINED)}
        yield node.name, type(node.name, (), {**content, "__module__": module})
    elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant):
        yield from ((each.id, _Imported("", (), {})) for each in node.targets if isinstance(each, ast.Name))


class _Imported(type):
    """What a name from elsewhere stands for: it may be a function with any arguments, or a class."""

    __signature__ = inspect.Signature([inspect.Parameter("arguments", inspect.Parameter.VAR_POSITIONAL)])


class _Function:
    """A function of a library, which is never called: its signature."""

    def __init__(self, arguments: ast.arguments) -> None:
        kind = inspect.Parameter
        positional = [*arguments.posonlyargs, *arguments.args]
        needed = len(positional) - len(arguments.defaults)
        parameters = [
            kind(each.arg, kind.POSITIONAL_ONLY, default=kind.empty if index < needed else None)
            for index, each in enumerate(positional)
        ]
        if arguments.vararg:
            parameters.append(kind(arguments.vararg.arg, kind.VAR_POSITIONAL))
        parameters += [
            kind(each.arg, kind.KEYWORD_ONLY, default=kind.empty if default is None else None)
            for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ]
        self.__signature__ = inspect.Signature(parameters)

    def __call__(self) -> None:
        """Do nothing."""
