"""The workloads: what streams through a pipeline, and what is done with each buffer. Nothing here imports GStreamer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["stream", "memory", "start", "inside", "turns"]

# How a worker makes the regions of interest: the label of all, and where the n-th lies.
REGION_LABEL = "person"
CROP = 64  # pixels: the square whose mean is taken
CROP_LEFT, CROP_TOP = 96, 64


@dataclass(frozen=True)
class Workload:
    """One kind of stream and one kind of work."""

    name: str
    title: str
    work: str = "nothing"
    """What the hand-written contenders do with a buffer: a name in ``elements/work.py``."""
    format: str = "RGBA"
    width: int = 16
    height: int = 16
    buffers: int = 20_000
    """How many buffers a round has, over all streams."""
    quick: int = 200
    """The same with ``--quick``."""
    regions: int = 0
    """How many region-of-interest metas are on each buffer."""
    details: bool = False
    """Whether each region has a parameter structure ``detection``."""
    streams: int = 1
    """How many streams run at once in one pipeline."""
    kind: Kind = "stream"

    @property
    def caps(self) -> str:
        """The caps of the source."""
        return f"video/x-raw,format={self.format},width={self.width},height={self.height},framerate=30/1"

    def per_stream(self, quick: bool) -> int:
        """Return how many buffers each stream of a round has."""
        return (self.quick if quick else self.buffers) // self.streams


_OBJECTS = Workload("", "", "objects", "GRAY8", 320, 240)  # what the workloads with objects have in common
_PROCESSES = Workload("", "", "nothing", "RGBA", 1280, 720, kind="turns")

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("nothing", "a library that does nothing"),
        Workload("passed", "process-interval=1000000: buffers that are only passed"),
        Workload("pixels", "mean of a 64x64 region, 1280x720 RGBA", "pixels", "RGBA", 1280, 720, buffers=15_000),
        Workload(
            "pixels-1080p-i420", "mean of a 64x64 region of the luma, 1920x1080 I420", "luma", "I420", 1920, 1080, buffers=15_000
        ),
        Workload("pixels-written", "a 64x64 square is written, 1280x720 BGRx", "written", "BGRx", 1280, 720, buffers=15_000),
        replace(_OBJECTS, name="objects-0", title="the same elements as below, no objects"),
        replace(_OBJECTS, name="objects-10", title="10 objects are read", regions=10, buffers=5_000),
        replace(_OBJECTS, name="objects-100", title="100 objects are read", regions=100, buffers=800, quick=60),
        replace(
            _OBJECTS,
            name="objects-10-params",
            title="10 objects with confidence and class are read",
            work="details",
            regions=10,
            details=True,
            buffers=4_000,
        ),
        Workload("json", "one small attribute of the frame, and aimeta's document, written to /dev/null", buffers=15_000),
        replace(
            _OBJECTS, name="json-10", title="an attribute of each of 10 objects, and the document", regions=10, buffers=4_000
        ),
        Workload("attached", "one small attribute of the frame is attached, or one message", buffers=15_000),
        Workload("json-unread", "one small attribute of the frame, and an aimeta whose document nobody reads", buffers=15_000),
        replace(
            _OBJECTS,
            name="embeddings",
            title="an embedding of 512 float32 on each of 4 objects, and the document",
            regions=4,
            buffers=1_000,
            quick=60,
        ),
        replace(
            _OBJECTS,
            name="found-100",
            title="100 objects are found, read by the next library, and written as a document",
            buffers=400,
            quick=20,
        ),
        replace(
            _OBJECTS,
            name="keypoints-100",
            title="100 objects with 17 key points each are found, read by the next library, and written as a document",
            buffers=400,
            quick=20,
        ),
        Workload("two-elements", "two elements in a row that do nothing"),
        Workload("four-streams", "four streams at once in one process, nothing done", streams=4),
        Workload("memory", "resident memory in a long stream, nothing done", kind="memory", buffers=1_000_000, quick=2_000),
        Workload(
            "memory-json",
            "resident memory in a long stream, an attribute and documents",
            kind="memory",
            buffers=1_000_000,
            quick=1_000,
        ),
        Workload(
            "memory-workers",
            "resident memory of the pipeline and its 4 workers in a long stream",
            kind="memory",
            buffers=100_000,
            quick=1_000,
        ),
        Workload("start", "gst-launch-1.0 until one buffer has gone through", kind="start"),
        Workload("inside", "what costs what in a library", "nothing", "RGBA", 1280, 720, buffers=1_500, quick=40, kind="inside"),
        replace(
            _PROCESSES,
            name="workers-speed",
            title="20 ms of pure Python a frame: workers=2 to workers=0, and multiprocessing without frames beside them",
            buffers=100,
            quick=5,
        ),
        replace(
            _PROCESSES,
            name="workers-transport",
            title="a library that reads 64x64 pixels: what a worker adds to a frame, in copies of the frame",
            buffers=300,
            quick=20,
        ),
        replace(
            _PROCESSES,
            name="workers-live",
            title="a live source of 30 frames a second, 100 ms of pure Python a call, pace=latest",
            buffers=300,
            quick=30,
        ),
        Workload("publish", "CPU of a buffer with metapublish, beside aimeta and /dev/null", kind="turns", buffers=15_000),
        Workload("publish-destinations", "documents a second to servers on this machine", kind="turns", buffers=5_000, quick=100),
        replace(
            _PROCESSES,
            name="studio",
            title="a video of 720p30 in `studio`, beside `run`, unseen and watched",
            buffers=300,
            quick=30,
        ),
    )
}


def memory_marks(workload: Workload, quick: bool) -> list[int]:
    """Return after how many buffers the resident memory is looked at: a hundredth, a tenth, all."""
    last = workload.quick if quick else workload.buffers
    return [last // 100, last // 10, last]
