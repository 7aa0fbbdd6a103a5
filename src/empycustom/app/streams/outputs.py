"""What a stream configuration's run writes: documents, events and frames, of one stream or of several."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from empycustom.app.playing.lines import Lines
from empycustom.app.playing.sinks import Sinks
from empycustom.app.playing.sources import is_same_file
from empycustom.app.playing.summary import written
from empycustom.app.streams.pipelines import sinks_of
from empycustom.app.streams.places import PLACE, for_each_stream
from empycustom.app.summary_file import refuse_stdout
from empycustom.errors import LaunchError
from empycustom.meta.compact import dumps
from empycustom.paths import as_path, as_text
from empycustom.stream.config import Configuration, Stream


def are_documents_all(configuration: Configuration, asked: Namespace) -> bool:
    """Whether documents are the only thing that a run could show; then they are printed."""
    return not (asked.out or asked.save or asked.show or configuration.callback)


def sinks_of_all(configuration: Configuration, asked: Namespace) -> list[tuple[Stream, Sinks]]:
    """Where the frames of each stream go. Raises LaunchError where that cannot be."""
    for name in asked.save:
        if len(configuration.streams) > 1 and PLACE not in name:
            better = for_each_stream(name)
            raise LaunchError(f"--save {name}: several streams cannot write one file; write {PLACE} into its name: '{better}'")
    found = [(stream, sinks_of(stream, asked)) for stream in configuration.streams]
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
            if name and PLACE in name:
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
    for stream, sinks in sinks_of_all(configuration, asked):
        yield from sinks.files
        if stream.aimeta.get("location"):
            yield as_path(stream.aimeta["location"])


def _read(configuration: Configuration) -> Iterator[str]:
    """What the run reads: paths and URIs."""
    yield as_text(configuration.file)
    if configuration.callback:
        yield as_text(configuration.callback[0])
    for stream in configuration.streams:
        yield stream.location
        yield from (stage.properties["custom-lib"] for stage in stream.stages if "custom-lib" in stage.properties)
