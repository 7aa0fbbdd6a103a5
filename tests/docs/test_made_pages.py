"""What is made by programs is as they make it: pages of the elements and of the command line, pictures."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = ("elements/empycustom.md", "elements/aimeta.md", "elements/perf.md", "commands.md", "pictures/way.svg")


def make(root, *arguments):
    command = [sys.executable, root / "tools" / "pages", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_pages_are_as_they_are_made():
    done = make(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == done.stderr == ""


def test_what_is_missing_is_reported_and_made(tmp_path):
    shutil.copytree(ROOT / "tools" / "pages", tmp_path / "tools" / "pages")
    (tmp_path / "docs").mkdir()
    done = make(tmp_path, "--check")
    assert done.returncode == 1, done.stderr
    for name in MADE:
        assert name in done.stdout
        assert not (tmp_path / "docs" / name).exists()
    assert make(tmp_path).returncode == 0
    assert not any((tmp_path / "docs" / name).exists() for name in ("pixels.md", "metadata.md"))
    for name in MADE:
        assert (tmp_path / "docs" / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_a_table_that_is_not_as_it_is_made_is_reported_and_made(tmp_path):
    shutil.copytree(ROOT / "tools" / "pages", tmp_path / "tools" / "pages")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs" / "pixels.md"
    made = page.read_text()
    page.write_text(made.replace("| `YUY2` | YUYV (h, w, 2) |", "| `YUY2` | YUYV (h, w/2, 4) |"))
    assert "pixels.md in docs: not as tools/pages makes them" in make(tmp_path, "--check").stdout
    assert make(tmp_path).returncode == 0
    assert page.read_text() == made


@pytest.mark.parametrize("name", ["gvapython", "hailopython"])
def test_an_element_that_inherits_shows_its_own_defaults_and_the_signals_that_it_inherits(name):
    text = (ROOT / "docs" / "elements" / f"{name}.md").read_text()
    rows = {row.split(" | ")[0]: row.split(" | ")[1:] for row in text.splitlines() if row.startswith("| `")}
    assert rows["| `dialect`"][1] == f"`{name}`"
    assert rows["| `in-place`"][1] == "`true`"
    assert "| `emcustom` | " in text
    assert "| `new-meta` | " in text


def test_no_table_of_an_element_is_empty_and_each_value_is_explained():
    for page in sorted((ROOT / "docs" / "elements").glob("*.md")):
        text = page.read_text()
        assert not re.search(r"\| --- \|\n*(\Z|\n#)", text), page.name
        assert not re.findall(r"`(\w+)`: \1\b", text), page.name
        assert "|  |  |" not in text, page.name
