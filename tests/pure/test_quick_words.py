"""The short way to read a result gives the same as the long way, or nothing."""

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.errors import OutputError
from empycustom.model.results import deal, quick_words, read_output
from empycustom.model.values import NOTHING


class Colour(enum.IntEnum):
    RED = 3


class Shouted(str):
    __slots__ = ()

    def __str__(self):
        return self.upper()


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**1100), 2**1100)
    | st.floats()
    | st.text('aN1 "\\\0é\ud800😀', max_size=6)
    | st.sampled_from(
        [
            np.zeros(2),
            np.array(1.5),
            Colour.RED,
            Shouted("a"),
            np.float64(1.5),
            np.float32(0.1),
            np.int64(7),
            np.bool_(True),
            np.str_("b"),
            1j,
        ]
    )
)
keys = st.text("ab", max_size=2) | st.integers(0, 9) | st.floats() | st.booleans() | st.none() | st.just(Shouted("k"))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


frames = st.dictionaries(keys | st.sampled_from(["meta", "object", "new_object"]), values, max_size=3)
forms = st.lists(values, min_size=1, max_size=2) | st.fixed_dictionaries({"frame": frames | values}, optional={"meta": values})


@given(forms)
@settings(deadline=None, max_examples=1000)
def test_where_it_answers_it_is_what_reading_gives(returned):
    quick = quick_words(returned)
    if quick is not None:
        words, output = (json.loads(text) for text in quick)
        assert output == read_output(returned)
        said = deal(output, [0])
        assert (said.frames[0].words, said.words, said.ignored) == (words, NOTHING, [])


@pytest.mark.parametrize(
    "entry",
    [{"brightness": 0.5, "label": "person"}, {"a": [1, None, True, {"b": (2, 3)}]}, "text", 5, [1], {"np": np.float64(0.5)}],
)
def test_it_answers_for_what_callbacks_usually_return(entry):
    words = json.dumps(read_output([entry])[0], separators=(",", ":"))
    assert quick_words([entry]) == (words, f"[{words}]")
    if isinstance(entry, dict):
        assert quick_words({"frame": entry}) == (words, f'{{"frame":{words}}}')


@pytest.mark.parametrize(
    "returned",
    [
        None,
        [],
        [{}],
        [None],
        [""],
        [{"a": 1}, {"b": 2}],
        {"frame": []},
        {"frame": {}},
        {"frame": None},
        {"frame": [{"meta": {"a": 1}}]},
        {"frame": {"a": 1}, "meta": {"b": 2}},
        {"frame": {"meta": {"a": 1}}},
        {"frame": {"a": 1, "object": []}},
        {"frame": {np.str_("new_object"): [], "a": 1}},
        {"frame": {"a": math.nan}},
        {"frame": {"a": "é"}},
        {"frames": {"a": 1}},
        ({"a": 1},),
        '[{"a": 1}]',
        [{"a": math.nan}],
        [{"a": math.inf}],
        [{math.nan: 1}],
        [{"a": "é"}],
        [{"a": "\ud800"}],
        [{"a": np.int64(1)}],
        [{"a": np.zeros(2)}],
        [np.zeros(2)],
        [np.array([])],
        [{"a": Ellipsis}],
        [{(1, 2): 3}],
        [{"a": "x" * 500}],
        [10**400],
    ],
    ids=repr,
)
def test_the_rest_is_left_to_reading(returned):
    assert quick_words(returned) is None


def test_what_nests_too_deeply_or_contains_itself_is_left_to_reading():
    deep = []
    for _ in range(100):
        deep = [deep]
    assert quick_words([deep]) is None
    with pytest.raises(OutputError, match="nested too deeply"):
        read_output([deep])
    own = []
    own.append(own)
    assert quick_words([own]) is None
