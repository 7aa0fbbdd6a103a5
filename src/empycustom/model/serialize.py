"""Serialization: any Python value or text that a library returns, as plain JSON values and as JSON.

Plain values are None, bool, int, finite float, str, list and dict with str keys. NumPy scalars and arrays (and whatever else
has ``dtype`` and ``tolist``) become them; NaN and the infinities become None. Text is JSON or Python's own spelling of a
literal, as ``str(list)`` makes it; nothing is ever evaluated.

JSON is written by orjson. What it refuses goes through :func:`plain`, which converts it nevertheless, or explains.
"""

from __future__ import annotations

import ast
import gc
import json
import math
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from enum import EnumMeta
from typing import Any
from uuid import UUID

import orjson

from empycustom.errors import FrameClosedError, OutputError
from empycustom.text import syntax_tree

_SHOWN = 200  # characters of a text that an error message shows
_INTEGER_BITS = 1024  # as far as a double reaches; Python itself refuses to print integers of thousands of digits
_CLOSED_VIEW = (
    "is a view of the frame's pixels, which is valid only during the call; return a number, or a copy: image.rgb.copy()"
)
DEEPEST = 100  # lists and dicts in one another; Python's own parser gives up at 200 brackets


# Where a value stands: the container's place and the key or index in it; the outermost is a text.
_Place = str | tuple[Any, str | int]


def plain(value: Any, path: str = "", *, around: int = 0) -> Any:
    """Return ``value`` as plain JSON values, in new containers.

    Raises OutputError with the place (``path`` in front) where something is not a JSON value, or more than 100 containers lie in
    one another, and ``around`` more of them around these.
    """
    return _plain(value, path, -around)


def _plain(value: Any, at: _Place, depth: int) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if kind is int:
        return _integer(value, at)
    if depth >= DEEPEST:
        raise OutputError("is nested too deeply, or contains itself", path=_place(at))
    if isinstance(value, dict):
        return _dict(value, at, depth + 1)
    if isinstance(value, (list, tuple)):
        return [_plain(item, (at, index), depth + 1) for index, item in enumerate(value)]
    return _other(value, at, depth + 1)


def _dict(value: dict[Any, Any], at: _Place, depth: int) -> dict[str, Any]:
    result = {}
    for key, item in value.items():
        name = key if type(key) is str and key.isascii() else _key(key, at, depth)
        kind = type(item)
        result[name] = _SCALARS[kind](item) if kind in _SCALARS else _plain(item, (at, name), depth)
    return result


def _text(value: str) -> str:
    # A lone surrogate cannot be written as UTF-8.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _integer(value: int, at: _Place) -> int:
    if value.bit_length() > _INTEGER_BITS:
        raise OutputError(f"is an integer of {value.bit_length()} bits, too large for JSON", path=_place(at))
    return value


def _same(value: Any) -> Any:
    return value


_SCALARS: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    float: lambda value: value if math.isfinite(value) else None,
    str: _text,
}


# What subclasses (enums, np.float64, np.str_) hold, whatever they make of str() and the like.
_CONTENT: list[tuple[type, Callable[[Any], Any]]] = [(int, int.__int__), (float, float.__float__), (str, str.__str__)]


def _other(value: Any, at: _Place, depth: int) -> Any:
    if type(type(value)) is EnumMeta:
        return _plain(value._value_, at, depth)
    if type(value) is UUID:
        return str(value)
    for base, content in _CONTENT:
        if isinstance(value, base):
            return _plain(content(value), at, depth)
    if has_numbers(value, at):
        listed = _listed(value, at)
        if type(listed) is not type(value):
            return _plain(listed, at, depth)
        if getattr(value.dtype, "kind", "") == "f":  # np.longdouble: Python has no type for it
            return _plain(float(value), at, depth)
    raise OutputError(
        f"{type(value).__module__}.{type(value).__qualname__} is not a JSON value; return numbers, texts, lists and dicts",
        path=_place(at),
    )


def has_numbers(value: Any, at: _Place = "") -> bool:
    """Return whether a value is an array or a scalar. Raises OutputError for a view of a frame whose pixels are gone."""
    try:
        return hasattr(value, "dtype") and hasattr(value, "tolist")
    except FrameClosedError:
        place = _place(at)
        error = OutputError(f"{place} {_CLOSED_VIEW}")
        error.path = "" if at == "" else place
        raise error from None


def _listed(value: Any, at: _Place) -> Any:
    try:
        return value.tolist()
    except Exception as error:
        raise OutputError(f"cannot be listed: {type(error).__name__}: {error}", path=_place(at)) from error


def _key(key: Any, at: _Place, depth: int) -> str:
    if isinstance(key, str):
        return _text(str.__str__(key))
    name = None if isinstance(key, tuple) else _plain(key, at, depth)
    if isinstance(key, tuple) or isinstance(name, (list, dict)):
        raise OutputError(f"the key {shown(key)} is not text", path=_place(at))
    return name if isinstance(name, str) else json.dumps(name)


def _place(at: _Place) -> str:
    steps = []
    while not isinstance(at, str):
        at, step = at
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return _one_line("".join([at, *reversed(steps)]).lstrip(".")) or "the value"


def parse(text: str) -> Any:
    """Return what ``text`` spells, in JSON or as a Python literal, as plain JSON values; None for blank text.

    Raises OutputError, which shows the text, if it is neither.
    """
    if not text.strip():
        return None
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        value = _literal(text.strip(), as_json=_reason(error))
    return plain(value)


def _literal(text: str, as_json: str) -> Any:
    try:
        return _Literal().visit(_tree(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise OutputError(
            f"the text is neither JSON ({as_json}) nor a Python literal ({_reason(error)}): {shorten(text)}; "
            "return the list or dict itself, without str()"
        ) from None


def _tree(text: str) -> Any:
    if not _MAY_WARN.search(text):
        return syntax_tree(text, mode="eval").body
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return syntax_tree(text, mode="eval").body


# Python's parser warns of unknown escapes and of keywords behind a number. Only then are the filters changed: they are the
# whole process's, and a change makes it repeat every warning that is to be shown once.
_MAY_WARN = re.compile(r"\\|[\w.](?:and|else|for|if|in|is|not|or)\b")
_warnings_lock = threading.Lock()


def _reason(error: BaseException) -> str:
    return getattr(error, "msg", None) or str(error) or type(error).__name__


def shown(value: Any) -> str:
    """Return any value as one line of a message shows it, whatever its ``repr`` does."""
    try:
        return shorten(str.__str__(value)) if isinstance(value, str) else _one_line(str.__str__(repr(value)))
    except BaseException as error:  # noqa: BLE001 - it only decorates a message
        return f"(its repr raises {type(error).__name__})"


def shorten(text: str) -> str:
    """Return ``text`` as one line of a message shows it, in quotes."""
    return repr(_one_line(text))


def _one_line(text: str) -> str:
    line = " ".join(text[: 10 * _SHOWN].split()).encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


# What NumPy and torch print around a value inside str(list).
_FLOATS = {"float16", "float32", "float64", "float128", "longdouble"}
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"longlong", "ulonglong", "intp", "uintp"}
_WRAPPERS = {"array", "tensor", "bool", "bool_", "str_"} | _FLOATS | _INTEGERS
_NAMES = {"nan": math.nan, "inf": math.inf, "True_": True, "False_": False}


class _Literal(ast.NodeVisitor):
    """Turns the syntax tree of a literal into its value. Reads names from a table; calls nothing."""

    def visit_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, (bytes, complex)) or node.value is Ellipsis:
            raise ValueError(f"{node.value!r} is not a JSON value")
        return node.value

    def visit_List(self, node: ast.List | ast.Tuple) -> Any:
        return [self.visit(item) for item in node.elts]

    visit_Tuple = visit_List  # noqa: N815 - the name is ast's

    def visit_Dict(self, node: ast.Dict) -> Any:
        if None in node.keys:  # {**other}
            return self.generic_visit(node)
        return {_hashable(self.visit(key)): self.visit(item) for key, item in zip(node.keys, node.values, strict=True) if key}

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.visit(node.operand)
        if isinstance(value, (int, float)) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return -value if isinstance(node.op, ast.USub) else value
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        return self._named(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:  # np.nan
        return self._named(node.attr, node) if isinstance(node.value, ast.Name) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):  # np.float64(1.5)
            name = function.attr
        else:
            name = getattr(function, "id", "")
        if name not in _WRAPPERS or len(node.args) != 1:
            return self.generic_visit(node)
        value = self.visit(node.args[0])
        return float(value) if name in _FLOATS and isinstance(value, str) else value  # np.longdouble('1.5')

    def _named(self, name: str, node: ast.AST) -> Any:
        return _NAMES[name] if name in _NAMES else self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> Any:
        raise ValueError(f"{_one_line(ast.unparse(node))} is not a literal")


def _hashable(key: Any) -> Any:
    if isinstance(key, (list, dict)):
        raise ValueError(f"{key!r} is not a key")
    return key


# JSON, as it travels with the video: compact, in UTF-8.


_AROUND = 8  # dicts and lists around the attributes of a library, at most, in the JSON on a buffer and in aimeta's document
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS  # neither is a JSON value
_BLANKS = " \t\n\r"  # of JSON
_EXACT = b" "  # begins a text with integers that orjson would read as floats, and is only a blank to everybody else


def encode(value: Any, path: str | int = "", *, depth: int = 0) -> bytes:
    """Return as JSON any value that a library may return.

    ``path`` is where it stands (an int: as an entry of a list), and ``depth`` in how many containers; both matter where it is
    refused, with an OutputError.
    """
    try:
        text = orjson.dumps(value, _of_numpy, _OPTIONS)
    except TypeError:  # what is wrong, and where, plain() knows; or it makes something of it all the same
        return assemble(plain(value, path if type(path) is str else f"[{path}]", around=-depth))
    if len(text) < DEEPEST:  # too short for that
        return text
    if text.count(b"[") + text.count(b"{") > DEEPEST - depth and _is_deep(orjson.loads(text), DEEPEST - depth):
        raise OutputError("is nested too deeply, or contains itself", path=path if type(path) is str else f"[{path}]")
    return text


def assemble(value: Any, fragment: Callable[[bytes], Any] = orjson.Fragment) -> bytes:
    """Return plain values as JSON. ``bytes`` among them are JSON already, as :func:`encode` makes it.

    ``fragment`` is :func:`marked` where :func:`split` is to find them again.
    """
    try:
        return orjson.dumps(value, fragment)
    except TypeError:
        return _EXACT + _encoder.encode(value).encode("utf-8", "backslashreplace")


_MARK = b"\t"  # a blank to everybody else; it is nowhere else in our JSON, where a tab in a text is escaped


def marked(text: bytes) -> Any:
    """Return JSON as a fragment between marks."""
    return orjson.Fragment(b"\t%b\t" % text)


def split(text: bytes) -> tuple[Any, Iterator[bytes]]:
    """Return the values of a text with marks, which :func:`is_exact`, with None for each fragment; and the fragments."""
    parts = text.split(_MARK)
    return orjson.loads(b"null".join(parts[::2])), iter(parts[1::2])


def _of_numpy(value: Any) -> Any:
    """Return the JSON of a number or an array of numbers of NumPy's."""
    numpy: Any = sys.modules.get("numpy")
    kind = type(value)
    if numpy and (kind is numpy.ndarray or issubclass(kind, numpy.generic)) and value.dtype.kind in "biuf":
        return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
    raise TypeError


def is_exact(text: bytes) -> bool:
    """Return whether :func:`decode` gives back what a text was made of, whose fragments are :func:`marked`."""
    return text[:1] != _EXACT and text.find(b"\t ") < 0  # `in` tries it as an integer first, and makes an exception of that


def decode(text: bytes) -> Any:
    """Return the values of a text that :func:`encode` wrote."""
    return orjson.loads(text) if text[:1] != _EXACT else _decode(text[1:].decode())


def dumps(value: Any) -> str:
    """Return plain values as JSON in a str."""
    return assemble(value).decode().lstrip()


def _finite(text: str) -> float | None:
    value = float(text)
    return value if -math.inf < value < math.inf else None


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=decode)
_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=dict.fromkeys(("NaN", "Infinity", "-Infinity")).get)


def loads(text: str) -> Any:
    """Return the plain values of a JSON text, whoever wrote it.

    NaN and numbers beyond a double's become None, lone surrogates question marks. Raises ValueError where the text is something
    else, or more containers lie in one another than in what a library may return.
    """
    value = _decode(text.lstrip(_BLANKS))
    if "\\u" in text:  # perhaps a lone surrogate
        return plain(value, around=_AROUND)
    if text.count("[") + text.count("{") > DEEPEST + _AROUND and _is_deep(value, DEEPEST + _AROUND):
        raise ValueError(f"more than {DEEPEST} lists and dicts lie in one another")
    return value


def _decode(text: str) -> Any:
    try:
        value, end = _decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if end != len(text):
        raise ValueError(f"text behind the JSON, at character {end}")
    return value


def _is_deep(value: Any, most: int) -> bool:
    """Return whether more than ``most`` containers lie in one another."""
    level = [value]
    for _ in range(most + 1):
        level = gc.get_referents(*level)  # what lies in lists and dicts; texts and numbers hold nothing
        if not level:
            return False
    return True
