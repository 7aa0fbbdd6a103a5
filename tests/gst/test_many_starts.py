"""Elements with workers that are started and stopped many times: nothing is left of them."""

from __future__ import annotations

import json
import os

# EMPYCUSTOM_STARTS=1000 starts and stops more often
COUNT = int(os.environ.get("EMPYCUSTOM_STARTS", "32"))
WRITES = """
import empycustom

def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        frame.pixels[:2] = 7
    return {"frame": {"n": in_meta["frame"][0]["frame_num"]}}

def process(in_buffer, in_meta, options):
    return in_buffer, {"frame": {"n": 1}}
"""
PROGRAM = """
import glob, itertools, time

SIZE = "video/x-raw,format=RGBA,width=640,height=480,framerate=100/1"
WAYS = [f"workers={{workers}} {{rest}} pace={{pace}}" for pace, workers, rest in [
    ("every", 1, "in-place=true"), ("skip", 2, "in-place=true"), ("latest", 1, "in-place=true"), ("every", 1, "in-place=false")]]

def made(way):
    return Gst.parse_launch(f"videotestsrc ! {{SIZE}} ! empycustom name=e custom-lib=lib.py {{way}} ! queue ! fakesink")

def once(number):
    pipeline = made(WAYS[number % 4]) if number % 8 < 4 else kept[number % 4]
    if pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
        raise AssertionError(pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR).parse_error())
    element = pipeline.get_by_name("e")
    until = time.monotonic() + 60
    while element.get_property("stats").get_value("processed") < 4:
        assert time.monotonic() < until, "no frame is worked on"
        time.sleep(0.002)
    pipeline.set_state(Gst.State.NULL)
    error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    assert error is None, error.parse_error()

def left():
    gc.collect()
    children = [pid for name in glob.glob("/proc/self/task/*/children") for pid in open(name).read().split()]
    with open("/proc/self/maps") as maps:
        shared = sum("memfd:" in line or "/dev/shm" in line for line in maps)
    return {{
        "children": children, "files": len(os.listdir("/proc/self/fd")), "shared memory": shared,
        "named shared memory": [name for name in os.listdir("/dev/shm") if "empycustom" in name],
        "threads of Python": [thread.name for thread in threading.enumerate()],
    }}

kept = [made(way) for way in WAYS]
for number in range({half}):
    once(number)
before, kib = left(), resident_kib()
for number in range({half}):
    once(number)
print(json.dumps([before, left(), kib, resident_kib()]))
"""


def test_many_starts_and_stops_leave_nothing(python, library):
    library(WRITES)
    half = COUNT // 2
    done = python(PROGRAM.format(half=half), timeout_s=60 + 10 * COUNT)
    before, after, kib, kib_after = json.loads(done.stdout)
    assert after == before
    assert before["children"] == before["named shared memory"] == []
    assert before["threads of Python"] == ["MainThread"]
    assert done.stderr == ""
    print(f"{half} starts and stops: {kib_after - kib} KiB more than the {kib} before")
    assert kib_after - kib < 2000 + half, f"{kib_after - kib} KiB are left of {half} starts and stops"
