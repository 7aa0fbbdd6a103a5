"""Loading a custom library: every call makes a module of its own.

Two elements with the same file share nothing, nor do two files of one name in different folders, nor the modules that lie
beside a library (see :mod:`empycustom.library.modules`). Elements may start in several threads.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import symtable
import sys
import threading
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from empycustom.errors import LibraryError, LibraryImportError, LibraryNotFoundError, PathError
from empycustom.library.compiled import SUFFIX, is_compiled, read_compiled, stand_in
from empycustom.library.explain import is_kind, locate_error
from empycustom.library.modules import Package, given_in, is_given, without_package
from empycustom.text import absolute, as_path, meant, working_folder


class _Loaded(NamedTuple):
    """What a module was loaded as. ``path`` is the library's file, None where it is a dotted module."""

    package: Package
    path: Path | None
    custom_lib: str
    origin: str

    @property
    def is_copied(self) -> bool:
        """True for a module that Python finds by its own name, and whose own imports are everybody's."""
        return not self.path and not self.package.has(self.custom_lib.partition(".")[0])


_lock = threading.Lock()
_loaded: dict[int, _Loaded] = {}  # by the id of the module, whose name the library may change
_counted: set[str] = set()  # names of packages that are counted in the following
_GONE = "/proc/self/cwd"  # the working directory, where it is gone
_folders: dict[str, int] = {}  # folders that were put on sys.path here, and how many libraries use each at present
_waiting: dict[str, list[ModuleType]] = {}  # loaded ahead: modules by their path, or by their name


def load_ahead(custom_lib: str) -> ModuleType:
    """Load a library that an element is going to load: the next :func:`load` of the same file or module returns this one."""
    path = _file(custom_lib) if _is_file(custom_lib) else None
    module = _load(path, custom_lib, _folder_of(path))
    with _lock:
        _waiting.setdefault(str(path or custom_lib), []).append(module)
    return module


def origin_of(custom_lib: str) -> Path:
    """Return the file that a library would be loaded from, without running anything. Raises LibraryNotFoundError."""
    if _is_file(custom_lib):
        return _file(custom_lib)
    places: list[str] | None = [working_folder(), *sys.path]
    spec = None
    for part in custom_lib.split("."):
        spec = PathFinder.find_spec(part, places)
        places = list(spec.submodule_search_locations or ()) if spec else []
    if spec is None or spec.origin is None or not spec.has_location:
        raise _no_module(custom_lib, working_folder() or _GONE)
    return Path(spec.origin)


def names_in(custom_lib: str) -> set[str]:
    """Return the names that a library binds at its top level, without running it: it will be run by another process.

    It has none where it is not Python, which is reported when it is loaded. Raises LibraryNotFoundError.
    """
    path = origin_of(custom_lib)
    if is_compiled(str(path)):
        return set(read_compiled(str(path)).functions)
    try:
        table = symtable.symtable(path.read_text(encoding="utf-8"), str(path), "exec")
    except (SyntaxError, ValueError, OSError):
        return set()
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


def load(custom_lib: str, *, sources: dict[str, bytes] | None = None, own: bool = False) -> ModuleType:
    """Load the file or dotted module that ``custom_lib`` names, as a new module, and return it.

    A file is absolute, starts with ``~``, or is relative to the working directory. Raises LibraryNotFoundError if there is
    none, LibraryImportError (with the traceback) if running it fails. :func:`unload` frees what it takes. ``sources`` and
    ``own``: as for :func:`load_again`.
    """
    path = _file(custom_lib) if _is_file(custom_lib) else None
    if own:
        folder, only = _own_place(_as_loaded(path, custom_lib))
        return _load(path, custom_lib, folder, own=True, only=only, sources=sources)
    with _lock:
        waiting = _waiting.get(str(path or custom_lib))
        if waiting:
            return waiting.pop(0)
    return _load(path, custom_lib, _folder_of(path), sources=sources)


def _as_loaded(path: Path | None, custom_lib: str) -> _Loaded:
    """Return what a library would be loaded as."""
    folder, origin = _folder_of(path), str(path)
    with _lock:
        package = Package("", folder, shared=folder not in _folders and _is_on_path(folder))
    loaded = _Loaded(package, path, custom_lib, origin)
    if not loaded.is_copied:
        return loaded
    try:
        found = importlib.util.find_spec(custom_lib)
    except BaseException:  # noqa: BLE001 - loading it says what is wrong
        found = None
    return loaded._replace(origin=str(found.origin if found else os.path.join(folder, custom_lib)))


def _folder_of(path: Path | None) -> str:
    return str(path.parent) if path else working_folder() or _GONE


def load_again(module: ModuleType, sources: dict[str, bytes]) -> ModuleType:
    """Load the library of ``module``, which :func:`load` returned, as its files are now, beside it; return the new module.

    All modules that lie beside the library belong to the new one alone, whatever is on sys.path. ``sources`` gets what is
    run of each file of it, also where it fails, and later. Raises LibraryError.
    """
    before = _loaded[id(module)]
    folder, only = _own_place(before)
    return _load(before.path, before.custom_lib, folder, own=True, only=only, sources=sources)


def sources_of(module: ModuleType) -> dict[str, bytes]:
    """Return the files of the library that :func:`load` returned as ``module``, with what was run of each.

    It grows with what functions import.
    """
    return _loaded[id(module)].package.sources


def record_shared(module: ModuleType) -> None:
    """Add to the files of a library those of modules that lie beside it and are everybody's, as they are now."""
    loaded = _loaded[id(module)]
    if not (loaded.package.shared or loaded.is_copied):
        return
    folder, only = _own_place(loaded)
    for name, other in [*sys.modules.items()]:
        file = getattr(getattr(other, "__spec__", None), "origin", None)
        if type(file) is str and _lies_at(name, file, folder) and only in ("", name.partition(".")[0]):
            with suppress(OSError):  # what is gone cannot change
                loaded.package.sources.setdefault(file, Path(file).read_bytes())


def _own_place(loaded: _Loaded) -> tuple[str, str]:
    """Return the folder of a library, and the module or the package there that belongs to it; "": all of them."""
    if not loaded.is_copied:
        folder, only = loaded.package.folder, loaded.package.only
        return folder, Path(loaded.origin).stem if loaded.package.shared and is_installed(folder) else only
    parts = loaded.custom_lib.split(".")
    path = Path(loaded.origin)
    folder = str((path.parent if path.stem == "__init__" else path).parents[len(parts) - 1])
    return folder, "" if _is_on_path(folder) and not is_installed(folder) else parts[0]


def is_installed(folder: str) -> bool:
    """Return whether packages of others are installed in a folder."""
    try:
        return folder == os.path.dirname(os.__file__) or any(name.endswith(".dist-info") for name in os.listdir(folder))
    except OSError:  # it is gone, or it is an archive
        return False


def _lies_at(name: str, file: str, folder: str) -> bool:
    """Return whether a module's file is where its name says, in ``folder``."""
    place = os.path.join(folder, *name.split("."))
    return file in (f"{place}.py", os.path.join(place, "__init__.py"))


def _load(
    path: Path | None,
    custom_lib: str,
    folder: str,
    *,
    own: bool = False,
    only: str = "",
    sources: dict[str, bytes] | None = None,
) -> ModuleType:
    with _lock:  # two threads would remove the same entries, and one fail
        importlib.invalidate_caches()
    package = _open_package(folder, own=own, only=only, sources=sources)
    try:
        if path and is_compiled(str(path)):
            module, origin = stand_in(str(path)), str(path)
        else:
            spec = package.library_spec(str(path)) if path else _module_spec(custom_lib, package)
            module, origin = _execute(spec), str(spec.origin)
    except BaseException:
        _close_package(package)
        raise
    _loaded[id(module)] = _Loaded(package, path, custom_lib, origin)
    return module


def unload(module: ModuleType) -> None:
    """Forget a module that :func:`load` returned, so that it can be freed. A second call does nothing."""
    loaded = _loaded.pop(id(module), None)
    if loaded is not None:
        _close_package(loaded.package)


def _open_package(folder: str, *, own: bool, only: str, sources: dict[str, bytes] | None) -> Package:
    """Open a package for a library in ``folder``. The folder is on sys.path too, for those who import in other ways.

    A folder that was there before (an application's own, site-packages) goes on sharing its modules, unless they are to be its
    ``own``.
    """
    with _lock:
        is_place = only or (folder not in _folders and _is_on_path(folder))
        package = Package.opened(folder, shared=bool(is_place) and not own, only=only, sources=sources)
        if not is_place:
            _counted.add(package.name)
            _folders[folder] = _folders.get(folder, 0) + 1
            if folder not in sys.path:
                sys.path.append(folder)
        return package


def _close_package(package: Package) -> None:
    with _lock:
        package.close()
        if package.name in _counted:
            _counted.remove(package.name)
            _folders[package.folder] -= 1
            if not _folders[package.folder]:
                del _folders[package.folder]
                if package.folder in sys.path:
                    sys.path.remove(package.folder)


def _is_on_path(folder: str) -> bool:
    return folder in sys.path or ("" in sys.path and folder == working_folder())


def _is_file(custom_lib: str) -> bool:
    return (
        os.sep in custom_lib
        or custom_lib.endswith((".py", SUFFIX))
        or custom_lib.startswith("~")
        or os.path.exists(as_path(custom_lib))
    )


def _file(custom_lib: str) -> Path:
    try:
        path = absolute(as_path(custom_lib))
    except PathError as error:
        raise LibraryNotFoundError(f"custom-lib={error}", library=custom_lib) from error
    if not os.path.exists(path) and os.path.isfile(f"{path}.py"):
        path = path.with_name(f"{path.name}.py")
    problem = ""
    if os.path.isdir(path):
        problem = "is a folder; name the Python file in it"
    elif not os.path.exists(path):  # which takes a name that is too long, too
        problem = _missing(custom_lib, path)
    elif path.suffix != ".py" and not is_compiled(str(path)):
        problem = "is neither a Python file nor a compiled library; its name must end in .py, or in .so"
    elif not os.path.isfile(path):
        problem = "is a pipe or a device; name a Python file"
    if problem:
        raise LibraryNotFoundError(f"custom-lib={custom_lib} {problem}", library=str(path))
    return path


def _missing(custom_lib: str, path: Path) -> str:
    if custom_lib.startswith(("~", os.sep)):
        return "does not exist; give the path of a Python file"
    if not path.is_absolute():
        return "does not exist: the working directory is gone; give an absolute path"
    if not os.path.isdir(path.parent):
        return (
            f"does not exist: there is no folder {path.parent}; give a path that is right from {Path.cwd()}, or an absolute one"
        )
    return f"does not exist in {path.parent}; give a path that is right from there, or an absolute one"


def _module_spec(name: str, package: Package) -> ModuleSpec:
    full = f"{package.name}.{name}" if package.has(name.partition(".")[0]) else package.copy_name(name)
    try:
        found = importlib.util.find_spec(full) if all(map(str.isidentifier, name.split("."))) else None
    except BaseException as error:
        if type(error) is not ModuleNotFoundError or not f"{name}.".startswith(f"{without_package(str(error.name))}."):
            raise load_error(error, name) from error
        found = None  # the package that should hold it is what is missing
    if found is None or found.origin is None or not found.has_location:
        raise _no_module(name, package.folder)
    return found


def _no_module(name: str, folder: str) -> LibraryNotFoundError:
    place = "the working directory, which is gone," if folder == _GONE else folder
    what = f"custom-lib={name} is neither a file in {place} nor a module that Python finds; give the path of a Python file"
    return LibraryNotFoundError(f"{what}{_meant(name)}", library=name)


def _meant(name: str) -> str:
    """Return which module beside one that does not exist may be meant, if any has a similar name."""
    while "." in name:
        package, _, missing = name.rpartition(".")
        found = sys.modules.get(package)
        if places := getattr(found, "__path__", None):
            text = meant(missing, [each.name for each in pkgutil.iter_modules(places) if not each.name.startswith("_")])
            return text.replace("; ", f"; {package}.", 1)
        name = package
    return ""


def _execute(spec: ModuleSpec) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, pickle and others look their module up
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # both kinds of spec come with a loader
    except BaseException as error:
        sys.modules.pop(spec.name, None)
        raise load_error(error, str(spec.origin)) from error
    return module


# What can be done without packages that are not Python's own to install, by their names.
_WITHOUT = {
    "pyds": ". A library can do without it: what pyds reads, process_ip(io_buffer, in_meta, options) gets as in_meta",
    "hailo": ". It is part of Hailo's TAPPAS, not of PyPI. A library can do without it: its objects are in in_meta, which "
    "process_ip(io_buffer, in_meta, options) gets",
}


def load_error(error: BaseException, library: str) -> LibraryError:
    """Return the exception for a library that ``error`` keeps from being loaded."""
    found = locate_error(error, library)
    verb = "has a syntax error" if is_kind(error, SyntaxError) else "cannot be loaded"
    advice = ". That is how Ctrl-C ends it" if is_kind(error, KeyboardInterrupt) else ""
    if is_kind(error, ImportError) and (package := given_in(getattr(error, "name", None))):
        advice = f". {package} is empycustom's own here, and does not have that; 'empycustom check' lists all that is missing"
    elif type(error) is ModuleNotFoundError and is_given(error.name):
        advice = f". empycustom gives {error.name} to import statements alone: write one, or install it for {sys.prefix}"
    elif type(error) is ModuleNotFoundError and type(error.name) is str:
        advice = (
            f". The module {without_package(error.name)!r} is missing, not the library: install it for {sys.prefix} (Python "
            f"{sys.version_info.major}.{sys.version_info.minor}), or correct the import"
        )
        advice += _WITHOUT.get(error.name.partition(".")[0], "")
    return LibraryImportError(
        f"{found.place} {verb}: {found.text}{advice}", library=library, line=found.line, details=found.traceback
    )
