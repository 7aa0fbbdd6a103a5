"""What the property ``stats`` tells: buffers, errors, and how long the calls of the library took."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from empycustom.gstreamer import GObject, Gst

_FINE = 5  # 2**5 steps from a power of two to the next: a time is known to 3 percent


class CallTimes:
    """Counts times, in nanoseconds, at little cost for each, and tells their mean, maximum and percentiles."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._total_ns = 0
        self.longest_ns = 0

    def add(self, ns: int) -> None:
        """Count the time of one call."""
        self._total_ns += ns
        if ns > self.longest_ns:
            self.longest_ns = ns
        shift = ns.bit_length() - _FINE - 1
        self._counts[ns if shift <= 0 else (shift << _FINE) + (ns >> shift)] += 1

    def include(self, others: CallTimes) -> None:
        """Count what others have counted, too."""
        self._total_ns += others._total_ns
        self.longest_ns = max(self.longest_ns, others.longest_ns)
        for step, count in others._counts.copy().items():
            self._counts[step] += count

    @property
    def mean_ns(self) -> int:
        """The mean, 0 without calls."""
        calls = sum(self._counts.copy().values())
        return self._total_ns // calls if calls else 0

    def percentile_ns(self, percent: int) -> int:
        """Return the time that ``percent`` of the calls do not exceed, to 3 percent; 0 without calls."""
        counts = sorted(self._counts.copy().items())  # buffers flow meanwhile
        wanted = sum(count for _, count in counts) * percent
        seen = 0
        for step, count in counts:
            seen += count * 100
            if seen >= wanted:
                return min(_upper_end(step), self.longest_ns)
        return 0


def _upper_end(step: int) -> int:
    """Return the longest time that is counted in a step."""
    if step < 2 << _FINE:
        return step
    shift = (step >> _FINE) - 1
    return ((step - (shift << _FINE) + 1) << shift) - 1


class Tally:
    """What was counted since the start. ``dropped`` are buffers, of which a library may drop one that it processed."""

    def __init__(self) -> None:
        self.buffers = self.processed = self.errors = self.dropped = 0
        self.times = CallTimes()

    def add(self, other: Tally) -> None:
        """Count what another one has counted, too."""
        for name in ("buffers", "processed", "errors", "dropped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.times.include(other.times)

    def structure(self) -> Any:
        """Return it as a GstStructure, all fields uint64."""
        fields = {
            "buffers": self.buffers,
            "processed": self.processed,
            "passed": self.buffers - self.processed,
            "errors": self.errors,
            "dropped": self.dropped,
            "call-mean-ns": self.times.mean_ns,
            "call-p50-ns": self.times.percentile_ns(50),
            "call-p95-ns": self.times.percentile_ns(95),
            "call-max-ns": self.times.longest_ns,
        }
        structure = Gst.Structure.new_empty("empycustom-stats")
        for name, value in fields.items():
            structure.set_value(name, GObject.Value(GObject.TYPE_UINT64, value))
        return structure
