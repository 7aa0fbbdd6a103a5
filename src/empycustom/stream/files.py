"""The files that a configuration names: where they are looked for, and which of them are not there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from empycustom.errors import PathError
from empycustom.paths import as_native, as_path, as_text
from empycustom.stream.kinds import Problem, below

CALLBACK_FILE = "emi_signal_callback.py"
_OWN = ("config-file-path", "ll-config-file", "ll-lib-file")  # of DeepStream's elements
_MADE = ("model-engine-file",)  # the same, of a file that the element makes where it is missing
_NAME = "signal_callback_function_name"


def found(folder: Path, name: str) -> Path | None:
    """Find the file ``name``: beside the configuration, or in ``resource`` there, where applications keep theirs."""
    places = (folder / expanded(name), folder / "resource" / expanded(name))
    return next((place for place in places if os.path.isfile(place)), None)  # which takes a name that is too long, too


def expanded(name: str) -> Path:
    """Return the path that ``name`` means, with the home folder for ``~`` where that is known."""
    try:
        return as_path(name)
    except PathError:
        return Path(as_native(name))


def resolved(folder: Path, key: str, value: Any) -> Any:
    """Return the value of a property, where it is the name of a file that is there: as an absolute path."""
    place = found(folder, value) if key in (*_OWN, *_MADE) and isinstance(value, str) and value else None
    return value if place is None else as_text(place)


def missing_of_library(folder: Path, given: Mapping[str, Any], path: str, said: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the files of a library that are not there.

    It stands at ``path``; ``said`` is where options said some of its properties. What is ``given`` need not be right otherwise.
    """
    listed, others = said.get("libraries") or below(path, "libraries"), given.get("libraries")
    files = {said.get("custom-lib") or below(path, "custom-lib"): given.get("custom-lib")}
    files |= {below(listed, index): library for index, library in enumerate(others if isinstance(others, list) else [])}
    for index, (place, file) in enumerate(files.items()):
        if not isinstance(file, str) or not file or (not index and _is_module(file)):
            continue
        if found(folder, file) is None:
            yield Problem(place, _why_not(folder, file, f" in {folder}, nor in the folder resource there"))


def _is_module(name: str) -> bool:
    return os.sep not in name and not name.endswith((".py", ".so")) and not name.startswith("~")


def missing_of_element(folder: Path, given: Mapping[str, Any], path: str, said: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the files of one of DeepStream's elements that are not there; it looks in the working directory, too."""
    for key in _OWN:
        file = given.get(key)
        # A name without a folder may be that of a library that the system finds.
        if not isinstance(file, str) or not file or (key == "ll-lib-file" and os.sep not in file):
            continue
        if found(folder, file) is None and not os.path.isfile(expanded(file)):
            where = f" in {folder}, nor in the folder resource there, nor in the working directory"
            yield Problem(said.get(key) or below(path, key), _why_not(folder, file, where))


def missing_callback(folder: Path, document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the file of the signal callback, if one is asked for and it is not there."""
    name = document.get(_NAME)
    if name and isinstance(name, str) and not (folder / CALLBACK_FILE).is_file():
        yield Problem(below("$", _NAME), f"{name} is looked for in {CALLBACK_FILE}, which is not in {folder}")


def _why_not(folder: Path, file: str, where: str) -> str:
    if any(os.path.isdir(folder / inside / expanded(file)) for inside in ("", "resource")):
        return f"{file} is a folder; name a file in it"
    return f"{file} does not exist{'' if expanded(file).is_absolute() else where}"
