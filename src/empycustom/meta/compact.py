"""Plain values (see :mod:`empycustom.meta.values`) to and from the compact JSON that travels with the video."""

from __future__ import annotations

import json
from typing import Any

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_decoder = json.JSONDecoder()


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
    """Return what :func:`dumps` wrote. Raises ValueError where the text is something else."""
    value, end = _decoder.raw_decode(text)
    if end != len(text):
        raise ValueError(f"text behind the JSON, at character {end}")
    return value
