"""``perf``, the element that reports the throughput of a pipeline, and the counters of the property ``stats``.

:class:`Tally` counts buffers, errors and the times of calls for ``empycustom``. :class:`Perf` behaves as RidgeRun documents its
element of this name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from empycustom.elements.base import FLOW_OK, PyTransform, always_templates, install_fast_path
from empycustom.elements.properties import Property, gproperties, install, structure_of
from empycustom.gstreamer import GLib, GObject, Gst, is_installed
from empycustom.native.metas import size_of
from empycustom.native.objects import DebugCategory

_FINE = 5  # 2**5 steps from a power of two to the next: a time is known to 3 percent


class CallTimes:
    """Counts times, in nanoseconds, at little cost for each, and returns their mean, maximum and percentiles."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)
        self.total_ns = self.longest_ns = 0

    def add(self, ns: int) -> None:
        """Count the time of one call."""
        self.total_ns += ns
        if ns > self.longest_ns:
            self.longest_ns = ns
        shift = ns.bit_length() - _FINE - 1
        self._counts[ns if shift <= 0 else (shift << _FINE) + (ns >> shift)] += 1

    def include(self, others: CallTimes) -> None:
        """Count what others have counted, too."""
        self.total_ns += others.total_ns
        self.longest_ns = max(self.longest_ns, others.longest_ns)
        for step, count in others._counts.copy().items():
            self._counts[step] += count

    @property
    def calls(self) -> int:
        """The number of calls so far."""
        return sum(self._counts.copy().values())

    def copy(self) -> CallTimes:
        """Return a copy, which stays as it is."""
        made = CallTimes()
        made.include(self)
        return made

    def since(self, earlier: CallTimes) -> CallTimes:
        """Return what was counted after a copy was made; its longest time is that of all."""
        made = self.copy()
        made.total_ns -= earlier.total_ns
        for step, count in earlier._counts.items():
            made._counts[step] -= count
        return made

    @property
    def mean_ns(self) -> int:
        """The mean of the calls; 0 without calls."""
        calls = self.calls
        return self.total_ns // calls if calls else 0

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

    def at_most(self, limits_ns: Sequence[int]) -> list[int]:
        """Return how many calls took no longer than each of the limits, and how many there were.

        A time less than 3 percent below a limit may be counted above it.
        """
        counts = sorted(self._counts.copy().items())  # buffers flow meanwhile
        ends = [_upper_end(step) for step, _ in counts]
        sums = [0, *accumulate(count for _, count in counts)]
        return [*(sums[bisect_right(ends, limit)] for limit in limits_ns), sums[-1]]


def _upper_end(step: int) -> int:
    """Return the longest time that is counted in a step."""
    if step < 2 << _FINE:
        return step
    shift = (step >> _FINE) - 1
    return ((step - (shift << _FINE) + 1) << shift) - 1


class Tally:
    """What was counted since the start. ``dropped`` are buffers, of which a library may drop one that it processed.

    Where a library has workers: ``skipped`` are buffers that found none, ``waited`` those that waited for one, ``restarts``
    workers that took the place of others; ``transport`` are the times that getting to a worker and back took.
    """

    def __init__(self) -> None:
        self.buffers = self.processed = self.errors = self.dropped = 0
        self.skipped = self.waited = self.restarts = 0
        self.times, self.transport = CallTimes(), CallTimes()

    def add(self, other: Tally) -> None:
        """Count what another one has counted, too."""
        for name in ("buffers", "processed", "errors", "dropped", "skipped", "waited", "restarts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.times.include(other.times)
        self.transport.include(other.transport)

    def structure(self, states: Sequence[str] = ()) -> Any:
        """Return it as a GstStructure, all numbers uint64; ``states`` are what the workers do, a text for each."""
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
            "skipped": self.skipped,
            "waited": self.waited,
            "restarts": self.restarts,
            "transport-mean-ns": self.transport.mean_ns,
            "transport-p95-ns": self.transport.percentile_ns(95),
        }
        structure = structure_of("empycustom-stats", fields)
        for number, state in enumerate(states, 1):
            structure.set_value(f"worker-{number}", state)
        return structure


_UINT = (0, 2**32 - 1)
_REPORT_NS = Gst.SECOND

PROPERTIES = (
    Property(
        name="print-cpu-load",
        kind=bool,
        default=False,
        live=True,
        blurb="Append the load of the machine's processors, in percent",
    ),
    Property(name="print-arm-load", kind=bool, default=False, live=True, blurb="The old name of print-cpu-load"),
    Property(
        name="bitrate-window-size",
        kind=GObject.TYPE_UINT,
        default=0,
        limits=_UINT,
        live=True,
        blurb="How many samples the mean bit rate is taken over; 0: all",
    ),
    Property(
        name="bitrate-interval",
        kind=GObject.TYPE_UINT,
        default=1000,
        limits=_UINT,
        live=True,
        blurb="Time between two samples of the bit rate, in milliseconds",
    ),
)


class BitRate:
    """Samples of the bit rate, in bits a second, and their mean."""

    def __init__(self) -> None:
        self.last = self.mean = 0.0
        self._began_ns = -1
        self._bits = 0
        self._count = 0
        self._window: deque[float] = deque()

    def count(self, size_bytes: int, now_ns: int, interval_ns: int, window: int) -> bool:
        """Count a buffer, and return whether a sample was completed; the mean is over ``window`` samples, 0: over all."""
        if self._began_ns < 0:
            self._began_ns = now_ns
        elapsed = now_ns - self._began_ns
        done = 0 < elapsed >= interval_ns
        if done:
            self._take(self._bits * Gst.SECOND / elapsed, window)
            self._began_ns, self._bits = now_ns, 0
        self._bits += size_bytes * 8
        return done

    def _take(self, sample: float, window: int) -> None:
        self.last = sample
        self._count += 1
        if not window:
            self.mean += (sample - self.mean) / self._count
            return
        self._window.append(sample)
        while len(self._window) > window:
            self._window.popleft()
        self.mean = sum(self._window) / len(self._window)


class FrameRate:
    """Frames a second: since the last report, and since the first buffer."""

    def __init__(self, now_ns: int) -> None:
        self._first_ns = self._last_ns = now_ns
        self._frames = self._reported = 0

    def count(self) -> None:
        """Count a frame."""
        self._frames += 1

    def is_report_due(self, now_ns: int) -> bool:
        """Return whether a second has passed since the last report."""
        return bool(now_ns - self._last_ns >= _REPORT_NS)

    def report(self, now_ns: int) -> tuple[float, float]:
        """Return both rates and begin the next second."""
        fps = _rate(self._frames - self._reported, now_ns - self._last_ns)
        self._last_ns, self._reported = now_ns, self._frames
        return fps, _rate(self._frames, now_ns - self._first_ns)


def _rate(count: int, nanoseconds: int) -> float:
    return float(count * Gst.SECOND / nanoseconds) if nanoseconds else 0.0


class CpuLoad:
    """The load of all processors between two questions, from the kernel's counters."""

    def __init__(self) -> None:
        self._idle, self._total = self._ticks()

    @staticmethod
    def _ticks() -> tuple[int, int]:
        # cpu user nice system idle iowait irq softirq steal …; the first line is the sum of all processors
        ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)

    def percent(self) -> int:
        """Return the load since the last call, from 0 to 100."""
        idle, total = self._ticks()
        spent, idled = total - self._total, idle - self._idle
        self._idle, self._total = idle, total
        return round(100 * (spent - idled) / spent) if spent else 0


class Perf(PyTransform):
    """The element. It changes nothing in the stream."""

    __gtype_name__ = "GstPerf"
    __gstmetadata__ = (
        "Performance",
        "Filter/Analyzer/Generic",
        "Reports frames and bits per second",
        "The empycustom developers",
    )
    __gsttemplates__ = always_templates("ANY")
    __gproperties__ = gproperties(PROPERTIES, __gtype_name__)
    __gsignals__ = {  # noqa: RUF012 - read by PyGObject when the class is made
        "on-bitrate": (GObject.SignalFlags.RUN_LAST, None, (float,)),
    }
    properties = PROPERTIES
    category = DebugCategory("python-perf", "Performance")

    def begin(self) -> None:
        """Count from here."""
        self.work = self._count
        self.set_passthrough(True)
        self._bits = BitRate()
        self._frames: FrameRate | None = None
        self._cpu = CpuLoad() if self._wants_cpu() else None

    def _wants_cpu(self) -> bool:
        return bool(self.values["print-cpu-load"] or self.values["print-arm-load"])

    def _count(self, address: int, given: Any = None) -> int:  # noqa: ARG002 - nothing needs it
        now = Gst.util_get_timestamp()
        interval_ns = self.values["bitrate-interval"] * Gst.MSECOND
        if self._bits.count(size_of(address), now, interval_ns, self.values["bitrate-window-size"]):
            self.emit("on-bitrate", self._bits.mean)
        if self._frames is None:
            self._frames = FrameRate(now)
            self._post(now, self._frames)
        elif self._frames.is_report_due(now):
            self._post(now, self._frames)
        self._frames.count()
        return FLOW_OK

    def _post(self, now: int, frames: FrameRate) -> None:
        fps, mean_fps = frames.report(now)
        text = (
            f"perf: {self.get_name()}; timestamp: {_clock(now)}; bps: {self._bits.last:.3f}; mean_bps: {self._bits.mean:.3f}; "
            f"fps: {fps:.3f}; mean_fps: {mean_fps:.3f}"
        )
        if self._wants_cpu():
            self._cpu = self._cpu or CpuLoad()
            text += f"; cpu: {self._cpu.percent()}; "
        # gst-launch-1.0 shows the debug text of an INFO message, applications its error.
        error = GLib.Error.new_literal(Gst.CoreError.quark(), text, int(Gst.CoreError.TAG))
        self.post_message(Gst.Message.new_info(self, error, text))

    @staticmethod
    def is_elsewhere() -> bool:
        """Return whether RidgeRun's plugin is installed, whose element goes before this one."""
        return is_installed("libgstperf.so")


def _clock(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, Gst.SECOND)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:09d}"


install(PROPERTIES, Perf)
install_fast_path(Perf, "transform_ip")
