"""The names of modules of custom libraries, by which any Python finds them, and what their import statements mean.

Each library lives in a package of its own, whose name contains the path of its folder: ``empycustom.library.f1+home+me`` is the
first of those from ``/home/me``. So a process that multiprocessing started, or one that reads a pickle, imports the same file by
the same name. Modules that lie beside the library are modules of that package: an import statement that names one is compiled as
an import of that. So no two libraries meet in ``sys.modules``, whatever their helpers are called. Everything else is imported as
anywhere, also what is imported without a statement.
"""

from __future__ import annotations

import ast
import importlib.util
import linecache
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from itertools import count
from types import CodeType, ModuleType, TracebackType
from typing import Any

from empycustom.text import as_native, syntax_tree

_ROOT = __name__.rpartition(".")[0]
_OURS = _ROOT.partition(".")[0]  # the package empycustom itself, of which there is one
# What import statements of libraries get in the place of packages of other projects' dialects: where those are not installed, or,
# of the second, always.
GIVEN = {"gstgva": f"{_OURS}.dialects.gstgva"}
ALWAYS_GIVEN = {"gsthailo": f"{_OURS}.dialects.gsthailo"}
_ALL_GIVEN = GIVEN | ALWAYS_GIVEN
# f: a folder whose modules belong to the library; s: one whose modules are everybody's; o: one where one belongs to the library,
# which is named behind the folder.
_FOLDER = re.compile(rf"{re.escape(_ROOT)}\.([fso])\d+(\+[0-9A-Za-z_+-]*)")
_INSIDE = re.compile(rf"{_FOLDER.pattern}\.(?:\+([0-9A-Za-z_+-]+))?")


def without_package(text: str) -> str:
    """Return ``text`` with the names of modules as the user wrote them."""
    for name, ours in _ALL_GIVEN.items():
        text = text.replace(ours, name)
    return _INSIDE.sub(lambda found: _read(found[3] or "", "."), text)


def given_in(name: Any) -> str:
    """Return the package in whose place empycustom gives the module of this name; ``""``: it is another one."""
    return next((package for package, ours in _ALL_GIVEN.items() if f"{name}.".startswith(f"{ours}.")), "")


def is_given(name: Any) -> bool:
    """Return whether import statements that name this module get empycustom's own, where it is not installed."""
    return str(name).partition(".")[0] in _ALL_GIVEN


# What may stand in a name: also GObject makes names of types from names of modules.
def _spelled(text: str, separator: str) -> str:
    spelled = re.sub(rb"[^0-9A-Za-z_]", lambda found: b"-%02X" % found[0][0], os.fsencode(text)).decode()
    return spelled.replace(f"-{ord(separator):02X}", "+")


def _read(spelled: str, separator: str) -> str:
    text = spelled.replace("+", f"-{ord(separator):02X}")
    return os.fsdecode(re.sub(rb"-([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode()))


def file_of_library(tb: TracebackType | None) -> str:
    """Return the file, of a library or beside one, that a traceback came through last; ``""`` where it came through none."""
    found = ""
    while tb is not None:
        if _INSIDE.match(str(tb.tb_frame.f_globals.get("__name__"))):
            found = tb.tb_frame.f_code.co_filename
        tb = tb.tb_next
    return found


_sources: dict[str, dict[str, bytes]] = {}  # of open packages by their names: the files that were run, and what was in them
_kept: dict[str, bytes] = {}  # what is run of some files, whatever is in them now


def keep(sources: Mapping[str, bytes]) -> None:
    """Let these files be run as they are given here, whatever is in them by then, and let tracebacks show that."""
    _kept.update(sources)
    for path, source in sources.items():
        lines = importlib.util.decode_source(source).splitlines(keepends=True)
        linecache.cache[path] = len(source), None, lines, path  # None: it is not compared with the file


@dataclass(frozen=True)
class Package:
    """The package of one library.

    ``shared``: its folder is an ordinary place for imports, whose modules are everybody's. ``only``: all but this one, a module
    or a package.
    """

    name: str
    folder: str
    shared: bool
    only: str = ""

    @classmethod
    def opened(cls, folder: str, *, shared: bool, only: str = "", sources: dict[str, bytes] | None = None) -> Package:
        """Make a new package, and make it importable. ``sources`` gets what is run of each file of it, by its path."""
        kind, place = "s" if shared else "o" if only else "f", _spelled(os.path.join(folder, only) if only else folder, os.sep)
        name = next(name for number in count(1) if (name := f"{_ROOT}.{kind}{number}{place}") not in sys.modules)
        package = cls(name, folder, shared, only)
        sys.modules[package.name] = importlib.util.module_from_spec(package.spec())
        _sources[name] = {} if sources is None else sources
        return package

    @classmethod
    def named(cls, name: str) -> Package | None:
        """Return the package that a name means; None where it means none."""
        found = _FOLDER.fullmatch(name)
        if not found:
            return None
        folder, only = _read(found[2], os.sep), ""
        if found[1] == "o":
            folder, only = os.path.split(folder)
        return cls(name, folder, found[1] == "s", only)

    @property
    def sources(self) -> dict[str, bytes]:
        """The code that was run of each file of this package, by its path. It grows with imports in functions."""
        return _sources[self.name]

    def close(self) -> None:
        """Forget the package and every module in it, so that they can be freed."""
        _sources.pop(self.name, None)
        for name in [*sys.modules]:
            if f"{name}.".startswith(f"{self.name}."):
                sys.modules.pop(name, None)

    def spec(self) -> ModuleSpec:
        """Return how to load the package itself."""
        loader: Any = _Folder(self.folder)
        spec = ModuleSpec(self.name, loader, is_package=True)
        spec.submodule_search_locations = [self.folder]
        return spec

    def library_spec(self, path: str) -> ModuleSpec:
        """Return how to load the file at ``path``, in the folder, as a module of this package."""
        stem = os.path.basename(path).removesuffix(".py")
        spec = self.module_spec(f"{self.name}.{_spelled(stem, os.sep)}", [self.folder])
        if spec is None or spec.origin != path:  # a folder or a compiled module of the same name goes before the file
            spec = self._source_spec(f"{self.name}.{_spelled(f'{stem}.py', os.sep)}", path, None)
        return spec

    def copy_name(self, module: str) -> str:
        """Return the name, in this package, of one more copy of a module that Python finds by its own name."""
        return f"{self.name}.+{_spelled(module, '.')}"

    def module_spec(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return how to load the module of this name in the folders of its package, None where there is none."""
        last = name.rpartition(".")[2]
        if last.startswith("+"):
            return _copied(name, _read(last[1:], "."))
        file = os.path.join(self.folder, f"{_read(last, os.sep).removesuffix('.py')}.py")
        if "-" in last and os.path.exists(file):
            return self._source_spec(name, file, None)
        spec = PathFinder.find_spec(as_native(name), path)
        if spec and isinstance(spec.loader, SourceFileLoader):
            return self._source_spec(name, spec.loader.path, spec.submodule_search_locations)
        if spec:
            spec.name = name
        return spec

    def _source_spec(self, name: str, file: str, parts: list[str] | None) -> ModuleSpec:
        loader = _Loader(name, file, self)
        spec = importlib.util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=parts)
        return spec or ModuleSpec(name, loader, origin=file)

    def has(self, name: str) -> bool:
        """Return whether the module ``name`` (without a dot) lies beside the library."""
        if self.shared or name in sys.builtin_module_names or name == _OURS or (self.only and name != self.only):
            return False
        spec = PathFinder.find_spec(as_native(name), [self.folder])
        return spec is not None and (spec.origin is not None or not _is_installed(name))


def _is_installed(name: str) -> bool:
    """Return whether Python finds more than a folder that happens to have that name."""
    if name in sys.modules:
        return True
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


class _Folder:
    """Loads a package where only its name is known, for the sake of a module in it: in another process."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make it."""

    def exec_module(self, module: ModuleType) -> None:  # noqa: ARG002 - importlib's interface
        """Let its modules be found by those who import in other ways than by a statement."""
        if self._folder not in sys.path:
            sys.path.append(self._folder)


class _Loader(SourceFileLoader):
    """Runs a file whose import statements mean the modules of a package first, or (None) what they mean anywhere.

    Packages that are GIVEN are given in both cases.
    """

    def __init__(self, name: str, path: str, package: Package | None) -> None:
        super().__init__(name, path)
        self._package = package

    def get_code(self, fullname: str) -> CodeType | None:
        # Always from the source: cached bytecode is compared with the source by its size and its time in whole seconds.
        source = _kept[self.path] if self.path in _kept else self.get_data(self.path)
        read = _sources.get(_package_in(fullname))
        if read is not None:
            read[self.path] = source
        tree = syntax_tree(source, self.path)
        _Imports(self._package).visit(tree)
        return self.source_to_code(tree, self.path)

    def exec_module(self, module: ModuleType) -> None:
        before, _running.is_library = getattr(_running, "is_library", False), True
        try:
            super().exec_module(module)
        finally:
            _running.is_library = before


_running = threading.local()  # is_library: this thread runs a file of a library, whose imports may need what is given


class _Imports(ast.NodeTransformer):
    """Makes import statements that name modules beside the library name these modules in full."""

    def __init__(self, package: Package | None) -> None:
        self._package = package

    def _full(self, name: str) -> str | None:
        """Return the name that is meant by one in an import statement, None: it means what it means anywhere."""
        top, dot, rest = name.partition(".")
        if self._package and self._package.has(top):
            return f"{self._package.name}.{name}"
        given = ALWAYS_GIVEN.get(top) or (GIVEN.get(top) if top in GIVEN and not _is_installed(top) else None)
        return f"{given}{dot}{rest}" if given else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.module and not node.level:
            node.module = self._full(node.module) or node.module
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        made = [statement for alias in node.names for statement in self._imports(alias)]
        return [ast.copy_location(statement, node) for statement in made]

    def _imports(self, alias: ast.alias) -> list[ast.Import]:
        top, full = alias.name.partition(".")[0], self._full(alias.name)
        if full is None:
            return [ast.Import([alias])]
        # `import a.b` loads a.b, and then gives a.
        pairs = [(full, alias.asname or top)]
        if alias.name != top and not alias.asname:
            pairs.append((full.removesuffix(alias.name.removeprefix(top)), top))
        return [ast.Import([ast.copy_location(ast.alias(name, given), alias)]) for name, given in pairs]


class _Elsewhere(ModuleSpec):
    """A module of another package than the one in its name: one that was loaded before, by its own name, remains there."""

    def __init__(self, name: str, package: str | None, loader: Any, origin: str) -> None:
        super().__init__(name, loader, origin=origin)
        self.has_location = True
        self._package = package

    @property
    def parent(self) -> str | None:
        return self._package


def _package_in(name: str) -> str:
    """Return the part of the name of a library's module that names its package."""
    return ".".join(name.split(".")[: _ROOT.count(".") + 2])


class _Finder:
    """Finds the modules of libraries by their names."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG004 - importlib's
        if not name.startswith(f"{_ROOT}."):
            return None
        top = _package_in(name)
        package = Package.named(top)
        if package is None:
            return None
        return package.spec() if name == top else package.module_spec(name, path)


def _copied(name: str, module: str) -> ModuleSpec | None:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None or not found.has_location:
        return None
    single = importlib.util.spec_from_file_location(name, found.origin)
    if single is None:
        return None
    loader = _Loader(name, found.origin, None) if isinstance(single.loader, SourceFileLoader) else single.loader
    return _Elsewhere(name, found.parent, loader, found.origin)


class _HelperFinder:
    """Finds what libraries import from elsewhere, where that imports what is given in its turn: it gets that, too.

    Such a module keeps its own name, and is everybody's. Only what a library imports while it is loaded is looked at.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG004 - importlib's
        given = _ALL_GIVEN
        if not getattr(_running, "is_library", False) or name.partition(".")[0] in {*given, _OURS}:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        source = spec.loader.get_data(spec.loader.path)
        if not any(package.encode() in source for package in given):
            return None
        spec.loader = _Loader(name, spec.loader.path, None)
        return spec


sys.meta_path.insert(0, _Finder)
sys.meta_path.insert(1, _HelperFinder)
