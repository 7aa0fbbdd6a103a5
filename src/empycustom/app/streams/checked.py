"""``empycustom check emi_stream_config.json``: all that ``run`` would refuse, and what it would play, without playing it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

import empycustom
from empycustom.app.endings import AllAtOnce, complain
from empycustom.app.playing.parts import exists
from empycustom.app.streams.callback import SignalCallback
from empycustom.app.streams.places import missing_sources, places_outside
from empycustom.app.streams.stages import problems
from empycustom.errors import LibraryError
from empycustom.library.hooks import Library
from empycustom.paths import as_path
from empycustom.stream.config import Configuration, Stage, Stream, read
from empycustom.stream.launch import describe, elements
from empycustom.text import without_password


def check_configuration(asked: Namespace, facts: dict[str, Any], say: Callable[..., None]) -> None:
    """Check it and say what it plays; ``facts`` gets the same for programs. Raises EmPyCustomError, OSError."""
    empycustom.register()
    facts["configuration"] = asked.library
    configuration = read(
        as_path(asked.library),
        sources=asked.sources,
        settings=asked.settings,
        more=lambda read: [*missing_sources(read, cameras=True), *places_outside(read, asked), *problems(read)],
    )
    with AllAtOnce() as found:
        for stage in _libraries(configuration):
            found(_start_and_stop, stage)
        if configuration.callback:
            found(_load_callback, configuration)
    facts["streams"] = [_told(stream) for stream in configuration.streams]
    facts["callback"] = configuration.callback and configuration.callback[1]
    facts["warnings"] = list(
        dict.fromkeys(text for each in configuration.streams for text in describe(each, [], exists).warnings)
    )
    for text in facts["warnings"]:
        complain(text, kind="warning")
    count = len(configuration.streams)
    say(f"{asked.library}: {count} stream{'' if count == 1 else 's'}, nothing is wrong")
    for told in facts["streams"]:
        say("", *_lines(told, facts["callback"]))


def _libraries(configuration: Configuration) -> list[Stage]:
    """The stages that are libraries in Python, each once."""
    stages = (stage for stream in configuration.streams for stage, element in elements(stream, exists) if element == "empycustom")
    return list({repr(stage): stage for stage in stages}.values())


def _start_and_stop(stage: Stage) -> None:
    """Do with a library what its element does before the first frame, and after the last."""
    options = dict(stage.properties.get("options", {}))
    try:
        library = Library.open(stage.properties["custom-lib"], in_place=stage.properties.get("in-place") is True)
        try:
            library.start(options)
            library.stop(options)
        finally:
            library.close()
    except LibraryError as error:
        raise LibraryError(f"{stage.path_of('custom-lib')}: {error}", details=error.details) from error


def _load_callback(configuration: Configuration) -> None:
    if configuration.callback:
        SignalCallback(*configuration.callback, configuration.event_items, ()).close()


def _told(stream: Stream) -> dict[str, Any]:
    """A stream, for programs."""
    stages = [_told_of(stage, element) for stage, element in elements(stream, exists)]
    return {"stream_id": stream.name, "source": without_password(stream.location), "stages": stages}


def _told_of(stage: Stage, element: str) -> dict[str, Any]:
    library = stage.properties.get("custom-lib") if stage.format else None
    callback = None if library is None else "process_ip" if stage.properties.get("in-place") is True else "process"
    caps = {"format": stage.format, "memory": stage.memory}
    return {"path": stage.path, "element": element, "library": library, "callback": callback, **caps}


def _lines(told: dict[str, Any], callback: str | None) -> Iterator[str]:
    yield f"{told['stream_id']}: {told['source']}"
    for stage in told["stages"]:
        memory = "" if stage["memory"] in (None, "CPU") else f" in {stage['memory']} memory"
        more = f" {stage['library']}: {stage['callback']}, {stage['format']}{memory}" if stage["library"] else ""
        yield f"  {stage['element']}{more}"
    yield f"  aimeta{f', whose documents {callback} gets' if callback else ''}"
