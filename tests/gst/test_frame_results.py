"""Attributes of the frame: the short form ``{"frame": {...}}`` in real pipelines, and what is ambiguous."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
SPELLED = {"dict": "{}", "JSON": "json.dumps({})", "str": "str({})"}
CALLED = {
    "true": "def process_ip(b, m, o): return ",
    "false": "def process(b, m, o): return b.copy_deep(), ",
}
PERSON = ("person", 1, 2, 3, 4)


def spoken(play, library, regions, returned, *, in_place, objects):
    upstream = f"empycustom in-place=true custom-lib={regions(*[PERSON] * objects)} ! "
    lib = library(f"import json\n{CALLED[in_place]}{returned}\n")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! {upstream}empycustom name=lib in-place={in_place} custom-lib={lib} ! aimeta name=meta ! fakesink"
    )
    said = []
    pipeline.get_by_name("lib").connect("new-meta", lambda _, text: said.append(json.loads(text)))
    played = play(pipeline)
    assert played.ended, played.errors
    assert played.warnings == []
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    return frame, said


@pytest.mark.parametrize("objects", [0, 2])
@pytest.mark.parametrize("in_place", CALLED)
@pytest.mark.parametrize("spelling", SPELLED)
def test_a_dict_under_frame_is_about_the_frame(play, library, regions, spelling, in_place, objects):
    returned = {"frame": {"brightness": 0.5, "label": "day"}}
    frame, said = spoken(play, library, regions, SPELLED[spelling].format(returned), in_place=in_place, objects=objects)
    assert frame["emcustom"] == {"brightness": 0.5, "label": "day"}
    assert ["emcustom" in found for found in frame["object"]] == [False] * objects
    assert said == [returned] * 2


def test_it_is_the_same_without_the_fast_path(library):
    lib = library('def process_ip(b, m, o): return {"frame": {"n": m["frame"][0]["frame_num"]}}\n')
    command = [sys.executable, "-m", "empycustom", "run", "test", "--lib", str(lib), "--frames", "2", "--quiet"]
    ended = subprocess.run(
        command, env={**os.environ, "EMPYCUSTOM_FAST_PATH": "off"}, capture_output=True, text=True, timeout=60, check=True
    )
    assert [json.loads(line)["frame"][0]["emcustom"] for line in ended.stdout.splitlines()] == [{"n": 0}, {"n": 1}]


def test_it_adds_to_earlier_attributes(play, library, regions):
    first = library('def process_ip(b, m, o): return {"frame": {"a": {"x": 1}}, "meta": {"site": 3}}\n', "first.py")
    second = library('def process_ip(b, m, o): return {"frame": {"a": {"y": m["emcustom"]}}}\n', "second.py")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={first} ! empycustom in-place=true custom-lib={second} "
        "! aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    assert frame["emcustom"] == {"a": {"x": 1, "y": {"site": 3}}}


@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("in_place", CALLED)
@pytest.mark.parametrize("key", ["meta", "object", "new_object"])
def test_what_could_be_an_entry_for_the_frame_is_refused(play, library, key, in_place, spelling):
    returned = SPELLED[spelling].format({"frame": {key: [], "brightness": 0.5}})
    lib = library(f"import json\n{CALLED[in_place]}{returned}\n")
    error = play(f"{SOURCE} ! empycustom in-place={in_place} custom-lib={lib} ! fakesink").error
    callback = "process_ip" if in_place == "true" else "process"
    assert error.startswith(
        f'{lib}:2: what {callback} returned at frame 0 (0:00:00.000) cannot be used: frame: is a dict with the key "{key}"'
    )
    assert 'return {"frame": [{...}]}; ' in error
    assert error.endswith('return {"frame": [{"meta": {...}}]}')


# Lists that may be about the frame, and went to objects.

OBJECTS = """
def process_ip(b, m, o):
    wanted = o["objects"]
    count = wanted[m["frame"][0]["frame_num"] % len(wanted)]
    rect = {"left": 1, "top": 2, "width": 3, "height": 4}
    return {"frame": [{"new_object": [{"obj_label": "cat", "rect_params": rect}] * count}]}
"""
LISTS = """
import json
def said(m):
    found = m["frame"][0]["object"]
    return RETURNED
def process_ip(b, m, o): return said(m)
def process(b, m, o): return b.copy_deep(), said(m)
"""


@pytest.fixture
def warnings(play, library):
    """Play libraries that return a text of Python's over frames with so many objects each; return the warnings."""
    detector = library(OBJECTS, "detector.py")

    def run(objects, *returned, in_place="true"):
        libs = [library(LISTS.replace("RETURNED", text), f"lib{number}.py") for number, text in enumerate(returned)]
        elements = [f"empycustom in-place={in_place} custom-lib={lib}" for lib in libs]
        source = f"videotestsrc num-buffers={2 * len(objects)} ! video/x-raw,format=RGBA,width=64,height=48"
        detect = f"empycustom in-place=true custom-lib={detector} options={json.dumps(json.dumps({'objects': objects}))}"
        played = play(" ! ".join([source, detect, *elements, "fakesink"]))
        assert played.ended, played.errors
        return [text for text, _ in played.warnings]

    return run


TRAP = "[{'brightness': 0.5}]"


@pytest.mark.parametrize("in_place", ["true", "false"])
@pytest.mark.parametrize("returned", [TRAP, f"json.dumps({TRAP})", f"str({TRAP})"])
def test_a_list_shorter_than_the_objects_is_warned_of_once(warnings, returned, in_place):
    (text,) = warnings([0, 1, 3, 2], returned, in_place=in_place)
    callback = "process_ip" if in_place == "true" else "process"
    assert f"lib0.py:{6 if in_place == 'true' else 7}: {callback} returned a list of 1 entry for 3 objects: " in text
    assert "so the first object ('cat') got it, and the others got nothing. " in text
    assert 'If it is about the frame, return {"frame": {...}}; if it is about objects, put {} for each' in text


def test_each_element_warns_for_itself(warnings):
    first, second = warnings([3], TRAP, "[5, 6]")
    assert "lib0.py" in first
    assert "a list of 2 entries for 3 objects" in second
    assert "so the first 2 got them, and the others" in second


@pytest.mark.parametrize(
    ("objects", "returned"),
    [
        ([0, 1, 0, 1], TRAP),  # cannot be told from a library that speaks about each object
        ([0, 3, 1], "[{'n': 1} for _ in found]"),
        ([0, 3, 1], "[{'n': 1} for _ in found] + [{'count': len(found)}]"),
        ([3], "[{'first': 1}, {}]"),
        ([3], "[{}]"),
        ([3], "[]"),
        ([3], "None"),
        ([3], "{'frame': {'n': 1}}"),
        ([3], "{'frame': [{'object': [{'first': 1}]}]}"),
        ([2, 3], "[{'n': 1}] * 2"),  # it has had an entry for each object before
    ],
)
def test_what_is_not_misread_is_not_warned_of(warnings, objects, returned):
    assert warnings(objects, returned) == []


@pytest.mark.inline("a worker changes a copy")
def test_a_library_that_changes_in_meta_is_warned_of_as_well(warnings):
    (text,) = warnings([3], "m['frame'][0].clear() or [5]")
    assert "a list of 1 entry for 3 objects: entries belong to the objects, in their order, so the first object got it" in text
