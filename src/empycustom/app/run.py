"""``empycustom run``: sources through libraries, or the streams of a configuration, into files, a window or stdout."""

from __future__ import annotations

import os
import select
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empycustom.app.options import Request, is_configuration, read_options
from empycustom.config import schema
from empycustom.config.streams import Configuration, Stage, Stream, library_stage, plain_stream, read
from empycustom.elements import add_elements
from empycustom.errors import ConfigurationError, EmPyCustomError, LaunchError, LibraryNotFoundError, PublishError
from empycustom.library.callbacks import works_in_place
from empycustom.library.sketch import usual_format
from empycustom.model.schema import Problem
from empycustom.publish.destinations import check_uri
from empycustom.session import Part, PlayOptions
from empycustom.session.branch import described
from empycustom.session.checks import (
    missing_sources,
    places_outside,
    problems,
    without_times,
)
from empycustom.session.console import (
    DONE,
    FAILED,
    INTERRUPTED,
    ErrorCollector,
    print_error,
    print_info,
    reserve_stdout,
    reserved_stdout,
    show,
)
from empycustom.session.excerpt import check_part, may_be_live
from empycustom.session.outputs import STDOUT, LineWriter, check_outputs, has_only_documents, with_summary
from empycustom.session.play import Session
from empycustom.session.player import Interrupts
from empycustom.session.playlist import check_files, expand, sources_of
from empycustom.session.sinks import sinks_of, sinks_of_all
from empycustom.session.sources import is_stdin, playable
from empycustom.session.summary import LOST, Progress, as_lines, total
from empycustom.session.upright import variables
from empycustom.text import as_path, as_text, meant

if TYPE_CHECKING:
    from empycustom.metrics.serving import Metrics

STDIN = "-"
_LOOK_EVERY_S = 0.1
_AT_ONCE = 65536  # bytes


def main(arguments: Namespace) -> int:
    """Play SOURCE through the libraries, or the streams of the configuration SOURCE; return the exit code."""
    reserve_stdout()
    add_elements()
    options = options_of(arguments)
    return with_summary(options, lambda done: _main(arguments, options, done))


def _main(args: Namespace, options: PlayOptions, done: dict[str, Any]) -> int:
    configuration = read_any(args, options)
    if configuration is None:
        return INTERRUPTED
    if args.dry_run:
        return dry_run(configuration, options)
    from empycustom.metrics.serving import served

    with served(args.metrics) as metrics:
        return Run(configuration, options, args, metrics).play(done)


def options_of(args: Namespace) -> PlayOptions:
    """Return what the command line wants."""
    part = Part(args.start, args.duration) if args.start or args.duration else None
    lasting = is_configuration(args.source[0])
    return PlayOptions(
        frames=args.frames,
        part=part,
        every_frame=args.every_frame,
        reconnect=lasting,
        grace_s=args.grace,
        save=args.save,
        show=args.show,
        out=args.out,
        document_format=args.document_format,
        events=args.events,
        summary=args.summary_json,
    )


# The streams that are played: of a file, or of what was typed.


def read_any(args: Namespace, options: PlayOptions) -> Configuration | None:
    """Return what is to be played; None: Ctrl-C. Raises EmPyCustomError, OSError."""
    return read_file(args, options) if is_configuration(args.source[0]) else typed(args, options)


def read_file(args: Namespace, options: PlayOptions) -> Configuration | None:
    """Read the configuration that SOURCE names; None: Ctrl-C. Raises ConfigurationError, LaunchError, OSError."""
    settings = [setting for setting in args.settings if setting != STDIN]
    check_outputs(options)
    interrupts = Interrupts()
    with interrupts.counted():
        configuration = read(
            as_path(args.source[0]), sources=args.sources, settings=settings, more=partial(_problems, args, options)
        )
    if interrupts.count:
        return None
    if options.events and configuration.callback is None:
        raise LaunchError("--events: there are no events, because the file has no signal_callback_function_name.")
    return configuration


def _problems(args: Namespace, options: PlayOptions, configuration: Configuration) -> Iterator[Problem]:
    yield from missing_sources(configuration)
    yield from without_times(configuration, options.part)
    yield from _taken_stdin(configuration, args.settings)
    yield from places_outside(configuration, allowed=args.allow_outside)
    yield from problems(configuration)


def _taken_stdin(configuration: Configuration, settings: Sequence[str]) -> Iterator[Problem]:
    """Yield the streams that would read stdin although another one does, or ``--set -``."""
    readers = ["--set -"] if STDIN in settings else []
    for stream in configuration.streams:
        if is_stdin(stream.location):
            if readers:
                text = f"{stream.name} would read stdin, as {readers[0]} does; give it another source"
                yield Problem(stream.location_path, text)
            readers.append(stream.name)


def typed(args: Namespace, options: PlayOptions) -> Configuration:
    """Return what was typed as a configuration of one stream. Raises ReportedError when all that is wrong has been printed."""
    with ErrorCollector() as found:
        found(check_outputs, options)
        names = [name for source in args.source for name in found(expand, source, _warn) or ()]
        sources = [found(playable, name) for name in names]
        found(sinks_of(plain_stream(args.source), options).check)
        if args.format:
            found(check_format, args.format)
        requests = [request if args.dry_run else request.absolute() for request in args.libraries]
        stages = [found(stage_of, request, options) for request in requests]
        found(check_files, sources)
        found(check_part, options.part, sources)
        for uri in args.publish:
            found(check_destination, uri)
    called = [(request.path, request.properties) for request in requests]
    pixels = args.format or (usual_format(called) if called else None)
    return Configuration(None, (plain_stream(names, stages, pixels=pixels, publish=args.publish),))


def check_destination(uri: str) -> None:
    """Raise LaunchError if nothing can be sent to the URI of a ``--publish``, as far as that can be seen without a connection."""
    try:
        check_uri(uri)
    except PublishError as error:
        raise LaunchError(f"--publish: {error}") from error


def _warn(text: str) -> None:
    print_error(text, kind="warning")


def stage_of(request: Request, options: PlayOptions) -> Stage:
    """Return the stage of the library of a ``--lib``: in place where it can. Raises LibraryError if it cannot be loaded.

    With a preview it is not loaded yet: what is wrong with it is shown there.
    """
    text = request.properties.get("options", "")
    if not options.preview and not text.startswith("@"):  # a file may be a pipe, which the element reads
        read_options(text)
    try:
        in_place = works_in_place(request.path, elsewhere=options.preview or bool(request.properties.get("workers")))
    except LibraryNotFoundError as error:
        raise as_typed(error, "--lib ") from error
    return library_stage(request.path, in_place=in_place, **request.properties)


def as_typed(error: LibraryNotFoundError, before: str) -> LibraryNotFoundError:
    """Return the error with ``before`` in place of the name of the property, and with a file that may be meant."""
    path = Path(error.library)
    others = [] if os.path.exists(path) else sorted(file.name for file in path.parent.glob("*.py"))
    found = error.set_by(before)
    return LibraryNotFoundError(f"{found}{meant(path.name, others)}", library=error.library, details=error.details)


def check_format(name: str, option: str = "--format") -> None:
    """Raise LaunchError, which lists the formats, unless the element takes frames of the format ``name``."""
    if problem := schema.FORMAT.problem(name):
        raise LaunchError(f"{option} {problem}.")


# The lines of gst-launch-1.0.


def dry_run(configuration: Configuration, options: PlayOptions) -> int:
    """Print a gst-launch line for each stream, in which aimeta itself writes the documents; return 0."""
    out = options.out
    aimeta: dict[str, Any] = {}
    if out and out != STDOUT and not configuration.many:
        aimeta = {"location": out if "://" in out else as_text(as_path(out))}
    elif out or configuration.callback or has_only_documents(configuration, options):
        aimeta = {"silent": False}
    if aimeta and options.document_format != "document":
        aimeta["format"] = options.document_format
    if options.part:
        _warn("--start and --duration are not in the line: gst-launch-1.0 plays a source from its beginning to its end.")
    locations = [location for stream in configuration.streams for location in (stream.location, *stream.more)]
    if options.frames and any(location != "test" for location in locations):
        _warn("--frames is not in the line: gst-launch-1.0 plays a source to its end.")
    for stream, sinks in sinks_of_all(configuration, options):
        sources = sources_of(stream, _warn)
        description = described(stream, sources, sinks, options, for_launch=True, aimeta=aimeta)
        if may_be_live(sources[0]) and not options.every_frame:
            _warn(f"if {sources[0].name} is live, `run` leaves frames out while the libraries are busy, and the line does not.")
        for warning in description.warnings:
            _warn(warning)
        if configuration.many:
            show(f"# {stream.name}")
        settings = variables((source.name for source in sources), takes_nvmm="memory:NVMM" in description.text)
        show(description.line(finishing=bool(options.save), variables=settings))
    return DONE


# Playing.


class Run:
    """One ``empycustom run``: what its streams report is printed."""

    def __init__(self, configuration: Configuration, options: PlayOptions, args: Namespace, metrics: Metrics | None) -> None:
        self._options, self._args, self._many = options, args, configuration.many
        self._is_typed = configuration.file is None
        self._session = Session(configuration, options, self._open, notify=self._notify)
        if metrics:
            metrics.watch(self._session.branches, lambda: self._writer.queues)
            if not args.quiet or not args.metrics.port:  # nobody can know the port
                print_info(f"metrics: http://{metrics.place}/metrics")
        printing = options.out == STDOUT or has_only_documents(configuration, options)
        silent = args.quiet or not self._is_typed or (printing and reserved_stdout().isatty())
        self._progress = Progress(quiet=silent)

    def play(self, done: dict[str, Any]) -> int:
        """Play, and print and put into ``done`` what was done; return the exit code. Raises StuckError."""
        session, writer = self._session, self._writer
        try:
            session.play(self._tick, begun=self._begun, pause=self._progress.pause)
        finally:
            self._progress.close()
            errors = self._finish_writing()
            summaries = [branch.summary() for branch in session.branches]
            done.clear()
            files = writer.written()
            done.update(_with_files(files, summaries[0]) if self._is_typed else total(files, summaries))
            done[LOST] = writer.lost()
        for branch, summary in zip(session.branches, [done] if self._is_typed else summaries, strict=True):
            if self._args.quiet:  # there is no summary that has it
                for text in branch.left_out.warnings(has_ended=True):
                    self._notify(branch.stream, "warning", text, "")
            elif branch.frames or not session.failed:
                print_info(f"{self._prefix(branch.stream)}{as_lines(summary)}")
        code = session.code
        return FAILED if errors else code

    def _finish_writing(self) -> list[LaunchError]:
        """Write what is still to be written; Ctrl-C ends that. Return what went wrong, which is printed."""
        interrupts = self._session.interrupts
        before = interrupts.count
        with interrupts.counted():
            errors = self._writer.close(lambda: interrupts.count > before or interrupts.count > 1)
        for error in errors:
            print_error(str(error))
        return errors

    def _open(self, session: Session) -> LineWriter:
        self._writer = LineWriter(session.configuration, self._options, on_closed=session.end)
        return self._writer

    def _begun(self, is_over: Callable[[], bool]) -> None:
        if STDIN in self._args.settings:
            TypedChanges(self._session).listen(is_over)

    def _tick(self) -> None:
        if self._is_typed:
            self._progress.update(self._session.frames, self._session.branches[0].expected)

    def _prefix(self, stream: Stream) -> str:
        return f"{stream.name}: " if self._many else ""

    def _notify(self, stream: Stream, kind: str, text: str, details: str) -> None:
        text = f"{self._prefix(stream)}{text}"
        if kind != "debug":
            print_error(text, details, kind=kind)
        elif self._args.verbose:
            print_info(text)


def _with_files(files: Sequence[str], summary: dict[str, Any]) -> dict[str, Any]:
    return {**summary, "written": [*files, *summary["written"]]}


class TypedChanges:
    """``--set -``: takes values that are typed while the streams of a session play."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def listen(self, is_over: Callable[[], bool]) -> None:
        """Take ``KEY=VALUE`` or ``STREAM:KEY=VALUE`` from the lines of stdin, in a thread of its own. Raises LaunchError."""
        if sys.stdin is None:
            raise LaunchError("--set -: stdin is closed, from which the lines would come.")
        threading.Thread(target=self._listen, args=[is_over], daemon=True).start()

    def _listen(self, is_over: Callable[[], bool]) -> None:
        for line in _typed_lines(sys.stdin.fileno(), is_over):
            if line.strip():
                self._apply(line.strip())

    def _apply(self, setting: str) -> None:
        try:
            self._session.set(setting)
        except (EmPyCustomError, OSError) as error:
            print_error(
                f"{str(error).rstrip('.')}; nothing is changed", kind="warning", lines=isinstance(error, ConfigurationError)
            )


def _typed_lines(descriptor: int, is_over: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines that arrive, until the end of either. A thread that waits in a read of Python could not be left."""
    rest, input_ = b"", select.poll()
    input_.register(descriptor, select.POLLIN)
    while not is_over():
        if not input_.poll(_LOOK_EVERY_S * 1000):
            continue
        read = os.read(descriptor, _AT_ONCE)
        *whole, rest = (rest + read).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not read:
            yield rest.decode(errors="replace")
            return
