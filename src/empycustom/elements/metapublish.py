"""``metapublish``: sends the document of each frame to a broker, a database or a web server, and loses none."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

from empycustom.elements.base import FLOW_ERROR, FLOW_OK, VIDEO_CAPS, VideoTransform, always_templates, install_fast_path
from empycustom.elements.failures import post_error, post_info, post_warning
from empycustom.elements.properties import Property, gproperties, install, refuse_started, structure_of
from empycustom.elements.upstream import StreamWaiter
from empycustom.errors import PropertyError, PublishError
from empycustom.gstreamer import Gst
from empycustom.library.declared import Option
from empycustom.model.carried import FORMS
from empycustom.native.objects import DebugCategory
from empycustom.outputs.table import as_line
from empycustom.publish.address import SETTINGS
from empycustom.publish.publisher import COUNTS, Publisher
from empycustom.text import without_password

_LEFT = "left"
_SLOW = "the disk that keeps them is slower than the live stream (reported once; the property stats counts them)"
_STATE = "metapublish-state"  # the message on the bus where the state changes

_CHOICES = {  # what gst-inspect-1.0 shows for the values of settings
    "frames": "One message for each frame",
    "objects": "One message for each object of a frame",
    "changes": "A message only where the watched value, or the set of objects, is another one than before",
    "gva": "One message for each frame, as DL Streamer's gvametaconvert writes it",
    "list": "Lists of numbers",
    "base64": "Texts: float32 in base64, the lowest byte first",
    "plain": "Nothing: a message is the JSON itself",
    "cloudevents": "An event of CloudEvents 1.0, with the JSON as its data",
    "oldest": "The oldest messages are given up",
    "newest": "The newest messages are given up",
    "stop": "None is given up: the pipeline ends with an error",
}


def _property(name: str, option: Option) -> Property:
    """Return the property for a setting that all destinations have."""
    blurb = option.description[0].upper() + option.description[1:]
    if option.choices:
        return Property(
            name=name,
            kind="enum",
            default=option.default,
            choices=tuple((nick, _CHOICES[nick]) for nick in option.choices),
            blurb=blurb,
        )
    if type(option.default) is int:
        lowest, highest = option.limits or (0, 0)
        return Property(name=name, kind=int, default=option.default, limits=(int(lowest or 0), int(highest or 0)), blurb=blurb)
    return Property(name=name, kind=str, default=option.default or None, blurb=blurb)


PROPERTIES = (
    Property(
        name="uri",
        kind=str,
        blurb="Where messages go: mqtt://, kafka://, redis://, http(s)://, postgresql://, sqlite://, file://. Its query may have "
        "the settings below, and those of the destination. ${NAME} is read from the environment. Read, it has *** for secrets",
    ),
    *(_property(name, option) for name, option in SETTINGS.items()),
    Property(name="state", kind=str, writable=False, blurb="connected, or away: messages are kept meanwhile"),
    Property(name="last-error", kind=str, writable=False, blurb="What went wrong last"),
    Property(
        name="stats",
        kind=Gst.Structure,
        writable=False,
        blurb="Messages since the start: queued, spooled, sent, repeated, dropped; how long the last one took, in ms; and what "
        "went wrong last",
    ),
)


class MetaPublish(VideoTransform):
    """The element. It changes nothing in the stream."""

    __gtype_name__ = "GstMetaPublish"
    __gstmetadata__ = (
        "Metadata publisher",
        "Sink/Analyzer/Video",
        "Sends the JSON document of each frame to a broker, a database or a web server, and keeps it until it has arrived",
        "The empycustom developers",
    )
    __gsttemplates__ = always_templates(VIDEO_CAPS)
    __gproperties__ = gproperties(PROPERTIES, __gtype_name__)
    properties = PROPERTIES
    category = DebugCategory("python-metapublish", "Publishing of AI metadata")

    def __init__(self) -> None:
        self._publisher: Publisher | None = None
        self._counted, self._last_error = dict.fromkeys(COUNTS, 0), ""  # of the stream that has ended
        self._gap_ns, self._next_at = 0, 0
        super().__init__()
        self._waiter = StreamWaiter(self.sinkpad)

    def begin(self) -> None:
        """Read the settings, open the spool, and connect."""
        super().begin()
        self.work = self._publish
        self.set_passthrough(True)
        self._waiter.restart()
        uri = self.values["uri"]
        if not uri:
            raise PropertyError("uri is not set; say where messages go: uri=mqtt://localhost/results", name="uri")
        given = {name: self.values[name] for name, option in SETTINGS.items() if self.values[name] not in (None, option.default)}
        self._publisher = Publisher(
            uri,
            given,
            on_state=self._tell,
            on_warning=lambda error: post_warning(self, error),
            on_error=lambda error: post_error(self, error),
        )
        settings = self._publisher.settings
        self.interval_gate.interval = settings["interval"]
        self.frames.form = FORMS["list" if settings["select"] == "gva" else settings["embeddings"]]
        self._gap_ns, self._next_at = Gst.SECOND // settings["rate"] if settings["rate"] else 0, 0

    def end(self) -> None:
        """Keep what has not arrived, and end the connection."""
        super().end()
        publisher = self._publisher
        if publisher is None:
            return
        try:
            left = publisher.close()
        finally:
            # First: another thread may ask for them at any time.
            self._counted, self._last_error = publisher.counts(), publisher.last_error
            self._publisher = None
        self._say_what_is_left(publisher, left)

    def _say_what_is_left(self, publisher: Publisher, left: int) -> None:
        if left and not publisher.failed and _LEFT not in self.reported:
            self.reported.add(_LEFT)
            what, are = ("1 message has", "it is") if left == 1 else (f"{left} messages have", "they are")
            text = f"{what} not arrived at {publisher.name}; {are} kept, and sent when something is published there next"
            post_warning(self, PublishError(text))

    def counts(self) -> dict[str, int]:
        """Return the numbers of ``stats``, also when the stream has ended. Any thread may call this."""
        publisher = self._publisher
        return publisher.counts() if publisher else self._counted

    @property
    def name_of_destination(self) -> str:
        """The URI without secrets."""
        return without_password(self.values["uri"] or "")

    def changed(self, name: str, value: Any) -> None:  # noqa: ARG002 - no value may change
        """Refuse what may not change while the element runs."""
        if name in _FIXED:
            refuse_started(self, name)

    def computed(self, name: str) -> Any:
        """Return the value of a property that is calculated when it is read."""
        publisher = self._publisher
        last_error = publisher.last_error if publisher else self._last_error
        if name == "stats":
            structure = structure_of("metapublish-stats", self.counts())
            structure.set_value("last-error", last_error)
            return structure
        if name == "state":
            return publisher.state if publisher else ""
        if name == "last-error":
            return last_error
        return self.name_of_destination if name == "uri" and self.values["uri"] else super().computed(name)

    def _tell(self, state: str, error: PublishError | None) -> None:
        """Say that the state has changed. In any thread."""
        name = self.name_of_destination
        structure = Gst.Structure.new_empty(_STATE)
        for field, text in (("state", state), ("uri", name), ("error", str(error or ""))):
            structure.set_value(field, text)
        self.post_message(Gst.Message.new_element(self, structure))
        if error is None:
            post_info(self, PublishError(f"{name} is back; what was kept is being sent"))
        else:
            post_warning(self, PublishError(f"{error}; messages are kept until it is back"))

    def do_sink_event(self, event: Any) -> bool:
        if event.type == Gst.EventType.EOS and self._publisher:  # what goes wrong is to be on the bus before the end is
            left = self._publisher.drain(self._waiter.is_stopping)
            if not self._waiter.is_stopping():
                self._say_what_is_left(self._publisher, left)
        return super().do_sink_event(event)

    def _publish(self, address: int, given: Any = None) -> int:  # noqa: ARG002 - nothing needs it
        self.frames.number += 1
        publisher = self._publisher
        if publisher is None or not self._is_wanted(address):
            self.frames.pass_on(address)
            return FLOW_OK
        document = self.frames.document(address, self.report_warnings, is_read=True)
        if not publisher.put(as_line(document.json), self._waiter):
            if publisher.failed:  # which is on the bus
                return FLOW_ERROR
            if _SLOW not in self.reported:
                self.reported.add(_SLOW)
                post_warning(self, PublishError(f"documents for {publisher.name} were dropped: {_SLOW}"))
        return FLOW_OK

    def _is_wanted(self, address: int) -> bool:
        """Return whether this frame is sent: by ``interval`` and ``rate``."""
        if self.interval_gate.interval != 1 and not self.interval_gate.should_process():
            return False
        if self._gap_ns:
            time = self.frames.running_time(address)  # so that a file that is read faster than it plays has as many messages
            now = monotonic_ns() if time < 0 else time
            if self._next_at - self._gap_ns <= now < self._next_at:  # times before that are those of a stream after a seek
                return False
            self._next_at = (self._next_at if 0 <= now - self._next_at < self._gap_ns else now) + self._gap_ns
        return True


_FIXED = {item.name for item in PROPERTIES if item.writable}
install(PROPERTIES, MetaPublish)
install_fast_path(MetaPublish, "transform_ip")
