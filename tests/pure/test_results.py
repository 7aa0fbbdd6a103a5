"""Results of callbacks are read, checked, and distributed over frames and objects."""

import json
import math

import numpy as np
import pytest
from dealt_results import RECT, deal, dealt, read_output
from hypothesis import given, settings
from hypothesis import strategies as st

from empycustom.errors import EmPyCustomError, OutputError
from empycustom.model.results import Result, read_result
from empycustom.model.serialize import loads
from empycustom.model.values import NOTHING

quick = settings(deadline=None, max_examples=80)


# Reading.


@pytest.mark.parametrize("value", [None, "", "  \n", [], {}, "[]", "{}", "null", "None", np.array([])])
def test_nothing_to_say(value):
    assert read_output(value) is None
    said = deal(read_output(value), [2])
    assert said.words is NOTHING
    assert said.frames[0].words is NOTHING
    assert said.frames[0].objects == [NOTHING, NOTHING]
    assert said.frames[0].new_objects == []
    assert said.ignored == []


@pytest.mark.parametrize(
    "value",
    [
        [{"a": 1.5}, {}],
        '[{"a": 1.5}, {}]',
        "[{'a': 1.5}, {}]",
        str([{"a": np.float64(1.5)}, {}]),
        [{"a": np.float32(1.5)}, {}],
        np.array([{"a": 1.5}, {}], dtype=object),
        np.str_("[{'a': 1.5}, {}]"),
    ],
)
def test_every_spelling_of_a_list_is_the_same(value):
    assert read_output(value) == [{"a": 1.5}, {}]


def test_the_listing_of_the_seed():
    person = {"average_intensity": np.mean(np.full((2, 2), 7, np.uint8))}
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        nobody = {"average_intensity": np.mean(np.zeros((0, 2), np.uint8))}
    assert read_output(str([person, {}, nobody])) == [{"average_intensity": 7.0}, {}, {"average_intensity": None}]


def test_numpy_arrays_are_lists():
    assert read_output(np.array([1.0, math.nan])) == [1.0, None]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (5, "int 5"),
        (True, "bool True"),
        ("5", "str '5'"),
        ("'text'", "text"),
        (b"[]", "bytes b'[]'"),
        ({1}, "set {1}"),
        (object, "type <class 'object'>"),
        (np.float64(1.5), "float64"),
        (np.array(1.5), "ndarray"),
        ((None, "[]"), "process_ip returns the meta alone"),
        (iter([]), "iterator"),
    ],
)
def test_what_is_no_meta_is_refused_with_the_forms_that_are(value, what):
    with pytest.raises(OutputError, match="which is not metadata: return a list") as caught:
        read_output(value)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr")


def test_a_value_that_cannot_be_shown_is_refused_all_the_same():
    with pytest.raises(OutputError, match=r"Unprintable \(its repr raises RuntimeError\)"):
        read_output(Unprintable())
    with pytest.raises(OutputError, match="process_ip returns the meta alone"):
        read_output((Unprintable(), 1))
    with pytest.raises(OutputError, match="got int"):
        read_output(10**5000)


def test_an_output_error_is_ours_and_a_value_error():
    with pytest.raises(OutputError) as caught:
        read_output("nonsense")
    assert isinstance(caught.value, EmPyCustomError)
    assert isinstance(caught.value, ValueError)
    assert "'nonsense'" in str(caught.value)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text("a'é\n\ud800", max_size=4)
anything = st.recursive(
    leaves | st.builds(object) | st.binary(max_size=2) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["meta", "frame", "object", "new_object", "rect_params", "left", "a", 1, None, (1,)]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(anything, st.lists(st.integers(0, 3), max_size=3))
@settings(deadline=None, max_examples=300)
def test_any_value_is_distributed_or_is_an_output_error(value, counts):
    try:
        result = read_result(value, counts) or Result(counts)
    except OutputError as error:
        str(error).encode("utf-8")
        return
    assert json.dumps(loads(result.text), allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert [len(frame.objects) for frame in result.frames] == counts


# Dealing a list.

entries = st.just({}) | st.dictionaries(st.sampled_from("abc"), st.integers(), min_size=1, max_size=2)


@given(st.lists(entries, min_size=1, max_size=6), st.integers(1, 4))
@quick
def test_the_nth_entry_belongs_to_the_nth_object(given_entries, count):
    said = dealt(given_entries, count)
    expected = [entry or NOTHING for entry in given_entries[:count]]
    assert said.frames[0].objects == expected + [NOTHING] * (count - len(expected))
    words = {key: value for entry in given_entries[count:] for key, value in entry.items()}
    assert said.frames[0].words == (words or NOTHING)
    assert said.words is NOTHING
    assert said.ignored == []


def test_empty_entries_add_nothing():
    assert dealt([{}, {"a": 1}, "", None], 4).frames[0].objects == [NOTHING, {"a": 1}, NOTHING, NOTHING]
    assert dealt([0, False, []], 3).frames[0].objects == [0, False, []]


def test_too_few_entries():
    assert dealt([{"a": 1}], 3).frames[0].objects == [{"a": 1}, NOTHING, NOTHING]


def test_entries_in_excess_belong_to_the_frame_and_are_merged():
    frame = dealt([{"o": 1}, {"a": {"x": 1}}, {}, {"a": {"y": 2}, "b": 3}], 1).frames[0]
    assert frame.objects == [{"o": 1}]
    assert frame.words == {"a": {"x": 1, "y": 2}, "b": 3}


def test_without_objects_the_first_entry_is_the_frames_and_the_rest_is_ignored_aloud():
    said = dealt([{"a": 1}, {"b": 2}, {"c": 3}], 0)
    assert said.frames[0].words == {"a": 1}
    assert said.frames[0].objects == []
    (complaint,) = said.ignored
    assert complaint.startswith("2 of 3 entries were ignored")


def test_without_objects_one_entry_is_not_a_warning():
    assert dealt([{"a": 1}], 0).ignored == []
    assert dealt([{}], 0).frames[0].words is NOTHING


def test_a_list_is_for_the_first_frame_only():
    said = dealt([{"a": 1}, {"b": 2}], 1, 1)
    assert [frame.objects for frame in said.frames] == [[{"a": 1}], [NOTHING]]
    assert [frame.words for frame in said.frames] == [{"b": 2}, NOTHING]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([{}, {"obj_label": "van", "rect_params": RECT}], "[1]"),
        ({"frame": [{"object": [{"obj_label": "van", "rect_params": RECT}]}]}, "frame[0].object[0]"),
    ],
)
def test_an_object_in_the_place_of_its_attributes(value, place):
    with pytest.raises(OutputError, match=r"changed_object.*new_object") as caught:
        dealt(value, 2)
    assert str(caught.value).startswith(f"{place}: has obj_label and rect_params")


def test_a_buffer_without_frames():
    assert dealt([{"a": 1}]).ignored == ["1 entries were ignored: the buffer has no frame"]
    assert dealt({"meta": {"a": 1}}).words == {"a": 1}
    assert dealt({"frame": [{"meta": 1}]}).ignored


# Dealing the object form.


def test_the_long_form_is_for_batch_frames_and_objects():
    said = dealt(
        {
            "meta": {"b": 1},
            "frame": [
                {"meta": {"f": 0}, "object": [{"o": 0}, {}]},
                {"object": [{"o": 1}, {"x": 2}], "new_object": [{"rect_params": RECT}]},
                {},
            ],
        },
        2,
        1,
        1,
    )
    assert said.words == {"b": 1}
    assert [frame.words for frame in said.frames] == [{"f": 0}, {"x": 2}, NOTHING]
    assert [frame.objects for frame in said.frames] == [[{"o": 0}, NOTHING], [{"o": 1}], [NOTHING]]
    assert [len(frame.new_objects) for frame in said.frames] == [0, 1, 0]
    assert said.ignored == []


def test_objects_in_excess_are_merged_into_the_attributes_of_their_frame():
    assert dealt({"frame": [{"meta": {"a": 1, "b": 1}, "object": [{"b": 2}]}]}, 0).frames[0].words == {"a": 1, "b": 2}


def test_every_key_is_optional_and_may_be_null():
    value = {"meta": None, "frame": [{"meta": None, "object": None, "new_object": None}]}
    assert dealt(value, 1) == deal(None, [1])
    assert dealt({"frame": None}, 1) == deal(None, [1])
    assert dealt({"meta": {}}, 1) == deal(None, [1])
    assert dealt({"frame": []}, 1) == deal(None, [1])


def test_fewer_frames_than_there_are():
    said = dealt({"frame": [{"meta": 1}]}, 0, 0)
    assert [frame.words for frame in said.frames] == [1, NOTHING]


def test_more_frames_than_there_are_are_ignored_aloud():
    said = dealt({"frame": [{"meta": 1}, {"meta": 2}, {"meta": 3}]}, 0)
    assert said.frames[0].words == 1
    assert said.ignored == ["3 frames were described, but the buffer has 1; the rest was ignored"]


def test_the_object_form_as_text():
    assert read_output("{'meta': {'a': np.int64(1)}, 'frame': [{}]}") == {"meta": {"a": 1}, "frame": [{}]}
    assert read_output('{"meta": {"a": 1}}') == {"meta": {"a": 1}}


# The short form for the frame.

OWN = {"brightness": 0.5, "n": {"a": [1, None]}}


@pytest.mark.parametrize("spelled", [lambda value: value, json.dumps, str], ids=["dict", "JSON", "str"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_dict_under_frame_is_the_frames_own_result(spelled, count):
    said = dealt(spelled({"frame": OWN}), count)
    assert (said.frames[0].words, said.frames[0].objects, said.words) == (OWN, [NOTHING] * count, NOTHING)
    both = dealt(spelled({"frame": OWN, "meta": {"site": 3}}), count)
    assert (both.frames[0].words, both.words) == (OWN, {"site": 3})


def test_the_short_form_is_kept_as_it_was_returned():
    assert read_output({"frame": OWN}) == {"frame": OWN}


def test_an_empty_dict_under_frame_adds_nothing():
    assert dealt({"frame": {}}, 1) == deal(None, [1])


@pytest.mark.parametrize("key", ["meta", "object", "new_object"])
@pytest.mark.parametrize("more", [{}, {"brightness": 0.5}])
@pytest.mark.parametrize("value", [None, [], {"a": 1}, [{"rect_params": RECT}]])
def test_a_dict_under_frame_that_could_be_an_entry_is_refused_with_both_ways_out(key, more, value):
    with pytest.raises(OutputError) as caught:
        read_output({"frame": {**more, key: value}})
    assert caught.value.path == "frame"
    assert f'is a dict with the key "{key}"' in str(caught.value)
    assert 'return {"frame": [{...}]}; ' in str(caught.value)
    assert str(caught.value).endswith('return {"frame": [{"meta": {...}}]}')
    assert dealt({"frame": [{"meta": {**more, key: value}}]}, 1).frames[0].words == {**more, key: value}


def test_the_short_form_is_of_one_frame():
    with pytest.raises(OutputError, match=r"^frame: is the result of one frame, but the buffer has 4; return a list") as caught:
        dealt({"frame": OWN}, 1, 0, 2, 0)
    assert caught.value.path == "frame"
    assert dealt({"frame": OWN}).ignored == ["1 frames were described, but the buffer has 0; the rest was ignored"]
    assert deal({"frame": {}}, [1, 1]) == deal(None, [1, 1])
