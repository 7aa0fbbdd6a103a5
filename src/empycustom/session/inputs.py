"""The input of ``empycustom.process``: videos that GStreamer reads, or NumPy arrays."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from empycustom.config.launch import FIRST
from empycustom.config.streams import plain_stream
from empycustom.elements.upstream import announce
from empycustom.errors import LaunchError, SourceError
from empycustom.gstreamer import Gst
from empycustom.library.explain import kind_of
from empycustom.session.excerpt import Newest, SkippedFrames, is_live
from empycustom.session.parts import Feeder, Report
from empycustom.session.playlist import Playlist, Single, sources_of
from empycustom.session.sources import SOURCE, describe_source, error_text
from empycustom.text import as_text

AHEAD = 2  # frames that are made before they are needed
_ARRAYS = {1: "GRAY8", 3: "RGB", 4: "RGBA"}  # by the number of channels
_FRAME_NS = Gst.SECOND // 30  # between arrays
_log = logging.getLogger("empycustom")


def _warn(text: str) -> None:
    _log.warning("%s", text)


class Input:
    """The base of what :func:`empycustom.process` plays. ``newest``: the queue behind it keeps only the newest frame.

    ``wait_ns`` is how long to wait for a frame between two calls of ``feed``.
    """

    wait_ns = 50 * Gst.MSECOND
    newest = False

    def tokens(self) -> Sequence[str]:
        """Return the beginning of the pipeline. Raises LaunchError."""
        raise NotImplementedError

    def attach(self, pipeline: Any) -> Feeder:
        """Attach to the elements of the pipeline; return what feeds it."""
        raise NotImplementedError

    def feed(self) -> None:
        """Push more frames if they are needed. Called in the thread of the program before it waits for a result."""

    def tick(self) -> None:
        """Do periodic work; called ten times a second, in another thread."""

    def error_of(self, report: Report) -> SourceError | None:
        """Return the error of the video, None if ``report`` is not about the video."""
        return SourceError(report.text) if f":{SOURCE}" in report.element else None

    def error_at_end(self) -> Exception | None:
        """Return the error that is raised after all frames, None if there is none."""
        return None


class Files(Input):
    """A video that GStreamer reads, or several files one after the other."""

    def __init__(self, names: list[str], *, every_frame: bool) -> None:
        try:
            self._sources = sources_of(plain_stream(names), _warn)
        except LaunchError as error:
            raise SourceError(str(error).replace("SOURCE", "video")) from None
        self._every, self.newest = every_frame, is_live(self._sources[0]) and not every_frame
        self._left_out, self._warned = SkippedFrames(), False
        self._broken: list[str] = []

    def tokens(self) -> Sequence[str]:
        """Return the beginning of the pipeline. Raises LaunchError."""
        return Playlist.tokens if len(self._sources) > 1 else describe_source(self._sources[0])

    def attach(self, pipeline: Any) -> Feeder:
        """Attach to the source."""
        first = pipeline.get_by_name(FIRST)
        self._pad = first.get_static_pad("sink")
        Newest(pipeline, self._left_out, every=self._every)
        if len(self._sources) > 1:
            self._feeder: Feeder = Playlist(pipeline, self._sources, self._skip_file)
        else:
            announce(first.get_static_pad("src"), self._sources[0].name)
            self._feeder = Single(pipeline, self._pad, self._sources[0])
        return self._feeder

    def tick(self) -> None:
        """Warn of skipped frames, once."""
        if self._left_out.count and not self._warned:
            self._warned = True
            _warn("Frames of this live source are left out while libraries or the program are busy; every_frame=True takes all.")

    def _skip_file(self, report: Report) -> None:
        self._broken.append(str(self.error_of(report) or report.text))
        _warn(self._broken[-1])

    def error_of(self, report: Report) -> SourceError | None:
        """Return the error of a file, None if ``report`` is not about one."""
        source = self._feeder.source_of(report.element)
        if source is None or f":{SOURCE}" not in report.element:
            return None
        error = SourceError(error_text(report, source, has_begun=self._pad.has_current_caps()))
        error.details = report.details
        return error

    def error_at_end(self) -> SourceError | None:
        """Return the error of the files that were skipped."""
        if not self._broken:
            return None
        broken = "; ".join(text.rstrip(".") for text in self._broken[:3])
        return SourceError(f"{len(self._broken)} of {len(self._sources)} files were left out, the others were played: {broken}.")


class Arrays(Input):
    """NumPy arrays, which are read from the iterable when they are needed, in the thread of the program."""

    wait_ns = 2 * Gst.MSECOND

    def __init__(self, arrays: Iterable[Any]) -> None:
        self._arrays = iter(arrays)
        self._given = 0
        self._ended = False
        self._error: Exception | None = None

    def tokens(self) -> Sequence[str]:
        """Return the beginning of the pipeline. Raises LaunchError."""
        return ["appsrc", f"name={SOURCE}", "format=time", "max-buffers=0", "max-bytes=0"]

    def attach(self, pipeline: Any) -> Feeder:
        """Attach to the source; no array is read yet."""
        pipeline.get_by_name(FIRST).set_property("max-size-buffers", AHEAD)
        self._source = pipeline.get_by_name(SOURCE)
        return Feeder()

    def feed(self) -> None:
        """Push as many arrays as the source has room for. An error ends the stream, and is raised after the frames before it."""
        while not self._ended and self._source.get_property("current-level-buffers") < AHEAD:
            sample = self._next()
            if sample:
                self._source.emit("push-sample", sample)
            else:
                self._ended = True
                self._source.emit("end-of-stream")

    def _next(self) -> Any:
        """Return the sample of the next array; None after the last one, and after an error, which is kept."""
        try:
            array = next(self._arrays, self)
            return None if array is self else self._sample(array)
        except Exception as error:  # noqa: BLE001 - the program's own
            self._error = error
            return None

    def error_at_end(self) -> Exception | None:
        """Return what the iterable raised, or the error of an array that is not a frame."""
        error, self._error = self._error, None
        return error

    def _sample(self, array: Any) -> Any:
        height, width, channels = self._shape_of(array)
        caps = f"video/x-raw,format={_ARRAYS[channels]},width={width},height={height},framerate=30/1"
        padded = np.zeros((height, -(-width * channels // 4) * 4), np.uint8)  # GStreamer's rows begin at multiples of 4
        padded[:, : width * channels] = array.reshape(height, width * channels)
        buffer = Gst.Buffer.new_wrapped(padded.tobytes())
        buffer.pts, buffer.duration = self._given * _FRAME_NS, _FRAME_NS
        self._given += 1
        return Gst.Sample.new(buffer, Gst.Caps.from_string(caps), None, None)

    def _shape_of(self, array: Any) -> tuple[int, int, int]:
        """Return height, width and the number of channels. Raises SourceError if the array is not a frame."""
        shape: tuple[int, ...] = getattr(array, "shape", ())
        height, width, channels = (*shape, 1) if len(shape) == 2 else shape if len(shape) == 3 else (0, 0, 0)
        if channels in _ARRAYS and height and width and array.dtype == np.uint8:
            return height, width, channels
        what = f"an array of {array.dtype} and the shape {shape}" if shape else f"a {kind_of(array)}"
        raise SourceError(
            f"Frame {self._given} is {what}; give arrays of uint8: (height, width) gray, (height, width, 3) RGB, or "
            "(height, width, 4) RGBA."
        )


def input_of(video: Any, *, every_frame: bool) -> Input:
    """Return the input for the argument ``video`` of process. Raises SourceError if it does not exist, or is not a video."""
    if isinstance(video, (str, PathLike)):
        video = [video]
    if isinstance(video, (list, tuple)) and video and all(isinstance(each, (str, PathLike)) for each in video):
        return Files([as_text(Path(each)) if isinstance(each, PathLike) else each for each in video], every_frame=every_frame)
    if isinstance(video, np.ndarray) and video.ndim in (2, 3):
        raise SourceError("video is one array, which is one frame; give a list, [array], or an array of four dimensions.")
    try:
        return Arrays(video)
    except TypeError:
        raise SourceError(f"video is a {kind_of(video)}; give a file, a URI, a list of files, or arrays.") from None
