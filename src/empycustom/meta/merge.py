"""How what several libraries said about the same thing becomes one."""

from __future__ import annotations

from typing import Any, Final


class _Nothing:
    """Nobody said anything: not even null, which is a value."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __bool__(self) -> bool:
        return False


NOTHING: Final = _Nothing()


def is_nothing(said: Any) -> bool:
    """Whether ``said`` says nothing: the seed's ``{}``, an empty text, null, or nothing at all."""
    return not said and (said is NOTHING or said is None or said == {} or said == "")


def merge(earlier: Any, later: Any) -> Any:
    """Return ``later`` on top of ``earlier``: dicts key by key, at every depth; anything else replaces.

    Words are merged from the left, in pipeline order: a value that is no dict wipes out what was said before it. Neither argument
    is changed; the result may share parts with both.
    """
    if later is NOTHING:
        return earlier
    if isinstance(earlier, dict) and isinstance(later, dict):
        return {**earlier, **{key: merge(earlier[key], value) if key in earlier else value for key, value in later.items()}}
    return later
