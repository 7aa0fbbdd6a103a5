"""JSON keys are spelt by the constants of model/keys.py; docs/architecture.md names the files that spell one themselves."""

import ast
import re

from rooms import ROOT, TREES

from empycustom.model.keys import CHANGED_OBJECTS, IN_META_KEYS, NEW_OBJECTS, REMOVED_OBJECTS, VERSION

PAGE = ROOT.parents[1] / "docs/architecture.md"
# Ordinary words, such as `frame` and `width`, are keys of many other dicts.
KEYS = {key for key in (*IN_META_KEYS, NEW_OBJECTS, CHANGED_OBJECTS, REMOVED_OBJECTS, VERSION) if "_" in key or key == "emcustom"}
# Where these are keys of other dicts: columns of tables, JSON of DL Streamer, names of fields in C.
OTHERS = {
    "app/check.py": "its facts for programs",
    "batch/values.py": "columns of the data set",
    "batch/statistics.py": "columns of the data set",
    "config/schema.py": "the stage emcustom of a configuration",
    "dialects/gstgva/tensor.py": "fields of tensors of DL Streamer",
    "elements/empycustom.py": "the signal emcustom",
    "native/deepstream.py": "names of fields in C",
    "native/metas.py": "fields of a GstStructure",
    "packages.py": "the plugin emcustom",
}
ROW = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| rename a JSON key |"))


def used_as_keys(tree):
    """Yield every text with which a dict is made or read: ``{"a": 1}``, ``x["a"]``, ``x.get("a")``, ``"a" in x``, ``A: Final = "a"``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from node.keys
        elif isinstance(node, ast.Subscript):
            yield node.slice
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "Final":
            yield node.value
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            yield node.left
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("get", "pop", "setdefault") and node.args:
            yield node.args[0]


def spelt(path):
    found = {node.value for node in used_as_keys(TREES[path]) if isinstance(node, ast.Constant)}
    return found & KEYS


def test_the_row_names_the_files_that_spell_keys_themselves():
    named = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.py|[\w-]+/(?:[\w-]+/)*)`", ROW.split("|")[2]))
    folders = tuple(name for name in named if name.endswith("/"))
    spelling = {str(path.relative_to(ROOT)) for path in TREES if spelt(path)} - set(OTHERS)
    assert {name for name in spelling if name not in named and not name.startswith(folders)} == set(), "not in the row"
    there = {name for name in named if not name.endswith("/")}
    assert there - spelling == set(), "in the row, and spells none"
    assert [folder for folder in folders if not any(name.startswith(folder) for name in spelling)] == []


def test_what_is_left_out_spells_something():
    assert [name for name in OTHERS if not spelt(ROOT / name)] == []
