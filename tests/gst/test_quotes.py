"""Single quotes in a description: GStreamer's parser leaves them in the value, and the elements take them off."""

from __future__ import annotations

import json

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=16,height=16"
LIB = "def process_ip(b, m, o, e):\n    return {'frame': {'options': o, 'events': e}}\n"


def spoken(play, description):
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=lib in-place=true {description} ! fakesink")
    played = play(pipeline)
    assert played.ended, played.errors
    return json.loads(pipeline.get_by_name("lib").get_property("last-meta"))["frame"]


@pytest.mark.parametrize("value", [{"k": 1}, {}, {"a b": "c, d; e ! f"}, {"k": "ä ö"}, {"nested": {"x": [1, 2.5, None]}}])
def test_json_in_single_quotes(play, library, value):
    text = json.dumps(value, ensure_ascii=False)
    said = spoken(play, f"custom-lib='{library(LIB, 'my lib.py')}' options='{text}' events='{text}'")
    assert said == {"options": value, "events": value}


def test_a_file_of_options_in_single_quotes(play, library, tmp_path):
    (tmp_path / "my options.json").write_text('{"k": 1}')
    said = spoken(play, f"custom-lib={library(LIB)} options='@{tmp_path}/my options.json'")
    assert said == {"options": {"k": 1}, "events": {}}


def test_the_location_of_aimeta_in_single_quotes(play, library, tmp_path):
    file = tmp_path / "all documents.jsonl"
    assert play(f"{SOURCE} ! empycustom in-place=true custom-lib='{library(LIB)}' ! aimeta location='{file}' ! fakesink").ended
    assert len(file.read_text().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] == [file.name]


def test_the_property_has_what_is_in_the_quotes():
    element = Gst.parse_launch("empycustom options='{\"k\": 1}'")
    assert element.get_property("options") == '{"k": 1}'
    element.set_property("options", "'")
    assert element.get_property("options") == "'"


def test_an_error_in_quotes_is_about_what_is_inside(play, library):
    pipeline = f"{SOURCE} ! empycustom in-place=true custom-lib={library(LIB)} options='nonsense' ! fakesink"
    assert play(pipeline).error.startswith("options is not JSON: Expecting value at line 1, column 1: nonsense (JSON wants")


def test_a_value_that_gst_launch_cuts_at_a_blank_is_reported(gst_launch, library):
    line = f'-q {SOURCE} ! empycustom in-place=true custom-lib={library(LIB)} \'options={{"k": "ä ö"}}\' ! fakesink'
    launched = gst_launch(line)
    assert launched.code != 0
    if "options is not JSON" in launched.text:
        assert "the text ends too early: gst-launch-1.0 cuts values off at some blanks; write options=@file.json" in launched.text
    else:  # it depends on its version
        assert "erroneous pipeline" in launched.text
