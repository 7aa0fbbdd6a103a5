"""What goes out line by line: JSON, on stdout or into a file; and the documents that leave aimeta."""

from __future__ import annotations

import os
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from empycustom.config.streams import Configuration, Stream
from empycustom.errors import LaunchError
from empycustom.model.serialize import dumps
from empycustom.session.console import FAILED, complain, exit_code_of, kept_stdout, send_nowhere
from empycustom.session.describe import PLACE, PlayOptions, for_each_stream, sinks_of
from empycustom.session.playlist import expand
from empycustom.session.sinks import Sinks
from empycustom.session.sources import is_same_file
from empycustom.session.summary import Work, written
from empycustom.text import as_path, as_text, write_json


class Lines:
    """Lines on stdout, or in the file at ``path``, which is made anew. Any thread may write.

    Stdout holds nothing but these lines where it was kept for them: see :mod:`empycustom.session.console`. ``on_closed`` is
    called once if whoever reads them goes away (``| head``). Raises OSError where the file cannot be made.
    """

    def __init__(self, path: Path | None, *, on_closed: Callable[[], None]) -> None:
        self._path = path
        self._file: IO[str] = path.open("w", encoding="utf-8") if path else kept_stdout()
        self._on_closed = on_closed
        self._closed = False
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write one line, at once. Raises LaunchError, once, where that fails."""
        with self._lock:
            if not self._closed:
                self._write(line)

    def _write(self, line: str) -> None:
        try:
            write_json(self._file, line)
        except BrokenPipeError:
            self._give_up()
            self._on_closed()
        except OSError as error:
            self._give_up()
            raise LaunchError(f"{self._path or 'stdout'} cannot be written ({error.strerror}); it is incomplete.") from error

    def _give_up(self) -> None:
        """Write no more; what Python still holds would fail once more when it ends."""
        self._closed = True
        send_nowhere(self._file)

    def close(self) -> None:
        """Close the file; what is written later goes nowhere."""
        with self._lock:
            self._closed = True
            if self._path:
                with suppress(OSError):  # it was told when the line was written
                    self._file.close()


# ``--summary-json``: what a run did, for programs, however it ended.


STDOUT = "-"
_BEGIN = '{"exit_code":'  # of every summary


def summarized(asked: Namespace, play: Callable[[dict[str, Any]], int]) -> int:
    """Call ``play``, which fills a dict; write this and the exit code where ``--summary-json`` says, and return the exit code.

    Raises LaunchError, and plays nothing, where the file is another output, or is there and not a summary: it may be the video.
    """
    name = asked.summary_json
    done = Work().summary()
    if name is None:
        return play(done)
    path = None if name == STDOUT else as_path(name)
    if path and path.is_file() and not _may_be_replaced(path):
        raise LaunchError(f"--summary-json {path} is there, and is not the summary of a run; choose another name, or remove it.")
    if path and any(_is_same(path, as_path(other)) for other in (asked.out, asked.events) if other):
        raise LaunchError(f"{path} is named twice; every output needs a file of its own.")
    lines = Lines(path, on_closed=lambda: None)
    try:
        code = play(done)
    except BaseException as error:
        _write(lines, exit_code_of(error), done)
        raise
    return _write(lines, code, done)


def refuse_stdout(name: str | None) -> None:
    """Raise LaunchError if the summary would go to stdout; documents or events are there."""
    if name == STDOUT:
        raise LaunchError("--summary-json -: stdout is for documents and events here; name a file, or give them one with --out.")


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other) and (path.is_file() or not path.exists())  # not /dev/null


def _may_be_replaced(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BEGIN)) in (b"", _BEGIN.encode())


def _write(lines: Lines, code: int, done: Mapping[str, Any]) -> int:
    try:
        lines.write(dumps({"exit_code": code, **done}))
    except LaunchError as error:
        complain(str(error))
        code = code or FAILED
    lines.close()
    return code


# What a stream configuration's run writes: documents, events and frames, of one stream or of several.


def are_documents_all(configuration: Configuration, asked: Namespace) -> bool:
    """Return whether documents are the only thing that a run could show; then they are printed.

    A source that was typed without a library is measured alone.
    """
    measured = configuration.file is None and not any(stream.stages for stream in configuration.streams)
    return not (measured or asked.out or asked.save or asked.show or configuration.callback)


def sinks_of_all(configuration: Configuration, options: PlayOptions) -> list[tuple[Stream, Sinks]]:
    """Return where the frames of each stream go. Raises LaunchError where that cannot be."""
    for name in options.save:
        if len(configuration.streams) > 1 and PLACE not in name:
            better = for_each_stream(name)
            raise LaunchError(f"--save {name}: several streams cannot write one file; write {PLACE} into its name: '{better}'")
    found = [(stream, sinks_of(stream, options)) for stream in configuration.streams]
    for _, sinks in found:
        sinks.check()
    return found


def prepare(paths: Sequence[Path], read: Sequence[str]) -> None:
    """Make the folders of outputs. Raises LaunchError if one is named twice, or is a file that is ``read``: path or URI."""
    for index, path in enumerate(paths):
        if path.absolute() in [other.absolute() for other in paths[:index]] and (path.is_file() or not path.exists()):
            raise LaunchError(f"{path} is named twice; every output needs a file of its own.")
        if any(is_same_file(source, path) for source in read):
            raise LaunchError(f"{path} would be overwritten while it is read; choose another name for the output.")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)


class Outputs:
    """Where documents and events go. With several streams, each line begins with its stream's name as ``stream_id``.

    Raises LaunchError, OSError where an output cannot be.
    """

    def __init__(self, configuration: Configuration, asked: Namespace, *, on_closed: Callable[[], None]) -> None:
        self._many = configuration.many
        for option, name in (("--events", asked.events), ("--out", asked.out)):
            if name and PLACE in name and configuration.file:
                raise LaunchError(f"{option} {name}: the lines of all streams go into one file, each with its stream_id")
        events, documents = _path(asked.events), _path(asked.out)
        summary = _path(asked.summary_json)
        paths = [path for path in (summary, events, documents, *_saved(configuration, asked)) if path]
        prepare(paths, list(_read(configuration)))
        self._taken = {path.absolute() for path in paths}
        self._files = {str(path): path.absolute() for path in (documents, events) if path}
        self._taking = threading.Lock()
        shown = asked.out == "-" or are_documents_all(configuration, asked)
        self._events = Lines(events, on_closed=on_closed) if events else None
        self._documents = Lines(documents, on_closed=on_closed) if documents else None
        self._stdout: Lines | None = None
        if shown or (configuration.callback and not events):
            refuse_stdout(asked.summary_json)
            self._stdout = Lines(None, on_closed=on_closed)
            self._events = self._events or self._stdout
            self._documents = self._documents or (self._stdout if shown else None)

    def another(self, path: Path) -> Path:
        """A name like that of ``path``, which nothing of this run is written to."""
        with self._taking:
            number = 2
            while (found := path.with_stem(f"{path.stem}-{number}")).absolute() in self._taken:
                number += 1
            self._taken.add(found.absolute())
            return found

    def written(self) -> list[str]:
        """The files of documents and events in which there is something."""
        return written(self._files)

    def document(self, stream: Stream, document: str) -> None:
        """Write a document, which is the JSON of an object that is not empty."""
        if self._documents:
            self._documents.write(f'{{"stream_id":{dumps(stream.name)},{document[1:]}' if self._many else document)

    def event(self, stream: Stream, event: dict[str, Any]) -> None:
        """Write an event; a ``stream_id`` of its own stays."""
        if self._events:
            self._events.write(dumps({"stream_id": stream.name, **event} if self._many else event))

    def close(self) -> None:
        """Finish the files."""
        for lines in filter(None, [self._events, self._documents, self._stdout]):
            lines.close()


def _path(name: str | None) -> Path | None:
    return as_path(name) if name not in (None, "-") else None


def _saved(configuration: Configuration, asked: Namespace) -> Iterator[Path]:
    for stream, sinks in sinks_of_all(configuration, PlayOptions(save=asked.save)):
        yield from sinks.files
        if stream.aimeta.get("location"):
            yield as_path(stream.aimeta["location"])


def _read(configuration: Configuration) -> Iterator[str]:
    """What the run reads: paths and URIs."""
    if configuration.file:
        yield as_text(configuration.file)
    if configuration.callback:
        yield as_text(configuration.callback[0])
    for stream in configuration.streams:
        for location in (stream.location, *stream.more):
            with suppress(LaunchError):  # which is told where it is played
                yield from expand(location, lambda _text: None)
        yield from (stage.properties["custom-lib"] for stage in stream.stages if "custom-lib" in stage.properties)
