"""What a library keeps of its buffers, what is given back at the end of a stream, and the end of the process, both ways.

All of this runs in processes of its own: memory and thread states are those of the process, and what is wrong here ends one.
"""

from __future__ import annotations

import json

import pytest
from programs import NOTHING, both_ways, needs_fast_path

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
    done = python(
        f"""
marks, last = [], None
play("fakesrc num-buffers=1000000 sizetype=2 sizemax=1024 filltype=1 ! " + SMALL
     + " ! empycustom in-place=true custom-lib={lib} ! fakesink")
print(*marks, resident_kib(), last)
""",
        timeout_s=300,
    )  # 20 s on a machine that does other things as well
    early, late, last = map(int, done.stdout.split())
    assert last == 999_999
    assert late - early < 1024, (early, late)


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
    before = calls
    time.sleep(0.4)
    print(before > 0, calls - before <= 1, flush=True)  # one call may be on its way
atexit.register(take_down)
""")  # fmt: skip
    assert (done.stdout, done.stderr) == ("True True\n", "")


# One Buffer is used again for the next frame, where nobody can tell.

MARKS = """
import __main__, weakref
seen = []
def process_ip(io_buffer, in_meta, options):
    n = in_meta["frame"][0]["frame_num"]
    assert io_buffer.pts == n * 10**9 // 30, n
    assert not hasattr(io_buffer, "mark"), n
    __main__.same.append(id(io_buffer) == seen[-1] if seen else None)
    __main__.dead.extend(reference() is None for reference in __main__.references[-1:])
    seen.append(id(io_buffer))
    if options["marks"] == "attribute":
        io_buffer.mark = n
    elif options["marks"] == "weakref":
        __main__.references.append(weakref.ref(io_buffer))
    elif options["marks"] == "exception":
        raise ValueError(n)
"""


@needs_fast_path
def test_a_buffer_is_used_again_unless_something_is_said_of_it(python, library):
    path = library(MARKS, "marks.py")
    done = python(
        f"""
found = {{}}
for marks in ("nothing", "attribute", "weakref", "exception"):
    same, dead, references = [], [], []
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=4 ! {{SMALL}} ! empycustom in-place=true name=e on-error=pass custom-lib={str(path)!s} ! fakesink")
    pipeline.get_by_name("e").set_property("options", json.dumps({{"marks": marks}}))
    play(pipeline)
    found[marks] = [same[1:], dead]
print(json.dumps(found))
"""
    )
    found = json.loads(done.stdout)
    assert found["nothing"] == [[True] * 3, []]
    assert found["weakref"][1] == [True] * 3
    assert len(found["attribute"][0]) == len(found["exception"][0]) == 3  # a traceback may keep it for a while
