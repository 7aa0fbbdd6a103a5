"""Loading a library: how it is found, what goes wrong, and what it may do."""

import dataclasses
import os
import pickle
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from library_files import LIBRARY, application, write

from empycustom.errors import LibraryImportError, LibraryNotFoundError
from empycustom.library.load import load, unload

pytestmark = pytest.mark.usefixtures("surroundings")


# Finding.


def test_an_absolute_path(loaded, tmp_path):
    path = write("lib.py", "x = 1")
    module = loaded(path)
    assert module.x == 1
    assert module.__file__ == str(path)


@pytest.mark.parametrize("name", ["lib.py", "./lib.py", "sub/../lib.py", "sub/inner.py"])
def test_a_path_relative_to_the_working_directory(loaded, name):
    write("lib.py", "x = 1")
    write("sub/inner.py", "x = 1")
    assert loaded(name).x == 1
    assert os.path.isabs(loaded(name).__file__)


def test_a_path_in_the_home_folder(loaded, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write("home/libs/lib.py", "x = 1")
    assert loaded("~/libs/lib.py").x == 1


@pytest.mark.parametrize("name", ["my-lib.py", "my lib.v2.py", "1st.py", "größe.py"])
def test_names_that_are_no_identifiers(loaded, name):
    write(name, "class A: pass\nx = __name__")
    module = loaded(name)
    assert sys.modules[module.x] is module
    assert pickle.loads(pickle.dumps(module.A)) is module.A


def test_the_file_that_is_named_is_loaded_though_a_package_has_its_name(loaded):
    write("lib.py", "class A: pass\nx = 'file'\nimport lib\ny = lib.x")
    write("lib/__init__.py", "x = 'package'")
    write("lib.py.py", "x = 'other'")
    module = loaded("lib.py")
    assert (module.x, module.y) == ("file", "package")
    assert pickle.loads(pickle.dumps(module.A)) is module.A
    assert loaded("lib.py.py").x == "other"


def test_the_name_of_a_module_is_the_same_at_the_next_start():
    write("lib.py")
    first, second = load("lib.py"), load("lib.py")
    names = first.__name__, second.__name__
    unload(first)
    third = load("lib.py")
    assert (third.__name__, len(set(names))) == (names[0], 2)
    unload(second)
    unload(third)


@pytest.mark.parametrize("folder", ["a b", "ü.ä", "x+y-2B%", "deep/er", "'quoted'", "1"])
def test_names_in_messages_are_as_the_user_wrote_them(folder):
    write(f"{folder}/helper.py", "from helper import nothing")
    write(f"{folder}/lib.py", "import helper")
    with pytest.raises(LibraryImportError) as caught:
        load(f"{folder}/lib.py")
    assert "cannot import name 'nothing' from" in str(caught.value)
    assert "'helper'" in str(caught.value)
    assert "empycustom.library" not in str(caught.value) + caught.value.details


def test_a_dotted_module_in_the_working_directory(loaded):
    write("pkg/__init__.py", "y = 2")
    write("pkg/helper.py", "from . import y\nz = y + 1")
    write("pkg/sub/__init__.py")
    write(
        "pkg/sub/lib.py",
        "from ..helper import z\nimport pkg.helper as again\nfrom pkg import y\ndef late():\n    from . import other\n    return other.w",
    )
    write("pkg/sub/other.py", "w = 7")
    module = loaded("pkg.sub.lib")
    assert (module.z, module.y, module.again.z, module.late()) == (3, 2, 3, 7)
    assert "pkg" not in sys.modules


def test_a_plain_module_name(loaded):
    write("lib.py", "x = 1")
    assert loaded("lib").x == 1


def test_an_installed_module_is_loaded_anew_and_keeps_its_package(loaded, tmp_path):
    write("site/some_pkg/__init__.py")
    write("site/some_pkg/shared.py", "items = []")
    write("site/some_pkg/lib.py", "from .shared import items\nown = []")
    with application(tmp_path / "site"):
        one, two = loaded("some_pkg.lib"), loaded("some_pkg.lib")
        assert one is not two
        assert one.own is not two.own
        assert one.items is two.items is sys.modules["some_pkg.shared"].items


# What is not there, and what is not a library.


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("missing.py", "custom-lib=missing.py does not exist in {cwd}; give a path that is right from there, or an absolute one"),
        (
            "sub/missing.py",
            "does not exist: there is no folder {cwd}/sub; give a path that is right from {cwd}, or an absolute one",
        ),
        ("/no/such/lib.py", "custom-lib=/no/such/lib.py does not exist; give the path of a Python file"),
        ("~/no/such/lib.py", "does not exist; give the path of a Python file"),
        ("~no-such-user/lib.py", "custom-lib=~no-such-user/lib.py does not exist"),
        ("folder", "custom-lib=folder is a folder; name the Python file in it"),
        ("folder/", "is a folder"),
        (".", "is a folder"),
        ("", "is a folder"),
        ("missing.so", "custom-lib=missing.so does not exist in {cwd}; give a path that is right from there"),
        ("lib.txt", "is neither a Python file nor a compiled library; its name must end in .py, or in .so"),
        ("noending", "is neither a Python file nor a compiled library; its name must end in .py"),
        ("nothing", "custom-lib=nothing is neither a file in {cwd} nor a module that Python finds"),
        ("nothing.at.all", "is neither a file in {cwd} nor a module"),
        ("json.nothing", "is neither a file in {cwd} nor a module"),
        ("folder.nothing", "is neither a file in {cwd} nor a module"),
        ("json.decodr", "nor a module that Python finds; give the path of a Python file; json.decoder may be meant"),
        ("sys", "is neither a file in {cwd} nor a module"),
        ("folder", "is a folder"),
    ],
)
def test_not_found(name, what, tmp_path):
    for file in ("libx.so", "lib.txt", "noending", "folder/x.py"):
        write(file)
    with pytest.raises(LibraryNotFoundError) as caught:
        load(name)
    assert what.format(cwd=tmp_path) in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("name", [".lib", "..", "a..b", "a b", "lib\0", "é", "1.5", "-"])
def test_odd_names_are_errors_of_ours(name):
    with pytest.raises((LibraryNotFoundError, LibraryImportError)):
        load(name)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = 1\ndef f(:\n    pass\n", 2, "has a syntax error: SyntaxError: invalid syntax"),
        ("x = 1\n  y = 2\n", 2, "has a syntax error: IndentationError: unexpected indent"),
        (
            "\nimport no_such_module_anywhere\n",
            2,
            "The module 'no_such_module_anywhere' is missing, not the library: install it for",
        ),
        ("\nimport helper_of_mine.nothing\n", 2, "The module 'helper_of_mine.nothing' is missing, not the library"),
        ("import pyds.nothing\n", 1, "what pyds reads, process_ip(io_buffer, in_meta, options) gets as in_meta"),
        ("\nfrom helper_of_mine import nothing\n", 2, "ImportError: cannot import name 'nothing' from 'helper_of_mine'"),
        ("\n\nimport broken_helper\n", 3, "has a syntax error: SyntaxError"),
        ("\nimport raising_helper\n", 2, "cannot be loaded: ZeroDivisionError: division by zero"),
        ("from no_such_parent.x import y\n", 1, "The module 'no_such_parent' is missing"),
        ("def f():\n    g()\ndef g():\n    1 / 0\nf()\n", 4, "cannot be loaded: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", 2, "cannot be loaded: SystemExit: 3"),
        ("raise SystemExit\n", 1, "cannot be loaded: SystemExit"),
        ("raise KeyboardInterrupt\n", 1, "cannot be loaded: KeyboardInterrupt"),
        ("raise SyntaxError\n", 1, "has a syntax error: SyntaxError"),
        ("x = '\0'\n", None, "null bytes"),
        ("x = 1\nimport sys\ndel sys.modules[__name__]\n1 / 0\n", 4, "ZeroDivisionError"),
    ],
)
def test_a_library_that_cannot_be_run(text, line, what, tmp_path):
    write("broken_helper.py", "x = (\n")
    write("raising_helper.py", "\n\n1 / 0\n")
    write("helper_of_mine/__init__.py")
    path = write("lib.py", text)
    with pytest.raises(LibraryImportError) as caught:
        load("lib.py")
    message = str(caught.value)
    assert message.startswith(f"{path}:{line} " if line else f"{path} ")
    assert what in message
    assert "\n" not in message
    assert not re.search(LIBRARY, message + caught.value.details)
    assert (caught.value.library, caught.value.line) == (str(path), line)
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value, ImportError)
    assert not isinstance(caught.value, FileNotFoundError)


def test_the_traceback_begins_in_the_users_code_and_holds_nothing_of_ours():
    write("helper.py", "def boom():\n    raise ValueError('no')\nboom()\n")
    path = write("lib.py", "x = 1\nimport helper\n")
    with pytest.raises(LibraryImportError) as caught:
        load("lib.py")
    lines = caught.value.details.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{path}", line 2, in <module>'
    assert lines[-1] == "ValueError: no"
    files = [line.split('"')[1] for line in lines if line.startswith("  File ")]
    assert files == [str(path), str(path.with_name("helper.py")), str(path.with_name("helper.py"))]


@pytest.mark.parametrize("text", ["1 / 0", "import", "import no_such_module_anywhere", "raise SystemExit"])
def test_a_package_above_the_module_that_cannot_be_run(text):
    write("pkg/__init__.py", text)
    write("pkg/lib.py")
    with pytest.raises(LibraryImportError, match=r"pkg\.lib (cannot be loaded|has a syntax error)"):
        load("pkg.lib")


def test_after_a_failed_load_the_fixed_file_loads(loaded):
    for text in ("import helper\n1 / 0", "import nothing_like_it", "x = ("):
        write("lib.py", text)
        write("helper.py", "x = 1")
        before = list(sys.path), set(sys.modules)
        with pytest.raises(LibraryImportError):
            load("lib.py")
        assert (list(sys.path), set(sys.modules)) == before
    write("lib.py", "import helper\nx = helper.x")
    assert loaded("lib.py").x == 1


def test_an_edit_is_seen_at_once_and_no_bytecode_is_left(loaded):
    for number in range(3):
        write("lib.py", f"import helper\nx = {number}")  # of the same size, within the same second
        write("helper.py", f"y = {number}")
        module = loaded("lib.py")
        assert (module.x, module.helper.y) == (number, number)
    assert not Path("__pycache__").exists()


# What a library may do.


def test_dataclasses_annotations_and_pickle_work(loaded):
    write(
        "lib.py",
        "from __future__ import annotations\nimport dataclasses, typing\nimport helper\n"
        "@dataclasses.dataclass\nclass Box:\n    left: int = 1\n    names: typing.ClassVar[int] = 5\n    of: helper.Other | None = None\n",
    )
    write(
        "helper.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass(slots=True)\nclass Other:\n    x: int = 2\n",
    )
    module = loaded("lib.py")
    box = module.Box(3, module.helper.Other(4))
    assert pickle.loads(pickle.dumps(box)) == box
    assert dataclasses.asdict(box) == {"left": 3, "of": {"x": 4}}
    assert typing.get_type_hints(module.helper.Other) == {"x": int}
    assert typing.get_type_hints(module.Box)["left"] is int


def test_a_library_that_puts_its_folder_on_the_path_itself(tmp_path):
    write("helper.py", "items = []")
    write("lib.py", "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\nimport helper")
    for _ in range(2):
        before = list(sys.path)
        one, two = load("lib.py"), load("lib.py")
        assert one.helper is not two.helper
        unload(one)
        unload(two)
        assert "helper" not in sys.modules
        sys.path[:] = before


def test_the_main_module_guard_does_not_run(loaded):
    write("lib.py", "x = 1\nif __name__ == '__main__':\n    1 / 0\n")
    assert loaded("lib.py").x == 1


def test_loading_needs_neither_gi_nor_numpy():
    write("lib.py", "x = 1")
    code = (
        "import sys\nfrom empycustom.library.load import load\nload('lib.py')\nprint({'gi', 'numpy', 'cffi'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
