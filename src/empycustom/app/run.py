"""``empycustom run``: a source through libraries into files, a window or stdout."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from empycustom.app.options import Request, is_configuration
from empycustom.config.launch import AIMETA, FIRST, TURN, Description, assignments, first_queue
from empycustom.elements import add_elements
from empycustom.elements.upstream import announce
from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.callbacks import callbacks_of
from empycustom.session import callback as debugger
from empycustom.session.console import DONE, FAILED, AllAtOnce, complain, keep_stdout, kept_stdout, remark, show
from empycustom.session.excerpt import (
    Excerpt,
    LeftOut,
    Newest,
    check_part,
    is_live,
    part_of,
    warn_of_live,
    warn_of_part,
    why_no_start,
)
from empycustom.session.outputs import Documents, prepare, refuse_stdout, summarized
from empycustom.session.parts import Report, build
from empycustom.session.play import play_streams
from empycustom.session.player import Interrupts, Player
from empycustom.session.playlist import Playlist, check_files, expand, printed
from empycustom.session.sinks import Sinks, Videos, expect_windows
from empycustom.session.sources import SOURCE, Times, describe_source, expect_video, explained, playable, shown, warn_of_frames
from empycustom.session.summary import Progress, Work, in_lines
from empycustom.session.upright import can_turn, keep_upright, variables
from empycustom.text import as_path, as_text, without_secrets

_CONVERT, _PIXELS = "convert", "pixels"  # names of elements


def main(arguments: Namespace) -> int:
    """Play SOURCE through the libraries, or what the configuration SOURCE says; return the exit code."""
    keep_stdout()
    add_elements()
    if is_configuration(arguments.source[0]):
        return summarized(arguments, lambda done: play_streams(arguments, done))
    return summarized(arguments, lambda done: _main(arguments, done))


def _main(arguments: Namespace, done: dict[str, Any]) -> int:
    run = Run(arguments)
    return run.show() if arguments.dry_run else run.play(done)


class Run:
    """One ``empycustom run``. Making it checks what was typed; raises EmPyCustomError."""

    def __init__(self, arguments: Namespace) -> None:
        self.arguments = arguments
        self.saved = [as_path(name) for name in arguments.save]
        self.out = as_path(arguments.out) if arguments.out not in (None, "-") else None
        elsewhere = arguments.out or arguments.save or arguments.show or not arguments.libraries
        self.printing = arguments.out == "-" or not elsewhere
        self.sinks = Sinks(self.saved, window=arguments.show)
        self.outputs = [path for path in (self.out, *self.saved) if path]
        self.work = Work()
        self.part = part_of(arguments)
        if self.printing:
            refuse_stdout(arguments.summary_json)
        with AllAtOnce() as found:
            names = [name for typed in arguments.source for name in found(expand, typed) or ()]
            self.sources = [found(playable, name) for name in names]
            found(self.sinks.check)
            if arguments.format:
                found(check_format, arguments.format)
            requests = [request if arguments.dry_run else request.absolute() for request in arguments.libraries]
            libraries = [found(describe_library, request) for request in requests]
            found(check_files, self.sources)
            found(check_part, self.part, self.sources)
        self.playlist: Playlist | None = None
        self.libraries = [word for words in libraries for word in words]
        self.let_in = 0
        self.left_out = LeftOut("--every")

    def show(self) -> int:
        """Print the line of gst-launch-1.0 that does the same; return 0."""
        aimeta = ["silent=false"] if self.printing else []
        live = is_live(self.sources[0])
        words = self._words(*aimeta, sinks=self.sinks.words(printed=True, live=live), frames=self.arguments.frames)
        words += printed(self.sources) if len(self.sources) > 1 else []
        warn_of_frames(self.arguments, self.arguments.source)
        warn_of_part(self.part)
        warn_of_live(self.sources[0], every=self.arguments.every_frame)
        names = variables(source.name for source in self.sources)
        show(Description(words).line(finishing=bool(self.saved), variables=names))
        return DONE

    def _words(self, *aimeta: str, sinks: list[str], frames: int | None = None) -> list[str]:
        """The pipeline; ``aimeta`` and ``frames`` are what gst-launch-1.0 needs."""
        wanted = self.arguments.format
        pixels = f"video/x-raw,format={wanted}" if wanted else "video/x-raw"
        again = [] if not wanted or can_turn(wanted) else ["!", "videoconvert"]
        location = assignments({"location": as_text(self.out)}) if self.out else []
        return [
            *(*self._described(frames), "!", *self._first()),
            *("!", "videoconvert", f"name={_CONVERT}", "!", *TURN, *again),
            *("!", "capsfilter", f"name={_PIXELS}", f"caps={pixels}"),
            *(*self.libraries, "!", "aimeta", f"name={AIMETA}", *location, *aimeta),
            *(*(Playlist.words_after if len(self.sources) > 1 and self.saved else []), *sinks),
        ]

    def _described(self, frames: int | None) -> Sequence[str]:
        if len(self.sources) > 1:
            return Playlist.words
        return describe_source(self.sources[0], frames=frames, printed=self.arguments.dry_run)

    def _first(self) -> list[str]:
        return first_queue(newest=is_live(self.sources[0]) and not self.arguments.every_frame)

    def _build(self) -> None:
        summary = [as_path(name) for name in (self.arguments.summary_json,) if name not in (None, "-")]
        read = [*(source.typed for source in self.sources), *(request.path for request in self.arguments.libraries)]
        prepare([*summary, *self.outputs], read)
        self.pipeline = build(Description(self._words(sinks=self.sinks.words(live=is_live(self.sources[0])))).text)
        self.aimeta = self.pipeline.get_by_name(AIMETA)
        self.last = self.aimeta.get_static_pad("src")
        if self.arguments.frames:
            self.pipeline.get_by_name(_PIXELS).get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._limit)
        self.work.watch(self.pipeline, self.outputs)
        self._feed()
        expect_windows(self.pipeline)
        keep_upright(self.pipeline)
        self.newest = Newest(self.pipeline, self.left_out, every=self.arguments.every_frame)
        self.videos = Videos(self.pipeline, self.sinks)

    def _feed(self) -> None:
        """Prepare what the frames come from."""
        if len(self.sources) > 1:
            self.playlist = Playlist(self.pipeline, self.sources, self._tell)
            return
        source, first = self.pipeline.get_by_name(SOURCE), self.pipeline.get_by_name(FIRST)
        expect_video(source, first.get_static_pad("sink"), shown(self.sources[0].name))
        announce(first.get_static_pad("src"), self.sources[0].name)
        Times(source, first.get_static_pad("sink"))
        if self.part:
            Excerpt(self.pipeline, self.part, is_file=not why_no_start(self.sources[0]))

    @property
    def frames(self) -> int:
        """How many frames went through all libraries."""
        return self.videos.frames.all

    def _limit(self, _pad: Any, _info: Any) -> Any:
        self.let_in += 1
        if self.let_in == self.arguments.frames:
            self.left_out.close()
        if self.let_in >= self.arguments.frames:
            self.player.end()
        return Gst.PadProbeReturn.OK if self.let_in <= self.arguments.frames else Gst.PadProbeReturn.DROP

    def play(self, done: dict[str, Any]) -> int:
        """Play to the end, and say and put into ``done`` what was done; return the exit code. Raises EmPyCustomError, OSError."""
        interrupts = Interrupts()
        with interrupts.counted():
            self._build()
            return self._play(interrupts, done)

    def _play(self, interrupts: Interrupts, done: dict[str, Any]) -> int:
        asked = self.arguments
        self.player = Player(
            self.pipeline,
            on_report=self._tell,
            on_tick=self._update,
            before_stop=self._finish,
            takes=self.playlist.takes if self.playlist else lambda _report: False,
            feeder=self.playlist,
            files_after=self.aimeta if self.saved else None,
            end_at=self.pipeline.get_by_name(_CONVERT),
            grace_s=asked.grace,
            interrupts=interrupts,
            falls_behind=lambda: self.newest.falls_behind,
        )
        documents = Documents(self.aimeta, shown=self.printing, on_closed=self.player.end)
        self.progress = Progress(quiet=asked.quiet or (self.printing and kept_stdout().isatty()))
        try:
            with debugger.alone(self.progress.pause):
                code = self.player.play()
            self.sinks.remove_empty(self.videos.without_frames(complete=self.player.complete))
            if self.playlist and self.playlist.broken:
                code = code or FAILED
        finally:
            self.progress.close()
            documents.close()
            self.work.end()
            done.update(self.work.summary(frames=self.frames, documents=documents.count, left_out=self.left_out.count))
        if not asked.quiet and (self.frames or not self.player.failed):
            remark(in_lines(done))
        return code

    def _tell(self, report: Report) -> None:
        """Print what an element says, below the progress bar if it ends here."""
        one_of_many = self.playlist and self.playlist.source_of(report.element)
        if report.kind == "error" and not one_of_many:
            self.progress.close()
        source = one_of_many or self.sources[0]
        texts = (explained(report, source.name), report.details)
        text, debug = (without_secrets(each, source.typed) for each in texts)
        complain(text, debug, kind=report.kind)

    def _total(self) -> int | None:
        """How many frames there will be, as far as it can be known."""
        limit: int | None = self.arguments.frames
        if self.playlist:
            return min(filter(None, [limit, self.playlist.total]), default=None)
        known, duration = self.pipeline.query_duration(Gst.Format.TIME)
        caps = self.last.get_current_caps()
        if not known or duration <= 0 or caps is None:
            return limit
        info = GstVideo.VideoInfo.new_from_caps(caps)
        if not info.fps_n:
            return limit
        duration = self.part.left_of(duration) if self.part else duration
        total: int = round(duration / Gst.SECOND * info.fps_n / info.fps_d)
        return min(limit, total) if limit else total

    def _update(self) -> None:
        self.progress.update(self.frames, self._total())
        self._tell_left_out()
        if self.playlist:
            self.playlist.look()

    def _tell_left_out(self, **least: int) -> None:
        for text in self.left_out.news(**least):
            self.player.say("warning", text)

    def _finish(self) -> None:
        """Do what needs the elements as they are at the end of the stream."""
        self._update()
        if self.arguments.quiet:  # there is no summary to say it
            self._tell_left_out(least=1)
        videos = self.videos.without_frames(complete=self.player.complete)
        for path in (*self.sinks.write_pictures(self.pipeline), *videos):
            complain(f"{path} was not written: there was no frame.", kind="warning")
        for kind, text in self.videos.findings(complete=self.player.complete):
            self.player.say(kind, text)


def describe_library(request: Request) -> list[str]:
    """The words of the element that runs a library: in place where it can. Raises LibraryError if it cannot be loaded."""
    callbacks = callbacks_of(request.path)
    in_place = "process_ip" in callbacks or "process" not in callbacks
    properties: dict[str, Any] = {"custom-lib": request.path, "in-place": in_place}
    if request.every != 1:
        properties["process-interval"] = request.every
    if request.on_error:
        properties["on-error"] = request.on_error
    if request.options is not None:
        properties["options"] = request.options
    return ["!", "empycustom", *assignments(properties)]


def check_format(name: str) -> None:
    """Raise LaunchError, which lists the formats, unless the element takes frames of the format ``name``."""
    template = Gst.ElementFactory.find("empycustom").get_static_pad_templates()[0].get_caps()
    wanted = Gst.Caps.from_string(f"video/x-raw,format={name}") if name.isascii() else None
    if wanted is None or not wanted.can_intersect(template):
        raise LaunchError(f"--format {name} is not one that the libraries can get; see `gst-inspect-1.0 empycustom`.")
