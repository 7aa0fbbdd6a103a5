"""docs/known-issues.md names tests; they are there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blocks import DOCS

PAGE = (DOCS / "known-issues.md").read_text(encoding="utf-8")
ROWS = [row.split(" | ") for row in re.findall(r"^\| (?!quoted|---)(.*) \|$", PAGE, re.MULTILINE)]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_is_there(file, name):
    tree = ast.parse((DOCS.parent / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_issue_names_one():
    assert len(ROWS) > 25
    assert [row[0] for row in ROWS if len(row) != 3 or "::test_" not in row[2]] == []
