"""Options of a configuration, and the events of its signal callback."""

from __future__ import annotations

import pytest
from configurations import LIB, OPTIONS, complaint, gstreamer

from empycustom.config.options import EventItem, read_events
from empycustom.errors import EventError
from empycustom.model.schema import Number, Text

ITEMS = [
    EventItem("make", Text(("audi", "bmw")), "$.event_item_keys[0]"),
    EventItem("count", Number(0, 10), "$.event_item_keys[1]"),
]


def test_options_set_properties_or_reach_the_callback(configured):
    streams = [
        {"stream_id": "a", "options": [{"key": "speed", "value": 21}]},
        {"stream_id": "b", "options": [{"key": {"element": "aimeta", "property": "signal-interval"}, "value": 3}]},
    ]
    pipeline = {"empycustom": LIB, "secondary": [{"empycustom": LIB}]}
    typed = ['empycustom.options={"a": 1}', "colour=10"]
    a, b = configured(pipeline, sources=("x", "y"), settings=typed, options=OPTIONS, streams=streams).streams

    assert a.options == ({"key": "speed", "value": 21}, {"key": "colour", "value": "10"})
    assert b.options == ({"key": "colour", "value": "10"},)
    assert (a.aimeta, b.aimeta) == ({"signal-interval": 7}, {"signal-interval": 3})
    assert [stage.properties["options"] for stage in a.stages] == [{"a": 1}, {"a": 1}]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["speed=19"], "--set speed: 19 for the option speed must be a number from 20 to 30 (declared at $.options[2])"),
        (["speed=fast"], '--set speed: "fast" for the option speed must be a number'),
        (["speed=true"], "must be a number"),
        (["colour=blue"], "must be one of red, 10"),
        (["polygon={}"], "must be a list"),
        (
            ["sped=25"],
            "--set sped: sped is not an option of this application; speed may be meant; known here: aimeta.signal-interval,",
        ),
        (["speed"], "--set speed: write it as KEY=VALUE"),
        (["aimeta.signal-interval=0"], "--set aimeta.signal-interval: 0 must be a whole number from 1"),
        (["empycustom.options={}"], "$.options[1].key.element: there is no empycustom in the pipeline; known here: aimeta"),
    ],
)
def test_values_that_an_option_cannot_have(configured, settings, said):
    assert said in complaint(configured, {}, settings=settings, options=OPTIONS)


def test_an_option_is_for_any_name_that_stands_in_the_pipeline(configured):
    pipeline = {"primary": [{"identity": {}}, {"videoflip": {}}], "tracker": {"gpu-id": 0}, "empycustom": LIB}
    names = ["identity", "primary", "nvtracker", "tracker", "empycustom", "aimeta"]
    (stream,) = configured(pipeline, options=[gstreamer(name, "silent", value=True) for name in names]).streams
    assert [stage.properties.get("silent") for stage in stream.stages] == [True] * 4
    said = complaint(configured, pipeline, options=[gstreamer("overlay", "silent"), gstreamer("identiy", "silent", value=True)])
    assert said.splitlines()[1:] == [
        "$.options[0].key.element: there is no overlay in the pipeline; known here: primary, identity, videoflip, tracker, "
        "nvtracker, empycustom, aimeta",
        "$.options[1].key.element: there is no identiy in the pipeline; identity may be meant; known here: primary, identity, "
        "videoflip, tracker, nvtracker, empycustom, aimeta",
    ]


@pytest.mark.parametrize("value", [{}, {"value": 3}])
def test_an_option_is_for_a_property_that_its_element_has(configured, value):
    options = [gstreamer("aimeta", "signal-intervall", **value), gstreamer("empycustom", "slient", **value)]
    head, *lines = complaint(configured, {"empycustom": LIB}, options=options).splitlines()
    assert head.endswith(": 2 problems")
    assert lines[0].startswith(
        "$.options[0].key.property: aimeta has no such property; signal-interval may be meant; known here: "
    )
    assert lines[1].startswith("$.options[1].key.property: empycustom has no such property; silent may be meant; known here: ")


def test_texts_that_nothing_can_hold_are_not_typed_either(configured):
    said = complaint(configured, {}, settings=['speed="a\\u0000"'], options=[{"key": "speed", "option_type": "callback"}])
    assert said == r"--set speed: this text has \u0000 in it, which is not possible here; leave it out"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"key": "a", "option_type": "gstreamer"}, "$.options[0].key: an option of type gstreamer needs a key as {"),
        ({"key": OPTIONS[0]["key"], "option_type": "callback"}, "needs a name as its key"),
        ({"key": "a", "option_type": "callback", "min-value": 1}, '$.options[0]: min-value needs "value_type": "number"'),
    ],
)
def test_declarations_that_contradict_themselves(configured, option, said):
    assert said in complaint(configured, {}, options=[option])


def test_an_option_is_declared_once(configured):
    twice = complaint(configured, {}, options=[OPTIONS[2], OPTIONS[2]])
    assert ": $.options[1]: the option speed is declared twice, here and at $.options[0]" in twice


# Events.


def test_events_are_read_with_or_without_a_debug_string():
    event = {"make": "audi", "count": 3}

    assert read_events(([event], "seen"), ITEMS).events == [event]
    assert read_events(([event], "seen"), ITEMS).debug == "seen"
    assert read_events([event], ITEMS).debug == ""
    assert read_events(([], ""), ITEMS).events == []
    assert read_events([{**event, "more": 1}], ITEMS).unknown == {"more"}
    assert read_events([{"more": 1}], []).unknown == frozenset()


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned None; return a list of events, and a debug string"),
        (({"make": "audi"}, ""), "return a list of events"),
        (([], 3), "return a list of events"),
        (["text"], 'event 0 is "text", and must be a dict'),
        ([{"mak": "audi", "count": 1}], "event 0 has no make, which $.event_item_keys[0] asks for; mak may be meant"),
        ([{"make": "fiat", "count": 1}], 'event 0: make is "fiat", and must be one of audi, bmw ($.event_item_keys[0])'),
        ([{"make": 3, "count": 1}], "make is 3, and must be one of audi, bmw"),
        ([{"make": "bmw", "count": "1"}], 'count is "1", and must be a number from 0 to 10 ($.event_item_keys[1])'),
        ([{"make": "bmw", "count": True}], "count is true, and must be a number"),
        ([{"make": "bmw", "count": float("nan")}], "count is null, and must be a number"),
        ([{"make": "bmw", "count": -1}], "count is -1, and must be a number from 0 to 10"),
        ([{"make": "bmw", "count": 11}], "count is 11, and must be a number from 0 to 10"),
        ([{"make": "bmw", "count": object()}], "event 0.count"),
        ([{ValueError: "too low"}], "reports ValueError: too low"),
    ],
)
def test_events_that_are_not_as_declared(returned, said):
    with pytest.raises(EventError) as raised:
        read_events(returned, ITEMS)

    assert said in str(raised.value)
