"""Workers that die, hang, or are killed: what is reported, what comes in their place, and that nothing is left behind."""

import gc
import logging
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from itertools import pairwise

import pooled
import pytest
from driven import is_there, wait_until
from pooled import started

from empycustom.errors import CallbackError, CallTimeoutError, LibraryError, WorkerError
from empycustom.native import shared
from empycustom.runners.processes import ProcessPool

WHERE = "import ctypes, os, signal, sys, threading, time\n\n\ndef process_ip(io_buffer, in_meta, options):\n"
GOOD = "    return {'frame': {'pid': os.getpid()}}\n"


def pid_of(result):
    return int(result.text.partition('"pid":')[2].rstrip("}"))


DEATHS = {
    "a segmentation fault": ("ctypes.string_at(0)", -signal.SIGSEGV, "killed by SIGSEGV", True),
    "abort": ("os.abort()", -signal.SIGABRT, "killed by SIGABRT", True),
    "os._exit": ("os._exit(3)", 3, "ended by itself, with exit code 3", False),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "killed by SIGKILL", False),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM, "killed by SIGTERM", False),
    "another program": ("os.execv('/bin/true', ['true'])", 0, "ended by itself, with exit code 0", False),
    "an exit of another thread": (
        "threading.Thread(target=os._exit, args=(7,)).start(); time.sleep(60)",
        7,
        "exit code 7",
        False,
    ),
}


@pytest.mark.parametrize(("deed", "code", "text", "has_traceback"), DEATHS.values(), ids=DEATHS)
def test_a_worker_that_dies_is_reported_once_and_replaced(library, frames, deed, code, text, has_traceback):
    path = library(f"{WHERE}    if in_meta['frame'][0]['frame_num'] == 1:\n        {deed}\n{GOOD}")
    with started(path) as pool:
        first, _ = frames.run(pool)
        jobs = [frames.job(), frames.job()]
        assert [pool.submit(job, queue=True) for job in jobs] == [True, True]
        with pytest.raises(WorkerError) as error:
            pool.collect(jobs[0], frames.wake)
        after = pool.collect(jobs[1], frames.wake)  # it waited in the same process
        assert pid_of(after) != pid_of(first)
        assert pool.restarts == 1
        for job in jobs:
            shared.unref(job.buffer)
    error.value.frame = "frame 1"
    assert text in str(error.value)
    assert "at frame 1" in str(error.value)
    assert error.value.exit_code == code
    assert error.value.library == str(path)
    assert error.value.callback == "process_ip"
    if has_traceback:
        assert f'File "{path}", line 6 in process_ip' in error.value.details
        assert str(error.value).startswith(f"{path}:6: ")
    else:
        assert error.value.details == ""


def test_a_worker_that_is_killed_while_it_has_nothing_to_do_is_reported_with_the_next_frame(library, frames):
    with started(library(WHERE + GOOD)) as pool:
        pid = pid_of(frames.run(pool)[0])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_there(pid))
        with pytest.raises(WorkerError, match="killed by SIGKILL"):
            frames.run(pool)
        assert pid_of(frames.run(pool)[0]) != pid


def test_a_library_that_dies_at_once_again_and_again_is_started_later_and_later(library, frames, tmp_path):
    noted = tmp_path / "noted"
    notes = f"with open({str(noted)!r}, 'a') as file:\n    print(time.monotonic(), file=file)\n"
    with started(library(f"{WHERE}    if options.get('die', True): os._exit(1)\n{GOOD}{notes}")) as pool:
        texts = []

        def fails():
            """Let a worker die that has two frames: the second one has to wait, but for the first death."""
            jobs = [frames.job(), frames.job()]
            for job in jobs:
                assert pool.submit(job, queue=True)
            for job in jobs:
                with pytest.raises(WorkerError) as error:
                    pool.collect(job, frames.wake)
                shared.unref(job.buffer)
                texts.append(str(error.value))
            return pool.restarts >= 3

        wait_until(fails)
        wait_until(lambda: len(noted.read_text().splitlines()) >= 4)
        times = [float(line) for line in noted.read_text().splitlines()]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses[1] >= 0.1
        assert pauses[2] >= 0.2
        deaths = [text for text in texts if "is not running" not in text]
        assert 3 <= len(deaths) < len(texts)
        assert all("ended by itself, with exit code 1" in text for text in texts)
        pool.options = {"die": False}

        def works():
            try:
                return frames.run(pool)[0]
            except WorkerError:
                return None

        wait_until(works)


def test_a_frame_is_as_it_came_where_its_worker_died_after_a_copy(library, frames):
    path = library(
        "import os, empycustom\ndef process_ip(io_buffer, in_meta, options):\n"
        "    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:\n        frame.pixels[:] = 200\n    os._exit(1)"
    )
    with started(path) as pool:
        job = frames.job()
        came = pooled.content(job.buffer)
        assert pool.submit(job, queue=True)
        with pytest.raises(WorkerError):
            pool.collect(job, frames.wake)
        assert pooled.content(job.buffer) == came
        shared.unref(job.buffer)


HANGS = {
    "sleep": "time.sleep(600)",
    "a loop": "while True: pass",
    "a loop that nothing ends": "signal.signal(signal.SIGABRT, signal.SIG_IGN)\n        while True: pass",
    "C that keeps the GIL": "ctypes.PyDLL(None).sleep(600)",
    "a lock": "threading.Lock().__enter__() and threading.Lock().acquire() and [lock.acquire() for lock in [threading.Lock()] * 2]",
}


@pytest.mark.parametrize("deed", HANGS.values(), ids=HANGS)
def test_a_call_that_takes_longer_than_its_timeout_is_ended(library, frames, deed):
    path = library(f"{WHERE}    if in_meta['frame'][0]['frame_num'] == 1:\n        {deed}\n{GOOD}")
    with started(path) as pool:
        first, _ = frames.run(pool)
        pool.call_timeout_ms = 1000  # so long a busy machine may need to come to the line
        with pytest.raises(CallTimeoutError, match="process_ip took longer than call-timeout") as error:
            frames.run(pool)
        pool.call_timeout_ms = 0  # the next worker may take its time until it is there
        assert pid_of(frames.run(pool)[0]) != pid_of(first)
    if "SIG_IGN" not in deed:
        assert f'File "{path}", line 6 in process_ip' in error.value.details


def test_a_call_that_hangs_is_ended_also_where_nobody_waits_for_it(library, frames):
    with started(library(f"{WHERE}    time.sleep(600)\n")) as pool:
        pool.call_timeout_ms = 100
        job = frames.job()
        assert pool.submit(job, queue=False)
        wait_until(lambda: pool.is_done(job))
        with pytest.raises(CallTimeoutError):
            pool.collect(job, frames.wake)
        shared.unref(job.buffer)


def test_stopping_waits_for_stop_but_not_for_a_call_that_hangs(library, frames, capfd, tmp_path):
    begun = tmp_path / "begun"
    path = library(
        f"{WHERE}    open({str(begun)!r}, 'w').close()\n    time.sleep(options.get('s', 0))\n{GOOD}def stop(options):\n    time.sleep(1.5)\n    print('stopped')\n"
    )
    with started(path, workers=2) as pool:
        frames.run(pool)
    assert capfd.readouterr().out == "stopped\n" * 2
    begun.unlink()
    pool = ProcessPool(str(path), in_place=True, workers=1)
    pool.start({"s": 600}, None)
    pool.submit(frames.job(), queue=True)
    wait_until(begun.exists)
    with pytest.raises(WorkerError, match="process_ip had not returned 1 s after the stream had ended"):
        pool.stop()
    assert capfd.readouterr().out == ""


def test_an_exception_of_stop_is_raised(library, frames):
    path = library(f"{WHERE}{GOOD}def stop(options):\n    raise OSError('no disk')\n")
    with pytest.raises(LibraryError, match="stop raised OSError: no disk"), started(path, workers=2):
        pass


def test_what_a_library_prints_comes_out_line_by_line(library, frames, capsys):
    path = library(
        f"{WHERE}    print('é', in_meta['frame'][0]['frame_num'])\n    os.write(1, b'raw\\n')\n    print('wrong', file=sys.stderr)\n"
        f"    os.system('echo child')\n{GOOD}def start(options):\n    print('x' * 3_000_000)\n"
        "def stop(options):\n    print('end', end='')\n"
    )
    with started(path) as pool:
        frames.run(pool)
    out, err = capsys.readouterr()
    assert out == f"{'x' * 3_000_000}\né 0\nraw\nchild\nend"
    assert err == "wrong\n"


@pytest.mark.parametrize("deed", ["pass", "1 / 0", "sys.exit()"])
def test_a_process_that_a_library_forks_is_not_a_second_worker(library, frames, capfd, deed):
    path = library(f"import sys\n{WHERE}    if not os.fork():\n        {deed}\n    else:\n        os.wait()\n{GOOD}")
    with started(path) as pool:
        assert pid_of(frames.run(pool)[0]) == pid_of(frames.run(pool)[0])
        assert pool.restarts == 0
    assert capfd.readouterr().err.count("a process that the library forked has returned") == 2


LOGS = """\
import logging

log = logging.getLogger("detector")


def process_ip(io_buffer, in_meta, options):
    log.info("an info about %s", "é")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("a warning\\nof two lines")
"""


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_what_a_library_logs_comes_to_the_logging_of_the_program(library, frames, caplog, level):
    caplog.set_level(level)
    path = library(LOGS)
    with started(path) as pool:
        frames.run(pool)
    assert [record.getMessage() for record in caplog.records] == ["an info about é"] * (level == logging.INFO) + [
        "a warning\nof two lines"
    ]
    last = caplog.records[-1]
    assert (last.name, last.levelname, last.pathname, last.lineno) == ("detector", "ERROR", str(path), 11)
    assert "ZeroDivisionError: division by zero" in caplog.text


@pytest.mark.parametrize(
    "setup", ["", "logging.basicConfig(format='%(name)s=%(message)s', level=logging.INFO)\n"], ids=["no", "basicConfig"]
)
def test_where_nobody_has_set_up_logging_it_is_as_in_the_streaming_thread(library, gst_launch, setup):
    path = library(LOGS + setup)
    source = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,framerate=1/10"  # no call is longer than a frame
    line = f"{source} ! empycustom in-place=true custom-lib={path} workers={{}} ! fakesink"
    inline, elsewhere = gst_launch(f"-q {line.format(0)}"), gst_launch(f"-q {line.format(1)}")
    assert inline.code == 0
    assert inline.err.count("a warning\nof two lines") == 2
    assert (elsewhere.code, elsewhere.out, elsewhere.err) == (inline.code, inline.out, inline.err)


def test_threads_and_processes_of_a_library_end_with_its_worker(library, frames, tmp_path):
    path = library(
        "import multiprocessing, os, subprocess, threading, time\nfrom pathlib import Path\n\n\ndef work(folder):\n"
        "    Path(folder, str(os.getpid())).touch()\n    time.sleep(600)\n\n\ndef start(options):\n"
        "    threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "    multiprocessing.get_context('spawn').Process(target=work, args=(options['folder'],)).start()\n"
        "    multiprocessing.get_context('fork').Process(target=work, args=(options['folder'],)).start()\n"
        "    child = subprocess.Popen(['sleep', '600'])\n    Path(options['folder'], str(child.pid)).touch()\n\n\n"
        "def process_ip(io_buffer, in_meta, options):\n    if options.get('die'):\n        os._exit(1)\n"
        "    return {'frame': {'pid': os.getpid()}}\n"
    )
    with started(path, options={"folder": str(tmp_path)}) as pool:
        wait_until(lambda: len(pids_in(tmp_path)) == 3)
        its = pids_in(tmp_path)  # the worker that takes its place soon has others
        pool.options = {"folder": str(tmp_path), "die": True}
        with pytest.raises(WorkerError, match="exit code 1"):
            frames.run(pool)
        wait_until(lambda: not any(map(is_there, its)))
    wait_until(lambda: not any(map(is_there, pids_in(tmp_path))))


def pids_in(folder):
    return [int(each.name) for each in folder.iterdir() if each.name.isdigit()]


PARENT = """\
import os, sys, time
sys.path.insert(0, {folder!r})
import pooled
from empycustom.runners.processes import ProcessPool
frames = pooled.Frames()
pool = ProcessPool({path!r}, in_place=True, workers=2)
pool.start({{}}, None)
print(*(worker.process.pid for worker in pool._workers), flush=True)
{deed}
"""
PARENTS = {
    "killed while a worker spins": "pool.submit(frames.job(), queue=True); time.sleep(0.2); os.kill(os.getpid(), 9)",
    "killed while workers wait": "os.kill(os.getpid(), 9)",
    "a crash": "pool.submit(frames.job(), queue=True); os.abort()",
    "the end of Python": "pool.submit(frames.job(), queue=True)",
    "an exception": "1 / 0",
    "the thread that started them has ended": (
        "import threading; pool = ProcessPool({path!r}, in_place=True, workers=1)\n"
        "thread = threading.Thread(target=pool.start, args=({{}}, None)); thread.start(); thread.join(); time.sleep(0.3)\n"
        "print(*pool.states(), pool._workers[0].process.pid, flush=True); os.kill(os.getpid(), 9)"
    ),
}


@pytest.mark.parametrize("deed", PARENTS.values(), ids=PARENTS)
def test_workers_end_with_their_parent_however_that_ends(library, deed):
    path = library("import ctypes\ndef process_ip(b, m, o):\n    ctypes.PyDLL(None).sleep(600)\n")
    script = PARENT.format(folder=os.path.dirname(pooled.__file__), path=str(path), deed=deed.format(path=str(path)))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    first, *more = done.stdout.splitlines()
    pids = [int(pid) for pid in first.split()]
    assert len(pids) == 2
    if "pool.start" in deed:
        state, pid = more.pop().split()
        assert state == "idle"
        pids.append(int(pid))
    assert more == []
    wait_until(lambda: not any(map(is_there, pids)))


def left():
    """Return what this process has: file descriptors, children, and maps of memory without a name."""
    with open("/proc/self/maps") as maps:
        memfds = sum("memfd:empycustom" in line for line in maps)
    children = subprocess.run(
        ["ps", "--no-headers", "--ppid", str(os.getpid()), "-o", "pid,args"], capture_output=True, text=True, check=False
    )
    own = [line for line in children.stdout.splitlines() if " ps " not in f"{line} "]
    return len(os.listdir("/proc/self/fd")), own, memfds


def test_many_starts_and_stops_leave_nothing(library, frames):
    path = library(f"{WHERE}    if options.get('die'):\n        os._exit(1)\n{GOOD}")

    def once(number):
        with started(path, workers=1 + number % 2, options={"die": number % 3 == 2}) as pool:
            for ours in (True, False):
                with pytest.raises(WorkerError) if number % 3 == 2 else nullcontext():
                    frames.run(pool, ours=ours)
            if number % 5 == 4:  # it is under way at the end
                left_behind = frames.job()
                pool.submit(left_behind, queue=True)
                pool.forget(left_behind)

    for number in range(3):
        once(number)
    gc.collect()  # else what earlier tests have left may be freed meanwhile
    before = left()
    for number in range(12):
        once(number)
    gc.collect()  # the exceptions refer to frames that refer to them
    assert left() == before


def test_a_breakpoint_is_refused_with_what_to_do(library, frames):
    text = r"raised NoTerminalError: a debugger needs a terminal, and a worker has none; set workers=0 while you debug"
    path = library("def process_ip(io_buffer, in_meta, options):\n    breakpoint()\n")
    with started(path) as pool, pytest.raises(CallbackError, match=text):
        frames.run(pool)


def test_the_record_factory_of_the_program_makes_what_a_worker_logs(library, frames, caplog, monkeypatch):
    made = logging.getLogRecordFactory()

    def named(name, *given, **others):
        return made(f"my {name}", *given, **others)

    logging.setLogRecordFactory(named)
    try:
        with started(library("import logging\ndef process_ip(io_buffer, in_meta, options):\n    logging.error('no')\n")) as pool:
            frames.run(pool)
    finally:
        logging.setLogRecordFactory(made)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("my root", "no")]
