"""Docstrings of what docs/api.md lists name every parameter, what is returned, and stand by themselves in a tooltip."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from pydoc import locate

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pure"))
sys.path.insert(0, str(Path(__file__).parent))

import rooms
from blocks import DOCS

import empycustom
from empycustom import testing

API = (DOCS / "api.md").read_text(encoding="utf-8")
LISTED = dict(re.findall(r"auto(?:function|class):: ([\w.]+).*\n(?: +(:members:.*)\n)?", API))
# The first word of a property, which is what it is: "The size in bytes.", "True where …".
NOUNS = {"A", "All", "None,", "The", "True"}


def functions():
    """Yield each function of the API and each method of its classes, with its name."""
    for name, members in LISTED.items():
        thing = locate(name)
        assert thing is not None, name
        if not inspect.isclass(thing):
            yield name, thing
            continue
        for key in re.findall(r"\w+", members)[1:] or (vars(thing) if members else ()):
            if key[0] != "_" and inspect.isfunction(getattr(thing, key)):
                yield f"{name}.{key}", getattr(thing, key)


FUNCTIONS = dict(functions())


def test_the_api_is_found():
    assert {"empycustom.map_frame", "empycustom.testing.OpenLibrary.run"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_described(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    assert text, "it has no docstring"
    taken = [key for key in inspect.signature(function).parameters if key[0] != "_" and key != "self"]
    assert [key for key in taken if not re.search(rf"\b{key}\b", text)] == []


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if name.count(".") == 1 or name.startswith("empycustom.testing.make")]
)
def test_public_functions_have_sections(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function)
    signature = inspect.signature(function)
    wanted = ["Parameters"] * bool(signature.parameters) + ["Returns"] * (signature.return_annotation != "None")
    assert [each for each in wanted if f"\n{each}\n{'-' * len(each)}\n" not in text] == []


def test_properties_are_described_by_a_noun():
    wrong = []
    for path, tree in rooms.TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or "property" not in map(ast.unparse, node.decorator_list):
                continue
            text = ast.get_docstring(node)
            if text and (text.split()[0] not in NOUNS or len(text.split()) < 3):
                wrong.append(f"{path.relative_to(rooms.ROOT)}:{node.lineno}: {text.splitlines()[0]}")
    assert wrong == []


def test_the_names_of_the_module_for_tests_are_those_of_the_api():
    assert sorted(testing.__all__) == sorted(re.findall(r"auto(?:function|class):: empycustom\.testing\.(\w+)", API))
    assert set(empycustom.__all__).isdisjoint(testing.__all__), "a name has one meaning"
