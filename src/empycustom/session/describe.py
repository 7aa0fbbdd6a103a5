"""Where a run writes: names of files with the name of a stream in them, and files that a configuration names itself."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from empycustom.config.launch import Description, describe
from empycustom.config.streams import Configuration, Stream
from empycustom.errors import LaunchError
from empycustom.model.schema import Problem
from empycustom.session.excerpt import Part, is_live, warn_of_live, why_no_start
from empycustom.session.parts import exists
from empycustom.session.sinks import Sinks
from empycustom.session.sources import describe_source, is_file, locate, playable
from empycustom.text import as_native, as_path, visible

PLACE = "{stream_id}"  # in the name of a file
_LONGEST = 200  # bytes of a stream's name in that of a file, which may have 255
_OWN = "$.pipeline_configuration.aimeta.location"


def saved_as(name: str, stream: Stream) -> Path:
    """The file that a name of ``--save`` means for a stream. Raises LaunchError, PathError."""
    path = as_path(name)  # first: what begins with ~ is a home folder where it was typed, not in the name of a stream
    if PLACE not in name:
        return path
    if why := _unfit(stream.name):
        raise LaunchError(f"--save {name}: the stream_id {stream.name} {why}, and cannot be in the name of a file")
    return Path(str(path).replace(PLACE, as_native(stream.name)))


def _unfit(name: str) -> str:
    """What keeps the name of a stream out of the name of a file, or ``""``."""
    reasons = (
        ("/" in name, "has a / in it"),
        (name in (".", ".."), "is the name of a folder"),
        (name.startswith("-"), "begins with -, as options of commands do"),
        (visible(name) != name, "has control characters in it"),
        (len(name.encode()) > _LONGEST, f"is longer than {_LONGEST} bytes"),
    )
    return next((why for is_so, why in reasons if is_so), "")


def for_each_stream(name: str) -> str:
    """A name like ``name``, with the stream's in it."""
    stem, ending = os.path.splitext(name)
    return f"{stem}-{PLACE}{ending}"


def missing_sources(configuration: Configuration, *, cameras: bool = False) -> Iterator[Problem]:
    """Yield the sources that are files and not there, or never end; with ``cameras`` the others, too, which may come later."""
    for stream in configuration.streams:
        if stream.location and (cameras or is_file(stream.location)):
            try:
                playable(stream.location)
            except LaunchError as error:
                yield Problem(stream.place, str(error).rstrip("."))


def without_times(configuration: Configuration, part: Part | None) -> Iterator[Problem]:
    """Yield the sources that cannot be played from a later time on, where that is wanted."""
    for stream in configuration.streams if part and part.start else ():
        with suppress(LaunchError):  # which missing_sources tells
            if why := why_no_start(locate(stream.location)):
                yield Problem(stream.place, f"--start: {why.rstrip('.')}")


def places_outside(configuration: Configuration, asked: Namespace) -> Iterator[Problem]:
    """Yield the places where the file lets aimeta write outside of its folder and of the working directory.

    Who runs a configuration need not have written it. ``--allow-outside`` and ``--set`` are typed by the one who does.
    """
    inside = [os.path.realpath(folder) for folder in (configuration.file.absolute().parent, ".")]
    for stream in configuration.streams:
        location, said = stream.aimeta.get("location"), stream.said.get("location", _OWN)
        if not location or asked.allow_outside or said.startswith("--set"):
            continue
        path = os.path.realpath(as_path(location))  # where links lead
        if not any(os.path.commonpath([path, folder]) == folder for folder in inside):
            yield Problem(
                said,
                f"{location} lies outside of the configuration's folder and of the working directory; name a file inside, write "
                "the documents with --out, or give --allow-outside if that file is to be written",
            )


# The pipeline of a stream on this machine: its text, and where its frames go.


def sinks_of(stream: Stream, asked: Namespace) -> Sinks:
    """Where the frames of a stream go. ``{stream_id}`` in a name of ``--save`` is the stream's. Raises LaunchError, PathError."""
    return Sinks([saved_as(name, stream) for name in asked.save], window=asked.show, paced=bool(stream.input.get("live-source")))


def described(
    stream: Stream,
    sinks: Callable[..., Sequence[str]],
    *,
    every: bool,
    frames: int | None = None,
    named: bool = False,
    **aimeta: Any,
) -> Description:
    """The pipeline of a stream on this machine; ``aimeta`` are properties of it. ``frames``: where the source is ``test``.

    ``every``: every frame of a live source is wanted. ``named``: to be played, see :func:`~empycustom.config.launch.describe`.
    Raises LaunchError if the source is not there.
    """
    live = bool(stream.input.get("live-source"))
    source = locate(stream.location)
    words = describe_source(source, live=live, frames=frames, printed=not named)
    live = is_live(source) or (live and source.kind == "test")
    if not named:
        warn_of_live(source, every=every)
    at_once = partial(sinks, live=live)
    return describe(stream, words, exists, aimeta=aimeta, sinks=at_once, named=named, newest=live and not every)
