"""docs/errors.md: each message about modules for gvapython is provoked, and each that is provoked stands there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import empycustom

sys.path.insert(0, str(Path(__file__).parent))

from error_rows import compare

GOOD = "def process_frame(frame):\n    return True\n"
CLASS = "class Counter:\n    def __init__(self, line):\n        pass\n    def process_frame(self, frame):\n        return True\n"
CASES = [  # the properties, with the module in the place of "@", and the module
    ("", GOOD),
    ("module=@ custom-lib=other.py", GOOD),
    ("module=/none.py", GOOD),
    ("module=@ function=other", GOOD),
    ('module=@ class=Counter kwarg={\\"line\\":1} function=other', CLASS),
    ("module=@ class=process_frame", GOOD),
    ("module=@ class=Counter", CLASS),
    ("module=@", "def process_frame(frame, other):\n    return True\n"),
    ('module=@ kwarg={\\"line\\":1}', GOOD),
    ("module=@", "def process_frame(frame):\n    pass\n"),
    ("module=@", "from gstgva import AudioFrame\n"),
    ("module=@", "import importlib\nimportlib.import_module('gstgva')\n"),
    ("module=@", "async def process_frame(frame):\n    return True\n"),
]


@pytest.fixture
def said(play, library):
    """Play gvapython, and return the first message on the bus."""

    def run(properties, text):
        file = library(text, "module.py")
        played = play(f"videotestsrc num-buffers=2 ! gvapython {properties.replace('@', str(file))} ! fakesink")
        return next(text for text, _ in [*played.errors, *played.warnings])

    return run


def test_modules_for_gvapython(said):
    empycustom.register()
    compare("A module for gvapython cannot be used", [said(*case) for case in CASES])
