"""The writer of a run: documents and events as lines of JSON, the summary file, and checks of the names of all files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from empycustom.config.streams import PLACE, Configuration, Stream
from empycustom.errors import EmPyCustomError, LaunchError
from empycustom.model.gva import values_in
from empycustom.model.serialize import dumps, loads
from empycustom.outputs.queued import Patient, QueuedOutput, Waiter, reason
from empycustom.outputs.table import ConsoleOutput, as_line, line_of, output_class, output_for, path_of
from empycustom.session import PlayOptions
from empycustom.session.console import FAILED, exit_code_of, print_error, reserved_stdout
from empycustom.session.playlist import expand
from empycustom.session.sinks import sinks_of_all
from empycustom.session.sources import is_same_file
from empycustom.session.summary import LOST, Work, written
from empycustom.text import as_text


class Lines:
    """Lines on stdout, or in the output for ``location``: the path of a new file, or a URI.

    A thread writes them, and any thread may add lines.

    Stdout has only these lines if it was reserved: see :mod:`empycustom.session.console`. ``on_closed`` is called once if the
    reader of stdout ends (``| head``), which is not an error. Raises OSError if the file cannot be made, UnknownOutputError.
    """

    def __init__(self, location: str | None, *, on_closed: Callable[[], None]) -> None:
        self._name = str(path_of(location) or location) if location else "stdout"
        self._on_closed = on_closed
        self._error: LaunchError | None = None  # not raised yet
        try:
            output = output_for(location) if location else ConsoleOutput(stream=reserved_stdout())
            self._output = QueuedOutput(output, on_error=self._fail)
        except EmPyCustomError:
            raise
        except Exception as error:  # of an output of another package, whose errors of the system name no file
            if isinstance(error, OSError) and error.filename:
                raise
            raise LaunchError(f"{self._name} cannot be written ({reason(error)}).") from error

    @property
    def queue(self) -> QueuedOutput:
        """The queue of the lines that wait to be written, which counts them."""
        return self._output

    def write(self, line: bytes, waiter: Waiter) -> bool:
        """Queue a line; return False if it was dropped, because the queue of a live stream is full.

        Raises LaunchError, once, if an earlier line could not be written. Lines after that are dropped.
        """
        accepted = self._output.put(line, waiter)
        if not accepted:
            self._raise()
        return accepted or self._output.failed is not None

    def close(self, is_hurried: Callable[[], bool] = lambda: False) -> None:
        """Write the queued lines, and close the file. Raises LaunchError as :meth:`write` does."""
        self._output.close(is_hurried)
        self._raise()

    @property
    def lost(self) -> int:
        """The number of lines that were not written because of an error; 0 if the reader has ended, which is not one."""
        return 0 if isinstance(self._output.failed, BrokenPipeError) else self._output.lost

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, BrokenPipeError):
            self._on_closed()
        else:
            self._error = LaunchError(f"{self._name} cannot be written ({reason(error)}); it is incomplete.")
            self._error.__cause__ = error

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error:
            raise error


# ``--summary-json``.


STDOUT = "-"
_BEGIN = '{"exit_code":'  # of every summary


def with_summary(options: PlayOptions, play: Callable[[dict[str, Any]], int]) -> int:
    """Call ``play``, which fills a dict; write this and the exit code to ``--summary-json``, and return the exit code.

    Raises LaunchError before playing if the file is another output, or exists and is not a summary: it may be the video.
    """
    name = options.summary
    done = {**Work().summary(), LOST: 0}
    if name is None:
        return play(done)
    check_output("--summary-json", name)
    path = _path(name)
    if path and path.is_file() and not _may_be_replaced(path):
        raise LaunchError(f"--summary-json {path} is there, and is not the summary of a run; choose another name, or remove it.")
    if path and any(_is_same(path, other) for other in map(_path, (options.out, options.events)) if other):
        raise LaunchError(f"{path} is named twice; every output needs a file of its own.")
    lines = Lines(_location(name), on_closed=lambda: None)
    try:
        code = play(done)
    except BaseException as error:
        _write(lines, exit_code_of(error), done)
        raise
    return _write(lines, code, done)


def check_outputs(options: PlayOptions) -> None:
    """Raise LaunchError if there is no output for what ``--out`` or ``--events`` names."""
    for option, name in (("--out", options.out), ("--events", options.events)):
        check_output(option, name)


def check_output(option: str, name: str | None) -> None:
    """Raise LaunchError, which names the ``option``, if there is no output for a location."""
    try:
        if location := _location(name):
            output_class(location)
    except Exception as error:  # also of an output of another package
        raise LaunchError(f"{option} {name}: {reason(error)}") from error


def refuse_stdout(name: str | None) -> None:
    """Raise LaunchError if the summary would go to stdout, which documents or events use."""
    if name == STDOUT:
        raise LaunchError("--summary-json -: stdout is for documents and events here; name a file, or give them one with --out.")


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other) and (path.is_file() or not path.exists())  # not /dev/null


def _may_be_replaced(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_BEGIN)) in (b"", _BEGIN.encode())


def _write(lines: Lines, code: int, done: Mapping[str, Any]) -> int:
    try:
        lines.write(line_of({"exit_code": code, **done}), Patient())
        lines.close()
    except LaunchError as error:
        print_error(str(error))
        code = code or FAILED
    return code


# Documents, events and files of all streams.


def has_only_documents(configuration: Configuration, options: PlayOptions) -> bool:
    """Return True if documents are the only result of a run, so that they are printed.

    A source without a library is only measured.
    """
    measured = configuration.file is None and not any(stream.stages for stream in configuration.streams)
    is_published = any(stream.publish for stream in configuration.streams)
    return not (
        measured or is_published or options.preview or options.out or options.save or options.show or configuration.callback
    )


def prepare(paths: Sequence[Path], read: Sequence[str]) -> None:
    """Make the folders of outputs. Raises LaunchError if one is named twice, or is one of the files (paths, URIs) in ``read``."""
    for index, path in enumerate(paths):
        if path.absolute() in [other.absolute() for other in paths[:index]] and (path.is_file() or not path.exists()):
            raise LaunchError(f"{path} is named twice; every output needs a file of its own.")
        if any(is_same_file(source, path) for source in read):
            raise LaunchError(f"{path} would be overwritten while it is read; choose another name for the output.")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)


class LineWriter:
    """Writes documents and events as lines of JSON. With several streams, each line begins with ``stream_id``, its stream's name.

    Raises LaunchError or OSError if an output cannot be written.
    """

    def __init__(self, configuration: Configuration, options: PlayOptions, *, on_closed: Callable[[], None]) -> None:
        self._many = configuration.many
        for option, name in (("--events", options.events), ("--out", options.out)):
            if name and PLACE in name and configuration.file:
                raise LaunchError(f"{option} {name}: the lines of all streams go into one file, each with its stream_id")
        events, documents = _path(options.events), _path(options.out)
        summary = _path(options.summary)
        paths = [path for path in (summary, events, documents, *_saved(configuration, options)) if path]
        prepare(paths, list(_read(configuration)))
        self._used = {path.absolute() for path in paths}
        self._files = {str(path): path.absolute() for path in (documents, events) if path}
        self._lock = threading.Lock()
        shown = options.out == STDOUT or has_only_documents(configuration, options)
        self._events, self._documents = (
            Lines(location, on_closed=on_closed) if location else None
            for location in map(_location, (options.events, options.out))
        )
        self._stdout: Lines | None = None
        if shown or (configuration.callback and not self._events):
            refuse_stdout(options.summary)
            self._stdout = Lines(None, on_closed=on_closed)
            self._events = self._events or self._stdout
            self._documents = self._documents or (self._stdout if shown else None)
        self._as_messages = options.document_format == "gva"
        if self._as_messages and not self._documents:
            raise LaunchError(
                f"--document-format {options.document_format}: no documents are written; add --out FILE, or --out -"
            )

    def unique_path(self, path: Path) -> Path:
        """Return a name like ``path`` that no output of this run has."""
        with self._lock:
            number = 2
            while (found := path.with_stem(f"{path.stem}-{number}")).absolute() in self._used:
                number += 1
            self._used.add(found.absolute())
            return found

    def written(self) -> list[str]:
        """Return the files of documents and events that are not empty."""
        return written(self._files)

    @property
    def queues(self) -> list[QueuedOutput]:
        """The queues of all outputs. Any thread may ask."""
        return [lines.queue for lines in self._all()]

    def lost(self) -> int:
        """Return how many documents and events were not written because of errors."""
        return sum(lines.lost for lines in self._all())

    def _all(self) -> list[Lines]:
        return list(dict.fromkeys(filter(None, [self._events, self._documents, self._stdout])))

    def document(self, stream: Stream, document: str, waiter: Waiter) -> bool:
        """Queue a document, the JSON of an object that is not empty, or its messages; return False if anything was dropped."""
        if self._documents is None:
            return True
        if self._as_messages:
            messages = [self._named(stream, message) for message in values_in(loads(document))]
            written = [self._documents.write(line_of(message), waiter) for message in messages]  # each, also if one was dropped
            return all(written)
        named = f'{{"stream_id":{dumps(stream.name)},{document[1:]}' if self._many else document
        return self._documents.write(as_line(named.encode()), waiter)

    def _named(self, stream: Stream, message: Any) -> Any:
        """Return a message, with the name of the stream where there are several."""
        if not self._many:
            return message
        return {"stream_id": stream.name, **(message if isinstance(message, dict) else {"message": message})}

    def event(self, stream: Stream, event: dict[str, Any], waiter: Waiter) -> bool:
        """Queue an event; a ``stream_id`` of its own stays. Return False if it was dropped."""
        if self._events is None:
            return True
        return self._events.write(line_of({"stream_id": stream.name, **event} if self._many else event), waiter)

    def close(self, is_hurried: Callable[[], bool]) -> list[LaunchError]:
        """Finish the files; return errors that were not raised yet. ``is_hurried`` returns True to stop waiting."""
        errors = []
        for lines in self._all():
            try:
                lines.close(is_hurried)
            except LaunchError as error:  # noqa: PERF203 - each is closed
                errors.append(error)
        return errors


def _location(name: str | None) -> str | None:
    return None if name == STDOUT else name


def _path(name: str | None) -> Path | None:
    return path_of(name) if name and name != STDOUT else None


def _saved(configuration: Configuration, options: PlayOptions) -> Iterator[Path]:
    for stream, sinks in sinks_of_all(configuration, options):
        yield from sinks.files
        location = stream.aimeta.get("location")
        if location and (path := path_of(location)):
            yield path


def _read(configuration: Configuration) -> Iterator[str]:
    """Yield the paths and URIs that the run reads."""
    if configuration.file:
        yield as_text(configuration.file)
    if configuration.callback:
        yield as_text(configuration.callback[0])
    for stream in configuration.streams:
        for location in (stream.location, *stream.more):
            with suppress(LaunchError):  # which is reported when the source is played
                yield from expand(location, lambda _text: None)
        yield from (stage.properties["custom-lib"] for stage in stream.stages if "custom-lib" in stage.properties)
