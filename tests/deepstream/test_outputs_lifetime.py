"""Output of networks that libraries keep, while others change the batch, and when Python ends; each in a process of its own.

Freed memory is overwritten there: what looks at some sees other numbers.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nvinfer
import pytest

pytestmark = pytest.mark.skipif(bool(nvinfer.WHY_NOT), reason=nvinfer.WHY_NOT)

HERE = Path(__file__).parent
FREED = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "85", "G_SLICE": "always-malloc"}
PRELUDE = f"""
import ctypes, faulthandler, pathlib, sys, threading, time
sys.path[:0] = [{str(HERE)!r}]
import numpy as np
import nvds, nvinfer
from empycustom.carriers.deepstream import DeepStreamCarrier
from empycustom.gstreamer import Gst
from empycustom.native.own_metas import metas_on
faulthandler.dump_traceback_later(100, exit=True)
FRAME = {{"frame_num": 0, "timestamp": "", "source_frame_width": 64, "source_frame_height": 48}}
infer = nvinfer.Infer(pathlib.Path(sys.argv[1]))
sys.setswitchinterval(1e-5)

def batch_on(buffer, frames=1):
    return nvds.attach(hash(buffer), nvds.traffic(0, batch_size=frames, objects=0))

def say(batch, frame, number, size=40):
    infer.tensors(batch, frame, {{"n": np.full((size, size), number, np.float32)}})
    infer.segmentation(batch, frame, np.full((size, size), number, np.int32), np.full((2, size, size), number, np.float32), classes=2)

def read(carrier, buffer):
    frame = carrier.decode(metas_on(hash(buffer)), FRAME.copy(), 0)
    carrier.add_arrays(frame)
    assert not frame.warnings, frame.warnings
    return frame.frames

def arrays_in(frames):
    tensors = [each["data"] for frame in frames for each in frame.get("tensors", ())]
    maps = [each[key] for frame in frames for each in frame.get("segmentation", ()) for key in ("class_map", "probabilities")]
    return [*tensors, *maps]

def is_whole(array):
    return (array == array.flat[0]).all() and 0 <= array.flat[0] < 1000
"""


@pytest.fixture(params=[nvinfer.NAME, nvinfer.OTHER])
def python(request, env_with, tmp_path):
    """Run a program, with the prelude before it, in its own process, for nvinfer and another one; return what it prints."""
    built = nvinfer.build(tmp_path, request.param)

    def run(program, **more):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + program, str(built)],
            env={**env_with(), **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()

    return run


def test_arrays_are_whole_while_another_thread_replaces_what_they_are_of(python):
    program = """
buffer, carriers = Gst.Buffer(), [DeepStreamCarrier() for _ in range(3)]
batch = batch_on(buffer, 2)
frames = nvds.frames_of(batch)
barrier, wrong, seen, ended = threading.Barrier(4), [], [], threading.Event()

def replace():
    barrier.wait()
    number = 0
    while not ended.wait(0.0005):
        nvds.call("nvds_acquire_meta_lock", batch)
        for frame in frames:
            for user in nvds.items(nvds.get(nvds.LONG, frame + 120)):
                nvds.call("nvds_remove_user_meta_from_frame", frame, user)
        nvds.call("nvds_release_meta_lock", batch)
        for frame in frames:
            number = (number + 1) % 1000
            say(batch, frame, number)

def turns():
    yield from range(1000)
    until = time.monotonic() + 60  # on a busy machine the other thread may not have begun
    while len(set(seen)) == 1 and time.monotonic() < until:
        yield 0

def look(carrier):
    kept = []
    try:
        barrier.wait()
        for turn in turns():
            arrays = arrays_in(read(carrier, buffer))
            seen.append(len(arrays))
            kept[turn % 4 : turn % 4 + 1] = [[(array, array.copy()) for array in arrays]]
            for arrays in kept:
                for array, before in arrays:
                    assert is_whole(array), array
                    assert (array == before).all(), (array, before)
    except BaseException as error:
        wrong.append(repr(error))
    kept.clear()

writer = threading.Thread(target=replace)
readers = [threading.Thread(target=look, args=(carrier,)) for carrier in carriers]
for thread in (writer, *readers):
    thread.start()
for thread in readers:
    thread.join()
ended.set()
writer.join()
print(wrong[:1], 6 in seen, len(set(seen)) > 1)
before = len(frames) * 2
print(infer.in_use == before)
"""
    assert python(program, **FREED) == ["[] True True", "True"]


def test_memory_is_steady_over_thousands_of_buffers_whose_arrays_were_kept_and_copied(python):
    program = """
carrier, kept = DeepStreamCarrier(), []
def turn(number):
    buffer = Gst.Buffer()
    (frame,) = nvds.frames_of(batch := batch_on(buffer))
    say(batch, frame, number % 1000, 200)
    kept[number % 5 : number % 5 + 1] = [arrays_in(read(carrier, buffer)), arrays_in(read(carrier, buffer.copy_deep()))]
    assert all(map(is_whole, kept[number % 5]))
    kept[5:] = []
def pages():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1])
for number in range(600):
    turn(number)
before = pages()
for number in range(3000):
    turn(number)
print(pages() - before)
kept.clear()
print(infer.in_use)
"""
    grown, in_use = map(int, python(program))
    assert grown < 1024  # of 4 KiB: an array that is lost in each of them would be 120,000
    assert in_use == 0


@pytest.mark.parametrize("keep", ["kept.append(arrays)", "kept.append([kept, arrays])"], ids=["a global", "a cycle"])
def test_arrays_may_be_kept_until_python_ends(python, keep):
    program = f"""
carrier, kept = DeepStreamCarrier(), []
for number in range(10):
    buffer = Gst.Buffer()
    (frame,) = nvds.frames_of(batch := batch_on(buffer))
    say(batch, frame, number)
    arrays = arrays_in(read(carrier, buffer))
    {keep}
del buffer
print(all(is_whole(array) for array in arrays), flush=True)
"""
    assert python(program, **FREED) == ["True"]
