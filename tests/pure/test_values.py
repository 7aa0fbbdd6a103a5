"""Any value or text that a library may return becomes plain JSON values, or an OutputError; nothing else, and nothing is run."""

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wild_values import (
    DTYPES,
    FLOAT_DTYPES,
    lone,
    nested,
    numpy_scalars,
    quick,
    scalars,
    texts,
    wild_leaves,
    writable,
)

from empycustom.errors import OutputError
from empycustom.model.serialize import parse, plain, shorten, shown


@given(nested(scalars))
@quick
def test_plain_values_stay_as_they_are(value):
    assert plain(value) == value
    assert writable(plain(value))


@given(nested(scalars))
@quick
def test_json_text_means_the_same_as_the_value(value):
    assert parse(json.dumps([value])) == parse(json.dumps([value], ensure_ascii=False)) == [value]


@given(nested(wild_leaves))
@settings(deadline=None, max_examples=200)
def test_str_of_a_list_means_the_same_as_the_list(value):
    assert parse(str([value])) == plain([value])
    assert writable(plain([value]))


@given(nested(texts | lone | st.floats() | numpy_scalars()))
@quick
def test_what_plain_returns_can_always_be_written(value):
    assert writable(plain([value]))


@given(nested(wild_leaves))
@quick
def test_plain_makes_new_containers(value):
    given_value = [value, {"k": [value]}]
    before = repr(given_value)
    result = plain(given_value)
    result.append(1)
    result[1]["k"].append(2)
    assert repr(given_value) == before


@pytest.mark.parametrize("dtype", [*DTYPES, *FLOAT_DTYPES])
def test_every_numpy_scalar_becomes_a_python_number(dtype):
    value = np.dtype(dtype).type(1)
    assert plain(value) == 1
    assert type(plain(value)) in (int, float, bool)
    assert parse(str([value, {"a": value}])) == [1, {"a": 1}]
    assert type(parse(str([value]))[0]) is type(plain(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(1.5), 1.5),
        (np.array(True), True),
        (np.array("x"), "x"),
        (np.array([[1, 2], [3, 4]], dtype=np.uint8), [[1, 2], [3, 4]]),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1.0, math.nan, -math.inf]), [1.0, None, None]),
        (np.array([np.longdouble(1.5), np.longdouble("inf")]), [1.5, None]),
        (np.array([{"a": np.float32(0.5)}, None], dtype=object), [{"a": 0.5}, None]),
        (np.empty((0, 4)), []),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]),
        (np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f4")]), [[1, 2.5]]),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (np.float64("nan"), None),
        (np.longdouble("nan"), None),
        (np.True_, True),
        (np.str_("é"), "é"),
        (1e308, 1e308),
        (2**1000, 2**1000),
        ("lone \ud800", "lone ?"),
        ((1, (2,)), [1, [2]]),
    ],
)
def test_what_values_become(value, expected):
    result = plain({"x": value})["x"]
    assert result == expected
    assert type(result) is type(expected)


class Colour(str, enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 7


class Loud(str):
    def __str__(self):
        return "LOUD"


class Odd(int):
    def __int__(self):
        raise RuntimeError("no int for you")


def test_subclasses_are_what_they_hold():
    assert plain([Colour.RED, Size.BIG, Loud("soft"), Odd(3), {Colour.RED: 1, Size.BIG: 2, Loud("k"): 3}]) == [
        "red",
        7,
        "soft",
        3,
        {"red": 1, "7": 2, "k": 3},
    ]


def test_keys_become_texts_as_json_spells_them():
    value = {1: "a", 1.5: "b", None: "d", "s": "e", np.int64(3): "f", np.str_("t"): "g", False: "h"}
    assert plain(value) == {"1": "a", "1.5": "b", "null": "d", "s": "e", "3": "f", "t": "g", "false": "h"}
    assert parse("{1: 'a', None: 'b', True: 'c', -2: 'd'}") == {"1": "c", "null": "b", "-2": "d"}
    assert plain({"\ud800": 1}) == {"?": 1}
    assert plain({math.nan: 1}) == {"null": 1}


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


class BadList:
    dtype = "what"

    def tolist(self):
        raise RuntimeError("on another device")


@pytest.mark.parametrize(
    ("value", "place", "what"),
    [
        ([1, {"a": [0, {1, 2}]}], "[1].a[1]", "builtins.set is not a JSON value"),
        ({"a": b"x"}, "a", "builtins.bytes"),
        ([1j], "[0]", "builtins.complex"),
        ([np.complex64(1)], "[0]", "builtins.complex"),
        ([np.datetime64("2020-01-01")], "[0]", "datetime.date"),
        ([np.bytes_(b"x")], "[0]", "builtins.bytes"),
        ([np.clongdouble(1)], "[0]", "numpy.clongdouble"),
        (object(), "the value", "builtins.object"),
        ([lambda: 1], "[0]", "builtins.function"),
        ([10**5000], "[0]", "too large"),
        ({10**5000: 1}, "the value", "too large"),
        ({(1, 2): 1}, "the value", "the key (1, 2) is not text"),
        ({(10**5000,): 1}, "the value", "the key"),
        ({(Unprintable(),): 1}, "the value", "the key"),
        ({b"k": 1}, "the value", "builtins.bytes"),
        ({frozenset(): 1}, "the value", "builtins.frozenset"),
        ([Unprintable()], "[0]", "Unprintable is not a JSON value"),
        ({"x": BadList()}, "x", "cannot be listed: RuntimeError: on another device"),
        ({"a\nb \ud800\0": {1}}, "a b ?\\0", "builtins.set"),
    ],
)
def test_what_is_no_json_value_is_named_with_its_place(value, place, what):
    with pytest.raises(OutputError, match=r".") as caught:
        plain(value)
    assert caught.value.path == place
    assert what in str(caught.value)
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)
    str(caught.value).encode("utf-8")


def test_values_that_contain_themselves():
    own_list, own_dict, array = [], {}, np.empty(1, dtype=object)
    own_list.append(own_list)
    own_dict["me"] = [own_dict]
    array[0] = array
    for value in (own_list, own_dict, [array]):
        with pytest.raises(OutputError, match="nested too deeply, or contains itself"):
            plain(value)
    with pytest.raises(OutputError, match=r"nested too deeply|is not a literal|not a JSON value"):
        parse(str(own_list))


def wrapped(depth):
    value = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"k": value}
    return value


@pytest.mark.parametrize("depth", [99, 100])
def test_nesting_up_to_the_limit_means_the_same_in_every_spelling(depth):
    value = wrapped(depth)
    assert plain(value) == parse(json.dumps(value)) == parse(str(value)) == value


@pytest.mark.parametrize("depth", [101, 102, 300, 900, 5000])
def test_deeper_nesting_is_refused_in_every_spelling(depth):
    value = wrapped(depth)
    with pytest.raises(OutputError, match="nested too deeply"):
        plain(value)
    for text in ("[" * depth + "]" * depth, "{'k':" * depth + "1" + "}" * depth):
        with pytest.raises(OutputError):
            parse(text)


def test_how_messages_show_values():
    assert shorten("a\n  b") == "'a b'"
    assert shown(Unprintable()) == "(its repr raises RuntimeError)"
    assert shown("x") == "'x'"
    assert shown(10**5000) == "(its repr raises ValueError)" or len(shown(10**5000)) <= 200
    assert len(shown([0] * 1000)) == 200
    assert shown([0] * 1000).endswith("…")
