"""``empycustom run emi_stream_config.json``: the streams of a configuration, side by side."""

from __future__ import annotations

import sys
import threading
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from empycustom.app.callback import SignalCallback
from empycustom.app.changes import STDIN, Changes
from empycustom.app.documents import Lines
from empycustom.app.endings import DONE, FAILED, INTERRUPTED, StuckError, complain
from empycustom.app.live import LiveStream
from empycustom.app.pipelines import PLACE, described, sinks_of
from empycustom.app.player import Interrupts
from empycustom.app.sinks import Sinks
from empycustom.app.stages import check_stages
from empycustom.errors import LaunchError
from empycustom.meta.compact import dumps
from empycustom.stream.config import Configuration, Stream, read

_LOOK_EVERY_S = 0.1


def play_streams(asked: Namespace) -> int:
    """Play what the configuration says, or print it with ``--dry-run``; return the exit code. Raises EmPyCustomError, OSError."""
    settings = [setting for setting in asked.settings if setting != STDIN]
    configuration = read(Path(asked.source).expanduser(), sources=asked.sources, settings=settings)
    if asked.events and configuration.callback is None:
        raise LaunchError("--events: there are no events, because the file has no signal_callback_function_name.")
    check_stages(configuration)
    return dry_run(configuration, asked) if asked.dry_run else Streams(configuration, asked).play()


def dry_run(configuration: Configuration, asked: Namespace) -> int:
    """Print a gst-launch line for each stream, in which aimeta itself does with the documents what was asked; return 0."""
    to_file = asked.out not in (None, "-") and not configuration.many
    shown = asked.out or _are_documents_all(configuration, asked)
    aimeta = {"location": asked.out} if to_file else {"silent": False} if shown else {}
    for stream, sinks in _check_sinks(configuration, asked):
        description = described(stream, asked.frames, partial(sinks.words, printed=True), **aimeta)
        for warning in description.warnings:
            complain(warning, kind="warning")
        if configuration.many:
            print(f"# {stream.name}")
        print(description.line(finishing=bool(asked.save)))
    return DONE


def _are_documents_all(configuration: Configuration, asked: Namespace) -> bool:
    """Whether documents are the only thing that a run could show; then they are printed."""
    return not (asked.out or asked.save or asked.show or configuration.callback)


def _check_sinks(configuration: Configuration, asked: Namespace) -> list[tuple[Stream, Sinks]]:
    """Where the frames of each stream go. Raises LaunchError where that cannot be."""
    for name in asked.save:
        if configuration.many and PLACE not in name:
            better = Path(name).with_stem(f"{Path(name).stem}-{PLACE}")
            raise LaunchError(f"--save {name}: several streams cannot write one file; write {PLACE} into its name: '{better}'")
    found = [(stream, sinks_of(stream, asked)) for stream in configuration.streams]
    for stream, sinks in found:
        if "/" in stream.name and any(PLACE in name for name in asked.save):
            raise LaunchError(f"--save: the stream_id {stream.name} has a / in it, and cannot be in the name of a file")
        sinks.check()
    return found


class Outputs:
    """Where documents and events go. With several streams, each line begins with its stream's name as ``stream_id``."""

    def __init__(self, configuration: Configuration, asked: Namespace, *, on_closed: Any) -> None:
        self._many = configuration.many
        stdout = Lines(None, on_closed=on_closed)
        events, documents = _path(asked.events), _path(asked.out)
        saved = [path for _, sinks in _check_sinks(configuration, asked) for path in sinks.files]
        for path in filter(None, [events, documents, *saved]):
            _prepare(path, configuration)
        shown = asked.out == "-" or _are_documents_all(configuration, asked)
        self._events = Lines(events, on_closed=on_closed) if events else stdout
        self._documents = Lines(documents, on_closed=on_closed) if documents else stdout if shown else None

    def document(self, stream: Stream, document: str) -> None:
        """Write a document, which is the JSON of an object that is not empty."""
        if self._documents:
            self._documents.write(f'{{"stream_id":{dumps(stream.name)},{document[1:]}' if self._many else document)

    def event(self, stream: Stream, event: dict[str, Any]) -> None:
        """Write an event; a ``stream_id`` of its own stays."""
        self._events.write(dumps({"stream_id": stream.name, **event} if self._many else event))

    def close(self) -> None:
        """Finish the files."""
        for lines in filter(None, [self._events, self._documents]):
            lines.close()


def _path(name: str | None) -> Path | None:
    return Path(name).expanduser() if name not in (None, "-") else None


def _prepare(path: Path, configuration: Configuration) -> None:
    """Make the folder of an output; refuse to overwrite what is being read."""
    libraries = (stage.properties.get("custom-lib", "") for stream in configuration.streams for stage in stream.stages)
    callback = configuration.callback[0] if configuration.callback else ""
    sources = (stream.location for stream in configuration.streams)
    for other in map(str, (configuration.file, callback, *libraries, *sources)):
        if other and path.exists() and Path(other).exists() and path.samefile(other):
            raise LaunchError(f"{path} would be overwritten while it is read; choose another name for the output.")
    path.parent.mkdir(parents=True, exist_ok=True)


class Streams:
    """All streams of one run. One that fails says so and leaves the others alone."""

    def __init__(self, configuration: Configuration, asked: Namespace) -> None:
        self._interrupts = Interrupts()
        self._outputs = Outputs(configuration, asked, on_closed=self._end)
        self._quiet = asked.quiet
        self._warned: set[str] = set()
        self._streams = [self._make(stream, configuration, asked) for stream in configuration.streams]
        self._changes = Changes(configuration, self._streams) if STDIN in asked.settings else None

    def _make(self, stream: Stream, configuration: Configuration, asked: Namespace) -> LiveStream:
        found = configuration.callback
        callback = SignalCallback(*found, configuration.event_items, stream.options) if found else None
        return LiveStream(
            stream,
            asked,
            self._outputs,
            callback,
            interrupts=self._interrupts,
            prefix=f"{stream.name}: " if configuration.many else "",
            warned=self._warned,
        )

    def _end(self) -> None:
        for stream in self._streams:
            stream.end()

    def play(self) -> int:
        """Play all to their ends; return the exit code: 1 if one failed. Raises StuckError if one cannot be stopped."""
        threads = [threading.Thread(target=stream.run, daemon=True) for stream in self._streams]
        with self._interrupts.counted():
            for thread in threads:
                thread.start()
            if self._changes:
                self._changes.listen(lambda: not any(thread.is_alive() for thread in threads))
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_EVERY_S)
        self._outputs.close()
        for stream in self._streams:
            if not self._quiet and stream.frames:
                print(stream.summary(), file=sys.stderr, flush=True)
        return self._code()

    def _code(self) -> int:
        failed = any(stream.code == FAILED for stream in self._streams)
        code = FAILED if failed else INTERRUPTED if self._interrupts.count else DONE
        stuck = [stream.stream.name for stream in self._streams if stream.stuck]
        if stuck:
            raise StuckError(f"Ending with {', '.join(stuck)} left behind.", exit_code=code)
        return code
