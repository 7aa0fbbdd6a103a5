"""Everything that is wrong with a file, told at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from empycustom.errors import ConfigurationError
from empycustom.stream.kinds import Problem, below
from empycustom.text import for_people

_ODD = re.compile("[\0\ud800-\udfff]")


def refuse(file: Path, document: Any, problems: Iterable[Problem]) -> None:
    """Raise ConfigurationError if there are ``problems``: a line each, in the order of the file, then those of what was typed."""
    places = {path: index for index, (path, _) in enumerate(_walk(document, "$"))}
    found = sorted(dict.fromkeys(problems), key=lambda problem: places.get(problem.path, len(places)))
    if not found:
        return
    lines = [for_people(str(problem)) for problem in found]
    if found[0].path.startswith("$"):
        name = for_people(str(file))
        lines = [f"{name}: {lines[0]}"] if len(lines) == 1 else [f"{name}: {len(lines)} problems", *lines]
    raise ConfigurationError("\n".join(lines), path=found[0].path)


_DEEPEST = 100  # levels of lists and objects
TOO_DEEP = "lists and objects are nested too deeply"


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested so deeply that Python's own functions may fail with them."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [entry for item in level for entry in _entries(item)]
        if not level:
            return False
    return True


def _entries(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def odd_texts(value: Any, path: str) -> Iterator[Problem]:
    """Yield the texts, keys included, that C cannot hold (NUL) or that are no Unicode (half of a surrogate pair)."""
    for place, item in _walk(value, path):
        for text in item if isinstance(item, dict) else [item]:
            if isinstance(text, str) and (found := _ODD.search(text)):
                what = f"the key {json.dumps(text)}" if isinstance(item, dict) else "this text"
                yield Problem(place, f"{what} holds {json.dumps(found[0])[1:-1]}, which no text can hold here; leave it out")


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every place of a document in its order: the JSON path, and what stands there."""
    yield path, value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _walk(entry, below(path, key))
