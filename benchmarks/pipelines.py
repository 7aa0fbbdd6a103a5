"""One round of a workload: a prefilled appsrc, the contender, a fakesink. Runs in a worker."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gstreamer import GLib, Gst, GstVideo
from benchmarks.workloads import REGION_LABEL, Workload

_PREROLL_S = 60
_END_S = 300
_POLL_S = 0.002
_NO_ELEMENT = (Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_ELEMENT)


class PipelineError(RuntimeError):
    """A pipeline could not be made, posted an error, hangs, or lost buffers."""


@dataclass(frozen=True)
class Round:
    """What one round took, from PLAYING to the end of the stream."""

    wall_ns: int
    cpu_ns: int
    buffers: int


def stream_text(workload: Workload, template: str) -> str:
    """Return the text of the pipeline: a source, the contender and a sink for each stream."""
    return "  ".join(
        f"appsrc name=source{stream} format=time max-bytes=0 caps={workload.caps} ! "
        f"{template.replace('{stream}', str(stream))} ! fakesink name=sink{stream} sync=false"
        for stream in range(workload.streams)
    )


def parse(text: str) -> Any:
    """Return the pipeline that a text describes. Raises PipelineError."""
    try:
        return Gst.parse_launch(text)
    except GLib.Error as error:
        fix = "install its plugin, or correct its name" if error.matches(*_NO_ELEMENT) else "correct the text"
        raise PipelineError(f"{error.message}: {fix}. The pipeline is: {text}") from error


def prototype(workload: Workload) -> Any:
    """Return the buffer whose copies are the stream: pixels that are not all alike, and the workload's regions of interest."""
    info = GstVideo.VideoInfo.new_from_caps(Gst.Caps.from_string(workload.caps))
    buffer = Gst.Buffer.new_wrapped(bytes(range(256)) * (info.size // 256) + bytes(info.size % 256))
    for number in range(workload.regions):
        left, top = number * 7 % (workload.width - 32), number * 5 % (workload.height - 32)
        region = GstVideo.buffer_add_video_region_of_interest_meta(buffer, REGION_LABEL, left, top, 24, 32)
        region.id = number + 1
        if workload.details:
            region.add_param(Gst.Structure.from_string("detection, confidence=(double)0.75, label_id=(int)2")[0])
    return buffer


def fill(source: Any, workload: Workload, buffers: int) -> None:
    """Push all buffers into the queue of an appsrc. They share one memory, and nobody else holds them."""
    model = prototype(workload)
    size = model.get_size()
    flags = Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.META | Gst.BufferCopyFlags.MEMORY
    duration = Gst.SECOND // 30
    for number in range(buffers):
        buffer = model.copy_region(flags, 0, size)
        buffer.pts, buffer.duration = number * duration, duration
        flow = source.push_buffer(buffer)
        if flow != Gst.FlowReturn.OK:
            break  # the element has failed already: its message is on the bus
    source.end_of_stream()


def play_round(pipeline: Any, workload: Workload, buffers: int) -> Round:
    """Fill the sources with so many buffers each, then play to the end. Raises PipelineError."""
    try:
        if pipeline.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.FAILURE:
            raise PipelineError(_bus_error(pipeline))
        for stream in range(workload.streams):
            fill(pipeline.get_by_name(f"source{stream}"), workload, buffers)
        changed, _, _ = pipeline.get_state(_PREROLL_S * Gst.SECOND)
        if changed != Gst.StateChangeReturn.SUCCESS:
            raise PipelineError(_bus_error(pipeline))
        wall, cpu = time.perf_counter_ns(), _cpu_ns()
        pipeline.set_state(Gst.State.PLAYING)
        await_end(pipeline)
        wall, cpu = time.perf_counter_ns() - wall, _cpu_ns() - cpu
        _check_arrived(pipeline, workload, buffers)
        return Round(wall, cpu, buffers * workload.streams)
    finally:
        pipeline.set_state(Gst.State.NULL)


def play_long(template: str, workload: Workload, marks: list[int]) -> list[dict[str, int]]:
    """Play one long stream and return the resident memory at each mark, with how many buffers had arrived by then."""
    size = GstVideo.VideoInfo.new_from_caps(Gst.Caps.from_string(workload.caps)).size
    pipeline = parse(
        f"fakesrc num-buffers={marks[-1]} sizetype=fixed sizemax={size} format=time ! {workload.caps} ! "
        f"{template.replace('{stream}', '0')} ! fakesink name=sink0 sync=false"
    )
    sink, bus, found = pipeline.get_by_name("sink0"), pipeline.get_bus(), []
    try:
        pipeline.set_state(Gst.State.PLAYING)
        for mark in marks:
            while (arrived := rendered(sink)) < mark:
                time.sleep(_POLL_S)
                _check_playing(bus)
            found.append({"wanted": mark, "buffers": arrived, "rss_kib": resident_kib()})
        return found
    finally:
        pipeline.set_state(Gst.State.NULL)


def resident_kib() -> int:
    """Return how much memory of this process, and of those that it started, is resident."""
    lists = Path("/proc/self/task").glob("*/children")
    processes = ["self", *(number for one in lists for number in one.read_text(encoding="ascii").split())]
    pages = sum(int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1]) for one in processes)
    return pages * resource.getpagesize() // 1024


def peak_kib() -> int:
    """Return how much memory of this process was resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cpu_ns() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def rendered(sink: Any) -> int:
    """Return how many buffers a sink has taken, and not thrown away because they were late."""
    return int(sink.get_property("stats").get_uint64("rendered")[1])


def _check_arrived(pipeline: Any, workload: Workload, buffers: int) -> None:
    for stream in range(workload.streams):
        arrived = rendered(pipeline.get_by_name(f"sink{stream}"))
        if arrived != buffers:
            raise PipelineError(f"only {arrived} of {buffers} buffers arrived at the sink of stream {stream}")


def await_end(pipeline: Any) -> None:
    """Wait until the stream has ended. Raises PipelineError."""
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(_END_S * Gst.SECOND, wanted)
    if message is None:
        raise PipelineError(f"the stream did not end within {_END_S} s")
    if message.type == Gst.MessageType.ERROR:
        raise PipelineError(_text(message))


def _check_playing(bus: Any) -> None:
    """Raise PipelineError where the stream has ended with an error. Its regular end has all buffers at the sink."""
    message = bus.pop_filtered(Gst.MessageType.ERROR)
    if message is not None:
        raise PipelineError(_text(message))


def _bus_error(pipeline: Any) -> str:
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    return _text(message) if message is not None else f"the pipeline did not reach PAUSED within {_PREROLL_S} s"


def _text(message: Any) -> str:
    error, details = message.parse_error()
    return f"{message.src.get_path_string()}: {error.message}\n{details or ''}".rstrip()
