"""Any Python value or text that a library returns, as plain JSON values.

Plain values are None, bool, int, finite float, str, list and dict with str keys. NumPy scalars and arrays (and whatever else
has ``dtype`` and ``tolist``) become them; NaN and the infinities become None. Text is JSON or Python's own spelling of a
literal, as ``str(list)`` makes it; nothing is ever evaluated.
"""

from __future__ import annotations

import ast
import json
import math
from typing import Any

from empycustom.errors import OutputError

_SHOWN = 200  # characters of a text that an error message shows
_INTEGER_BITS = 1024  # as far as a double reaches; Python itself refuses to print integers of thousands of digits


def plain(value: Any, path: str = "") -> Any:
    """Return ``value`` as plain JSON values, in new containers.

    Raises OutputError with the place (``path`` in front) where something is no JSON value.
    """
    try:
        return _plain(value, path)
    except RecursionError:
        raise OutputError("is nested too deeply, or contains itself", path=path or "the value") from None


def _plain(value: Any, path: str) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return _integer(value, path)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is str:
        return _text(value)
    if isinstance(value, dict):
        return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return _other(value, path)


def _integer(value: int, path: str) -> int:
    if value.bit_length() > _INTEGER_BITS:
        raise OutputError(f"is an integer of {value.bit_length()} bits, too large for JSON", path=_place(path))
    return value


def _other(value: Any, path: str) -> Any:
    for base in (bool, int, float, str):  # subclasses: enums, np.float64, np.str_
        if isinstance(value, base):
            return _plain(base(value), path)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        listed = value.tolist()
        if type(listed) is not type(value):
            return _plain(listed, path)
    raise OutputError(
        f"{type(value).__module__}.{type(value).__qualname__} is no JSON value; return numbers, texts, lists and dicts",
        path=_place(path),
    )


def _text(value: str) -> str:
    # A lone surrogate cannot be written as UTF-8.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return _text(str(key))
    key = _plain(key, path) if not isinstance(key, tuple) else key
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise OutputError(f"the key {key!r} is no text", path=_place(path))


def _place(path: str) -> str:
    return path.lstrip(".") or "the value"


def parse(text: str) -> Any:
    """Return what ``text`` spells, in JSON or as a Python literal, as plain JSON values; None for blank text.

    Raises OutputError, which shows the text, if it is neither.
    """
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        value = _literal(text, as_json=_reason(error))
    return plain(value)


def _literal(text: str, as_json: str) -> Any:
    try:
        return _Literal().visit(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise OutputError(
            f"the text is neither JSON ({as_json}) nor a Python literal ({_reason(error)}): {shorten(text)}; "
            "return the list or dict itself, without str()"
        ) from None


def _reason(error: BaseException) -> str:
    return getattr(error, "msg", None) or str(error) or type(error).__name__


def shorten(text: str) -> str:
    """Return ``text`` as one line of a message shows it."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")


# What NumPy and torch print around a value inside str(list).
_WRAPPERS = {"array", "tensor", "bool", "bool_", "str_", "float16", "float32", "float64", "float128", "longdouble"}
_WRAPPERS |= {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"longlong", "ulonglong", "intp", "uintp"}
_NAMES = {"nan": math.nan, "inf": math.inf, "True_": True, "False_": False}


class _Literal(ast.NodeVisitor):
    """Turns the syntax tree of a literal into its value. Reads names from a table; calls nothing."""

    def visit_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, (bytes, complex)) or node.value is Ellipsis:
            raise ValueError(f"{node.value!r} is no JSON value")
        return node.value

    def visit_List(self, node: ast.List | ast.Tuple) -> Any:
        return [self.visit(item) for item in node.elts]

    visit_Tuple = visit_List  # noqa: N815 - the name is ast's

    def visit_Dict(self, node: ast.Dict) -> Any:
        return {_hashable(self.visit(key or node)): self.visit(item) for key, item in zip(node.keys, node.values, strict=True)}

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.visit(node.operand)
        if isinstance(value, (int, float)) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return -value if isinstance(node.op, ast.USub) else value
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        return self._named(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        return self._named(node.attr, node)

    def visit_Call(self, node: ast.Call) -> Any:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in _WRAPPERS or len(node.args) != 1:
            raise ValueError(f"{ast.unparse(node)[:_SHOWN]} is no literal")
        return self.visit(node.args[0])

    def _named(self, name: str, node: ast.AST) -> Any:
        return _NAMES[name] if name in _NAMES else self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> Any:
        raise ValueError(f"{ast.unparse(node)[:_SHOWN]} is no literal")


def _hashable(key: Any) -> Any:
    if isinstance(key, (list, dict)):
        raise ValueError(f"{key!r} is no key")
    return key
