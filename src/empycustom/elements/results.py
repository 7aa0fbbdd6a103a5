"""What becomes of a result, of an error and of the time of a call of a library, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from empycustom.carriers.protocol import Frame
from empycustom.elements.base import DEBUG, ERROR, FLOW_DROPPED, FLOW_ERROR, FLOW_OK, LOG, WARNING, VideoTransform
from empycustom.elements.failures import details, post_error, post_warning, sentence
from empycustom.elements.limits import check_declared, check_properties
from empycustom.elements.perf import Tally
from empycustom.elements.properties import Property
from empycustom.errors import CallbackOutputError, LibraryError, MetadataError, PropertyError, StreamEndedError
from empycustom.library.explain import kind_of
from empycustom.model.keys import LABEL, OBJECTS
from empycustom.model.results import Result, is_padded, too_short
from empycustom.native.objects import highest_level

if TYPE_CHECKING:
    from empycustom.elements.workers import Workers

ON_ERROR = Property(
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
)


class LibraryTransform(VideoTransform):
    """Base of elements that run a library. A subclass sets ``library_facts`` when it has one: what messages say about it.

    ``tally`` counts since the start. ``is_slow_reported``: a call that took too long was reported. ``workers`` work on the
    frames, None: the streaming thread does. ``interrupt_start`` ends their start, from any
    thread; None: they are not starting.
    """

    __gtype_name__ = "GstEmPyLibraryTransform"
    library_facts: Any = None
    workers: Workers | None
    interrupt_start: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.tally, self.workers = Tally(), None
        super().__init__()

    @property
    def under_way(self) -> int:
        """The number of frames that are on their way to workers and back."""
        workers = self.workers
        return workers.under_way if workers else 0

    def begin(self) -> None:
        """Begin a stream: nothing is counted or reported yet."""
        self.tally = Tally()
        super().begin()
        self.forget_reports()

    def forget_reports(self) -> None:
        """Report again what is reported once: there is another library, or another version of it."""
        self.is_slow_reported = self._is_list_checked = False
        self.reported = set()  # frames that the version before has go on with the old one

    def set_interval(self, interval: int) -> None:
        """Let the library get every n-th buffer from now on. Raises PropertyError where it has to get all of them."""
        self.check({"process-interval": interval})
        self.interval_gate.interval = interval

    def set_pace(self, pace: str) -> None:
        """Let a new pace take effect. Raises PropertyError where it does not go together with others."""
        self.check({"pace": pace})
        if self.workers:
            self.values["pace"] = pace  # it takes effect at once
            self.workers.set_pace()

    def set_call_timeout(self, timeout_ms: int) -> None:
        """Let calls take so long from now on. Raises PropertyError where there is nothing that could end them."""
        self.check({"call-timeout": timeout_ms})
        if self.workers:
            self.workers.set_call_timeout(timeout_ms)

    def confirm(self) -> None:
        """Raise PropertyError, and end, where properties do not go together any more: they may change while a library starts."""
        try:
            check_properties(self.values)
            check_declared(self.values, self.library_facts)
        except PropertyError:
            self.end()
            raise

    def check(self, changed: dict[str, Any]) -> None:
        """Raise PropertyError where new values of properties do not go together with others, or with the library."""
        if self.started:  # before it is, begin() checks them together
            check_properties({**self.values, **changed})
            check_declared({**self.values, **changed}, self.library_facts)

    def is_due(self, function: str) -> bool:
        """Count a buffer, and return whether the library gets it. ``function`` is where it came, for the log."""
        self.tally.buffers += 1
        self.frames.number += 1
        if highest_level[0] >= DEBUG:
            self.log(DEBUG, function, f"do_{function}")
        return self.interval_gate.interval == 1 or self.interval_gate.should_process()

    def apply(self, address: int, frame: Frame, result: Result, *, is_new: bool = True) -> None:
        """Attach a result to the buffer at an address, and publish it if it is new."""
        warnings = frame.carrier.apply(address, frame, result)
        if warnings:
            self.warn(warnings, address)
        if not is_new:
            return
        if not self._is_list_checked and type(result.returned) is list and frame.handles and frame.handles[0]:
            self._warn_about_list(result.returned, frame)
        self.last_meta = result
        if highest_level[0] >= LOG:
            self.log(LOG, f"New meta: {result.text}")
        if not self.values["silent"]:
            self.emit_signals()

    def _warn_about_list(self, entries: list[Any], frame: Frame) -> None:
        """Warn, once, where a list seems to be about the frame, and went to objects. The first list that shows it decides."""
        objects = len(frame.handles[0])
        if is_padded(entries, objects):
            self._is_list_checked = True
        elif len(entries) < objects:
            self._is_list_checked = True
            label = ""
            with suppress(Exception):  # the dicts are the library's, which may have changed them
                label = frame.frames[0][OBJECTS][0][LABEL]
            library, name = self.library_facts, self.library_facts.name
            what = f"{name} returned {too_short(len(entries), objects, label)} (reported once)"
            post_warning(self, CallbackOutputError.at(library.path, library.line_of(name), what, callback=name))

    def warn_too_slow(self, took_ns: int, frame: str, *, is_first: bool) -> None:
        """Warn, once, that a call took longer than a frame lasts. A first call is only logged: it may be slow for once."""
        error = self.library_facts.too_slow(took_ns / 1e6, self.frames.format.duration_ns / 1e6)
        error.frame = frame
        if is_first:
            self.log(WARNING, f"{error}. (It was the first call: what is slow only once belongs into start.)")
            return
        self.is_slow_reported = True
        post_warning(self, error)

    def drop_other_caps(self) -> int:
        """Drop a frame that the library did not work on, because it makes frames of other caps."""
        self.warn(["frames that the library did not work on were dropped: they have other caps than those of output_caps"])
        self.tally.dropped += 1
        return FLOW_DROPPED

    def drop(self, why: str) -> int:
        """Drop a frame because the library wants it; ``why`` is reported once."""
        self.tally.dropped += 1
        if why and why not in self.reported:
            self.reported.add(why)
            post_warning(self, self.library_facts.error(CallbackOutputError, why, " (reported once)"))
        return FLOW_DROPPED

    def end_at(self, end: StreamEndedError, frame: str) -> int:
        """End the stream before a frame."""
        end.frame = frame
        self.tally.dropped += 1
        return self.end_stream(end)

    def fail(self, error: LibraryError | MetadataError, reported: set[Any] | None = None) -> int:
        """Log and count what a callback did wrong, or cannot be decoded, and return what ``on-error`` makes of it.

        ``reported`` is what was reported already, None: of the version of the library that runs.
        """
        reported = self.reported if reported is None else reported
        self.tally.errors += 1
        self.log(ERROR, f"{sentence(error)}\n{details(error)}")
        policy = self.values["on-error"]
        if policy == "fail":
            post_error(self, error)
            return FLOW_ERROR
        cause = (type(error), kind_of(error.__cause__), getattr(error, "line", None))
        if cause not in reported:  # once for each place: the bus is not a log
            reported.add(cause)
            post_warning(self, error)
        if policy == "pass":
            return FLOW_OK
        self.tally.dropped += 1
        return FLOW_DROPPED

    def do_sink_event(self, event: Any) -> bool:
        forward = super().do_sink_event
        return self.workers.handle(event, forward) if self.workers else forward(event)
