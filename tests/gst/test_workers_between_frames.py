"""What happens to workers between two frames: they are killed, also again and again, and their cores change."""

import json
import os
import random
import signal
import textwrap
import time

import pytest
from driven import is_readable, is_there, wait_until
from edited import save, streaming
from pooled import started

import empycustom
from empycustom.errors import WorkerError
from empycustom.gstreamer import Gst
from empycustom.native import shared
from empycustom.runners.processes import ProcessPool
from empycustom.runners.relay import Relay

# The worker ends when it has answered frame 0, with the next frame unread in its socket.
ENDS_BETWEEN = """
import os, time
from empycustom.runners.serving import Worker
def process_ip(b, m, options):
    number = m["frame"][0]["frame_num"]
    while not os.path.exists(options["gate"]):
        time.sleep(0.002)
    if number == 0:
        Worker._leave_core = lambda self: os._exit(3)
    return {"frame": {"n": number}}
"""


def test_what_a_worker_answered_before_it_ended_is_heard(library, frames, tmp_path):
    with started(library(ENDS_BETWEEN), options={"gate": str(tmp_path / "gate")}) as pool:
        jobs = [frames.job(), frames.job()]
        assert [pool.submit(job, queue=True) for job in jobs] == [True, True]
        (tmp_path / "gate").touch()
        wait_until(lambda: is_readable(pool._workers[0].process.pidfd))
        assert '"n":0' in pool.collect(jobs[0], frames.wake).text
        with pytest.raises(WorkerError, match="exit code 3"):
            pool.collect(jobs[1], frames.wake)
        assert '"n":2' in frames.run(pool)[0].text
        for job in jobs:
            shared.unref(job.buffer)


def test_the_output_of_workers_is_closed_while_they_end():
    """What wakes the thread may be the end of a pipe, so that it closes its files before whoever told it to is done."""
    for _ in range(20000):
        relay = Relay()
        ours, theirs = os.pipe()
        relay.add(ours, "stdout")
        os.close(theirs)
        for _ in range(random.randrange(3000)):
            pass
        relay.close()


def test_whoever_wakes_a_pool_that_was_stopped_writes_into_no_other_file(library):
    with started(library("def process_ip(b, m, o): pass")) as pool:
        pass
    others = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(50)]
    pool.poke()
    for file in others:
        with pytest.raises(BlockingIOError):
            os.eventfd_read(file)
        os.close(file)


@pytest.mark.parametrize("deed", ["time.sleep(600)", "while True: pass"])
@pytest.mark.parametrize("place", ["at the top", "in start"])
@pytest.mark.usefixtures("nothing_is_left")
def test_the_end_does_not_wait_for_a_new_version_that_hangs_while_it_starts(library, tmp_path, place, deed):
    good = "def process_ip(b, m, o): return {'frame': {'value': 0}}\n"
    path = library(good)
    with streaming(path, "in-place=true reload=true workers=2") as stream:
        stream.wait_for(0)
        there = tmp_path / "there"
        hangs = f"import time\nopen({str(there)!r}, 'w').close()\n{deed}\n"
        save(path, good + (hangs if place == "at the top" else "def start(options):\n" + textwrap.indent(hangs, "    ")))
        wait_until(there.exists)
        stream.wait_for(0)


@pytest.mark.usefixtures("nothing_is_left")
def test_reloading_is_turned_off_while_a_new_version_hangs(library, tmp_path):
    good, there = "def process_ip(b, m, o): return {'frame': {'value': %d}}\n", tmp_path / "there"
    path = library(good % 0)
    with streaming(path, "in-place=true reload=true workers=1") as stream:
        stream.wait_for(0)
        save(path, f"import time\nopen({str(there)!r}, 'w').close()\ntime.sleep(600)\n{good % 1}")
        wait_until(there.exists)
        stream.element.set_property("reload", False)
        save(path, good % 2)
        stream.element.set_property("reload", True)
        stream.wait_for(2)


# Lets the worker find itself on the core that frames are sent from, behind each frame.
ON_ONE_CORE = """
import json
import os
from empycustom.runners import serving
serving.core = lambda: worker._board.core
chosen, choose = [], os.sched_setaffinity
def record(process, cores):
    chosen.append(sorted(cores))
    {deed}
os.sched_setaffinity = record
leave = serving.Worker._leave_core
def found(self):
    global worker
    worker = self
    leave(self)
serving.Worker._leave_core = found
def process_ip(b, m, o):
    return {{"frame": {{"chosen": chosen, "cores": sorted(os.sched_getaffinity(0))}}}}
"""
CHOICES = {
    "as it may": "choose(process, cores)",
    "a sandbox": "raise PermissionError(1, 'Operation not permitted')",
    "other cores meanwhile": "raise OSError(22, 'Invalid argument')",
}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
@pytest.mark.parametrize("name", CHOICES)
def test_a_worker_goes_on_whoever_chooses_its_cores(library, frames, name):
    cores = sorted(os.sched_getaffinity(0))
    with started(library(ON_ONE_CORE.format(deed=CHOICES[name]))) as pool:

        def run():
            time.sleep(0.001)  # it has to have nothing to do
            return json.loads(frames.run(pool)[0].text)["frame"]

        wait_until(lambda: run()["chosen"])
        found = [run() for _ in range(20)]
    assert [each["cores"] for each in found] == [cores] * 20


def test_a_program_with_one_core(library, gst_launch, tmp_path):
    core = min(os.sched_getaffinity(0))
    path = library("import os\ndef process_ip(b, m, o):\n    return {'frame': {'cores': sorted(os.sched_getaffinity(0))}}\n")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        done = gst_launch(
            "videotestsrc num-buffers=20 ! video/x-raw,format=RGBA ! "
            f"empycustom custom-lib={path} in-place=true workers=2 ! aimeta location=meta.jsonl ! fakesink"
        )
    finally:
        os.sched_setaffinity(0, before)
    assert done.code == 0, done.text
    assert (tmp_path / "meta.jsonl").read_text().count(f'"cores":[{core}]') == 20


@pytest.mark.parametrize("is_noticed", [False, True])
def test_a_worker_that_ended_behind_the_last_frame_is_reported_at_the_end(library, frames, is_noticed):
    path = library("import os\ndef process_ip(b, m, o): return {'frame': {'pid': os.getpid()}}\n")
    pool = ProcessPool(str(path), in_place=True, workers=1)
    pool.start({}, None)
    ends = pool._workers[0].process.pidfd
    os.kill(json.loads(frames.run(pool)[0].text)["frame"]["pid"], signal.SIGKILL)
    wait_until(lambda: is_readable(ends))
    if is_noticed:
        pool.wait(frames.wake)
        assert pool.restarts == 1
    with pytest.raises(WorkerError, match="killed by SIGKILL"):
        pool.stop()


@pytest.mark.parametrize("policy", ["fail", "pass", "drop"])
def test_what_is_said_of_a_worker_that_ended_behind_the_last_frame(library, tmp_path, policy):
    path = library(
        "import os, threading, time\nfrom pathlib import Path\n"
        f"def end():\n    while not Path({str(tmp_path / 'gate')!r}).exists():\n        time.sleep(0.01)\n    os._exit(3)\n"
        f"def start(o):\n    Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "def process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 9: threading.Thread(target=end).start()\n"
    )
    empycustom.register()
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=10 ! video/x-raw,format=RGBA,width=16,height=16,framerate=1/10 ! "  # no call is longer
        f"empycustom custom-lib={path} in-place=true workers=1 on-error={policy} ! fakesink"
    )
    bus = pipeline.get_bus()
    pipeline.set_state(Gst.State.PLAYING)
    assert bus.timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR).type == Gst.MessageType.EOS
    (tmp_path / "gate").touch()
    wait_until(lambda: not is_there(int((tmp_path / "pid").read_text())))
    pipeline.set_state(Gst.State.READY)
    wanted = Gst.MessageType.ERROR if policy == "fail" else Gst.MessageType.WARNING
    message = bus.timed_pop_filtered(0, Gst.MessageType.ERROR | Gst.MessageType.WARNING)
    assert message.type == wanted
    error, _ = message.parse_error() if policy == "fail" else message.parse_warning()
    assert "the worker ended by itself, with exit code 3: something called os._exit" in error.message
    pipeline.set_state(Gst.State.NULL)
