"""Warnings about calls that take long, which a busy machine brings for any library: most tests pass over them."""

from __future__ import annotations

import re

# Longer than a frame; or in a worker for more than ten seconds: tests that are about that set a shorter time.
_ABOUT_TIME = re.compile(r"live video falls behind|has not returned for \d\d+ s at ")


def is_about_time(text: str) -> bool:
    """Whether a text is such a warning, or has one in it."""
    return bool(_ABOUT_TIME.search(text))
