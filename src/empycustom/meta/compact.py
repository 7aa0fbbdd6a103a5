"""Plain values (see :mod:`empycustom.meta.values`) to and from the compact JSON that travels with the video."""

from __future__ import annotations

import gc
import json
from math import inf
from typing import Any

from empycustom.meta.values import DEEPEST, plain

_AROUND = 8  # dicts and lists around what a library said, at most, in the JSON on a buffer and in aimeta's document


def _finite(text: str) -> float | None:
    value = float(text)
    return value if -inf < value < inf else None


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=dict.fromkeys(("NaN", "Infinity", "-Infinity")).get)


def _made_once() -> Any:
    """Return the encoder in C, which JSONEncoder makes anew for every value, or None where Python has it not, or not so."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        encode = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        return encode if "".join(encode({"a": [1.5, None, "é"]}, 0)) == '{"a":[1.5,null,"é"]}' else None
    except TypeError:
        return None


_encode = _made_once()


def dumps(value: Any) -> str:
    """Return plain values as JSON."""
    return "".join(_encode(value, 0)) if _encode else _encoder.encode(value)


def loads(text: str) -> Any:
    """Return the plain values of a JSON text, whoever wrote it.

    NaN and numbers beyond a double's become None, lone surrogates question marks. Raises ValueError where the text is something
    else, or more is nested in one another than a library may say.
    """
    value = decode(text)
    if "\\u" in text:  # perhaps a lone surrogate
        return plain(value, around=_AROUND)
    if text.count("[") + text.count("{") > DEEPEST + _AROUND and _is_deep(value):
        raise ValueError(f"more than {DEEPEST} lists and dicts lie in one another")
    return value


def decode(text: str) -> Any:
    """The same of a text that :func:`dumps` wrote from plain values."""
    try:
        value, end = _decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if end != len(text):
        raise ValueError(f"text behind the JSON, at character {end}")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + _AROUND + 1):
        level = gc.get_referents(*level)  # what lies in lists and dicts; texts and numbers hold nothing
        if not level:
            return False
    return True
