"""Parts of a pipeline that plays: building it from text, changing its states, and reading messages of its bus."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from empycustom.elements.failures import ENDED, LEFT, post_error
from empycustom.errors import LaunchError
from empycustom.gstreamer import GLib, GObject, Gst, all_of
from empycustom.packages import how_to_get_any

if TYPE_CHECKING:
    from empycustom.session.sources import Source

_FACTORY = re.compile("[A-Za-z][A-Za-z0-9_-]+")  # a name of a kind of element
_NOT_TEXT = re.compile("\\S*[\ud800-\udfff]\\S*")


def exists(factory: str) -> bool:
    """Return True if this GStreamer has the element."""
    return Gst.ElementFactory.find(factory) is not None


def encoding_problem(description: str) -> str:
    """Return why a description has a value that no property takes, a file name that is not UTF-8; else ``""``."""
    found = _NOT_TEXT.search(description)
    return f"{found[0]} is not UTF-8 text, and the properties of elements hold nothing else" if found else ""


def build(description: str) -> Any:
    """Build the pipeline of ``description``. Raises LaunchError, one sentence that names what is wrong."""
    parsed = build_element(description)
    if isinstance(parsed, Gst.Pipeline):
        return parsed
    pipeline = Gst.Pipeline()
    pipeline.add(parsed)
    return pipeline


def build_element(description: str) -> Any:
    """Build the element of ``description``, or a pipeline of several. Raises LaunchError."""
    return _parsed(description, lambda: Gst.parse_launch_full(description, None, Gst.ParseFlags.FATAL_ERRORS))


def build_bin(description: str, *, pads: bool = True) -> Any:
    """Build a bin of the elements of ``description``; ``pads``: with a pad ``sink`` for the first. Raises LaunchError."""
    flags = Gst.ParseFlags.FATAL_ERRORS
    return _parsed(description, lambda: Gst.parse_bin_from_description_full(description, pads, None, flags))


def check_links(pipeline: Any) -> None:
    """Raise LaunchError where ``!`` is missing: two elements that follow each other, and both have an end without a partner.

    GStreamer plays them, and says "Internal data stream error".
    """
    found = list(reversed(pipeline.children))  # in the order of the description
    for one, other in pairwise(found):
        if _has_loose_end(one, Gst.PadDirection.SRC) and _has_loose_end(other, Gst.PadDirection.SINK):
            names = [element.get_factory().get_name() for element in (one, other)]
            raise LaunchError(f"there is no ! between {' and '.join(names)}; write {' … ! '.join(names)}")


def _has_loose_end(element: Any, direction: Any) -> bool:
    """Return True if an element has pads of that direction, and none of them is linked, nor will be linked when it appears."""
    pads = [pad for pad in element.pads if pad.direction == direction]
    if pads or direction == Gst.PadDirection.SINK:
        return bool(pads) and not any(pad.is_linked() for pad in pads)
    templates = element.get_factory().get_static_pad_templates() if element.get_factory() else ()
    comes = any(each.direction == direction and each.presence == Gst.PadPresence.SOMETIMES for each in templates)
    added = GObject.signal_lookup("pad-added", Gst.Element)
    return comes and not GObject.signal_has_handler_pending(element, added, 0, False)


def _parsed(description: str, parse: Callable[[], Any]) -> Any:
    if why := encoding_problem(description):
        raise LaunchError(f"{why}; give the file another name, or, where it is a folder's name, go there first.")
    try:
        return parse()
    except GLib.Error as error:
        raise LaunchError(_explain(error, description)) from error


def _explain(error: Any, description: str) -> str:
    text = error.message.strip().rstrip(".")
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_ELEMENT):
        name = _named(text)
        if f"{name}/" in description:  # caps, as video/x-raw
            return f"{text}; {name}/… are caps: write ! before them, and behind them."
        if not _FACTORY.fullmatch(name):
            return f"{text}; it is a part of a value with a blank in it, as it seems: put single quotes around the whole value."
        return f"{text}; check its spelling, or {how_to_get_any(name)}."
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_PROPERTY):
        return f"{text}; `gst-inspect-1.0 {_named(text)}` lists the properties that it has."
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.SYNTAX):
        return f"{text} in the description; write elements with ! between them, and values with blanks in quotation marks."
    if error.matches(Gst.ParseError.quark(), Gst.ParseError.LINK):
        if text.startswith("could not parse caps"):
            return f"{text}; check their spelling, and write ! behind them."
        return f"{text}; their formats do not go together, or a pad of that name is missing."
    return f"{text}."


def _named(text: str) -> str:
    """Return the last name in quotation marks in the message of an error."""
    return text.rstrip('"').rpartition('"')[2]


# States of a pipeline.


_PATIENCE_S = 1.0


class Feeder:
    """Feeds a pipeline with frames, from sources that may come and go; this base does nothing. It does not change states.

    ``total`` is the count of frames, None where it is not known. ``broken`` are those of several sources that could not be
    played. ``is_reconnecting``: the source is gone, and is waited for.
    """

    total: int | None = None
    broken: Collection[int] = ()
    is_reconnecting = False

    def begin(self, later: Callable[[Callable[[], Any]], None]) -> None:
        """Begin to feed; ``later`` calls what it is given in the thread that changes states, until the end."""

    def tick(self) -> None:
        """Do periodic work; called ten times a second."""

    def handle_error(self, report: Report) -> bool:  # noqa: ARG002 - others do
        """Return True for an error after which the pipeline goes on."""
        return False

    def source_of(self, element: str) -> Source | None:  # noqa: ARG002 - others do
        """Return the source that an element, given by its path, is part of; None: it is part of none."""
        return None

    def end(self) -> None:
        """Stop all sources; the pipeline has stopped, or never begins."""


class States:
    """Changes the states of ``pipeline`` one after another in a thread of its own, NULL last; any thread may request changes.

    Requests after :meth:`stop` are ignored, so that a pipeline that has ended does not start again. Requests do not block.
    """

    def __init__(self, pipeline: Any, feeders: Sequence[Feeder] = ()) -> None:
        self._pipeline, self._feeders = pipeline, feeders
        self._requests: SimpleQueue[Any] = SimpleQueue()
        self._changed: list[Any] = []  # what each change returned
        self._stopping = False
        self._then: Callable[[], Any] | None = None
        self._patient_until = 0.0

    def start(self) -> None:
        """Begin to play."""
        self._thread = in_background(self._change)
        # Only the change to PAUSED reports whether a source is live.
        self.change(Gst.State.PAUSED)
        for feeder in self._feeders:
            self._requests.put(partial(feeder.begin, self._requests.put))
        self.change(Gst.State.PLAYING)

    def change(self, *states: Any) -> None:
        """Go to one state after another."""
        for state in states:
            self._requests.put(state)

    def resume(self) -> None:
        """Go on to PLAYING after an error that does not end the pipeline.

        A bin in which it happened while it started has failed for good (GStreamer 1.26), and the pipeline would wait for it.
        """
        self._requests.put(self._revive)
        self.change(Gst.State.PLAYING)

    def _revive(self) -> None:
        for element in all_of(self._pipeline.iterate_elements()):
            failed = element.get_state(0)[0] == Gst.StateChangeReturn.FAILURE
            if failed and element.set_state(Gst.State.PAUSED) != Gst.StateChangeReturn.ASYNC:
                element.post_message(Gst.Message.new_async_done(element, Gst.CLOCK_TIME_NONE))

    def recalculate_latency(self) -> None:
        """Let the pipeline query the latency of its elements again, after a pending change of state."""
        self._requests.put(self._pipeline.recalculate_latency)

    def stop(self, then: Callable[[], Any] | None = None) -> threading.Thread:
        """Go to NULL, once the change is done that is on its way; return the thread that ends then.

        ``then`` is called in that thread when everything has stopped.
        """
        self._then = then or self._then
        self._stopping = True
        self.change(Gst.State.NULL)
        return self._thread

    def _change(self) -> None:
        while (wanted := self._requests.get()) != Gst.State.NULL:
            if self._stopping or self.failed:  # a second try would call `start` of libraries again
                continue
            if callable(wanted):
                self._call(wanted)
            else:
                self._changed.append(self._pipeline.set_state(wanted))
        self._pipeline.set_state(wanted)
        for feeder in self._feeders:
            feeder.end()
        if self._then:
            self._then()

    def _call(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - nobody else in this thread would report it
            post_error(self._pipeline, error)

    @property
    def bus(self) -> Any:
        """The bus of the pipeline."""
        return self._pipeline.get_bus()

    @property
    def started(self) -> bool:
        """True when all elements have started."""
        return len(self._changed) > 1

    @property
    def failed(self) -> bool:
        """True if the pipeline cannot start."""
        return Gst.StateChangeReturn.FAILURE in self._changed

    @property
    def live(self) -> bool:
        """True if there is a live source."""
        return Gst.StateChangeReturn.NO_PREROLL in self._changed

    def is_about_to_play(self) -> bool:
        """Return True while a live source changes to PLAYING: an end that meets its first frame locks GStreamer 1.22 up.

        It is True for a second at most, since there may be no frame.
        """
        if not self.live or self._pipeline.get_state(0).state == Gst.State.PLAYING:
            return False
        self._patient_until = self._patient_until or time.monotonic() + _PATIENCE_S
        return time.monotonic() < self._patient_until


def in_background(work: Callable[[], Any]) -> threading.Thread:
    """Call ``work`` in a thread that does not keep the process alive."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


# Messages of the bus.


_ADVICE = "Either there is no video in it, or its decoder is missing: apt install gstreamer1.0-libav."
_KINDS = {Gst.MessageType.ERROR: "error", Gst.MessageType.WARNING: "warning", Gst.MessageType.INFO: "info"}
# Errors that other elements report after one has failed.
_ECHOES = (
    (Gst.StreamError, Gst.StreamError.FAILED),
    (Gst.StreamError, Gst.StreamError.TYPE_NOT_FOUND),
    (Gst.CoreError, Gst.CoreError.STATE_CHANGE),
)
# Errors whose text does not say what is wrong with a connection.
_VAGUE = ((Gst.StreamError, Gst.StreamError.FAILED), (Gst.ResourceError, Gst.ResourceError.OPEN_READ_WRITE))
# The warning of our element for a call that took longer than a frame lasts.
_SLOW = (Gst.CoreError, Gst.CoreError.CLOCK)
# Which errors mean that a plugin is not installed.
_LACKS = ((Gst.CoreError, Gst.CoreError.MISSING_PLUGIN), (Gst.StreamError, Gst.StreamError.CODEC_NOT_FOUND))
_BYTES = re.compile(r"([0-9a-f]{32})[0-9a-f]{128,}")  # of a codec, in caps


@dataclass(frozen=True)
class Report:
    """A message of an element on the bus. ``kind`` is error, warning or info; ``debug`` may be empty or many lines.

    ``is_echo``: an error that may only follow from another one. ``is_vague``: its text does not say why there is no connection.
    ``is_slow``: a call took longer than a frame lasts. ``is_end``: a library ended its stream. ``is_left``: somebody left a
    debugger.
    """

    kind: str
    element: str
    text: str
    debug: str = ""
    lacks_plugin: bool = False
    is_echo: bool = False
    is_vague: bool = False
    is_slow: bool = False
    is_end: bool = False
    is_left: bool = False

    @property
    def advised(self) -> str:
        """The ``text``, with what to do where a plugin is missing."""
        return f"{self.text} {_ADVICE}" if self.lacks_plugin else self.text

    @property
    def is_from_removed(self) -> bool:
        """True if it comes from an element that was removed from the pipeline."""
        return not self.element.startswith("/GstPipeline:")

    @property
    def details(self) -> str:
        """The text of ``debug`` without its first line, the place in the element's source, and with the beginnings of bytes."""
        details = _BYTES.sub(r"\1…", self.debug.partition("\n")[2])
        return "" if details == self.text else details


def report_of(message: Any) -> Report | None:
    """Return the report in a message of the bus, None for messages of other kinds."""
    kind = _KINDS.get(message.type)
    if kind is None:
        return None
    error, debug = getattr(message, f"parse_{kind}")()

    def means(*codes: tuple[Any, Any]) -> bool:
        return any(error.matches(domain.quark(), code) for domain, code in codes)

    return Report(
        kind,
        message.src.get_path_string() if message.src else "",
        error.message,
        debug or "",
        lacks_plugin=means(*_LACKS),
        is_echo=kind == "error" and means(*_ECHOES),
        is_vague=kind == "error" and means(*_VAGUE),
        is_slow=kind != "error" and means(_SLOW),
        is_end=kind == "info" and means(ENDED),
        is_left=means(LEFT),
    )
