"""Loading a custom library: every call makes a module of its own.

Two elements with the same file share nothing, nor do two files of one name in different folders, nor the modules that lie
beside a library (see :mod:`empycustom.library.imports`). Elements may start in several threads.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import re
import sys
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from empycustom.errors import LibraryError, LibraryImportError, LibraryNotFoundError, PathError
from empycustom.library.blame import blame
from empycustom.library.imports import Imports, without_package
from empycustom.paths import as_path

_lock = threading.Lock()
_serial = itertools.count(1)
_loaded: dict[str, Imports] = {}  # by the name of the module
_folders: dict[str, int] = {}  # folders that were put on sys.path here, and how many libraries use each at present
_waiting: dict[str, list[ModuleType]] = {}  # loaded ahead: modules by their path, or by their name


def load_ahead(custom_lib: str) -> ModuleType:
    """Load a library that an element is going to load: the next :func:`load` of the same file or module returns this one."""
    path = _file(custom_lib) if _is_file(custom_lib) else None
    module = _load(path, custom_lib)
    with _lock:
        _waiting.setdefault(str(path or custom_lib), []).append(module)
    return module


def load(custom_lib: str) -> ModuleType:
    """Load the file or dotted module that ``custom_lib`` names, as a new module, and return it.

    A file is absolute, starts with ``~``, or is relative to the working directory. Raises LibraryNotFoundError if there is
    none, LibraryImportError (with the traceback) if running it fails. :func:`unload` gives back what it holds.
    """
    path = _file(custom_lib) if _is_file(custom_lib) else None
    with _lock:
        waiting = _waiting.get(str(path or custom_lib))
        if waiting:
            return waiting.pop(0)
    return _load(path, custom_lib)


def _load(path: Path | None, custom_lib: str) -> ModuleType:
    importlib.invalidate_caches()
    imports = _enter(str(path.parent) if path else os.getcwd())
    try:
        spec = _file_spec(path, imports) if path else _module_spec(custom_lib, imports)
        module = _execute(spec)
    except BaseException:
        _leave(imports)
        raise
    _loaded[module.__name__] = imports
    return module


def unload(module: ModuleType) -> None:
    """Forget a module that :func:`load` returned, so that it can be freed. A second call does nothing."""
    imports = _loaded.pop(module.__name__, None)
    if imports is not None:
        sys.modules.pop(module.__name__, None)
        _leave(imports)


def _enter(folder: str) -> Imports:
    """Open a package for a library in ``folder``. The folder is on sys.path too, for those who import in other ways.

    A folder that was there before (an application's own, site-packages) goes on sharing its modules.
    """
    with _lock:
        shared = folder not in _folders and _is_on_path(folder)
        if not shared:
            _folders[folder] = _folders.get(folder, 0) + 1
            if folder not in sys.path:
                sys.path.append(folder)
    imports = Imports(folder, shared=shared)
    imports.open()
    return imports


def _leave(imports: Imports) -> None:
    imports.close()
    with _lock:
        if imports.folder in _folders:
            _folders[imports.folder] -= 1
            if not _folders[imports.folder] and imports.folder in sys.path:
                sys.path.remove(imports.folder)


def _is_on_path(folder: str) -> bool:
    return folder in sys.path or ("" in sys.path and folder == os.getcwd())


def _is_file(custom_lib: str) -> bool:
    return os.sep in custom_lib or custom_lib.endswith(".py") or custom_lib.startswith("~") or os.path.exists(as_path(custom_lib))


def _file(custom_lib: str) -> Path:
    try:
        path = as_path(custom_lib).absolute()
    except PathError as error:
        raise LibraryNotFoundError(f"custom-lib={error}", library=custom_lib) from error
    problem = ""
    if os.path.isdir(path):
        problem = "is a folder; name the Python file in it"
    elif not os.path.exists(path):  # which takes a name that is too long, too
        problem = _missing(custom_lib, path)
    elif path.suffix == ".so":
        problem = "is a compiled library; name a Python file"
    elif path.suffix != ".py":
        problem = "is no Python file; its name must end in .py"
    if problem:
        raise LibraryNotFoundError(f"custom-lib={custom_lib} {problem}", library=str(path))
    return path


def _missing(custom_lib: str, path: Path) -> str:
    if custom_lib.startswith(("~", os.sep)):
        return "does not exist; give the path of a Python file"
    return f"does not exist in {path.parent}; give a path that is right from there, or an absolute one"


def _file_spec(path: Path, imports: Imports) -> ModuleSpec:
    stem = re.sub(r"\W", "_", path.stem)
    return imports.spec(f"{imports.package}.{stem}", str(path))


def _module_spec(name: str, imports: Imports) -> ModuleSpec:
    own = imports.has(name.partition(".")[0])
    full = f"{imports.package}.{name}" if own else name
    try:
        found = importlib.util.find_spec(full)
    except BaseException as error:
        if not isinstance(error, ModuleNotFoundError) or not f"{full}.".startswith(f"{error.name}."):
            raise _failed(error, name) from error
        found = None  # the package that should hold it is what is missing
    if found is None or found.origin is None or not found.has_location:
        raise LibraryNotFoundError(
            f"custom-lib={name} is neither a file in {imports.folder} nor a module that Python finds; "
            "give the path of a Python file",
            library=name,
        )
    if own:
        return found
    # A name of its own, in the same package, so that relative imports work.
    single = importlib.util.spec_from_file_location(f"{name}_empycustom_{next(_serial)}", found.origin)
    if single is None:
        raise LibraryNotFoundError(f"custom-lib={name} is no Python module: {found.origin}", library=found.origin)
    return single


def _execute(spec: ModuleSpec) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, pickle and others look their module up
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # both kinds of spec come with a loader
    except BaseException as error:
        sys.modules.pop(spec.name, None)
        raise _failed(error, str(spec.origin)) from error
    return module


def _failed(error: BaseException, library: str) -> LibraryError:
    found = blame(error, library)
    verb = "has a syntax error" if isinstance(error, SyntaxError) else "cannot be loaded"
    advice = ""
    if isinstance(error, ModuleNotFoundError):
        advice = (
            f". The module {without_package(str(error.name))!r} is missing, not the library: install it for {sys.prefix} (Python "
            f"{sys.version_info.major}.{sys.version_info.minor}), or correct the import"
        )
    return LibraryImportError(
        f"{found.place} {verb}: {found.what}{advice}", library=library, line=found.line, details=found.traceback
    )
