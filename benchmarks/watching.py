"""What ``empycustom studio`` costs while nobody watches, and what somebody who watches costs. Runs in a worker.

``python -m benchmarks.watching MINUTES`` prints the memory of a studio that is watched, once a minute.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from websockets.sync.client import connect

from benchmarks.gstreamer import Gst
from benchmarks.inside import LIBRARIES
from benchmarks.pipelines import await_end, parse
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).parents[1]
_FPS = 30
_LEAD_S = 3.0  # until all play, and their caches are warm
_START_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_ENCODING = "in:src"  # the streaming thread of the pipeline that makes pictures, as the system calls it


def _cost(workload: Workload, frames: int) -> dict[str, float]:
    """CPU of a frame in processes that play a video side by side: run, the same again, studio, and a studio that is watched."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        _record(Path(folder), workload, round(frames + 4 * _LEAD_S * _FPS))
        play = ["video.mp4", "--lib", str(LIBRARIES / "stamped.py"), "--out", "/dev/null"]
        configured = ["run", "emi_stream_config.json", "--quiet", *_configured(folder, play)]
        processes = [stack.enter_context(_playing(folder, *words)) for words in (configured, configured, ["studio", *play])]
        processes.append(stack.enter_context(_playing(folder, "studio", *play)))
        _port(processes[2])
        seen = stack.enter_context(_watching(_port(processes[3])))
        time.sleep(_LEAD_S)
        before, count = [_cpu(each) for each in processes], len(seen)
        time.sleep(frames / _FPS)
        run, again, unseen, watched = (_cpu(each).since(then, frames) for each, then in zip(processes, before, strict=True))
        arrived = seen[count:]
    if not arrived:
        raise RuntimeError("no picture came")
    return {
        "CPU of a frame, run [ms]": run.whole,
        "CPU of a frame, studio, nobody watches [ms]": unseen.whole,
        "CPU of a frame, studio, somebody watches [ms]": watched.whole,
        "of that, making the picture [ms]": watched.encoding,
        "of that, the pipeline's own threads [ms]": watched.streaming,
        "the pipeline's own threads, nobody watches [ms]": unseen.streaming,
        "pictures that came, of the frames [%]": 100 * len(arrived) / frames,
        "from the library to the client, median [ms]": 1000 * statistics.median(arrived),
        "from the library to the client, 95th percentile [ms]": 1000 * sorted(arrived)[len(arrived) * 95 // 100],
        "a second run, to run [times]": again.whole / run.whole,
        "studio that nobody watches, to run [times]": unseen.whole / run.whole,
        "added to the pipeline's own threads by somebody who watches [%]": 100 * (watched.streaming / unseen.streaming - 1),
        "pictures and sending, of one core [%]": 100 * (watched.whole - unseen.whole) * _FPS / 1000,
    }


@dataclass(frozen=True)
class _Cpu:
    """Milliseconds of CPU: of a process, of its pipeline's threads, and of the one that makes pictures."""

    whole: float
    streaming: float
    encoding: float

    def since(self, earlier: _Cpu, frames: int) -> _Cpu:
        """Return what a frame took."""
        return _Cpu(*((now - then) / frames for now, then in zip(astuple(self), astuple(earlier), strict=True)))


def _record(folder: Path, workload: Workload, frames: int) -> None:
    """Make the video that is played."""
    size = f"video/x-raw,format=I420,width={workload.width},height={workload.height},framerate={_FPS}/1"
    encoder = "x264enc speed-preset=ultrafast key-int-max=30 ! h264parse ! mp4mux"
    pipeline = parse(f'videotestsrc num-buffers={frames} ! {size} ! {encoder} ! filesink location="{folder}/video.mp4"')
    try:
        pipeline.set_state(Gst.State.PLAYING)
        await_end(pipeline)
    finally:
        pipeline.set_state(Gst.State.NULL)


def _configured(folder: str, play: list[str]) -> list[str]:
    """Write a configuration with which `run` plays the same at its own speed; return the rest of its words."""
    source, _, library, *more = play
    pipeline = {"input": {"live-source": True}, "empycustom": {"custom-lib": library, "in-place": True, "format": "RGBA"}}
    Path(folder, "emi_stream_config.json").write_text(json.dumps({"pipeline_configuration": pipeline}))
    return ["--source", source, *more]


@contextmanager
def _playing(folder: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that plays; it is killed in the end."""
    command = [sys.executable, "-m", "empycustom", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _port(studio: subprocess.Popen[str]) -> int:
    """Return the port that a studio prints. Raises RuntimeError where it ends before."""
    late = threading.Timer(_START_S, studio.kill)
    late.start()
    assert studio.stdout
    found = next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)/", line) for line in studio.stdout)), None)
    late.cancel()
    if found is None:
        raise RuntimeError("the studio does not serve its page")
    return int(found[1])


@contextmanager
def _watching(port: int) -> Iterator[list[float]]:
    """Watch the stream as a page does; the list gets the time that each picture took, in seconds."""
    times: list[float] = []
    with connect(f"ws://127.0.0.1:{port}/ws", compression=None, max_size=None, proxy=None) as socket:
        (stream,) = json.loads(socket.recv(_START_S))["streams"]
        socket.send(json.dumps({"type": "watch", "stream": stream}))
        socket.send('{"type":"ready"}')
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.is_set():
                message = socket.recv(_START_S)
                if isinstance(message, bytes):
                    now = time.monotonic()
                    header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
                    if said := header["document"]["frame"][0].get("emcustom"):  # else the library was not ready
                        times.append(now - said["at"])
                    socket.send('{"type":"ready"}')

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield times
        finally:
            is_over.set()
            thread.join(_START_S)


def _cpu(process: subprocess.Popen[str]) -> _Cpu:
    """Return the CPU that a process has used. GStreamer calls a streaming thread as its pad, ``element:pad``."""
    base = Path(f"/proc/{process.pid}")
    _, whole = _used(base)
    threads = [_used(each) for each in (base / "task").iterdir()]
    streaming = sum(spent for name, spent in threads if ":" in name and name != _ENCODING)
    return _Cpu(whole, streaming, sum(spent for name, spent in threads if name == _ENCODING))


def _used(folder: Path) -> tuple[str, float]:
    """Return name and milliseconds of CPU of a process or a thread."""
    name, _, fields = (folder / "stat").read_text().partition(" (")[2].rpartition(") ")
    return name, 1000 * sum(map(int, fields.split()[11:13])) / _TICKS


def resident_mib(process: subprocess.Popen[str]) -> float:
    """Return how much memory of a process is resident."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)


def _memory(minutes: float) -> None:
    """Print the memory of a studio that is watched, once a minute."""
    workload = WORKLOADS["studio"]
    with TemporaryDirectory() as folder, ExitStack() as stack:
        _record(Path(folder), workload, 10 * _FPS)
        studio = stack.enter_context(_playing(folder, "studio", "video.mp4", "--lib", str(LIBRARIES / "stamped.py")))
        seen = stack.enter_context(_watching(_port(studio)))
        began = time.monotonic()
        for mark in [0.5, *range(1, round(minutes) + 1)]:
            time.sleep(max(0.0, began + 60 * mark - time.monotonic()))
            print(f"after {mark} min: {resident_mib(studio):.1f} MiB, {len(seen)} pictures", flush=True)


MEASURED: dict[str, Callable[[Workload, int], dict[str, float]]] = {"studio": _cost}

if __name__ == "__main__":
    _memory(float(sys.argv[1]))
