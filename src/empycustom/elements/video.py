"""What ``empycustom`` and ``aimeta`` have in common: reading what video buffers carry, in step with each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from empycustom.carriers.protocol import Reading
from empycustom.elements.borders import adds_borders
from empycustom.elements.failures import post_info, post_warning
from empycustom.elements.frames import FrameFormat, FrameReader
from empycustom.elements.origin import origin_in
from empycustom.elements.transform import FLOW_EOS, WARNING, PyTransform, guarded
from empycustom.errors import DebuggerLeftError, MetadataError, StreamEndedError
from empycustom.frames.layout import FORMATS
from empycustom.gstreamer import Gst, GstBase
from empycustom.library.leaving import at_fault
from empycustom.library.tracing import be_traced
from empycustom.meta.compact import dumps
from empycustom.native.objects import listens_to

_BORDERS = (
    "{0} upstream adds borders to the frames, and GStreamer scales boxes as if there were none: boxes that were found before it "
    "lie beside their objects; set add-borders=false on {0}"
)
VIDEO_CAPS = f"video/x-raw, format={{ {', '.join(FORMATS)} }}; video/x-raw(memory:NVMM), format={{ RGBA, NV12 }}"


def _nothing_more(*_given: Any) -> int:
    """Take no buffer."""
    return FLOW_EOS


class Every:
    """Says which buffers are due: the first, and from there every n-th. ``interval`` (n) may change at any time."""

    def __init__(self) -> None:
        self.interval = 1
        self._wait = 0

    def restart(self) -> None:
        """Begin anew: the next buffer is due."""
        self._wait = 0

    def due(self) -> bool:
        """Count a buffer, and say whether it is due."""
        wait, interval = self._wait - 1, self.interval
        if 0 < wait < interval:
            self._wait = wait
            return False
        if 1 < interval <= wait:  # it was made shorter meanwhile
            self._wait = interval - 1
            return False
        self._wait = interval
        return True


class VideoTransform(PyTransform):
    """Base of the elements that read the metadata of frames.

    ``last_meta`` is what the property ``last-meta`` tells: plain values or JSON, or None. A subclass names its ``signal``; it has
    ``new-meta`` as well.
    """

    __gtype_name__ = "GstEmPyVideoTransform"
    signal: ClassVar[str]

    def __init__(self) -> None:
        self.frames = FrameReader()
        self.every = Every()
        self.last_meta: Any = None
        self.told: set[Any] = set()  # what has been said once, on the bus or in the log
        self._until_end: tuple[Any, Any] | None = None  # what worked on buffers until the library ended the stream
        super().__init__()

    def begin(self) -> None:
        """Begin a stream: numbers from 0, nothing said yet."""
        self.frames.restart()
        self.every.restart()
        self.last_meta = None
        self._until_end = None
        self.told.clear()
        self._signal_is_heard = listens_to(hash(self), self.signal)
        self._new_meta_is_heard = listens_to(hash(self), "new-meta")

    def end(self) -> None:
        """End the stream."""
        self.frames.stop()

    def heed(self, reading: Reading, address: int) -> None:
        """Tell, once, what was remarkable about the buffer at ``address``."""
        self.complain(reading.complaints, address)
        if reading.reshaped and _BORDERS not in self.told:
            self.told.add(_BORDERS)
            name = adds_borders(self.sinkpad)
            if name:
                post_warning(self, MetadataError(_BORDERS.format(name)))

    def complain(self, complaints: Sequence[str], address: int = 0) -> None:
        """Write sentences to the debug log, each once, and with the frame where it is that of the buffer at ``address``."""
        for complaint in complaints:
            if complaint not in self.told:
                self.told.add(complaint)
                first = f" (first at {self.frames.name(address)})" if address else ""
                self.log(WARNING, f"{complaint}{first}", "complain")

    def last_text(self) -> str | None:
        """The last meta as JSON."""
        meta = self.last_meta
        return meta if meta is None or type(meta) is str else dumps(meta)

    def tell(self) -> None:
        """Emit the signal, and ``new-meta`` with the last meta as text, as far as anybody listens."""
        if self._signal_is_heard():
            be_traced()
            self.emit(self.signal)
        if self._new_meta_is_heard():
            be_traced()
            self.emit("new-meta", self.last_text())

    def computed(self, name: str) -> Any:
        """Return the properties that are made when they are asked for."""
        if name == "last-meta":
            return self.last_text()
        return super().computed(name)

    def expect(self, caps: Any) -> FrameFormat:
        """Get ready for frames of these caps, and return their format."""
        frame_format = FrameFormat(caps)
        self.frames.expect(frame_format)
        return frame_format

    @guarded(False)
    def do_set_caps(self, incaps: Any, _outcaps: Any) -> bool:
        self.expect(incaps)
        return True

    def end_stream(self, why: StreamEndedError) -> int:
        """Say why the stream ends here, finish what is downstream, and take no more buffers; return the GstFlowReturn."""
        post_info(self, why)
        self._until_end = self.work, self.work_between
        self.call(_nothing_more, _nothing_more)
        self.srcpad.push_event(Gst.Event.new_eos())
        return FLOW_EOS

    def failed(self, error: BaseException) -> int:
        """Tell what the work on a buffer raised: also that somebody left a debugger, which ends the stream well."""
        found = at_fault(error)
        return self.end_stream(found) if isinstance(found, DebuggerLeftError) else super().failed(found)

    def do_sink_event(self, event: Any) -> bool:
        if self._until_end:
            if event.type == Gst.EventType.FLUSH_STOP:  # whoever seeks wants to see more
                self.call(*self._until_end)
                self._until_end = None
            elif event.type & Gst.EventTypeFlags.SERIALIZED:
                return True  # nothing comes behind the end
        if event.type == Gst.EventType.STREAM_START:
            self.frames.restart()
        elif event.type == Gst.EventType.SEGMENT:
            self.frames.follow(event.parse_segment(), self.sinkpad)
        elif origin := origin_in(event):
            self.frames.come_from(*origin)
            self.frames.go_on()
        return bool(GstBase.BaseTransform.do_sink_event(self, event))
