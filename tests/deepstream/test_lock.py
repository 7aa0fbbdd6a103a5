"""Others change a batch while our elements read and write it: NVIDIA's lock keeps them apart, and nothing waits forever.

Each of it runs in a process of its own, in which freed memory is overwritten: what is wrong here ends or stops one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FREED = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "85", "G_SLICE": "always-malloc"}
# How others call NVIDIA's library: as an element in C does, without the GIL; or as pyds, which keeps it while it waits.
WAYS = {"C": "CDLL", "pyds": "PyDLL"}

PRELUDE = f"""
import ctypes, faulthandler, sys, threading
sys.path[:0] = [{str(HERE)!r}, {str(HERE / "plugins" / "python")!r}]
import empycustom, nvds
from empycustom.gstreamer import Gst
import fakemux
faulthandler.dump_traceback_later(100, exit=True)  # for those who wait for each other
empycustom.register()
Gst.Element.register(None, *fakemux.__gstelementfactory__)
nvds.LIBRARIES[:] = [getattr(ctypes, sys.argv[1])(str(nvds.FOLDER / name)) for name in ("libnvds_meta.so", "libnvdsgst_meta.so")]
sys.setswitchinterval(1e-5)

def edit(batch):
    "Replace half of the objects, and be Python while having the lock."
    nvds.call("nvds_acquire_meta_lock", batch)
    for frame in nvds.frames_of(batch):
        for found in nvds.objects_of(frame)[:10]:
            nvds.call("nvds_remove_obj_meta_from_frame", frame, found)
        for number in range(10):
            label = (2, [(b"x" * 200, 0.5)])
            about = {{"label": b"new", "rect": (1, 2, 3, 4), "text": b"new %d" % number, "classifiers": [label]}}
            nvds.add_object(batch, frame, about)
    nvds.call("nvds_release_meta_lock", batch)

def play(line, **handoffs):
    pipeline = Gst.parse_launch(line)
    for name, handoff in handoffs.items():
        pipeline.get_by_name(name).connect("handoff", handoff)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(90 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message and message.type == Gst.MessageType.EOS, message.parse_error() if message else "the pipeline hangs"
    pipeline.set_state(Gst.State.NULL)

SOURCE = "videotestsrc num-buffers={{}} ! video/x-raw,format=RGBA,width=16,height=16,framerate=30/1 ! fakemux objects=20"
"""


@pytest.fixture
def python(gst_env, tmp_path):
    """Run a program, with the prelude before it, in its own process; return its output."""

    def run(way, program):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + program, WAYS[way]],
            env={**gst_env, "GST_PLUGIN_PATH": "", **FREED},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_is_read_while_another_branch_changes_it(python, way):
    read = python(
        way,
        """
import json
seen = set()
def look(aimeta, document):
    (frame,) = json.loads(document)["frame"]
    seen.add(len(frame["object"]))
    for found in frame["object"]:
        box, long = found["rect_params"], [info["result_label"] for each in found["classifier"] for info in each["label_info"]]
        new = found["obj_label"] == "new"
        assert (box["width"], box["height"]) == ((3, 4) if new else (8, 6)), found
        assert found["text_params"]["display_text"].startswith(found["obj_label"] + " "), found
        assert not new or long == ["x" * 200], found

heard = []
def hear(aimeta, document):
    try:
        look(aimeta, document)
    except BaseException as error:
        heard.append(repr(error))

branches = f"{SOURCE.format(250)} ! tee name=t t. ! queue ! aimeta name=one ! aimeta name=two ! aimeta name=three ! fakesink "
pipeline = Gst.parse_launch(branches + "t. ! queue ! identity name=edits signal-handoffs=true ! fakesink")
for name in ("one", "two", "three"):
    pipeline.get_by_name(name).connect("new-meta", hear)
pipeline.get_by_name("edits").connect("handoff", lambda _, buffer: [edit(nvds.batch_of(buffer)) for _ in range(15)])
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(90 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
assert message and message.type == Gst.MessageType.EOS, message.parse_error() if message else "the pipeline hangs"
pipeline.set_state(Gst.State.NULL)
print(heard[:1], sorted(seen))
""",
    )
    assert read == ["[] [20]"]  # what is read is as it was before a change or behind one


# Returns results for objects, a new one, the frame and the batch, while a thread of the application's edits the batch.
RESULTS = """
import __main__

def process_ip(io_buffer, in_meta, options):
    __main__.begin(io_buffer)
    said = [{"seen": found["obj_label"]} for found in in_meta["frame"][0]["object"]]
    box = {"left": 1, "top": 1, "width": 3, "height": 4}
    new = [{"obj_label": "ours", "rect_params": box, "emcustom": {"seen": "ours"}}]
    changed = [{"object_id": 5, "text_params": {"display_text": "new"}, "classifier": []}] * 10
    about = {"changed_object": changed, "removed_object": [15, 12], "object": said, "new_object": new}
    return {"meta": {"all": 1}, "frame": [{"meta": {"number": in_meta["frame"][0]["frame_num"]}, **about}]}
"""
EDITED_MEANWHILE = """
import json
threads, wrong, events = [], [], []

def begin(buffer):
    stop, batch = threading.Event(), nvds.batch_of(buffer)
    def work():
        while not stop.wait(0.0005):
            edit(batch)
    threads.append((threading.Thread(target=work), stop))
    threads[-1][0].start()

def end(_, buffer):
    try:
        thread, stop = threads.pop()
        stop.set()
        thread.join()
        (frame,) = nvds.frames_of(nvds.batch_of(buffer))
        ((marker, text),) = nvds.events_of(frame)
        said = json.loads(text)
        keys = [entry["key"] for entry in said.get("object", ())]
        assert marker == "empycustom" and len(keys) == len(set(keys)), (marker, keys)
        events.append(said["emcustom"]["number"])
    except BaseException as error:
        wrong.append(repr(error))

line = "empycustom in-place=true custom-lib=says.py ! identity name=ends signal-handoffs=true ! fakesink"
play(f"{SOURCE.format(400)} ! {line}", ends=end)
print(wrong[:1], events == list(range(400)))
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_is_written_while_a_thread_changes_it(python, library, way):
    """The buffer is our element's alone; it is a thread of the application's that goes on with the batch, as some do."""
    library(RESULTS, "says.py")
    assert python(way, EDITED_MEANWHILE) == ["[] True"]
