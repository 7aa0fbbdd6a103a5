"""What is wanted of a run besides its streams; what each stream plays, where its frames go, and the text of its pipeline."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from empycustom.config.launch import Description, describe
from empycustom.config.streams import Configuration, Stage, Stream
from empycustom.errors import LaunchError
from empycustom.model.schema import Problem
from empycustom.outputs.table import path_of
from empycustom.session.excerpt import Part, check_part, is_live
from empycustom.session.parts import exists
from empycustom.session.playlist import Playlist, check_files, expand, launch_tokens
from empycustom.session.sinks import Sinks
from empycustom.session.sources import Source, describe_source, is_file, playable
from empycustom.text import as_native, as_path, visible

PLACE = "{stream_id}"  # in the name of a file
_LONGEST = 200  # bytes of a stream's name in that of a file, which may have 255
_OWN = "$.pipeline_configuration.aimeta.location"


@dataclass(frozen=True)
class PlayOptions:
    """What is wanted of a run, for each of its streams.

    ``frames``: no more than so many. ``part``: of each source. ``every_frame``: no frame of a live source is left out. ``save``
    are names of videos and pictures, in which ``{stream_id}`` stands for the name of the stream; ``show``: a window. ``grace_s``
    is how long the end may take after Ctrl-C or an error. ``reconnect``: to a source that should last and is gone.
    """

    frames: int | None = None
    part: Part | None = None
    every_frame: bool = False
    save: Sequence[str] = ()
    show: bool = False
    grace_s: float = 10.0
    reconnect: bool = False


def library_stage(path: str, *, in_place: bool, **properties: Any) -> Stage:
    """Return the stage that runs a library on the frames as they come to it; ``properties`` are other ones of its element."""
    return Stage("empycustom", "empycustom", "", {"custom-lib": path, "in-place": in_place, **properties}, named=True)


def plain_stream(sources: Sequence[str], stages: Sequence[Stage] = (), *, pixels: str | None = None) -> Stream:
    """Return the stream that plays ``sources``, each what ``empycustom run`` takes for SOURCE, one after the other."""
    first, *more = sources
    return Stream("", first, {}, tuple(stages), {}, (), more=tuple(more), format=pixels)


def sources_of(stream: Stream, warn: Callable[[str], None] = lambda _text: None) -> list[Source]:
    """Find what a stream plays; ``warn`` is told what is left out of folders. Raises LaunchError if it is not there."""
    found = [playable(name) for location in (stream.location, *stream.more) for name in expand(location, warn)]
    check_files(found)
    return found


def saved_as(name: str, stream: Stream) -> Path:
    """Return the file that a name of ``--save`` means for a stream. Raises LaunchError, PathError."""
    path = as_path(name)  # first: what begins with ~ is a home folder where it was typed, not in the name of a stream
    if PLACE not in name or not stream.name:
        return path
    if why := _unfit(stream.name):
        raise LaunchError(f"--save {name}: the stream_id {stream.name} {why}, and cannot be in the name of a file")
    return Path(str(path).replace(PLACE, as_native(stream.name)))


def _unfit(name: str) -> str:
    """Return what keeps the name of a stream out of the name of a file, or ``""``."""
    reasons = (
        ("/" in name, "has a / in it"),
        (name in (".", ".."), "is the name of a folder"),
        (name.startswith("-"), "begins with -, as options of commands do"),
        (visible(name) != name, "has control characters in it"),
        (len(name.encode()) > _LONGEST, f"is longer than {_LONGEST} bytes"),
    )
    return next((why for is_so, why in reasons if is_so), "")


def for_each_stream(name: str) -> str:
    """Return a name like ``name``, with the stream's in it."""
    stem, ending = os.path.splitext(name)
    return f"{stem}-{PLACE}{ending}"


def missing_sources(configuration: Configuration, *, cameras: bool = False) -> Iterator[Problem]:
    """Yield the sources that are files and not there, or never end; with ``cameras`` the others, too, which may come later."""
    for stream in configuration.streams:
        if stream.location and (cameras or is_file(stream.location)):
            try:
                sources_of(stream)
            except LaunchError as error:
                yield Problem(stream.location_path, str(error).rstrip("."))


def without_times(configuration: Configuration, part: Part | None) -> Iterator[Problem]:
    """Yield the sources of which no part can be played, or not from a later time on, where that is wanted."""
    for stream in configuration.streams if part else ():
        with suppress(LaunchError):  # which missing_sources tells
            sources = sources_of(stream)
            try:
                check_part(part, sources)
            except LaunchError as error:
                yield Problem(stream.location_path, str(error).rstrip("."))


def places_outside(configuration: Configuration, args: Namespace) -> Iterator[Problem]:
    """Yield the places where the file lets aimeta write outside of its folder and of the working directory.

    Who runs a configuration need not have written it. ``--allow-outside`` and ``--set`` are typed by the one who does.
    """
    assert configuration.file
    inside = [os.path.realpath(folder) for folder in (configuration.file.absolute().parent, ".")]
    for stream in configuration.streams:
        location, set_at = stream.aimeta.get("location"), stream.set_at.get("location", _OWN)
        if not location or args.allow_outside or set_at.startswith("--set"):
            continue
        found = path_of(location)
        path = os.path.realpath(found or "/")  # where links lead; what is not a file is elsewhere
        if not any(os.path.commonpath([path, folder]) == folder for folder in inside):
            yield Problem(
                set_at,
                f"{location} lies outside of the configuration's folder and of the working directory; name a file inside, write "
                "the documents with --out, or give --allow-outside if that file is to be written",
            )


def sinks_of(stream: Stream, options: PlayOptions) -> Sinks:
    """Return where the frames of a stream go. Raises LaunchError, PathError."""
    paced = bool(stream.input.get("live-source"))
    return Sinks([saved_as(name, stream) for name in options.save], window=options.show, paced=paced)


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

    ``for_launch``: for people with gst-launch-1.0, else to be played. ``shared``: so many of its stages are played with others'.
    Raises LaunchError where a source cannot be read.
    """
    source, *more = sources
    paced = bool(stream.input.get("live-source"))
    live = is_live(source) or (paced and source.kind == "test")
    tokens: Sequence[str] = Playlist.tokens
    if not more:
        tokens = describe_source(source, live=paced, frames=options.frames if for_launch else None, printed=for_launch)
    made = describe(
        stream,
        tokens,
        exists,
        aimeta=aimeta,
        sinks=partial(sinks.tokens, printed=for_launch, live=live, single_segment=bool(more)),
        named=not for_launch,
        newest=live and not options.every_frame,
        shared=shared,
    )
    if more and for_launch:
        made.sinks += launch_tokens(sources)
    return made
