"""The files of the package, the rooms that they are in, and what each of them imports."""

import ast
from pathlib import Path

import empycustom

ROOT = Path(empycustom.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path):
    inside = path.relative_to(ROOT).parts
    return inside[0] if len(inside) > 1 else path.stem


def imported(tree, of=""):
    """Return every module that the import statements of a tree may load, with the line of each."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{of}:{node.lineno}: a relative import; the package names its modules in full"
            found += [(node.module, node.lineno)]
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def at_module_level(tree):
    """Return a copy of a tree without the bodies of its functions."""

    class Outside(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return None

        visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name is ast's

    return Outside().visit(tree)


TREES = {path: ast.parse(path.read_text()) for path in FILES}
IMPORTS = {path: imported(tree, path) for path, tree in TREES.items()}


def imports_of(room):
    return [(f"{path.relative_to(ROOT)}:{line}", name) for path in FILES if room_of(path) == room for name, line in IMPORTS[path]]


def is_of(name, *packages):
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def of_others(room, *names):
    return [
        (str(path.relative_to(ROOT)), name)
        for path in FILES
        if room_of(path) != room
        for name, _ in IMPORTS[path]
        if is_of(name, *names)
    ]
