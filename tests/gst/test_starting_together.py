"""Many pipelines that start at once, each time in its own process: what is made on first use is made once, and completely."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

DETECTS = """
def process_ip(io_buffer, in_meta, options):
    box = {"left": 8, "top": 4, "width": 16, "height": 20}
    label = {"label_info": [{"result_label": "red", "result_prob": 0.25}]}
    return {"frame": [{"new_object": [{"obj_label": "car", "rect_params": box, "classifier": [label]}]}]}
"""
SPEAKS = """
def process_ip(io_buffer, in_meta, options):
    return [{"number": in_meta["frame"][0]["frame_num"]} for _ in in_meta["frame"][0]["object"]]
"""
ARRAYS = """
import empycustom

def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        return frame.pixels[:, ::-1].copy(), [{"k": 1}]
"""
HALF = """
import empycustom

def output_caps(caps, options):
    return "video/x-raw,width=32,height=24"

def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        return frame.pixels[::2, ::2].copy(), [{"k": 1}]
"""
BUFFERS = """
from gi.repository import Gst

def process(in_buffer, in_meta, options):
    return in_buffer.copy_deep(), [{"k": 1}]
"""
LIBRARIES = {"detects": DETECTS, "speaks": SPEAKS, "arrays": ARRAYS, "half": HALF, "buffers": BUFFERS}
ELEMENTS = {
    "aimeta": "aimeta name=meta",
    "perf": "perf ! aimeta name=meta",
    "libraries": "empycustom in-place=true custom-lib=detects.py ! empycustom in-place=true custom-lib=speaks.py ! aimeta name=meta",
    "arrays": "empycustom custom-lib=arrays.py ! aimeta name=meta",
    "buffers": "empycustom custom-lib=buffers.py ! aimeta name=meta",
    "size": "empycustom custom-lib=half.py ! aimeta name=meta",
}

BEGINNING = """
import json, sys, threading
import empycustom
empycustom.register()
from gi.repository import Gst

FRAMES = 5

def play(elements):
    "Play a pipeline to its end; return how many documents there were, or what went wrong."
    source = f"videotestsrc num-buffers={FRAMES} ! video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
    pipeline = Gst.parse_launch(f"{source} ! {elements} ! fakesink")
    documents = []
    pipeline.get_by_name("meta").connect("new-meta", lambda _, text: documents.append(text))
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(50 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    wrong = "it hangs" if message is None else message.parse_error() if message.type == Gst.MessageType.ERROR else ""
    pipeline.set_state(Gst.State.NULL)
    return repr(wrong) if wrong else len(documents)

"""
TOGETHER = """
sys.setswitchinterval(1e-5)
barrier, ended = threading.Barrier(16), []

def work():
    barrier.wait()
    ended.append(play(sys.argv[1]))

threads = [threading.Thread(target=work) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(ended))
"""
# What PyGObject has made of each namespace so far.
MADE = """
from empycustom import gstreamer

def made():
    modules = {name: getattr(gstreamer, name) for name in ("GLib", "GObject", "Gst", "GstBase", "GstVideo")}
    return {f"{name}.{key}" for name, module in modules.items() for key in vars(getattr(module, "_introspection_module", module))}

before = made()
ended = [play(elements) for elements in sys.argv[1:]]
print(json.dumps([ended, sorted(made() - before)]))
"""


@pytest.fixture
def run(gst_env, library, tmp_path):
    """Run a program beside the libraries, with arguments, and return its output as JSON; warnings fail the test."""
    for name, source in LIBRARIES.items():
        library(source, f"{name}.py")

    def run(program: str, *arguments: str):
        ended = subprocess.run(
            [sys.executable, "-c", BEGINNING + program, *arguments],
            env=gst_env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        complaints = [line for line in ended.stderr.splitlines() if "CRITICAL" in line or "Warning" in line or "Error" in line]
        assert (ended.returncode, complaints) == (0, []), ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.mark.parametrize("kind", ELEMENTS)
def test_sixteen_pipelines_from_a_barrier(run, kind):
    for _ in range(3):
        assert run(TOGETHER, ELEMENTS[kind]) == [5] * 16


# As the file of a program that Python runs is, and each folder that was on sys.path and is none.
NOWHERE = "sys.path_importer_cache.update(dict.fromkeys(map('/nowhere/{}'.format, range(100_000))))\n"


def test_libraries_that_load_together_where_python_remembers_places_that_are_none(run):
    assert run(NOWHERE + TOGETHER, ELEMENTS["libraries"]) == [5] * 16


def test_nothing_of_gstreamers_bindings_is_made_while_pipelines_play(run):
    ended, made = run(MADE, *ELEMENTS.values())

    assert ended == [5] * len(ELEMENTS)
    assert made == []  # it would not be safe in several threads at once


# As a thread of GStreamer does that was still at work on the pipeline: what C runs at the exit comes after the interpreter's end.
LAST = """
import ctypes

glib, c = ctypes.CDLL("libgobject-2.0.so.0"), ctypes.CDLL(None)

def play_and_let_go_late(elements):
    source = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48"
    pipeline = Gst.parse_launch(f"{source} ! {elements} ! fakesink")
    pipeline.get_by_name("meta").connect("new-meta", lambda *_: None)
    pipeline.set_state(Gst.State.PLAYING)
    ended = pipeline.get_bus().timed_pop_filtered(50 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    glib.g_object_ref(ctypes.c_void_p(hash(pipeline)))
    c.__cxa_atexit(glib.g_object_unref, ctypes.c_void_p(hash(pipeline)), None)
    return ended.type == Gst.MessageType.EOS

print(json.dumps([play_and_let_go_late(elements) for elements in sys.argv[1:]]))
"""


@pytest.mark.parametrize("fast", ["on", "off"])
def test_a_pipeline_may_be_freed_after_the_interpreter_has_ended(run, monkeypatch, gst_env, fast):
    monkeypatch.setitem(gst_env, "EMPYCUSTOM_FAST_PATH", fast)

    assert run(LAST, *ELEMENTS.values()) == [True] * len(ELEMENTS)
