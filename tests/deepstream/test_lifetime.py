"""Words on DeepStream buffers that are copied, kept and freed: on any thread, at any time, also when Python has ended.

All of it runs in processes of its own: what is wrong here ends one. That words are freed, and once, is seen by the memory of the
process, and by the boxes that they lie in: a program takes a reference of each, which must be the last one in the end.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from empycustom.elements.base import SLOW_BECAUSE

HERE = Path(__file__).parent
FLOATING = "The created element should be floating"  # of every Python element that does not help itself, PyGObject before 3.46
# Wrong calls of C end the process: GLib's criticals, and all that glibc sees of a broken heap (with its library for that).
HEAP = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "85", "G_SLICE": "always-malloc"}
RAW = "video/x-raw,format=RGBA,width=16,height=16,framerate=500/1"
SOURCE = f"fakesrc num-buffers={{}} sizetype=2 sizemax=1024 filltype=1 ! {RAW} ! fakemux batch-size={{}} objects=2"
END = "identity signal-handoffs=true name={} ! fakesink async=false"

PRELUDE = f"""
import atexit, concurrent.futures, ctypes, json, pathlib, queue, sys, threading, time
sys.path[:0] = [{str(HERE)!r}, {str(HERE / "plugins" / "python")!r}]
import empycustom, nvds
from empycustom.gstreamer import Gst
import fakemux
empycustom.register()
Gst.Element.register(None, *fakemux.__gstelementfactory__)
glib = ctypes.CDLL("libglib-2.0.so.0")
glib.g_atomic_rc_box_acquire.restype = glib.g_malloc0.restype = ctypes.c_void_p
def parse(line):
    fatal = glib.g_log_set_always_fatal(0)  # {FLOATING}
    pipeline = Gst.parse_launch(line)
    glib.g_log_set_always_fatal(fatal)
    return pipeline
def play(line, handoff=None):
    pipeline = parse(line)
    for identity in filter(None, map(pipeline.get_by_name, "ab")):
        identity.connect("handoff", handoff)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(300 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message and message.type == Gst.MessageType.EOS, message.parse_error() if message else "the pipeline hangs"
    pipeline.set_state(Gst.State.NULL)
    return pipeline
def boxes_of(buffer):
    frames = nvds.frames_of(nvds.batch_of(buffer))
    objects = [found + nvds.USERS for frame in frames for found in nvds.objects_of(frame)]
    lists = [nvds.get(nvds.LONG, at) for at in (nvds.batch_of(buffer) + 104, *[frame + 120 for frame in frames], *objects)]
    return [ctypes.c_void_p(nvds.get(nvds.LONG, user + 40)) for users in lists for user in nvds.items(users)]
def check(buffer, names):
    "All is there that the libraries of these names said: an event of the batch and of each frame, a key on each object."
    frames = nvds.frames_of(nvds.batch_of(buffer))
    assert frames and len(boxes_of(buffer)) == 1 + len(frames) + 2 * len(frames)
    for ((marker, text),) in map(nvds.events_of, frames):
        objects = json.loads(text)["object"]
        assert marker == "empycustom" and len(objects) == 2
        assert all(found["emcustom"] == dict.fromkeys(names, found["obj_label"]) for found in objects)
"""

# Says something about everything; the program may have a look before.
SPEAKS = """
import __main__
look = getattr(__main__, "look", lambda *_: None)
def process_ip(io_buffer, in_meta, options):
    look(io_buffer, in_meta["frame"][0]["frame_num"])
    said = [{"meta": {NAME: 2}, "object": [{NAME: found["obj_label"]} for found in about["object"]]} for about in in_meta["frame"]]
    return {"meta": {NAME: 1}, "frame": said}
"""


TRAPPED = (-signal.SIGTRAP, -signal.SIGABRT)  # how GLib ends a process, older and newer


@pytest.fixture
def says(library):
    """An element that adds attributes to everything, under a name."""
    return lambda name: f"empycustom in-place=true custom-lib={library(f'NAME = {name!r}{SPEAKS}', f'{name}.py')}"


@pytest.fixture
def python(env_with, tmp_path):
    """Run a program, with the prelude and LINE, in its own process; return the lines that it prints."""

    def run(line, code, *, codes=(0,), more=HEAP):
        command = [sys.executable, "-c", f"{PRELUDE}LINE = {line!r}\n{code}"]
        env = {**env_with(), "EMPYCUSTOM_FAST_PATH": "on", "G_DEBUG": "fatal-criticals", **more}
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode in codes, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines(), [line for line in done.stderr.splitlines() if line and FLOATING not in line]

    return run


def test_a_broken_heap_ends_these_processes(python):
    """So that the other tests mean something."""
    python("", "at = ctypes.c_void_p(glib.g_malloc0(64))\nglib.g_free(at)\nglib.g_free(at)", codes=(-signal.SIGABRT,))
    python("", "glib.g_atomic_rc_box_release_full(ctypes.create_string_buffer(64), None)", codes=TRAPPED)


def test_attributes_are_freed_once_however_often_and_by_whatever_threads_buffers_are_copied(python, says):
    out, err = python(
        f"{SOURCE.format(200, 3)} ! {says('one')} ! tee name=t t. ! queue ! {says('two')} ! queue ! {END.format('a')} "
        f"t. ! queue ! aimeta ! {says('three')} ! queue ! aimeta ! {END.format('b')} t. ! queue ! fakesink async=false",
        """
held, last, done, others = [], [], [], concurrent.futures.ThreadPoolExecutor(3)
def copy_again(buffer, names):
    check(buffer, names)
    check(buffer.copy_deep(), names)
def handoff(identity, buffer):
    names = ("one", {"a": "two", "b": "three"}[identity.get_name()])
    held.extend(glib.g_atomic_rc_box_acquire(box) for box in boxes_of(buffer))
    done.extend(others.submit(copy_again, buffer.copy_deep(), names) for _ in range(2))
play(LINE, handoff)
others.shutdown()
is_last = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(last.append)
[glib.g_atomic_rc_box_release_full(ctypes.c_void_p(box), is_last) for box in held]
print(sum(item.result() is None for item in done), len(held), len(set(held)), len(last))
""",
    )
    held, boxes = 200 * 2 * (1 + 3 + 6), 200 * (2 * (1 + 3) + 6)  # both branches have the same keys
    assert (out, err) == ([f"800 {held} {boxes} {boxes}"], [])


LAST_WORDS = r"""
#include <stdio.h>
#include <stdlib.h>
void gst_mini_object_weak_ref (void *object, void (*freed) (void *, void *), void *data);
void *gst_mini_object_ref (void *object);
void gst_mini_object_unref (void *object);
void *gst_buffer_copy_deep (const void *buffer);
void *g_atomic_rc_box_acquire (void *box);
void g_atomic_rc_box_release_full (void *box, void (*last) (void *));
int Py_IsInitialized (void);
static void *buffers[99], *boxes[999];
static int buffer_count, box_count, freed_count;
static void freed (void *data, void *object) { puts ("a buffer is freed"); }
static void is_last (void *box) { freed_count++; }
void watch (void *buffer) { gst_mini_object_weak_ref (buffer, freed, NULL); }
void hold (void *buffer) { buffers[buffer_count++] = gst_mini_object_ref (buffer); }
void hold_box (void *box) { boxes[box_count++] = g_atomic_rc_box_acquire (box); }
static void at_exit (void) {
  puts (Py_IsInitialized () ? "Python is there" : "Python is gone");
  for (int i = 0; i < buffer_count; i++) {
    void *copy = gst_buffer_copy_deep (buffers[i]);
    watch (copy);
    gst_mini_object_unref (buffers[i]);
    gst_mini_object_unref (copy);
  }
  for (int i = 0; i < box_count; i++) g_atomic_rc_box_release_full (boxes[i], is_last);
  printf ("%d boxes, %d freed\n", box_count, freed_count);
}
void prepare (void) { setbuf (stdout, NULL); atexit (at_exit); }
"""


@pytest.fixture
def last_words(tmp_path):
    """A library in C that keeps buffers and frees them when the process ends."""
    (tmp_path / "last.c").write_text(LAST_WORDS)
    command = "cc -shared -fPIC last.c -o last.so -l:libgstreamer-1.0.so.0 -l:libglib-2.0.so.0"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode == 127 or "stdio.h" in done.stderr:
        pytest.skip(f"{done.stderr} - apt install gcc libc6-dev")
    assert done.returncode == 0, done.stderr
    return tmp_path / "last.so"


KEEPERS = {"a global": ("kept.append(item)", True), "a cycle": ("kept.append([kept, item])", True), "C": ("last.hold(at)", False)}


@pytest.mark.parametrize(("keep", "by_python"), KEEPERS.values(), ids=KEEPERS)
def test_buffers_may_be_freed_and_copied_when_python_ends_and_when_it_is_gone(python, says, last_words, keep, by_python):
    out, err = python(
        f"{SOURCE.format(5, 1)} ! {says('one')} ! {END.format('a')}",
        f"""
last, kept, seen = ctypes.CDLL({str(last_words)!r}), [], []
last.prepare()
def look(buffer, number):
    seen.append(buffer)  # it becomes one with words
def handoff(identity, buffer):
    buffer = buffer.copy_deep()  # PyGObject has no reference to the one that the signal is about
    for item in (buffer, buffer.copy_deep()):
        check(item, ["one"])
        at = ctypes.c_void_p(hash(item))
        last.watch(at)
        for box in boxes_of(item):
            last.hold_box(box)
        {keep}
play(LINE, handoff)
atexit.register(print, "Python ends", flush=True)
""",
    )
    freed = ["a buffer is freed"] * (10 if by_python else 20)  # C makes a copy of each
    ends = [*freed, "Python is gone"] if by_python else ["Python is gone", *freed]
    assert (out, err) == (["Python ends", *ends, "40 boxes, 20 freed"], [])  # copies share their boxes


ENDS = {"end of the program": ("", 0), "sys.exit": ("sys.exit(3)", 3), "an exception": ("raise ValueError('the end')", 1)}


# Where PyGObject hands buffers over, to whatever element, one program in some hundred crashes when it ends: Python frees the state
# of a thread that has just made it. So they are not passed on in that way here, nor is there a fakemux in the pipeline.
@pytest.mark.skipif(bool(SLOW_BECAUSE), reason=f"no fast path here: {SLOW_BECAUSE}")
@pytest.mark.parametrize(("ends", "code"), ENDS.values(), ids=ENDS)
def test_a_program_may_end_while_a_live_pipeline_plays(python, says, ends, code):
    line = f"appsrc name=source is-live=true format=time caps={RAW} ! identity sync=true ! {says('one')} ! tee name=t "
    line += f"t. ! queue ! {says('two')} ! aimeta ! fakesink async=false t. ! queue ! fakesink async=false"
    program = f"""
running = threading.Event()
def look(buffer, number):
    number < 5 or running.set()
pipeline = parse(LINE)
for number in range(100):
    buffer = Gst.Buffer.new_allocate(None, 1024, None)
    buffer.pts = number * 2 * Gst.MSECOND
    nvds.attach(hash(buffer), nvds.traffic(number, batch_size=2, objects=2))
    pipeline.get_by_name("source").emit("push-buffer", buffer)
pipeline.set_state(Gst.State.PLAYING)
assert running.wait(60)
print("playing", flush=True)
{ends}
"""
    with ThreadPoolExecutor(4) as several:
        for out, err in several.map(lambda _: python(line, program, codes=(code,)), range(20)):
            raised = [text for text in err if not text.startswith(("Traceback", "  "))]
            assert (out, raised) == (["playing"], ["ValueError: the end"] * (code == 1))


# As from the keyboard, but at the right moment.
INTERRUPTS = "import os\ndef process_ip(b, m, o):\n    m['frame'][0]['frame_num'] == 20 and os.kill(os.getpid(), 2)\n"


@pytest.mark.parametrize("switch", ["", "-e"])
def test_gst_launch_ends_well_when_it_is_interrupted(gst_launch, says, library, switch):
    line = f"-q {switch} videotestsrc is-live=true ! {RAW} ! fakemux batch-size=2 ! {says('one')} ! queue ! {says('two')} ! "
    line += f"aimeta silent=false ! empycustom in-place=true custom-lib={library(INTERRUPTS, 'interrupts.py')} ! fakesink"
    launched = gst_launch(line, **HEAP)
    assert (launched.code, [text for text in launched.complaints() if FLOATING not in text]) == (0, [])
    assert len(launched.documents) > 20
    assert all(frame["emcustom"] == {"one": 2, "two": 2} for document in launched.documents for frame in document["frame"])


COPIES = "tee name=t t. ! queue max-size-buffers=1 ! {one} ! fakesink t. ! queue max-size-buffers=1 ! {two} ! aimeta name=meta ! fakesink"
# And by how many pages of 4 KiB it may grow: 26 bytes a buffer is what is seen, where nothing is copied.
STEADY = {"40,000": (40_000, 200, "{one} ! aimeta name=meta ! fakesink"), "10,000, each copied": (10_000, 512, COPIES)}


@pytest.mark.parametrize(("count", "pages", "behind"), STEADY.values(), ids=STEADY)
def test_memory_is_steady_over_that_many_buffers(python, says, count, pages, behind):
    out, err = python(
        f"{SOURCE.format(count, 1)} ! {behind.format(one=says('one'), two=says('two'))}",
        f"""
pages, first, last = {{}}, {count // 5}, {count - 1}
def look(buffer, number):
    if number in (first, last):
        pages.setdefault(number, int(pathlib.Path("/proc/self/statm").read_text().split()[1]))
(frame,) = json.loads(play(LINE).get_by_name("meta").get_property("last-meta"))["frame"]
assert frame["frame_num"] == last and frame["emcustom"] and all(found["emcustom"] for found in frame["object"]), frame
print(pages[last] - pages[first])
""",
        more={},
    )
    assert err == []
    assert int(out[0]) < pages


def test_writing_waits_for_the_lock_of_the_batch_and_python_does_not(python, says):
    """Another thread has it: for half a second first, then shortly, again and again."""
    out, err = python(
        f"{SOURCE.format(200, 1)} ! {says('one')} ! {END.format('a')}",
        """
work, locked, steps, waited, passed = queue.SimpleQueue(), threading.Event(), [], [], []
def step():
    while True:
        steps.append(time.sleep(0.001))
def hold_locks():
    for batch, seconds in iter(work.get, None):
        nvds.call("nvds_acquire_meta_lock", batch)
        steps.clear()
        locked.set()
        time.sleep(seconds)
        while not waited and len(steps) <= 20:  # on a busy machine the other thread may need longer
            time.sleep(0.01)
        waited.append(len(steps))
        nvds.call("nvds_release_meta_lock", batch)
def look(buffer, number):
    work.put((nvds.batch_of(buffer), 0.002 if number else 0.5))
    assert locked.wait(60)
    locked.clear()
def handoff(identity, buffer):
    passed.append(len(waited))
    check(buffer, ["one"])
for target in (step, hold_locks):
    threading.Thread(target=target, daemon=True).start()
play(LINE, handoff)
print(passed == list(range(1, 201)), waited[0] > 20)
""",
    )
    assert (out, err) == (["True True"], [])
