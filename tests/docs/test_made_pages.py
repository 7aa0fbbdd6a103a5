"""What is made by programs is as they make it: pages of the elements and of the command line, pictures."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = ("elements/empycustom.md", "elements/aimeta.md", "elements/perf.md", "commands.md", "pictures/way.svg")


def make(root, *arguments):
    command = [sys.executable, root / "tools" / "pages", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_pages_are_as_they_are_made():
    done = make(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == done.stderr == ""


def test_what_is_missing_is_told_and_made(tmp_path):
    shutil.copytree(ROOT / "tools" / "pages", tmp_path / "tools" / "pages")
    (tmp_path / "docs").mkdir()
    done = make(tmp_path, "--check")
    assert done.returncode == 1, done.stderr
    for name in MADE:
        assert name in done.stdout
        assert not (tmp_path / "docs" / name).exists()
    assert make(tmp_path).returncode == 0
    for name in MADE:
        assert (tmp_path / "docs" / name).read_bytes() == (ROOT / "docs" / name).read_bytes()
