"""The buffers that callbacks get, mapped by hand, and what is left behind: memory, buffers, maps."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers={n} ! video/x-raw,format=RGBA,width=64,height=48"


def words(play, library, source, n=4, properties="in-place=true"):
    """Return a library's attributes of each frame."""
    import json

    pipeline = Gst.parse_launch(
        f"{SOURCE.format(n=n)} ! empycustom {properties} custom-lib={library(source)} ! aimeta name=m ! fakesink"
    )
    said = []
    pipeline.get_by_name("m").connect("new-meta", lambda _, text: said.append(json.loads(text)["frame"][0].get("emcustom")))
    played = play(pipeline)
    assert played.ended, played.errors
    return said


def test_a_map_by_hand_is_as_gstreamers_own(play, library):
    (said,) = words(
        play,
        library,
        """
from gi.repository import Gst
def process_ip(b, m, o):
    ok, info = b.map(Gst.MapFlags.READ)
    result = {"ok": ok, "size": info.size, "readonly": info.data.readonly, "same": bytes(info.data) == b.extract_dup(0, info.size)}
    result["unmapped"] = b.unmap(info)
    with b.map(Gst.MapFlags.WRITE) as info:
        info.data[0] = 7
        result["writable"] = not info.data.readonly
    return [{**result, "written": b.extract_dup(0, 1)[0], "is_buffer": isinstance(b, Gst.Buffer), "hash": hash(b) > 0}]
""",
        n=1,
    )
    expected = {"ok": True, "size": 12288, "readonly": True, "same": True, "unmapped": True, "writable": True, "written": 7}
    assert said == {**expected, "is_buffer": True, "hash": True}


def test_what_is_kept_beyond_the_call_stays_valid(play, library):
    """Buffers, maps and arrays that a library keeps: not what it should do, but nothing is freed under it."""
    said = words(
        play,
        library,
        """
import numpy as np
from gi.repository import Gst
buffers, arrays = [], []
def process_ip(b, m, o):
    n = m["frame"][0]["frame_num"]
    ok, info = b.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE)
    info.data[0] = n
    arrays.append(np.ndarray(shape=(4,), dtype=np.uint8, buffer=info.data))
    buffers.append(b)
    return [{"arrays": [a[0] for a in arrays], "buffers": [k.extract_dup(0, 1)[0] for k in buffers]}]
""",
    )
    assert said[-1] == {"arrays": [0, 1, 2, 3], "buffers": [0, 1, 2, 3]}


MEMORY = """
import sys
import empycustom
empycustom.register()
from gi.repository import Gst

def resident_kib():
    return int(open("/proc/self/statm").read().split()[1]) * 4

pipeline = Gst.parse_launch({line!r})
marks = []
count = 0
def handoff(_, buffer):
    global count
    count += 1
    if count in ({n} // 5, {n}):
        marks.append(resident_kib())
pipeline.get_by_name("end").connect("handoff", handoff)
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(120 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
assert message is not None and message.type == Gst.MessageType.EOS, message and message.parse_error()
pipeline.set_state(Gst.State.NULL)
print(*marks)
"""


def growth_kib(line, n):
    """How much a process grows between a fifth of the buffers and the last."""
    code = MEMORY.format(line=line + " ! identity name=end signal-handoffs=true ! fakesink", n=n)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    assert "CRITICAL" not in done.stderr
    early, late = map(int, done.stdout.split())
    return late - early


DETECT_AND_TELL = """
import empycustom
def process_ip(b, m, o):
    with empycustom.map_frame(b, m, writable=True) as frame:
        frame.pixels[0, 0] = 1
        mean = frame.crop({"rect_params": {"left": 2, "top": 2, "width": 9, "height": 9}}).mean()
    box = {"left": 1, "top": 2, "width": 3, "height": 4}
    found = m["frame"][0]["object"]
    return {"frame": [{"meta": {"mean": mean}, "object": [{"n": 1} for _ in found],
                       "new_object": [] if found else [{"obj_label": "x", "object_id": 3, "rect_params": box}]}]}
"""


def test_memory_is_steady_over_10000_buffers_with_objects_and_attributes(library):
    lib = library(DETECT_AND_TELL)
    element = f"empycustom in-place=true custom-lib={lib}"
    line = f"{SOURCE.format(n=10_000)} ! {element} ! queue ! {element} ! videoconvert ! video/x-raw,format=BGRA ! aimeta ! perf"
    assert growth_kib(line, 10_000) < 2000


def test_memory_is_steady_where_process_makes_buffers(library):
    lib = library("def process(b, m, o):\n    return b.copy_deep(), [{'n': 1}]\n")
    assert growth_kib(f"{SOURCE.format(n=5000)} ! empycustom custom-lib={lib} ! aimeta", 5000) < 2000


def test_a_forgotten_unmap_does_not_leak_the_frame(library):
    """As in the listings of the document: 12 KiB a frame would be 36 MiB."""
    lib = library("""
import numpy as np
from gi.repository import Gst
def process_ip(b, m, o):
    ok, info = b.map(Gst.MapFlags.READ)
    return [{"mean": np.ndarray(shape=(48, 64), dtype=np.uint8, buffer=info.data).mean()}]
""")
    assert growth_kib(f"{SOURCE.format(n=3000)} ! empycustom in-place=true custom-lib={lib}", 3000) < 2000


@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false", "in-place=true process-interval=7"])
def test_nothing_is_alive_at_the_end(gst_launch, library, properties):
    lib = library(DETECT_AND_TELL + "\ndef process(b, m, o):\n    return b.copy_deep(), [{'n': 1}]\n")
    launched = gst_launch(
        f"{SOURCE.format(n=50)} ! empycustom {properties} custom-lib={lib} ! tee name=t ! queue ! "
        f"empycustom {properties} custom-lib={lib} ! videoconvert ! aimeta ! perf ! fakesink t. ! queue ! fakesink",
        GST_TRACERS="leaks",
        GST_DEBUG="GST_TRACER:7",
    )
    assert launched.code == 0, launched.text
    leaked = [line for line in launched.err.splitlines() if "object-alive" in line]
    assert [kind for line in leaked for kind in re.findall(r"type-name=\(string\)(\w+)", line)] == []


def test_an_element_can_start_and_stop_many_times(play, library):
    lib = library("def start(o):\n    pass\ndef process_ip(b, m, o):\n    return []\n")
    pipeline = Gst.parse_launch(f"{SOURCE.format(n=2)} ! empycustom in-place=true custom-lib={lib} ! aimeta ! fakesink")
    names = set(sys.modules)
    for _ in range(30):
        assert play(pipeline).ended
    assert set(sys.modules) <= names, "modules of libraries are given back"


def test_a_library_that_holds_on_to_its_buffer_is_named(play, library):
    """Gst.Buffer.copy() refers to the buffer, so that nothing can be attached to it any more."""
    lib = library("kept = []\ndef process_ip(b, m, o):\n    kept.append(b.copy())\n    return [{'a': 1}]\n")
    error = play(f"{SOURCE.format(n=2)} ! empycustom in-place=true custom-lib={lib} ! fakesink").error
    assert error.startswith(f"{lib}:2: what process_ip returned at frame 0 (0:00:00.000) cannot be attached to the buffer (")
    assert "copy_deep()" in error


MAPS_NOTHING = """
import empycustom
from gi.repository import Gst

def {callback}(buffer, in_meta, options):
    for flags in (Gst.MapFlags.READ, Gst.MapFlags.WRITE, Gst.MapFlags.READ | Gst.MapFlags.WRITE):
        mapped, info = buffer.map(flags)
        assert (mapped, info.size, bytes(info.data)) == (True, 0, b"")
        buffer.unmap(info)
    buffer.map(Gst.MapFlags.READ)  # and forgotten
    for writable in (False, True):
        try:
            with empycustom.map_frame(buffer, in_meta, writable=writable):
                raise AssertionError("there is no frame")
        except empycustom.FrameError as error:
            assert "has 0 bytes" in str(error) or "cannot be written" in str(error), error
    return {returned}
"""


@pytest.mark.parametrize(
    ("callback", "returned"),
    [("process_ip", "[{'seen': True}]"), ("process", "(buffer, [{'seen': True}])"), ("process", "(buffer.copy(), [])")],
)
def test_an_empty_buffer_is_mapped_as_any_other(gst_launch, library, callback, returned):
    lib = library(MAPS_NOTHING.format(callback=callback, returned=returned))
    launched = gst_launch(
        "fakesrc num-buffers=3 sizetype=empty ! video/x-raw,format=RGBA,width=4,height=4,framerate=30/1 ! "
        f"empycustom in-place={'true' if callback == 'process_ip' else 'false'} custom-lib={lib} on-error=pass ! fakesink"
    )
    complaints = [line for line in launched.complaints() if "WARNING" not in line]
    assert (launched.code, complaints) == (0, [])
    assert ("the new buffer has 0 bytes" in launched.text) is (callback == "process")
