"""Frames for pools of workers, without an element."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from empycustom.buffers.callback import VIEWS, Borrowed
from empycustom.elements.frames import FrameFormat, FrameReader
from empycustom.elements.output import NewFrames
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import Library
from empycustom.model.wire import in_meta
from empycustom.native import shared
from empycustom.native.loading import gst
from empycustom.native.metas import VideoLayout, pts_at
from empycustom.runners.inline import InlineRunner
from empycustom.runners.processes import ProcessPool
from empycustom.runners.protocol import Job

CAPS = "video/x-raw,format=RGBA,width=16,height=8,framerate=30/1"
SIZE = 16 * 8 * 4


class Frames:
    """Frames of one stream, each black but for the number in its first byte, and jobs of them."""

    def __init__(self, caps: str = CAPS) -> None:
        self.reader = FrameReader()
        self.reader.format = FrameFormat(Gst.Caps.from_string(caps))
        self.memory = shared.SharedPool()  # as upstream has it that writes into ours
        self.wake = os.eventfd(0, os.EFD_NONBLOCK)

    def close(self) -> None:
        self.memory.close()
        os.close(self.wake)

    def buffer(self, *, ours: bool = False) -> int:
        """Return a buffer with one reference."""
        self.reader.number += 1
        made = Gst.Buffer.new_wrapped(bytes([self.reader.number % 256]) + bytes(self.reader.format.size - 1))
        made.pts, made.duration = self.reader.number * Gst.SECOND, Gst.SECOND
        if ours:
            address = self.memory.acquire(self.reader.format.size)
            shared.copy_frame(hash(made), address)
            return address
        shared.ref(hash(made))
        address = hash(made)
        del made
        return address

    def job(self, *, ours: bool = False, layout: tuple[list[int], list[int]] | None = None) -> Job:
        """Return a job with a frame; ``layout`` are offsets and strides for a GstVideoMeta."""
        address = self.buffer(ours=ours)
        if layout:
            name, width, height, _ = self.reader.format.described
            described = int(GstVideo.VideoFormat.from_string(name)), width, height
            shared.describe(address, VideoLayout(*layout), described)
        frame = self.reader.decode(address)
        frame.in_meta = in_meta(frame.frames, self.reader.format.buffer_info(frame.metas.layout), frame.attributes)
        return Job(frame, address)

    def run(self, pool: ProcessPool, *, ours: bool = False) -> tuple[Any, bytes]:
        """Run a frame; return its result, and the bytes that go downstream."""
        job = self.job(ours=ours)
        assert pool.submit(job, queue=True)
        try:
            return pool.collect(job, self.wake), content(job.buffer)
        finally:
            shared.unref(job.buffer)

    def run_inline(self, runner: InlineRunner) -> tuple[Any, bytes]:
        job = self.job()
        image = Borrowed().at(job.buffer)
        try:
            return runner.run(job.frame, image), content(job.buffer)
        finally:
            del image
            shared.unref(job.buffer)


@contextmanager
def started(path: Any, workers: int = 1, options: dict[str, Any] | None = None, events: Any = None) -> Iterator[ProcessPool]:
    """Start a pool for a library that works in place; it is stopped in the end."""
    pool = ProcessPool(str(path), in_place=True, workers=workers)
    pool.start(options or {}, events)
    try:
        yield pool
    finally:
        pool.stop()


def made_inline(frames: Frames, path: Any, target: FrameFormat) -> tuple[bytes, int] | None:
    """Return the content and the time of the frame that ``process`` makes in this thread; None: it is dropped."""
    library = Library.open(str(path), in_place=False, views=VIEWS)
    runner = InlineRunner(library)
    new_frames = NewFrames(library, lambda: None)
    new_frames.expect(frames.reader.format, target)
    runner.start({}, None)
    job, empty = frames.job(), gst.gst_buffer_new()
    shared.set_times(empty, shared.times_of(job.buffer))  # as GStreamer does before it asks for the frame
    image = Borrowed().at(job.buffer)
    try:
        result = runner.run(job.frame, image)
        if result is None or result.image[0] is None:
            return None
        new_frames.fill(job.buffer, empty, result.image, job.frame)
        return content(empty), pts_at(empty)[0]
    finally:
        runner.stop()
        new_frames.close()


def content(address: int) -> bytes:
    """Return all bytes of a buffer."""
    buffer = Borrowed().at(address)
    return bytes(buffer.extract_dup(0, buffer.get_size()))


def inline(path: Any, options: dict[str, Any] | None = None, events: Any = None) -> InlineRunner:
    """Return a runner of a library in this thread."""
    runner = InlineRunner(Library.open(str(path), in_place=True, views=VIEWS))
    runner.start(options or {}, events)
    return runner
