"""Properties that hold JSON: ``options`` and ``events``."""

from __future__ import annotations

import json
from typing import Any

from empycustom.errors import PathError, PropertyError
from empycustom.paths import as_path, read_json_text

_SHOWN = 200  # characters of a line that a message shows


def read_object(name: str, text: str | None) -> dict[str, Any]:
    """Return the JSON object in ``text``, or in the file that ``@file.json`` names; ``{}`` for None and for blank text.

    Raises PropertyError, which names the property, where and what is wrong.
    """
    value = read_json(name, text)
    if not isinstance(value, dict):
        raise PropertyError(
            f"{name} is no JSON object but {type(value).__name__}: {text}; write {name}='{{\"key\": 1}}' or {name}=@file.json",
            name=name,
        )
    return value


def read_json(name: str, text: str | None) -> Any:
    """Return any JSON value in the same way; ``{}`` for None and for blank text."""
    if text is None or not text.strip():
        return {}
    source, content = name, text.removeprefix("\ufeff")
    if text.startswith("@"):
        source, content = f"{name}={text}", _read_file(name, text)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PropertyError(_complaint(name, source, content, error), name=name) from error


def _read_file(name: str, text: str) -> str:
    try:
        path = as_path(text[1:]).absolute()
    except PathError as error:
        raise PropertyError(f"{name}=@{error}", name=name) from error
    try:
        return read_json_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PropertyError(
            f"{name}={text}: {path} cannot be read ({reason}); give the path of a JSON file", name=name
        ) from error


def _complaint(name: str, source: str, content: str, error: Exception) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return f"{source} is no JSON ({error})"
    where = f"line {error.lineno}, column {error.colno}"
    hint = ""
    if '"' not in content:
        hint = " (JSON wants double quotes; in a shell write it in single ones)"
    elif source == name and (error.pos >= len(content) or error.msg.startswith("Unterminated")):
        hint = f" (the text ends too early: gst-launch-1.0 cuts values off at some blanks; write {name}=@file.json)"
    line = content.split("\n")[error.lineno - 1].strip()  # JSON counts no other ends of lines
    return f"{source} is no JSON: {error.msg} at {where}: {line[:_SHOWN]}{'…' * (len(line) > _SHOWN)}{hint}"
