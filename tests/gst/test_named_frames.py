"""Errors about a frame name it: by its number as in documents, and its time."""

from __future__ import annotations

import pytest

SOURCE = "videotestsrc num-buffers=10 ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
AT_7 = """
calls = 0
def process_ip(b, m, o):
    global calls
    calls += 1
    m["frame"][0]["frame_num"] = -5
    m["frame"].clear()
    if calls == 8:
        {}["missing"]
"""


def element(lib, properties="in-place=true"):
    return f"empycustom {properties} custom-lib={lib}"


def test_an_exception_names_number_and_time_of_its_frame_whatever_the_library_did_to_its_dicts(gst_launch, library):
    lib = library(AT_7)
    launched = gst_launch(f"{SOURCE} ! {element(lib)} ! fakesink")
    assert launched.code == 1
    said = f"{lib}:9: process_ip raised KeyError: 'missing' at frame 7 (0:00:00.233); fix the library (the traceback is below)\n"
    assert said in launched.err


@pytest.mark.inline("a worker may keep a buffer")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", ":4: process_ip raised ZeroDivisionError: division by zero at frame 3 (0:00:00.100); fix the library"),
        ("return 3", ":2: what process_ip returned at frame 3 (0:00:00.100) cannot be used: got int 3"),
        ("kept.append(b.copy()); return [{'a': 1}]", ":2: what process_ip returned at frame 3 (0:00:00.100) cannot be attached"),
    ],
)
def test_the_number_is_that_of_documents_also_behind_an_element_that_drops_frames(play, library, source, said):
    drops = library(
        "def process(b, m, o):\n    return (b if m['frame'][0]['frame_num'] % 3 == 0 else None), [{'a': 1}]\n", "drops.py"
    )
    lib = library(f"kept = []\ndef process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 3:\n        {source}\n")
    played = play(f"{SOURCE} ! {element(drops, 'in-place=false')} ! {element(lib)} ! fakesink")
    assert f"{lib}{said}" in played.error


def test_process_reports_it_too(play, library):
    lib = library("def process(b, m, o):\n    return b if m['frame'][0]['frame_num'] == 2 else (b, [])\n")
    error = play(f"{SOURCE} ! {element(lib, '')} ! fakesink").error
    assert f"{lib}:1: what process returned at frame 2 (0:00:00.066) cannot be used: got Buffer; return a pair" in error


def test_a_frame_without_a_timestamp_is_reported_as_such(play, library):
    bare = library("from gi.repository import Gst\ndef process_ip(b, m, o):\n    b.pts = Gst.CLOCK_TIME_NONE\n", "bare.py")
    lib = library("def process_ip(b, m, o):\n    1 / (m['frame'][0]['frame_num'] - 1)\n")
    played = play(f"{SOURCE} ! {element(bare)} ! {element(lib)} ! fakesink")
    assert "division by zero at frame 1 (no timestamp); fix the library" in played.error


def test_after_an_hour_the_time_is_written_as_gstreamer_writes_it(play, library):
    late = library(
        "def process_ip(b, m, o):\n    b.pts = (3600 + 23 * 60 + 4) * 10**9 + 5_999_999 + m['frame'][0]['frame_num'] * 10**9\n",
        "late.py",
    )
    lib = library("def process_ip(b, m, o):\n    1 / (m['frame'][0]['frame_num'] - 1)\n")
    played = play(f"{SOURCE} ! {element(late)} ! {element(lib)} ! fakesink")
    assert "division by zero at frame 1 (1:23:05.005); fix the library" in played.error


def test_start_and_stop_have_no_frame(play, library):
    for callback in ("start", "stop"):
        lib = library(f"def process_ip(b, m, o):\n    pass\ndef {callback}(o):\n    1 / 0\n", f"{callback}.py")
        played = play(f"{SOURCE} ! {element(lib)} ! fakesink")
        assert (
            played.error
            == f"{lib}:4: {callback} raised ZeroDivisionError: division by zero; fix the library (the traceback is below)"
        )
