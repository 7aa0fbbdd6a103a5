"""Play one pipeline to its end: messages of its bus, Ctrl-C, and a stop that does not hang."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

from empycustom.elements.results import LibraryTransform
from empycustom.gstreamer import Gst, elements_in
from empycustom.session.console import DONE, FAILED, INTERRUPTED, StuckError, is_debugger_open
from empycustom.session.parts import Feeder, Report, States, in_background, report_of

_TICK_S, _RESUME_EVERY_S = 0.1, 0.5
_WHO = "a callback of a library, or an element, does not return"
_HURRY_S = 2.0  # what is left for taking the pipeline down after a second Ctrl-C


class Interrupts:
    """Counts Ctrl-C, SIGTERM and SIGHUP inside of :meth:`counted`. Several players may share one.

    Elements in Python are made inside of it, too: PyGObject would print a KeyboardInterrupt in them, and lose it.
    """

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count them, instead of letting them end the process; other threads than the main one cannot, and count none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup wants it
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._count) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


class Owner:
    """The base of what owns a pipeline: Player calls these methods, in its thread; the defaults do nothing.

    ``feeders`` are the sources that are added and removed while it plays.
    """

    feeders: Sequence[Feeder] = ()

    def report(self, report: Report, element: Any) -> None:
        """Handle a message of an element."""

    def tick(self) -> None:
        """Do periodic work; called ten times a second."""

    def finish(self, *, complete: bool) -> Iterator[tuple[str, str]]:  # noqa: ARG002 - the protocol has it
        """Finish files at the end of the stream, before the elements stop; yield kind and text of what is to be reported.

        ``complete``: all sinks saw the end.
        """
        yield from ()

    def handle_error(self, report: Report, element: Any) -> bool:  # noqa: ARG002 - the protocol has it
        """Return True for an error of an element that does not end the pipeline."""
        return False

    def handle_end(self) -> bool:
        """Return True if the pipeline goes on although all sinks saw the end."""
        return False

    def handle_forwarded_end(self, element: Any) -> None:
        """Handle the end of all sinks in one bin of the pipeline, which the property message-forward reports."""

    def can_finish(self, element: Any) -> bool:  # noqa: ARG002 - the protocol has it
        """Return True if there are files to be finished although an element has failed."""
        return False

    def is_over(self) -> bool:
        """Return True when nothing is left to be finished, after the end was requested."""
        return False

    def end_pads(self) -> Sequence[Any]:
        """Return the sink pads that get the end on Ctrl-C, so that frames before them are dropped; none: the sources get it."""
        return ()

    def can_fall_behind(self, *, live: bool) -> bool:
        """Return True if slow libraries make results late, so that their warnings are shown. ``live``: a source is live."""
        return live


class Player:
    """Plays one pipeline once for its ``owner``.

    ``grace_s`` limits how long the end may take after Ctrl-C or an error, and after that the stop of the elements; without
    either there is no limit. The caller counts the ``interrupts``.
    """

    def __init__(self, pipeline: Any, owner: Owner, *, interrupts: Interrupts, grace_s: float = 10.0) -> None:
        self.pipeline, self.bus = pipeline, pipeline.get_bus()
        self.owner, self.grace_s = owner, grace_s
        self._interrupts = interrupts
        self.failed = False
        self._end_requested = False
        self._end_sent = False  # of the pipeline
        self._ended = False
        self.complete = False  # all sinks saw the end
        self._left_debugger = self._debugger_reported = False
        self._has_begun = False
        self._finishing = False  # files, after an error
        self._ends_by: float | None = None
        self._buffering = self._is_resuming = False
        self._resume_at = 0.0
        self._states = States(pipeline, owner.feeders)

    def play(self) -> int:
        """Play until the end, an error or Ctrl-C; return the exit code. Raises StuckError if elements do not stop.

        Nothing starts after Ctrl-C.
        """
        if self.interrupts:
            for feeder in self.owner.feeders:
                feeder.end()
            return self.exit_code
        self.pipeline.set_auto_flush_bus(False)  # messages of elements that stop are wanted
        self._states.start()
        try:
            while not self._is_over():
                self._step()
            for kind, text in self.owner.finish(complete=self.complete):
                self.notify(kind, text)
        finally:
            self._stop()
        if files := self._unfinished():
            self.notify("warning", f"{files} may be unfinished: the stream was stopped before its end.")
        return self.exit_code

    def end(self) -> None:
        """End the stream as Ctrl-C does, without its exit code. May be called from any thread."""
        self._end_requested = True

    def stop(self) -> None:
        """End the stream at once, without the frames that are on their way. May be called from any thread."""
        self._ended = True
        self.bus.post(Gst.Message.new_application(None, Gst.Structure.new_empty("empycustom-stop")))  # do not wait for others

    @property
    def ended(self) -> bool:
        """True when no more frames are wanted, or all sinks saw the end."""
        return self._ended

    @property
    def started(self) -> bool:
        """True when all elements of the pipeline have started."""
        return self._states.started

    @property
    def interrupts(self) -> int:
        """The number of times that Ctrl-C was pressed."""
        return self._interrupts.count

    @property
    def exit_code(self) -> int:
        """The exit code of the process, as far as known."""
        return FAILED if self.failed else INTERRUPTED if self.interrupts or self._left_debugger else DONE

    def _is_over(self) -> bool:
        if self._end_sent and not self._ended and self.owner.is_over():
            self._ended = self.complete = True
        return self._ended or (self.failed and not self._finishing) or self.interrupts > 1

    def _step(self) -> None:
        if self.interrupts or self._end_requested:
            self._end()
        message = self.bus.timed_pop(int(_TICK_S * Gst.SECOND))
        if message is not None:
            self._handle_message(message)
        elif self._states.failed:
            self.notify(
                "error", "The pipeline cannot start, and no element reports why; run again with GST_DEBUG=3 in the environment."
            )
        elif self._ends_by is not None and is_debugger_open():
            self._wait_for_debugger()
        elif self._ends_by is not None and time.monotonic() > self._ends_by:
            self._ended = True
            self.notify("warning", f"The stream did not end within {self.grace_s:g} s; stopping it.")
        if self._is_resuming:
            self._resume()
        for feeder in self.owner.feeders:
            feeder.tick()
        self.owner.tick()

    def _wait_for_debugger(self) -> None:
        """Extend the limit while a debugger is open."""
        self._ends_by = time.monotonic() + self.grace_s
        if not self._debugger_reported:
            self._debugger_reported = True
            self.notify("info", "A debugger waits for what you type: q ends the stream. Ctrl-C once more ends it at once.")

    @property
    def _is_limited(self) -> bool:
        """True if the end has to come within ``grace_s``."""
        return self.failed or self.interrupts > 0

    def _end(self) -> None:
        if not self._end_sent and (self.owner.end_pads() or not self._states.is_about_to_play()):
            self._end_sent = True
            self._send_end()
        if self._is_limited and self._ends_by is None:
            self._ends_by = time.monotonic() + self.grace_s

    def _send_end(self) -> None:
        pads = self.owner.end_pads()
        if pads and not self._has_frames(pads):
            self._ended = True  # nothing to finish
            return
        if self._buffering:
            self._states.change(Gst.State.PLAYING)
        for place in pads or [self.pipeline]:
            in_background(partial(place.send_event, Gst.Event.new_eos()))  # it waits for the frame that is being processed

    def _has_frames(self, pads: Sequence[Any]) -> bool:
        return any(pad.has_current_caps() for pad in pads)

    def _handle_message(self, message: Any) -> None:
        kind = message.type
        if kind == Gst.MessageType.EOS:
            if not self.owner.handle_end():
                self._ended = self.complete = True
        elif kind == Gst.MessageType.ELEMENT and message.has_name("GstBinForwarded"):
            self._handle_forwarded(message.get_structure())
        elif report := report_of(message):
            self._report(report, message.src)
        elif kind == Gst.MessageType.ELEMENT and message.has_name("missing-plugin"):
            self.notify("warning", f"A plugin is missing: {message.get_structure().get_string('name')}.")
        elif kind == Gst.MessageType.LATENCY:
            self._states.recalculate_latency()
        elif kind == Gst.MessageType.BUFFERING:
            self._buffer(message.parse_buffering())
        elif kind == Gst.MessageType.CLOCK_LOST:
            self._states.change(Gst.State.PAUSED, Gst.State.PLAYING)

    def _handle_forwarded(self, structure: Any) -> None:
        structure = structure.__enter__() if hasattr(structure, "__enter__") else structure  # a context manager since 1.26
        message = structure.get_value("message")
        if message.type == Gst.MessageType.EOS:
            self.owner.handle_forwarded_end(message.src)

    def _buffer(self, percent: int) -> None:
        """Pause for a slow network, except where the source is live or has no end, as a camera over HTTP."""
        wait = percent < 100 and not self._states.live and self._has_end()
        if wait != self._buffering:
            self._buffering = wait
            self._states.change(Gst.State.PAUSED if wait else Gst.State.PLAYING)

    def _has_end(self) -> bool:
        known, duration = self.pipeline.query_duration(Gst.Format.TIME)
        return bool(known and duration > 0)

    def _report(self, report: Report, element: Any) -> None:
        # Of a source that still pushes while the elements stop behind the end that --frames has sent.
        if report.is_echo and (self.failed or self.complete):
            return
        if report.kind == "error" and self.failed and report.is_from_removed:
            return  # of a demuxer, whose bin has removed it and reported that
        if report.is_slow and not self.owner.can_fall_behind(live=self._states.live):
            return  # the progress shows the speed
        self._left_debugger |= report.is_left
        if report.is_left:
            self._ended |= report.kind == "error"  # nothing has begun, or the caps are not known: there is no end to wait for
            report = replace(report, kind="info")
        if report.kind == "error" and self.interrupts and not self._states.started:
            report, self._ended = replace(report, kind="warning"), True  # Ctrl-C is why it has not started
        if report.kind == "error":
            if self.owner.handle_error(report, element):
                self._is_resuming = True
                return
            self._finishing = not self.failed and self._can_finish(element)
            self.failed = True
        self.owner.report(report, element)

    def _resume(self) -> None:
        """Set the pipeline to PLAYING again: an error of an element in a bin cancels a pending change of state.

        Whether it does shows later, and may be while the pipeline is being set to PLAYING for the first time.
        """
        if not self._states.started or self._buffering:
            return
        now = time.monotonic()
        _, state, pending = self.pipeline.get_state(0)
        if state == Gst.State.PLAYING and pending == Gst.State.VOID_PENDING:
            self._is_resuming = False
        elif now >= self._resume_at:
            self._resume_at = now + _RESUME_EVERY_S
            self._states.resume()

    def _can_finish(self, failing: Any) -> bool:
        """End the stream and return True if there are files to finish that the failing element does not write."""
        if not self.owner.can_finish(failing):
            return False
        self.end()
        return True

    def notify(self, kind: str, text: str) -> None:
        """Report a text about the whole pipeline; an error sets ``failed``."""
        self.failed = self.failed or kind == "error"
        self.owner.report(Report(kind, self.pipeline.get_path_string(), text), self.pipeline)

    def _stop(self) -> None:
        """Set the pipeline to NULL in another thread, so that a library that never returns cannot block this one."""
        pads = self.owner.end_pads()
        self._has_begun = not pads or self._has_frames(pads)
        is_stopped = self._wait_for(self._states.stop())
        while (message := self.bus.pop()) is not None:
            if report := report_of(message):
                self._report(report, message.src)
        if not is_stopped:
            files = self._unfinished()
            who = "a debugger waits for input in a callback" if is_debugger_open() else _WHO
            raise StuckError(
                f"The pipeline does not stop: {who}. Leaving it behind" + (f"; {files} may be unfinished." if files else "."),
                exit_code=self.exit_code or FAILED,
            )

    def _wait_for(self, stopping: threading.Thread) -> bool:
        """Wait until ``stopping`` ends; return False if it takes longer than its limit."""
        began = free = time.monotonic()  # it was free to take any time until then
        warned = False
        while stopping.is_alive():
            self._interrupt_start()
            stopping.join(_TICK_S)
            now = time.monotonic()
            if not self._is_limited or (self.interrupts < 2 and is_debugger_open()):
                free = now
            elif now - free > (min(_HURRY_S, self.grace_s) if self.interrupts > 1 else self.grace_s):
                return not stopping.is_alive()
            if now - began > self.grace_s and not warned:
                warned = True
                self.notify("warning", "A callback of a library, or an element, takes long to stop; waiting. Ctrl-C ends that.")
        return True

    def _interrupt_start(self) -> None:
        """Let elements wait no longer for workers that start: the change to NULL comes behind that."""
        if not self._states.started and self._is_limited:
            for element in elements_in(self.pipeline):
                if interrupt := isinstance(element, LibraryTransform) and element.interrupt_start:
                    interrupt()

    def _unfinished(self) -> str:
        """Return the names of files that did not get the end of the stream."""
        if self.complete or not self._has_begun:
            return ""
        elements = (each for each in elements_in(self.pipeline) if not isinstance(each, Gst.Bin))
        sinks = (each for each in elements if each.sinkpads and not each.srcpads and each.find_property("location"))
        return ", ".join(sorted(sink.get_property("location") or "" for sink in sinks))
