"""Descriptions of streams: the options of a run, the sources and sinks of each stream, and the text of its pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from empycustom.config.launch import Description, describe
from empycustom.config.streams import Configuration, Stage, Stream
from empycustom.errors import LaunchError, UnknownOutputError
from empycustom.model.schema import Problem
from empycustom.outputs.table import output_class, path_of
from empycustom.session.excerpt import Part, check_part, is_live
from empycustom.session.parts import exists
from empycustom.session.playlist import Playlist, check_files, expand, launch_tokens
from empycustom.session.sinks import Sinks
from empycustom.session.sources import Source, describe_source, is_file, playable
from empycustom.text import as_native, visible

PLACE = "{stream_id}"  # in the name of a file
_LONGEST = 200  # bytes of a stream's name in that of a file, which may have 255
_OWN = "$.pipeline_configuration.aimeta.location"


@dataclass(frozen=True)
class PlayOptions:
    """What a run wants: which frames, and where its results go.

    ``frames``: the limit of frames of each stream. ``part``: the part of each source. ``every_frame``: no frame of a live source
    is skipped. ``reconnect``: to an endless source that is lost. ``grace_s``: the limit of the end after Ctrl-C or an error.

    ``save``: names of videos and pictures, in which ``{stream_id}`` is replaced by the name of the stream. ``show``: a window.
    ``out``, ``events`` and ``summary`` are paths or URIs, ``-`` for stdout, None for nowhere.
    """

    frames: int | None = None
    part: Part | None = None
    every_frame: bool = False
    reconnect: bool = False
    grace_s: float = 10.0
    save: Sequence[str] = ()
    show: bool = False
    out: str | None = None
    events: str | None = None
    summary: str | None = None


def library_stage(path: str, *, in_place: bool, **properties: Any) -> Stage:
    """Return the stage that runs a library without conversion of the frames; ``properties`` are others of its element."""
    return Stage("empycustom", "empycustom", "", {"custom-lib": path, "in-place": in_place, **properties}, named=True)


def plain_stream(sources: Sequence[str], stages: Sequence[Stage] = (), *, pixels: str | None = None) -> Stream:
    """Return the stream that plays ``sources``, each a SOURCE of ``empycustom run``, one after the other."""
    first, *more = sources
    return Stream("", first, {}, tuple(stages), {}, (), more=tuple(more), format=pixels)


def sources_of(stream: Stream, warn: Callable[[str], None] = lambda _text: None) -> list[Source]:
    """Find the sources of a stream; ``warn`` gets a text for files of folders that are skipped. Raises LaunchError."""
    found = [playable(name) for location in (stream.location, *stream.more) for name in expand(location, warn)]
    check_files(found)
    return found


def file_path(option: str, name: str) -> Path:
    """Return the path that an option names, a path or a file:// URI. Raises LaunchError if it is another URI, PathError."""
    path = path_of(name)
    if path is None:
        raise LaunchError(f"{option} {name} is not a file; give the path of a file.")
    return path


def saved_as(name: str, stream: Stream) -> Path:
    """Return the file that a name of ``--save`` means for a stream. Raises LaunchError, PathError."""
    path = file_path("--save", name)  # first, because ~ at the beginning of a stream's name is not a home folder
    if PLACE not in name or not stream.name:
        return path
    if why := _unfit(stream.name):
        raise LaunchError(f"--save {name}: the stream_id {stream.name} {why}, and cannot be in the name of a file")
    return Path(str(path).replace(PLACE, as_native(stream.name)))


def _unfit(name: str) -> str:
    """Return why the name of a stream cannot be in the name of a file, or ``""``."""
    reasons = (
        ("/" in name, "has a / in it"),
        (name in (".", ".."), "is the name of a folder"),
        (name.startswith("-"), "begins with -, as options of commands do"),
        (visible(name) != name, "has control characters in it"),
        (len(name.encode()) > _LONGEST, f"is longer than {_LONGEST} bytes"),
    )
    return next((why for is_so, why in reasons if is_so), "")


def for_each_stream(name: str) -> str:
    """Return a name like ``name`` with PLACE in it."""
    stem, ending = os.path.splitext(name)
    return f"{stem}-{PLACE}{ending}"


def missing_sources(configuration: Configuration, *, cameras: bool = False) -> Iterator[Problem]:
    """Yield the sources that are missing files, or never end; with ``cameras`` also other sources, which may come later."""
    for stream in configuration.streams:
        if stream.location and (cameras or is_file(stream.location)):
            try:
                sources_of(stream)
            except LaunchError as error:
                yield Problem(stream.location_path, str(error).rstrip("."))


def without_times(configuration: Configuration, part: Part | None) -> Iterator[Problem]:
    """Yield the sources of which ``part`` cannot be played."""
    for stream in configuration.streams if part else ():
        with suppress(LaunchError):  # which missing_sources yields
            sources = sources_of(stream)
            try:
                check_part(part, sources)
            except LaunchError as error:
                yield Problem(stream.location_path, str(error).rstrip("."))


def places_outside(configuration: Configuration, *, allowed: bool) -> Iterator[Problem]:
    """Yield the locations of aimeta in the file that are outside of its folder and of the working directory, or have no output.

    The file may be from somebody else, while ``--allow-outside`` (``allowed``) and ``--set`` are from the user who runs it.
    """
    assert configuration.file
    inside = [os.path.realpath(folder) for folder in (configuration.file.absolute().parent, ".")]
    for stream in configuration.streams:
        location, set_at = stream.aimeta.get("location"), stream.set_at.get("location", _OWN)
        if not location:
            continue
        found = path_of(location)
        try:
            output_class(location)
        except UnknownOutputError as error:
            yield Problem(set_at, str(error))
            continue
        path = os.path.realpath(found or "/")  # with links resolved; a location that is not a file is outside
        if allowed or set_at.startswith("--set"):
            continue
        if not any(os.path.commonpath([path, folder]) == folder for folder in inside):
            yield Problem(
                set_at,
                f"{location} lies outside of the configuration's folder and of the working directory; name a file inside, write "
                "the documents with --out, or give --allow-outside if that file is to be written",
            )


def sinks_of(stream: Stream, options: PlayOptions) -> Sinks:
    """Return the sinks of a stream. Raises LaunchError, PathError."""
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

    ``for_launch``: for people with gst-launch-1.0, otherwise for ``run``. ``shared``: the count of its stages that are shared
    with other streams. Raises LaunchError if a source cannot be read.
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
