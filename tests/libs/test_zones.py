"""Zones in real pipelines: who is in them, who crosses, counts, dwell times and events."""

from __future__ import annotations

import json
import logging

import pytest
from scenes import SIZE, Called, box, frame, play

import empycustom
from empycustom.gstreamer import Gst

ZONES, TRACK = "empycustom.libs.zones", "empycustom.libs.track"
DOOR = {"name": "door", "line": [[0.5, 0], [0.5, 1]]}  # to the right is in
YARD = {"name": "yard", "polygon": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
THERE_AND_BACK = [100, 140, 170, 200, 220, 165, 150, 120]  # of 320 pixels


def walk(xs=THERE_AND_BACK, **more):
    return [[box(x, 100, object_id=5, **more)] for x in xs]


def events(results):
    return [event for result in results for event in result.attributes.get("events", [])]


def test_crossings_are_events_and_are_counted():
    results = play(walk(), ZONES, options=[{"zones": [DOOR, YARD]}])
    assert events(results) == [
        {"zone": "door", "object_id": 5, "direction": "in", "frame_num": 2, "time_s": 0.067},
        {"zone": "yard", "object_id": 5, "direction": "in", "frame_num": 2, "time_s": 0.067},
        {"zone": "door", "object_id": 5, "direction": "out", "frame_num": 6, "time_s": 0.2},
        {"zone": "yard", "object_id": 5, "direction": "out", "dwell_s": 0.133, "frame_num": 6, "time_s": 0.2},
    ]
    counts = [[(zone["inside"], zone["in"], zone["out"]) for zone in result.attributes["zones"]] for result in results]
    before, within, after = [(0, 0, 0)] * 2, [(0, 1, 0), (1, 1, 0)], [(0, 1, 1)] * 2
    assert counts == [before] * 2 + [within] * 4 + [after] * 2


def test_zones_are_described_in_pixels_of_the_frame():
    (result,) = play(walk([100]), ZONES, options=[{"zones": [DOOR, YARD, {"name": "x", "line": [[10, 20], [30, 40.5]]}]}])
    width, height = SIZE
    assert [(zone["name"], zone["kind"], zone["points"]) for zone in result.attributes["zones"]] == [
        ("door", "line", [[width / 2, 0], [width / 2, height]]),
        ("yard", "polygon", [[width / 2, 0], [width, 0], [width, height], [width / 2, height]]),
        ("x", "line", [[10, 20], [30, 40.5]]),
    ]


def test_objects_say_where_they_are_and_for_how_long():
    results = play(walk(), ZONES, options=[{"zones": [DOOR, YARD]}])
    said = [result.objects[0].get("emcustom") for result in results]
    assert said[:2] == said[6:] == [None, None]
    assert said[2:6] == [{"zones": ["yard"], "dwell_s": {"yard": seconds}} for seconds in (0, 0.033, 0.067, 0.1)]


def test_the_next_library_sees_it():
    seen = []
    play(walk([200]), ZONES, lambda _buffer, in_meta, _options: seen.append(in_meta["frame"][0]), options=[{"zones": [YARD]}])
    assert seen[0]["emcustom"]["zones"][0]["inside"] == 1
    assert seen[0]["object"][0]["emcustom"]["zones"] == ["yard"]


def test_a_tracker_gives_the_numbers():
    scene = [[box(60 + 5 * step, 100), box(260 - 5 * step, 160)] for step in range(40)]
    results = play(scene, TRACK, ZONES, options=[{}, {"zones": [DOOR]}])
    assert [(event["object_id"], event["direction"]) for event in events(results)] == [(1, "in"), (2, "out")]


def test_two_elements_count_for_themselves():
    results = play(walk(), ZONES, ZONES, options=[{"zones": [DOOR]}, {"zones": [{**DOOR, "line": [[0.9, 0], [0.9, 1]]}]}])
    assert len(events(results)) == 2, "of the first alone: nobody comes to the line of the second"


def test_in_a_worker_it_counts_the_same():
    here, there = (play(walk(), ZONES, options=[{"zones": [DOOR, YARD]}], workers=[0, workers]) for workers in (0, 1))
    assert [result.attributes for result in there] == [result.attributes for result in here]


def test_zones_are_set_while_it_plays(play, library):
    finder = library("def process_ip(b, m, o):\n    f = dict(left=99, top=0, width=2, height=9)\n"
                     "    return {'frame': [{'new_object': [{'object_id': 1, 'rect_params': f}]}]}\n")  # fmt: skip
    given = json.dumps({"zones": [DOOR]}).replace('"', '\\"')
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=4 ! video/x-raw,format=RGB,width=320,height=240 ! empycustom in-place=true custom-lib={finder} ! "
        f'empycustom name=zones in-place=true custom-lib={ZONES} options="{given}" ! aimeta name=meta ! fakesink'
    )
    documents = []

    def change(_aimeta, text):
        documents.append(json.loads(text)["frame"][0]["emcustom"]["zones"])
        if len(documents) == 2:
            pipeline.get_by_name("zones").set_property("options", json.dumps({"zones": [YARD]}))

    pipeline.get_by_name("meta").connect("new-meta", change)
    assert play(pipeline).ended
    assert [zone["name"] for zones in documents for zone in zones] == ["door", "door", "yard", "yard"]


def directions(results):
    return [event["direction"] for result in results for event in result["meta"].get("events", [])]


def test_who_waits_on_a_line_has_not_crossed_it():
    zones = Called("zones", zones=[{"name": "a", "line": [[160, 0], [160, 240]]}])
    on_it = [frame(number, box(x, 100, object_id=1)) for number, x in enumerate([150, 160, 160, 155, 160, 161, 160, 159])]
    assert [directions(zones(each)) for each in on_it] == [[]] * 5 + [["in"], [], ["out"]]


def test_who_appears_on_a_line_or_inside_has_not_crossed():
    zones = Called("zones", zones=[DOOR, YARD])
    assert [directions(zones(frame(number, box(x, 100, object_id=1)))) for number, x in enumerate([160, 170])] == [[], []]


def test_a_jump_over_the_end_of_a_line_does_not_cross_it():
    zones = Called("zones", zones=[{"name": "a", "line": [[160, 100], [160, 200]]}])
    beside, over = (100, 40), (220, 80)
    assert directions(zones(frame(0, box(*beside, object_id=1))) + zones(frame(1, box(*over, object_id=1)))) == []
    back = zones(frame(2, box(100, 150, object_id=1)))
    assert directions(back) == ["out"], "from the other side, which it reached around the end"


def test_a_zone_of_the_whole_frame_has_what_touches_its_borders():
    zones = Called("zones", zones=[{"name": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}])
    at_the_borders = [box(0, SIZE[1]), box(SIZE[0], 1), box(SIZE[0], SIZE[1]), box(0, 0)]
    beyond = [box(160, SIZE[1] + 0.01), box(-0.01, 100)]
    (result,) = zones(frame(0, *at_the_borders, *beyond))
    assert result["meta"]["zones"][0]["inside"] == 4


def test_an_object_that_was_away_for_long_begins_anew():
    zones = Called("zones", zones=[DOOR, YARD], forget_after=1)
    for number, x, expected in ((0, 100, []), (10, 200, ["in", "in"]), (21, 100, []), (30, 200, ["in", "in"])):
        assert directions(zones(frame(number, box(x, 100, object_id=1)))) == expected, number


@pytest.mark.parametrize("again", [{"number": 0}, {"number": 9, "source": "other.mp4"}, {"number": 9, "stream_time": 0}])
def test_a_stream_that_starts_again_is_counted_from_0(again):
    zones = Called("zones", zones=[DOOR])
    zones(frame(7, box(100, 100, object_id=1)))
    assert directions(zones(frame(8, box(200, 100, object_id=1)))) == ["in"]
    number = again.pop("number")
    (result,) = zones(frame(number, box(100, 100, object_id=1), **again))
    assert directions([result]) == []
    assert (result["meta"]["zones"][0]["in"], result["meta"]["zones"][0]["out"]) == (0, 0)


def test_each_source_of_a_batch_is_counted_for_itself():
    zones = Called("zones", zones=[DOOR, {**YARD, "source_id": 1}])
    zones(frame(0, box(100, 100, object_id=1)), frame(0, box(200, 100, object_id=1), source_id=1))
    first, second = zones(frame(1, box(200, 100, object_id=1)), frame(1, box(100, 100, object_id=1), source_id=1))
    assert [[zone["name"] for zone in each["meta"]["zones"]] for each in (first, second)] == [["door"], ["door", "yard"]]
    assert (directions([first]), directions([second])) == (["in"], ["out", "out"])


@pytest.mark.parametrize(
    ("point", "inside"), [("bottom", True), ("center", False), ("top", False), ("left", False), ("right", False)]
)
def test_the_point_that_counts(point, inside):
    zones = Called("zones", zones=[{"name": "floor", "polygon": [[140, 95], [180, 95], [180, 240], [140, 240]]}], point=point)
    (result,) = zones(frame(0, box(160, 100)))
    assert result["meta"]["zones"][0]["inside"] == inside


def test_labels_choose_who_is_counted():
    zones = Called("zones", zones=[YARD], objects=["car"])
    (result,) = zones(frame(0, box(200, 100, obj_label="car"), box(200, 100)))
    assert result["meta"]["zones"][0]["inside"] == 1
    assert result["object"] == [{"zones": ["yard"]}, {}]


def test_an_id_that_two_objects_have_is_that_of_the_first():
    zones = Called("zones", zones=[DOOR])
    for number in range(4):
        (result,) = zones(frame(number, box(100, 100, object_id=1), box(200, 100, object_id=1)))
    assert (result["meta"]["zones"][0]["in"], result["meta"]["zones"][0]["out"]) == (0, 0)


def test_objects_without_numbers_are_reported_once(caplog):
    zones = Called("zones", zones=[YARD])
    with caplog.at_level(logging.WARNING):
        results = [zones(frame(number, box(200 if number % 2 else 100, 100)))[0] for number in range(100)]
    assert [record.message for record in caplog.records if "object_id" in record.message] == [
        "30 frames had objects, and none of these has an object_id: who crosses a zone is not counted. Run a tracker before zones, "
        "such as --lib empycustom.libs.track"
    ]
    assert [result["meta"]["zones"][0]["inside"] for result in results] == [0, 1] * 50
    assert directions(results) == []


def test_what_left_is_forgotten():
    """Numbers of tracks that end are not kept: an hour of people does not fill the memory."""
    zones = Called("zones", zones=[DOOR, YARD], forget_after=1)
    for number in range(300):
        zones(frame(number, box(100, 100, object_id=number)))
    (count, _) = zones.module.counter.sources._known[0].state.values()
    assert len(count.places) <= 11


def test_frames_without_timestamps_need_a_rate():
    no_time = {"buf_pts": -1, "stream_time": -1}
    with pytest.raises(ValueError, match="no timestamps: set the option frame_rate"):
        Called("zones", zones=[DOOR])(frame(0, **no_time))
    zones = Called("zones", zones=[DOOR], frame_rate=10)
    zones(frame(0, box(100, 100, object_id=1), **no_time))
    (result,) = zones(frame(5, box(200, 100, object_id=1), **no_time))
    assert result["meta"]["events"][0]["time_s"] == 0.5


@pytest.mark.parametrize(
    ("zones", "message"),
    [
        ([], "has to be a list of zones, such as"),
        (["door"], r"zones\[0\] has to be .*, not 'door'"),
        ([{"name": "a"}], r"zones\[0\] has to be"),
        ([{"name": "", "line": [[0, 0], [1, 1]]}], r"zones\[0\] has to be"),
        ([{"name": "a", "line": [[0, 0], [1, 1]], "polygon": []}], r"zones\[0\] has to be"),
        ([{**DOOR, "colour": "red"}], r"zones\[0\] \(door\) has 'colour': a zone has name, line or polygon, and source_id"),
        (
            [{"name": "a", "lines": [[0, 0], [1, 1]]}],
            r"zones\[0\] \(a\) has 'lines'; line may be meant: a zone has name, line or",
        ),
        ([{**DOOR, "source_id": "1"}], r"zones\[0\] \(door\): source_id has to be a whole number, not '1'"),
        ([DOOR, DOOR], r"zones\[1\] is named 'door', as zones\[0\] is"),
        ([{"name": "a", "line": [[0, 0]]}], r"zones\[0\] \(a\).line has to be a list of 2 points"),
        ([{"name": "a", "line": [[0, 0], [1, 1], [2, 2]]}], "a list of 2 points"),
        ([{"name": "a", "line": [[0, "x"], [1, 1]]}], "a list of 2 points"),
        ([{"name": "a", "line": 7}], "a list of 2 points"),
        ([{"name": "a", "polygon": [[0, 0], [1, 1]]}], "a list of 3 points or more"),
        ([{"name": "a", "polygon": [[0, 0], [1, 1], [0.5]]}], "a list of 3 points or more"),
        ([{"name": "a", "line": [[5, 5], [5, 5]]}], "has no length"),
        ([{"name": "a", "polygon": [[0, 0], [5, 5], [9, 9]]}], "has no area"),
        ([{"name": "a", "line": [[0, 0], [1.2, 0]]}], "neither in parts of the frame .* nor in pixels"),
    ],
)
def test_zones_that_are_wrong_are_refused(zones, message):
    with pytest.raises(empycustom.errors.OptionError, match=message) as caught:
        Called("zones", zones=zones)
    assert str(caught.value).startswith("empycustom.libs.zones: ")
    assert (caught.value.option, caught.value.details) == ("zones", "")


def test_zones_have_to_be_there():
    with pytest.raises(
        empycustom.errors.OptionError, match=r"^empycustom\.libs\.zones: the option zones is missing: lines and polygons"
    ):
        play(walk(), ZONES, options=[{}])


def test_a_wrong_zone_is_an_error_of_the_pipeline():
    with pytest.raises(empycustom.errors.OptionError, match=r"zones\[0\] \(a\).line has no length"):
        play(walk(), ZONES, options=[{"zones": [{"name": "a", "line": [[5, 5], [5, 5]]}]}])
