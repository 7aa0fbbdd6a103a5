"""``empycustom``: calls a function of the user's for every frame, and attaches what it returns to the buffer."""

from __future__ import annotations

from collections.abc import Callable
from sys import getrefcount
from typing import Any, ClassVar

from empycustom.carriers.protocol import Frame
from empycustom.elements.base import (
    FLOW_DROPPED,
    FLOW_OK,
    LOG,
    VIDEO_CAPS,
    WARNING,
    CallbackBuffers,
    always_templates,
    guarded,
    install_fast_path,
)
from empycustom.elements.dialects import OF_DIALECTS, library_in, taken
from empycustom.elements.failures import post_warning
from empycustom.elements.frames import FrameFormat
from empycustom.elements.limits import OF_WORKERS, check_properties, open_library, usual_in_place
from empycustom.elements.output import NewFrames, OutputCaps
from empycustom.elements.properties import (
    Property,
    SetBeforeStart,
    gproperties,
    install,
    read_json,
    read_object,
    refuse_started,
)
from empycustom.elements.reloading import OF_RELOADING, Reloading, check_reload
from empycustom.elements.results import ON_ERROR, LibraryTransform
from empycustom.errors import LibraryError, MetadataError, NotWritableError, StreamEndedError
from empycustom.gstreamer import GObject, Gst, GstBase
from empycustom.library.dialects import FRAMES
from empycustom.native.objects import DebugCategory, highest_level
from empycustom.native.unwind import is_mixed
from empycustom.runners.inline import InlineRunner
from empycustom.runners.protocol import Runner, Woken

PROPERTIES = (
    Property(
        name="custom-lib",
        kind=str,
        blurb="Python file with the callbacks (absolute, ~, or relative to the working directory), a dotted module name, or a "
        "compiled library of emcustom (.so)",
    ),
    Property(
        name="in-place", kind=bool, default=False, blurb="Process buffer in place (true: process_ip) or not (false: process)"
    ),
    *OF_DIALECTS,
    *OF_WORKERS,
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
    OF_RELOADING,
    ON_ERROR,
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


class EmPyCustom(LibraryTransform):
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
    defaults: ClassVar[dict[str, Any]] = {}  # of a subclass, in the place of those in the table
    signal = "emcustom"
    library: Any = SetBeforeStart()  # in programs: a function, or an object with callbacks, in the place of custom-lib
    # The listings of the document that asks for this element show both names.
    category = DebugCategory("python-empycustom", "Custom Python processing", aliases=("python-emcustom",))

    def __init__(self) -> None:
        self._runner: Any = None  # a Runner, or a Pool
        self._new_frames: NewFrames | None = None
        self._output: OutputCaps | None = None
        self._buffers = CallbackBuffers()
        self._reloading: Reloading | None = None
        super().__init__()
        self.values.update(self.defaults)

    def _chosen(self) -> Any:
        """Return the library that a program has set, or else the property. Raises PropertyError."""
        return library_in(self.values, "custom-lib") if self.library is None else self.library

    def begin(self) -> None:
        """Load and check the library, and call its ``start``."""
        custom_lib = self._chosen()
        if "in-place" not in self.given:
            self.values["in-place"] = usual_in_place(custom_lib, default=self.defaults.get("in-place", False))
        if self.values["reload"]:
            check_reload(custom_lib)
        check_properties(self.values)
        options, events = read_object("options", self.values["options"]), read_json("events", self.values["events"])
        super().begin()
        if is_mixed():
            self.log(WARNING, _MIXED)
        (self._begin_workers if self.values["workers"] else self._begin_inline)(custom_lib, options, events)
        self._first_call, self._reloading = 1, Reloading(self, self._runner)
        self._reloading.set(wanted=self.values["reload"])
        self.confirm()

    def _begin_inline(self, custom_lib: Any, options: dict[str, Any], events: Any) -> None:
        """Run the library in the streaming thread."""
        library = open_library(custom_lib, self.values, self.given)
        for error in library.hints():
            post_warning(self, error)
        runner = InlineRunner(library)
        runner.start(options, events)
        self._runner = runner
        self._take_facts(library)
        self._new_frames = NewFrames(library, self.srcpad.mark_reconfigure)
        self.work, self.work_transform = self._transform_ip, self._transform
        self._output = self._output_of(library)

    def _take_facts(self, library: Any) -> None:
        """Let frames be changed in place or not, as the library is called: its dialect may know one way alone."""
        self.library_facts = library
        self.values["in-place"] = library.in_place
        self.set_in_place(library.in_place)

    def output_of(self, library: Any, ask: Callable[[Any, dict[str, Any]], Any]) -> OutputCaps | None:
        """Return what negotiates the caps of frames that a new version of the library makes; None: they stay as they are."""
        if self.values["in-place"] or not (self._output or library.has_output_caps):
            return None
        return OutputCaps(library, Gst.Caps.from_string(VIDEO_CAPS), ask)

    def adopt(self, library: Any, output: OutputCaps | None) -> None:
        """Let a new version of the library take over, and report again what is reported once."""
        self._output, self.library_facts = output, library
        if self._new_frames:
            self._new_frames.library = library
        self.forget_reports()
        self._first_call = self.tally.processed + (output is not None)  # then it has not come yet

    def _begin_workers(self, custom_lib: Any, options: dict[str, Any], events: Any) -> None:
        """Run the library in other processes."""
        from empycustom.elements.workers import Workers, start_pool

        self._runner = pool = start_pool(custom_lib, self.values, options, events, self)
        self._take_facts(pool.library)
        for error in pool.hints:
            post_warning(self, error)
        self._new_frames = NewFrames(pool.library, self.srcpad.mark_reconfigure)
        self.workers = workers = Workers(self, pool, self._new_frames)
        self.work, self.work_transform = workers.refuse, workers.refuse
        self._output = self._output_of(pool.library, workers.output_caps)

    def _output_of(self, library: Any, ask: Callable[[Any, dict[str, Any]], Any] | None = None) -> OutputCaps | None:
        if not library.has_output_caps:
            return None
        if self.values["in-place"]:
            self.log(WARNING, f"output_caps of {library.path} is not called: with in-place=true frames keep their caps")
            return None
        return OutputCaps(library, Gst.Caps.from_string(VIDEO_CAPS), ask)

    def end(self) -> None:
        """Call the library's ``stop`` and forget the library."""
        super().end()
        workers, self.workers = self.workers, None
        if workers is not None:
            workers.close()
        if self._reloading:
            self._reloading.close()
        self._output = self._reloading = self.library_facts = None
        runner, new_frames, self._runner, self._new_frames = self._runner, self._new_frames, None, None
        try:
            if runner is not None:
                runner.stop()
        except LibraryError as error:
            if error.callback not in FRAMES:
                raise
            self.fail(error)  # of a call that went on
        finally:
            if new_frames is not None:
                new_frames.close()

    def changed(self, name: str, value: Any) -> None:
        """Let what may change while playing take effect, and refuse the rest then."""
        if name in _FIXED:
            refuse_started(self, name)
        if effect := _EFFECTS.get(name):
            effect(self, value)

    def _set_options(self, text: str | None) -> None:
        if self._runner:
            options = read_object("options", text)
            self.library_facts.check_options(options)
            self._runner.options = options

    def _set_events(self, text: str | None) -> None:
        if self._runner:
            self._runner.events = read_json("events", text)

    def _set_reload(self, wanted: bool) -> None:
        if self.started and wanted:
            check_reload(self._chosen())
        if self._reloading:
            self._reloading.set(wanted=wanted)

    def computed(self, name: str) -> Any:
        """Return the value of a property; ``stats`` is calculated when it is read."""
        if name == "stats":
            return self.tally.structure(self.workers.states() if self.workers else ())
        return super().computed(name)

    # One frame: decode, run, apply, publish. ``source`` and ``target`` are addresses of buffers, ``given`` is PyGObject's object
    # of the first, None on the fast path. A GstFlowReturn is returned.

    def _transform_ip(self, address: int, given: Any = None) -> int:
        """Let the library work on a buffer."""
        if self.is_due("transform_ip"):
            return self._process(address, 0, given)
        self.frames.pass_on(address)
        return FLOW_OK

    def _transform(self, source: int, target: int, given: Any = None) -> int:
        """Fill the empty buffer at ``target`` with what the library makes of the one at ``source``."""
        if self.is_due("transform"):
            return self._process(source, target, given)
        flow = self._repeat(source, target)
        if flow == FLOW_OK:
            self.frames.pass_on(target)
        return flow

    def _process(self, source: int, target: int, given: Any) -> int:
        self.tally.processed += 1
        if highest_level[0] >= LOG:
            self.log(LOG, "Processing buffer")
        frame = image = None
        references = 0
        try:
            frame = self.frames.read(source)
            if frame.warnings or frame.doubts:
                self.report_warnings(frame)
            image = self._buffers.at(source if given is None else given)
            references = getrefcount(image)
            return self._run(image, source, target, frame)
        except StreamEndedError as end:
            return self.end_at(end, self.frames.name(source))
        except (LibraryError, MetadataError, NotWritableError) as error:
            return self._recover(error, source, target, frame)
        finally:  # when the tracebacks are gone, which refer to it too
            if image is not None and getrefcount(image) > references:  # the library keeps it
                self._buffers.give_away(image)

    def _run(self, image: Any, source: int, target: int, frame: Frame) -> int:
        """Call the library with the frame, and apply its result to the frame and its buffer."""
        runner: Runner = self._runner
        new_frames = self._new_frames
        assert new_frames, "it is there as long as the runner"
        try:
            result = runner.run(frame, image)
        finally:
            self.tally.times.add(runner.took_ns)
            if runner.took_ns > self.frames.format.duration_ns and not self.is_slow_reported:
                self.warn_too_slow(runner.took_ns, self.frames.name(source), is_first=self.tally.processed == self._first_call)
        if target:
            if result is None or result.image[0] is None:
                self.tally.dropped += 1
                return FLOW_DROPPED
            new_frames.fill(source, target, result.image, frame)
        if result is not None and result.returned is not None:
            self.apply(target or source, frame, result)
        elif result is not None and result.dropped is not None:
            return self.drop(result.dropped)
        else:
            self.frames.stamp(target or source, frame)
        return FLOW_OK

    def _repeat(self, source: int, target: int) -> int:
        """Let the frame go on as it came."""
        assert self._new_frames is not None, "buffers come between start and stop"
        if self._new_frames.same_caps:
            self._new_frames.repeat(source, target)
            return FLOW_OK
        return self.drop_other_caps()

    def _recover(self, error: Exception, source: int, target: int, frame: Frame | None) -> int:
        """Apply the property ``on-error``. "pass": a frame goes on as it came, less what could not be decoded (no ``frame``)."""
        if isinstance(error, NotWritableError):
            if target:  # the library has never seen that one
                raise error
            error = self.library_facts.buffer_retained_error(error)
        assert isinstance(error, (LibraryError, MetadataError)), "nothing else is caught"
        if frame:
            error.frame = self.frames.name(source)
        flow = self.fail(error)
        if flow == FLOW_OK and target:
            flow = self._repeat(source, target)
        if flow == FLOW_OK:
            self.frames.stamp(target or source, frame) if frame else self.frames.discard(target or source)
        return flow

    @guarded(False)
    def do_decide_allocation(self, query: Any) -> bool:
        if self.values["in-place"]:
            return bool(GstBase.BaseTransform.do_decide_allocation(self, query))
        assert self._new_frames is not None, "caps come between start and stop"
        self._new_frames.allocate_from(query, query.parse_allocation()[0])
        return True

    @guarded(False)
    def do_set_caps(self, incaps: Any, outcaps: Any) -> bool:
        assert self._new_frames is not None, "caps come between start and stop"
        if self.workers:
            self.workers.drain()
        source, target = self.expect(incaps), FrameFormat(outcaps)
        self._new_frames.expect(source, target)
        if self.workers:
            self.workers.expect(source, target)
        return True

    @guarded(Gst.Caps.new_empty)
    def do_transform_caps(self, _direction: Any, caps: Any, limit: Any) -> Any:
        # Before the start the caps of the library are not known, and elements are linked already.
        any_caps = self._output or not (self.started or self.values["in-place"])
        any_caps = (self._reloading and self._reloading.accepts_any_caps()) or any_caps
        return taken(Gst.Caps.from_string(VIDEO_CAPS) if any_caps else caps, limit, self.library_facts)

    @guarded(Gst.Caps.new_empty)
    def do_fixate_caps(self, direction: Any, caps: Any, othercaps: Any) -> Any:
        if self._reloading and direction == Gst.PadDirection.SINK:
            self._reloading.negotiate(caps, othercaps)
            if self._output is None and othercaps.can_intersect(caps):  # frames keep their caps, also where a version was refused
                othercaps = othercaps.intersect(caps)
        if self._output is None or self._runner is None or direction == Gst.PadDirection.SRC:
            return othercaps.fixate()
        try:
            return self._output.negotiated(caps, othercaps, self._runner.options)
        except Woken:
            return Gst.Caps.new_empty()

    def do_transform(self, in_buffer: Any, out_buffer: Any) -> Any:
        assert self.work_transform is not None, "buffers come between start and stop"
        return self.run_guarded(self.work_transform, hash(in_buffer), hash(out_buffer), in_buffer)


_FIXED = {item.name for item in PROPERTIES if item.writable and not item.live}
_EFFECTS: dict[str, Callable[[EmPyCustom, Any], None]] = {
    "process-interval": LibraryTransform.set_interval,
    "msg-blob": lambda element, wanted: element.frames.publish_messages(wanted),
    "options": EmPyCustom._set_options,
    "events": EmPyCustom._set_events,
    "reload": EmPyCustom._set_reload,
    "pace": LibraryTransform.set_pace,
    "on-error": lambda element, policy: element.check({"on-error": policy}),
    "call-timeout": LibraryTransform.set_call_timeout,
}
install(PROPERTIES, EmPyCustom)
install_fast_path(EmPyCustom, "transform_ip", "transform")
