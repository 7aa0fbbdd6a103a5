"""JSON and numbers that others put on buffers: refused with a reason, or cleaned, and no other exception."""

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.carriers.protocol import free_numbers
from empycustom.errors import OutputError
from empycustom.model.results import new_object
from empycustom.model.serialize import assemble, dumps, encode, loads
from empycustom.model.wire import Known, box_dict, clean_box, known, note_text, read_event, read_note, usable

OBJECT = {
    "key": "region/7",
    "class_id": 2,
    "object_id": 41,
    "confidence": 0.75,
    "obj_label": "person",
    "rect_params": {"left": 8.5, "top": 4, "width": 16, "height": 20},
    "text_params": {"display_text": ""},
    "classifier": [
        {
            "num_labels": 1,
            "unique_component_id": 3,
            "label_info": [
                {"num_classes": 0, "result_label": "red", "result_class_id": 4, "label_id": 0, "result_prob": 0.25},
            ],
        }
    ],
    "emcustom": {"name": [1, None, "é"]},
}
NOTE = {"frame_num": 7, "timestamp": "2020-05-13T12:18:47.323-0600", "emcustom": {"a": 1.5}, "object": [OBJECT]}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def places(value, at=()):
    """Return the place of everything in a value."""
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*at, key))
    return found


def changed(value, at, new):
    """Return a copy of a value with something else in a place."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = new
    return copy


def note_in(text):
    return read_note(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("ours", [False, True])
def test_what_empycustom_writes_is_read_as_it_is(ours):
    """Also by another process, which checks it."""
    record = {"key": "region/7", "obj_label": "person", "class_id": 2, "box_in_region": [-0.5, 0, 1, 1.25], "emcustom": [1, None]}
    written = {**NOTE, "emcustom": {"ours": ours}, "object": [record, OBJECT]}
    text = assemble(written)
    if ours:
        known.add(text, 7, (64, 48))
    assert (known.get(text) is not None) is ours
    assert read_note(text) == written


def test_of_the_texts_of_this_process_the_last_ones_are_known():
    ours = Known()
    for number in range(10_000):
        ours.add(str(number).encode(), number, (number + 1, 2) if number % 2 else None)
        assert ours.size(str(number).encode()) == ((number + 1, 2) if number % 2 else None)
        assert ours.get(str(number).encode()) == number
        assert ours.get(str(number - 2000).encode()) is not None or number < 2000
    assert ours.get(b"0") is None
    assert ours.get(b"other") is None


@pytest.mark.parametrize("value", [2**64, {"a": [-(2**63) - 1]}, 10**300])
def test_what_needs_care_when_it_is_read_is_not_known(value):
    """Integers of more than 64 bits, which the quick decoder would make floats of."""
    text = note_text({"frame_num": 1, "timestamp": "x", "emcustom": encode(value)})
    known.add(text, 1, None)
    assert known.get(text) is None
    assert read_note(text)["emcustom"] == value


def test_a_record_says_only_what_stands_in_it():
    note = note_in(dumps({**NOTE, "object": [{"key": "region/1", "confidence": 1}, {"key": "x/2", "emcustom": None}]}))
    assert note["object"] == [{"key": "region/1", "obj_label": "", "confidence": 1.0}, {"key": "x/2", "obj_label": ""}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"timestamp": "x"}', "frame_num is missing: number of the frame"),
        ('{"frame_num": "7", "timestamp": "x"}', 'frame_num: "7" must be a whole number from 0 to 9223372036854775807'),
        ('{"frame_num": true, "timestamp": "x"}', "frame_num: true must be"),
        ('{"frame_num": -1, "timestamp": "x"}', "frame_num: -1 must be"),
        ('{"frame_num": 1.5, "timestamp": "x"}', "frame_num: 1.5 must be"),
        (f'{{"frame_num": {2**63}, "timestamp": "x"}}', "frame_num: 9223372036854775808 must be"),
        ('{"frame_num": 1, "timestamp": 5}', "timestamp: 5 must be text"),
        ('{"frame_num": 1, "timestamp": "x", "object": {}}', "object: {} must be a list"),
        ('{"frame_num": 1, "timestamp": "x", "object": [5]}', r"object\[0\]: 5 must be a JSON object"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{}]}', r"object\[0\]: key is missing: what ties the entry"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{"key": "a/1", "rect_params": {}}]}', r"object\[0\].rect_params: left is missing"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{"key": "a/1", "colour": 1}]}', r"object\[0\].colour: is an unknown key"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{"key": "a/1", "box_in_region": [0, 0, 1]}]}', r"box_in_region: \[0, 0, 1\] must be a list of left, top"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{"key": "a/1", "box_in_region": [0, 0, 1, -1]}]}', r"box_in_region: \[.* must be a list of left, top"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{"key": "a/1", "box_in_region": [0, 1e300, 1, 1]}]}', r"box_in_region: \[.* must be a list of left, top"),
        ('{"frame_num": 1, "timestamp": "x", "object": [{"key": "a/1", "box_in_region": [true, 0, 1, 1]}]}', r"box_in_region: \[.* must be a list of left, top"),
        ('{"schema_version": 2, "frame_num": 1, "timestamp": "x"}', "schema_version: 2 is newer than 1, the newest that is known here"),
        ('{"schema_version": 0, "frame_num": 1, "timestamp": "x"}', "schema_version: 0 must be a whole number of at least 1"),
        ('{"frame_num": 1, "timestamp": "x"} {}', "text behind the JSON"),
        ('{"frame_num": 1, "timestamp": "x", "emcustom": ' + "[" * 150 + "]" * 150 + "}", "lie in one another"),
        ('{"frame_num": 1, "timestamp": "x", "emcustom": ' + '{"a":' * 150 + "1" + "}" * 151, "lie in one another"),
        ('{"frame_num": 1, "timestamp": "x", "emcustom": ["\\ud800", ' + "[" * 150 + "]" * 151 + "}", "nested too deeply"),
        ('{"frame_num": 1, "timestamp": "x", "emcustom": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply|lie in one another"),
        ('{"frame_num": 1' + "0" * 5000 + ', "timestamp": "x"}', "frame_num: .* must be|Exceeds the limit"),
    ],
)  # fmt: skip
def test_a_note_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        note_in(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1E999", "1" + "0" * 400 + ".5"])
def test_numbers_that_are_not_finite_become_null(number):
    assert loads(f'{{"a": [{number}, 1.5]}}') == {"a": [None, 1.5]}


def test_lone_surrogates_become_question_marks():
    assert loads('["\\ud800", "\\ud83d\\ude42", {"\\udfff": 1}]') == ["?", "🙂", {"?": 1}]


def test_as_much_is_read_as_a_library_may_say():
    """Words at the limit of what a callback may return, in the note and in aimeta's document."""
    words = 1
    for level in range(99):
        words = [words] if level % 2 else {"é\x01": words}
    for value in ({"object": [{"emcustom": words}] * 30}, {"frame": [{"object": [{"emcustom": words}]}]}):
        assert loads(dumps(value)) == value


@pytest.mark.parametrize("place", [at for at in places(NOTE) if at[0] not in ("emcustom",) and "emcustom" not in at], ids=str)
@given(new=json_values)
def test_whatever_stands_in_a_place_is_read_or_refused(place, new):
    """And what is read is JSON, with which a library can calculate."""
    text = json.dumps(changed(NOTE, place, new))
    try:
        note = note_in(text)
    except ValueError:
        return
    json.loads(assemble(note))
    for record in note.get("object", ()):
        assert record.get("confidence", 1) * sum(record.get("rect_params", {}).values()) < math.inf
        assert record["obj_label"] + record.get("text_params", {"display_text": ""})["display_text"] is not None
        facts = {name: value for name, value in record.items() if name not in ("key", "box_in_region")}
        made = {"rect_params": OBJECT["rect_params"], **facts}
        if -1 <= made.get("confidence", 1) <= 1:
            new_object(made, "")
        else:
            with pytest.raises(OutputError, match="must be a number from 0 to 1"):
                new_object(made, "")


def attempt(read, text):
    with suppress(ValueError):
        read(text)


@given(json_values)
def test_any_json_is_read_or_refused(value):
    for read in (note_in, read_event):
        attempt(read, json.dumps(value))
        attempt(read, json.dumps({"frame_num": 1, "timestamp": "", "emcustom": value, "object": value}))
    attempt(lambda text: dumps(loads(text)).encode(), json.dumps(value))


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for read in (note_in, read_event):
        attempt(read, text)


@pytest.mark.parametrize("key", ["1", None, True, 1.5, 0, -1, 2**31])
def test_keys_of_events_are_numbers(key):
    with pytest.raises(ValueError, match=r"object\[0\].key: .* must be a whole number from 1 to 2147483647"):
        read_event(json.dumps({"object": [{"key": key, "emcustom": 1}]}))


@given(st.floats())
def test_impossible_numbers_are_read_as_0_with_a_warning(number):
    complaints = []
    read = usable(number, "a confidence", complaints)
    if math.isfinite(number) and abs(number) < 2**31:
        assert (read, complaints) == (number, [])
    else:
        assert read == 0
        assert "a confidence that is not possible was read as 0" in complaints[0]


@given(*[st.floats() | st.integers(-(2**40), 2**40)] * 4)
def test_a_box_can_be_handed_back(left, top, width, height):
    complaints = []
    rect = box_dict(*clean_box(left, top, width, height, complaints))
    assert new_object({"rect_params": rect}, "")["rect_params"] == rect
    assert bool(complaints) is (list(rect.values()) != [left, top, width, height])


@given(st.sets(st.integers(-(2**31), 2**33) | st.integers(2**31 - 5, 2**31 + 5) | st.integers(0, 5)))
def test_free_numbers_are_free_and_fit_an_int(used):
    free = free_numbers(used)
    found = [next(free) for _ in range(5)]
    assert len(set(found)) == 5
    assert not used & set(found)
    assert all(0 < number < 2**31 for number in found)
