"""`empycustom.process`: leaving early, slow programs and libraries, several threads, memory."""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from command_helpers import LOSES_CAMERA, TIMEOUT_S
from process_helpers import COUNTS, gray, mean

import empycustom
from empycustom.errors import (
    LaunchError,
    LibraryError,
)
from empycustom.session import process as home
from ports import free_port

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_leaving_a_block_early_stops_the_library(library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    __import__('pathlib').Path(options['file']).write_text(str(calls))\n")
    file = tmp_path / "stopped"
    with empycustom.process("test", lib, options={"file": str(file)}) as results:
        for result in results:
            if result.frame_num == 5:
                break
    assert 6 <= int(file.read_text()) < 60
    assert list(results) == []
    results.close()


def test_an_iterator_that_nobody_holds_stops(library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    __import__('pathlib').Path(options['file']).write_text('')\n")
    file = tmp_path / "stopped"
    for result in empycustom.process("test", lib, options={"file": str(file)}):
        if result.frame_num == 2:
            break
    gc.collect()
    until = time.monotonic() + TIMEOUT_S
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert file.exists()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", ["test", "arrays", "file", "files"])
def test_iterators_that_nobody_holds_leave_nothing_open(kind, video, pictures):
    source = {"test": lambda: "test", "arrays": lambda: gray(9), "file": lambda: video, "files": lambda: pictures(9)}[kind]()

    def first():
        for result in empycustom.process(source, mean):
            return result.attributes
        return None

    def settled():
        until = time.monotonic() + TIMEOUT_S
        while home._playing and time.monotonic() < until:
            time.sleep(0.01)
        return descriptors()

    first()
    before = settled()
    gc.disable()  # nothing waits for the garbage collector
    try:
        for _ in range(40):
            assert first()
        # Each pipeline has two. GStreamer's concat, which plays several files, loses a frame that arrives while it stops, and with
        # it the pool of the frame, which has two as well.
        allowed = before + (40 if kind == "files" else 8)
        until = time.monotonic() + TIMEOUT_S
        while settled() >= allowed and time.monotonic() < until:
            time.sleep(0.1)
        assert descriptors() < allowed
    finally:
        gc.enable()


def test_iterators_that_are_closed_and_kept_leave_nothing_open(video):
    def closed():
        with empycustom.process(video, mean) as results:
            next(results)
        return results

    kept = [closed()]
    before = descriptors()
    kept += [closed() for _ in range(20)]
    until = time.monotonic() + TIMEOUT_S
    while descriptors() - before >= 8 and time.monotonic() < until:
        time.sleep(0.1)
    assert descriptors() - before < 8
    assert all(list(results) == [] for results in kept)


@pytest.mark.parametrize("fails", ["start", "frame", "stop"])
def test_iterators_that_fail_leave_nothing_open(library, fails):
    frame = "def process_ip(b, m, o):\n    pass\n"
    raises = "    raise ValueError('as the test wants')\n"
    path = library(
        f"{'' if fails == 'frame' else frame}def {'process_ip(b, m, o)' if fails == 'frame' else f'{fails}(o)'}:\n{raises}"
    )

    def fail():
        with pytest.raises(LibraryError, match="as the test wants") as caught:
            list(empycustom.process(gray(3), path))
        assert isinstance(caught.value.__cause__, ValueError)

    def settled():
        until = time.monotonic() + TIMEOUT_S
        while home._playing and time.monotonic() < until:
            gc.collect()
            time.sleep(0.01)
        return descriptors()

    fail()
    before = settled()
    for _ in range(10):
        fail()
    until = time.monotonic() + TIMEOUT_S
    while settled() >= before + 8 and time.monotonic() < until:
        time.sleep(0.1)
    assert descriptors() < before + 8


def test_an_error_of_stop_of_an_iterator_that_nobody_holds_is_logged(library, caplog):
    lib = library(f"{COUNTS}def stop(options):\n    1 / 0\n")
    with caplog.at_level(logging.ERROR, "empycustom"):
        for _result in empycustom.process("test", lib):
            break
        gc.collect()
        until = time.monotonic() + TIMEOUT_S
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.01)
    assert "lib.py:7: stop raised ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("end", ["break", "raise SystemExit(3)", "raise KeyError", "pass"])
def test_stop_is_called_at_the_end_of_the_program(end, held, library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    import time; time.sleep(0.2); print('stopped', flush=True)\n")
    loop = (
        f"for result in results:\n    {end}\n"
        if held
        else f"for result in empycustom.process('test', {str(lib)!r}):\n    {end}\n"
    )
    if end == "pass":  # the iterator stays open
        loop = "next(results)\n" if held else f"next(empycustom.process('test', {str(lib)!r}))\n"
    program = tmp_path / "program.py"
    program.write_text(f"import empycustom\nresults = empycustom.process('test', {str(lib)!r})\n{loop}")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "stopped\n", done.stderr
    assert done.returncode == {"raise SystemExit(3)": 3, "raise KeyError": 1}.get(end, 0), done.stderr


def test_a_library_that_never_returns_does_not_hold_the_end_of_the_program(library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    import time; time.sleep(600)\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import empycustom\nfrom empycustom.session import process as home\nhome._GRACE_S = 0.3\n"
        f"results = empycustom.process('test', {str(lib)!r})\nnext(results)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert "A pipeline does not stop within 0.3 s; the program ends without it." in done.stderr


def test_nothing_begins_before_the_first_result_is_asked_for(library, tmp_path):
    file = tmp_path / "ran"
    results = empycustom.process("test", library(f"open({str(file)!r}, 'w')\n{COUNTS}"))
    results.close()
    assert list(results) == []
    assert not file.exists()


def test_the_video_waits_for_a_slow_program():
    calls = []

    def count(_buffer, _in_meta, _options):
        calls.append(1)

    with empycustom.process("test", count) as results:
        for result in results:
            time.sleep(0.02)
            assert len(calls) <= result.frame_num + 6
            if result.frame_num == 20:
                break


def test_a_library_that_never_returns_does_not_hold_the_program(monkeypatch):
    monkeypatch.setattr(home, "_GRACE_S", 0.3)
    called, free = threading.Event(), threading.Event()

    def stuck(_buffer, in_meta, _options):
        if in_meta["frame"][0]["frame_num"] == 3:
            called.set()
            free.wait(TIMEOUT_S)

    results = empycustom.process("test", stuck)
    next(results)
    assert called.wait(TIMEOUT_S)
    with pytest.raises(LaunchError, match=r"does not stop within 0\.3 s: a callback of a library, or an element"):
        results.close()
    free.set()


def test_several_threads_at_once(video, library):
    barrier, found, lib = threading.Barrier(8), {}, library(COUNTS)

    def run(number):
        barrier.wait()
        source = video if number % 2 else gray(40)
        found[number] = [result.attributes["calls"] for result in empycustom.process(source, [lib, mean])]

    started = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    assert found == {number: list(range(1, 41)) for number in range(8)}


def test_memory_does_not_grow():
    frame = np.zeros((120, 160, 3), np.uint8)

    def play(count):
        for result in empycustom.process((frame for _ in range(count)), mean):
            result.pixels.max()
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    play(200)
    before = play(500)
    assert play(3000) - before < 6000  # KiB; the frames alone would be 173,000


def test_documents_are_json(video):
    for result in empycustom.process(video, mean):
        assert json.loads(json.dumps(result.document)) == result.document


@pytest.mark.parametrize("every_frame", [False, True])
def test_of_a_live_source_a_slow_program_gets_the_newest_frames(serve, pictures, caplog, every_frame):
    seen = []
    with caplog.at_level(logging.WARNING, "empycustom"):
        for result in empycustom.process(serve(pictures(60)), mean, every_frame=every_frame):
            seen.append(result.document["frame"][0]["buf_pts"])
            time.sleep(0 if every_frame else 1 if len(seen) == 1 else 0.1)
    assert (len(seen) == 60) is every_frame
    assert seen == sorted(seen)
    assert ("every_frame=True takes all" in caplog.text) is not every_frame


@pytest.mark.parametrize("path", ["ball", "short"])
def test_a_camera_that_is_lost_when_no_frame_is_wanted_any_more_is_not_a_failure(camera, library, path):
    """The program leaves the first one, and plays the second one to its end."""
    port = free_port()
    server = camera(port)
    options, seen = {"camera": server.pid, "at": None}, []
    with empycustom.process(f"rtsp://127.0.0.1:{port}/{path}", library(LOSES_CAMERA), options=options) as results:
        for result in results:
            seen.append(result.frame_num)
            if path == "ball" and len(seen) == 4:
                break
    assert seen == list(range(len(seen)))
    assert server.wait(10) == -9
