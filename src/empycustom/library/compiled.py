"""Compiled libraries as files: which machine one is for, and which functions it has, without loading it.

Loading runs what its authors let run then, and a program for another machine is only "no such file" to the system's loader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from empycustom.errors import LibraryImportError

SUFFIX = ".so"
_KEPT = "__compiled__"  # of a module in the place of a library
# ELF, as far as it is read: its header, the headers of its sections, and its symbols, all of 64 bits and little-endian.
_MAGIC, _IDENT, _KIND_AT = b"\x7fELF", b"\x02\x01", 16
_HEADER, _SECTION, _SYMBOL = struct.Struct("<16x2H4xQQQ4x6H"), struct.Struct("<2I4Q2I2Q"), struct.Struct("<IBBHQQ")
_KINDS = {
    1: ("an object file", "; link it with gcc -shared"),
    2: ("a program", "; build it with gcc -shared -fPIC"),
    4: ("a core dump", ""),
}
_SHARED, _DYNAMIC_SYMBOLS, _LOCAL = 3, 11, 0
_CODE = (0, 2, 10)  # types of symbols that may be functions: none, a function, one that is chosen when it is loaded
_MACHINES = {
    3: "x86",
    8: "MIPS",
    21: "PowerPC 64",
    22: "S390",
    40: "ARM (32 bits)",
    62: "x86-64",
    183: "ARM 64 (aarch64)",
    243: "RISC-V",
}


class Compiled(NamedTuple):
    """A compiled library that this machine can load: its file, and the names of the functions that it shows."""

    path: str
    functions: frozenset[str]

    def mangled(self, name: str) -> str:
        """Return what to do about a function that is there as C++ names it; empty: it is not."""
        found = sorted(other for other in self.functions if other.startswith(f"_Z{len(name)}{name}"))
        return f'it has {found[0]}, which is {name} as C++ names it: declare {name} as extern "C"' if found else ""

    def lacking(self, name: str) -> str:
        """Return what a library has where a function is expected."""
        if not self.functions:
            return "it shows no functions at all: build it without -fvisibility=hidden"
        close = get_close_matches(name, self.functions, n=1)
        return f"{close[0]} may be meant" if close else f"it has {_listed(self.functions)}"


def is_compiled(path: Any) -> bool:
    """Return whether a library is the file of a compiled one, by its name: ``lib.so``, or ``lib.so.1``."""
    return isinstance(path, str) and SUFFIX in Path(path).suffixes


def compiled_of(target: Any) -> Compiled | None:
    """Return what is known of the compiled library that :func:`stand_in` made a module for; None: it is something else."""
    return getattr(target, _KEPT, None) if isinstance(target, ModuleType) else None


def stand_in(path: str) -> ModuleType:
    """Return a module in the place of a compiled library, which is not loaded yet. Raises LibraryImportError."""
    module = ModuleType(Path(path).name)
    module.__file__ = path
    setattr(module, _KEPT, read_compiled(path))
    return module


def read_compiled(path: str) -> Compiled:
    """Read what a file says about itself. Raises LibraryImportError where it is not a library for this machine."""
    try:
        content = Path(path).read_bytes()
        with open("/proc/self/exe", "rb") as program:
            own = program.read(_KIND_AT + 4)
    except OSError as error:
        raise LibraryImportError(f"{path} cannot be read: {error.strerror}", library=path) from error
    problem = _problem(content[: _KIND_AT + 4], own)
    if problem:
        raise LibraryImportError(f"{path} {problem}", library=path)
    try:
        return Compiled(path, frozenset(_functions(content)))
    except (struct.error, ValueError) as error:
        what = f"{path} is damaged or not complete ({error}): build it, or copy it, again"
        raise LibraryImportError(what, library=path) from error


def _problem(head: bytes, own: bytes) -> str:
    """Return what keeps a file with this beginning from being loaded by a process whose own file has that beginning."""
    if not head.startswith(_MAGIC):
        return "is not a compiled library (ELF), whatever its name says; build it with gcc -shared -fPIC"
    if len(head) < len(own):
        return "is damaged or not complete: build it, or copy it, again"
    kind, machine = struct.unpack_from("<2H", head, _KIND_AT)
    if head[4:6] != own[4:6] or machine != struct.unpack_from("<2H", own, _KIND_AT)[1]:
        other = struct.unpack_from("<2H", own, _KIND_AT)[1]
        return f"is for another machine, {_machine(machine)}, and this one is {_machine(other)}: build it for this one"
    if kind != _SHARED:
        found, advice = _KINDS.get(kind, (f"of the ELF type {kind}", ""))
        return f"is {found}, not a shared library{advice}"
    return ""


def _machine(number: int) -> str:
    return _MACHINES.get(number, f"number {number} of ELF")


def _functions(content: bytes) -> Iterator[str]:
    """Yield the names of functions that a library shows to others."""
    if content[4:6] != _IDENT:
        raise ValueError("only files of 64 bits, little-endian, are read")
    _, _, _, _, sections_at, _, _, _, size, count, _ = _HEADER.unpack_from(content)
    sections = [_SECTION.unpack_from(content, sections_at + index * size) for index in range(count)]
    for _, kind, _, _, place, length, link, _, _, _ in sections:
        if kind != _DYNAMIC_SYMBOLS:
            continue
        names_at, names_length = sections[link][4:6]
        names = content[names_at : names_at + names_length]
        for name, info, _, section, _, _ in _SYMBOL.iter_unpack(content[place : place + length]):
            if section and info >> 4 != _LOCAL and info & 15 in _CODE:
                yield names[name : names.index(b"\0", name)].decode("utf-8", "replace")


_LISTED = 5


def _listed(names: frozenset[str]) -> str:
    first = sorted(name for name in names if not name.startswith("_"))[:_LISTED] or sorted(names)[:_LISTED]
    return f"{', '.join(first)}{', …' if len(names) > len(first) else ''}"
