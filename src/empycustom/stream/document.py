"""The JSON text of a configuration as Python values, strictly: what JSON leaves open is an error with its line or place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from empycustom.errors import ConfigurationError
from empycustom.paths import read_json_text
from empycustom.stream.problems import TOO_DEEP, is_deep, odd_texts, refuse
from empycustom.text import for_people


def load(path: Path) -> Any:
    """Return what the file holds. Raises ConfigurationError with file and place, OSError where it cannot be read."""
    name = for_people(str(path))  # the messages of configurations may have several lines, so each is made fit for people here
    try:
        text = read_json_text(path)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name} is no UTF-8 text: {error.reason} at byte {error.start}.") from error
    except ValueError as error:
        raise ConfigurationError(f"{name} cannot be read: {error}.") from error
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
        if is_deep(document):
            raise RecursionError
        odd = list(odd_texts(document, "$"))
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1].strip()  # JSON counts no other ends of lines
        raise ConfigurationError(
            f"{name}, line {error.lineno}, column {error.colno}: {error.msg}{f': {line}' if line else ''}"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: {TOO_DEEP}") from error
    except ValueError as error:
        raise ConfigurationError(f"{name}: {for_people(str(error))}") from error
    refuse(path, document, odd)
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different; JSON would silently take the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f'the key "{twice}" is there twice in one object; several elements go into a list: "{twice}": [{{…}}, {{…}}]'
        )
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
