"""The base classes of the elements: how buffers reach them, their properties and virtual methods, and their view of the stream.

Buffers come straight from C where that works (see :mod:`empycustom.native.fastpath`), or by PyGObject. :class:`PyTransform` is a
GstBaseTransform whose properties are a table, and which never raises into C; :class:`VideoTransform`, the base of ``empycustom``
and ``aimeta``, also decodes the metadata of frames.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import WeakSet

from empycustom.buffers.callback import Borrowed, Given
from empycustom.carriers.protocol import Frame
from empycustom.elements.failures import post_error, post_info, post_warning, to_keep
from empycustom.elements.frames import FrameFormat, FrameReader, IntervalGate
from empycustom.elements.properties import Property
from empycustom.elements.upstream import origin_in, reason_for
from empycustom.errors import DebuggerLeftError, MetadataError, StreamEndedError
from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import PYGOBJECT_INTERFACE, PYGOBJECT_VERSION, Gst, GstBase
from empycustom.library.callbacks import trace_this_thread
from empycustom.library.explain import error_to_report
from empycustom.model.values import Important, name_frames
from empycustom.native import fastpath
from empycustom.native.objects import (
    DebugCategory,
    any_listener_check,
    highest_level,
    keep_until_exit,
    listener_check,
    make_floating,
)
from empycustom.text import for_people, use_native_folders

SLOW_BECAUSE = fastpath.reason_unavailable(PYGOBJECT_VERSION, PYGOBJECT_INTERFACE)  # "": the fast path is taken


def install_fast_path(element_class: Any, *methods: str) -> None:
    """Let the buffers of an element class come by the fast path, where there is one: past these virtual methods of its.

    At the end of the interpreter those that streaming threads call become C's own.
    """
    gtype = hash(element_class.__gtype__)
    layout = {field.get_name(): field.get_offset() for field in GstBase.BaseTransformClass.__info__.get_fields()}
    if not SLOW_BECAUSE:
        fastpath.override_vfuncs(gtype, {name: layout[name] for name in methods})
    vfuncs = {name: offset for name, offset in layout.items() if name not in _NO_VFUNCS}
    fastpath.detach_at_exit(gtype, hash(GstBase.BaseTransform.__gtype__), vfuncs)


# Fields that are not virtual methods, and those that change the state: a library is stopped also at the end.
_NO_VFUNCS = ("parent_class", "passthrough_on_same_caps", "transform_ip_on_passthrough", "_gst_reserved", "start", "stop")


# What makes a callback's buffer: of its address on the fast path, else of the object that PyGObject made.
CallbackBuffers: Callable[[], Any] = Given if SLOW_BECAUSE else Borrowed


ERROR, WARNING, INFO, DEBUG, LOG = 1, 2, 4, 5, 6  # GstDebugLevel
# GstFlowReturn as C takes it, and GST_BASE_TRANSFORM_FLOW_DROPPED
FLOW_OK, FLOW_EOS, FLOW_ERROR = int(Gst.FlowReturn.OK), int(Gst.FlowReturn.EOS), int(Gst.FlowReturn.ERROR)
FLOW_DROPPED = int(Gst.FlowReturn.CUSTOM_SUCCESS)


# Functions of the level, the element's name and the text, which get what the elements log in the place of GStreamer's log.
listeners: list[Callable[[int, str, str], None]] = []


def always_templates(caps: str) -> tuple[Any, Any]:
    """Return the templates of one sink and one source pad that are always there."""
    return tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.from_string(caps))
        for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    )


def guarded(failed: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a ``do_*`` method: an exception becomes an error on the bus, and the method returns ``failed`` or what it makes.

    Without it PyGObject prints the exception and returns 0, which is "all is well" to GStreamer.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def guard(self: Any, *arguments: Any) -> Any:
            try:
                return method(self, *arguments)
            except BaseException as error:  # noqa: BLE001 - SystemExit too: it must not end a streaming thread
                if str(error) not in self.refusals:  # GStreamer asks several times
                    self.refusals.add(str(error))
                    post_error(self, error)
                return failed() if callable(failed) else failed

        return guard

    return decorate


class _Living:
    """An attribute of an element that lives as long as the element; PyGObject may free the Python object before."""

    def __init__(self, address: int) -> None:
        self.address = address


_living: WeakSet[_Living] = WeakSet()


@atexit.register
def _keep_all() -> None:
    """Let no element be freed once the interpreter has ended.

    A thread of GStreamer may hold the pipeline for a moment longer, and PyGObject would enter an interpreter that is gone.
    """
    for element in list(_living):
        keep_until_exit(element.address)


class PyTransform(GstBase.BaseTransform):
    """Base of the elements.

    A subclass declares ``properties`` and ``category``, implements ``begin`` and ``end``, and is handed to
    :func:`install_fast_path`. Its ``begin`` sets ``work``: what works on a buffer in place, gets its address and PyGObject's
    object of it (on the fast path the address alone), returns a GstFlowReturn. What it raises goes to the bus.
    ``work_transform`` is the same for those who may fill another buffer.
    """

    __gtype_name__ = "GstEmPyTransform"
    properties: ClassVar[Sequence[Property]] = ()
    category: ClassVar[DebugCategory]
    work: Callable[..., int]
    work_transform: Callable[..., int] | None = None
    error: BaseException | None = None  # the last one, for programs that have the element

    def __init__(self) -> None:
        super().__init__()
        make_floating(hash(self))
        self._living = _Living(hash(self))
        _living.add(self._living)
        # PyGObject keeps a Python reference to an element that C made for whoever asks first for its object; nobody may.
        self.srcpad.get_parent_element()
        self.values: dict[str, Any] = {item.name: item.default for item in self.properties}
        self.given: set[str] = set()  # the properties that were set
        self.refused: dict[str, Exception] = {}
        self.started, self.refusals = False, set[str]()  # what was refused since the start
        for item in self.properties:
            self.changed(item.name, item.default)

    # What a subclass adds.

    def begin(self) -> None:
        """Start: check the properties, open what is needed. What it raises goes to the bus, and the element does not start."""

    def end(self) -> None:
        """Stop: close what ``begin`` opened. What it raises goes to the bus."""

    def changed(self, name: str, value: Any) -> None:
        """Apply the new value of a property, in whatever state. May raise PropertyError: the old value stays then."""

    def failed(self, error: BaseException) -> int:
        """Report what the work on a buffer raised, and return a GstFlowReturn."""
        post_error(self, error)
        return FLOW_ERROR

    def computed(self, name: str) -> Any:
        """Return the value of a property that is not simply stored."""
        return self.values[name]

    # GObject's and GStreamer's side.

    def do_get_property(self, spec: Any) -> Any:
        item = self._property(spec)
        return item.exported(self.computed(item.name))

    def do_set_property(self, spec: Any, value: Any) -> None:
        item = self._property(spec)
        if not item.joined:  # else what was refused is still missing
            self.refused.pop(item.name, None)
        try:
            value = item.checked(value)
            if item.joined:
                value = item.joined(self.values[item.name], value)
            self.changed(item.name, value)
            self.values[item.name] = value
            self.given.add(item.name)
        except Exception as error:  # noqa: BLE001 - PyGObject would print it, and take the value for set
            # No bus in NULL state yet: begin() reports it. While playing it is reported at once, and the old value stays.
            self.refused[item.name] = to_keep(error)
            if self.started:
                post_error(self, error)

    def _property(self, spec: Any) -> Property:
        return next(item for item in self.properties if item.name == spec.name)

    @guarded(False)
    def do_start(self) -> bool:
        self.refusals.clear()
        for error in self.refused.values():
            raise to_keep(error)
        use_native_folders()
        self.begin()
        self.started = True
        self.set_work(self.work, self.work_transform)
        self.log(INFO, f"fast path: {f'off, because {SLOW_BECAUSE}' if SLOW_BECAUSE else 'on'}")
        return True

    def set_work(self, work: Callable[..., int], work_transform: Callable[..., int] | None) -> None:
        """Let these functions work on buffers from now on, whichever way they come."""
        self.work, self.work_transform = work, work_transform
        fastpath.register(hash(self), self.failed, work, work_transform)

    def do_stop(self) -> bool:
        self.started = False
        fastpath.unregister(hash(self))
        try:
            self.end()
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
            post_error(self, error)
        self.__dict__.pop("work", None)
        self.work_transform = None
        return True  # False would leave the pad active, and the pipeline waits for it forever

    def do_transform_ip(self, buffer: Any) -> Any:
        return self.run_guarded(self.work, hash(buffer), buffer)

    def run_guarded(self, work: Callable[..., int], *given: Any) -> Any:
        """Call ``work`` and return its result as a Gst.FlowReturn; what it raises goes to the bus."""
        try:
            return Gst.FlowReturn(work(*given))
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
            return Gst.FlowReturn(self.failed(error))

    def log(self, level: int, message: str, function: str = "") -> None:
        """Write to the debug log, as coming from the caller or a function of another name."""
        if level <= highest_level[0] and level <= self.category.threshold:
            frame = sys._getframe(1)
            file = os.path.basename(frame.f_code.co_filename)
            text = for_people(message, lines=True)
            for listener in listeners:
                listener(level, self.get_name(), text)
            if listeners:
                return
            self.category.write(level, for_people(file), function or frame.f_code.co_name, frame.f_lineno, hash(self), text)


VIDEO_CAPS = f"video/x-raw, format={{ {', '.join(FORMATS)} }}; video/x-raw(memory:NVMM), format={{ RGBA, NV12 }}"


def _refuse_buffer(*_given: Any) -> int:
    """Take no buffer."""
    return FLOW_EOS


class VideoTransform(PyTransform):
    """Base of the elements that decode the metadata of frames.

    ``last_meta`` is what the property ``last-meta`` has as JSON: a Result or a Document, whose ``text`` it is, or None. A
    subclass that emits a signal names it as ``signal``; it has ``new-meta`` as well.
    """

    __gtype_name__ = "GstEmPyVideoTransform"
    signal: ClassVar[str] = ""

    def __init__(self) -> None:
        self.frames = FrameReader()
        self.interval_gate = IntervalGate()
        self.last_meta: Any = None
        self.reported: set[Any] = set()  # warnings that were given once, on the bus or in the log
        self._until_end: tuple[Any, Any] | None = None  # what worked on buffers until the library ended the stream
        super().__init__()

    def begin(self) -> None:
        """Begin a stream: numbers from 0, nothing reported yet."""
        self.frames.restart()
        self.interval_gate.restart()
        self.last_meta = None
        self._until_end = None
        self.reported.clear()
        if not self.signal:
            return
        self._has_listeners = any_listener_check(hash(self))
        self._signal_has_listeners = listener_check(hash(self), self.signal)
        self._new_meta_has_listeners = listener_check(hash(self), "new-meta")

    def end(self) -> None:
        """End the stream."""

    def report_warnings(self, frame: Frame) -> None:
        """Report the warnings of a frame that was just decoded, each once."""
        if frame.warnings:
            self._warn(frame.warnings, name_frames(frame.frames))
        for doubt in frame.doubts:
            if doubt not in self.reported:
                self.reported.add(doubt)
                if reason := reason_for(doubt, self.input_pad):
                    post_warning(self, MetadataError(reason))

    def warn(self, warnings: Sequence[str], address: int = 0) -> None:
        """Write sentences to the debug log, each once, and with the frame where it is that of the buffer at ``address``."""
        if not self.reported.issuperset(warnings):
            self._warn(warnings, self.frames.name(address) if address else "")

    def _warn(self, warnings: Sequence[str], frame: str) -> None:
        for warning in warnings:
            if warning not in self.reported:
                self.reported.add(warning)
                if isinstance(warning, Important):
                    post_warning(self, MetadataError(warning))
                self.log(WARNING, f"{warning}{f' (first at {frame})' if frame else ''}", "warn")

    def last_text(self) -> str | None:
        """Return the last result, or the last document, as JSON."""
        last = self.last_meta
        return None if last is None else last.text

    def emit_signals(self) -> None:
        """Emit the signal, and ``new-meta`` with the last meta as text, as far as anybody listens."""
        if not self._has_listeners():  # one question instead of two, where nobody listens to anything
            return
        if self._signal_has_listeners():
            trace_this_thread()
            self.emit(self.signal)
        if self._new_meta_has_listeners():
            trace_this_thread()
            self.emit("new-meta", self.last_text())

    def computed(self, name: str) -> Any:
        """Return the value of a property; some are calculated when they are read."""
        if name == "last-meta":
            return self.last_text()
        return super().computed(name)

    def expect(self, caps: Any) -> FrameFormat:
        """Get ready for frames of these caps, and return their format."""
        self.frames.format = FrameFormat(caps)
        return self.frames.format

    @guarded(False)
    def do_set_caps(self, incaps: Any, _outcaps: Any) -> bool:
        self.expect(incaps)
        return True

    def end_stream(self, why: StreamEndedError) -> int:
        """Report why the stream ends here, finish what is downstream, and take no more buffers; return the GstFlowReturn."""
        post_info(self, why)
        self._until_end = self.work, self.work_transform
        self.set_work(_refuse_buffer, _refuse_buffer)
        self.push_end()
        return FLOW_EOS

    def push_end(self) -> None:
        """Let what is downstream know that the stream has ended."""
        self.srcpad.push_event(Gst.Event.new_eos())

    def failed(self, error: BaseException) -> int:
        """Report what the work on a buffer raised: also that somebody left a debugger, which ends the stream well."""
        found = error_to_report(error)
        return self.end_stream(found) if isinstance(found, DebuggerLeftError) else super().failed(found)

    @property
    def input_pad(self) -> Any:
        """The pad that frames come to."""
        return self.sinkpad

    def take_note(self, event: Any) -> bool:
        """Read what an event says about the frames behind it; return whether it goes on: nothing comes behind the end."""
        if self._until_end:
            if event.type == Gst.EventType.FLUSH_STOP:  # whoever seeks wants to see more
                self.set_work(*self._until_end)
                self._until_end = None
            elif event.type & Gst.EventTypeFlags.SERIALIZED:
                return False
        if event.type == Gst.EventType.STREAM_START:
            self.frames.restart()
        elif event.type == Gst.EventType.SEGMENT:
            self.frames.set_segment(event.parse_segment(), self.input_pad)
        elif origin := origin_in(event):
            self.frames.set_source(*origin)
            self.frames.continue_numbers()
        return True

    def do_sink_event(self, event: Any) -> bool:
        return not self.take_note(event) or bool(GstBase.BaseTransform.do_sink_event(self, event))
