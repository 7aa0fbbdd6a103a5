"""The warning about a call that is longer than a frame: a busy machine brings it for any library, so most tests pass over it."""

from __future__ import annotations


def is_about_time(text: str) -> bool:
    """Whether a text is that warning, or has it in it."""
    return "live video falls behind" in text
