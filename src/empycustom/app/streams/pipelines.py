"""The pipeline of a stream on this machine: its text, and where its frames go."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from empycustom.app.playing.newest import is_live, warn_of_live
from empycustom.app.playing.parts import exists
from empycustom.app.playing.sinks import Sinks
from empycustom.app.playing.sources import describe_source, locate
from empycustom.app.streams.places import saved_as
from empycustom.stream.config import Stream
from empycustom.stream.launch import Description, describe


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

    ``every``: every frame of a live source is wanted. ``named``: to be played, see :func:`~empycustom.stream.launch.describe`.
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
