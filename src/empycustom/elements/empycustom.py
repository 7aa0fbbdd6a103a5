"""``empycustom``: calls a function of the user's for every frame and lets what it returns travel with the video."""

from __future__ import annotations

from typing import Any

from empycustom.elements.caller import Caller
from empycustom.elements.entry import take_over
from empycustom.elements.failures import post_error, post_warning
from empycustom.elements.frames import FrameFormat
from empycustom.elements.options import read_json, read_object
from empycustom.elements.output import OutputCaps
from empycustom.elements.properties import Property, gproperties, install
from empycustom.elements.tally import Tally
from empycustom.elements.transform import WARNING, always_templates, guarded
from empycustom.elements.video import VIDEO_CAPS, VideoTransform
from empycustom.errors import LibraryError, PropertyError
from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.library.hooks import Library
from empycustom.native.objects import DebugCategory
from empycustom.native.unwind import is_mixed

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
        blurb="What to do when process or process_ip raises or returns no meta, or the buffer's metadata cannot be read",
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
_MIXED = (
    "an exception of C++ (of OpenCV, onnxruntime, PyTorch) may end the process, because GStreamer was loaded after NumPy or "
    "another C++ library; import empycustom before gi, or set LD_PRELOAD=libgcc_s.so.1"
)


class EmPyCustom(VideoTransform):
    """The element. What a callback sees and may return is in docs/metadata.md."""

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
        self._output: OutputCaps | None = None
        self._refusals: set[str] = set()
        self.tally = Tally()
        super().__init__()

    def begin(self) -> None:
        """Load and check the library, and call its ``start``."""
        custom_lib = self.values["custom-lib"]
        if not custom_lib:
            raise PropertyError("custom-lib is not set; give the path of a Python file: custom-lib=my_lib.py", name="custom-lib")
        options = read_object("options", self.values["options"])
        events = read_json("events", self.values["events"])
        self.tally = Tally()
        super().begin()
        if is_mixed():
            self.log(WARNING, _MIXED)
        library = Library.open(custom_lib, in_place=self.values["in-place"])
        self.set_in_place(self.values["in-place"])
        for error in library.misspelt():
            post_warning(self, error)
        try:
            library.start(options)
        except LibraryError:
            library.close()
            raise
        self._caller = caller = Caller(self, library, self.tally, options, events)
        self.work, self.work_between = caller.in_place, caller.between
        self._output = self._output_of(library)

    def _output_of(self, library: Library) -> OutputCaps | None:
        if not library.has_output_caps:
            return None
        if self.values["in-place"]:
            self.log(WARNING, f"output_caps of {library.path} is not called: with in-place=true frames keep their caps")
            return None
        return OutputCaps(library, Gst.Caps.from_string(VIDEO_CAPS))

    def end(self) -> None:
        """Call the library's ``stop`` and forget the library."""
        super().end()
        self._output = None
        self._refusals.clear()
        caller, self._caller = self._caller, None
        if caller is not None:
            try:
                caller.library.stop(caller.options)
            finally:
                caller.library.close()
                caller.new_frames.close()

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
        return self.tally.structure() if name == "stats" else super().computed(name)

    @guarded(False)
    def do_decide_allocation(self, query: Any) -> bool:
        if self.values["in-place"]:
            return bool(GstBase.BaseTransform.do_decide_allocation(self, query))
        assert self._caller is not None, "caps come between start and stop"
        self._caller.new_frames.allocate_from(query, query.parse_allocation()[0])
        return True

    @guarded(False)
    def do_set_caps(self, incaps: Any, outcaps: Any) -> bool:
        assert self._caller is not None, "caps come between start and stop"
        self._caller.new_frames.expect(self.expect(incaps), FrameFormat(outcaps))
        return True

    @guarded(Gst.Caps.new_empty)
    def do_transform_caps(self, _direction: Any, caps: Any, limit: Any) -> Any:
        # Before the start it is not known what the library will say, and elements are linked already.
        any_caps = self._output or not (self.started or self.values["in-place"])
        possible = Gst.Caps.from_string(VIDEO_CAPS) if any_caps else caps
        return limit.intersect_full(possible, Gst.CapsIntersectMode.FIRST) if limit else possible

    @guarded(Gst.Caps.new_empty)
    def do_fixate_caps(self, direction: Any, caps: Any, othercaps: Any) -> Any:
        if self._output is None or self._caller is None or direction == Gst.PadDirection.SRC:
            return othercaps.fixate()
        try:
            return self._output.negotiated(caps, othercaps, self._caller.options)
        except LibraryError as error:
            if str(error) not in self._refusals:  # GStreamer asks several times
                self._refusals.add(str(error))
                post_error(self, error)
            return Gst.Caps.new_empty()

    def do_transform(self, in_buffer: Any, out_buffer: Any) -> Any:
        assert self.work_between is not None, "buffers come between start and stop"
        return self.worked(self.work_between, hash(in_buffer), hash(out_buffer), in_buffer)


install(PROPERTIES, EmPyCustom)
take_over(EmPyCustom, "transform_ip", "transform")
