"""``empycustom run``: a source through libraries into files, a window or stdout."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import empycustom
from empycustom.app.configured import is_configuration
from empycustom.app.documents import Documents
from empycustom.app.endings import complain
from empycustom.app.libraries import Request
from empycustom.app.parts import caps_filter, chain, make
from empycustom.app.player import Player, Report
from empycustom.app.progress import Progress
from empycustom.app.sinks import Picture, add_file, add_nothing, add_window, check_display, check_endings
from empycustom.app.sources import add_source, locate
from empycustom.app.streams import play_streams
from empycustom.errors import LaunchError
from empycustom.gstreamer import Gst, GstVideo
from empycustom.library.hooks import callbacks_of


def main(arguments: Namespace) -> int:
    """Play SOURCE through the libraries, or what the configuration SOURCE says; return the exit code."""
    empycustom.register()
    if is_configuration(arguments.source):
        return play_streams(arguments)
    return Run(arguments).play()


class Run:
    """One ``empycustom run``. Making it checks what was typed and builds the pipeline; raises EmPyCustomError."""

    def __init__(self, arguments: Namespace) -> None:
        self.arguments = arguments
        self.saved = [Path(path).expanduser() for path in arguments.save]
        self.out = Path(arguments.out).expanduser() if arguments.out not in (None, "-") else None
        located = locate(arguments.source)
        check_endings(self.saved)
        if arguments.show:
            check_display()
        check_format(arguments.format)
        libraries = [library_element(request) for request in arguments.libraries]
        for path in filter(None, [self.out, *self.saved]):
            self._prepare(path)
        self.frames = self.let_in = 0
        self.pictures: list[Picture] = []
        self.pipeline = Gst.Pipeline.new("run")
        self._build(located, libraries)

    def _prepare(self, path: Path) -> None:
        """Make the folder of an output; refuse to overwrite what is being read."""
        for read in (self.arguments.source, *(request.path for request in self.arguments.libraries)):
            if path.exists() and Path(read).expanduser().exists() and path.samefile(Path(read).expanduser()):
                raise LaunchError(f"{path} would be overwritten while it is read; choose another name for the output.")
        path.parent.mkdir(parents=True, exist_ok=True)

    def _build(self, located: str, libraries: list[Any]) -> None:
        first = make("queue")
        self.convert = make("videoconvert")
        self.aimeta = make("aimeta", **({"location": str(self.out)} if self.out else {}))
        self.tee = make("tee")
        pixels = caps_filter(f"video/x-raw,format={self.arguments.format}")
        chain(self.pipeline, first, self.convert, pixels, *libraries, self.aimeta, self.tee)
        self.tee.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._count)
        if self.arguments.frames:
            pixels.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._limit)
        self._add_sinks()
        add_source(self.pipeline, located, first)

    def _add_sinks(self) -> None:
        for path in self.saved:
            if picture := add_file(self.pipeline, self.tee, path):
                self.pictures.append(picture)
        if self.arguments.show:
            add_window(self.pipeline, self.tee)
        elif not self.saved:
            add_nothing(self.pipeline, self.tee)

    def _count(self, _pad: Any, _info: Any) -> Any:
        self.frames += 1
        return Gst.PadProbeReturn.OK

    def _limit(self, _pad: Any, _info: Any) -> Any:
        self.let_in += 1
        if self.let_in >= self.arguments.frames:
            self.player.end()
        return Gst.PadProbeReturn.OK if self.let_in <= self.arguments.frames else Gst.PadProbeReturn.DROP

    def play(self) -> int:
        """Play to the end and say what was done; return the exit code."""
        asked = self.arguments
        printing = asked.out == "-" or not (asked.out or asked.save or asked.show)
        self.player = Player(
            self.pipeline,
            on_report=self._tell,
            on_tick=self._update,
            before_stop=self._finish,
            end_at=self.convert,
            grace_s=asked.grace,
        )
        documents = Documents(self.aimeta, shown=printing, on_closed=self.player.end)
        self.progress = Progress(quiet=asked.quiet or (printing and sys.stdout.isatty()))
        try:
            code = self.player.play()
        finally:
            self.progress.close()
        if not asked.quiet and (self.frames or not self.player.failed):
            print(self._summary(documents.count), file=sys.stderr)
        return code

    def _tell(self, report: Report) -> None:
        """Print what an element says, below the progress bar if it ends here."""
        if report.kind == "error":
            self.progress.close()
        text, debug = report.advised, report.details
        if "/GstURIDecodeBin:" in report.element or "/GstDecodeBin:" in report.element:
            text = f"{self.arguments.source}: {text}"
        complain(text, debug, kind=report.kind)

    def _total(self) -> int | None:
        """How many frames there will be, as far as it can be known."""
        limit: int | None = self.arguments.frames
        known, duration = self.pipeline.query_duration(Gst.Format.TIME)
        caps = self.tee.get_static_pad("sink").get_current_caps()
        if not known or duration <= 0 or caps is None:
            return limit
        info = GstVideo.VideoInfo.new_from_caps(caps)
        if not info.fps_n:
            return limit
        total: int = round(duration / Gst.SECOND * info.fps_n / info.fps_d)
        return min(limit, total) if limit else total

    def _update(self) -> None:
        self.progress.update(self.frames, self._total())

    def _finish(self) -> None:
        """Do what needs the elements as they are at the end of the stream."""
        self._update()
        for picture in self.pictures:
            if not picture.write():
                complain(f"{picture.path} was not written: there was no frame.", kind="warning")

    def _summary(self, documents: int) -> str:
        seconds = self.progress.seconds
        written = [str(path) for path in [self.out, *self.saved] if path and path.exists()]
        where = f"; written: {', '.join(written)}" if written else ""
        rate = self.frames / seconds if seconds else 0
        return f"{self.frames} frames in {seconds:.1f} s ({rate:.1f} fps), {documents} documents{where}"


def library_element(request: Request) -> Any:
    """The element ``empycustom`` that runs a library: in place where it can. Raises LibraryError if it cannot be loaded."""
    in_place = "process_ip" in callbacks_of(request.path)
    element = make("empycustom", custom_lib=request.path, in_place=in_place, process_interval=request.every)
    if request.options is not None:
        element.set_property("options", request.options)
    return element


def check_format(name: str) -> None:
    """Raise LaunchError, which lists the formats, unless the element takes frames of the format ``name``."""
    template = Gst.ElementFactory.find("empycustom").get_static_pad_templates()[0].get_caps()
    wanted = Gst.Caps.from_string(f"video/x-raw,format={name}")
    if wanted is None or not wanted.can_intersect(template):
        raise LaunchError(f"--format {name} is not one that the libraries can get; see `gst-inspect-1.0 empycustom`.")
