"""Inputs that are wrong in as many ways as possible, and how many of them are tried.

``EMPYCUSTOM_WILD=20000`` in the environment (``make wild``) tries that many in each test, other ones each time; without it a few
are tried.
"""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

WANTED = int(os.environ.get("EMPYCUSTOM_WILD") or 0)


def bounded(examples: int) -> settings:
    """The settings of a test that tries so many inputs, or as many as EMPYCUSTOM_WILD."""
    return settings(
        max_examples=WANTED or examples,
        deadline=None,
        derandomize="CI" in os.environ and not WANTED,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


EDGES = [base + off for power in (7, 8, 15, 16, 31, 32, 53, 63, 64) for base in (2**power, -(2**power)) for off in (-1, 0, 1)]
INTEGERS = st.sampled_from([0, 1, -1, *EDGES, 10**30, 10**400]) | st.integers(-5, 5) | st.integers()
NUMBERS = INTEGERS | st.floats() | st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1.7e308, 1e39])
ODD_TEXTS = [
    "", " ", "\n", "\t", "0", "-1", "NaN", "true", "null", "{}", "[", "%s%n%d", "../..", "/", "~", "~nobody/x", "@", "@/no/such",
    "\x1b[31m", "\x7f", "\x9b", "\u202e", "\u2028", "é", "ß" * 50, "😀", "a" * 5000, "\\", '"', "'", "a b", "a=b", "a,b", "a;b", "a!b",
    "rtsp://user:p@ss word@host/x", "key", "region/1", "analytics/0", "region/", "/7", "timestamp",
]  # fmt: skip
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(max_size=20)
ANY_TEXTS = TEXTS | st.sampled_from(["\0", "a\0b", "\ud800", "x\udfffy", "\udc80"]) | st.text(st.characters(), max_size=5)
SCALARS = st.none() | st.booleans() | NUMBERS | ANY_TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXTS, inner, max_size=4),
    max_leaves=8,
)


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of each value in a document of dicts and lists."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, entry in entries for place in paths_in(entry, (*path, key)))]


@st.composite
def mutated(draw: Any, document: Any, values: Any = VALUES) -> Any:
    """A document in which some values are others, are missing, are there twice, or are more than there should be."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(paths_in(document))) or (None,)
        if last is None:
            if draw(st.integers(0, 9)) == 0:
                return draw(values)
            continue
        holder = document
        for step in way:
            holder = holder[step]
        kind = draw(st.sampled_from(["replace", "replace", "remove", "add", "wrap"]))
        if kind == "replace":
            holder[last] = draw(values)
        elif kind == "remove":
            del holder[last]
        elif kind == "add" and isinstance(holder, dict):
            holder[draw(ANY_TEXTS)] = draw(values)
        elif kind == "add":
            holder.append(draw(values))
        else:
            holder[last] = draw(st.sampled_from([[holder[last]], {"a": holder[last]}, [holder[last]] * 2]))
    return document


def nested(depth: int, inner: str = "1") -> str:
    """JSON in so many lists."""
    return "[" * depth + inner + "]" * depth


LITERALS = ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1" * 400, "1" * 5000, "-0", "0.1e-400", '"\\ud800"', '"\\u0000"', nested(500),
            nested(3000), nested(100_000), '{"a":1,"a":2}', "01", "+1", "'a'", "tru", "", "//", '"\n"', "\ufeff1", "1]", "[1,]"]  # fmt: skip


@st.composite
def json_texts(draw: Any, document: Any) -> str:
    """A text that is like the JSON of a document, and may be none."""
    text = json.dumps(draw(st.just(document) | mutated(document) | mutated(document)), ensure_ascii=draw(st.booleans()))
    kind = draw(st.sampled_from(["whole", "whole", "cut", "literal", "literal", "inserted", "other"]))
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if kind == "literal":
        # in the place of a value
        places = [place for place in range(len(text)) if text[place] == ":"] or [0]
        start = draw(st.sampled_from(places)) + 1
        end = min((found for found in (text.find(",", start), text.find("}", start)) if found >= 0), default=len(text))
        return text[:start] + draw(st.sampled_from(LITERALS)) + text[end:]
    if kind == "inserted":
        place = draw(st.integers(0, len(text)))
        return text[:place] + draw(ANY_TEXTS) + text[place:]
    if kind == "other":
        return draw(st.sampled_from(LITERALS) | ANY_TEXTS)
    return text
