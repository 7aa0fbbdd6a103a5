"""Claims of the README besides its blocks (tests/docs/test_pages.py runs them)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_commands_named_exist():
    """Every `empycustom COMMAND` of the README has a help."""
    commands = set(re.findall(r"empycustom (run|launch|new|check|schema|doctor|plugin-path|studio|batch)\b", README))
    assert {"run", "check", "launch", "doctor", "studio"} <= commands
    for command in commands:
        line = [sys.executable, "-m", "empycustom", command, "--help"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert "usage: empycustom" in done.stdout


def test_the_pictures_are_small():
    """They are in the repository, and everybody who opens the page waits for them."""
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    assert sum((ROOT / picture).stat().st_size for picture in pictures) < 400_000


def test_it_is_read_in_one_go():
    """What is looked up is on the site."""
    assert len(README.splitlines()) < 150
