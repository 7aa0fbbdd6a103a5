"""The fixture that compiles libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from compiling import WHY_NOT, build


@pytest.fixture
def compiled(tmp_path):
    """Compile a library, see :func:`compiling.build`, and return its path; each is a new file."""
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    count = 0

    def make(source: str, *options: str, name: str = "") -> Path:
        nonlocal count
        count += 1
        return build(source, tmp_path / (name or f"lib{count}.so"), *options)

    return make
