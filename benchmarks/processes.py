"""What worker processes give and cost, each beside what it is compared with, in turns of one run. Runs in a worker."""

from __future__ import annotations

import ctypes
import json
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from threading import Semaphore
from typing import Any

from benchmarks import plain
from benchmarks.gstreamer import Gst, GstAllocators
from benchmarks.inside import LIBRARIES, _options
from benchmarks.libraries.busy import burn
from benchmarks.pipelines import PipelineError, await_end, parse, rendered
from benchmarks.workloads import Workload

CALL_MS, SLOW_CALL_MS = 20, 100
_WARM_UP = 10  # frames at the beginning of a round that are not counted
_PASS, _BUFFER = Gst.PadProbeReturn.OK, Gst.PadProbeType.BUFFER


def _throughput(workload: Workload, frames: int) -> dict[str, float]:
    """20 ms of pure Python a frame: in the streaming thread, in 2 workers, and without frames in a loop and in 2 processes."""
    rounds = _rounds(CALL_MS)
    element = f'empycustom in-place=true custom-lib="{LIBRARIES / "busy.py"}" {_options({"rounds": rounds})}'
    one, _ = _speed(workload, f"{element} workers=0", frames)
    two, cpu = _speed(workload, f"{element} workers=2", frames)
    _, upstream = _speed(workload, f"identity sleep-time={CALL_MS * 500}", frames)
    loop = _frames_a_second(lambda: [burn(rounds) for _ in range(frames)], frames)
    with get_context("spawn").Pool(2) as pool:
        pool.map(burn, [1] * 20, chunksize=1)  # both are there
        plain = _frames_a_second(lambda: pool.map(burn, [rounds] * frames, chunksize=1), frames)
    return {
        "frames a second, workers=0 [fps]": one,
        "frames a second, workers=2 [fps]": two,
        "calls a second without frames, a loop [fps]": loop,
        "calls a second without frames, multiprocessing with 2 processes [fps]": plain,
        "CPU of the pipeline's own process with workers=2, a frame [ms]": cpu,
        "the same with an element in its place that only sleeps [ms]": upstream,
        "gain: frames a second, workers=2 to workers=0 [times]": two / one,
        "gain of multiprocessing: its calls a second, to the loop's [times]": plain / loop,
        "time of a frame, workers=2 to workers=0 [times]": one / two,
        "gain of multiprocessing, to that of workers=2 [times]": plain / loop / (two / one),
    }


def _speed(workload: Workload, element: str, frames: int) -> tuple[float, float]:
    """Return frames a second at the sink, and ms of CPU of this process for each."""
    pipeline = parse(_text(workload, element, frames + _WARM_UP))
    marks: list[tuple[int, int]] = []

    def arrived(_pad: Any, _info: Any) -> Any:
        marks.append((time.perf_counter_ns(), time.process_time_ns()))
        return _PASS

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(_BUFFER, arrived)
    _play(pipeline)
    (began, cpu_before), (ended, cpu_after) = marks[_WARM_UP], marks[-1]
    passed = len(marks) - 1 - _WARM_UP
    return passed / (ended - began) * 1e9, (cpu_after - cpu_before) / passed / 1e6


def _transport(workload: Workload, frames: int) -> dict[str, float]:
    """Measure a library that reads 64x64 pixels: what is added to the call, at full speed, one frame under way at a time."""
    copy = _copy_us(workload)
    thread, _ = _added_us(workload, frames, "workers=0", "")
    ours, shared = _added_us(workload, frames, "workers=1", "")
    theirs, copied = _added_us(workload, frames, "workers=1", "tee ! ")  # which hands on no offer of memory
    plainly = plain.added_us(workload.width, workload.height, frames + _WARM_UP)
    median = statistics.median
    return {
        "one copy of the frame [µs]": copy,
        "added to a call in the streaming thread [µs]": median(thread),
        "added by a worker, upstream writes into its memory [µs]": median(ours),
        "the same, quickest tenth [µs]": ours[len(ours) // 10],
        "added by a worker, upstream has memory of its own [µs]": median(theirs),
        "the same for that, quickest tenth [µs]": theirs[len(theirs) // 10],
        "added by plain multiprocessing, without a pipeline [µs]": median(plainly),
        "the same, quickest tenth of that [µs]": plainly[len(plainly) // 10],
        "frames that were in the worker's memory, of the first [%]": shared,
        "frames that were in the worker's memory, of the second [%]": copied,
        "a worker, to one copy, upstream writes into its memory [times]": median(ours) / copy,
        "a worker, to one copy, upstream has memory of its own [times]": median(theirs) / copy,
        "plain multiprocessing, to one copy [times]": median(plainly) / copy,
        "a worker, to one copy, quickest tenth, upstream writes into its memory [times]": ours[len(ours) // 10] / copy,
        "plain multiprocessing, to one copy, quickest tenth [times]": plainly[len(plainly) // 10] / copy,
    }


def _copy_us(workload: Workload) -> float:
    size = workload.width * workload.height * 4
    source, target = (ctypes.create_string_buffer(b"x" * size, size) for _ in range(2))

    def copy() -> float:
        began = time.perf_counter_ns()
        ctypes.memmove(target, source, size)
        return (time.perf_counter_ns() - began) / 1000

    return statistics.median(copy() for _ in range(100))


def _added_us(workload: Workload, frames: int, workers: str, before: str) -> tuple[list[float], float]:
    """Return the whole way less the call, sorted, and how many frames of a hundred were in memory with a file."""
    element = f'{before}empycustom name=measured in-place=true {workers} custom-lib="{LIBRARIES / "corner.py"}"'
    pipeline = parse(_text(workload, element, frames + _WARM_UP))
    measured, has_left, began = pipeline.get_by_name("measured"), Semaphore(), 0
    added: list[float] = []
    shared: list[bool] = []

    def enters(_pad: Any, info: Any) -> Any:
        nonlocal began
        has_left.acquire()
        shared.append(GstAllocators.is_fd_memory(info.get_buffer().peek_memory(0)))
        began = time.monotonic_ns()
        return _PASS

    def leaves(_pad: Any, _info: Any) -> Any:
        whole = time.monotonic_ns() - began
        call = json.loads(measured.get_property("last-meta"))["frame"]["ns"]
        added.append((whole - call) / 1000)
        has_left.release()
        return _PASS

    measured.get_static_pad("sink").add_probe(_BUFFER, enters)
    measured.get_static_pad("src").add_probe(_BUFFER, leaves)
    _play(pipeline)
    return sorted(added[_WARM_UP:]), 100 * statistics.mean(shared[_WARM_UP:])


def _live(workload: Workload, frames: int) -> dict[str, float]:
    """Measure a live source of 30 frames a second, a call of 100 ms, pace=latest: beside ``identity`` in the element's place."""
    options = _options({"rounds": _rounds(SLOW_CALL_MS)})
    element = f'empycustom name=measured in-place=true workers=1 pace=latest custom-lib="{LIBRARIES / "busy.py"}" {options}'
    none, latest = _live_round(workload, frames, "identity name=measured"), _live_round(workload, frames, element)
    return {
        "frames a second at the sink [fps]": latest["fps"],
        "frames that left [frames]": latest["left"],
        "late frames [frames]": latest["late"],
        "late frames with identity in the element's place [frames]": none["late"],
        "latency added to a frame, median [ms]": latest["median"],
        "latency added to a frame, at most [ms]": latest["most"],
        "latency added, at most, with identity in the element's place [ms]": none["most"],
        "latency added at most, of the time of a frame [times]": latest["most"] / (1000 / 30),
    }


def _live_round(workload: Workload, frames: int, element: str) -> dict[str, float]:
    text = _text(workload, element, frames).replace("sync=false", "sync=true qos=true max-lateness=20000000")
    pipeline = parse(text.replace("videotestsrc", "videotestsrc is-live=true"))
    measured, sink = pipeline.get_by_name("measured"), pipeline.get_by_name("sink")
    entered: list[int] = []
    added: list[float] = []
    arrived: list[int] = []

    def enters(_pad: Any, _info: Any) -> Any:
        entered.append(time.monotonic_ns())
        return _PASS

    def leaves(_pad: Any, _info: Any) -> Any:
        arrived.append(time.monotonic_ns())
        added.append((arrived[-1] - entered[-1]) / 1e6)
        return _PASS

    measured.get_static_pad("sink").add_probe(_BUFFER, enters)
    measured.get_static_pad("src").add_probe(_BUFFER, leaves)
    shown = _play(pipeline, lambda: rendered(sink))
    seconds = (arrived[-1] - arrived[0]) / 1e9
    return {
        "left": len(arrived),
        "fps": (shown - 1) / seconds,
        "late": frames - shown,
        "median": statistics.median(added),
        "most": max(added),
    }


def _text(workload: Workload, element: str, frames: int) -> str:
    return f"videotestsrc pattern=black num-buffers={frames} ! {workload.caps} ! {element} ! fakesink name=sink sync=false"


def _play(pipeline: Any, at_end: Callable[[], int] = lambda: 0) -> int:
    """Play to the end, and return what ``at_end`` does there. Raises PipelineError."""
    try:
        if pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            raise PipelineError("the pipeline did not start")
        await_end(pipeline)
        return at_end()
    finally:
        pipeline.set_state(Gst.State.NULL)


def _rounds(milliseconds: int) -> int:
    """Return how many rounds of ``burn`` take so long where nobody disturbs them."""
    probe = 200_000
    quickest = min(_cpu_ns(lambda: burn(probe)) for _ in range(10))
    return round(probe * milliseconds * 1e6 / quickest)


def _cpu_ns(work: Callable[[], Any]) -> int:
    began = time.thread_time_ns()
    work()
    return time.thread_time_ns() - began


def _frames_a_second(work: Callable[[], Any], frames: int) -> float:
    began = time.perf_counter_ns()
    work()
    return frames / (time.perf_counter_ns() - began) * 1e9


MEASURED = {"workers-speed": _throughput, "workers-transport": _transport, "workers-live": _live}
