"""docs/architecture.md names the rooms that there are, and who imports whom; docs/api.md has every public name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pure"))
sys.path.insert(0, str(Path(__file__).parent))

import rooms
from blocks import DOCS

import empycustom

ROOT = DOCS.parent
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| `([\w.-]+)/?` \| .*? \| (.*?) ?\|$", PAGE.split("## One frame's way")[0], re.MULTILINE)


def test_the_rooms_are_those_of_the_tree():
    there = {path.name for path in rooms.ROOT.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")}
    assert sorted(name for name, _ in TABLE) == sorted(there)


def test_they_import_what_the_page_lists():
    known = {name.removesuffix(".py") for name, _ in TABLE}
    for name, said in TABLE:
        room = name.removesuffix(".py")
        found = {module.split(".")[1] for _, module in rooms.imports_of(room) if module.startswith("empycustom.")}
        assert set(re.findall(r"`(\w+)`", said)) == (found & known) - {room}, room


def test_the_files_that_it_names_are_there():
    named = re.findall(r"`((?:[\w-]+/)+[\w.-]+\.\w+)`", PAGE)
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists() or (rooms.ROOT / name).exists(), name


def test_the_tests_that_it_names_are_there():
    assert set(re.findall(r"`(tests/\w+)`", PAGE)) == {
        f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py")) and path.name != "examples"
    }


def test_every_public_name_is_in_the_api():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in empycustom.__all__:
        assert re.search(rf"\b{name}\b", page), name
