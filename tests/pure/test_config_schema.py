"""The schema of the stream configuration: what is accepted, what is refused and how, and that its JSON Schema is the same."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empycustom.config import schema
from empycustom.config.file import load, raise_problems
from empycustom.errors import ConfigurationError
from empycustom.frames.formats import FORMATS

SEED = {
    "custom-lib": "models/Secondary_AverageIntensity/libaverage_intensity.so",
    "in-place": "true",
    "format": "RGBA",
    "process-interval": 10,
    "options": {"person_class_id": 2},
}
WHOLE = {
    "developer_name": "me",
    "application_name": "cars",
    "application_version": "1.0",
    "application_description": "counts cars",
    "pipeline_configuration": {
        "input": {"width": 640, "height": 480, "live-source": "true", "batch-size": 1},
        "primary": {"config-file-path": "a.txt", "batch-size": 1, "a-new-property": 3},
        "tracker": {"nvtracker": {"ll-lib-file": "lib.so"}},
        "secondary": [{"nvinfer": {"process-mode": 2}}, {"emcustom": SEED}, {"empycustom": SEED}],
        "emcustom": SEED,
        "empycustom": [SEED, {"custom-lib": "b.py", "memory": "NVMM", "libraries": ["x.so"]}],
        "overlay": {"display-clock": True},
        "aimeta": {"signal-interval": 5, "silent": "false"},
    },
    "signal_callback_function_name": "update",
    "event_item_keys": [
        {"key": "make", "type": "string", "options": ["audi", "bmw"]},
        {"key": "count", "type": "number", "min_value": 0, "max_value": 10.5},
    ],
    "options": [
        {"key": {"element": "aimeta", "property": "signal-interval"}, "option_type": "gstreamer", "value_type": "number"},
        {"key": "speed", "option_type": "callback", "value_type": "number", "min-value": 20, "max-value": 30, "value": 25},
        {"key": "polygon1", "option_type": "callback", "value_type": "list"},
    ],
    "streams": [{"stream_id": "entrance", "location": "rtsp://camera/1", "options": [{"key": "speed", "value": 21}]}],
}
PIPELINE = "$.pipeline_configuration"
# A value, its place, and the message about it.
WRONG = [
    (["pipelin_configuration"], {}, "$.pipelin_configuration: is an unknown key; pipeline_configuration may be meant; known"),
    (["application_version"], 1.0, "$.application_version: 1.0 must be text; write it in quotation marks"),
    (
        ["pipeline_configuration", "emcustom", "in-place"],
        "yes",
        f'{PIPELINE}.emcustom.in-place: "yes" must be true or false; write true or "true"',
    ),
    (["pipeline_configuration", "emcustom", "in-place"], 1, 'write true or "true"'),
    (["pipeline_configuration", "emcustom", "inplace"], True, f"{PIPELINE}.emcustom.inplace: is an unknown key; in-place may be"),
    (
        ["pipeline_configuration", "emcustom", "process-interval"],
        "10",
        '"10" must be a whole number from 1 to 2147483647; write 10',
    ),
    (["pipeline_configuration", "emcustom", "process-interval"], 0, "0 must be a whole number from 1 to"),
    (["pipeline_configuration", "emcustom", "process-interval"], 1.5, "1.5 must be a whole number"),
    (["pipeline_configuration", "emcustom", "process-interval"], True, "true must be a whole number"),
    (["pipeline_configuration", "emcustom", "options"], '{"a": 1}', "must be a JSON object; write it as {"),
    (["pipeline_configuration", "emcustom", "format"], "rgba", "RGBA may be meant"),
    (["pipeline_configuration", "emcustom", "memory"], "GPU", '"GPU" must be one of CPU, NVMM'),
    (["pipeline_configuration", "emcustom", "libraries"], "x.so", 'emcustom.libraries: "x.so" must be a list; write it in [ ]'),
    (["pipeline_configuration", "emcustom", "libraries"], [1], f"{PIPELINE}.emcustom.libraries[0]: 1 must be text"),
    (["pipeline_configuration", "empycustom", 1, "odd key"], 1, f'{PIPELINE}.empycustom[1]["odd key"]: is an unknown key'),
    (["pipeline_configuration", "empycustom"], "a.py", f'{PIPELINE}.empycustom: "a.py" must be an object, or a list of objects'),
    (["pipeline_configuration", "empycustom"], {}, f"{PIPELINE}.empycustom: custom-lib is missing: the Python file"),
    (["pipeline_configuration", "input", "widht"], 1, f"{PIPELINE}.input.widht: is an unknown key; width may be meant"),
    (["pipeline_configuration", "primary", "batch-size"], 0, f"{PIPELINE}.primary.batch-size: 0 must be"),
    (["pipeline_configuration", "primary", "anything"], [], f"{PIPELINE}.primary.anything: [] must be text, a number, true or"),
    (["pipeline_configuration", "primary"], 3, f"{PIPELINE}.primary: 3 must be an object, or a list of objects as"),
    (
        ["pipeline_configuration", "primary"],
        {"empycustom": {"in-place": True}},
        f"{PIPELINE}.primary.empycustom: custom-lib is m",
    ),
    (["pipeline_configuration", "secondary", 0], {"a": {}, "b": {}}, f"{PIPELINE}.secondary[0]: "),
    (["pipeline_configuration", "secondary", 0], {}, "an object with one key, as"),
    (["pipeline_configuration", "aimeta", "signal-interval"], -1, f"{PIPELINE}.aimeta.signal-interval: -1 must be"),
    (["event_item_keys", 0, "type"], "text", '$.event_item_keys[0].type: "text" must be one of string, number'),
    (["event_item_keys", 0, "min-value"], 1, "min_value may be meant"),
    (["options", 0, "option_type"], "gst", "$.options[0].option_type"),
    (["options", 0, "key"], {"element": "aimeta"}, "$.options[0].key: property is missing"),
    (["options", 0, "key"], 3, '$.options[0].key: 3 must be text, or {"element"'),
    (["streams", 0, "options", 0], {"key": "speed"}, "$.streams[0].options[0]: value is missing"),
    (["options", 0, "key"], {"element": "", "property": "a"}, "$.options[0].key.element: must not be empty"),
    (["streams", 0, "stream_id"], "a\nb", '$.streams[0].stream_id: "a\\nb" must be one line, without control characters'),
    (["streams", 0, "stream_id"], "a\n", "must be one line"),
    (["streams", 0, "stream_id"], "", "$.streams[0].stream_id: must not be empty"),
    (["application_name"], "cars\x1b[2J", "$.application_name: "),
    (["pipeline_configuration", "emcustom", "custom-lib"], "", f"{PIPELINE}.emcustom.custom-lib: must not be empty"),
    (["pipeline_configuration", "emcustom", "libraries"], [""], f"{PIPELINE}.emcustom.libraries[0]: must not be empty"),
    (["pipeline_configuration", "primary"], {"": {}}, f'{PIPELINE}.primary[""]: a name must not be empty'),
    (["pipeline_configuration", "secondary", 0], {"": {}}, f'{PIPELINE}.secondary[0][""]: a name must not be empty'),
    (["pipeline_configuration", "secondary", 0], {"identity": {"": 1}}, f'{PIPELINE}.secondary[0].identity[""]: a name must'),
    (["streams", 0], {"location": "test"}, "$.streams[0]: stream_id is missing: its name"),
]


def read(document):
    raise_problems(Path("emi.json"), document, schema.CONFIGURATION.problems(document, "$"))
    return schema.CONFIGURATION.read(document)


def changed(place, value):
    document = copy.deepcopy(WHOLE)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return document


def by_json_schema():
    written = schema.json_schema()
    jsonschema.Draft202012Validator.check_schema(written)
    return jsonschema.Draft202012Validator(written)


def test_a_whole_configuration_is_taken_and_read():
    found = read(WHOLE)
    pipeline = found["pipeline_configuration"]

    assert pipeline["emcustom"]["in-place"] is True
    assert pipeline["input"]["live-source"] is True
    assert pipeline["aimeta"] == {"signal-interval": 5, "silent": False}
    assert pipeline["primary"]["a-new-property"] == 3
    assert pipeline["secondary"][1]["emcustom"]["options"] == {"person_class_id": 2}
    assert read(found) == found


@pytest.mark.parametrize(("place", "value", "complaint"), WRONG)
def test_what_is_wrong_is_reported_with_its_path(place, value, complaint):
    with pytest.raises(ConfigurationError) as raised:
        read(changed(place, value))

    assert complaint in str(raised.value)
    assert re.match(rf"emi\.json: (\d+ problems\n)?{re.escape(raised.value.path)}: ", str(raised.value))


def test_everything_wrong_is_reported_at_once():
    with pytest.raises(ConfigurationError) as raised:
        read({"pipeline_configuration": {"empycustom": {"in-place": 3}}, "stream": []})

    head, *lines = str(raised.value).splitlines()
    assert head == "emi.json: 3 problems"
    assert [line.partition(": ")[0] for line in lines] == [
        "$.pipeline_configuration.empycustom",
        "$.pipeline_configuration.empycustom.in-place",
        "$.stream",
    ]


@pytest.mark.parametrize("document", [None, 3, [], [WHOLE], {}, "text"])
def test_what_is_no_configuration_at_all(document):
    with pytest.raises(ConfigurationError, match=r"^emi\.json: \$: "):
        read(document)
    assert not by_json_schema().is_valid(document)


def test_the_json_schema_takes_and_refuses_the_same():
    validator = by_json_schema()

    assert validator.is_valid(WHOLE)
    for place, value, _ in WRONG:
        assert not validator.is_valid(changed(place, value)), place


PLACES = st.recursive(
    st.sampled_from(
        ["empycustom", "nvinfer", "custom-lib", "in-place", "options", "element", "a", 1, 0, 2.5, True, None, "true"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["empycustom", "nvinfer", "custom-lib", "in-place", "options", "element", "a"]), inner, max_size=2
        )
    ),
    max_leaves=8,
)
KEYS = [
    *(["pipeline_configuration", name] for name in schema.PIPELINE.fields),
    *([name] for name in schema.CONFIGURATION.fields),
]
JUDGE = by_json_schema()


@given(st.sampled_from(KEYS), PLACES)
def test_wild_values_are_judged_alike(place, value):
    document = changed(place, value)
    try:
        found = read(document)
    except ConfigurationError:
        assert not JUDGE.is_valid(document)
    else:
        assert JUDGE.is_valid(document)
        assert read(found) == found


def test_formats_are_those_of_the_element():
    assert schema.json_schema()["$defs"]["empycustom"]["properties"]["format"]["enum"] == list(FORMATS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{\n "a": 1,\n "b": }', 'line 3, column 7: Expecting value: "b": }'),
        ("", "line 1, column 1: Expecting value"),
        ('{"a": 1, "a": 2}', 'the key "a" is there twice in one object; several elements go into a list'),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[" * 100000, "nested too deeply"),
        (b'{"a": "\xff"}', "is not UTF-8 text"),
        (r'{"a": [1, {"b": "x\u0000y"}]}', r"$.a[1].b: this text has \u0000 in it, which is not possible here; leave it out"),
        (r'{"a": {"x\ud800": 1}}', r'$.a: the key "x\ud800" has \ud800 in it, which is not possible'),
    ],
)
def test_bad_json_names_file_line_and_column(tmp_path, text, complaint):
    path = tmp_path / "emi_stream_config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as raised:
        load(path)

    assert str(path) in str(raised.value)
    assert complaint in str(raised.value)
