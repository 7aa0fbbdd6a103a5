"""Compact JSON: as the json module writes it, and back."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.model import serialize as compact
from empycustom.model.serialize import dumps, loads

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def by_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(plain)
def test_it_is_what_the_json_module_writes(value):
    assert dumps(value) == by_json(value)


@given(plain)
def test_it_is_written_the_same_where_python_has_no_encoder_in_c(value):
    """The fall-back: as on a Python whose json module looks otherwise."""
    assert compact._encoder.encode(value) == dumps(value)


def identical(one, other):
    """Equal, and of the same types: 1 is not True, and 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(identical(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return one == other


@given(plain)
def test_what_was_written_is_read_back(value):
    assert identical(loads(dumps(value)), value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("around", [lambda value: value, lambda value: [value], lambda value: {"a": [1, {"b": value}]}])
def test_numbers_that_json_has_not_are_refused(value, around):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(around(value))


@pytest.mark.parametrize("value", [{1, 2}, Ellipsis, b"bytes", {"a": [1j]}, {(1, 2): 3}], ids=repr)
def test_what_is_no_plain_value_is_refused(value):
    with pytest.raises(TypeError):
        dumps(value)


def test_a_dict_does_not_change_what_is_written_after_it_was_refused():
    """The encoder is made once: a value that fails leaves nothing behind."""
    inner = {"a": [math.nan]}
    for _ in range(3):
        with pytest.raises(ValueError, match="JSON"):
            dumps(inner)
        assert dumps({"a": [1.5]}) == '{"a":[1.5]}'


@pytest.mark.parametrize("text", ["{} ", "{}x", "1 2", "[1]]", '{"a":1}{"b":2}', "null\n", '"a""b"', "{}\0"])
def test_text_behind_the_json_is_refused(text):
    with pytest.raises(ValueError, match="behind the JSON"):
        loads(text)


@pytest.mark.parametrize("text", ["", " ", " {}", "{", "[1,]", "{'a':1}", "nul", "\ufeff{}", '{"a"}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r"Expecting|behind|trailing comma"):
        loads(text)
