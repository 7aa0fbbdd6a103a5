"""Libraries in workers that are edited while the pipeline plays: fresh workers take over between two frames."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from driven import wait_until
from edited import children, new_frames, our_threads, refuses, save, streaming

from empycustom.gstreamer import Gst

pytestmark = pytest.mark.usefixtures("nothing_is_left")

# Writes what is called to a file: the name, the version, the process.
LIBRARY = """\
import os
VALUE = {value!r}
def note(what):
    with open({log!r}, "a") as file:
        file.write(f"{{what}} {{VALUE}} {{os.getpid()}}\\n")
def start(options):
    note("start")
def stop(options):
    note("stop")
def process_ip(io_buffer, in_meta, options):
    return {{"frame": {{"value": VALUE}}}}
{more}
"""


@pytest.fixture
def lib(tmp_path):
    def text(value, more=""):
        return LIBRARY.format(value=value, log=str(tmp_path / "log"), more=more)

    return text


def noted(folder):
    """Return what was called, in its order: names with versions; and how many processes there were."""
    lines = [line.split() for line in (folder / "log").read_text().splitlines()]
    return [f"{what} {value}" for what, value, _ in lines], len({pid for *_, pid in lines})


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
@pytest.mark.parametrize("workers", [1, 3])
def test_fresh_workers_take_over(library, lib, tmp_path, workers, pace):
    path = library(lib(0))
    with streaming(path, f"in-place=true reload=true workers={workers} pace={pace}") as stream:
        stream.wait_for(0)
        for number in (1, 2):
            save(path, lib(number))
            stream.wait_for(number)
            stream.reloaded()
    known = [value for value in stream.values if value is not None]
    assert known == sorted(known)
    if pace == "every":
        assert known == stream.values
    calls, processes = noted(tmp_path)
    assert processes == 3 * workers
    assert sorted(calls) == sorted(
        f"{what} {number}" for what in ("start", "stop") for number in range(3) for _ in range(workers)
    )
    for old, new in ((0, 1), (1, 2)):  # on a busy machine the last frame of 0 may come back when 2 starts
        assert calls.index(f"start {new}") < calls.index(f"stop {old}")


WRONG = {
    "syntax": ("def process_ip(:\n", "has a syntax error", "def process_ip(:"),
    "callback": ("VALUE = 1\n", "neither process_ip nor process", ""),
    "start": (
        "def start(options):\n    1 / 0  # here\ndef process_ip(b, m, o): pass\n",
        "start raised ZeroDivisionError",
        "# here",
    ),
    "exit": ("import os\nos._exit(3)\n", "exit code 3", ""),
    "crash": ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV", "lib.py"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_version_that_cannot_be_used_changes_nothing(library, lib, wrong):
    path = library(lib(0))
    with streaming(path, "in-place=true reload=true workers=2") as stream:
        stream.wait_for(0)
        refuses(stream, path, WRONG[wrong])
        save(path, lib(1))
        stream.wait_for(1)
    assert set(stream.values) == {0, 1}


def test_a_module_beside_the_library_where_everybody_imports_from_and_caches_of_bytecode(library, tmp_path, python):
    library("import helper\ndef process_ip(b, m, o):\n    return {'frame': {'value': helper.VALUE}}\n")
    helper = library("VALUE = 1", "helper.py")
    second = int(time.time())
    os.utime(helper, (second, second))
    subprocess.run([sys.executable, "-m", "py_compile", str(helper)], check=True)
    done = python(f"""
import time
sys.path.insert(0, {str(tmp_path)!r})
pipeline = Gst.parse_launch(f"videotestsrc is-live=true ! {{SMALL}} ! empycustom name=e in-place=true custom-lib=lib.py reload=true workers=1 ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
element = pipeline.get_by_name("e")
for number in (1, 2, 3):
    if number > 1:
        with open("helper.py", "w") as file:
            file.write(f"VALUE = {{number}}")
        os.utime("helper.py", ({second}, {second}))
    until = time.monotonic() + 60
    while element.get_property("last-meta") != '{{"frame":{{"value":%d}}}}' % number and time.monotonic() < until:
        time.sleep(0.01)
    print(element.get_property("last-meta"))
pipeline.set_state(Gst.State.NULL)
""")
    assert [line.partition('"value":')[2][:1] for line in done.stdout.splitlines()] == ["1", "2", "3"]


def test_frames_of_the_old_version_leave_before_those_of_the_new_one(library, lib):
    slow = "\nimport time\ninner = process_ip\ndef process_ip(b, m, o):\n    time.sleep(0.05)\n    return inner(b, m, o)\n"
    path = library(lib(0, slow))
    with streaming(path, "in-place=true reload=true workers=3") as stream:
        stream.wait_for(0)
        save(path, lib(1))  # which is quicker
        stream.wait_for(1, 20)
    assert stream.values == sorted(stream.values)


def test_a_module_that_a_function_imports_later(library):
    path = library("def process_ip(b, m, o):\n    import helper\n    return {'frame': {'value': helper.VALUE}}\n")
    helper = library("VALUE = 1", "helper.py")
    with streaming(path, "in-place=true reload=true workers=2") as stream:
        stream.wait_for(1)
        time.sleep(1.5)  # the thread that watches looks once a second what there is
        save(helper, "VALUE = 2")
        stream.wait_for(2)
        stream.reloaded()


def test_options_are_those_of_now(library, lib):
    shows = "def process_ip(b, m, options):\n    return {'frame': {'value': [VALUE, options]}}\n"
    path = library(lib(0, shows))
    with streaming(path, "in-place=true reload=true workers=2") as stream:
        stream.wait_for([0, {}])
        stream.element.set_property("options", '{"a": 1}')
        save(path, lib(1, shows))
        stream.wait_for([1, {"a": 1}])
        stream.element.set_property("options", '{"a": 2}')
        stream.wait_for([1, {"a": 2}])


def test_a_worker_that_dies_after_it_is_replaced_by_one_of_the_new_version(library, lib):
    dies = "def process_ip(b, m, options):\n    if options.get('die') == os.getppid() * 0 + 1:\n        os._exit(9)\n    return {'frame': {'value': VALUE}}\n"
    path = library(lib(0, dies))
    with streaming(path, "in-place=true reload=true workers=1 on-error=pass") as stream:
        stream.wait_for(0)
        save(path, lib(1, dies))
        stream.wait_for(1)
        stream.element.set_property("options", '{"die": 1}')
        assert "exit code 9" in stream.warning()[0]
        stream.element.set_property("options", "{}")
        stream.wait_for(1)
    assert [value for value in stream.values if value is not None] == sorted(
        value for value in stream.values if value is not None
    )


def test_it_is_turned_on_and_off_while_it_plays(library, lib):
    path = library(lib(0))
    with streaming(path, "in-place=true workers=1") as stream:
        stream.wait_for(0)
        save(path, lib(1))
        time.sleep(1.5)
        stream.wait_for(0)
        stream.element.set_property("reload", True)
        stream.wait_for(1)
        stream.element.set_property("reload", False)
        save(path, lib(2))
        time.sleep(1.5)
        stream.wait_for(1)
        for wanted in (True, False, True):
            stream.element.set_property("reload", wanted)
        stream.wait_for(2)


def test_a_version_that_waits_for_a_frame_is_stopped_at_the_end(library, lib, tmp_path):
    path = library(lib(0))
    with streaming(path, "in-place=true reload=true workers=2") as stream:
        stream.wait_for(0)
        stream.play(Gst.State.PAUSED)
        stream.pipeline.get_state(Gst.CLOCK_TIME_NONE)
        save(path, lib(1))
        wait_until(lambda: noted(tmp_path)[0].count("start 1") == 2)
        wait_until(lambda: our_threads().count("empycustom reload") == 1)  # both have started: what waited for that has ended
    calls, _ = noted(tmp_path)
    assert sorted(calls) == ["start 0", "start 0", "start 1", "start 1", "stop 0", "stop 0", "stop 1", "stop 1"]


def test_new_frames_and_their_caps(library):
    path = library(new_frames(1))
    with streaming(path, "reload=true workers=2") as stream:
        stream.wait_for(1)
        for number, size, has_caps in [(2, 16, False), (3, 32, True), (4, 8, True), (5, 16, False)]:
            save(path, new_frames(number, size, has_caps=has_caps))
            stream.wait_for(number)
            stream.reloaded()
    assert stream.values == sorted(stream.values)


def test_new_frames_that_downstream_does_not_take_are_refused(library):
    path = library(new_frames(1, 32, has_caps=True))
    with streaming(path, "reload=true workers=1", after="! capsfilter caps=video/x-raw,width=32") as stream:
        stream.wait_for(1)
        save(path, new_frames(3, 8, has_caps=True))
        assert "downstream of the element does not take" in stream.warning()[0]
        stream.wait_for(1)
        save(path, new_frames(2, 32, has_caps=True))
        stream.wait_for(2)
    assert set(stream.values) == {1, 2}


def kill(stream):
    """Kill the only worker, as the kernel does where memory is short."""
    (worker,) = {int(pid) for pid in children() if "empycustom.runners.worker" in Path(f"/proc/{pid}/cmdline").read_text()}
    os.kill(worker, signal.SIGKILL)
    assert "killed by SIGKILL" in stream.warning()[0]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_version_that_was_refused_does_not_take_the_place_of_a_worker_that_dies(library, lib, wrong):
    path = library(lib(0))
    with streaming(path, "in-place=true reload=true workers=1 on-error=pass") as stream:
        stream.wait_for(0)
        refuses(stream, path, WRONG[wrong])
        kill(stream)
        stream.wait_for(0)
        save(path, lib(1))
        stream.wait_for(1)
    assert set(stream.values) == {0, 1, None}


def test_what_is_shown_of_a_worker_that_took_a_place_is_the_version_that_it_runs(library, lib):
    raises = (
        "def process_ip(b, m, options):\n    if options:\n        1 / 0  # as it was\n    return {'frame': {'value': VALUE}}\n"
    )
    path = library(lib(0, raises))
    with streaming(path, "in-place=true workers=1 on-error=pass") as stream:  # also without reload=true
        stream.wait_for(0)
        save(path, lib(1, raises.replace("# as it was", "# as it is")))
        kill(stream)
        stream.wait_for(0)
        stream.element.set_property("options", '{"raise": 1}')
        message, shown = stream.warning()
    assert "ZeroDivisionError" in message
    assert "1 / 0  # as it was" in shown
    assert set(stream.values) == {0, None}


def test_a_module_beside_it_that_cannot_be_loaded_any_more(library, python, tmp_path):
    """Where everybody imports from: the first version shares its modules with the program."""
    library("import helper\ndef process_ip(b, m, o):\n    return {'frame': {'value': helper.VALUE}}\n")
    library("VALUE = 1\n", "helper.py")
    done = python(f"""
import signal, time
from pathlib import Path
sys.path.insert(0, {str(tmp_path)!r})
pipeline = Gst.parse_launch(f"videotestsrc is-live=true ! {{SMALL}} ! empycustom name=e in-place=true custom-lib=lib.py workers=1 on-error=pass ! fakesink")
pipeline.set_state(Gst.State.PLAYING)
element = pipeline.get_by_name("e")
def wait_until(what):
    until = time.monotonic() + 60
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
wait_until(lambda: element.get_property("last-meta"))
Path("helper.py").write_text("VALUE = (")
os.chdir("/")  # where the worker begins again, the file is not where it was
(pid,) = {{pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}}
os.kill(int(pid), signal.SIGKILL)
wait_until(lambda: element.get_property("stats").get_value("restarts"))
done = element.get_property("stats").get_value("processed")
errors = element.get_property("stats").get_value("errors")
wait_until(lambda: element.get_property("stats").get_value("processed") > done + 10)
print(element.get_property("stats").get_value("errors") - errors, element.get_property("last-meta"))
pipeline.set_state(Gst.State.NULL)
""")
    assert done.stdout.endswith('0 {"frame":{"value":1}}\n'), done.stdout + done.stderr


def test_a_version_that_ends_its_worker_while_it_is_loaded_is_tried_once(library, lib):
    path = library(lib(0))
    with streaming(path, "in-place=true reload=true workers=1") as stream:
        stream.wait_for(0)
        refuses(stream, path, WRONG["exit"])
        time.sleep(2.5)  # files are looked at once a second; another warning would be left
        stream.wait_for(0)


COUNTS = """\
STEP = {step}
count = 0
def process_ip(io_buffer, in_meta, options):
    global count
    count += 1
    return {{"frame": {{"value": [STEP, min(count, 5)]}}}}
"""
HANDS_OVER = "def reloaded(old):\n    global count\n    count = old.count\n"


def test_a_library_that_would_hand_state_over_is_reported(library):
    path = library(COUNTS.format(step=0) + HANDS_OVER)
    with streaming(path, "in-place=true reload=true workers=2") as stream:
        text, _ = stream.warning()
        assert text.startswith(f"{path}:7: reloaded is not called with workers=2: the version before is in other processes")
        assert "set workers=0" in text
        stream.wait_for([0, 5])
        save(path, COUNTS.format(step=1) + HANDS_OVER)
        stream.wait_for([1, 1], 1)
        stream.reloaded()


@pytest.mark.parametrize("workers", [0, 1])
def test_only_a_version_that_nobody_calls_is_reported(library, workers):
    path = library(COUNTS.format(step=0))
    with streaming(path, f"in-place=true workers={workers}") as stream:
        stream.wait_for([0, 5])
        assert stream.texts() == []
        stream.element.set_property("reload", True)
        save(path, COUNTS.format(step=1) + HANDS_OVER)
        stream.wait_for([1, 5])
        if workers:
            assert "reloaded is not called with workers=1" in stream.warning()[0]


FAILS_SLOWLY = "import time\ndef process_ip(b, m, o):\n    time.sleep(0.1)\n    raise ValueError('no')\n"


@pytest.mark.parametrize("pace", ["every", "latest"])
def test_frames_that_the_old_version_still_has_report_nothing_again(library, lib, pace):
    path = library(FAILS_SLOWLY)
    with streaming(path, f"in-place=true reload=true workers=2 on-error=pass pace={pace}") as stream:
        assert f"{path}:4: process_ip raised ValueError: no" in stream.warning()[0]
        save(path, lib(1))
        stream.wait_for(1, 20)
        stream.reloaded()
        assert stream.texts() == []
        save(path, FAILS_SLOWLY)
        assert f"{path}:4: process_ip raised ValueError: no" in stream.warning()[0]
