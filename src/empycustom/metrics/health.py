"""Whether frames flow: what ``/healthz`` answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from empycustom.session.branch import Branch

_LEAST_S, _FRAMES = 5.0, 20  # without a frame: seconds, and frames of the stream's duration and at its speed so far
STARTING, PLAYING, STALLED, ENDED, FAILED = "starting", "playing", "stalled", "ended", "failed"
_WORST = (FAILED, STALLED, STARTING)


class Health(NamedTuple):
    """The state of a stream, and why it is in it."""

    state: str
    why: str

    @property
    def is_good(self) -> bool:
        """True where nothing has to be done."""
        return self.state in (PLAYING, ENDED)


class Pulse:
    """Follows the frames of a stream. One thread calls :meth:`look` several times a second, any thread :meth:`health`."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._frames = 0
        self._first_s = self._last_s = 0.0

    def look(self) -> None:
        """See whether frames came."""
        frames = self._branch.frames
        if frames != self._frames:
            now = time.monotonic()
            self._first_s = self._first_s or now
            self._frames = frames
            self._last_s = now  # last: it says that there are frames

    def health(self) -> Health:
        """Return how the stream is."""
        branch = self._branch
        if branch.failed:
            return Health(FAILED, "it ended with an error")
        if branch.has_ended:
            return Health(ENDED, "it has ended")
        last = self._last_s  # another thread changes it
        lost = "its source is lost, and tried again" if branch.is_reconnecting else ""
        if not last:
            return Health(STARTING, lost or "no frame has come through yet")
        silent, limit = time.monotonic() - last, self._limit_s()
        if silent > limit:
            return Health(STALLED, f"no frame for {silent:.1f} s, and {limit:g} s are the limit" + (f"; {lost}" if lost else ""))
        return Health(PLAYING, f"the last frame was {silent:.1f} s ago")

    def _limit_s(self) -> float:
        duration_s = float(self._branch.frame_seconds or 0)
        usual_s = (self._last_s - self._first_s) / self._frames
        return max(_LEAST_S, round(_FRAMES * max(duration_s, usual_s), 1))


def state_of_all(found: Iterator[Health]) -> str:
    """Return the worst state of the streams, ``ok`` where all are good. Without a stream it is starting."""
    states = {each.state for each in found}
    return next((state for state in _WORST if state in states), "ok" if states else STARTING)
