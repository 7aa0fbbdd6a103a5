"""Tensors that are freed late: after the end of Python, on threads that it does not know; each in its own process.

A broken heap ends these processes, and what is freed is overwritten.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HEAP = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "85", "G_SLICE": "always-malloc"}
PRELUDE = f"""
import ctypes, os, sys
sys.path.insert(0, {str(HERE)!r})
import numpy as np
import empycustom
from empycustom.gstreamer import Gst
from consumer import take
from surfaces import PINNED, UNIFIED, Surfaces
"""


def run(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
        env={**os.environ, **HEAP, "G_DEBUG": "fatal-criticals", **env},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("ask", ["", "max_version=(1, 0)"])
def test_tensors_are_given_back_after_python_has_ended(ask):
    """C calls the deleters after the end of Python, and GStreamer reports the end of the memory: nothing of that is Python."""
    out, err = run(f"""
        libc = ctypes.CDLL(None)
        made = Surfaces("RGBA", memory_type=PINNED, watched=False)
        with empycustom.map_frame(made.buffer, made.in_meta) as frame:
            taken = [take(frame.pixels.__dlpack__({ask})) for _ in range(3)]
            frame.pixels.__dlpack__({ask})
        texts = [ctypes.create_string_buffer(text) for text in (b"before", b"freed", b"after")]
        for text in texts:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(text))
        ctypes.CDLL("libgstreamer-1.0.so.0").gst_mini_object_weak_ref(ctypes.c_void_p(made.memory), libc.puts, texts[1])
        made.let_go()
        def at_exit(function, argument):
            libc.__cxa_atexit(ctypes.c_void_p(function), ctypes.c_void_p(argument), None)  # the last one is called first
        puts = ctypes.cast(libc.puts, ctypes.c_void_p).value
        at_exit(puts, ctypes.addressof(texts[2]))
        for tensor in taken:
            at_exit(tensor.managed.deleter, tensor.address)
        at_exit(puts, ctypes.addressof(texts[0]))
        """)
    assert (out, err) == (["before", "freed", "after"], "")


@pytest.mark.parametrize("memory_type", ["PINNED", "UNIFIED"])
def test_arrays_and_capsules_that_are_there_when_python_ends(memory_type, fakes):
    """Globals, attributes of a module, a cycle: taken and not taken, closed and open."""
    out, err = run(
        f"""
        made = Surfaces("RGBA", memory_type={memory_type})
        with empycustom.map_frame(made.buffer, made.in_meta, writable=True) as frame:
            array = sys.kept = np.from_dlpack(frame.pixels, device="cpu")
            capsule = os.kept = frame.pixels.__dlpack__()
            view = frame.pixels[1:]
            cycle = [array[1:], capsule]
            cycle.append(cycle)
        still_open = empycustom.map_frame(made.buffer, made.in_meta)
        sys.open = still_open.__enter__().pixels, np.from_dlpack(still_open.pixels, device="cpu"), still_open.pixels.__dlpack__()
        made.let_go()
        del frame
        array[0] = 7
        print(int(array.sum()) > 0)
        """,
        LD_LIBRARY_PATH=str(fakes),
    )
    assert (out, err) == (["True"], "")


def test_threads_take_and_give_back_at_the_same_time():
    out, err = run("""
        import threading
        begin, wrong, freed = threading.Barrier(6), [], []

        def work(number):
            begin.wait()
            for turn in range(150):
                made = Surfaces("NV12", memory_type=PINNED)
                with empycustom.map_frame(made.buffer, made.in_meta) as frame:
                    arrays = [np.from_dlpack(plane, device="cpu") for plane in frame.planes]
                    frame.planes[turn % 2].__dlpack__()
                expected = [made.pixels(0).copy(), made.pixels(1).copy()]
                made.let_go()
                if not all((array == same).all() for array, same in zip(arrays, expected)):
                    wrong.append(number)
                threads = [threading.Thread(target=lambda: arrays.pop()) for _ in range(2)]
                [thread.start() for thread in threads]
                [thread.join() for thread in threads]
                freed.extend(made.freed)

        threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(wrong, len(freed))
        """)
    assert (out, err) == ([f"[] {6 * 150}"], "")


def test_nothing_leaks():
    """By the process's memory, and by GStreamer's own list of what is alive in the end."""
    out, err = run(
        """
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        made = Surfaces("RGBA", memory_type=PINNED)
        marks = []
        for turn in range(6):
            for _ in range(2000):
                with empycustom.map_frame(made.buffer, made.in_meta) as frame:
                    np.from_dlpack(frame.pixels, device="cpu"), frame.pixels.__dlpack__(), frame.rgb.__dlpack__(max_version=(1, 0))
                    frame.pixels.__cuda_array_interface__ if turn < 0 else None
            marks.append(resident())
        print(marks[-1] - marks[1] < 1 << 20)
        made.let_go()
        del made, frame
        Gst.deinit()
        """,
        GST_TRACERS="leaks(log-leaks-on-deinit=true)", GST_DEBUG="GST_TRACER:7", GST_DEBUG_NO_COLOR="1", LD_PRELOAD="", G_DEBUG="",
    )  # fmt: skip
    assert out == ["True"]
    alive = [line for line in err.splitlines() if "object-alive" in line]
    assert [line for line in alive if "GstMemory" in line or "GstBuffer," in line] == []
