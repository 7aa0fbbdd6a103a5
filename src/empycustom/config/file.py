"""The file of a configuration: strict reading of its JSON, all its problems in one error, and the files that it names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from empycustom.errors import ConfigurationError, PathError
from empycustom.model.schema import Problem
from empycustom.text import as_native, as_path, as_text, below, for_people, read_json_text

_INVALID = re.compile("[\0\ud800-\udfff]")


def raise_problems(file: Path, content: Any, problems: Iterable[Problem]) -> None:
    """Raise ConfigurationError if there are ``problems``: a line each, in the order of the file, then those of ``--set``."""
    places = {path: index for index, (path, _) in enumerate(_walk(content, "$"))}
    found = sorted(dict.fromkeys(problems), key=lambda problem: places.get(problem.path, len(places)))
    if not found:
        return
    lines = [for_people(str(problem)) for problem in found]
    if found[0].path.startswith("$"):
        name = for_people(str(file))
        lines = [f"{name}: {lines[0]}"] if len(lines) == 1 else [f"{name}: {len(lines)} problems", *lines]
    raise ConfigurationError("\n".join(lines), path=found[0].path)


_MAX_DEPTH = 100  # levels of lists and objects
TOO_DEEP = "lists and objects are nested too deeply"


def is_deep(value: Any) -> bool:
    """Return whether lists and objects are nested so deeply that Python's own functions may fail with them."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [entry for item in level for entry in _entries(item)]
        if not level:
            return False
    return True


def _entries(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def invalid_texts(value: Any, path: str) -> Iterator[Problem]:
    """Yield the texts, keys included, that C cannot represent (NUL) or that are not Unicode (half of a surrogate pair)."""
    for place, item in _walk(value, path):
        for text in item if isinstance(item, dict) else [item]:
            if isinstance(text, str) and (found := _INVALID.search(text)):
                what = f"the key {json.dumps(text)}" if isinstance(item, dict) else "this text"
                yield Problem(place, f"{what} has {json.dumps(found[0])[1:-1]} in it, which is not possible here; leave it out")


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every value in what is in a file, in its order, with its JSON path."""
    yield path, value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _walk(entry, below(path, key))


# Reading JSON strictly: what JSON leaves open is an error with its line or path.


def load(path: Path) -> Any:
    """Return the JSON value in a file. Raises ConfigurationError with file and place, OSError if it cannot be read."""
    name = for_people(str(path))  # here, because messages of configurations may have several lines
    try:
        text = read_json_text(path)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except ValueError as error:
        raise ConfigurationError(f"{name} cannot be read: {error}.") from error
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        if is_deep(content):
            raise RecursionError
        odd = list(invalid_texts(content, "$"))
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1].strip()  # JSON counts no other ends of lines
        raise ConfigurationError(
            f"{name}, line {error.lineno}, column {error.colno}: {error.msg}{f': {line}' if line else ''}"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: {TOO_DEEP}") from error
    except ValueError as error:
        raise ConfigurationError(f"{name}: {for_people(str(error))}") from error
    raise_problems(path, content, odd)
    return content


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys are all different; JSON would silently take the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f'the key "{twice}" is there twice in one object; several elements go into a list: "{twice}": [{{…}}, {{…}}]'
        )
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


# Files that a configuration names.


CALLBACK_FILE = "emi_signal_callback.py"
_OWN = ("config-file-path", "ll-config-file", "ll-lib-file")  # of DeepStream's elements
_MADE = ("model-engine-file",)  # of files that the element makes if they are missing
_NAME = "signal_callback_function_name"


def find_file(folder: Path, name: str) -> Path | None:
    """Find the file ``name``: in the folder of the configuration, or in the folder ``resource`` there."""
    places = (folder / expanded(name), folder / "resource" / expanded(name))
    return next((place for place in places if os.path.isfile(place)), None)  # isfile: also for names that are too long


def expanded(name: str) -> Path:
    """Return the path of ``name``, with the home folder for ``~`` if that is known."""
    try:
        return as_path(name)
    except PathError:
        return Path(as_native(name))


def resolved(folder: Path, key: str, value: Any) -> Any:
    """Return the value of a property; the name of an existing file as an absolute path."""
    place = find_file(folder, value) if key in (*_OWN, *_MADE) and isinstance(value, str) and value else None
    return value if place is None else as_text(place)


def missing_of_library(folder: Path, given: Mapping[str, Any], path: str, set_at: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the missing files of a library.

    ``path`` is its JSON path; ``set_at`` is where options set some of its properties. ``given`` may have other errors.
    """
    listed, others = set_at.get("libraries") or below(path, "libraries"), given.get("libraries")
    files = {set_at.get("custom-lib") or below(path, "custom-lib"): given.get("custom-lib")}
    files |= {below(listed, index): library for index, library in enumerate(others if isinstance(others, list) else [])}
    for index, (place, file) in enumerate(files.items()):
        if not isinstance(file, str) or not file or (not index and _is_module(file)):
            continue
        if find_file(folder, file) is None:
            yield Problem(place, _why_not(folder, file, f" in {folder}, nor in the folder resource there"))


def _is_module(name: str) -> bool:
    return os.sep not in name and not name.endswith((".py", ".so")) and not name.startswith("~")


def missing_of_element(folder: Path, given: Mapping[str, Any], path: str, set_at: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the missing files of one of DeepStream's elements, which also looks in the working directory."""
    for key in _OWN:
        file = given.get(key)
        # A name without a folder may be that of a library that the system finds.
        if not isinstance(file, str) or not file or (key == "ll-lib-file" and os.sep not in file):
            continue
        if find_file(folder, file) is None and not os.path.isfile(expanded(file)):
            where = f" in {folder}, nor in the folder resource there, nor in the working directory"
            yield Problem(set_at.get(key) or below(path, key), _why_not(folder, file, where))


def missing_callback(folder: Path, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the file of the signal callback, if a callback is named and the file is missing."""
    name = content.get(_NAME)
    if name and isinstance(name, str) and not (folder / CALLBACK_FILE).is_file():
        yield Problem(below("$", _NAME), f"{name} is looked for in {CALLBACK_FILE}, which is not in {folder}")


def _why_not(folder: Path, file: str, where: str) -> str:
    if any(os.path.isdir(folder / inside / expanded(file)) for inside in ("", "resource")):
        return f"{file} is a folder; name a file in it"
    return f"{file} does not exist{'' if expanded(file).is_absolute() else where}"
