"""Workers whose memory or whose parent ends: a call gets its MemoryError, and no process is left, however the parent was started."""

from __future__ import annotations

import subprocess
import sys

import pytest
from driven import Driven, is_there, numbers, results, wait_until

from empycustom.gstreamer import Gst

ALLOCATES = """
import resource

def start(options):
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20),) * 2)

def process_ip(b, m, o):
    number, kept = m["frame"][0]["frame_num"], []
    while number == 2:
        kept.append(bytearray(32 << 20))
    return {"frame": {"n": number}}
"""


@pytest.mark.parametrize(("policy", "wanted"), [("pass", [0, 1, None, 3, 4]), ("drop", [0, 1, 3, 4])])
def test_a_library_that_allocates_without_end_gets_an_exception_and_its_worker_goes_on(library, policy, wanted):
    lib = library(ALLOCATES)
    with Driven(lib, f"workers=1 on-error={policy}") as driven:
        driven.push(5)
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
        error, details = driven.message(Gst.MessageType.WARNING).parse_warning()
        assert driven.stats("errors", "restarts") == (1, 0)
    assert results(frames) == wanted
    assert numbers(frames) == [0, 1, 2, 3, 4] if policy == "pass" else [0, 1, 3, 4]
    assert error.message.startswith(f"{lib}:12: process_ip raised MemoryError")
    assert "at frame 2" in error.message
    assert "kept.append" in details


# Each worker, and a process that it has started; the call holds Python's lock in C.
HOLDS = """
import ctypes, os, subprocess

def note(pid):
    with open("pids", "a") as file:
        file.write(f"{pid}\\n")

def start(options):
    note(os.getpid())
    note(subprocess.Popen(["sleep", "600"]).pid)

def process_ip(b, m, o):
    open(f"called {os.getpid()}", "w").close()
    ctypes.PyDLL(None).sleep(600)
"""
PARENTS = {
    "gst-launch-1.0": "gst-launch-1.0 -q videotestsrc ! {caps} ! empycustom in-place=true workers=2 custom-lib=lib.py ! fakesink",
    "empycustom run": "{python} -m empycustom run test --lib lib.py --workers 2",
}


@pytest.mark.parametrize("command", PARENTS.values(), ids=PARENTS)
def test_nothing_is_left_of_a_parent_that_was_killed(library, tmp_path, gst_env, command):
    library(HOLDS)
    words = command.format(caps="video/x-raw,format=RGBA,width=16,height=16", python=sys.executable).split()
    devnull = subprocess.DEVNULL
    parent = subprocess.Popen(words, cwd=tmp_path, env=gst_env, stdin=devnull, stdout=devnull, stderr=devnull)
    try:
        wait_until(lambda: len([*tmp_path.glob("called *")]) == 2 or parent.poll() is not None)
        assert parent.poll() is None, "it has ended"
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert len(pids) == 4
        assert all(map(is_there, pids))
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(map(is_there, pids)))
