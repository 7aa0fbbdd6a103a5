"""An array that ``process`` returns becomes the buffer's memory itself, unless somebody could still write into it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.gstreamer import Gst

CAPS = "video/x-raw,format=RGBA,width=64,height=48,framerate=10/1"
HEAD = """
import numpy as np
import empycustom

def pixels(b, m):
    with empycustom.map_frame(b, m) as frame:
        return np.full_like(frame.pixels, m["frame"][0]["frame_num"])

def address(array):
    return array.__array_interface__["data"][0]

kept = []
canvas = np.zeros((48, 64, 4), np.uint8)
"""
# Prints the address of the pixels.
WHERE = """
def process_ip(buffer, in_meta, options):
    import empycustom
    with empycustom.map_frame(buffer, in_meta) as frame:
        return [{"at": frame.pixels.__array_interface__["data"][0]}]
"""
OWN = {
    "an array": "made = pixels(b, m)",
    "what is calculated with a view": "with empycustom.map_frame(b, m) as frame:\n        made = frame.pixels // 2",
    "an array and a scalar of it": "made = pixels(b, m)\n    kept.append(made[0, 0, 0])",
    "a list instead of a tuple": "made = pixels(b, m)\n    pair = list",
}
SHARED = {
    "an array that is kept": "made = pixels(b, m)\n    kept.append(made)",
    "an array with a view that is kept": "made = pixels(b, m)\n    kept.append(made[:5])",
    "a pair that is kept": "made = pixels(b, m)\n    pair = lambda two: kept.append(two) or kept[-1]",
    "a canvas that is drawn on again": "canvas[...] = m['frame'][0]['frame_num']\n    made = canvas",
    "a view of something else": "made = np.zeros((96, 64, 4), np.uint8)[:48]",
    "another order in memory": "made = np.zeros((4, 64, 48), np.uint8).T",
    "an array over bytes": "made = np.frombuffer(bytearray(48 * 64 * 4), np.uint8).reshape(48, 64, 4)",
    "a memory that can be written by others": "import mmap\n    made = np.frombuffer(mmap.mmap(-1, 12288), np.uint8).reshape(48, 64, 4)",
}


def played(play, library, made, buffers=6, behind=""):
    lib = library(
        f"{HEAD}\ndef process(b, m, o):\n    pair = tuple\n    {made}\n    at = address(made)\n    said = [{{'made': at}}]\n"
        "    value = pair((made, said))\n    del made\n    return value\n"
    )
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers={buffers} ! {CAPS} ! empycustom custom-lib={lib} ! {behind} "
        f"empycustom in-place=true custom-lib={library(WHERE, 'where.py')} ! aimeta location={lib}.jsonl ! appsink name=out"
    )
    done = play(pipeline)
    assert done.ended, done.errors
    said = [json.loads(line)["frame"][0]["emcustom"] for line in Path(f"{lib}.jsonl").read_text().splitlines()]
    pixels = [sample.get_buffer().extract_dup(0, 12288) for sample in done.samples]
    return [about["made"] == about["at"] for about in said], pixels


@pytest.mark.parametrize("made", OWN.values(), ids=OWN)
def test_an_array_of_nobody_elses_is_not_copied(play, library, made):
    same, pixels = played(play, library, made)
    assert same == [True] * 6
    if "pixels(b, m)" in made:
        assert pixels == [bytes([number]) * 12288 for number in range(6)]


@pytest.mark.parametrize("made", SHARED.values(), ids=SHARED)
def test_an_array_that_may_change_later_is_copied(play, library, made):
    same, pixels = played(play, library, made)
    assert same == [False] * 6
    if "frame_num" in made or "pixels(b, m)" in made:
        assert pixels == [bytes([number]) * 12288 for number in range(6)], "a later frame is in an earlier one"


def test_rows_that_gstreamer_pads_are_copied(play, library):
    lib = library(f"{HEAD}\ndef process(b, m, o):\n    return np.full((5, 7, 3), m['frame'][0]['frame_num'], np.uint8), None\n")
    done = play(
        f"videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=7,height=5 ! empycustom custom-lib={lib} ! appsink name=out"
    )
    assert done.ended, done.errors
    for number, sample in enumerate(done.samples):
        data = sample.get_buffer().extract_dup(0, 24 * 5)
        assert all(set(data[row * 24 : row * 24 + 21]) == {number} for row in range(5))


def test_downstream_writes_into_the_array_itself_and_arrays_are_freed(play, library):
    """In place, without a copy; and no more arrays live than there are frames on their way."""
    lib = library(f"""{HEAD}
import weakref
alive = []
def process(b, m, o):
    made = pixels(b, m)
    alive.append(weakref.ref(made))
    said = [{{"alive": sum(one() is not None for one in alive)}}]
    return made, said
""")
    writer = library(
        "import empycustom\ndef process_ip(b, m, o):\n    with empycustom.map_frame(b, m, writable=True) as frame:\n"
        "        frame.pixels[...] = 255 - frame.pixels\n",
        "writer.py",
    )
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=200 ! {CAPS} ! empycustom custom-lib={lib} ! "
        f"empycustom in-place=true custom-lib={writer} ! aimeta name=m location={lib}.jsonl ! fakesink"
    )
    assert play(pipeline).ended
    alive = [json.loads(line)["frame"][0]["emcustom"]["alive"] for line in Path(f"{lib}.jsonl").read_text().splitlines()]
    assert max(alive) <= 4


LEAVING = """
import sys, time
from empycustom.gstreamer import Gst
import empycustom
empycustom.register()
pipeline = Gst.parse_launch(sys.argv[1])
sink = pipeline.get_by_name("out")
sink.set_property("emit-signals", False)
pipeline.set_state(Gst.State.PLAYING)
kept = [sink.emit("pull-sample") for _ in range(5)]
print("frames", len(kept), flush=True)
"""


def test_buffers_may_outlive_the_pipeline_and_python(play, library, tmp_path):
    """A program that ends while frames flow, with samples in its hands; the pixels are looked at by threads of GStreamer's."""
    lib = library(f"{HEAD}\ndef process(b, m, o):\n    return pixels(b, m), None\n")
    line = f"videotestsrc ! {CAPS} ! empycustom custom-lib={lib} ! queue ! videoconvert ! video/x-raw,format=I420 ! tee name=t ! queue ! fakesink t. ! queue ! appsink name=out sync=false max-buffers=8"
    for _ in range(15):
        done = subprocess.run(
            [sys.executable, "-c", LEAVING, line], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
        )
        assert (done.returncode, done.stdout) == (0, "frames 5\n"), done.stderr


def test_samples_stay_readable_when_the_pipeline_is_gone(play, library):
    _, pixels = played(play, library, OWN["an array"], buffers=30)
    assert pixels == [bytes([number]) * 12288 for number in range(30)]
