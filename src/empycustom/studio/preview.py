"""Pictures of a stream while it plays, each with its document: made when somebody wants one, at no cost for other frames."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.model.keys import FRAME_NUM, FRAMES
from empycustom.model.serialize import dumps, loads
from empycustom.session.branch import Branch
from empycustom.session.parts import build
from empycustom.session.sinks import GATE, PREVIEW

LONGEST_SIDE = 1920  # of a picture; larger frames are scaled
_QUALITY = 80
_WAIT_S = 0.2  # for a frame
_ENCODING = 5 * Gst.SECOND  # at most
_IDLE_S = 1.0  # after that nobody watches
_RETRY_S = 0.05
_HISTORY_S, _HISTORY_BYTES = 10.0, 32 << 20
_FULL_RANGE = "colorimetry=(string)1:4:0:0"  # as JPEG has it: else black is gray, because jpegenc does not convert
_SMALLER = f"width=(int)[1,{LONGEST_SIDE}],height=(int)[1,{LONGEST_SIDE}],pixel-aspect-ratio=1/1"


@dataclass(frozen=True)
class Picture:
    """A frame as JPEG, with its document, which is JSON.

    ``number`` counts the frames of the stream, ``width`` and ``height`` are pixels of the frame that the document is about; the
    JPEG may be smaller. ``at_s`` is the time of the clock ``time.monotonic`` when it was made.
    """

    stream: str
    number: int
    width: int
    height: int
    document: str
    jpeg: bytes
    at_s: float

    def message(self) -> bytes:
        """Return it as one message: the length of a header in 4 bytes (big endian), the header (JSON), the JPEG."""
        about = f'"number":{self.number},"width":{self.width},"height":{self.height}'
        header = f'{{"stream":{dumps(self.stream)},{about},"document":{self.document}}}'.encode()
        return len(header).to_bytes(4, "big") + header + self.jpeg


class Preview:
    """Makes pictures of one stream, in a thread of its own; ``deliver`` gets each there.

    Any thread may call its methods. ``history`` has the pictures of the last seconds. ``problem`` is why there are none, ``""``.
    """

    def __init__(self, stream: str, deliver: Callable[[Picture], None]) -> None:
        self.stream, self._deliver = stream, deliver
        self.history: deque[Picture] = deque()
        self._kept = 0  # bytes of it
        self.problem = ""
        self._branch: Branch | None = None
        self._sink: Any = None  # the element that has the newest frame
        self._count = 0
        self._document: tuple[int, str] | None = None  # of the frame that comes next to the sink, in the same thread
        self._newest: tuple[Any, int, str] | None = None  # a frame that was not shown, with its number and document
        self._held: tuple[Any, int, str] | None = None  # one that caused an error, which is shown first
        self._cause: int | None = None  # its frame_num, until it comes
        self._has_come = threading.Event()
        self._is_open = False
        self._wanted = threading.Event()
        self._is_closed = False
        self._encoder: _Encoder | None = None
        self._thread = threading.Thread(target=self._run, name="empycustom preview", daemon=True)
        self._thread.start()

    def attach(self, branch: Branch | None) -> None:
        """Show this stream from now on; None: nothing."""
        self._is_open, self._document, self._cause = False, None, None
        self._branch = branch

    def note(self, document: str) -> None:
        """Keep the document of a frame, which comes before its frame does, in the same thread."""
        self._count += 1
        if self._is_open:  # else its frame does not come to the sink, and a later one, which has none, would be taken for it
            self._document = self._count, document

    def hold(self, frame_num: int) -> None:
        """Let a frame that comes be among those that are shown; called in its thread, before it comes."""
        if self._is_open:
            self._cause = frame_num

    def want(self) -> None:
        """Let one picture be made."""
        self._wanted.set()

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._wanted.set()
        self._thread.join(10)

    def recent(self) -> list[Picture]:
        """Return the pictures of the last seconds, oldest first."""
        return list(self.history)

    def _run(self) -> None:
        while not self._is_closed:
            if not self._wanted.wait(_IDLE_S):
                self._ignore_frames()
                self._wanted.wait()
            elif picture := self._next():
                self._wanted.clear()
                self._keep(picture)
                self._deliver(picture)
        if self._encoder:
            self._encoder.close()

    def _keep(self, picture: Picture) -> None:
        self.history.append(picture)
        self._kept += len(picture.jpeg)
        while self._kept > _HISTORY_BYTES or picture.at_s - self.history[0].at_s > _HISTORY_S:
            self._kept -= len(self.history.popleft().jpeg)

    def _elements(self) -> tuple[Any, Any]:
        """Return the elements that let frames through, and that have the newest one; None where nothing plays."""
        branch = self._branch
        outlet = branch.outlet if branch else None
        return (outlet.bin.get_by_name(GATE), outlet.bin.get_by_name(PREVIEW)) if outlet else (None, None)

    def _ignore_frames(self) -> None:
        gate, _ = self._elements()
        self._is_open, self._document = False, None
        if gate:
            gate.set_property("drop", True)
        self._newest = self._held = None  # they would keep buffers, which upstream may need

    def _take_frame(self, sink: Any) -> Any:
        """Keep a frame in the place of the one before; called in the thread in which it and its document come."""
        sample, document = sink.emit("try-pull-sample", 0), self._document
        self._document = None
        if sample and document:  # else `aimeta` makes documents of some frames alone
            self._newest = newest = sample, *document
            if self._cause is not None:
                self._look_for(self._cause, newest)
            self._has_come.set()
        return Gst.FlowReturn.OK

    def _look_for(self, cause: int, frame: tuple[Any, int, str]) -> None:
        number = loads(frame[2])[FRAMES][0][FRAME_NUM]
        if number == cause:
            self._held = frame
        if number >= cause:  # a later one: it was dropped
            self._cause = None

    def _next(self) -> Picture | None:
        """Return a picture of the newest frame that was not shown yet; None: none has come for a moment."""
        gate, sink = self._elements()
        if sink is None:
            time.sleep(_RETRY_S)
            return None
        if sink != self._sink:  # another session, or the source came back
            self._sink = sink
            sink.set_property("emit-signals", True)
            sink.connect("new-sample", self._take_frame)
        if gate.get_property("drop") or not self._is_open:
            gate.set_property("drop", False)
            self._document, self._is_open = None, True
        self._has_come.wait(_WAIT_S)
        self._has_come.clear()
        held, self._held = self._held, None
        frame = held or self._newest
        if frame is self._newest:  # else a newer one has come, which is the next
            self._newest = None
        return self._picture(*frame) if frame else None

    def _picture(self, sample: Any, number: int, document: str) -> Picture | None:
        info = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
        try:
            jpeg = self._encode(sample)
        except LaunchError as error:
            self.problem = str(error)
            time.sleep(_IDLE_S)
            return None
        self.problem = ""
        return Picture(self.stream, number, info.width, info.height, document, jpeg, time.monotonic())

    def _encode(self, sample: Any) -> bytes:
        caps = sample.get_caps()
        if self._encoder is None or not self._encoder.caps.is_equal(caps):
            if self._encoder:
                self._encoder.close()
            self._encoder = None
            self._encoder = _Encoder(caps)
        try:
            return self._encoder.encode(sample)
        except LaunchError:
            self._encoder.close()
            self._encoder = None
            raise


class _Encoder:
    """Makes JPEGs of frames with ``caps``. Raises LaunchError."""

    def __init__(self, caps: Any) -> None:
        self.caps = caps
        # nvvideoconvert brings frames out of the GPU's memory, and does not know the range of JPEG.
        is_on_gpu = caps.get_features(0).contains("memory:NVMM")
        converter = "nvvideoconvert ! video/x-raw ! videoconvert" if is_on_gpu else "videoconvert"
        self._pipeline = build(
            f"appsrc name=in format=time max-buffers=2 ! {converter} ! videoscale "
            f"! video/x-raw,format=I420,{_FULL_RANGE},{_SMALLER} ! jpegenc quality={_QUALITY} ! appsink name=out sync=false"
        )
        self._in, self._out = self._pipeline.get_by_name("in"), self._pipeline.get_by_name("out")
        self._in.set_property("caps", caps)
        self._pipeline.set_state(Gst.State.PLAYING)

    def encode(self, sample: Any) -> bytes:
        self._in.emit("push-buffer", sample.get_buffer())
        made = self._out.emit("try-pull-sample", _ENCODING)
        if made is None:
            message = self._pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
            why = message.parse_error()[0].message if message else f"the encoder does not answer for {_ENCODING // Gst.SECOND} s"
            raise LaunchError(f"frames of {self.caps.to_string()} cannot be shown: {why}")
        buffer = made.get_buffer()
        jpeg: bytes = buffer.extract_dup(0, buffer.get_size())
        return jpeg

    def close(self) -> None:
        self._pipeline.set_state(Gst.State.NULL)
