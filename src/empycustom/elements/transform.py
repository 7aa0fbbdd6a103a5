"""What the three elements have in common: a Python GstBaseTransform whose properties are a table and that never raises into C."""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import WeakSet

from empycustom.elements.entry import SLOW_BECAUSE
from empycustom.elements.failures import post_error
from empycustom.elements.properties import Property
from empycustom.gstreamer import Gst, GstBase
from empycustom.native.fastpath import enter, leave
from empycustom.native.objects import DebugCategory, highest_level, keep, keep_floating
from empycustom.paths import use_native_folders
from empycustom.text import for_people

ERROR, WARNING, INFO, DEBUG, LOG = 1, 2, 4, 5, 6  # GstDebugLevel
# GstFlowReturn as C takes it, and GST_BASE_TRANSFORM_FLOW_DROPPED
FLOW_OK, FLOW_EOS, FLOW_ERROR = int(Gst.FlowReturn.OK), int(Gst.FlowReturn.EOS), int(Gst.FlowReturn.ERROR)
FLOW_DROPPED = int(Gst.FlowReturn.CUSTOM_SUCCESS)


# Who gets what the elements log, in the place of GStreamer's log: functions of the level, the element's name and the text.
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
                post_error(self, error)
                return failed() if callable(failed) else failed

        return guard

    return decorate


class _Living:
    """What an element has among its attributes, which PyGObject frees with it; the object of Python's may be freed before."""

    def __init__(self, address: int) -> None:
        self.address = address


_living: WeakSet[_Living] = WeakSet()


@atexit.register
def _keep_all() -> None:
    """Let no element be freed once the interpreter has ended.

    A thread of GStreamer may hold the pipeline for a moment longer, and PyGObject would enter an interpreter that is gone.
    """
    for element in list(_living):
        keep(element.address)


class PyTransform(GstBase.BaseTransform):
    """Base of the elements.

    A subclass declares ``properties`` and ``category``, implements ``begin`` and ``end``, and is handed to
    :func:`empycustom.elements.entry.take_over`. Its ``begin`` sets ``work``: what works on a buffer in place, gets its address
    and PyGObject's object of it (on the fast path the address alone), returns a GstFlowReturn. What it raises goes to the bus.
    ``work_between`` is the same for those who may fill another buffer.
    """

    __gtype_name__ = "GstEmPyTransform"
    properties: ClassVar[Sequence[Property]] = ()
    category: ClassVar[DebugCategory]
    work: Callable[..., int]
    work_between: Callable[..., int] | None = None

    def __init__(self) -> None:
        super().__init__()
        keep_floating(hash(self))
        self._living = _Living(hash(self))
        _living.add(self._living)
        # PyGObject keeps a Python reference to an element that C made for whoever asks first for its object; nobody may.
        self.srcpad.get_parent_element()
        self.values: dict[str, Any] = {item.name: item.default for item in self.properties}
        self.refused: dict[str, Exception] = {}
        self.started = False
        for item in self.properties:
            self.changed(item.name, item.default)

    # What a subclass adds.

    def begin(self) -> None:
        """Start: check the properties, open what is needed. What it raises goes to the bus, and the element does not start."""

    def end(self) -> None:
        """Stop: close what ``begin`` opened. What it raises goes to the bus."""

    def changed(self, name: str, value: Any) -> None:
        """Take note of the new value of a property, in whatever state. May raise PropertyError: it is not taken then."""

    def failed(self, error: BaseException) -> int:
        """Tell what the work on a buffer raised, and return a GstFlowReturn."""
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
        self.refused.pop(item.name, None)
        try:
            value = item.checked(value)
            self.changed(item.name, value)
            self.values[item.name] = value
        except Exception as error:  # noqa: BLE001 - PyGObject would print it, and take the value for set
            # No bus in NULL state yet: begin() reports it. While playing it is reported at once, and the old value stays.
            self.refused[item.name] = error
            if self.started:
                post_error(self, error)

    def _property(self, spec: Any) -> Property:
        return next(item for item in self.properties if item.name == spec.name)

    @guarded(False)
    def do_start(self) -> bool:
        for error in self.refused.values():
            raise error
        use_native_folders()
        self.begin()
        self.started = True
        self.call(self.work, self.work_between)
        self.log(INFO, f"fast path: {f'off, because {SLOW_BECAUSE}' if SLOW_BECAUSE else 'on'}")
        return True

    def call(self, work: Callable[..., int], work_between: Callable[..., int] | None) -> None:
        """From now on let these work on buffers, whichever way they come."""
        self.work, self.work_between = work, work_between
        enter(hash(self), self.failed, work, work_between)

    def do_stop(self) -> bool:
        self.started = False
        leave(hash(self))
        try:
            self.end()
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into C
            post_error(self, error)
        self.__dict__.pop("work", None)
        self.work_between = None
        return True  # False would leave the pad active, and the pipeline waits for it for ever

    def do_transform_ip(self, buffer: Any) -> Any:
        return self.worked(self.work, hash(buffer), buffer)

    def worked(self, work: Callable[..., int], *given: Any) -> Any:
        """Return what ``work`` makes of what is given, as a Gst.FlowReturn, whatever it raises."""
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
