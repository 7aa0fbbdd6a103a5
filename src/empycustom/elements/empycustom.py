"""The caps of what ``process`` makes, as the library's ``output_caps`` says."""

from __future__ import annotations

from typing import Any

from empycustom.buffers.callback import VIEWS
from empycustom.elements.base import VIDEO_CAPS, WARNING, VideoTransform, always_templates, guarded, install_fast_path
from empycustom.elements.caller import Caller
from empycustom.elements.failures import post_error, post_warning
from empycustom.elements.frames import FrameFormat
from empycustom.elements.perf import Tally
from empycustom.elements.properties import Property, gproperties, install, read_json, read_object
from empycustom.elements.results import read, unusable
from empycustom.errors import LibraryError, OutputError, PropertyError
from empycustom.gstreamer import GObject, Gst, GstBase, GstVideo
from empycustom.library.callbacks import Library
from empycustom.library.explain import kind_of
from empycustom.native.objects import DebugCategory
from empycustom.native.unwind import is_mixed

_EXAMPLE = '"video/x-raw,width=320,height=240"'
_LIMIT = 1 << 15  # GStreamer's own elements go no further
_OF_THE_FORMAT = ("colorimetry", "chroma-site")  # they do not outlive a change of the format


class OutputCaps:
    """Asks the library once for each caps that come in. ``template`` is what the element can put out at all."""

    def __init__(self, library: Library, template: Any) -> None:
        self._library, self._template = library, template
        self._known: dict[str, Any] = {}

    def negotiated(self, caps: Any, offered: Any, options: dict[str, Any]) -> Any:
        """Return the fixed caps of what is made of frames with the fixed ``caps``, if ``offered``, what downstream takes, allows.

        Raises LibraryError where ``output_caps`` fails, or where it does not.
        """
        wanted = self.of(caps, options)
        if not offered.can_intersect(wanted):
            raise unusable(
                self._library,
                f"downstream of the element does not take {wanted.to_string()}, but {offered.to_string()}; "
                "return what it takes, or put videoconvert ! videoscale behind the element",
                "output_caps",
            )
        return offered.intersect(wanted).fixate()

    def of(self, caps: Any, options: dict[str, Any]) -> Any:
        """Return the fixed caps of what is made of frames with the fixed ``caps``. Raises LibraryError."""
        key = caps.to_string()
        if key not in self._known:  # GStreamer asks several times
            try:
                self._known[key] = self._ask(caps, options)
            except LibraryError as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, LibraryError):
            raise known
        return known

    def _ask(self, caps: Any, options: dict[str, Any]) -> Any:
        returned = self._library.output_caps(caps, options)
        return caps if returned is None else read(self._library, self._completed, returned, caps, callback="output_caps")

    def _completed(self, returned: Any, caps: Any) -> Any:
        if not isinstance(returned, (str, Gst.Caps)):
            raise OutputError(f"it is {kind_of(returned)}; return a text such as {_EXAMPLE}, a Gst.Caps, or None")
        asked = Gst.Caps.from_string(returned) if isinstance(returned, str) else returned
        if asked is None or asked.is_any() or asked.get_size() != 1 or not _is_raw_video(asked):
            raise OutputError(f"{_text(returned)!r} is no one kind of raw video; return a text such as {_EXAMPLE}")
        made = _completed(asked, caps)
        if not made.is_fixed():
            raise OutputError(f"{_text(returned)!r} leaves a choice; give every field one value")
        if not is_video(made):
            raise OutputError(f"{made.to_string()!r} is no format of video")
        if not made.is_subset(self._template):
            raise OutputError(f"empycustom cannot put out {made.to_string()!r}; gst-inspect-1.0 empycustom lists what it can")
        return made


def _is_raw_video(caps: Any) -> bool:
    return str(caps.to_string()).startswith("video/x-raw")


def is_video(caps: Any) -> bool:
    """Whether frames of these fixed caps have a format and a size."""
    try:
        info = GstVideo.VideoInfo.new_from_caps(caps)
    except TypeError:  # how PyGObject says that there is none
        return False
    return info is not None and 0 < info.width < _LIMIT and 0 < info.height < _LIMIT


def _text(returned: Any) -> str:
    return returned if isinstance(returned, str) else str(returned.to_string())


def _completed(asked: Any, given: Any) -> Any:
    """Return the caps ``asked`` for, with what they leave out taken from those ``given``."""
    left, fields = _structure(given), _structure(asked)
    names = [fields.nth_field_name(index) for index in range(fields.n_fields())]
    if "format" in names and fields.get_string("format") != left.get_string("format"):
        names += _OF_THE_FORMAT
    for name in names:
        left.remove_field(name)
    features = asked.get_features(0)
    rest = left.to_string().rstrip(";").removeprefix("video/x-raw")
    return Gst.Caps.from_string(f"video/x-raw({features.to_string()}){rest}").intersect(asked)


def _structure(caps: Any) -> Any:
    """Return a structure of one's own with the fields of caps that are one kind of raw video."""
    _, comma, fields = caps.to_string().partition(",")
    return Gst.Structure.new_from_string(f"video/x-raw{comma}{fields}")


# ``empycustom``: calls a function of the user's for every frame and lets what it returns travel with the video.


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
    library: Any = None  # in programs: a function, or an object with callbacks, in the place of custom-lib
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
        custom_lib = self.values["custom-lib"] if self.library is None else self.library
        if not custom_lib:
            raise PropertyError("custom-lib is not set; give the path of a Python file: custom-lib=my_lib.py", name="custom-lib")
        options = read_object("options", self.values["options"])
        events = read_json("events", self.values["events"])
        self.tally = Tally()
        super().begin()
        if is_mixed():
            self.log(WARNING, _MIXED)
        library = Library.open(custom_lib, in_place=self.values["in-place"], views=VIEWS)
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
install_fast_path(EmPyCustom, "transform_ip", "transform")
