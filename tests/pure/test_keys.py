"""The declaration of the JSON keys: what is made from it agrees with it, and a new key is one entry."""

import copy
import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom import types
from empycustom.config.schema import Boolean
from empycustom.errors import OutputError
from empycustom.model import keys
from empycustom.model.schema import (
    ABSENT,
    ANYTHING,
    JSON_OBJECT,
    Array,
    Float,
    Integer,
    Object,
    OneOf,
    Text,
    Unusual,
    json_schema,
)
from empycustom.model.values import NOTHING, Box, Detection
from empycustom.model.wire import detection_of, object_dict

WHOLE = {
    "class_id": 2,
    "object_id": 41,
    "confidence": 0.75,
    "obj_label": "person",
    "rect_params": {"left": 8.5, "top": 4.0, "width": 16.0, "height": 20.0},
    "text_params": {"display_text": "a person"},
    "classifier": [
        {
            "num_labels": 1,
            "unique_component_id": 3,
            "label_info": [{"num_classes": 0, "result_label": "red", "result_class_id": 4, "label_id": 0, "result_prob": 0.25}],
        }
    ],
    "emcustom": {"name": [1, None]},
}
wild = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "a", "1", "true"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["left", "display_text", "label_info", "x"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
PLACES = [
    *((key,) for key in WHOLE),
    *(("rect_params", side) for side in WHOLE["rect_params"]),
    ("text_params", "display_text"),
    ("classifier", 0),
    *(("classifier", 0, key) for key in WHOLE["classifier"][0]),
    *(("classifier", 0, "label_info", 0, key) for key in WHOLE["classifier"][0]["label_info"][0]),
    ("unknown",),
    ("rect_params", "unknown"),
]


def changed(place, value):
    whole = copy.deepcopy(WHOLE)
    holder = whole
    for step in place[:-1]:
        holder = holder[step]
    if value is ABSENT:
        holder.clear() if place[-1] == 0 else holder.pop(place[-1], None)
    else:
        holder[place[-1]] = value
    return whole


READ = keys.OBJECT_DICT.reader()


@given(st.sampled_from(PLACES), wild | st.just(ABSENT))
def test_the_quick_way_and_the_careful_one_read_the_same(place, value):
    given_value = changed(place, value)
    wrong = list(keys.OBJECT_DICT.problems(given_value, ""))
    try:
        quick = READ(copy.deepcopy(given_value))
    except Unusual:
        quick = None
    if wrong:
        assert quick is None
    elif quick is not None:
        careful = keys.OBJECT_DICT.read(given_value)
        assert quick == careful
        assert json.dumps(quick) == json.dumps(careful)  # types and order, too


@given(st.sampled_from(PLACES), wild | st.just(ABSENT))
def test_an_object_that_is_read_is_read_again_as_it_is(place, value):
    try:
        found = keys.new_object(changed(place, value), "x")
    except OutputError:
        return
    assert keys.new_object(found, "x") == found
    assert list(keys.new_object(dict(reversed(found.items())), "x")) == list(found)


def test_what_is_read_is_new_and_shares_no_containers():
    found = keys.new_object(WHOLE, "")
    assert found == WHOLE
    assert found["rect_params"] is not WHOLE["rect_params"]
    assert found["classifier"][0]["label_info"] is not WHOLE["classifier"][0]["label_info"]
    plain = {"rect_params": WHOLE["rect_params"]}
    assert keys.new_object(plain, "")["classifier"] is not keys.new_object(plain, "")["classifier"]


@pytest.mark.parametrize("schema", keys.DICTS, ids=lambda schema: schema.name)
def test_the_typed_dicts_have_the_declared_keys(schema):
    kind = getattr(types, schema.name)
    assert list(kind.__annotations__) == list(schema.fields)
    optional = {name for name, text in kind.__annotations__.items() if "NotRequired" in str(text)}
    if kind.__total__:
        assert optional == {name for name, key in schema.fields.items() if not key.always}


def test_the_keys_of_in_meta_are_those_of_its_dicts():
    assert set(keys.IN_META_KEYS) >= {
        "frame",
        "buffer",
        "planes",
        "obj_label",
        "left",
        "display_text",
        "label_info",
        "result_prob",
    }
    assert "meta" not in keys.IN_META_KEYS


@pytest.fixture
def made_by_tools():
    """The generator of the typed dicts."""
    folder = Path(__file__).parents[2] / "tools" / "pages"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("pages_model", folder / "model.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(folder))


def test_a_new_key_is_one_entry(made_by_tools):
    """Checks, defaults, messages, JSON Schema and the typed dict follow from it."""
    point = Object(
        {"x": keys.Key(Float(0, 1), "across", required=True), "y": keys.Key(Float(0, 1), "down", required=True)}, name="Point"
    )
    entry = keys.found(Array(point), "corners, in parts of the box", default=[], unit="parts")
    grown = dataclasses.replace(keys.OBJECT_DICT, fields={**keys.OBJECT_DICT.fields, "corners": entry})
    read = grown.reader()

    assert read({"rect_params": WHOLE["rect_params"]})["corners"] == []
    assert read({"rect_params": WHOLE["rect_params"], "corners": [{"x": 0, "y": 1}]})["corners"] == [{"x": 0.0, "y": 1.0}]
    problems = grown.problems({"rect_params": WHOLE["rect_params"], "corners": [{"x": 2}], "corner": 1}, "new_object[0]")
    assert [str(problem).partition("; known")[0] for problem in problems] == [
        "new_object[0].corners[0].x: 2 must be a number from 0 to 1",
        "new_object[0].corners[0]: y is missing: down",
        "new_object[0].corner: is an unknown key; corners may be meant",
    ]
    assert json_schema(grown, "")["$defs"]["ObjectMeta"]["properties"]["corners"]["items"] == {"$ref": "#/$defs/Point"}
    assert '    corners: list[Point]\n    """Corners, in parts of the box (parts)."""' in made_by_tools._class(grown)


SCHEMAS = [
    (Text(), ["", "a"], [1, None, []]),
    (Text(("a", "b")), ["a"], ["A", "", 1]),
    (Text(filled=True, one_line=True), ["a"], ["", "a\nb"]),
    (Integer(1, 5), [1, 5, 2.0], [0, 6, 1.5, True, "1", None]),
    (Float(0, 1), [0, 0.5, 1], [-0.1, 2, "0", float("nan"), False]),
    (Boolean(), [True, "false"], [1, "yes", None]),
    (ANYTHING, [None, {}, [1]], []),
    (Array(Integer()), [[], [1, 2]], [{}, [1, "2"], None]),
    (OneOf(((list, Array(Text())), (dict, JSON_OBJECT)), "a list or an object"), [["a"], {"x": 1}], [[1], "a", 3]),
    (Object(others=Text()), [{}, {"a": "b"}], [{"a": 1}, {"": "b"}, []]),
    (Object(others=ANYTHING, minimum=1, maximum=1), [{"a": 1}], [{}, {"a": 1, "b": 2}]),
]


@pytest.mark.parametrize(("schema", "right", "wrong"), SCHEMAS, ids=lambda item: type(item).__name__)
def test_each_schema_checks_reads_and_writes_json_schema_alike(schema, right, wrong):
    judge, read = jsonschema.Draft202012Validator(json_schema(schema, "")), schema.reader()
    for value in right:
        assert list(schema.problems(value, "x")) == []
        assert judge.is_valid(value)
        try:
            assert read(value) == schema.read(value)
        except Unusual:
            assert value == 2.0
    for value in wrong:
        assert list(schema.problems(value, "x"))
        assert value != value or not judge.is_valid(value)
        with pytest.raises(Unusual):
            read(value)


@given(st.sampled_from(PLACES), wild | st.just(ABSENT))
def test_an_object_is_the_same_as_a_value_and_as_a_dict(place, value):
    try:
        found = keys.new_object({**changed(place, value), "unique_component_id": 4, "tracker_confidence": 0.5}, "")
    except OutputError:
        return
    attributes = found.get("emcustom", NOTHING)
    assert object_dict(detection_of(found), attributes) == found
    assert list(object_dict(detection_of(found), attributes)) == list(found)


def test_what_is_made_of_a_value_is_complete():
    assert object_dict(Detection("person", Box(1, 2, 3, 4))) == keys.new_object(
        {"obj_label": "person", "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}}, ""
    )
