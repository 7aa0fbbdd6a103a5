"""The latency that workers add where the source is live: GStreamer's sinks wait for it, and so do other branches."""

from __future__ import annotations

from math import ceil, inf, isfinite

from empycustom.elements.results import LibraryTransform
from empycustom.gstreamer import Gst
from empycustom.native.pads import add_latency

_STEP_NS = 10 * Gst.MSECOND
_CALLS = 20  # after so many it is looked at how long they take
_AT_ONCE = {"every": 2, "skip": 1, "latest": 0}  # calls that a frame may have to wait for in its worker, its own too


class Latency:
    """Knows how long calls take, and lets the pipeline ask again when that has changed. Until then it is a frame's duration."""

    def __init__(self, element: LibraryTransform) -> None:
        self._element = element
        self.duration_ns = inf  # of a frame; infinite where it is not known
        self.calls = self._call_ns = 0
        self._is_live = False

    def count(self) -> None:
        """Count a call, whose time is in the element's tally."""
        self.calls += 1
        if self.calls % _CALLS == 0:
            slow = ceil(self._element.tally.times.percentile_ns(95) / _STEP_NS) * _STEP_NS
            if slow > self._call_ns:
                self._call_ns = slow
                self.report()

    def report(self) -> None:
        """Let the pipeline ask, if that counts."""
        if self._is_live:
            self._element.post_message(Gst.Message.new_latency(self._element))

    def add_to(self, query: int) -> None:
        """Add it to the answer to the latency query at an address."""
        self._is_live = add_latency(query, self._own_ns)

    def _own_ns(self) -> int:
        duration = int(self.duration_ns) if isfinite(self.duration_ns) else 0
        return _AT_ONCE[self._element.values["pace"]] * max(self._call_ns, duration)
