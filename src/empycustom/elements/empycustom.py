"""``empycustom``: calls a function of the user's for every frame and lets what it returns travel with the video."""

from __future__ import annotations

from typing import Any

from empycustom.elements.caller import Caller
from empycustom.elements.entry import take_over
from empycustom.elements.options import read_json, read_object
from empycustom.elements.properties import Property, gproperties, install
from empycustom.elements.tally import Tally
from empycustom.elements.transform import always_templates, guarded
from empycustom.elements.video import VIDEO_CAPS, VideoTransform
from empycustom.errors import LibraryError, PropertyError
from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.library.hooks import Library
from empycustom.native.objects import DebugCategory

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
        name="msg-blob",
        kind=bool,
        default=False,
        live=True,
        blurb="In DeepStream: let nvmsgconv publish the JSON of each frame (NVDS_CUSTOM_MSG_BLOB)",
    ),
    Property(
        name="stats",
        kind=Gst.Structure,
        writable=False,
        blurb="Since the start: buffers seen, processed, passed, dropped; errors; how long calls of the library took, in ns",
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
    signal = "emcustom"
    # The listings of the document that asks for this element show both names.
    category = DebugCategory("python-empycustom", "Custom Python processing", aliases=("python-emcustom",))

    def __init__(self) -> None:
        self._caller: Caller | None = None
        self._tally = Tally()
        super().__init__()

    def begin(self) -> None:
        """Load and check the library, and call its ``start``."""
        custom_lib = self.values["custom-lib"]
        if not custom_lib:
            raise PropertyError("custom-lib is not set; give the path of a Python file: custom-lib=my_lib.py", name="custom-lib")
        options = read_object("options", self.values["options"])
        events = read_json("events", self.values["events"])
        self._tally = Tally()
        super().begin()
        library = Library.open(custom_lib, in_place=self.values["in-place"])
        self.set_in_place(self.values["in-place"])
        try:
            library.start(options)
        except LibraryError:
            library.close()
            raise
        self._caller = caller = Caller(self, library, self._tally, options, events)
        self.work, self.work_between = caller.in_place, caller.between

    def end(self) -> None:
        """Call the library's ``stop`` and forget the library."""
        super().end()
        caller, self._caller = self._caller, None
        if caller is not None:
            try:
                caller.library.stop(caller.options)
            finally:
                caller.library.close()

    def changed(self, name: str, value: Any) -> None:
        """Let what may change while playing take effect."""
        if name == "process-interval":
            self.every.interval = value
        elif name == "msg-blob":
            self.frames.deepstream.msg_blob = value
        elif name == "options" and self._caller:
            self._caller.options = read_object(name, value)
        elif name == "events" and self._caller:
            self._caller.events = read_json(name, value)
        elif self.started and name in ("custom-lib", "in-place"):
            raise PropertyError(f"{name} cannot change while the element runs; set it in state NULL or READY", name=name)

    def computed(self, name: str) -> Any:
        """Return the properties that are made when they are asked for."""
        return self._tally.structure() if name == "stats" else super().computed(name)

    @guarded(False)
    def do_decide_allocation(self, query: Any) -> bool:
        if self.values["in-place"]:
            return bool(GstBase.BaseTransform.do_decide_allocation(self, query))
        # The library makes the buffers: none is taken from downstream's pool.
        while query.get_n_allocation_pools():
            query.remove_nth_allocation_pool(0)
        return True

    @guarded(Gst.FlowReturn.ERROR)
    def do_transform(self, in_buffer: Any, out_buffer: Any) -> Any:
        assert self.work_between is not None, "buffers come between start and stop"
        return Gst.FlowReturn(self.work_between(hash(in_buffer), hash(out_buffer), in_buffer))


install(PROPERTIES, EmPyCustom)
take_over(EmPyCustom, "transform_ip", "transform")
