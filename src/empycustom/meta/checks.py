"""Checks of plain values that a callback returned: of a value, or of what a dict has under a key, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from empycustom.errors import OutputError
from empycustom.meta.values import shown
from empycustom.text import meant

Check = Callable[[Any, str], Any] | None

INTS = range(-(2**31), 2**31)  # what an int of GStreamer's metadata holds
IDS = range(-1, 2**64)
LARGEST = 2**31 - 1


def described(value: Any) -> str:
    """Return the type of a value and the value itself, as a message shows them."""
    return f"{type(value).__name__} {shown(value)}"


def check_dict(value: Any, path: str) -> None:
    """Raise OutputError where a value is something else."""
    if not isinstance(value, dict):
        raise OutputError(f"is {described(value)}, but must be a dict", path=path)


def check_keys(value: Any, path: str, known: Iterable[str], own: str) -> None:
    """Raise OutputError where a value is not a dict of these keys alone; ``own``: where attributes of one's own belong."""
    check_dict(value, path)
    for key in value:
        if key not in known:
            raise OutputError(f"{unknown(key, known)}. Attributes of your own belong under {own}", path=path)


def unknown(key: str, known: Iterable[str]) -> str:
    """Return what is said of an unknown key: which one may be meant, and which there are."""
    return f"the key {shown(key)} is unknown{meant(key, known)}; known are {', '.join(known)}"


def check_values(value: Mapping[str, Any], path: str, checks: Mapping[str, Check]) -> None:
    """Check the values of a dict, each by the check of its key; null is like a key that is not there."""
    for key, item in value.items():
        check = checks[key]
        if check is not None and item is not None:
            check(item, f"{path}.{key}" if path else key)


def check_each(value: Any, path: str, check: Check) -> None:
    """Check the entries of a list. Raises OutputError."""
    if not isinstance(value, list):
        raise OutputError(f"is {described(value)}, but must be a list", path=path)
    for index, item in enumerate(value):
        if check is not None:
            check(item, f"{path}[{index}]")


def whole(value: dict[str, Any], key: str, path: str, default: int, allowed: range = INTS) -> int:
    """Return the whole number under a key. Raises OutputError where it is something else, or not ``allowed``."""
    number = value.get(key, default)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or number not in allowed:
        wanted = f"a whole number from {allowed.start} to {allowed.stop - 1}"
        raise OutputError(f"is {shown(number)}, but must be {wanted}", path=f"{path}.{key}")
    return number


def real(value: dict[str, Any], key: str, path: str, default: float | None) -> float:
    """Return the number under a key. Raises OutputError where it is something else, or too large for metadata."""
    number = value.get(key, default)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or abs(number) > LARGEST:
        raise OutputError(f"is {shown(number)}, but must be a finite number from -{LARGEST} to {LARGEST}", path=f"{path}.{key}")
    return float(number)


def string(value: dict[str, Any], key: str, path: str) -> str:
    """Return the text under a key, ``""`` where there is none. Raises OutputError where it is something else."""
    text = value.get(key, "")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise OutputError(f"is {described(text)}, but must be a text", path=f"{path}.{key}")
    return text
