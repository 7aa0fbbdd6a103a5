"""``empycustom``: calls a function of the user's for every frame and lets what it returns travel with the video."""

from __future__ import annotations

from collections import Counter
from typing import Any

from empycustom.buffers.handed import hand_over
from empycustom.carriers.plain import dumps
from empycustom.carriers.protocol import Reading
from empycustom.elements.answers import meta_of, pair_of
from empycustom.elements.failures import details, post_error, post_warning, sentence
from empycustom.elements.options import read_json, read_object
from empycustom.elements.properties import Property, gproperties, install
from empycustom.elements.transform import DEBUG, ERROR, LOG, WARNING, always_templates, guarded
from empycustom.elements.video import VIDEO_CAPS, VideoTransform
from empycustom.errors import LibraryError, PropertyError
from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.library.hooks import Library
from empycustom.meta.merge import NOTHING
from empycustom.meta.output import Said, deal
from empycustom.native.metas import carry_metas, carry_times_and_flags, remove_metas, share_memory
from empycustom.native.objects import DebugCategory

DROPPED = Gst.FlowReturn.CUSTOM_SUCCESS  # GST_BASE_TRANSFORM_FLOW_DROPPED
_STATS = ("buffers", "processed", "passed", "errors", "dropped")

PROPERTIES = (
    Property(
        name="custom-lib",
        kind=str,
        blurb="Python file with the callbacks (absolute, ~, or relative to the working directory), or a dotted module name",
    ),
    Property(
        name="in-place",
        kind=bool,
        default=False,
        blurb="Process buffer in place (true: process_ip) or not (false: process)",
    ),
    Property(name="last-meta", kind=str, writable=False, blurb="The meta that the library returned last, as JSON"),
    Property(
        name="options",
        kind=str,
        live=True,
        blurb="JSON object that every callback gets as a dict; @file.json reads it from a file",
    ),
    Property(
        name="events", kind=str, live=True, blurb="JSON that callbacks with a 4th argument get; @file.json reads it from a file"
    ),
    Property(
        name="process-interval",
        kind=int,
        default=1,
        limits=(1, 2**31 - 1),
        live=True,
        blurb="Call the library for every n-th buffer; the others pass untouched",
    ),
    Property(name="silent", kind=bool, default=False, live=True, blurb="Emit no signals"),
    Property(
        name="on-error",
        kind="enum",
        default="fail",
        live=True,
        choices=(
            ("fail", "The pipeline ends with an error"),
            ("pass", "The frame goes on without meta"),
            ("drop", "The frame is dropped"),
        ),
        blurb="What to do when process or process_ip raises, or returns what is no meta",
    ),
    Property(
        name="stats",
        kind=Gst.Structure,
        writable=False,
        blurb="Buffers seen, processed and passed, errors of the library, and buffers dropped, since the start",
    ),
)


class EmPyCustom(VideoTransform):
    """The element. What a callback sees and may return is in the project's README."""

    __gtype_name__ = "GstEmPyCustom"
    __gstmetadata__ = (
        "Custom Python processing",
        "Filter/Effect/Video",
        "Calls a function of a Python file for every frame, and attaches what it returns as JSON",
        "The empycustom developers",
    )
    __gsttemplates__ = always_templates(VIDEO_CAPS)
    __gproperties__ = gproperties(PROPERTIES, __gtype_name__)
    __gsignals__ = {  # noqa: RUF012 - read by PyGObject when the class is made
        "emcustom": (GObject.SignalFlags.RUN_LAST, None, ()),
        "new-meta": (GObject.SignalFlags.RUN_LAST, None, (str,)),
    }
    properties = PROPERTIES
    # The listings of the document that asks for this element show both names.
    category = DebugCategory("python-empycustom", "Custom Python processing", aliases=("python-emcustom",))

    def __init__(self) -> None:
        self._library: Library | None = None
        self._stats: Counter[str] = Counter()
        super().__init__()

    # Starting, stopping, properties.

    def begin(self) -> None:
        """Load and check the library, and call its ``start``."""
        custom_lib = self.values["custom-lib"]
        if not custom_lib:
            raise PropertyError("custom-lib is not set; give the path of a Python file: custom-lib=my_lib.py", name="custom-lib")
        self._options = read_object("options", self.values["options"])
        self._events = read_json("events", self.values["events"])
        self._stats.clear()
        self._told: set[Any] = set()  # what has been said once on the bus or in the log
        super().begin()
        library = Library.open(custom_lib, in_place=self.values["in-place"])
        self.set_in_place(self.values["in-place"])
        try:
            library.start(self._options)
        except LibraryError:
            library.close()
            raise
        self._library = library

    def end(self) -> None:
        """Call the library's ``stop`` and forget the library."""
        library, self._library = self._library, None
        if library is not None:
            try:
                library.stop(self._options)
            finally:
                library.close()

    def changed(self, name: str, value: Any) -> None:
        """Let what may change while playing take effect."""
        if name == "process-interval":
            self.every.interval = value
        elif name == "options" and self.started:
            self._options = read_object(name, value)
        elif name == "events" and self.started:
            self._events = read_json(name, value)
        elif self.started and name in ("custom-lib", "in-place"):
            raise PropertyError(f"{name} cannot change while the element runs; set it in state NULL or READY", name=name)

    def computed(self, name: str) -> Any:
        """Return the properties that are made when they are asked for."""
        if name == "stats":
            stats = Gst.Structure.new_empty("empycustom-stats")
            for key in _STATS:
                stats.set_value(key, GObject.Value(GObject.TYPE_UINT64, self._stats[key]))
            return stats
        return super().computed(name)

    # The stream.

    @guarded(False)
    def do_decide_allocation(self, query: Any) -> bool:
        if self._library is None or self._library.name == "process_ip":
            return bool(GstBase.BaseTransform.do_decide_allocation(self, query))
        # The library makes the buffers: none is taken from downstream's pool.
        while query.get_n_allocation_pools():
            query.remove_nth_allocation_pool(0)
        return True

    @guarded(Gst.FlowReturn.ERROR)
    def do_transform_ip(self, buffer: Any) -> Any:
        self.log(DEBUG, "transform_ip")
        if not self._is_due():
            return Gst.FlowReturn.OK
        self.log(LOG, "Processing buffer")
        reading = self.read(hash(buffer), self._number)
        try:
            output = meta_of(self._running, self._call(buffer, reading))
        except LibraryError as error:
            return self._failed(error)
        self._say(hash(buffer), reading, output)
        return Gst.FlowReturn.OK

    @guarded(Gst.FlowReturn.ERROR)
    def do_transform(self, in_buffer: Any, out_buffer: Any) -> Any:
        self.log(DEBUG, "transform")
        if not self._is_due():
            return self._fill(out_buffer, in_buffer, in_buffer)
        self.log(LOG, "Processing buffer")
        reading = self.read(hash(in_buffer), self._number)
        try:
            returned = self._call(in_buffer, reading)
            made, output = pair_of(self._running, returned, buffer_type=Gst.Buffer, needed=self.format.needed)
        except LibraryError as error:
            flow = self._failed(error)
            return self._fill(out_buffer, in_buffer, in_buffer) if flow == Gst.FlowReturn.OK else flow
        if made is None:
            self._stats["dropped"] += 1
            return DROPPED
        self._fill(out_buffer, made, in_buffer)
        self._say(hash(out_buffer), reading, output)
        return Gst.FlowReturn.OK

    def _is_due(self) -> bool:
        """Count the buffer, and say whether the library gets it."""
        self._number = self.counter.take()
        self._stats["buffers"] += 1
        due = self.every.due()
        self._stats["processed" if due else "passed"] += 1
        return due

    def _call(self, buffer: Any, reading: Reading) -> Any:
        in_meta: dict[str, Any] = {"frame": reading.frames, "buffer": self.format.buffer_info(hash(buffer))}
        if reading.words is not NOTHING:
            in_meta["emcustom"] = reading.words
        return self._running.call(hand_over(buffer), in_meta, self._options, self._events)

    @property
    def _running(self) -> Library:
        assert self._library is not None, "buffers come between start and stop"
        return self._library

    def _failed(self, error: LibraryError) -> Any:
        """Log and count what a callback did wrong, and return what ``on-error`` makes of it."""
        self._stats["errors"] += 1
        self.log(ERROR, f"{sentence(error)}\n{details(error)}")
        policy = self.values["on-error"]
        if policy == "fail":
            post_error(self, error)
            return Gst.FlowReturn.ERROR
        cause = (type(error.__cause__), error.line)
        if cause not in self._told:  # once for each place: the bus is no log
            self._told.add(cause)
            post_warning(self, error)
        if policy == "pass":
            return Gst.FlowReturn.OK
        self._stats["dropped"] += 1
        return DROPPED

    def _fill(self, out_buffer: Any, made: Any, in_buffer: Any) -> Any:
        """Let ``out_buffer`` be ``made``, completed by the times, flags and metas of ``in_buffer``."""
        target, source, origin = hash(out_buffer), hash(made), hash(in_buffer)
        remove_metas(target)
        share_memory(source, target)
        carry_times_and_flags(source, target)
        carry_metas(source, target, with_memory=True)
        carry_metas(origin, target, with_memory=False)
        return Gst.FlowReturn.OK

    def _say(self, address: int, reading: Reading, output: Any) -> None:
        """Attach what the library returned to the buffer, and tell the application."""
        if output is None and reading.numbered:
            return
        said = Said() if output is None else deal(output, [len(tokens) for tokens in reading.tokens])
        for complaint in self.carrier.write(address, reading, said):
            if complaint not in self._told:
                self._told.add(complaint)
                self.log(WARNING, complaint)
        if output is None:
            return
        self.last_meta = output
        if self.category.threshold >= LOG:
            self.log(LOG, f"New meta: {dumps(output)}")
        if not self.values["silent"]:
            self.tell("emcustom")


install(PROPERTIES, EmPyCustom)
