"""What an element itself knows about the frames that pass: their number, time, size and layout."""

from __future__ import annotations

from math import inf
from time import time_ns
from typing import Any, ClassVar, cast

from empycustom.carriers.deepstream import DeepStreamCarrier, batch_on
from empycustom.carriers.plain import PlainCarrier
from empycustom.carriers.protocol import Carrier, Reading
from empycustom.elements.upstream import NO_TIME, StreamTime, beginning_of, stream_time_in, unknown
from empycustom.errors import FrameError, MetadataError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.model import values as model
from empycustom.model.values import name_frames
from empycustom.native.metas import VideoLayout, pts_at, scan

_NVMM = "memory:NVMM"


class _NoFormat:
    """What is known of frames before there are caps."""

    def frame(self, *_: int) -> model.Frame:
        raise FrameError(
            "buffers come without caps, so nothing is known of their frames; put caps behind the source that makes them, such as "
            "'video/x-raw,format=RGBA,width=640,height=480,framerate=30/1'"
        )


class FrameReader:
    """Reads the frames of one stream.

    ``number`` is that of the last buffer: whoever sees a buffer adds 1, and where an element upstream gave it another number,
    that is gone on from, because frames may be dropped in between. ``source`` is the name of what they come from, if known.
    ``carrier`` is the one for the last buffer, ``deepstream`` that of buffers with a batch.
    """

    format = cast("FrameFormat", _NoFormat())  # until expect()
    _stream_time: StreamTime
    _beginning: int | None
    _segment: Any
    _started: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self.carrier: Carrier = PlainCarrier()
        self._plain = self.carrier
        self.deepstream = DeepStreamCarrier()
        self.number = self._last_number = -1
        self.restart()

    def restart(self) -> None:
        """Begin a stream: the next number is 0, and times are not known before its segment."""
        if self.number >= 0:  # else that stream had no frame
            self._last_number = self.number
        self.number = -1
        self.source: str | None = None
        self._stream_time, self._beginning, self._segment = unknown, None, None

    def come_from(self, source: str, beginning: int | None) -> None:
        """Know the source of the frames; ``beginning`` is the stream time at which its video begins, None: see :meth:`follow`."""
        self.source = source
        if beginning is not None and self._segment:
            self._beginning = beginning
            self._stream_time = stream_time_in(self._segment, beginning)

    def go_on(self) -> None:
        """Take the stream that has just begun for more of the one before: the numbers go on."""
        if self.number < 0:  # it may be said once more
            self.number = self._last_number

    def expect(self, frame_format: FrameFormat) -> None:
        """Get ready for frames of a format. From now on other readers of this process let buffers carry their numbers."""
        self.format = frame_format
        self._started.add(id(self))

    def follow(self, segment: Any, pad: Any) -> None:
        """Take the times of frames by a GstSegment, which came to a sink pad, from now on."""
        self._segment = segment
        if self._beginning is None:  # those after it may be of a seek
            self._beginning = beginning_of(segment, pad)
        self._stream_time = stream_time_in(segment, self._beginning)

    def stop(self) -> None:
        """Read no more."""
        self._started.discard(id(self))

    @classmethod
    def number_all(cls) -> None:
        """Let buffers carry their numbers from now on, whoever reads them: a program may do so, at any place."""
        cls._started |= {0, 1}  # the ids of no readers

    def read(self, address: int) -> Reading:
        """Read the buffer at ``address``, which was counted."""
        now = time_ns()
        frame = self.format.frame(address, self.number, now, self._stream_time, self.source)
        metas = scan(address)
        if metas:
            self.carrier = self.deepstream if batch_on(metas) else self._plain
            try:
                reading = self.carrier.read(metas, frame)
            except MetadataError as error:
                error.frame = error.frame or name_frames([frame])
                raise
        else:
            self.carrier = self._plain
            reading = Reading(frame)
        reading.time_ns = now
        if reading.numbered:
            self.number = reading.frame_num
        return reading

    def name(self, address: int) -> str:
        """Name the frames of the buffer that was read last. It is read anew: a library may have changed what it got."""
        try:
            return name_frames(self.read(address).frames)
        except MetadataError as error:
            return error.frame

    def stamp(self, address: int, reading: Reading) -> None:
        """Let the buffer that was read last carry its number and time, if it does not yet and anybody else may want to know."""
        if not reading.numbered and len(self._started) > 1:
            self.carrier.stamp(address, reading.frame_num, reading.time_ns)

    def discard(self, address: int) -> None:
        """Take off a writable buffer what could not be read, and pass it on."""
        self.carrier.discard(address)
        self.pass_on(address)

    def pass_on(self, address: int) -> None:
        """The same for a buffer that was counted and is not read."""
        if len(self._started) < 2:
            return
        metas = scan(address)
        carrier = self.deepstream if batch_on(metas) else self._plain
        number = carrier.number_in(metas)
        if number is None:
            carrier.stamp(address, self.number, time_ns())
        else:
            self.number = number


class FrameFormat:
    """The negotiated caps, as ``in_meta`` tells them.

    ``caps`` is their text, ``info`` the GstVideoInfo, ``size`` that of a frame in bytes; ``text`` tells people what they are.
    ``described`` are format, width, height and interlace mode.
    """

    def __init__(self, caps: Any) -> None:
        info = GstVideo.VideoInfo.new_from_caps(caps)
        self.caps: str = caps.to_string()
        self.info = info
        finfo = info.finfo
        features = caps.get_features(0)
        self.format: str = finfo.name
        self.width, self.height = int(info.width), int(info.height)
        self.memory = "NVMM" if features is not None and features.contains(_NVMM) else "CPU"
        self.interlace_mode: str = GstVideo.VideoInterlaceMode.to_string(info.interlace_mode)
        self.described = (self.format, self.width, self.height, self.interlace_mode)
        self.size, self.text = int(info.size), f"{self.format} of {self.width}x{self.height}"
        self._planes: list[model.Plane] = [
            {
                "offset": int(info.offset[plane]),
                "stride": int(info.stride[plane]),
                "width": _subsampled(self.width, finfo.w_sub[_component(finfo, plane)]),
                "height": _subsampled(self.height, finfo.h_sub[_component(finfo, plane)]),
            }
            for plane in range(finfo.n_planes)
        ]
        self._is_packed = len(self._planes) == 1
        self._info: model.BufferInfo = {
            "format": self.format,
            "width": self.width,
            "height": self.height,
            "memory": self.memory,
            "interlace_mode": self.interlace_mode,
            "planes": [],
        }
        # How long a frame lasts, in nanoseconds; without end where the caps do not say it.
        self.duration_ns: float = info.fps_d * Gst.SECOND / info.fps_n if info.fps_n else inf

    def frame(self, address: int, number: int, time_ns: int, stream_time: StreamTime, source: str | None) -> model.Frame:
        """Return what is known of the frame of a buffer before its metadata is read.

        ``stream_time`` is asked about its pts; ``source`` is what it comes from, None: not known.
        """
        (pts,) = pts_at(address)
        frame: Any = {
            "frame_num": number,
            "buf_pts": pts if pts != NO_TIME else model.NO_PTS,
            "stream_time": stream_time(pts),
            "timestamp": model.timestamp_of_ms(time_ns // 1_000_000),
            "source_id": 0,
            "source_frame_width": self.width,
            "source_frame_height": self.height,
        }
        if source is not None:
            frame["source"] = source
        frame["object"] = []
        return frame  # type: ignore[no-any-return]

    def buffer_info(self, layout: VideoLayout | None) -> model.BufferInfo:
        """Return how the pixels of a buffer are laid out: the ``layout`` of its own GstVideoMeta goes before the caps."""
        info = self._info.copy()
        info["planes"] = planes = [self._planes[0].copy()] if self._is_packed else [plane.copy() for plane in self._planes]
        if layout is not None:
            for plane, offset, stride in zip(planes, layout.offsets, layout.strides, strict=False):
                plane["offset"], plane["stride"] = offset, stride
        return info


def _component(finfo: Any, plane: int) -> int:
    """Return the first colour component that lies in a plane."""
    return int(next(index for index in range(finfo.n_components) if finfo.plane[index] == plane))


def _subsampled(length: int, shift: int) -> int:
    return -(-length >> shift)
