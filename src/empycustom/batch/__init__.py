"""Work on many recorded videos: what is to be done, by whom, and the data set that comes of it.

A :class:`Task` is one video, or one piece of a long one. An executor (:class:`Executor`) plays tasks side by side, in processes
of this machine or elsewhere, and returns an :class:`Outcome` for each, whose rows lie aside. The data set takes them over when
the video is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Work:
    """What is done with every video: ``stages`` are libraries with the properties of their elements, in their order.

    ``format`` is the pixel format of the frames, None: as they are decoded. ``lines``: documents as lines, not tables.
    """

    stages: Sequence[Mapping[str, Any]]
    format: str | None = None
    lines: bool = False


@dataclass(frozen=True)
class Task:
    """One video, or a piece of it. ``name`` is the video's in the data set, ``key`` the name of its files.

    ``location`` is what is played: a file, a folder, a URI. ``pieces`` is how many it has been cut into, ``piece`` the number of
    this one, ``start_ns`` and ``duration_ns`` where it lies, None: to the end.
    """

    name: str
    key: str
    location: str
    piece: int = 0
    pieces: int = 1
    start_ns: int = 0
    duration_ns: int | None = None


@dataclass
class Outcome:
    """What became of a task. ``error`` is empty where all went well.

    ``files`` are where its rows lie, by table: a path, or the bytes themselves where they come from elsewhere.
    ``columns`` are the types of the library's own values, by table. ``numbered`` are the frames that have got a number: also
    those that a library has dropped. ``failed_calls`` did not end it (--on-error); ``warning`` is the first one.
    """

    task: Task
    frames: int = 0
    numbered: int = 0
    objects: int = 0
    duration_ns: int = 0
    seconds: float = 0.0
    failed_calls: int = 0
    warning: str = ""
    error: str = ""
    details: str = ""
    is_fatal: bool = False  # nothing else can be written, either
    at_start: bool = False  # it is `start` of a library that has failed, which gets nothing of the video
    files: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far a task is."""

    task: Task
    frames: int
    expected: int | None
    per_second: float


class Executor(Protocol):
    """Plays tasks, a number of them at once. Used by one thread."""

    slots: int
    """How many tasks it plays at once."""

    def submit(self, task: Task) -> None:
        """Play a task, as soon as there is room."""

    def events(self, timeout_s: float) -> Iterator[Progress | Outcome]:
        """Yield what has happened, and wait for something for so long at most. Each task that was submitted has one outcome."""

    def close(self) -> str:
        """End all that is played, at once; return why what libraries share could not be closed, else ``""``."""
