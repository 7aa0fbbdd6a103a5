"""What publishing costs a stream, and how many documents a second arrive where. Runs in a worker.

``python -m benchmarks.publishing NAME FOLDER`` is a server of tests/publish in a process of its own, whose work is not counted:
it prints its URI, and ends with its stdin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from benchmarks.gstreamer import Gst
from benchmarks.inside import LIBRARIES
from benchmarks.pipelines import parse, play_round, stream_text
from benchmarks.workloads import Workload
from empycustom.outputs.queued import Patient
from empycustom.publish.destinations import DESTINATIONS, Destination
from empycustom.publish.messages import Message
from empycustom.publish.publisher import Publisher

ROOT = Path(__file__).parents[1]
_LIBRARY = f'empycustom in-place=true custom-lib="{LIBRARIES / "frame_attribute.py"}"'
_EVENTS = Gst.PadProbeType.EVENT_DOWNSTREAM
# What is measured of each: its server, and what its URI has more.
_DESTINATIONS = {
    "mqtt": ("mqtt", ""),
    "mqtt, a broker that keeps nothing": ("forgetful", ""),
    "kafka": ("kafka", ""),
    "redis": ("redis", ""),
    "http": ("http", ""),
    "http, batch=100": ("http", "?batch=100"),
    "postgresql": ("postgresql", ""),
    "sqlite": ("sqlite", ""),
    "file": ("file", ""),
}


class Nowhere(Destination):
    """A destination where all messages have arrived at once."""

    most = 1000

    def connect(self) -> None:
        """Do nothing."""

    def send(self, messages: Sequence[Message]) -> None:
        """Do nothing."""


def _cost(workload: Workload, frames: int) -> dict[str, float]:
    """Measure a publisher that nothing has to be started for, beside aimeta, which writes the same document to /dev/null."""
    DESTINATIONS["nowhere"] = f"{__name__}:Nowhere"
    with TemporaryDirectory() as folder:
        spool = f"spool={folder}"
        _played(workload, frames // 10, f"aimeta location=/dev/null ! metapublish uri=nowhere:///there {spool}")  # loaded
        aimeta = _played(workload, frames, "aimeta location=/dev/null")
        nowhere = _played(workload, frames, f"metapublish uri=nowhere:///there {spool}")
        file = _played(workload, frames, f"metapublish uri=file://{folder}/results.jsonl {spool}")
        select = _played(workload, frames, f"metapublish uri=nowhere:///there?without=timestamp {spool}")
    return {
        "aimeta, all threads [µs]": aimeta[0],
        "aimeta, the streaming thread [µs]": aimeta[1],
        "metapublish to nowhere, all threads [µs]": nowhere[0],
        "metapublish to nowhere, the streaming thread [µs]": nowhere[1],
        "metapublish to a file, all threads [µs]": file[0],
        "metapublish to nowhere, without=timestamp, all threads [µs]": select[0],
        "added to a buffer in the streaming thread, above aimeta [µs]": nowhere[1] - aimeta[1],
        "added to a buffer in all threads, above aimeta [µs]": nowhere[0] - aimeta[0],
        "a buffer that is published, to one with aimeta, all threads [times]": nowhere[0] / aimeta[0],
    }


def _played(workload: Workload, frames: int, element: str) -> tuple[float, float]:
    """Return µs of CPU a buffer, of the process and of its streaming thread, from the first buffer to the end of the stream."""
    pipeline = parse(stream_text(workload, f"{_LIBRARY} ! {element}"))
    at: list[int] = []

    def passed(_pad: Any, info: Any) -> Any:
        if info.get_event().type in (Gst.EventType.SEGMENT, Gst.EventType.EOS):
            at.append(time.thread_time_ns())  # in the streaming thread
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink0").get_static_pad("sink").add_probe(_EVENTS, passed)
    played = play_round(pipeline, workload, frames)
    return played.cpu_ns / played.buffers / 1000, (at[-1] - at[0]) / played.buffers / 1000


def _rates(_workload: Workload, frames: int) -> dict[str, float]:
    """Documents a second from the first one to the acknowledgement of the last, and the CPU that this process needs for each."""
    found: dict[str, float] = {}
    for name, (server, query) in _DESTINATIONS.items():
        with _serving(server) as uri:
            wall, cpu = _published(f"{uri}{query}", frames)
        found[f"documents a second, {name} [1/s]"] = frames / wall
        found[f"CPU of a document, {name} [µs]"] = cpu / frames * 1e6
    return found


def _published(uri: str, documents: int) -> tuple[float, float]:
    """Publish documents; return seconds, and seconds of CPU, until all have arrived."""
    waits, told = Patient(), list[Any]()
    lines = [_document(number) for number in range(documents)]
    with TemporaryDirectory() as spool:
        given = {"spool": spool, "drain-timeout": 300}
        append = told.append
        publisher = Publisher(uri, given, on_state=lambda *said: append(said), on_warning=append, on_error=append)
        wall, cpu = time.perf_counter(), time.process_time()
        for line in lines:
            publisher.put(line, waits)
        left = publisher.drain()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        publisher.close()
    if left or told:
        raise RuntimeError(f"{left} documents have not arrived at {publisher.name} ({told})")
    return wall, cpu


def _document(number: int) -> bytes:
    """Return the document of a frame with two objects, as a line."""
    box = {"left": 57, "top": 166, "width": 69, "height": 169}
    person = {"class_id": 2, "object_id": 1, "confidence": 0.88, "obj_label": "person", "rect_params": box}
    frame = {"frame_num": number, "buf_pts": number * 40_000_000, "stream_time": number * 40_000_000, "source_id": 0}
    frame |= {"timestamp": "2026-11-22T12:18:47.323+0100", "source_frame_width": 960, "source_frame_height": 540}
    frame |= {"source": "walkers.mp4", "object": [person | {"text_params": {"display_text": ""}, "classifier": []}] * 2}
    return json.dumps({"schema_version": 1, "frame": [frame]}, separators=(",", ":")).encode() + b"\n"


@contextmanager
def _serving(name: str) -> Iterator[str]:
    """Start a server in a process, and return its URI. Raises RuntimeError with what it printed."""
    folder = Path(mkdtemp(prefix=f"empycustom-{name}-"))
    folder.chmod(0o755)  # PostgreSQL may run as another user
    command = [sys.executable, "-m", __name__, name, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            uri = process.stdout.readline().strip()
            if not uri:
                raise RuntimeError(f"no server of {name} starts here; tools/setup.sh dev installs them")
            yield uri
        finally:
            process.stdin.close()
            process.wait(60)
            shutil.rmtree(folder)


def _serve(name: str, folder: Path) -> None:
    sys.path += [str(ROOT / "tests" / "publish"), str(ROOT / "tests")]
    from servers import SERVERS, Mqtt  # those of the tests

    class Forgetful(Mqtt):
        def command(self) -> list[str]:
            return [super().command()[0], "-p", str(self.port)]

    server = {**SERVERS, "forgetful": Forgetful}[name](folder)
    uris = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what servers print is no URI
    server.start()
    try:
        print(server.uri, file=uris, flush=True)
        sys.stdin.read()
    finally:
        server.stop()
        server.kill()


MEASURED: dict[str, Callable[[Workload, int], dict[str, float]]] = {"publish": _cost, "publish-destinations": _rates}

if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
