"""Buffers straight from C and by PyGObject do the same; and what a stream took is given back at its end.

(`tools/test.sh slow-path` runs the tests of this folder by PyGObject.)

Most of this runs in processes of its own: the environment says which way, memory and thread states are those of the process,
and what is wrong here ends one.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from empycustom.elements.base import SLOW_BECAUSE
from empycustom.gstreamer import Gst

SWITCH = "EMPYCUSTOM_FAST_PATH"
SMALL = "video/x-raw,format=RGBA,width=16,height=16,framerate=30/1"
NOTHING = "def process_ip(io_buffer, in_meta, options):\n    pass\n"

needs_fast_path = pytest.mark.skipif(bool(SLOW_BECAUSE), reason=f"no fast path here: {SLOW_BECAUSE}")
both_ways = pytest.mark.parametrize("way", [pytest.param("on", marks=needs_fast_path), "off"])

PRELUDE = f"""
import ctypes, gc, json, os, resource, sys, threading
import empycustom
from empycustom.elements import add_elements
from empycustom.elements.base import SLOW_BECAUSE
add_elements()  # as gst-launch-1.0: register() is for programs, which may ask any buffer for its number
from gi.repository import Gst

SMALL = {SMALL!r}
WANTED = Gst.MessageType.EOS | Gst.MessageType.ERROR

def play(pipeline):
    if isinstance(pipeline, str):
        pipeline = Gst.parse_launch(pipeline)
    assert pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE
    message = pipeline.get_bus().timed_pop_filtered(120 * Gst.SECOND, WANTED)
    assert message is not None, "the pipeline hangs"
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    pipeline.set_state(Gst.State.NULL)

def resident_kib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024

def thread_states():
    "Count the thread states of the interpreter."
    api = ctypes.pythonapi
    for name in ("PyInterpreterState_Get", "PyInterpreterState_ThreadHead", "PyThreadState_Next"):
        getattr(api, name).restype = ctypes.c_void_p
    api.PyInterpreterState_ThreadHead.argtypes = api.PyThreadState_Next.argtypes = [ctypes.c_void_p]
    state, count = api.PyInterpreterState_ThreadHead(api.PyInterpreterState_Get()), 0
    while state:
        count, state = count + 1, api.PyThreadState_Next(state)
    return count
"""


@pytest.fixture
def python(env_with, tmp_path):
    """Run a program, with the prelude before it, in its own process."""

    def run(code, way="on", *, before="", code_expected=0, timeout_s=120):
        path = tmp_path / "program.py"
        path.write_text(before + PRELUDE + code)
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**env_with(), SWITCH: way, "G_DEBUG": "fatal-criticals"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == code_expected, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


# Which way.


def lines_of_the_way(launched):
    return [line for line in launched.err.splitlines() if "fast path: " in line]


LAUNCH = f"videotestsrc num-buffers=2 ! {SMALL} ! empycustom in-place=true custom-lib={{}} ! fakesink"


@needs_fast_path
def test_the_log_reports_that_it_is_on(gst_launch, library):
    launched = gst_launch(LAUNCH.format(library(NOTHING)), GST_DEBUG="*empycustom*:4", **{SWITCH: ""})
    assert launched.code == 0
    (line,) = lines_of_the_way(launched)
    assert line.endswith("fast path: on")
    assert "INFO" in line
    assert "<empycustom0>" in line


@pytest.mark.parametrize("value", ["off", "No", "0"])
def test_the_log_reports_that_it_is_off_and_why(gst_launch, library, value):
    launched = gst_launch(LAUNCH.format(library(NOTHING)), GST_DEBUG="*empycustom*:4", **{SWITCH: value})
    assert launched.code == 0
    (line,) = lines_of_the_way(launched)
    assert line.endswith(f"fast path: off, because {SWITCH}={value}")


def test_without_the_log_there_is_no_message(gst_launch, library):
    assert lines_of_the_way(gst_launch(LAUNCH.format(library(NOTHING)))) == []


@pytest.mark.parametrize("way", [pytest.param("on", marks=needs_fast_path), "off"])
@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false"])
def test_the_thread_of_a_stream_is_one_to_python_only_on_the_fast_path(python, library, way, properties):
    """What belongs to a thread stays from buffer to buffer; PyGObject makes the thread state anew for each."""
    lib = library("""
import threading, __main__
mine = threading.local()
def process_ip(b, m, o):
    mine.count = getattr(mine, "count", 0) + 1
    __main__.counts.append(mine.count)
def process(b, m, o):
    return b.copy_deep(), process_ip(b, m, o)
""")
    done = python(
        f"""
counts = []
play("videotestsrc num-buffers=5 ! " + SMALL + " ! empycustom {properties} custom-lib={lib} ! fakesink")
print(counts)
""",
        way,
    )
    assert done.stdout == ("[1, 2, 3, 4, 5]\n" if way == "on" else "[1, 1, 1, 1, 1]\n")
    assert done.stderr == ""


# What a library keeps.

FILL = """
from gi.repository import Gst
def process_ip(b, m, o):
    with b.map(Gst.MapFlags.WRITE) as info:
        info.data[:] = bytes([m["frame"][0]["frame_num"] + 1]) * info.size
"""

# Keeps something of each buffer, and looks at all that it kept in each later call and at the end.
KEEP = """
from gi.repository import Gst
import __main__
kept = []
def fail(io_buffer, n):
    local = io_buffer
    raise ValueError(n)
def what(io_buffer, in_meta, n, kind):
    if kind == "buffer":
        return io_buffer
    if kind == "meta":
        return in_meta
    if kind == "map":
        ok, info = io_buffer.map(Gst.MapFlags.READ)
        assert ok
        return info
    try:
        fail(io_buffer, n)
    except ValueError as error:
        return error
def right(item, n, kind):
    pixels = bytes([n + 1]) * (16 * 16 * 4)
    if kind == "buffer":
        return item.extract_dup(0, 1024) == pixels and item.pts == n * 10**9 // 30
    if kind == "meta":
        return item["frame"][0]["frame_num"] == n and item["buffer"]["planes"][0]["stride"] == 64
    if kind == "map":
        return bytes(item.data) == pixels and item.size == len(pixels)
    traceback = item.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    return item.args == (n,) and traceback.tb_frame.f_locals["local"].extract_dup(0, 1024) == pixels
def look(kind):
    for n, item in enumerate(kept):
        assert right(item, n, kind), (n, item)
def process_ip(io_buffer, in_meta, options):
    __main__.first.append(hash(io_buffer))
    n, kind = in_meta["frame"][0]["frame_num"], options["kind"]
    if kind != "nothing":
        kept.append(what(io_buffer, in_meta, n, kind))
    look(kind)
def process(in_buffer, in_meta, options):
    process_ip(in_buffer, in_meta, options)
    return in_buffer, None
def stop(options):
    look(options["kind"])
    __main__.looked = len(kept)
"""

# Writes all pixels: where it sees the same buffer as the library before it, nothing was copied.
SPOIL = """
from gi.repository import Gst
import __main__
def process_ip(b, m, o):
    __main__.second.append(hash(b))
    with b.map(Gst.MapFlags.WRITE) as info:
        info.data[:] = b"\\xff" * info.size
"""


def keeping(library, properties, kinds):
    paths = [library(source, f"{name}.py") for name, source in (("fill", FILL), ("keep", KEEP), ("spoil", SPOIL))]
    return f"""
fill, keep, spoil = {[str(path) for path in paths]!r}
found = {{}}
for kind in {kinds!r}:
    first, second, written, looked = [], [], [], None
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=6 ! {{SMALL}} ! empycustom in-place=true custom-lib={{fill}} ! "
        f"empycustom name=keep {properties} custom-lib={{keep}} ! empycustom in-place=true custom-lib={{spoil}} ! "
        "identity name=end signal-handoffs=true ! fakesink")
    pipeline.get_by_name("keep").set_property("options", json.dumps({{"kind": kind}}))
    pipeline.get_by_name("end").connect("handoff", lambda _, b: written.append(set(b.extract_dup(0, 1024)) == {{255}}))
    play(pipeline)
    found[kind] = dict(
        looked=looked, copied=[a != b for a, b in zip(first, second)], count=[len(first), len(second)], written=written)
print(json.dumps(found))
"""


KINDS = ["nothing", "meta", "buffer", "map", "error"]


@both_ways
def test_what_a_library_keeps_stays_as_it_was_and_what_it_keeps_not_is_not_copied(python, library, way):
    done = python(keeping(library, "in-place=true", KINDS), way)
    found = json.loads(done.stdout)
    assert done.stderr == ""
    for kind in KINDS:
        kept = kind not in ("nothing", "meta")
        assert found[kind]["looked"] == (6 if kind != "nothing" else 0), kind
        assert found[kind]["count"] == [6, 6]
        assert found[kind]["copied"] == [kept] * 6, kind
        assert found[kind]["written"] == [True] * 6, kind


@both_ways
def test_what_a_library_keeps_of_the_input_of_process_stays_as_it_was(python, library, way):
    """It returns the very buffer that it got, and keeps it."""
    done = python(keeping(library, "in-place=false", KINDS), way)
    assert done.stderr == ""
    for kind, found in json.loads(done.stdout).items():
        assert found["looked"] == (6 if kind != "nothing" else 0), kind
        assert found["written"] == [True] * 6, kind


THREAD = """
import queue, threading
from gi.repository import Gst
import __main__
work = queue.Queue()
def worker():
    while True:
        item = work.get()
        if item is None:
            return
        buffer, n, after = item
        assert after.wait(60)  # the callback has returned, and the next buffer is here
        __main__.seen.append([n, set(buffer.extract_dup(0, 1024)) == {n + 1}, buffer.get_size(), buffer.pts == n * 10**9 // 30])
        del buffer, item
thread = threading.Thread(target=worker)
before = None
def start(options):
    thread.start()
def process_ip(io_buffer, in_meta, options):
    global before
    if before:
        before.set()
    before = threading.Event()
    work.put((io_buffer, in_meta["frame"][0]["frame_num"], before))
def stop(options):
    before.set()
    work.put(None)
    thread.join(60)
"""


@both_ways
def test_a_thread_may_use_the_buffer_after_the_callback(python, library, way):
    fill, thread, spoil = library(FILL, "fill.py"), library(THREAD, "thread.py"), library(SPOIL, "spoil.py")
    done = python(
        f"""
seen, second = [], []
play(f"videotestsrc num-buffers=50 ! {{SMALL}} ! empycustom in-place=true custom-lib={fill} ! "
     "empycustom in-place=true custom-lib={thread} ! empycustom in-place=true custom-lib={spoil} ! fakesink")
print(json.dumps(seen))
""",
        way,
    )
    assert json.loads(done.stdout) == [[n, True, 1024, True] for n in range(50)]
    assert done.stderr == ""


# What is raised. (Not by gst-launch: that of 1.22 hangs now and then where the first buffer fails, whatever the element.)

FAILS = """
def errors_of(line):
    pipeline, found = Gst.parse_launch(line), []
    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    message = bus.timed_pop_filtered(60 * Gst.SECOND, WANTED)
    assert message is not None, "the pipeline hangs"
    pipeline.set_state(Gst.State.READY)
    while message is not None:
        if message.type == Gst.MessageType.ERROR and message.src.get_name().startswith(("empycustom", "aimeta")):
            found.append([message.src.get_name(), message.parse_error()[0].message])
        message = bus.pop_filtered(WANTED)
    pipeline.set_state(Gst.State.NULL)
    return found
"""


@both_ways
@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false"])
@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "ValueError('no')"])
def test_whatever_is_raised_is_an_error_on_the_bus(python, library, way, properties, raised):
    lib = library(f"def process_ip(b, m, o):\n    raise {raised}\ndef process(b, m, o):\n    raise {raised}\n")
    line = f"videotestsrc num-buffers=3 ! {SMALL} ! empycustom {properties} custom-lib={lib} ! fakesink"
    done = python(f"{FAILS}\nprint(json.dumps(errors_of({line!r})))", way)
    ((name, text),) = json.loads(done.stdout)
    assert name == "empycustom0"
    assert f"raised {raised.split('(')[0]}" in text
    assert done.stderr == ""


@both_ways
@pytest.mark.parametrize("element", ["empycustom name=empycustom-b in-place=true custom-lib={}", "aimeta name=aimeta-b"])
def test_a_fault_that_is_not_the_librarys_is_an_error_too(python, library, way, element):
    """Another element has damaged the attributes on the buffer."""
    spoils = library("""
from empycustom.native.metas import JsonMeta
def process_ip(b, m, o):
    JsonMeta("EmPyCustomMeta").add(hash(b), 0, "no JSON")
""")
    line = (
        f"videotestsrc num-buffers=3 ! {SMALL} ! empycustom in-place=true custom-lib={spoils} ! "
        f"{element.format(library(NOTHING, 'nothing.py'))} ! fakesink"
    )
    done = python(f"{FAILS}\nprint(json.dumps(errors_of({line!r})))", way)
    ((name, text),) = json.loads(done.stdout)
    assert name == element.split("name=")[1].split()[0]
    assert "is not as empycustom writes it" in text
    assert done.stderr == ""


# What is given back.


@both_ways
def test_a_thousand_starts_and_stops_leave_memory_and_thread_states_where_they_were(python, library, way):
    """The same elements again and again, two buffers each time, then pipelines that are made anew.

    The first few hundred rounds fill what the allocators of Python and C hold, which differs by version; a leak would go on.
    """
    done = python(
        f"""
line = f"videotestsrc num-buffers=2 ! {{SMALL}} ! empycustom in-place=true custom-lib={library(NOTHING)} ! aimeta ! fakesink"
def mark():
    gc.collect()
    return [resident_kib(), thread_states()]
marks = []
pipeline = Gst.parse_launch(line)
for cycle in range(1, 1001):
    play(pipeline)
    if cycle in (400, 1000):
        marks.append(mark())
del pipeline
for cycle in range(1, 71):
    play(line)
    if cycle in (20, 70):
        marks.append(mark())
print(json.dumps(marks))
""",
        way,
    )
    assert done.stderr == ""
    (early, states), (late, states_late), (new_early, _), (new_late, states_new) = json.loads(done.stdout)
    # GLib keeps up to two threads for the next task that needs one, and a thread keeps its state until it ends.
    assert max(states_late, states_new) <= states + 2
    assert late - early < 1024, (early, late)
    assert new_late - new_early < 1024, (new_early, new_late)


def test_a_million_buffers_leave_memory_where_it_was(python, library):
    lib = library("""
import __main__
def process_ip(b, m, o):
    n = m["frame"][0]["frame_num"]
    if n == 10_000:
        __main__.marks.append(__main__.resident_kib())
    __main__.last = n
""")
    done = python(f"""
marks, last = [], None
play("fakesrc num-buffers=1000000 sizetype=2 sizemax=1024 filltype=1 ! " + SMALL
     + " ! empycustom in-place=true custom-lib={lib} ! fakesink")
print(*marks, resident_kib(), last)
""")
    early, late, last = map(int, done.stdout.split())
    assert last == 999_999
    assert late - early < 1024, (early, late)


# Streams beside each other, and elements behind each other.

RECORD = """
import __main__
count = 0
def process_ip(b, m, o):
    global count
    frame = m["frame"][0]
    __main__.seen.setdefault(o.get("name"), []).append([frame["frame_num"], frame["timestamp"], frame["buf_pts"], count])
    count += 1
"""


@both_ways
def test_four_streams_at_once_do_not_mix(python, library, way):
    """Each has its own size, numbers, and library."""
    done = python(
        f"""
seen = {{}}
pipelines = []
for n in range(4):
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers={{500 + n}} ! video/x-raw,format=RGBA,width={{16 + n}},height=16,framerate={{10 + n}}/1 ! "
        "empycustom name=e in-place=true custom-lib={library(RECORD)} ! fakesink")
    pipeline.get_by_name("e").set_property("options", json.dumps({{"name": n}}))
    pipelines.append(pipeline)
for pipeline in pipelines:
    pipeline.set_state(Gst.State.PLAYING)
for pipeline in pipelines:
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, WANTED)
    assert message and message.type == Gst.MessageType.EOS
    pipeline.set_state(Gst.State.NULL)
print(json.dumps(seen))
""",
        way,
    )
    seen = json.loads(done.stdout)
    assert sorted(seen) == ["0", "1", "2", "3"]
    for name, calls in seen.items():
        count, rate = 500 + int(name), 10 + int(name)
        assert [number for number, _, _, _ in calls] == list(range(count))
        assert [state for _, _, _, state in calls] == list(range(count))
        assert [pts for _, _, pts, _ in calls] == [n * 10**9 // rate for n in range(count)]


@pytest.fixture
def recorded():
    """What the recording library saw: (frame_num, timestamp) by pts. It finds the dict in the main module."""
    import __main__

    __main__.seen = {}
    yield lambda name=None: {pts: (number, time) for number, time, pts, _ in __main__.seen[name]}
    del __main__.seen


def documents_of(pipeline, name="meta"):
    """Return (frame_num, timestamp) of aimeta by pts."""
    documents = {}

    def heard(_, text):
        (frame,) = json.loads(text)["frame"]
        documents[frame["buf_pts"]] = (frame["frame_num"], frame["timestamp"])

    pipeline.get_by_name(name).connect("new-meta", heard)
    return documents


DROP = {
    "raises, on-error=drop": (
        "in-place=true on-error=drop",
        "def process_ip(b, m, o):\n    1 // (m['frame'][0]['frame_num'] % 2)\n",
    ),
    "process returns no buffer": (
        "",
        "def process(b, m, o):\n    return (b if m['frame'][0]['frame_num'] % 2 else None), None\n",
    ),
    "process makes a new buffer": (
        "",
        "def process(b, m, o):\n    return (b.copy_deep() if m['frame'][0]['frame_num'] % 2 else None), None\n",
    ),
    "raises, words on the others": (
        "in-place=true on-error=drop",
        "def process_ip(b, m, o):\n    return [{'n': 1 // (m['frame'][0]['frame_num'] % 2)}]\n",
    ),
}
SLOWLY = f"videotestsrc num-buffers=20 ! {SMALL} ! identity sleep-time=3000"  # so that each frame has a time of its own


@pytest.mark.parametrize(("properties", "drops"), DROP.values(), ids=DROP)
@pytest.mark.parametrize("behind", ["identity", "videoconvert ! video/x-raw,format=I420", "queue", "tee ! queue"])
def test_numbers_and_times_are_those_of_the_first_library_where_frames_are_dropped(
    play, library, recorded, properties, drops, behind
):
    first, second = library(RECORD, "first.py"), library(drops, "second.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true custom-lib={first} ! {behind} ! "
        f"empycustom {properties} custom-lib={second} ! {behind} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    seen = recorded()
    assert [number for number, _ in seen.values()] == list(range(20))
    assert len({time for _, time in seen.values()}) == 20
    assert [number for number, _ in documents.values()] == list(range(1, 20, 2))
    assert documents == {pts: seen[pts] for pts in documents}


def test_numbers_and_times_agree_where_the_stream_branches(play, library, recorded):
    """One branch lets the library drop, the other one only looks."""
    first, second = library(RECORD, "first.py"), library(DROP["raises, on-error=drop"][1], "second.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true custom-lib={first} ! tee name=t "
        f"t. ! queue ! empycustom in-place=true on-error=drop custom-lib={second} ! aimeta name=dropped ! fakesink "
        "t. ! queue ! videoconvert ! aimeta name=all ! fakesink"
    )
    dropped, everything = documents_of(pipeline, "dropped"), documents_of(pipeline, "all")
    assert play(pipeline).ended
    assert everything == recorded()
    assert dropped == {pts: seen for pts, seen in recorded().items() if seen[0] % 2}


def test_numbers_agree_where_the_library_that_drops_is_the_first(play, library, recorded):
    first, second = library(DROP["raises, on-error=drop"][1], "first.py"), library(RECORD, "second.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true on-error=drop custom-lib={first} ! queue ! "
        f"empycustom in-place=true custom-lib={second} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert documents == recorded()
    assert [number for number, _ in documents.values()] == list(range(1, 20, 2))


# Frames of which a library drops some and never sees, or cannot process, the others: 0, 2, 4 … are dropped.
UNSAID = {
    "process-interval": ("process-interval=2", "def process(b, m, o):\n    return None, None\n"),
    "process-interval, on-error=drop": (
        "process-interval=2 on-error=drop in-place=true",
        "def process_ip(b, m, o):\n    1 / 0\n",
    ),
    "on-error=pass": (
        "on-error=pass",
        "def process(b, m, o):\n    return None, 1 // (1 - m['frame'][0]['frame_num'] % 2) and None\n",
    ),
}


@pytest.mark.parametrize(("properties", "drops"), UNSAID.values(), ids=UNSAID)
def test_numbers_agree_on_frames_without_a_result_of_the_library_that_drops(play, library, recorded, properties, drops):
    first, second = library(drops, "first.py"), library(RECORD, "second.py")
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=20 ! {SMALL} ! empycustom {properties} custom-lib={first} ! "
        f"empycustom in-place=true custom-lib={second} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert documents == recorded()
    assert [number for number, _ in documents.values()] == list(range(1, 20, 2))


def test_an_element_between_that_is_passed_does_not_change_numbers(play, library, recorded):
    """The library behind is called for every third buffer, and returns attributes; the others also keep their number."""
    first, second = library(RECORD, "first.py"), library("def process_ip(b, m, o):\n    return [{'n': 1}]\n", "second.py")
    drops = library(DROP["raises, on-error=drop"][1], "drops.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true custom-lib={first} ! empycustom in-place=true on-error=drop custom-lib={drops} ! "
        f"empycustom in-place=true process-interval=3 custom-lib={second} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert len(documents) == 10
    assert documents == {pts: recorded()[pts] for pts in documents}


ALONE = """
from gi.repository import Gst
def metas_of(line):
    pipeline, found = Gst.parse_launch(line), []
    def handoff(_, buffer):
        meta = buffer.get_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-empycustom"))
        found.append(None if meta is None else meta.duration)
    pipeline.get_by_name("end").connect("handoff", handoff)
    play(pipeline)
    return found
"""
END = "identity name=end signal-handoffs=true ! fakesink"


@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false"])
def test_an_element_alone_in_the_process_stamps_nothing(python, library, properties):
    """The stamp is for other elements of ours: nothing else needs it. Before and after there were two, it is not there."""
    lib = library("def process_ip(b, m, o):\n    pass\ndef process(b, m, o):\n    return b, None\n")
    done = python(
        ALONE
        + f"""
element = "empycustom {properties} custom-lib={lib}"
source = f"videotestsrc num-buffers=3 ! {{SMALL}}"
print(metas_of(f"{{source}} ! {{element}} ! {END}"))
print(metas_of(f"{{source}} ! {{element}} ! aimeta ! {END}"))
print(metas_of(f"{{source}} ! {{element}} ! {{element}} ! {END}"))
print(metas_of(f"{{source}} ! {{element}} ! {END}"))
"""
    )
    assert done.stdout.splitlines() == ["[None, None, None]", "[0, 1, 2]", "[0, 1, 2]", "[None, None, None]"]


def test_an_element_alone_in_a_program_that_registers_it_stamps(python, library):
    """The program may look at any buffer, with empycustom.document."""
    end = f"{SMALL} ! empycustom in-place=true custom-lib={library(NOTHING)} ! {END}"
    done = python(ALONE + f'empycustom.register()\nprint(metas_of("videotestsrc num-buffers=3 ! {end}"))')
    assert done.stdout == "[0, 1, 2]\n"


def test_an_element_that_failed_to_start_counts_for_nobody(python, library):
    """It is not there: what plays afterwards is alone."""
    lib = library(NOTHING)
    done = python(
        ALONE
        + f"""
none = "/no/such/file"
for element in (f"empycustom custom-lib={{none}}", "empycustom custom-lib={lib} in-place=false", f"aimeta location={{none}}"):
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=3 ! {{element}} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, WANTED)
    assert message.type == Gst.MessageType.ERROR
    pipeline.set_state(Gst.State.NULL)
print(metas_of("videotestsrc num-buffers=3 ! " + SMALL + " ! empycustom in-place=true custom-lib={lib} ! {END}"))
"""
    )
    assert done.stdout == "[None, None, None]\n"


# The end of the process.

ENDS = {"end of file": ("", 0), "sys.exit": ("sys.exit(3)", 3), "exception": ("raise ValueError('the end')", 1)}


@both_ways
@pytest.mark.parametrize(("ends", "code"), ENDS.values(), ids=ENDS)
def test_a_program_may_end_while_a_pipeline_plays(python, library, way, ends, code):
    lib = library("import __main__\ndef process_ip(b, m, o):\n    __main__.running.set()\n    return [{'n': list(range(50))}]\n")
    for _ in range(5):
        done = python(
            f"""
running = threading.Event()
pipeline = Gst.parse_launch("videotestsrc ! " + SMALL + " ! empycustom in-place=true custom-lib={lib} ! aimeta ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
assert running.wait(60)
print("playing", flush=True)
{ends}
""",
            way,
            code_expected=code,
        )
        assert done.stdout == "playing\n"
        assert "Fatal Python error" not in done.stderr
        assert ("ValueError: the end" in done.stderr) == (code == 1)
        assert done.stderr.count("\n") == (4 if code == 1 else 0), done.stderr


@needs_fast_path
def test_a_library_is_not_called_while_what_it_uses_is_taken_down(python, library):
    """What a program registered before it imported the package is called at its end after the package's own."""
    lib = library("import __main__\ndef process_ip(b, m, o):\n    __main__.calls += 1\n    __main__.running.set()\n")
    done = python(f"""
pipeline = Gst.parse_launch("videotestsrc ! " + SMALL + " ! empycustom in-place=true custom-lib={lib} ! fakesink sync=false")
pipeline.set_state(Gst.State.PLAYING)
assert running.wait(60)
""", before="""
import atexit, threading, time
calls, running = 0, threading.Event()
def take_down():
    time.sleep(0.1)  # a call that was on its way is over
    before = calls
    time.sleep(0.3)
    print(before > 0, calls - before, flush=True)
atexit.register(take_down)
""")  # fmt: skip
    assert (done.stdout, done.stderr) == ("True 0\n", "")
