"""`empycustom.process` with workers: what comes out, and that no process is left however a program leaves."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from process_helpers import COUNTS, gray, mean

import empycustom
from empycustom.errors import CallTimeoutError, LibraryError, PropertyError, WorkerError

pytestmark = pytest.mark.usefixtures("nothing_is_left")

WHO = "import os, time\ndef process_ip(b, m, o):\n    time.sleep(o.get('s', 0))\n    return {'frame': {'pid': os.getpid()}}\n"
# The first call waits until the other worker is called, too: one that is quick could do all frames.
MEETS = """\
import os, time
from pathlib import Path
def process_ip(b, m, o):
    Path(o["folder"], f"called-{os.getpid()}").touch()
    while len(list(Path(o["folder"]).glob("called-*"))) < 2:
        time.sleep(0.01)
    return {"frame": {"pid": os.getpid()}}
"""
CRASHES = """\
import ctypes
def process_ip(b, m, o):
    if m["frame"][0]["frame_num"] == 3:
        ctypes.string_at(0)
    return {"frame": {"n": m["frame"][0]["frame_num"]}}
"""
NEW = "def process(b, m, o, *, image):\n    return 255 - image.pixels, {'frame': {'mean': float(image.pixels.mean())}}\n"


@pytest.fixture(autouse=True)
def no_process_is_left():
    before = children()
    yield
    until = time.monotonic() + 30
    while children() - before and time.monotonic() < until:  # an iterator that nobody holds is stopped in the background
        time.sleep(0.01)
    assert children() <= before


def children():
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    read = set()
    for each in found:
        with suppress(OSError):  # of a thread that has just ended
            read.update(each.read_text().split())
    return read


def test_a_result_for_each_frame_from_several_processes(video, library, tmp_path):
    who = library(MEETS)
    results = list(empycustom.process(video, who, options={"folder": str(tmp_path)}, workers=2))
    assert [result.frame_num for result in results] == list(range(40))
    found = {result.attributes["pid"] for result in results}
    assert len(found) == 2
    assert os.getpid() not in found


def test_the_file_is_not_run_in_the_program(library):
    who = library(f"import os\nprint('loaded', os.getpid(), flush=True)\n{WHO}")
    program = f"import empycustom, os\nprint(os.getpid())\nlist(empycustom.process('test', {str(who)!r}, workers=1))\n"
    end = "def process_ip(b, m, o): raise __import__('empycustom').EndOfStream('enough')\n"
    Path(who).write_text(Path(who).read_text() + end)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    own, loaded, worker = done.stdout.split()
    assert (loaded, worker != own) == ("loaded", True)


def test_pixels_of_new_frames(library):
    seen = [(int(result.pixels[0, 0, 0]), result.attributes) for result in empycustom.process(gray(3), library(NEW), workers=1)]
    assert seen == [(255 - n, {"mean": float(n)}) for n in range(3)]


def test_latest(video, library):
    results = list(empycustom.process(video, library(WHO), options={"s": 0.01}, workers=1, pace="latest"))
    assert [result.frame_num for result in results] == list(range(40))
    about = [(result.frame["from_frame"], result.frame_num) for result in results if result.attributes]
    assert all(then <= now for then, now in about)


def test_skip(video, library):
    results = list(empycustom.process(video, library(WHO), options={"s": 0.01}, workers=1, pace="skip"))
    assert [result.frame_num for result in results] == list(range(40))
    assert results[0].attributes


def test_each_library_may_have_its_own(video, library):
    who = library(WHO)
    results = list(empycustom.process(video, [who, mean, library(COUNTS, "counts.py")], workers=[2, 0, 1]))
    assert all(result.attributes.keys() == {"pid", "mean", "calls", "o"} for result in results)
    assert [result.attributes["calls"] for result in results] == list(range(1, 41))


@pytest.mark.parametrize("leave", ["break", "raise", "close", "end"])
def test_leaving_early_stops_the_workers(video, library, tmp_path, leave):
    """That no process is left is seen by the fixture."""
    lib = library(f"{WHO}def stop(o):\n    open(o['file'], 'a').write('stopped ')\n")
    file, before = tmp_path / "stopped", children()
    results = empycustom.process(video, lib, options={"file": str(file)}, workers=2)

    def use():
        for result in results:
            assert len(children() - before) >= 2
            if result.frame_num == 3 and leave == "break":
                break
            if result.frame_num == 3 and leave == "raise":
                raise KeyError("of the program")
            if result.frame_num == 3 and leave == "close":
                results.close()

    if leave == "raise":
        with pytest.raises(KeyError), results:
            use()
    elif leave == "break":
        with results:
            use()
    else:
        use()
    assert file.read_text() == "stopped stopped "


@pytest.mark.parametrize("end", ["break", "raise KeyError", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_no_process_outlives_the_program(library, end):
    program = (
        f"import empycustom, os\nfor result in empycustom.process('test', {str(library(WHO))!r}, workers=2):\n"
        f"    if result.frame_num == 5:\n        print(*pids, flush=True)\n        {end}\n"
    )
    # By grep, which passes over threads that have just ended.
    program = program.replace("*pids", "os.popen(f'grep -hs . /proc/{os.getpid()}/task/*/children').read()")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    pids = done.stdout.split()
    assert len(pids) >= 3, done.stderr  # two workers, and grep
    until = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_alive, pids))


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_crash_is_an_exception_that_names_the_line(video, library):
    seen = []
    with pytest.raises(WorkerError, match=r"lib\.py:4: the worker was killed by SIGSEGV in process_ip at frame 3") as caught:
        seen.extend(result.attributes["n"] for result in empycustom.process(video, library(CRASHES), workers=1))
    assert seen == [0, 1, 2]
    assert "in process_ip" in caught.value.details
    assert isinstance(caught.value, LibraryError)


def test_a_crash_that_is_passed_on(video, library, caplog):
    with caplog.at_level(logging.WARNING, "empycustom"):
        results = list(empycustom.process(video, library(CRASHES), workers=1, on_error="pass"))
    assert [result.attributes for result in results] == [{"n": n} if n != 3 else None for n in range(40)]
    assert caplog.text.count("killed by SIGSEGV") == 1


def test_a_crash_in_start(video, library):
    with pytest.raises(WorkerError, match=r"lib\.py:6: the worker was killed by SIGABRT in start"):
        list(empycustom.process(video, library(f"{WHO}def start(o):\n    os.abort()\n"), workers=2))


def test_a_call_that_takes_too_long(video, library):
    with pytest.raises(CallTimeoutError, match="process_ip took longer than call-timeout=200"):
        list(empycustom.process(video, library(WHO), options={"s": 600}, workers=1, call_timeout=200))


@pytest.mark.parametrize("workers", [0, 1])
def test_reload(library, workers):
    lib = library("def process_ip(b, m, o):\n    return {'frame': {'version': 1}}\n")
    seen = set()
    with empycustom.process("test", lib, workers=workers, reload=True) as results:
        for result in results:
            if result.attributes["version"] not in seen:
                seen.add(result.attributes["version"])
                Path(lib).write_text("def process_ip(b, m, o):\n    return {'frame': {'version': 2}}\n")
            if len(seen) == 2:
                break
    assert seen == {1, 2}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"workers": 65}, "workers is a whole number from 0 to 64, not 65"),
        ({"workers": -1}, "workers is a whole number from 0 to 64, not -1"),
        ({"workers": "two"}, "workers is a whole number from 0 to 64, not 'two'"),
        ({"workers": True}, "workers is a whole number from 0 to 64, not True"),
        ({"workers": [1, 2]}, r"workers: there are not as many values as libraries \(2 and 1\); give one for all, or a list"),
        ({"pace": "fast"}, "pace is one of every, skip, latest, not 'fast'"),
        ({"call_timeout": 0.5}, "call_timeout is a whole number from 0 to 2147483647, not 0.5"),
        ({"reload": 1}, "reload is True or False, not 1"),
    ],
)
def test_values_that_cannot_be(words, text):
    with pytest.raises(PropertyError, match=text):
        empycustom.process("test", mean, **words)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"workers": 1}, "a function or an object of this program cannot go there; put it into a file, and give the name of"),
        ({"reload": True}, "this one is a function or an object of the program; put it into a file, and give the name of"),
        ({"call_timeout": 500}, "call-timeout=500 ends the process of a call, and the library runs in the streaming thread"),
        ({"pace": "skip"}, "pace=skip needs workers, and the library runs in the streaming thread; set workers=1"),
    ],
)
def test_values_that_do_not_go_together(words, text):
    with pytest.raises(PropertyError, match=text):
        next(empycustom.process("test", mean, **words))
