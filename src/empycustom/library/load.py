"""Loading a custom library: every call makes a module of its own.

Two elements with the same file share nothing, nor do two files of one name in different folders, nor the modules that lie
beside a library and are imported while it is loaded. Elements may start in several threads: a lock keeps one load at a time.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from empycustom.errors import LibraryError, LibraryImportError, LibraryNotFoundError
from empycustom.library.blame import blame

_lock = threading.RLock()
_serial = itertools.count(1)
_folders: dict[str, int] = {}  # folders that were put on sys.path here, and how many libraries use each
_PREFIX = "empycustom_library_"


def load(custom_lib: str) -> ModuleType:
    """Load the file or dotted module that ``custom_lib`` names, as a new module, and return it.

    A file is absolute, starts with ``~``, or is relative to the working directory. Raises LibraryNotFoundError if there is
    none, LibraryImportError (with the traceback) if running it fails. :func:`unload` gives back what it holds.
    """
    with _lock:
        module = _execute(*(_file_spec(custom_lib) if _is_file(custom_lib) else _module_spec(custom_lib)))
        folder = _folder_of(module)
        if folder not in sys.path:
            sys.path.append(folder)  # for what it imports later, inside its callbacks
            _folders[folder] = 0
        if folder in _folders:
            _folders[folder] += 1
        return module


def unload(module: ModuleType) -> None:
    """Forget a module that :func:`load` returned, so that it can be freed."""
    with _lock:
        sys.modules.pop(module.__name__, None)
        folder = _folder_of(module)
        if folder in _folders:
            _folders[folder] -= 1
            if not _folders[folder]:
                del _folders[folder]
                sys.path.remove(folder)


def _folder_of(module: ModuleType) -> str:
    return os.path.dirname(module.__file__ or "")


def _is_file(custom_lib: str) -> bool:
    return os.sep in custom_lib or custom_lib.endswith(".py") or custom_lib.startswith("~") or Path(custom_lib).exists()


def _file_spec(custom_lib: str) -> tuple[ModuleSpec, str]:
    path = Path(custom_lib).expanduser().absolute()
    if path.is_dir():
        raise LibraryNotFoundError(f"custom-lib={custom_lib} is a folder; name the Python file in it", library=str(path))
    if not path.exists():
        raise LibraryNotFoundError(_missing(custom_lib, path), library=str(path))
    if path.suffix == ".so":
        raise LibraryNotFoundError(f"custom-lib={custom_lib} is a compiled library; name a Python file", library=str(path))
    name = f"{_PREFIX}{next(_serial)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise LibraryNotFoundError(f"custom-lib={custom_lib} is no Python file; its name must end in .py", library=str(path))
    return spec, str(path.parent)


def _missing(custom_lib: str, path: Path) -> str:
    if Path(custom_lib).expanduser().is_absolute():
        return f"custom-lib={custom_lib} does not exist; give the path of a Python file"
    return f"custom-lib={custom_lib} does not exist in {path.parent}; give a path that is right from there, or an absolute one"


def _module_spec(name: str) -> tuple[ModuleSpec, str]:
    folder = os.getcwd()
    with _first_on_path(folder):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise _failed(error, name) from error
            found = None  # the package that should hold it is what is missing
        except (ImportError, ValueError) as error:
            raise _failed(error, name) from error
    if found is None or found.origin is None or not found.has_location:
        raise LibraryNotFoundError(
            f"custom-lib={name} is neither a file in {folder} nor a module that Python finds; give the path of a Python file",
            library=name,
        )
    # A name of its own, in the same package, so that relative imports work.
    spec = importlib.util.spec_from_file_location(f"{name}_empycustom_{next(_serial)}", found.origin)
    if spec is None:
        raise LibraryNotFoundError(f"custom-lib={name} is no Python module: {found.origin}", library=found.origin)
    return spec, folder


def _execute(spec: ModuleSpec, folder: str) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, pickle and others look their module up
    try:
        with _first_on_path(folder), _own_siblings(folder):
            spec.loader.exec_module(module)  # type: ignore[union-attr]  # both kinds of spec come with a loader
    except BaseException as error:
        del sys.modules[spec.name]
        raise _failed(error, str(spec.origin)) from error
    return module


def _failed(error: BaseException, library: str) -> LibraryError:
    found = blame(error, library)
    verb = "has a syntax error" if isinstance(error, SyntaxError) else "cannot be loaded"
    advice = ""
    if isinstance(error, ModuleNotFoundError):
        advice = (
            f". The module {error.name!r} is missing, not the library: install it for {sys.prefix} (Python "
            f"{sys.version_info.major}.{sys.version_info.minor}), or correct the import"
        )
    return LibraryImportError(
        f"{found.place} {verb}: {found.what}{advice}", library=library, line=found.line, details=found.traceback
    )


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


@contextmanager
def _own_siblings(folder: str) -> Iterator[None]:
    """Let the library import the modules beside it anew: hide those of others before, and keep its own to itself after.

    A folder that is an ordinary place for imports (an application's own, site-packages) keeps sharing its modules.
    """
    if folder in sys.path[1:] and folder not in _folders:
        yield
        return
    before = _siblings(folder)
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in _siblings(folder):
            del sys.modules[name]
        sys.modules.update(before)


def _siblings(folder: str) -> dict[str, ModuleType]:
    tops = {name for name, module in [*sys.modules.items()] if "." not in name and _lies_in(module, folder)}
    return {name: module for name, module in [*sys.modules.items()] if name.partition(".")[0] in tops}


def _lies_in(module: ModuleType, folder: str) -> bool:
    origin = getattr(module, "__file__", None)
    if not isinstance(origin, str) or module.__name__ == "__main__" or module.__name__.startswith(_PREFIX):
        return False
    place = os.path.dirname(origin)
    return (os.path.dirname(place) if hasattr(module, "__path__") else place) == folder
