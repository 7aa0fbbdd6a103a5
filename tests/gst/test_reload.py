"""Libraries that are edited while the pipeline plays: gst-launch-1.0 and programs, what goes on, and what is left behind."""

import gc
import json
import re
import subprocess
import sys
import threading
import time
import weakref

import pytest
from driven import wait_until
from edited import CAPS, PATIENCE_S, Stream, new_frames, our_threads, refuses, save, streaming
from element_stats import counts

import empycustom
from empycustom.gstreamer import Gst
from empycustom.runners.inline import InlineRunner

# Says in each result who it is, and keeps what was called in a list that all versions share.
LIBRARY = """\
import builtins, threading
VALUE = {value!r}
calls = builtins.__dict__.setdefault("calls_of_the_test", [])
def note(what):
    calls.append((what, VALUE, threading.current_thread().name))
note("load")
def start(options):
    note("start")
def stop(options):
    note("stop")
def process_ip(io_buffer, in_meta, options):
    calls.append(("frame", VALUE, in_meta["frame"][0]["frame_num"]))
    return {{"frame": {{"value": VALUE}}}}
{more}
"""


def lib(value, more=""):
    return LIBRARY.format(value=value, more=more)


@pytest.fixture
def calls():
    import builtins

    builtins.calls_of_the_test = found = []
    yield found
    del builtins.calls_of_the_test


def named(calls, *names):
    return [(what, value) for what, value, _ in calls if what in names]


def test_new_versions_take_over_between_two_frames(library, calls):
    path = library(lib(0))
    with streaming(path) as stream:
        stream.wait_for(0)
        for number in (1, 2, 3):
            save(path, lib(number))
            stream.wait_for(number)
            stream.reloaded()
    assert stream.values == sorted(stream.values)  # each frame by one version, in their order
    frames = [number for what, _, number in calls if what == "frame"]
    assert frames == list(range(len(frames)))
    assert named(calls, "load", "start", "stop") == [
        ("load", 0),
        ("start", 0),
        *[step for number in (1, 2, 3) for step in (("load", number), ("start", number), ("stop", number - 1))],
        ("stop", 3),
    ]


def test_the_threads_of_the_callbacks(library, calls):
    path = library(lib(0))
    reloaded = "def reloaded(old):\n    note('reloaded')\n    old.note('old')\n"
    with streaming(path) as stream:
        stream.wait_for(0)
        save(path, lib(1, reloaded))
        stream.wait_for(1)
    threads = {(what, value): thread for what, value, thread in calls if what != "frame"}
    assert {threads[each] for each in [("load", 1), ("start", 1), ("stop", 0)]} == {"empycustom reload"}
    # The state is handed over in the streaming thread, where nothing else of the old version can run.
    assert threads["reloaded", 1] == threads["old", 0] != "empycustom reload"
    order = [(what, value) for what, value, _ in calls]
    at = order.index(("reloaded", 1))
    assert order[at - 1] == ("frame", 0) or order[at - 1] == ("start", 1)
    assert order[at + 1 : at + 3] == [("old", 0), ("frame", 1)]


COUNTER = """\
count = 0
STEP = {step}
def process_ip(io_buffer, in_meta, options):
    global count
    count += 1
    return {{"frame": {{"value": [count, STEP]}}}}
def reloaded(old):
    global count
    count = old.count
"""


def test_a_counter_goes_on(library):
    path = library(COUNTER.format(step=0))
    with streaming(path) as stream:
        stream.wait_for([5, 0], 1)
        for step in range(1, 4):
            save(path, COUNTER.format(step=step))
            stream.reloaded()
        with stream._changed:
            assert stream._changed.wait_for(lambda: stream.values[-1][1] == 3, PATIENCE_S)
    assert [count for count, _ in stream.values] == [number + 1 for number in stream.numbers]
    assert {step for _, step in stream.values} == {0, 1, 2, 3}


def test_without_reloaded_the_new_version_begins_anew(library):
    path = library(COUNTER.format(step=0))
    with streaming(path) as stream:
        stream.wait_for([5, 0], 1)
        save(path, COUNTER.format(step=1).partition("def reloaded")[0])
        stream.wait_for([1, 1], 1)


WRONG = {
    "syntax": ("def process_ip(:\n", "has a syntax error", "def process_ip(:"),
    "import": ("import nothing_of_that_name\n", "nothing_of_that_name", "import nothing_of_that_name"),
    "callback": ("VALUE = 1\n", "neither process_ip nor process", ""),
    "start": (lib(9, "def start(options):\n    1 / 0  # here"), "start raised ZeroDivisionError", "1 / 0  # here"),
    "reloaded": (lib(9, "def reloaded(old):\n    old.nothing  # here"), "reloaded raised AttributeError", "old.nothing  # here"),
    "end": (lib(9, "import empycustom\ndef start(options):\n    raise empycustom.EndOfStream"), "start raised EndOfStream", ""),
    "exit": (lib(9, "def start(options):\n    raise SystemExit(3)  # here"), "start raised SystemExit", "# here"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_version_that_cannot_be_used_changes_nothing(library, calls, wrong):
    path = library(lib(0))
    with streaming(path) as stream:
        stream.wait_for(0)
        refuses(stream, path, WRONG[wrong])
        save(path, lib(1))
        stream.wait_for(1)
    assert 9 not in stream.values
    if wrong == "reloaded":  # it was started, so it is stopped
        assert named(calls, "stop") == [("stop", 9), ("stop", 0), ("stop", 1)]
    else:
        assert named(calls, "stop") == [("stop", 0), ("stop", 1)]


def test_what_the_old_version_raises_in_stop_is_a_warning(library, calls):
    path = library(lib(0, "def stop(options):\n    1 / 0  # in stop"))
    with streaming(path) as stream:
        stream.wait_for(0)
        save(path, lib(1))
        stream.wait_for(1)
        message, details = stream.warning()
        assert "stop raised ZeroDivisionError" in message
        assert "in stop" in details


def test_warnings_are_given_again_for_a_new_version(library):
    path = library("def process_ip(b, m, o):\n    1 / 0\n")
    with streaming(path, "in-place=true reload=true on-error=pass") as stream:
        assert "lib.py:2" in stream.warning()[0]
        save(path, "def process_ip(b, m, o):\n    1 / 0  # still\n")
        stream.reloaded()
        message, details = stream.warning()
        assert "lib.py:2" in message
        assert "# still" in details


def test_frames_go_on_while_a_new_version_is_slow_to_start(library, tmp_path, calls):
    path = library(lib(0))
    slow = f"""
def start(options):
    import os, time
    note("starting")
    while not os.path.exists({str(tmp_path / "go")!r}):
        time.sleep(0.01)
"""
    with streaming(path) as stream:
        stream.wait_for(0)
        save(path, lib(1, slow))
        wait_until(lambda: ("starting", 1) in named(calls, "starting"))
        stream.wait_for(0, 20)
        (tmp_path / "go").touch()
        stream.wait_for(1)


def test_another_element_with_the_same_file_keeps_its_version(library, calls):
    path = library(lib(0, "import helper"))
    library("NUMBER = 0", "helper.py")
    second = f"! aimeta name=between ! empycustom name=other in-place=true custom-lib={path}"
    with streaming(path, after=second) as stream:
        between = []
        stream.pipeline.get_by_name("between").connect("new-meta", lambda _, text: between.append(json.loads(text)))
        stream.wait_for(0)
        save(path, lib(1, "import helper"))
        stream.reloaded()
        stream.wait_for(0, 10)
        assert between[-1]["frame"][0]["emcustom"]["value"] == 1
    assert 1 not in stream.values
    assert named(calls, "stop").count(("stop", 0)) == 2


def test_it_is_turned_on_and_off_while_it_plays(library):
    path = library(lib(0))
    with streaming(path, "in-place=true") as stream:
        stream.wait_for(0)
        save(path, lib(1))
        time.sleep(1.5)
        stream.wait_for(0)
        stream.element.set_property("reload", True)  # also what was saved before
        stream.wait_for(1)
        stream.element.set_property("reload", False)
        save(path, lib(2))
        time.sleep(1.5)
        stream.wait_for(1)
        for wanted in (True, False, True, True, False, False, True):
            stream.element.set_property("reload", wanted)
        stream.wait_for(2)
        assert stream.element.get_property("reload") is True


def test_threads_turn_it_on_and_off_at_the_same_time(library):
    path = library(lib(0))
    barrier = threading.Barrier(8)
    with streaming(path, "in-place=true") as stream:
        stream.wait_for(0)

        def turn():
            barrier.wait()
            for number in range(20):
                stream.element.set_property("reload", bool(number % 2))

        threads = [threading.Thread(target=turn) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stream.element.set_property("reload", True)
        save(path, lib(1))
        stream.wait_for(1)
    assert our_threads() == []


def test_a_module_beside_the_library_and_options(library):
    path = library("import helper\ndef process_ip(b, m, options):\n    return {'frame': {'value': [helper.VALUE, options]}}\n")
    helper = library("VALUE = 1", "helper.py")
    with streaming(path) as stream:
        stream.wait_for([1, {}])
        stream.element.set_property("options", '{"a": 1}')
        helper.write_text("VALUE = 2")
        stream.wait_for([2, {"a": 1}])
        stream.element.set_property("options", '{"a": 2}')
        stream.wait_for([2, {"a": 2}])


def test_a_dotted_name(library, tmp_path, python):
    (tmp_path / "tools").mkdir()
    library(lib(0, "from tools import helper"), "tools/lib.py")
    library("", "tools/helper.py")
    library("", "tools/__init__.py")
    done = python(f"""
import time
pipeline = Gst.parse_launch("videotestsrc is-live=true ! {CAPS} ! empycustom name=e in-place=true custom-lib=tools.lib reload=true ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
element = pipeline.get_by_name("e")
while not element.get_property("last-meta"):
    time.sleep(0.01)
for number in (1, 2):
    with open("tools/helper.py", "w") as file:
        file.write(f"number = {{number}}")
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.INFO | Gst.MessageType.WARNING | Gst.MessageType.ERROR)
    assert message.type == Gst.MessageType.INFO, message.get_structure().to_string()
    print(message.parse_info()[0].message)
pipeline.set_state(Gst.State.NULL)
""")
    assert done.stdout.count("its new version takes over") == 2


def paused(path):
    """Return a stream that is paused behind some frames of the library's first version."""
    stream = Stream(path, source="videotestsrc")  # a live one pauses at once, maybe with a frame that is not yet at the library
    stream.play()
    stream.wait_for(0)
    stream.play(Gst.State.PAUSED)
    assert stream.pipeline.get_state(Gst.CLOCK_TIME_NONE)[0] == Gst.StateChangeReturn.SUCCESS, "a frame waits in the sink"
    return stream


def test_a_paused_stream_gets_the_newest_version_later_and_all_others_are_stopped(library, calls):
    path = library(lib(0))
    stream = paused(path)
    for number in (1, 2):
        save(path, lib(number))
        wait_until(lambda number=number: ("start", number) in named(calls, "start"))
    wait_until(lambda: ("stop", 1) in named(calls, "stop"))  # the second one waits in the place of the first
    stream.play()
    stream.wait_for(2)
    stream.play(Gst.State.NULL)
    assert set(stream.values) == {0, 2}
    assert sorted(named(calls, "stop")) == [("stop", 0), ("stop", 1), ("stop", 2)]
    assert named(calls, "stop")[0] == ("stop", 1)
    assert stream.numbers == list(range(len(stream.numbers)))


def test_a_version_that_waits_for_a_frame_is_stopped_at_the_end(library, calls):
    path = library(lib(0))
    stream = paused(path)
    save(path, lib(1))
    wait_until(lambda: ("start", 1) in named(calls, "start"))
    stream.play(Gst.State.NULL)
    assert named(calls, "stop") == [("stop", 1), ("stop", 0)]
    assert set(stream.values) == {0}


def test_new_frames(library):
    path = library(new_frames(1))
    with streaming(path, "reload=true") as stream:
        stream.wait_for(1)
        save(path, new_frames(2))
        stream.wait_for(2)
        save(path, new_frames(3, has_caps=True))  # the caps of the stream
        stream.wait_for(3)


@pytest.mark.parametrize("paused", [False, True])
def test_new_frames_of_another_size(library, paused):
    path = library(new_frames(1))
    sizes = []

    def look(pad, info):
        _, mapped = info.get_buffer().map(Gst.MapFlags.READ)
        width = re.search(r"width=\(int\)(\d+)", pad.get_current_caps().to_string())[1]
        sizes.append((mapped.data[0], int(width), mapped.size))
        info.get_buffer().unmap(mapped)
        return Gst.PadProbeReturn.OK

    with streaming(path, "reload=true", after="! identity name=after") as stream:
        stream.pipeline.get_by_name("after").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, look)
        stream.wait_for(1)
        versions = [(2, 32, True), (3, 8, True), (4, 8, True), (5, 16, False), (6, 64, True)]
        for number, size, has_caps in versions:
            if paused:
                stream.play(Gst.State.PAUSED)
                stream.pipeline.get_state(Gst.CLOCK_TIME_NONE)
            save(path, new_frames(number, size, has_caps=has_caps))
            if paused:
                time.sleep(1)
                stream.play()
            stream.wait_for(number)
            stream.reloaded()
    assert set(sizes) == {(1, 16, 16 * 16 * 4), *((number, size, size * size * 4) for number, size, _ in versions)}
    assert [number for number, *_ in sizes] == sorted(number for number, *_ in sizes)


def test_new_frames_that_downstream_does_not_take_are_refused(library):
    path = library(new_frames(1, 32, has_caps=True))
    with streaming(path, "reload=true", after="! capsfilter caps=video/x-raw,width=32") as stream:
        stream.wait_for(1)
        for text in (new_frames(3, 8, has_caps=True), new_frames(4)):
            save(path, text)
            message, _ = stream.warning()
            assert "downstream of the element does not take" in message
            stream.wait_for(1)
        save(path, new_frames(2, 32, has_caps=True))
        stream.wait_for(2)
    assert set(stream.values) == {1, 2}


@pytest.mark.parametrize("before", [new_frames(1, 32, has_caps=True), new_frames(1)], ids=["in its place", "added"])
def test_output_caps_that_raises_changes_nothing(library, before):
    path = library(before)
    with streaming(path, "reload=true") as stream:
        stream.wait_for(1)
        save(path, new_frames(2) + "def output_caps(caps, options):\n    return 1 / 0  # here\n")
        message, details = stream.warning()
        assert "output_caps raised ZeroDivisionError" in message
        assert "# here" in details
        stream.wait_for(1)
        save(path, new_frames(3))
        stream.wait_for(3)


def refusal(element):
    pipeline = Gst.Pipeline()
    pipeline.add(element)
    pipeline.set_state(Gst.State.PAUSED)
    message = pipeline.get_bus().timed_pop_filtered(PATIENCE_S * Gst.SECOND, Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    return message.parse_error()[0].message


def test_objects_of_a_program_cannot_be_reloaded():
    empycustom.register()
    element = Gst.ElementFactory.make("empycustom")
    element.library = lambda io_buffer, in_meta, options: None
    element.set_property("in-place", True)
    element.set_property("reload", True)
    assert "reload=true is for libraries that are files" in refusal(element)


def test_turning_it_on_for_an_object_while_it_plays_is_an_error(play):
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers=20 ! {CAPS} ! empycustom name=e in-place=true ! fakesink")
    element = pipeline.get_by_name("e")

    def process_ip(io_buffer, in_meta, options):
        element.set_property("reload", True)

    element.library = process_ip
    played = play(pipeline)
    assert "reload=true is for libraries that are files" in played.errors[0][0]
    assert element.get_property("reload") is False


def test_without_watchfiles_a_sentence_says_what_to_install(python, library):
    library("def process_ip(b, m, o): pass\n")
    done = python(f"""
sys.modules["watchfiles"] = None
pipeline = Gst.parse_launch("videotestsrc num-buffers=1 ! {CAPS} ! empycustom reload=true in-place=true custom-lib=lib.py ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
print(pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, WANTED).parse_error()[0].message)
pipeline.set_state(Gst.State.NULL)
""")
    assert done.stdout == f"reload=true needs the package watchfiles; install it: {sys.executable} -m pip install watchfiles\n"


def test_it_is_not_imported_unless_it_is_wanted(python, library):
    library("def process_ip(b, m, o): pass\n")
    done = python(f"""
play("videotestsrc num-buffers=1 ! {CAPS} ! empycustom in-place=true custom-lib=lib.py ! fakesink")
print("watchfiles" in sys.modules, [thread.name for thread in threading.enumerate()])
""")
    assert done.stdout == "False ['MainThread']\n"


def test_the_interpreter_ends_while_it_plays(python, library):
    library("def process_ip(b, m, o): pass\n")
    done = python(f"""
import time
pipeline = Gst.parse_launch("videotestsrc is-live=true ! {CAPS} ! empycustom name=e reload=true in-place=true custom-lib=lib.py ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
while pipeline.get_by_name("e").get_property("stats").get_value("processed") < 100:
    time.sleep(0.01)
print("played", flush=True)
""")
    assert (done.stdout, done.stderr) == ("played\n", "")


def test_nothing_is_left_behind(library, calls):
    path = library(lib(0, "import helper"))
    library("", "helper.py")
    modules = set(sys.modules)
    places, references = list(sys.path), []

    def refer(_element, _text):
        found = [
            each for name, each in [*sys.modules.items()] if name.startswith("empycustom.library.f") and hasattr(each, "VALUE")
        ]
        references.extend(weakref.ref(each) for each in found)

    with streaming(path) as stream:
        stream.element.connect("new-meta", refer)
        for number in range(1, 6):
            save(path, lib(number, "import helper"))
            stream.wait_for(number)
        gone = []
        stream.element.weak_ref(lambda: gone.append("element"))
    del stream
    calls.clear()
    gc.collect()
    assert {name for name in set(sys.modules) - modules if name.startswith("empycustom.library.")} == set()
    assert our_threads() == []
    assert sys.path == places
    assert gone == ["element"]
    assert references
    assert [reference() for reference in references if reference()] == []


def test_the_memory_of_an_old_version_is_freed_at_once(library):
    path = library(lib(0))
    with streaming(path) as stream:
        stream.wait_for(0)
        old = weakref.ref(
            next(each for name, each in sys.modules.items() if name.startswith("empycustom.library.f") and hasattr(each, "VALUE"))
        )
        gc.disable()
        try:
            save(path, lib(1))
            stream.wait_for(1)
            until = time.monotonic() + PATIENCE_S
            while old() and time.monotonic() < until:
                time.sleep(0.05)
            assert old() is None
        finally:
            gc.enable()


def test_a_pipeline_that_starts_again_reloads_again(library):
    path = library(lib(0))
    stream = Stream(path)
    for number in (0, 1, 2):
        stream.play()
        save(path, lib(10 + number))
        stream.wait_for(10 + number)
        stream.play(Gst.State.NULL)
    assert stream.texts() == []


def test_one_of_two_threads_gets_a_change():
    """A change is made by the streaming thread, or taken back by the other, whichever comes first."""

    class Library:
        in_place = True

        def call(self, *_given):
            return None

    runner = InlineRunner(Library())
    made, taken_back = [], 0
    ends = threading.Event()
    barrier = threading.Barrier(2)

    class Frame:
        in_meta, handles = {}, []

    def stream():
        barrier.wait()
        while not ends.is_set():
            runner.run(Frame, None)

    thread = threading.Thread(target=stream)
    thread.start()
    barrier.wait()
    for number in range(20_000):
        runner.before_next(lambda number=number: made.append(number))
        if number % 2:
            time.sleep(0)
        taken_back += runner.take_back()
    ends.set()
    thread.join()
    assert made, "the streaming thread never got one"
    assert len(made) + taken_back == 20_000
    assert sorted(set(made)) == made
    assert vars(runner).get("run") is None


def test_gst_launch_while_files_are_edited(library, tmp_path, gst_env):
    path = library(lib(0, "import helper"))
    helper = library("", "helper.py")
    meta = tmp_path / "meta.jsonl"
    line = f"videotestsrc is-live=true ! {CAPS} ! empycustom in-place=true reload=true custom-lib=lib.py ! aimeta location={meta} ! fakesink"
    printed = tmp_path / "printed"
    with printed.open("w") as file:
        command = ["gst-launch-1.0", "-e", *line.split()]
        process = subprocess.Popen(command, cwd=tmp_path, env=gst_env, stdout=file, stderr=subprocess.STDOUT)

    def values():
        return [
            json.loads(text)["frame"][0]["emcustom"]["value"]
            for text in meta.read_text().splitlines(keepends=True)
            if text.endswith("\n")
        ]

    def wait_for(value):
        wait_until(lambda: process.poll() is not None or (meta.exists() and value in values()))
        assert process.poll() is None, printed.read_text()

    try:
        wait_for(0)
        save(path, "def process_ip(")
        wait_until(lambda: "the library is not reloaded" in printed.read_text())
        save(path, lib(1, "import helper"))
        wait_for(1)
        helper.write_text("import builtins\nbuiltins.edited = 2")
        save(path, lib(2, "import helper\nassert builtins.edited == 2"))
        wait_for(2)
    finally:
        process.send_signal(2)
        process.wait(PATIENCE_S)
    text = printed.read_text()
    assert process.returncode in (0, 1), text
    assert text.count("the library is not reloaded") == 1
    assert "SyntaxError: '(' was never closed" in text
    assert text.count("its new version takes over") >= 2
    found = values()
    assert found == sorted(found)
    numbers = [json.loads(text)["frame"][0]["frame_num"] for text in meta.read_text().splitlines()]
    assert numbers == list(range(len(numbers)))


def test_each_frame_is_counted_once(library):
    path = library(lib(0))
    with streaming(path) as stream:
        for number in range(1, 4):
            save(path, lib(number))
            stream.wait_for(number, 1)
        stream.pipeline.send_event(Gst.Event.new_eos())
        message = stream.pipeline.get_bus().timed_pop_filtered(
            PATIENCE_S * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR
        )
        assert message.type == Gst.MessageType.EOS
        count = len(stream.numbers)
        assert counts(stream.element) == {"buffers": count, "processed": count, "passed": 0, "errors": 0, "dropped": 0}
    assert stream.numbers == [*range(count)]
