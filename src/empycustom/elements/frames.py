"""What an element itself knows about the frames that pass: their number, time, size and layout, and which are its library's."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import time_ns
from typing import Any, cast

from empycustom.carriers.protocol import Carrier, Frame
from empycustom.carriers.tables import carriers
from empycustom.elements.upstream import NO_TIME, StreamTime, beginning_of, stream_time_in, unknown_time
from empycustom.errors import FrameError, MetadataError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.model import values as model
from empycustom.model.carried import Form, as_json
from empycustom.model.gva import values_in
from empycustom.model.serialize import assemble, decode
from empycustom.model.values import name_frames
from empycustom.model.wire import document, frame_dict, in_meta
from empycustom.native.gva import can_add_messages
from empycustom.native.metas import VideoLayout, pts_at
from empycustom.native.own_metas import NO_METAS, Metas, add_stamp, metas_on

_NVMM = "memory:NVMM"


class _NoFormat:
    """What is known of frames before there are caps."""

    def __getattr__(self, _name: str) -> Any:
        raise FrameError(
            "buffers come without caps, so nothing is known of their frames; put caps behind the source that makes them, such as "
            "'video/x-raw,format=RGBA,width=640,height=480,framerate=30/1'"
        )


class FrameReader:
    """Decodes the frames of one stream.

    ``number`` is that of the last buffer: whoever sees a buffer adds 1, and where an element upstream gave it another number,
    that is gone on from, because frames may be dropped in between. ``source`` is the name of what they come from, if known.
    """

    format = cast("FrameFormat", _NoFormat())  # until there are caps
    _stream_time: StreamTime
    _beginning: int | None
    _segment: Any

    def __init__(self) -> None:
        self._carriers = carriers()
        self._plain = self._carriers[-1]
        self.number = self._last_number = -1
        self.form: Form = as_json  # of objects in documents
        self.restart()

    def restart(self) -> None:
        """Begin a stream: the next number is 0, and times are not known before its segment."""
        for carrier in self._carriers:
            carrier.writes_messages = can_add_messages()
        if self.number >= 0:  # else that stream had no frame
            self._last_number = self.number
        self.number = -1
        self.source: str | None = None
        self._stream_time, self._beginning, self._segment = unknown_time, None, None

    def set_source(self, source: str, beginning: int | None) -> None:
        """Set the source of the frames; ``beginning``: the stream time at which its video begins, None: that of its segment."""
        self.source = source
        if beginning is not None and self._segment:
            self._beginning = beginning
            self._stream_time = stream_time_in(self._segment, beginning)

    def continue_numbers(self) -> None:
        """Continue the numbers of the stream before: the one that has just begun is more of it."""
        if self.number < 0:  # a second call changes nothing
            self.number = self._last_number

    def set_segment(self, segment: Any, pad: Any) -> None:
        """Calculate the times of frames with a GstSegment, which came to a sink pad, from now on."""
        self._segment = segment.copy()  # which outlives its event
        if self._beginning is None:  # those after it may be of a seek
            self._beginning = beginning_of(segment, pad)
        self._stream_time = stream_time_in(segment, self._beginning)

    def running_time(self, address: int) -> int:
        """Return the running time of a buffer in nanoseconds, which rises also where a video begins again; -1: not known."""
        segment = self._segment
        if segment is None or segment.format != Gst.Format.TIME:
            return -1
        time: int = segment.to_running_time(Gst.Format.TIME, pts_at(address)[0])
        return -1 if time == NO_TIME else time

    def publish_messages(self, wanted: bool) -> None:
        """Let attributes be messages for a broker as well, where a carrier knows how."""
        for carrier in self._carriers:
            carrier.msg_blob = wanted

    def decode(self, address: int) -> Frame:
        """Decode the buffer at ``address``, which was counted. Raises MetadataError."""
        now, metas = time_ns(), metas_on(address)
        frame = self.format.frame(pts_at(address)[0], self.number, now, self._stream_time, self.source)
        return self._decoded(self._carrier_of(metas) if metas.others else self._plain, metas, frame, now)

    def read(self, address: int) -> Frame:
        """Decode the buffer at ``address``, which was counted, for a callback: with ``in_meta``. Raises MetadataError."""
        frame = self.decode(address)
        if frame.metas.others:
            frame.carrier.add_arrays(frame)
        frame.in_meta = in_meta(frame.frames, self.format.buffer_info(frame.metas.layout), frame.attributes)
        return frame

    def _decoded(self, carrier: Carrier, metas: Metas, frame: model.Frame, now: int, *, as_json: bool = False) -> Frame:
        try:
            decoded = carrier.decode(metas, frame, now, as_json=as_json)
        except MetadataError as error:
            error.frame = error.frame or name_frames([frame])
            raise
        if decoded.has_frame_number:
            self.number = decoded.frame_num
        return decoded

    def _carrier_of(self, metas: Metas) -> Carrier:
        return next(carrier for carrier in self._carriers if carrier.accepts(metas))

    def document(self, address: int, report: Callable[[Frame], None], *, is_read: bool = False) -> Document:
        """Return the document of the buffer at ``address``, which was counted; it stays that of this buffer.

        What lies on the buffer is kept, and decoded when somebody reads the document, unless it has to be looked at now, or
        ``is_read``, which means that it will be; then ``report`` sees the frame. Raises MetadataError.
        """
        now, metas = time_ns(), metas_on(address)
        carrier = self._carrier_of(metas) if metas.others else self._plain
        kept = None if is_read else carrier.keep(address, metas, (self.format.width, self.format.height))
        known = (pts_at(address)[0], self.number, now, self._stream_time, self.source)
        if kept is None:
            frame = self._decoded(carrier, metas, self.format.frame(*known), now, as_json=True)
            self.stamp(address, frame)
            if frame.warnings or frame.doubts:
                report(frame)
            return Document(frame, self.form)
        number, metas = kept
        if number is not None:
            self.number = number
        else:  # unless another branch of a tee has it, too
            add_stamp(address, self.number, now)
        return Document(None, self.form, (self.format, known, carrier, metas, report))

    def name(self, address: int) -> str:
        """Name the frames of the buffer that was decoded last. It is decoded anew: a library may have changed what it got."""
        try:
            return name_frames(self.decode(address).frames)
        except MetadataError as error:
            return error.frame

    def stamp(self, address: int, frame: Frame) -> None:
        """Let the buffer that was decoded last carry its number and time, if it does not yet, and can be written."""
        if not frame.has_frame_number:
            add_stamp(address, frame.frame_num, frame.time_ns)

    def discard(self, address: int) -> None:
        """Take off a writable buffer what cannot be decoded, and pass it on."""
        self._carrier_of(metas_on(address)).discard(address)
        self.pass_on(address)

    def pass_on(self, address: int) -> None:
        """Let a buffer that was counted, and is not decoded, carry its number and time."""
        metas = metas_on(address)
        number = None if metas is NO_METAS else self._carrier_of(metas).number_in(metas)
        if number is not None:
            self.number = number
        else:
            add_stamp(address, self.number, time_ns())


class IntervalGate:
    """Choose which buffers are processed: the first, and from there every n-th. ``interval`` (n) may change at any time."""

    def __init__(self) -> None:
        self.interval = 1
        self._wait = 0

    def restart(self) -> None:
        """Begin anew: the next buffer is to be processed."""
        self._wait = 0

    def should_process(self) -> bool:
        """Count a buffer, and return whether it is to be processed."""
        wait, interval = self._wait - 1, self.interval
        if 0 < wait < interval:
            self._wait = wait
            return False
        if 1 < interval <= wait:  # it was made shorter meanwhile
            self._wait = interval - 1
            return False
        self._wait = interval
        return True


class Document:
    """The document of one buffer, which is made when it is read: of its decoded ``frame``, or of what was kept of it.

    Several threads may ask.
    """

    __slots__ = ("_form", "_json", "_kept", "frame")

    def __init__(self, frame: Frame | None, form: Form, kept: tuple[Any, ...] | None = None) -> None:
        self.frame, self._form, self._kept = frame, form, kept
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The document as JSON in UTF-8, as :func:`~empycustom.model.serialize.assemble` makes it."""
        made = self._json
        if made is None:
            kept, frame = self._kept, self.frame
            if frame is None and kept is not None:
                frame_format, known, carrier, metas, report = kept
                self.frame = frame = carrier.decode(metas, frame_format.frame(*known), known[2], as_json=True)
                report(frame)
            assert frame is not None, "there is a frame, or what it is made of"
            made = self._json = assemble(document(frame.frames, frame.attributes, self._form))
            self._kept = None
        return made

    @property
    def text(self) -> str:
        """The document as JSON."""
        return self.json.decode().lstrip()

    def values(self) -> dict[str, Any]:
        """Return the document as a dict."""
        return decode(self.json)  # type: ignore[no-any-return]


class Messages:
    """A document as the messages of DL Streamer, which are made when they are read."""

    __slots__ = ("_document", "_texts")

    def __init__(self, document: Document) -> None:
        self._document = document
        self._texts: list[bytes] | None = None

    def values(self) -> list[Any]:
        """Return the messages, as they stand in ``messages`` of attributes."""
        return [*values_in(self._document.values())]

    @property
    def texts(self) -> list[bytes]:
        """All messages, each as JSON in UTF-8; a text that is not a JSON object or array is a JSON string."""
        made = self._texts
        if made is None:
            made = self._texts = [*map(assemble, self.values())]
        return made

    @property
    def text(self) -> str:
        """The messages, one a line."""
        return "\n".join(text.decode().lstrip() for text in self.texts)


class FrameFormat:
    """The negotiated caps, as ``in_meta`` has them.

    ``caps`` is their text, ``info`` the GstVideoInfo, ``size`` that of a frame in bytes; ``text`` is for messages.
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
            "framerate": f"{info.fps_n}/{info.fps_d}",
            "planes": [],
        }
        # How long a frame lasts, in nanoseconds; infinite where the caps do not have it.
        self.duration_ns: float = info.fps_d * Gst.SECOND / info.fps_n if info.fps_n else inf

    def frame(self, pts: int, number: int, time_ns: int, stream_time: StreamTime, source: str | None) -> model.Frame:
        """Return what is known of the frame of a buffer before its metadata is read.

        ``stream_time`` is asked about its pts; ``source`` is what it comes from, None: not known.
        """
        time = model.timestamp_of_ms(time_ns // 1_000_000)
        size = self.width, self.height
        return frame_dict(number, pts if pts != NO_TIME else model.NO_PTS, stream_time(pts), time, 0, size, source)

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
