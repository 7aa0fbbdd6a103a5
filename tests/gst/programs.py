"""Programs for processes of their own, by the fast path or by PyGObject."""

import os

import pytest

from empycustom.elements.base import SLOW_BECAUSE

SWITCH = "EMPYCUSTOM_FAST_PATH"
WORKERS = os.environ.get("EMPYCUSTOM_TEST_WORKERS", "")  # libraries run in so many, where tests are run again with workers
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
    message = pipeline.get_bus().timed_pop_filtered(300 * Gst.SECOND, WANTED)
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
