"""One stream of a pipeline while it plays: its source, its counts, its documents, its callback and its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from empycustom.config.launch import AIMETA, FIRST, LEAVING, STREAMMUX, Change, Description, changes
from empycustom.config.streams import Stream
from empycustom.elements.failures import post_error
from empycustom.elements.upstream import announce
from empycustom.errors import DebuggerLeftError, StreamEndedError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.native import probes
from empycustom.outputs.table import path_of
from empycustom.session.callback import SignalCallback
from empycustom.session.describe import PlayOptions, described, sinks_of, sources_of
from empycustom.session.excerpt import Excerpt, Newest, SkippedFrames, why_no_start
from empycustom.session.outputs import SLOW, Writer
from empycustom.session.parts import Feeder, Report, exists, in_background
from empycustom.session.playlist import Playlist, Single
from empycustom.session.reconnect import Outlet, Reconnection
from empycustom.session.sinks import Sinks
from empycustom.session.sources import error_text, is_endless
from empycustom.session.stages import set_text
from empycustom.session.summary import Work
from empycustom.session.upright import keep_upright
from empycustom.text import without_secrets


class Notifier(Protocol):
    """A function that reports a text about a stream to whoever plays it. Any thread may call it."""

    def __call__(self, text: str, details: str = "", *, kind: str = "error") -> None:
        """Report ``text``; ``kind`` is error, warning, info, or debug for the debug text of a callback."""


class Branch:
    """One stream in a pipeline. ``notify`` reports texts about it, ``warn_once`` warnings that all streams have in common.

    ``documents`` and ``events`` are counts; ``dropped`` counts those for which their output had no room. Raises PathError,
    LaunchError where a file cannot be written.
    """

    def __init__(
        self,
        stream: Stream,
        options: PlayOptions,
        writer: Writer,
        callback: SignalCallback | None,
        notify: Notifier,
        warn_once: Callable[[str], None],
    ) -> None:
        self._warn_once = warn_once
        self.stream, self.options, self.callback, self.notify = stream, options, callback, notify
        self._writer = writer
        self.documents = self.events = self.dropped = self._admitted = 0
        self.work, self.left_out = Work(), SkippedFrames()
        self.over = False  # no more frames are wanted
        self.failed = False  # while others of its pipeline go on
        self.shared = 0  # how many of its first stages are played with those of others
        self.head: Any = None  # the bin of its source, and of the elements behind it
        self.tail: Any = None  # the bin of aimeta; the same where no stages are shared
        self.expected: int | None = options.frames  # frames, as far as it can be known
        self.ended: StreamEndedError | None = None  # by the callback
        self.feeder: Feeder = Feeder()  # until there are elements
        self.outlet: Outlet | None = None
        self._sinks = sinks_of(stream, options)
        self._passed: probes.BufferCounter | None = None
        self._refused = False
        self._end_all: Callable[[], None] = lambda: None
        self._undo: list[Callable[[], Any]] = []

    def find_sources(self) -> None:
        """Find the sources of the stream. Raises LaunchError if one does not exist."""
        self.sources = sources_of(self.stream, self._warn)

    def describe(self) -> Description:
        """Return the pipeline of the stream. Raises LaunchError if a source cannot be read."""
        made = self._described(self._sinks)
        for warning in made.warnings:
            self._warn_once(warning)
        return made

    def _described(self, sinks: Sinks) -> Description:
        return described(self.stream, self.sources, sinks, self.options, shared=self.shared)

    def attach(self, head: Any, tail: Any, end_all: Callable[[], None]) -> None:
        """Attach to the elements of the stream, which are in two bins; ``end_all`` ends the stream, in any thread."""
        self.head, self.tail, self._end_all = head, tail, end_all
        self.first, self.aimeta = head.get_by_name(FIRST), tail.get_by_name(AIMETA)
        last = self.aimeta.get_static_pad("src")
        self._passed = probes.BufferCounter(hash(last))
        self._last = last
        handler = self.aimeta.connect("new-meta", self._on_document)
        self._undo.append(lambda: self.aimeta.disconnect(handler))
        if self.options.frames:
            self._add_probe(self.end_pad(), Gst.PadProbeType.BUFFER, self._admit)
        location = self.stream.aimeta.get("location")
        own = path_of(location) if location else None
        self.work.watch(self.first, self.aimeta)
        self.work.add_files([own] if own else [])
        begin = (self._leaving() or self.first).get_static_pad("sink")
        self.outlet = Outlet(
            tail,
            last,
            begin,
            self._sinks,
            lambda sinks: self._described(sinks).sinks,
            unique_path=self._writer.unique_path,
            notify=self._notify,
        )
        self._attach_source(self.outlet)
        keep_upright(head)
        self.newest = Newest(head, self.left_out, every=self.options.every_frame)

    def _leaving(self) -> Any:
        """Return the queue behind the stages that it shares with others; None: there are none."""
        return self.tail.get_by_name(LEAVING) if self.shared else None

    def _add_probe(self, pad: Any, kind: Any, look: Callable[..., Any]) -> None:
        probe = pad.add_probe(kind, look)
        self._undo.append(lambda: pad.remove_probe(probe))

    def _attach_source(self, outlet: Outlet) -> None:
        source = self.sources[0]
        name = self.stream.name or source.name
        self.excerpt = None
        if len(self.sources) > 1:
            self.feeder = Playlist(self.head, self.sources, self.report, name=self.stream.name)
            return
        announced = self._leaving() or self.head.get_by_name(STREAMMUX) or self.first
        announce(announced.get_static_pad("src"), name)
        if self.options.reconnect and is_endless(source.target):
            self.feeder = Reconnection(self.head, self.first, source, name, outlet, is_over=self._is_over, warn=self._warn)
        else:
            self.feeder = Single(self.head, self.first.get_static_pad("sink"), source)
        if self.options.part:
            self.excerpt = Excerpt(self.head, self.options.part, is_file=not why_no_start(source))

    def _is_over(self) -> bool:
        return self.over or bool(self.excerpt and self.excerpt.ended)

    def _warn(self, text: str) -> None:
        self.notify(text, kind="warning")

    def _notify(self, kind: str, text: str) -> None:
        self.notify(text, kind=kind)

    @property
    def frames(self) -> int:
        """Count of the frames that went through all libraries."""
        return self._passed.all if self._passed else 0

    def end_pad(self) -> Any:
        """Return the pad behind the queue FIRST: an end sent there drops the frames that wait in the queue."""
        return self.first.get_static_pad("src").get_peer()

    def _expect(self) -> int | None:
        """Return how many frames the stream will have, None where that is not known."""
        limit = self.options.frames
        if len(self.sources) > 1:
            return min(filter(None, [limit, self.feeder.total]), default=None)
        known, duration = self.head.query_duration(Gst.Format.TIME)
        caps = self._last.get_current_caps()
        if not known or duration <= 0 or caps is None:
            return limit
        info = GstVideo.VideoInfo.new_from_caps(caps)
        if not info.fps_n:
            return limit
        duration = self.options.part.left_of(duration) if self.options.part else duration
        total: int = round(duration / Gst.SECOND * info.fps_n / info.fps_d)
        return min(limit, total) if limit else total

    def end(self) -> None:
        """End the stream; any thread may call this."""
        self.over = True
        self._end_all()

    def change(self, stream: Stream) -> None:
        """Go on with other values of properties and options."""
        found = changes(self.stream, stream, exists)
        self.stream = stream
        if self.callback:
            self.callback.options = stream.options
        for change in found:
            self._change(change)

    def _change(self, change: Change) -> None:
        element = self.tail.get_by_name(change.name) or self.tail.get_parent().get_by_name(change.name)
        set_text(element, change.key, change.text)

    # In the thread of the player.

    def tick(self) -> None:
        """Update counts and warnings; called ten times a second."""
        self.expected = self._expect()
        for text in self.left_out.warnings():
            self._warn(text)

    def report(self, report: Report) -> None:
        """Pass on what an element of the stream reports, with the source's name and without passwords."""
        source = self.feeder.source_of(report.element) or self.sources[0]
        has_begun = self.first.get_static_pad("sink").has_current_caps()
        texts = (error_text(report, source, has_begun=has_begun), report.details)
        text, details = (without_secrets(each, source.typed) for each in texts)
        self.notify(text, details, kind=report.kind)

    def handle_error(self, report: Report) -> bool:
        """Return True for an error that does not end the stream: it reconnects, or goes on with the next file."""
        return self.feeder.handle_error(report)

    @property
    def is_reconnecting(self) -> bool:
        """True while the source is gone and the stream waits for it."""
        return self.feeder.is_reconnecting

    def mark_ended(self) -> None:
        """Record that all sinks saw the end."""
        if self.outlet:
            self.outlet.ended = True

    @property
    def is_done(self) -> bool:
        """True when no file of the stream is left to be finished."""
        if self.outlet is None or (self.failed and not self.outlet.finishing):
            return True
        return self.outlet.ended and not self.is_reconnecting

    def fail(self, report: Report, element: Any) -> None:
        """End this stream with an error while others go on; finish its files, unless one of their elements failed."""
        self.failed = True
        self.report(report)
        outlet = self.outlet
        if outlet and not outlet.contains(element):
            outlet.finishing = True
            in_background(outlet.end)
        self.end()

    def cut_off(self) -> None:
        """Drop all frames from the shared stages, so that an error here does not reach them. Any thread may call this."""
        pad = self._leaving().get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, lambda _pad, _info: Gst.PadProbeReturn.DROP)

    @property
    def broken(self) -> bool:
        """True if one of several sources could not be played."""
        return bool(self.feeder.broken)

    def close(self, *, complete: bool) -> None:
        """Release the elements, which have stopped, and warn of files without frames. ``complete``: all sinks saw the end."""
        if self.outlet:
            self.outlet.close(complete=complete)
            self.work.add_files(self.outlet.files)
            for path in self.outlet.without_frames:
                self._warn(f"{path} was not written: there was no frame.")
        self.work.end()
        if self._undo:
            self.dropped += self.aimeta.get_property("stats").get_value("dropped")  # of its own outputs
        for undo in self._undo:
            undo()
        self._undo.clear()
        if self.callback:
            self.callback.close()

    def summary(self) -> dict[str, Any]:
        """Return the counts of the stream as a dict."""
        counts = {"documents": self.documents, "dropped": self.dropped, "left_out": self.left_out.count}
        events = {"events": self.events} if self.callback else {}
        named = {"stream_id": self.stream.name} if self.stream.name else {}
        return {**named, **self.work.summary(frames=self.frames, **counts, **events)}

    # In threads of the pipeline.

    def _admit(self, _pad: Any, _info: Any) -> Any:
        """Count a frame, and drop it beyond the limit of ``--frames``."""
        self._admitted += 1
        if self._admitted == self.options.frames:
            self.left_out.close()
        if self._admitted >= (self.options.frames or 0):
            self.end()
        return Gst.PadProbeReturn.OK if self._admitted <= (self.options.frames or 0) else Gst.PadProbeReturn.DROP

    def _on_document(self, aimeta: Any, document: str) -> None:
        if self._refused or self.ended:
            return
        try:
            self._publish(document)
        except BaseException as error:  # noqa: BLE001 - PyGObject would print it and go on
            self._refused = True
            post_error(aimeta, error)

    def _publish(self, document: str) -> None:
        """Write a document, and the events that the callback makes of it."""
        self.documents += 1
        self._count(written=self._writer.document(self.stream, document, self))
        if self.callback is None:
            return
        try:
            result = self.callback(document)
        except StreamEndedError as end:
            self._stop(end)
            return
        for event in result.events:
            self.events += 1
            self._count(written=self._writer.event(self.stream, event, self))
        for key in sorted(result.unknown):
            self._warn_once(f"events have {key}, which event_item_keys does not declare")
        if result.debug:
            self.notify(result.debug.rstrip(), kind="debug")

    def is_live(self) -> bool:
        """Return whether the stream cannot wait for its outputs: also where only the session knows that the source is live."""
        return bool(self.newest.is_live or self.aimeta.waiter.is_live())

    def is_stopping(self) -> bool:
        """Return whether the stream has to go on although an output has no room, because it is to end."""
        return bool(self.over or self.aimeta.waiter.is_stopping())

    def _count(self, *, written: bool) -> None:
        if not written:
            self.dropped += 1
            self._warn_once(SLOW)

    def _stop(self, end: StreamEndedError) -> None:
        """End the stream after the current frame, because the callback raised StreamEndedError."""
        self.ended = end
        self.notify(str(end), kind="info")
        pad = self.aimeta.get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, lambda _pad, _info: Gst.PadProbeReturn.DROP)
        self.end()

    @property
    def left_debugger(self) -> bool:
        """True if a debugger in the callback was quit."""
        return isinstance(self.ended, DebuggerLeftError)
