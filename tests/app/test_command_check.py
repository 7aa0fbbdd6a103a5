"""`empycustom check` and `empycustom new`."""

from __future__ import annotations

import pytest

from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import Gst
from empycustom.testing import make_frame

SEED = """\
import numpy as np
from gi.repository import Gst

def process(in_buffer, in_meta, options):
    return None, ''

def process_ip(io_buffer, in_meta, options):
    ret, map_info = io_buffer.map(Gst.MapFlags.READ)
    w = in_meta["frame"][0]["source_frame_width"]
    h = in_meta["frame"][0]["source_frame_height"]
    buffer_array = np.ndarray(shape=(h, w), dtype=np.uint8, buffer=map_info.data)
    person_class_id = int(options.get("person_class_id", 2))
    out_meta_array = []
    for obj in in_meta["frame"][0]["object"]:
        out_obj = {}
        if obj["class_id"] == person_class_id:
            left, top = int(obj["rect_params"]["left"]), int(obj["rect_params"]["top"])
            out_obj["average_intensity"] = buffer_array[left:left + 50, top:top + 150].mean()
        out_meta_array.append(out_obj)
    return str(out_meta_array)
"""


def test_it_shows_the_result_and_what_it_belongs_to(cli, library):
    source = (
        "def start(options): pass\ndef process_ip(b, m, o, events):\n    return [{'n': 1}, {}, {'n': 3}, {'whole': o['w']}]\n"
    )
    ended = cli("check", library(source), "--options", '{"w": 7}')

    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[1:4] == ["", "calls, in this order:", "  start(options)  line 1"]
    assert "process_ip(io_buffer, in_meta, options, events)  line 2" in ended.out
    assert 'object 0 (person): {"n": 1}' in ended.out
    assert "object 1 (car): nothing" in ended.out
    assert 'object 2 (bicycle): {"n": 3}' in ended.out
    assert 'the frame: {"whole": 7}' in ended.out
    assert "the pixels: unchanged" in ended.out
    assert "% of a frame at 30 fps" in ended.out
    assert "warnings" not in ended.out
    assert ended.err == ""


def test_the_listing_of_the_original_document_is_understood(cli, library):
    ended = cli("check", library(SEED), "--objects", 4)

    assert ended.code == 0, ended.err
    assert ended.out.count('"average_intensity"') == 4  # two persons, in the meta and in what it means
    assert "return the list itself" in ended.out
    assert "process returned None as out_buffer: with in-place=false the frame is dropped." in ended.out


def test_a_frame_of_other_caps_is_compared_with_them(cli, library):
    source = """
import numpy as np
def output_caps(caps, options):
    return "video/x-raw,format=GRAY8,width=32,height=24"
def process(in_buffer, in_meta, options):
    return np.zeros(options["shape"], np.uint8), [{"smaller": True}]
"""
    fits = cli("check", library(source), "--options", '{"shape": [24, 32]}')
    assert fits.code == 0, fits.text
    assert "the pixels: changed" in fits.out
    other = cli("check", library(source), "--options", '{"shape": [24, 33]}')
    assert other.code == 1
    assert "(24, 33) and the type uint8; GRAY8 of 32x24 needs an array (24, 32) of uint8" in other.err


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("[{'a': float('nan')}, {}, {}]", "[0].a: NaN and infinities are not JSON and become null."),
        ("str([{'a': float('nan')}, {}, {}])", "It contains NaN or an infinity"),
        (
            "[{'a': 1}]",
            "It returned a list of 1 entry for 3 objects: entries belong to the objects, in their order, so the first object "
            "('person') got it, and the others got nothing. If it is about the frame, return {\"frame\": {...}}; if it is about objects, "
            "put {} for each without a result.",
        ),
        ("{'frame': [{}, {}]}", "2 frames were described"),
    ],
)
def test_it_warns(returned, complaint, cli, library):
    ended = cli("check", library(f"def process_ip(b, m, o):\n    return {returned}\n"))

    assert ended.code == 0, ended.err
    assert "warnings:" in ended.out
    assert complaint in ended.out


@pytest.mark.parametrize("returned", ["[{'a': 1}, {}]", "[{}]", "[{}] * 3", "[{'a': 1}] * 4", "{'frame': {'a': 1}}"])
def test_it_warns_of_no_list_that_cannot_be_misread(returned, cli, library):
    ended = cli("check", library(f"def process_ip(b, m, o):\n    return {returned}\n"))
    assert ended.code == 0, ended.err
    assert "warnings:" not in ended.out


def test_without_objects_the_first_entry_is_the_frames_and_the_rest_is_ignored(cli, library):
    ended = cli("check", library("def process_ip(b, m, o):\n    return [{'a': 1}, {'b': 2}]\n"), "--objects", 0)

    assert 'the frame: {"a": 1}' in ended.out
    assert "1 of 2 entries were ignored" in ended.out


def test_all_that_is_wrong_is_reported_in_one_round(cli, library):
    source = "def process_ip(b, m, o):\n    return 1 / 0\ndef process(b, m, o):\n    return 3\ndef stop(o):\n    None.x\n"
    ended = cli("check", library(source))
    assert ended.code == 1
    errors = [line for line in ended.err.splitlines() if line.startswith("empycustom: error: ")]
    for text, line in zip(("process_ip raised", "what process returned", "stop raised"), errors, strict=True):
        assert text in line
    ended = cli("check", "lib.p", "--options", "{", "--image", "none.png", "--save", "x.txt", "--json")
    assert ended.code == 1
    told = [line.removeprefix("empycustom: error: ") for line in ended.err.splitlines()]
    assert told == ended.documents[0]["error"]["message"].splitlines()
    assert [text.partition(" ")[0] for text in told] == ["--options", "--save", "none.png", "lib.p"]


def test_a_misspelt_file_is_named_with_the_one_that_may_be_meant(cli, library):
    library("def process_ip(b, m, o): pass\n")
    ended = cli("check", "li.py")
    assert ended.code == 1
    assert ended.err.startswith("empycustom: error: li.py does not exist in /")
    assert ended.err.endswith("; give a path that is right from there, or an absolute one; lib.py may be meant\n")
    assert "--lib li.py does not exist in /" in cli("run", "test", "--lib", "li.py").err


def test_new_objects_and_written_pixels_are_reported(cli, library):
    source = (
        "import empycustom\ndef process_ip(b, m, o):\n"
        "    with empycustom.map_frame(b, m, writable=True) as frame:\n        frame.planes[0][:] = 0\n"
        "    rect = {'left': 1, 'top': 2, 'width': 3, 'height': 4}\n"
        "    return {'meta': {'all': 1}, 'frame': [{'new_object': [{'obj_label': 'dog', 'rect_params': rect}]}]}\n"
    )
    ended = cli("check", library(source), "--format", "I420", "--size", "321x241")

    assert ended.code == 0, ended.err
    assert 'the batch: {"all": 1}' in ended.out
    assert "a new object: " in ended.out
    assert '"dog"' in ended.out
    assert "the pixels: changed" in ended.out


def test_changed_and_removed_objects_are_reported(cli, library):
    about = "{'changed_object': [{'object_id': 7, 'obj_label': 'cat'}], 'removed_object': [1], 'object': [{'n': 0}]}"
    ended = cli("check", library(f"def process_ip(b, m, o): return {{'frame': [{about}]}}\n"), "--objects", "3")
    assert ended.code == 0, ended.err
    lines = [line.strip() for line in ended.out.splitlines()]
    begin = lines.index("which means:")
    assert lines[begin + 1 : begin + 6] == [
        'object 0 (person): {"n": 0}',
        'object 0 (person) is changed: {"object_id": 7, "obj_label": "cat"}',
        "object 1 (car): nothing",
        "object 1 (car) is removed",
        "object 2 (bicycle): nothing",
    ]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def process_ip(b, m, o):\n    return 1 / 0\n", "lib.py:2: process_ip raised ZeroDivisionError"),
        ("def start(o):\n    1 / 0\ndef process_ip(b, m, o): pass\n", "lib.py:2: start raised ZeroDivisionError"),
        ("def stop(o):\n    1 / 0\ndef process_ip(b, m, o): pass\n", "lib.py:2: stop raised ZeroDivisionError"),
        ("def process_ip(b, m, o):\n    return 3\n", "what process_ip returned cannot be used"),
        ("def process(b, m, o):\n    return []\n", "what process returned cannot be used: got list; return a pair"),
        ("def process(b, m, o):\n    return b'', ''\n", "the first of the pair is bytes"),
        ("def process_ip(b, m):\n    pass\n", "lib.py:1: process_ip takes (b, m)"),
        ("def other(): pass\n", "neither process_ip nor process"),
        ("def process_ip(b, m, o)\n", "lib.py:1 has a syntax error"),
    ],
)
def test_a_bad_library_is_an_error(source, complaint, cli, library):
    ended = cli("check", library(source))

    assert ended.code == 1
    assert complaint in ended.err
    assert ended.err.startswith("empycustom: error: ")


def test_stop_is_called_though_the_callback_failed(cli, library, tmp_path):
    source = "def process_ip(b, m, o): 1 / 0\ndef stop(o): open('stopped', 'w').close()\n"

    assert cli("check", library(source)).code == 1
    assert (tmp_path / "stopped").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nope.py"], "nope.py does not exist"),
        (["lib.py", "--options", "{"], "options is not JSON"),
        (["lib.py", "--options", "@nope.json"], "nope.json cannot be read"),
        (["lib.py", "--format", "XYZ"], "There is no format XYZ; there are RGBA"),
    ],
)
def test_wrong_arguments_are_errors(words, complaint, cli, library):
    library("def process_ip(b, m, o): pass\n")
    ended = cli("check", *words)

    assert ended.code == 1
    assert complaint in ended.err


@pytest.mark.parametrize("video_format", FORMATS)
def test_the_synthetic_frame_is_a_frame_of_every_format(video_format):
    import empycustom

    frame = make_frame(format=video_format, size=(33, 21), objects=5)
    buffer = frame.buffer()
    with empycustom.map_frame(buffer, frame.in_meta(buffer), writable=True) as mapped:
        assert mapped.planes[0].shape[:2] == (21, 34 if video_format in ("YUY2", "UYVY") else 33)
        assert mapped.planes[0].std() > 0
    assert frame.buffer().map(Gst.MapFlags.WRITE)
    for found in frame.objects:
        rect = found["rect_params"]
        assert rect["left"] >= 0
        assert rect["left"] + rect["width"] <= 33
        assert rect["top"] + rect["height"] <= 21


def test_new_writes_a_library_that_works(cli, tmp_path):
    made = cli("new", "my_lib.py")
    checked = cli("check", "my_lib.py", "--options", '{"dark_below": 255}')
    played = cli("run", "test", "--lib", "my_lib.py", "--frames", 2)

    assert made.code == 0
    assert "empycustom check my_lib.py" in made.out
    assert "empycustom run test --lib my_lib.py" in made.out
    assert checked.code == 0, checked.err
    assert "warnings" not in checked.out
    assert checked.out.count('"dark": true') == 6
    assert [set(document["frame"][0]["emcustom"]) for document in played.documents] == [{"brightness"}] * 2
    assert "2 frames seen" in played.err


def test_new_does_not_overwrite(cli, tmp_path):
    path = tmp_path / "my_lib.py"
    path.write_text("mine")
    refused = cli("new", "my_lib.py")

    assert refused.code == 1
    assert "my_lib.py exists" in refused.err
    assert path.read_text() == "mine"
    assert cli("new", "my_lib.py", "--force").code == 0
    assert path.read_text() != "mine"


def test_new_wants_a_python_file(cli):
    assert "must end in .py" in cli("new", "my_lib").err
