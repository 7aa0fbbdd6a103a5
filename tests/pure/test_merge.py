"""Attributes of several libraries are merged."""

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.model.results import merge
from empycustom.model.values import NOTHING, is_nothing

quick = settings(deadline=None, max_examples=80)
leaves = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2)
words = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
dicts = st.dictionaries(st.sampled_from("abc"), words, max_size=3)
# Libraries that agree on which keys hold dicts: capitals do, small letters do not.
agreed = st.deferred(
    lambda: st.builds(
        lambda leaf, inner: {**leaf, **inner},
        st.dictionaries(st.sampled_from("ab"), leaves, max_size=2),
        st.dictionaries(st.sampled_from("AB"), st.just({}) | agreed, max_size=1),
    )
)


@given(agreed, agreed, agreed)
@quick
def test_merging_is_associative_where_all_agree_what_is_a_dict(one, two, three):
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(words)
@quick
def test_nothing_changes_nothing(said):
    assert merge(NOTHING, said) == said
    assert merge(said, NOTHING) == said
    assert merge(NOTHING, NOTHING) is NOTHING


@given(words)
@quick
def test_saying_the_same_again_changes_nothing(said):
    assert merge(said, said) == said


@given(words, words)
@quick
def test_the_arguments_are_not_changed(earlier, later):
    before = copy.deepcopy((earlier, later))
    merge(earlier, later)
    assert (earlier, later) == before


@given(dicts, dicts)
@quick
def test_dicts_merge_key_by_key(earlier, later):
    merged = merge(earlier, later)
    assert set(merged) == {*earlier, *later}
    for key, value in merged.items():
        assert value == merge(earlier.get(key, NOTHING), later.get(key, NOTHING))


@given(words, words.filter(lambda said: not isinstance(said, dict)))
@quick
def test_anything_else_replaces(earlier, later):
    assert merge(earlier, later) == later
    assert merge(later, {"a": 1}) == {"a": 1}


def test_depth_and_order():
    assert merge({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": 3}, "b": [2]}) == {"a": {"x": 1, "y": 3}, "b": [2]}
    assert merge({"a": 1}, {"a": None}) == {"a": None}
    assert list(merge({"b": 1, "a": 2}, {"c": 3, "a": 4})) == ["b", "a", "c"]


def test_values_without_attributes():
    assert all(is_nothing(said) for said in (NOTHING, None, {}, ""))
    assert not any(is_nothing(said) for said in (0, False, [], "x", {"a": None}, [None], 0.0))
    assert not NOTHING
    assert repr(NOTHING) == "NOTHING"
