"""What a library remembers of each source, and when it has to forget it: shared by ``track``, ``zones`` and ``draw``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

State = TypeVar("State")
NO_TIME = -1  # of a frame that has none


@dataclass
class _Known(Generic[State]):
    source: str | None
    number: int
    time_s: float
    state: State


class Sources(Generic[State]):
    """A state for each source, by ``source_id``; it is made anew where another stream begins, or the same one goes back.

    Parameters
    ----------
    make : callable
        Called with the state from before a stream went back (a seek, a loop), None for a new source; returns a new state.
    """

    def __init__(self, make: Callable[[State | None], State]) -> None:
        self._make = make
        self._known: dict[int, _Known[State]] = {}

    def at(self, frame: Any, frame_rate: float | None = None) -> tuple[State, float, int]:
        """Return the state for a frame of in_meta, its time in seconds, and how many frames passed since the one before it.

        The number of frames is 0 where the state is new. Raises ValueError for a frame without timestamp, if ``frame_rate`` is 0;
        None: its time is not needed, and is then its number.
        """
        number, time_s = frame["frame_num"], time_of(frame, frame_rate)
        known = self._known.get(frame["source_id"])
        if known is None or known.source != frame.get("source"):
            known = self._known[frame["source_id"]] = _Known(frame.get("source"), number, time_s, self._make(None))
            return known.state, time_s, 0
        passed = number - known.number
        if passed <= 0 or time_s < known.time_s:
            known.state, passed = self._make(known.state), 0
        known.number, known.time_s = number, time_s
        return known.state, time_s, passed


def time_of(frame: Any, frame_rate: float | None) -> float:
    """Return the time of a frame in its video, in seconds."""
    if frame_rate:
        return float(frame["frame_num"] / frame_rate)
    for key in ("stream_time", "buf_pts"):
        if frame.get(key, NO_TIME) != NO_TIME:
            return float(frame[key] / 1e9)
    if frame_rate is None:
        return float(frame["frame_num"])
    raise ValueError("the frames have no timestamps: set the option frame_rate, to the number of frames a second")
