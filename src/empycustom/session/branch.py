"""One stream of a pipeline while it plays: its source, its counts, its files; and the text of its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from empycustom.config.launch import AIMETA, FIRST, LEAVING, STREAMMUX, Change, Description, changes, describe, name_of
from empycustom.config.streams import Stream
from empycustom.elements.upstream import announce
from empycustom.errors import DebuggerLeftError, OptionError
from empycustom.gstreamer import GObject, Gst, GstVideo
from empycustom.native import probes
from empycustom.outputs.table import path_of
from empycustom.session import PlayOptions
from empycustom.session.documents import Notifier, Publisher
from empycustom.session.excerpt import Excerpt, Newest, SkippedFrames, is_live, why_no_start
from empycustom.session.parts import Feeder, Report, exists, in_background
from empycustom.session.playlist import Playlist, Single, launch_tokens, sources_of
from empycustom.session.reconnect import Outlet, Reconnection, is_farewell
from empycustom.session.sinks import Sinks, sinks_of
from empycustom.session.sources import Source, describe_source, error_text, is_endless
from empycustom.session.summary import Work
from empycustom.session.upright import keep_upright
from empycustom.text import for_people, without_password, without_secrets


class Branch:
    """One stream in a pipeline. ``publisher`` publishes its documents, ``notify`` reports texts about it.

    ``attached`` gets it when it has its elements, in the thread of its player. Raises PathError, LaunchError where a file cannot
    be written.
    """

    def __init__(
        self,
        publisher: Publisher,
        options: PlayOptions,
        notify: Notifier,
        attached: Callable[[Branch], None] = lambda _branch: None,
    ) -> None:
        self.publisher, self.options, self.notify = publisher, options, notify
        self._attached = attached
        self.stream = publisher.stream
        self._admitted = 0
        self.work, self.left_out = Work(), SkippedFrames()
        self.over = False  # no more frames are wanted
        self.failed = False  # while others of its pipeline go on, or at the end
        self.closed = False
        self.shared = 0  # how many of its first stages are played with those of others
        self.head: Any = None  # the bin of its source, and of the elements behind it
        self.tail: Any = None  # the bin of aimeta; the same where no stages are shared
        self.expected: int | None = options.frames  # frames, as far as it can be known
        self.feeder: Feeder = Feeder()  # until there are elements
        self.outlet: Outlet | None = None
        self.first: Any = None  # the queue before the first library
        self._last: Any = None  # the pad behind the last one
        self._sinks = sinks_of(self.stream, options)
        self._passed: probes.BufferCounter | None = None
        self._end_all: Callable[[], None] = lambda: None
        self._undo: list[Callable[[], Any]] = []

    @property
    def label(self) -> str:
        """The name of the stream in messages where it has none of its own: its source, without secrets."""
        return self.stream.name or without_password(self.stream.location)

    def find_sources(self) -> None:
        """Find the sources of the stream. Raises LaunchError if one does not exist."""
        self.sources = sources_of(self.stream, self.notify.warn)

    def describe(self) -> Description:
        """Return the pipeline of the stream. Raises LaunchError if a source cannot be read."""
        made = self._described(self._sinks)
        for warning in made.warnings:
            self.notify.warn_once(warning)
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
            unique_path=self.publisher.writer.unique_path,
            notify=self.notify,
        )
        self._attach_source(self.outlet)
        keep_upright(head)
        self.newest = newest = Newest(head, self.left_out, every=self.options.every_frame)
        self.publisher.attach(self.aimeta, is_live=lambda: newest.is_live, is_over=lambda: self.over, end=self.end)
        self._attached(self)

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
        is_looped = loops(self.sources, self.options)
        if is_looped or len(self.sources) > 1:
            self.feeder = Playlist(self.head, self.sources, self.report, name=self.stream.name, is_looped=is_looped)
            return
        announced = self._leaving() or self.head.get_by_name(STREAMMUX) or self.first
        announce(announced.get_static_pad("src"), name)
        if self.options.reconnect and is_endless(source.target):
            self.feeder = Reconnection(self.head, self.first, source, name, outlet, is_over=self._is_over, warn=self.notify.warn)
        else:
            self.feeder = Single(self.head, self.first.get_static_pad("sink"), source)
        if self.options.part:
            self.excerpt = Excerpt(self.head, self.options.part, is_file=not why_no_start(source))

    def _is_over(self) -> bool:
        return self.over or bool(self.excerpt and self.excerpt.ended)

    @property
    def frames(self) -> int:
        """The number of frames that went through all libraries."""
        return self._passed.all if self._passed else 0

    def end_pad(self) -> Any:
        """Return the pad behind the queue FIRST: an end sent there drops the frames that wait in the queue."""
        return self.first.get_static_pad("src").get_peer()

    def _expect(self) -> int | None:
        """Return how many frames the stream will have, None where that is not known."""
        limit = self.options.frames
        if isinstance(self.feeder, Playlist):
            return min(filter(None, [limit, self.feeder.total]), default=None)
        known, duration = self.head.query_duration(Gst.Format.TIME)
        frame_s = self.frame_seconds
        if not known or duration <= 0 or not frame_s:
            return limit
        duration = self.options.part.left_of(duration) if self.options.part else duration
        total: int = round(duration / Gst.SECOND / frame_s)
        return min(limit, total) if limit else total

    @property
    def frame_seconds(self) -> Fraction | None:
        """The duration of a frame, None: it is not known, or not yet. Any thread may ask."""
        caps = self._last.get_current_caps() if self._last else None
        info = caps and GstVideo.VideoInfo.new_from_caps(caps)
        return Fraction(info.fps_d, info.fps_n) if info and info.fps_n else None

    @property
    def queued(self) -> int:
        """The number of frames that wait in the queue before the first library. Any thread may ask."""
        return int(self.first.get_property("current-level-buffers")) if self.first else 0

    def end(self) -> None:
        """End the stream; any thread may call this."""
        self.over = True
        self._end_all()

    def change(self, stream: Stream) -> None:
        """Go on with other values of properties and options."""
        found = changes(self.stream, stream, exists)
        self.stream = stream
        self.publisher.change(stream)
        for change in found:
            self._change(change)

    def _change(self, change: Change) -> None:
        _set_text(self.element(change.name), change.key, change.text)

    def element(self, name: str) -> Any:
        """Return an element of a stage, also of one that streams share."""
        return self.tail.get_by_name(name) or self.tail.get_parent().get_by_name(name)

    # In the thread of the player.

    def tick(self) -> None:
        """Update counts and warnings; called ten times a second."""
        self.expected = self._expect()
        for text in self.left_out.warnings():
            self.notify.warn(text)

    def report(self, report: Report) -> None:
        """Pass on what an element of the stream reports, with the source's name and without passwords."""
        source = self.feeder.source_of(report.element) or self.sources[0]
        has_begun = self.first.get_static_pad("sink").has_current_caps()
        texts = (self._place_of(report) + error_text(report, source, has_begun=has_begun), report.details)
        text, details = (without_secrets(each, source.typed) for each in texts)
        self.notify(report.kind, text, details)

    def _place_of(self, report: Report) -> str:
        """Return the path of what is wrong in the configuration, where that is an option that a library does not take."""
        name = report.element.rpartition("/")[2]
        for index, stage in enumerate(self.stream.stages):
            if stage.path and name.endswith(f":{name_of(stage, index)}"):
                error = getattr(self.element(name_of(stage, index)), "error", None)
                if isinstance(error, OptionError) and for_people(error.reported) == report.text:
                    return f"{stage.path_of_option(error.option)}: "
        return ""

    def handle_error(self, report: Report) -> bool:
        """Return True for an error that does not end the stream: it reconnects, goes on with the next file, or wants no more."""
        is_over = self.has_ended or self._is_over()
        return (is_over and is_farewell(report)) or self.feeder.handle_error(report)

    @property
    def is_reconnecting(self) -> bool:
        """True while the source is gone and the stream waits for it."""
        return self.feeder.is_reconnecting

    def mark_ended(self) -> None:
        """Record that all sinks saw the end."""
        if self.outlet:
            self.outlet.ended = True

    @property
    def has_ended(self) -> bool:
        """True when no frame will come any more. Any thread may ask."""
        outlet = self.outlet  # a source that is lost ends files, too, and comes back
        return self.closed or self.over or bool(outlet and outlet.ended and not isinstance(self.feeder, Reconnection))

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
                self.notify.warn(f"{path} was not written: there was no frame.")
        self.work.end()
        for undo in self._undo:
            undo()
        self._undo.clear()
        self.publisher.close()
        self.closed = True

    def summary(self) -> dict[str, Any]:
        """Return the counts of the stream as a dict."""
        named = {"stream_id": self.stream.name} if self.stream.name else {}
        counts = self.work.summary(frames=self.frames, left_out=self.left_out.count, **self.publisher.counts)
        return {**named, **counts}

    # In threads of the pipeline.

    def _admit(self, _pad: Any, _info: Any) -> Any:
        """Count a frame, and drop it beyond the limit of ``--frames``."""
        self._admitted += 1
        if self._admitted == self.options.frames:
            self.left_out.close()
        if self._admitted >= (self.options.frames or 0):
            self.end()
        return Gst.PadProbeReturn.OK if self._admitted <= (self.options.frames or 0) else Gst.PadProbeReturn.DROP

    @property
    def left_debugger(self) -> bool:
        """True if a debugger in the callback was quit."""
        return isinstance(self.publisher.ended, DebuggerLeftError)


def described(
    stream: Stream,
    sources: Sequence[Source],
    sinks: Sinks,
    options: PlayOptions,
    *,
    for_launch: bool = False,
    aimeta: Mapping[str, Any] | None = None,
    shared: int = 0,
) -> Description:
    """Return the pipeline of a stream on this machine, which plays ``sources``; ``aimeta`` are properties of that element.

    ``for_launch``: for people with gst-launch-1.0, otherwise for ``run``. ``shared``: the count of its stages that are shared
    with other streams. Raises LaunchError if a source cannot be read.
    """
    source, *more = sources
    paced = options.preview or bool(stream.input.get("live-source"))
    live = is_live(source) or (paced and source.kind == "test")
    tokens: Sequence[str] = Playlist.tokens
    if not (more or loops(sources, options)):
        tokens = describe_source(source, live=paced, frames=options.frames if for_launch else None, printed=for_launch)
    made = describe(
        stream,
        tokens,
        exists,
        aimeta=aimeta,
        sinks=partial(sinks.tokens, printed=for_launch, live=live, single_segment=tokens is Playlist.tokens),
        named=not for_launch,
        newest=live and not options.every_frame,
        shared=shared,
    )
    if more and for_launch:
        made.sinks += launch_tokens(sources)
    return made


def loops(sources: Sequence[Source], options: PlayOptions) -> bool:
    """Return whether files are played again and again: there is a preview, and nothing says where they end."""
    is_whole = options.part is None and options.frames is None
    return options.preview and is_whole and all(source.kind == "uri" and not is_endless(source.target) for source in sources)


def _set_text(element: Any, key: str, text: str) -> None:
    """Set a property of an element from the text of its value; a property of type string gets it unchanged."""
    if element.find_property(key).value_type == GObject.TYPE_STRING:
        element.set_property(key, text)
    else:
        Gst.util_set_object_arg(element, key, text)
