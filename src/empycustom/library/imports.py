"""What an import statement does inside a custom library: the modules that lie beside it are its own.

Each library lives in a package that exists in memory alone and whose path is the library's folder. An import statement in it,
at load time or later inside a callback, that names a module of that folder gets a submodule of that package; so no two
libraries meet in ``sys.modules``, whatever their helpers are called. Everything else is imported as anywhere.
"""

from __future__ import annotations

import builtins
import importlib.util
import itertools
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

_PREFIX = "empycustom_library_"
_OWN = re.compile(rf"\b{_PREFIX}\d+\.")
_serial = itertools.count(1)
_open: dict[str, Imports] = {}


def without_package(text: str) -> str:
    """Return ``text`` with the names of modules as the user wrote them."""
    return _OWN.sub("", text)


class Imports:
    """The package of one library. ``shared``: its folder is an ordinary place for imports, whose modules are everybody's."""

    def __init__(self, folder: str, *, shared: bool) -> None:
        self.folder, self.package = folder, f"{_PREFIX}{next(_serial)}"
        self.builtins = {**vars(builtins), "__import__": self._import}
        self._shared = shared
        self._beside: dict[str, bool] = {}

    def open(self) -> None:
        """Make the package importable."""
        package = sys.modules[self.package] = ModuleType(self.package)
        package.__path__ = [self.folder]
        _open[self.package] = self

    def close(self) -> None:
        """Forget the package and every module in it, so that they can be freed."""
        _open.pop(self.package, None)
        for name in [*sys.modules]:
            if name.partition(".")[0] == self.package:
                del sys.modules[name]

    def spec(self, name: str, file: str, parts: list[str] | None = None) -> ModuleSpec:
        """Return how to load ``file`` as the module ``name`` of this package; ``parts``: it is a package with these folders."""
        loader = _Loader(name, file, self)
        spec = importlib.util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=parts)
        return spec or ModuleSpec(name, loader, origin=file)

    def has(self, name: str) -> bool:
        """Say whether the module ``name`` (without a dot) is one of those beside the library."""
        if name not in self._beside:
            self._beside[name] = not self._shared and self._lies_beside(name)
        return self._beside[name]

    def _lies_beside(self, name: str) -> bool:
        if name in sys.builtin_module_names:
            return False
        spec = PathFinder.find_spec(name, [self.folder])
        return spec is not None and (spec.origin is not None or not _is_installed(name))

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
        top = name.partition(".")[0]
        if level or not self.has(top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{self.package}.{name}", None, None, fromlist)
        return module if fromlist else sys.modules[f"{self.package}.{top}"]


def _is_installed(name: str) -> bool:
    """Say whether Python finds more under ``name`` than a folder that happens to be called so."""
    if name in sys.modules:
        return True
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


class _Loader(SourceFileLoader):
    """Runs a file with the import statement of its library."""

    def __init__(self, name: str, path: str, imports: Imports) -> None:
        super().__init__(name, path)
        self._imports = imports

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002 - importlib's interface
        # Always from the source: cached bytecode is told from a newer source by its size and its time in whole seconds.
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._imports.builtins
        super().exec_module(module)


class _Finder:
    """Finds the modules of the packages that are open."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        imports = _open.get(name.partition(".")[0])
        spec = PathFinder.find_spec(name, path, target) if imports else None
        if imports and spec and isinstance(spec.loader, SourceFileLoader):
            return imports.spec(name, spec.loader.path, spec.submodule_search_locations)
        return spec


sys.meta_path.insert(0, _Finder)
