"""Paths as text: home folders that are not known, and what is not UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.errors import PathError
from empycustom.text import as_path, as_text, from_native


def test_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")

    assert as_path("~") == Path("/home/somebody")
    assert as_path("~/a b/ü.py") == Path("/home/somebody/a b/ü.py")
    assert as_path("a/~/b") == Path("a/~/b")


@pytest.mark.parametrize("name", ["~nosuchuser", "~nosuchuser/x.py", "~~", "~ /x"])
def test_a_home_that_is_not_known_is_an_error(name):
    with pytest.raises(PathError) as caught:
        as_path(name)

    assert str(caught.value).startswith(f"{name} does not exist: the home folder {name.partition('/')[0]} is not known; ")


def test_without_home_and_without_an_entry_of_the_user(tmp_path):
    code = "import os; os.setuid(54321); from empycustom.text import as_path; as_path('~/x')"
    if os.getuid():
        pytest.skip("only root can be a user without an entry in the password database")
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False, cwd="/")

    assert "PathError: ~/x does not exist: the home folder ~ is not known" in done.stderr


@pytest.mark.parametrize("name", ["a/b.py", "ü", "caf\udce9.py", "./~x", " "])
def test_text_and_path_are_each_others(name):
    assert as_path(as_text(as_path(name))) == as_path(name)
    assert from_native(name) == name


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [ASCII, {"LC_ALL": "C.UTF-8"}])
def test_files_are_found_whatever_the_encoding_of_the_file_system(tmp_path, locale):
    (tmp_path / "ü.txt").write_text("here")
    code = (
        "import sys; from empycustom.text import *; path = as_path('\\xfc.txt')\n"
        "print(path.read_text(), as_text(path) == '\\xfc.txt', sys.getfilesystemencoding())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=locale, capture_output=True, text=True, check=True, cwd=tmp_path)

    assert done.stdout == f"here True {'ascii' if locale is ASCII else 'utf-8'}\n"
