"""The public names as type checkers see them: tests/typed/public_names.py is code of a user. `make check` has pyright, too."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import empycustom

ROOT = Path(__file__).parents[1]
USER = ROOT / "tests/typed/public_names.py"


@pytest.fixture
def said(common, tmp_path):
    """Return what mypy --strict prints about a file beside the installed package; what it finds out is kept for the next one."""

    def check(text):
        name = (
            f"user_{hashlib.sha256(text.encode()).hexdigest()}.py"  # mypy takes a file of the same second and size for the same
        )
        (tmp_path / name).write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(common / "mypy"), name]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False).stdout

    return check


def test_mypy_accepts_code_that_uses_all_of_it(said):
    assert said(USER.read_text()) == "Success: no issues found in 1 source file\n"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("assert_type(frame.format, str)", "assert_type(frame.format, int)"),
        ("assert_type(error.line, int | None)", "assert_type(error.line, Any)"),
        ("empycustom.map_frame(io_buffer, in_meta, writable=True)", "empycustom.map_frame(io_buffer, in_meta, writeable=True)"),
        ("result.frame_num, int", "result.frame_number, int"),
        ("messages: Sequence[Message]", "messages: str"),
    ],
)
def test_mypy_finds_mistakes_in_it(said, right, wrong):
    text = USER.read_text()
    assert right in text
    assert "error: " in said(text.replace(right, wrong, 1))


def test_the_code_uses_every_public_name():
    tree = ast.parse(USER.read_text())
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "empycustom"
        for name in node.names
    }
    used = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "empycustom"
    }
    assert set(empycustom.__all__) <= imported | used


def test_the_package_says_that_it_has_types():
    assert (Path(empycustom.__file__).parent / "py.typed").exists()
    listed = set(re.findall(r"auto(?:function|class|exception):: empycustom\.(testing\.\w+)", (ROOT / "docs/api.md").read_text()))
    assert {each for each in listed if each not in USER.read_text()} == set()
