"""``aimeta format=gva``: messages as DL Streamer's gvametaconvert makes them, instead of documents."""

from __future__ import annotations

import json

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=3 ! video/x-raw,format=RGBA,width=320,height=240,framerate=10/1"
# The first frame has nothing, the second an object, the third two messages of a module beside its own one.
LIBRARY = """
def process_ip(io_buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    found = {"rect_params": {"left": 32, "top": 24, "width": 64, "height": 48}, "obj_label": "car", "confidence": 0.5}
    if number == 1:
        return {"frame": [{"new_object": [{**found, "emcustom": {"plate": "AB 12"}}]}]}
    if number == 2:
        return {"frame": {"speed": 3, "messages": [{"a": 1}, "two\\nlines"]}}
"""
CAR = {
    "bounding_box": {"x_min": 0.1, "x_max": 0.3, "y_min": 0.1, "y_max": 0.3},
    "confidence": 0.5,
    "label": "car",
}
MESSAGES = [
    {
        "objects": [
            {"x": 32, "y": 24, "w": 64, "h": 48, "region_id": 1, "roi_type": "car", "detection": CAR, "plate": "AB 12"},
        ],
        "resolution": {"width": 320, "height": 240},
        "timestamp": 100000000,
    },
    {"resolution": {"width": 320, "height": 240}, "timestamp": 200000000, "speed": 3},
    {"a": 1},
    "two\nlines",
]


def pipeline_of(library, more=""):
    lib = library(LIBRARY)
    return Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! aimeta name=meta format=gva {more} ! fakesink"
    )


def test_a_file_gets_each_message_as_a_line(play, library, tmp_path):
    file = tmp_path / "messages.jsonl"
    pipeline = pipeline_of(library, f"location={file}")
    assert play(pipeline).ended
    assert [json.loads(line) for line in file.read_text().splitlines()] == MESSAGES
    stats = pipeline.get_by_name("meta").get_property("stats")
    assert (stats.get_value("documents"), stats.get_value("written")) == (3, 4)


def test_the_console_gets_them(gst_launch, library):
    launched = gst_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={library(LIBRARY)} ! aimeta format=gva silent=false ! fakesink"
    )
    printed = [json.loads(line) for line in launched.out.splitlines() if line.startswith(("{", '"'))]
    assert (launched.code, printed) == (0, MESSAGES)


def test_new_meta_is_emitted_for_each_and_aimeta_for_each_frame(play, library):
    pipeline = pipeline_of(library)
    meta, heard, last = pipeline.get_by_name("meta"), [], []
    meta.connect("new-meta", lambda _element, text: heard.append(json.loads(text)))
    meta.connect("aimeta", lambda element: last.append(element.get_property("last-meta").splitlines()))
    assert play(pipeline).ended
    assert heard == MESSAGES
    assert [[*map(json.loads, lines)] for lines in last] == [[], MESSAGES[:1], MESSAGES[1:]]


def test_signals_at_an_interval_are_those_of_every_second_frame(play, library):
    pipeline = pipeline_of(library, "signal-interval=2")
    heard = []
    pipeline.get_by_name("meta").connect("new-meta", lambda _element, text: heard.append(json.loads(text)))
    assert play(pipeline).ended
    assert heard == MESSAGES[1:]


def test_nothing_is_made_where_nobody_reads_it_and_last_meta_is_that_of_the_last_frame(play, library):
    pipeline = pipeline_of(library, "signal-aimetas=false")
    assert play(pipeline).ended
    assert [*map(json.loads, pipeline.get_by_name("meta").get_property("last-meta").splitlines())] == MESSAGES[1:]


def test_another_format_while_it_plays_is_an_error(play):
    pipeline = Gst.parse_launch(f"{SOURCE} ! aimeta name=meta ! fakesink")
    meta = pipeline.get_by_name("meta")
    meta.connect("aimeta", lambda element: element.set_property("format", "gva"))
    played = play(pipeline)
    assert "format cannot change while the element runs" in played.error
