"""JSON: what libraries return becomes what the json module would write of it, and is read back."""

import datetime
import enum
import json
import math
import sys
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.errors import OutputError
from empycustom.model.serialize import assemble, decode, dumps, encode, is_exact, loads, marked, plain, split

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


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


@given(plain_values)
def test_what_was_written_is_read_back(value):
    """By the json module, by us, and by us where others may have written it."""
    text = encode(value)
    assert identical(json.loads(text), value)
    assert identical(decode(text), value)
    assert identical(loads(dumps(value)), value)
    assert assemble(value) == text


@given(plain_values)
def test_it_is_compact(value):
    text = encode(["é", value, {"a": 1}])
    assert text.lstrip().startswith('["é",'.encode())
    assert text.endswith(b',{"a":1}]')
    assert b"\0" not in text


class Colour(enum.IntEnum):
    RED = 3


class Plain(enum.Enum):
    TEXT, LIST = "text", [1, 2]


class Shouted(str):
    __slots__ = ()

    def __str__(self):
        return self.upper()


class Half(float):
    pass


odd = st.sampled_from(
    [
        np.zeros(2), np.array(1.5), np.arange(6).reshape(2, 3).T, np.arange(3, dtype=">i4"), np.arange(4)[::2], np.array(["a", "b"]),
        np.array([1.0, math.nan]), np.array([[True, False]]), np.float16(0.5), np.float32(0.5), np.float64(1.5), np.longdouble(1.5),
        np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), np.str_("b"), np.empty((0, 4)), np.array([{"a": np.int64(1)}, None], dtype=object),
        Colour.RED, Plain.TEXT, Plain.LIST, Shouted("a"), Half(0.5), uuid.UUID(int=7), 2**64, -(2**63) - 1, "\ud800", "\0",
        math.nan, math.inf, (1, (2,)),
    ]
)  # fmt: skip
keys = (
    st.text("ab\ud800", max_size=2)
    | st.integers(0, 9)
    | st.floats()
    | st.booleans()
    | st.none()
    | st.sampled_from([Shouted("k"), np.str_("n")])
)
returned = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**1000), 2**1000) | st.floats() | st.text(max_size=4) | odd,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(returned)
@settings(deadline=None, max_examples=1000)
def test_whatever_is_returned_is_the_json_of_its_plain_value(value):
    """By the quick encoder, and where that refuses it, by the slow way; both mean the same."""
    text, expected = encode(value), plain(value)
    assert json.loads(text) == pytest.approx(expected, rel=1e-7) if isinstance(expected, float) else json.loads(text) == expected
    assert identical(decode(text), loads(text.decode().lstrip()))


def test_arrays_of_float32_are_written_with_the_digits_that_they_have():
    array = np.random.default_rng(1).standard_normal(512).astype(np.float32)
    text = encode({"embedding": array})
    assert np.array_equal(np.array(json.loads(text)["embedding"], np.float32), array)
    assert len(text) < len(json.dumps({"embedding": array.tolist()}, separators=(",", ":"))) * 0.6


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (datetime.date(2020, 1, 1), "datetime.date"), (datetime.datetime(2020, 1, 1), "datetime.datetime"), (datetime.time(), "datetime.time"),
        (np.datetime64("2020-01-01"), "datetime.date"), (np.array(["2020-01-01"], dtype="datetime64[D]"), "datetime.date"),
        (b"bytes", "builtins.bytes"), ({1, 2}, "builtins.set"), (..., "builtins.ellipsis"), (1j, "builtins.complex"), (10**400, "too large"),
        (Plain, "enum.Enum"),
    ],
)  # fmt: skip
def test_what_is_not_a_json_value_is_refused_with_its_place(value, what):
    for place, given_value in (("a[1]", {"a": [0, value]}), ("[3].b", None)):
        with pytest.raises(OutputError, match=what if given_value is None else r"^a\[1\]") as caught:
            encode(given_value) if given_value else encode({"b": value}, 3)
        assert caught.value.path.startswith(place)


def nested(depth, inner=1):
    for _ in range(depth):
        inner = [inner] if depth % 2 else {"k": inner}
    return inner


@pytest.mark.parametrize("around", [0, 1, 4])
def test_as_deep_as_it_may_be_and_no_deeper(around):
    for depth in (90, 99, 100, 101, 150, 300, 5000):
        for value in (nested(depth), [nested(depth - 1), *[[]] * 200]):
            if depth + around <= 100:
                assert decode(encode(value, depth=around)) == value
            else:
                with pytest.raises(OutputError, match="nested too deeply, or contains itself"):
                    encode(value, "here", depth=around)


def test_what_contains_itself_is_refused():
    own, array = [], np.empty(1, dtype=object)
    own.append({"me": own})
    array[0] = array
    for value in (own, [array], {"a": own}):
        with pytest.raises(OutputError, match="nested too deeply, or contains itself"):
            encode(value)


def test_json_among_plain_values_is_put_in_as_it_is():
    assert assemble({"a": encode([1.5]), "b": [encode("é"), None]}) == '{"a":[1.5],"b":["é",null]}'.encode()
    big = assemble({"a": encode(2**70), "b": 2**71})
    assert (json.loads(big), is_exact(big)) == ({"a": 2**70, "b": 2**71}, False)
    assert not is_exact(assemble({"a": encode({"b": 2**70})}, marked))
    assert is_exact(assemble({"a": encode({"b": 2**63})}, marked))


@given(plain_values, plain_values)
def test_marked_json_is_found_again_as_it_was(one, other):
    texts = [encode(value) for value in (one, {"\t": "\t"}, other)]
    text = assemble({"a": texts[0], "b": [{"c": texts[1]}, {"d": texts[2]}]}, marked)
    assert identical(json.loads(text), json.loads(assemble({"a": texts[0], "b": [{"c": texts[1]}, {"d": texts[2]}]})))
    if is_exact(text):
        values, fragments = split(text)
        assert (values, [*fragments]) == ({"a": None, "b": [{"c": None}, {"d": None}]}, texts)


def test_what_is_returned_may_change_afterwards():
    value = {"a": [1]}
    text = encode(value)
    value["a"].append(2)
    assert decode(text) == {"a": [1]}


def test_numpy_is_not_loaded_for_it():
    import subprocess

    code = "import sys; from empycustom.model.serialize import encode; encode({'a': [1.5, 'x']}); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("text", ["{} ", "{}x", "1 2", "[1]]", '{"a":1}{"b":2}', "null\n", '"a""b"', "{}\0"])
def test_text_behind_the_json_is_refused(text):
    with pytest.raises(ValueError, match="behind the JSON"):
        loads(text)


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "{'a':1}", "nul", "\ufeff{}", '{"a"}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r"Expecting|behind|trailing comma"):
        loads(text)
