"""Messages of DL Streamer's elements on buffers: libraries and documents see them, and its elements see those of libraries.

What stands for DL Streamer's plugin is C (fake_dlstreamer.c): it registers the meta, and writes and reads it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=320,height=240,framerate=10/1"
INSTALL = "for what is written in C: apt install gcc libc6-dev libgstreamer1.0-dev pkg-config"
CONVERTED = '{"objects":[],"resolution":{"width":320,"height":240}}'
ADD = f"fakegva add={shlex.quote(CONVERTED)}"
SAYS = "def process_ip(b, m, o):\n    return {'frame': {'messages': ['text', {'n': m['frame'][0]['frame_num']}]}}\n"
EXTENDS = """
def process_ip(b, m, o):
    said = m["frame"][0].get("emcustom", {}).get("messages", [])
    return {"frame": {"messages": [*said, {"extended": len(said)}]}}
"""
EDITS = """
def process_ip(b, m, o):
    said = m["frame"][0]["emcustom"]
    return {"frame": {"own_message": said["own_message"], "messages": [{**said["messages"][0], "edited": True}]}}
"""
OBJECTS = """
def process_ip(b, m, o):
    box = {"left": 1, "top": 2, "width": 3, "height": 4}
    return {"frame": [{"new_object": [{"rect_params": box, "obj_label": "car"}], "meta": {"messages": ["text"]}}]}
"""
FIVE = "def process_ip(b, m, o):\n    return {'frame': [{'meta': 5}]}\n"


@pytest.fixture(scope="session")
def fake_plugin(tmp_path_factory):
    if shutil.which("pkg-config") is None or shutil.which("cc") is None:
        pytest.skip(f"no compiler - {INSTALL}")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "gstreamer-base-1.0"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        pytest.skip(f"{flags.stderr} - {INSTALL}")
    folder = tmp_path_factory.mktemp("fake")
    source = Path(__file__).with_name("fake_dlstreamer.c")
    command = [
        "cc",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        str(source),
        "-o",
        str(folder / "libgstfakegva.so"),
    ]
    subprocess.run([*command, *shlex.split(flags.stdout)], check=True)
    return folder


@pytest.fixture
def launch(gst_launch, gst_env, fake_plugin, tmp_path):
    """Play a line, and return what DL Streamer's element saw on each buffer, and what aimeta wrote."""

    def run(line):
        path = os.pathsep.join((gst_env["GST_PLUGIN_PATH"], str(fake_plugin)))
        launched = gst_launch(f"{SOURCE} ! {line} ! fakesink", GST_PLUGIN_PATH=path, G_DEBUG="fatal-criticals")
        assert launched.code == 0, launched.text
        assert launched.complaints() == []
        return seen(tmp_path / "seen"), [json.loads(line) for line in read(tmp_path / "lines.jsonl")]

    return run


def read(path):
    return path.read_text().splitlines() if path.exists() else []


def seen(path):
    found = [[], []]
    for line in read(path):
        number, _, message = line.partition(": ")
        found[int(number)].append(message)
    return found


def lib(library, text, more="in-place=true"):
    return f"empycustom custom-lib={library(text)} {more}"


def test_messages_of_its_elements_are_attributes_of_the_frame(launch, library):
    _, documents = launch(f"{ADD} ! fakegva add=text ! aimeta location=lines.jsonl")
    assert [document["frame"][0]["emcustom"] for document in documents] == [
        {"own_message": False, "messages": [json.loads(CONVERTED), "text"]}
    ] * 2


def test_a_frame_that_its_gvametaconvert_has_seen_has_no_other_message_of_its_own(launch, library):
    _, messages = launch(f"{lib(library, OBJECTS)} ! {ADD} ! aimeta format=gva location=lines.jsonl")
    assert messages == ["text", json.loads(CONVERTED)] * 2


def test_its_elements_see_messages_of_libraries(launch, library):
    saw, _ = launch(f"{lib(library, SAYS)} ! fakegva location=seen")
    assert saw == [["text", '{"n":0}'], ["text", '{"n":1}']]


@pytest.mark.parametrize("more", ["in-place=true", "in-place=true workers=1", "in-place=false"])
def test_what_is_in_both_is_one_message(launch, library, more):
    text = EXTENDS if "true" in more else f"{EXTENDS}\ndef process(b, m, o):\n    return b, process_ip(b, m, o)\n"
    twice = f"{lib(library, text, more)} ! {lib(library, text, more)}"
    saw, messages = launch(f"fakegva add=text ! {twice} ! aimeta format=gva location=lines.jsonl ! fakegva location=seen")
    assert saw == [["text", '{"extended":1}', '{"extended":2}']] * 2
    assert messages == ["text", {"extended": 1}, {"extended": 2}] * 2


def test_two_messages_that_are_the_same_stay_two(launch):
    _, messages = launch("fakegva add=text ! fakegva add=text ! aimeta format=gva location=lines.jsonl")
    assert messages == ["text"] * 4


def test_a_message_that_a_library_changes_is_changed_for_its_elements(launch, library):
    saw, messages = launch(f"{ADD} ! {lib(library, EDITS)} ! aimeta format=gva location=lines.jsonl ! fakegva location=seen")
    changed = {**json.loads(CONVERTED), "edited": True}
    assert [[*map(json.loads, texts)] for texts in saw] == [[changed]] * 2
    assert messages == [changed] * 2


def test_aimeta_takes_the_place_of_gvametaconvert(launch, library):
    twice = "aimeta format=gva ! aimeta format=gva location=lines.jsonl"
    saw, messages = launch(f"{lib(library, OBJECTS)} ! {twice} ! fakegva location=seen")
    assert [json.loads(text)["objects"][0]["roi_type"] for text, _ in saw] == ["car", "car"]
    assert [other for _, other in saw] == ["text", "text"]
    assert [json.dumps(each, separators=(",", ":")) for each in messages[::2]] == [text for text, _ in saw]


def test_another_branch_does_not_get_them(launch, library):
    of_branch = "t. ! queue ! aimeta format=gva ! fakegva ! fakesink"
    saw, _ = launch(
        f"{lib(library, OBJECTS.replace('messages', 'words'))} ! tee name=t {of_branch} t. ! queue ! fakegva location=seen"
    )
    assert saw == [[], []]


def test_documents_that_are_read_later_have_them(fake_plugin, python):
    done = python(
        f"""
Gst.Registry.get().scan_path({str(fake_plugin)!r})
pipeline = Gst.parse_launch({f"{SOURCE} ! fakegva add=text ! aimeta name=meta ! fakesink"!r})
play(pipeline)
print(pipeline.get_by_name("meta").get_property("last-meta"))
"""
    )
    assert json.loads(done.stdout)["frame"][0]["emcustom"] == {"messages": ["text"]}


def test_attributes_that_are_no_object_are_kept_and_the_log_has_it(gst_launch, gst_env, fake_plugin, library, tmp_path):
    path = os.pathsep.join((gst_env["GST_PLUGIN_PATH"], str(fake_plugin)))
    line = f"{lib(library, FIVE)} ! fakegva add=text"
    launched = gst_launch(
        f"{SOURCE} ! {line} ! aimeta location=lines.jsonl ! fakesink", GST_PLUGIN_PATH=path, GST_DEBUG="*python*:2"
    )
    assert [json.loads(each)["frame"][0]["emcustom"] for each in read(tmp_path / "lines.jsonl")] == [5, 5]
    assert "messages of DL Streamer are not in in_meta" in launched.err


BOTH = """
import sys
import empycustom
from gi.repository import Gst, GstVideo
empycustom.register()
line = "{source} ! fakegva add=x ! {libraries} ! appsink name=out sync=false"
pipeline = Gst.parse_launch(line)
pipeline.set_state(Gst.State.PLAYING)
sample = pipeline.get_by_name("out").emit("pull-sample")
found = empycustom.document(sample)["frame"][0]["object"]
regions = [GstVideo.buffer_get_video_region_of_interest_meta_id(sample.get_buffer(), number) for number in range(9)]
print([each["obj_label"] for each in found], [(each.x, each.w, each.id) for each in regions if each])
pipeline.set_state(Gst.State.NULL)
"""
TWO = """
def process_ip(b, m, o):
    boxes = [{"left": 8 * n, "top": 2, "width": 4, "height": 4} for n in (1, 2)]
    return {"frame": [{"new_object": [{"rect_params": box, "obj_label": "car"} for box in boxes]}]}
"""
MOVES = """
def process_ip(b, m, o):
    first, second = m["frame"][0]["object"]
    return {"frame": [{"changed_object": [{"rect_params": {**first["rect_params"], "left": 40}}], "removed_object": [1]}]}
"""


@pytest.mark.skipif(Gst.version() < (1, 24), reason="GstAnalytics is in GStreamer 1.24 and later")
def test_objects_are_regions_too_where_they_are_analytics(library, gst_env, fake_plugin):
    """DL Streamer 2025.2 looks for a region with the number of each object of GstAnalytics; those before for regions alone."""
    two, moves = library(TWO, "two.py"), library(MOVES, "moves.py")
    env = {**gst_env, "GST_PLUGIN_PATH": str(fake_plugin), "G_DEBUG": "fatal-criticals"}
    seen = {}
    for files in ([two], [two, moves]):
        libraries = " ! ".join(f"empycustom in-place=true custom-lib={file}" for file in files)
        program = BOTH.format(source=SOURCE, libraries=libraries)
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen[len(files)] = done.stdout.strip()
    assert seen[1].startswith("['car', 'car'] [(8, 4, ")
    assert seen[1].count("(") == 2
    assert seen[2].startswith("['car'] [(40, 4, ")
    assert seen[2].count("(") == 1
