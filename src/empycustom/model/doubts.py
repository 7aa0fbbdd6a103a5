"""What the author of a library may not have meant by a result: sentences for ``empycustom check`` and for tests of libraries."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from empycustom.model.keys import LABEL
from empycustom.model.results import Result, is_padded, too_short

_NOT_FINITE = re.compile(r"(?<![\w'\"])(nan|NaN|-?inf|-?Infinity)\b")


def doubts(returned: Any, result: Result, objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what may not be meant: ``returned`` is what the callback returned about ``objects``, ``result`` what that means."""
    yield from result.ignored
    if isinstance(returned, str) and returned.strip():
        yield from _about_text(returned, result)
    elif places := list(_not_finite(returned, "")):
        yield f"{', '.join(places)}: NaN and infinities are not JSON and become null."
    entries = result.returned
    if isinstance(entries, list) and len(entries) < len(objects) and not is_padded(entries, len(objects)):
        yield f"It returned {too_short(len(entries), len(objects), objects[0][LABEL])}."
    if result.image and result.image[0] is None:
        yield "process returned None as out_buffer: with in-place=false the frame is dropped."


def _about_text(returned: str, result: Result) -> Iterator[str]:
    try:
        json.loads(returned)
    except ValueError:
        yield "It is text in Python's notation, as str(list) writes it: it is accepted, but return the list itself instead."
    if _NOT_FINITE.search(returned) and "null" in result.text:
        yield "It contains NaN or an infinity: these are not JSON and become null."


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """Yield the places of floats in a Python value that are not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        yield path.lstrip(".") or "the value"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{path}.{key}")
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{path}[{index}]")
