"""``aimeta``: gathers the metadata on a buffer into one JSON document, emits it as a signal, and writes it to outputs."""

from __future__ import annotations

from typing import Any

from empycustom.carriers.messages import set_messages
from empycustom.elements.base import (
    FLOW_ERROR,
    FLOW_OK,
    INFO,
    LOG,
    VIDEO_CAPS,
    VideoTransform,
    always_templates,
    install_fast_path,
)
from empycustom.elements.failures import post_error, post_warning
from empycustom.elements.frames import Messages
from empycustom.elements.properties import Property, gproperties, install, refuse_started, structure_of
from empycustom.elements.upstream import StreamWaiter
from empycustom.errors import PathError, PropertyError
from empycustom.gstreamer import GObject, Gst
from empycustom.library.callbacks import trace_this_thread
from empycustom.model.arrays import EMBEDDINGS
from empycustom.model.carried import FORMS
from empycustom.native.gva import can_add_messages
from empycustom.native.objects import DebugCategory
from empycustom.outputs.queued import QueuedOutput, reason
from empycustom.outputs.table import ConsoleOutput, FileOutput, Output, as_line, output_for
from empycustom.text import not_for_lines

PROPERTIES = (
    Property(
        name="silent",
        kind=bool,
        default=True,
        live=True,
        blurb="With false, each document is also printed to the console and written to the debug log",
    ),
    Property(name="last-meta", kind=str, writable=False, blurb="The last document, as JSON"),
    Property(name="signal-aimetas", kind=bool, default=True, live=True, blurb="Emit the signals"),
    Property(
        name="signal-interval",
        kind=int,
        default=1,
        limits=(1, 2**31 - 1),
        live=True,
        blurb="Emit the signals for every n-th buffer",
    ),
    Property(
        name="location",
        kind=str,
        blurb="File that gets every document, one JSON text a line, in place of an old one; or the URI of another output",
    ),
    Property(
        name="format",
        kind="enum",
        default="document",
        choices=(("document", "A document for each buffer"), ("gva", "Messages as DL Streamer's gvametaconvert makes them")),
        blurb="What is written, printed and given to new-meta and last-meta: documents, or none, one or more messages instead",
    ),
    Property(
        name="embeddings",
        kind="enum",
        default="list",
        choices=tuple(EMBEDDINGS.items()),
        blurb="How documents have the embeddings of objects; with format=gva they are lists",
    ),
    Property(
        name="stats",
        kind=Gst.Structure,
        writable=False,
        blurb="Documents since the start: made, and, over all outputs, written, waiting, dropped (by a live stream) and lost",
    ),
)


_CONSOLE = "silent=false: the console"
_SLOW = "takes documents more slowly than this live stream makes them; those without room are dropped, and counted in stats"


class AIMeta(VideoTransform):
    """The element. It changes nothing in the stream, but with ``format=gva`` attaches the messages where DL Streamer is there.

    ``waiter`` says to outputs of documents whether the stream may wait.
    """

    __gtype_name__ = "GstAIMeta"
    __gstmetadata__ = (
        "AI metadata",
        "Filter/Analyzer/Video",
        "Gathers the metadata of each frame, and what empycustom's libraries returned, into a JSON document",
        "The empycustom developers",
    )
    __gsttemplates__ = always_templates(VIDEO_CAPS)
    __gproperties__ = gproperties(PROPERTIES, __gtype_name__)
    __gsignals__ = {  # noqa: RUF012 - read by PyGObject when the class is made
        "aimeta": (GObject.SignalFlags.RUN_LAST, None, ()),
        "new-meta": (GObject.SignalFlags.RUN_LAST, None, (str,)),
    }
    properties = PROPERTIES
    signal = "aimeta"
    category = DebugCategory("python-aimeta", "AI metadata")

    def __init__(self) -> None:
        self.documents = 0
        self._outputs: dict[str, QueuedOutput] = {}  # by the property that they are for
        super().__init__()
        self.waiter = StreamWaiter(self.sinkpad)

    def begin(self) -> None:
        """Open the outputs."""
        super().begin()
        has_messages = self.values["format"] == "gva"
        self.work = self._gather_messages if has_messages else self._gather
        self._attaches = has_messages and can_add_messages()
        self.frames.form = FORMS["list" if has_messages else self.values["embeddings"]]
        self.set_passthrough(not self._attaches)
        self.documents = 0
        self.waiter.restart()
        self._outputs = {}
        try:
            if self.values["location"]:
                self._outputs["location"] = self._written(self.values["location"])
            if not self.values["silent"]:
                self._outputs["silent"] = self._printed()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Wait until all documents are written, and close the outputs.

        The last document is made now, if nobody has read it: what it is made of is not kept any longer.
        """
        super().end()
        self.last_text()
        for output in self._outputs.values():
            output.close()
        if any(output.dropped for output in self._outputs.values()):
            self.log(INFO, f"documents: {', '.join(f'{count} {name}' for name, count in self._counts().items())}")

    def changed(self, name: str, value: Any) -> None:
        """Let what may change while playing take effect."""
        if name == "signal-interval":
            self.interval_gate.interval = value
        elif name in ("location", "format", "embeddings"):
            refuse_started(self, name)

    def computed(self, name: str) -> Any:
        """Return the value of a property; ``stats`` is calculated when it is read."""
        return structure_of("aimeta-stats", self._counts()) if name == "stats" else super().computed(name)

    @property
    def outputs(self) -> list[QueuedOutput]:
        """The outputs of its own, also when the stream has ended. Any thread may ask."""
        return list(self._outputs.values())

    def _counts(self) -> dict[str, int]:
        outputs = self.outputs
        counted = {name: sum(getattr(output, name) for output in outputs) for name in ("written", "waiting", "dropped", "lost")}
        return {"documents": self.documents, **counted}

    def do_sink_event(self, event: Any) -> bool:
        if event.type == Gst.EventType.EOS:  # an error of writing is to be on the bus before the end is
            for output in self._outputs.values():
                output.drain(self.waiter.is_stopping)
        return super().do_sink_event(event)

    def _gather(self, address: int, given: Any = None) -> int:  # noqa: ARG002 - nothing needs it
        self.frames.number += 1
        is_written = bool(self._outputs) or not self.values["silent"]
        self.last_meta = document = self.frames.document(address, self.report_warnings, is_read=is_written)
        self.documents += 1
        flow = self._write(as_line(document.json)) if is_written else FLOW_OK
        if self.values["signal-aimetas"] and (self.interval_gate.interval == 1 or self.interval_gate.should_process()):
            self.emit_signals()
        return flow

    def _gather_messages(self, address: int, given: Any = None) -> int:  # noqa: ARG002 - nothing needs it
        """Do the same where messages take the place of the document."""
        self.frames.number += 1
        is_written = bool(self._outputs) or not self.values["silent"]
        is_read = is_written or self._attaches
        self.last_meta = messages = Messages(self.frames.document(address, self.report_warnings, is_read=is_read))
        self.documents += 1
        if self._attaches:
            set_messages(address, messages.values())
        flows = [self._write(as_line(text)) for text in messages.texts] if is_written else ()
        if self.values["signal-aimetas"] and self.interval_gate.should_process():
            self._emit_messages(messages)
        return FLOW_ERROR if FLOW_ERROR in flows else FLOW_OK

    def _emit_messages(self, messages: Messages) -> None:
        """Emit ``aimeta`` once, and ``new-meta`` for each message, as far as anybody listens."""
        if self._signal_has_listeners():
            trace_this_thread()
            self.emit(self.signal)
        if self._new_meta_has_listeners():
            trace_this_thread()
            for text in messages.texts:
                self.emit("new-meta", text.decode().lstrip())

    def _write(self, line: bytes) -> int:
        """Put a document into the queues of all outputs; return the GstFlowReturn. Raises PropertyError."""
        silent = self.values["silent"]
        if not silent:
            self.log(LOG, line[:-1].decode())
            if "silent" not in self._outputs:  # it has changed
                self._outputs["silent"] = self._printed()
        flow = FLOW_OK
        for name, output in self._outputs.items():
            if (name == "silent" and silent) or output.put(line, self.waiter):
                continue
            if output.failed:  # which is on the bus
                flow = FLOW_ERROR
            elif output.dropped == 1:
                post_warning(self, PropertyError(f"{self._place(name)} {_SLOW}", name=name))
        return flow

    def _written(self, location: str) -> QueuedOutput:
        try:
            output = output_for(location)
        except PathError as error:
            raise PropertyError(f"location={error}", name="location") from error
        except Exception as error:  # also of an output of another package
            raise PropertyError(f"location={location}: {reason(error)}", name="location") from error
        is_file = isinstance(output, FileOutput)
        if is_file and (why := not_for_lines(location)):
            raise PropertyError(f"location={location}: {why}", name="location")
        try:
            return self._queued("location", output, "the file is incomplete" if is_file else "what is there is incomplete")
        except Exception as error:
            raise PropertyError(
                f"location={location}: {output.name} cannot be written ({reason(error)}); give another "
                f"{'file' if is_file else 'location'}",
                name="location",
            ) from error

    def _printed(self) -> QueuedOutput:
        try:
            return self._queued("silent", ConsoleOutput(), "set silent=true")
        except OSError as error:
            raise PropertyError(f"{_CONSOLE} cannot be written ({reason(error)}); set silent=true", name="silent") from error

    def _queued(self, name: str, output: Output, remedy: str) -> QueuedOutput:
        def fail(error: BaseException) -> None:
            failed = PropertyError(f"{self._place(name)} cannot be written ({reason(error)}); {remedy}", name=name)
            failed.__cause__ = error
            post_error(self, failed)

        return QueuedOutput(output, on_error=fail)

    def _place(self, name: str) -> str:
        return _CONSOLE if name == "silent" else f"location={self.values['location']}"


install(PROPERTIES, AIMeta)
install_fast_path(AIMeta, "transform_ip")
