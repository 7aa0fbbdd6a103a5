"""Play streams for all commands and for ``empycustom.process``: sources, sinks, the bus, Ctrl-C, and outputs.

:class:`PlayOptions` is what a run wants. The command line makes it of its arguments; a program can make it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from empycustom.text import Moment


@dataclass(frozen=True)
class Part:
    """The part of a video to be played: its start and duration; None: from the beginning, to the end.

    ``may_be_empty``: it is no error that there is no frame in it.
    """

    start: Moment | None = None
    duration: Moment | None = None
    may_be_empty: bool = False

    @property
    def start_ns(self) -> int:
        """The start in nanoseconds."""
        return self.start.ns if self.start else 0

    def left_of(self, duration_ns: int) -> int:
        """Return the duration of the part of a video with ``duration_ns``, in nanoseconds."""
        rest = max(0, duration_ns - self.start_ns)
        return min(rest, self.duration.ns) if self.duration else rest


@dataclass(frozen=True)
class PlayOptions:
    """What a run wants: which frames, and where its results go.

    ``frames``: the limit of frames of each stream. ``part``: the part of each source. ``every_frame``: no frame of a live source
    is skipped. ``reconnect``: to an endless source that is lost. ``grace_s``: the limit of the end after Ctrl-C or an error.

    ``save``: names of videos and pictures, in which ``{stream_id}`` is replaced by the name of the stream. ``show``: a window.
    ``out``, ``events`` and ``summary`` are paths or URIs, ``-`` for stdout, None for nowhere. ``document_format``: what
    ``out`` gets, as the property ``format`` of aimeta. ``preview``: somebody may watch the frames while they are played, files at
    their own speed, again and again.
    """

    frames: int | None = None
    part: Part | None = None
    every_frame: bool = False
    reconnect: bool = False
    grace_s: float = 10.0
    save: Sequence[str] = ()
    show: bool = False
    out: str | None = None
    document_format: str = "document"
    events: str | None = None
    summary: str | None = None
    preview: bool = False
