"""Libraries in worker processes do what they do in the streaming thread: results, pixels, exceptions, options."""

import json
import os
import threading
from collections import deque

import pooled
import pytest
from pooled import started

from empycustom import errors
from empycustom.gstreamer import Gst
from empycustom.native import shared
from empycustom.runners.processes import ProcessPool
from empycustom.runners.protocol import Woken

RETURNED = {
    "nothing": "None",
    "an empty text": "''",
    "an empty list": "[]",
    "an empty dict": "{}",
    "a list": "[{'a': 1, 'b': [1.5, None, True, 'é']}]",
    "a list that is too long": "[{'a': 1}, {'b': 2}]",
    "a frame": "{'frame': {'n': in_meta['frame'][0]['frame_num'], 'pts': in_meta['frame'][0]['buf_pts']}}",
    "a batch": "{'meta': {'batch': 1}, 'frame': [{'meta': {'x': 1}, 'object': []}]}",
    "new objects": "{'frame': [{'new_object': [{'class_id': 1, 'obj_label': 'cat', 'confidence': 0.5,"
    " 'rect_params': {'left': 1, 'top': 2, 'width': 3, 'height': 4}}]}]}",
    "too many frames": "{'frame': [{'meta': {}}, {'meta': {'y': 1}}]}",
    "JSON": '\'{"frame": {"text": 1}}\'',
    "the text of a list": "str([{'a': None}])",
    "NumPy": "{'frame': {'array': np.arange(3), 'number': np.float32(0.5)}}",
    "not a number": "{'frame': {'nan': float('nan')}}",
    "a large one": "{'frame': {'text': 'x' * 300_000}}",
    "options and events": "{'frame': {'options': options, 'events': events, 'pixel': int(first)}}",
}


def described(result):
    if result is None:
        return None
    frames = [(each.attributes, each.objects, [*each.new_objects], {**each.changed}, [*each.removed]) for each in result.frames]
    return result.returned, result.attributes, [*result.ignored], frames, result.returned and result.text


@pytest.mark.parametrize("ours", [False, True], ids=["copied", "shared"])
@pytest.mark.parametrize("returned", RETURNED.values(), ids=RETURNED)
def test_results_and_pixels_are_those_of_the_streaming_thread(library, frames, returned, ours):
    path = library(
        "import empycustom\nimport numpy as np\ndef process_ip(io_buffer, in_meta, options, events):\n"
        "    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:\n"
        "        first = frame.pixels[0, 0, 0]\n        frame.pixels[3, 2:4] = 7\n"
        f"    return {returned}\n"
    )
    runner = pooled.inline(path, {"a": 1}, [2])
    wanted, pixels = frames.run_inline(runner)
    runner.stop()
    frames.reader.number -= 1
    with started(path, options={"a": 1}, events=[2]) as pool:
        result, made = frames.run(pool, ours=ours)
    assert described(result) == described(wanted)
    assert made == pixels
    assert made.count(7) == 8


RAISED = {
    "an exception": ("raise ValueError('no\\nsecond line')", "process_ip raised ValueError: no …; fix"),
    "one with a cause": ("raise KeyError('rect_parms') from OSError('x')", "rect_params may be meant"),
    "one that cannot be read": (
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})",
        "raised Odd: (its text is not available: ZeroDivisionError)",
    ),
    "SystemExit": ("raise SystemExit(3)", "process_ip raised SystemExit: 3"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "that is how Ctrl-C ends a call"),
    "the end of the stream": (
        "raise empycustom.EndOfStream('seen all')",
        "ended the stream, and this frame is not passed on: seen all",
    ),
    "no metadata": ("return 7", "got int 7, which is not metadata"),
    "a wrong key": ("return {'frames': {}}", "frames: is an unknown key"),
    "a value that is none": ("return {'frame': {'x': object()}}", "builtins.object is not a JSON value"),
    "a value that raises": (
        "return type('Odd', (list,), {'__iter__': lambda self: 1 / 0, '__len__': lambda self: 1 / 0})([1])",
        "it raises ZeroDivisionError: division by zero when it is read",
    ),
    "writing to what is read-only": (
        "frame = empycustom.map_frame(io_buffer, in_meta)\n    with frame: frame.pixels[0] = 1",
        "a view of the frame is read-only",
    ),
    "a debugger that was left": ("import bdb; raise bdb.BdbQuit", "the debugger was left in process_ip"),
}


def facts_of(error):
    about = (error.library, error.line, error.callback, error.details, type(error.__cause__).__name__)
    error.frame = "frame 3"
    return type(error), str(error), error.reported, about


@pytest.mark.parametrize(("raised", "text"), RAISED.values(), ids=RAISED)
def test_exceptions_are_those_of_the_streaming_thread(library, frames, raised, text):
    path = library(f"import empycustom\n\ndef process_ip(io_buffer, in_meta, options):\n    {raised}\n")
    runner = pooled.inline(path)
    with pytest.raises(errors.LibraryError) as wanted:
        frames.run_inline(runner)
    runner.stop()
    with started(path) as pool, pytest.raises(errors.LibraryError) as found:
        frames.run(pool)
    assert text in str(found.value)
    assert facts_of(found.value) == facts_of(wanted.value)


@pytest.mark.parametrize(
    "text",
    [
        "import nothing_like_it",
        "def process_ip(:",
        "raise RuntimeError('at module level')",
        "def process(a, b, c): pass",
        "def process_ip(a): pass",
        "def process_ip(a, b, c): pass\ndef start(options): raise OSError('no model')",
    ],
)
def test_what_keeps_a_library_from_starting_is_raised(library, text):
    path = library(text)
    with pytest.raises(errors.LibraryError) as wanted:
        pooled.inline(path)
    with pytest.raises(errors.LibraryError) as found:
        ProcessPool(str(path), in_place=True, workers=2).start({}, None)
    assert facts_of(found.value) == facts_of(wanted.value)


def test_options_and_events_arrive_before_the_next_frame(library, frames):
    path = library("def process_ip(b, m, options, events):\n    return {'frame': {'o': options, 'e': events}}")
    with started(path, workers=2, options={"n": -1}) as pool:
        for number in range(6):
            if number % 2:
                pool.options = {"n": number}
            else:
                pool.events = [number]
            result, _ = frames.run(pool)
            assert (
                result.text == f'{{"frame":{{"o":{{"n":{number if number % 2 else number - 1}}},"e":[{number - number % 2}]}}}}'
            )


def test_frames_come_out_of_several_workers_with_their_own_results(library, frames):
    path = library(
        "import os, time\ndef process_ip(b, m, o):\n    n = m['frame'][0]['frame_num']\n    time.sleep(n % 3 / 100)\n"
        "    return {'frame': {'n': n, 'pid': os.getpid()}}"
    )
    with started(path, workers=3) as pool:
        texts, under_way = [], []
        for number in range(30):
            job = frames.job(ours=number % 2 == 0)
            while not pool.submit(job, queue=True):
                first = under_way.pop(0)
                texts.append(pool.collect(first, frames.wake).text)
                shared.unref(first.buffer)
            under_way.append(job)
        for job in under_way:
            texts.append(pool.collect(job, frames.wake).text)
            shared.unref(job.buffer)
    assert [text.partition(",")[0] for text in texts] == [f'{{"frame":{{"n":{number}' for number in range(30)]
    assert len({text.partition("pid")[2] for text in texts}) == 3


def test_a_wait_ends_when_it_is_wanted_and_forgotten_frames_take_no_room(library, frames, tmp_path):
    path = library(
        f"import os, time\ndef process_ip(b, m, o):\n    while not os.path.exists({str(tmp_path / 'gate')!r}):\n"
        "        time.sleep(0.01)\n    return {'frame': {'n': 1}}"
    )
    with started(path) as pool:
        jobs = [frames.job(), frames.job()]
        assert [pool.submit(job, queue=True) for job in jobs] == [True, True]
        third = frames.job()
        assert not pool.submit(third, queue=True)
        timer = threading.Timer(0.05, os.eventfd_write, (frames.wake, 1))
        timer.start()
        with pytest.raises(Woken):
            pool.collect(jobs[0], frames.wake)
        os.eventfd_read(frames.wake)
        for job in jobs:
            pool.forget(job)
        assert pool.submit(third, queue=True)
        (tmp_path / "gate").touch()
        assert pool.collect(third, frames.wake).text == '{"frame":{"n":1}}'
        shared.unref(third.buffer)


def test_a_frame_that_the_library_keeps_is_its_own(library, frames):
    path = library(
        "kept = []\ndef process_ip(io_buffer, in_meta, options):\n    kept.append(io_buffer)\n"
        "    return {'frame': {'kept': [each.extract_dup(0, 1)[0] for each in kept]}}"
    )
    with started(path) as pool:
        for number in range(8):
            result, made = frames.run(pool, ours=number % 2 == 0)
            assert made[0] == number
    assert result.text == '{"frame":{"kept":[0,1,2,3,4,5,6,7]}}'


def test_times_and_flags_are_those_of_the_frame_and_may_be_changed(library, frames):
    from empycustom.buffers.callback import Borrowed

    path = library("def process_ip(b, m, o):\n    o = [b.pts, b.dts, b.duration]\n    b.pts += 5\n    return {'frame': {'t': o}}")
    with started(path) as pool:
        frames.job()
        job = frames.job()
        assert pool.submit(job, queue=False)
        assert pool.collect(job, frames.wake).text == '{"frame":{"t":[1000000000,18446744073709551615,1000000000]}}'
        assert Borrowed().at(job.buffer).pts == 1_000_000_005


@pytest.mark.parametrize("ours", [False, True], ids=["copied", "shared"])
def test_strides_and_offsets_are_those_of_the_frame(library, ours):
    path = library(
        "import empycustom\ndef process_ip(io_buffer, in_meta, options):\n"
        "    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:\n"
        "        for number, plane in enumerate(frame.planes):\n            plane[:] = number + 101\n"
        "    return {'frame': {'planes': in_meta['buffer']['planes']}}"
    )
    frames = pooled.Frames("video/x-raw,format=I420,width=8,height=4,framerate=30/1")
    frames.reader.format.size = 300
    with started(path) as pool:
        for stride in (8, 16, 24, 16):
            job = frames.job(ours=ours, layout=([4, 4 + 4 * stride, 4 + 5 * stride], [stride, stride // 2, stride // 2]))
            assert pool.submit(job, queue=True)
            planes = json.loads(pool.collect(job, frames.wake).text)["frame"]["planes"]
            assert [(plane["offset"], plane["stride"]) for plane in planes] == [
                (4, stride),
                (4 + 4 * stride, stride // 2),
                (4 + 5 * stride, stride // 2),
            ]
            made = pooled.content(job.buffer)
            assert [made.count(number) for number in (101, 102, 103)] == [32, 8, 8]
            assert made[4:12] == bytes([101] * 8)
            assert made[4 + 4 * stride : 8 + 4 * stride] == bytes([102] * 4)
            shared.unref(job.buffer)
    frames.close()


def test_long_messages_go_both_ways(library, frames):
    path = library("def process_ip(b, m, options, events):\n    return {'frame': {'e': events}}")
    with started(path, options={"model": "x" * 500_000}) as pool:
        for length in (10, 32_000, 33_000, 1_000_000, 10):
            pool.events = ["é" * length]
            assert json.loads(frames.run(pool)[0].text) == {"frame": {"e": ["é" * length]}}


def test_the_file_descriptors_of_a_worker_are_not_inherited(library, frames):
    path = library(
        "import os, subprocess\ndef process_ip(b, m, o):\n"
        "    own = subprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True).stdout.split()\n"
        "    return {'frame': {'files': len(own)}}"
    )
    with started(path) as pool:
        assert frames.run(pool)[0].text == '{"frame":{"files":4}}'  # the standard streams, and the folder that ls reads


def test_a_wait_for_any_frame_ends_with_an_answer_a_poke_and_an_interruption(library, frames):
    path = library("def process_ip(b, m, o):\n    return {'frame': {'n': m['frame'][0]['frame_num']}}")
    with started(path) as pool:
        job = frames.job()
        assert pool.submit(job, queue=True)
        while not pool.has_answer(job):
            pool.wait(frames.wake)
        threading.Timer(0.05, pool.poke).start()
        pool.wait(frames.wake)
        os.eventfd_write(frames.wake, 1)
        with pytest.raises(Woken):
            pool.wait(frames.wake)
        assert pool.collect(job, frames.wake).text == '{"frame":{"n":0}}'
        shared.unref(job.buffer)


def test_a_thread_that_waits_misses_no_frame_that_another_one_submits(library, frames):
    path = library("def process_ip(b, m, o):\n    return {'frame': {'n': m['frame'][0]['frame_num']}}")
    under_way, texts, begin = deque(), [], threading.Barrier(2)

    def collect_all():
        begin.wait()
        while len(texts) < 300:
            while not under_way:
                pool.wait(frames.wake)
            job = under_way.popleft()
            texts.append(pool.collect(job, frames.wake).text)
            shared.unref(job.buffer)

    with started(path, workers=2) as pool:
        other = threading.Thread(target=collect_all, daemon=True)
        other.start()
        begin.wait()
        for number in range(300):
            job = frames.job(ours=number % 3 == 0)
            while not pool.submit(job, queue=True):
                pass
            under_way.append(job)
            if pool.has_answer(job):
                pool.poke()
        other.join(60)
        assert not other.is_alive()
    assert texts == [f'{{"frame":{{"n":{number}}}}}' for number in range(300)]


def test_a_question_about_caps_is_answered_while_another_thread_waits(library, frames):
    path = library(
        "def process(b, m, o):\n    return None, None\n\ndef output_caps(caps, options):\n    return 'video/x-raw,width=8'"
    )
    pool = ProcessPool(str(path), in_place=False, workers=1)
    pool.start({}, None)
    begin, is_over = threading.Barrier(2), threading.Event()

    def listen():
        begin.wait()
        while not is_over.is_set():
            pool.wait(frames.wake)

    other = threading.Thread(target=listen, daemon=True)
    other.start()
    begin.wait()
    try:
        assert [pool.output_caps(Gst.Caps.from_string(pooled.CAPS), frames.wake) for _ in range(30)] == [
            "video/x-raw,width=8"
        ] * 30
    finally:
        is_over.set()
        pool.poke()
        other.join(60)
        pool.stop()
    assert not other.is_alive()


def test_a_worker_may_run_where_it_might_before(library, frames):
    path = library(
        "import os\ndef process_ip(b, m, o):\n    cores = sorted(os.sched_getaffinity(0))\n"
        "    if m['frame'][0]['frame_num'] == 19:\n        os.sched_setaffinity(0, cores[:1])\n"
        "    return {'frame': {'cores': cores}}"
    )
    cores = sorted(os.sched_getaffinity(0))
    with started(path) as pool:
        found = [json.loads(frames.run(pool)[0].text)["frame"]["cores"] for _ in range(40)]
    assert found == [cores] * 20 + [cores[:1]] * 20
