"""Paths through messages, ``object.rect_params.left``: of the keys that are sent, and of the value that is watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empycustom.errors import PublishError
from empycustom.model import keys
from empycustom.model.fields import Key
from empycustom.model.schema import Array, Field, Number, Object, OneOf, Schema, Text
from empycustom.text import suggestion

Path = tuple[str, ...]
_FRAME = {name: its.schema for name, its in keys.FRAME_DICT.fields.items() if isinstance(its, Key) and its.documented}


def checked_paths(setting: str, text: str, fields: Mapping[str, Field]) -> list[Path]:
    """Return the paths of ``fields`` or ``without``, from a key of a message, or of its frame. Raises PublishError."""
    known = {name: its.schema for name, its in fields.items()} | (_FRAME if keys.FRAMES in fields else {})
    made = [tuple(path.strip().split(".")) for path in text.split(",") if path.strip()]
    for path in made:
        _check(setting, path, known, is_indexed=False)
    return made


def checked_watch(text: str) -> Path:
    """Return the path of ``watch``, which begins with a key of a frame, and names entries of lists. Raises PublishError."""
    path = tuple(text.split(".")) if text else ()
    if path:
        _check("watch", path, _FRAME, is_indexed=True)
    return path


def _check(setting: str, path: Path, known: Mapping[str, Schema], *, is_indexed: bool) -> None:
    first, *rest = path
    if first not in known:
        raise PublishError(f"{setting}: no message has {first}; {suggestion(first, list(known))}")
    schema, where = known[first], first
    for name in rest:
        if is_indexed and isinstance(schema, Array):
            if not name.isdecimal():
                raise PublishError(f"{setting}: {where} is a list; name one entry by its number, such as {where}.0.{name}")
            below: Mapping[str, Schema] | None = {name: schema.items}
        else:
            below = _below(schema)
        if below is None:
            return
        if name not in below:
            why = suggestion(name, list(below)) if below else "it is one value"
            raise PublishError(f"{setting}: {where} has no {name}; {why}")
        schema, where = below[name], f"{where}.{name}"


def _below(schema: Schema) -> dict[str, Schema] | None:
    """Return what a value has by name, or each entry of a list; None: it may have anything, as attributes of libraries."""
    if isinstance(schema, Array):
        return _below(schema.items)
    if isinstance(schema, OneOf):
        shapes = [_below(each) for _, each in schema.shapes]
        known = [each for each in shapes if each is not None]
        return {name: each[name] for each in known for name in each} if len(known) == len(shapes) else None
    if isinstance(schema, Object) and schema.others is None:
        return {name: its.schema for name, its in schema.fields.items()}
    return {} if isinstance(schema, (Text, Number)) else None


def value_at(value: Any, path: Path) -> Any:
    """Return what a path leads to, None: nothing."""
    for name in path:
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return None
    return value


def _by_name(paths: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, *rest in paths:
        found.setdefault(name, []).append(tuple(rest))
    return found


def only(value: Any, paths: list[Path]) -> Any:
    """Return what the paths lead to; those that lead nowhere from here are looked for in the entries of ``frame`` as well."""
    if () in paths:
        return value
    if isinstance(value, list):
        return [only(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    wanted = _by_name(paths)
    wanted.setdefault(keys.FRAMES, paths)
    return {name: only(each, wanted[name]) for name, each in value.items() if name in wanted}


def without(value: Any, paths: list[Path]) -> Any:
    """Return a value without what the paths lead to."""
    if isinstance(value, list):
        return [without(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    unwanted = _by_name(paths)
    unwanted.setdefault(keys.FRAMES, paths)
    return {
        name: without(each, unwanted[name]) if name in unwanted else each
        for name, each in value.items()
        if () not in unwanted.get(name, ())
    }
