"""The metrics: a row for each, by what they are about.

Each is read when somebody asks for it, in the thread of the connection, from what streams and elements count anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from empycustom.text import without_secrets

if TYPE_CHECKING:
    from empycustom.outputs.queued import QueuedOutput
    from empycustom.session.branch import Branch
    from empycustom.session.summary import LibraryCounts

BUCKETS_S = (
    *(0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
BUCKETS_NS = [round(seconds * 1e9) for seconds in BUCKETS_S]


class Watched(NamedTuple):
    """A stream, by the label that it has in all metrics. ``is_healthy``: frames flow, or it has ended without an error."""

    label: str
    branch: Branch
    is_healthy: Callable[[], bool]


class Metric(NamedTuple):
    """A metric without ``empycustom_`` in front and ``_total`` behind. ``kind``: counter, gauge, histogram.

    ``read`` returns its value, None: there is none; of a histogram the CallTimes.
    """

    name: str
    kind: str
    text: str
    read: Callable[[Any], Any]


class Group(NamedTuple):
    """Metrics about the same things. ``labels`` are the names of their labels; ``find`` returns values of them, and a thing."""

    labels: tuple[str, ...]
    find: Callable[[Sequence[Watched], Sequence[QueuedOutput]], Iterable[tuple[tuple[str, ...], Any]]]
    metrics: Sequence[Metric]


def distinct(names: Iterable[str]) -> Iterator[str]:
    """Yield names as UTF-8 can have them, without secrets; a second one that would be the same has a number: two may not be."""
    used = set[str]()
    for name in names:
        shown = without_secrets(name).encode("utf-8", "backslashreplace").decode()
        found, number = shown, 2
        while found in used:
            found, number = f"{shown}#{number}", number + 1
        used.add(found)
        yield found


def _versions(_streams: Sequence[Watched], _outputs: Sequence[QueuedOutput]) -> Iterator[tuple[tuple[str], None]]:
    import empycustom

    yield (empycustom.__version__,), None


def _streams(streams: Sequence[Watched], _outputs: Sequence[QueuedOutput]) -> Iterator[tuple[tuple[str], Watched]]:
    for stream in streams:
        yield (stream.label,), stream


def _libraries(streams: Sequence[Watched], _outputs: Sequence[QueuedOutput]) -> Iterator[tuple[tuple[str, str], LibraryCounts]]:
    for stream in streams:
        libraries = stream.branch.work.libraries()
        for name, library in zip(distinct(each.name for each in libraries), libraries, strict=True):
            yield (stream.label, name), library


def _outputs(streams: Sequence[Watched], shared: Sequence[QueuedOutput]) -> Iterator[tuple[tuple[str, str], QueuedOutput]]:
    for label, outputs in (("", shared), *((stream.label, stream.branch.publisher.outputs) for stream in streams)):
        for name, output in zip(distinct(each.name for each in outputs), outputs, strict=True):
            yield (label, name), output


def _destinations(
    streams: Sequence[Watched], _outputs: Sequence[QueuedOutput]
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for stream in streams:
        published = stream.branch.work.published()
        for name, counts in zip(distinct(each["uri"] for each in published), published, strict=True):
            yield (stream.label, name), counts


def _passed(library: LibraryCounts) -> int:
    """Return how many frames have passed for certain: it is not yet known of the one that has come last."""
    buffers = library.tally.buffers  # first: frames come meanwhile, and of what is read later there may be more
    return max(0, buffers - library.tally.processed - (not library.is_final))


def _with_workers(library: LibraryCounts) -> Any:
    return library.tally.transport if library.tally.transport.total_ns else None


GROUPS = (
    Group(("version",), _versions, [Metric("build_info", "gauge", "The version that runs; always 1", lambda _: 1)]),
    Group(
        ("stream",),
        _streams,
        [
            Metric("stream_frames", "counter", "Frames that went through all libraries", lambda each: each.branch.frames),
            Metric(
                "stream_frames_left_out",
                "counter",
                "Frames of a live source that no library got, because the libraries were busy",
                lambda each: each.branch.left_out.count,
            ),
            Metric("stream_queue_frames", "gauge", "Frames that wait before the first library", lambda each: each.branch.queued),
            Metric(
                "stream_healthy",
                "gauge",
                "1: frames flow, or the stream has ended without an error; 0: see /healthz",
                lambda each: int(each.is_healthy()),
            ),
            Metric("documents", "counter", "Documents that aimeta made", lambda each: each.branch.publisher.documents),
            Metric(
                "documents_dropped",
                "counter",
                "Documents and events for which an output had no room",
                lambda each: each.branch.publisher.dropped,
            ),
            Metric("events", "counter", "Events of the signal callback", lambda each: each.branch.publisher.counts.get("events")),
        ],
    ),
    Group(
        ("stream", "library"),
        _libraries,
        [
            Metric("frames", "counter", "Frames that came to the library", lambda each: each.tally.buffers),
            Metric("frames_processed", "counter", "Frames that the library was called for", lambda each: each.tally.processed),
            Metric(
                "frames_passed",
                "counter",
                "Frames that went on without a call; a frame is counted when the next one comes",
                _passed,
            ),
            Metric("frames_dropped", "counter", "Frames that did not go on", lambda each: each.tally.dropped),
            Metric("frames_skipped", "counter", "Frames that found no worker that was free", lambda each: each.tally.skipped),
            Metric("frames_waited", "counter", "Frames that waited for a worker", lambda each: each.tally.waited),
            Metric("frames_under_way", "gauge", "Frames on their way to workers and back", lambda each: each.under_way),
            Metric("errors", "counter", "Calls that failed, and frames that could not be read", lambda each: each.tally.errors),
            Metric("worker_restarts", "counter", "Workers that took the place of others", lambda each: each.tally.restarts),
            Metric("call_seconds", "histogram", "How long calls of the library took", lambda each: each.tally.times),
            Metric(
                "transport_seconds",
                "histogram",
                "How long getting frames to workers and results back took",
                _with_workers,
            ),
        ],
    ),
    Group(
        ("stream", "output"),
        _outputs,
        [
            Metric("output_documents_written", "counter", "Documents and events that were written", lambda each: each.written),
            Metric(
                "output_documents_dropped",
                "counter",
                "Documents and events that a live stream dropped, because the queue was full",
                lambda each: each.dropped,
            ),
            Metric(
                "output_documents_lost",
                "counter",
                "Documents and events that were not written because of an error",
                lambda each: each.lost,
            ),
            Metric("output_queue_documents", "gauge", "Documents that wait to be written", lambda each: max(0, each.waiting)),
        ],
    ),
    Group(
        ("stream", "destination"),
        _destinations,
        [
            Metric("publish_messages_sent", "counter", "Messages that have arrived", lambda each: each["sent"]),
            Metric("publish_messages_repeated", "counter", "Messages that were sent again", lambda each: each["repeated"]),
            Metric("publish_messages_dropped", "counter", "Messages that were given up", lambda each: each["dropped"]),
            Metric(
                "publish_queue_documents", "gauge", "Documents that are not on the disk yet", lambda each: max(0, each["queued"])
            ),
            Metric(
                "publish_spool_messages", "gauge", "Messages on the disk that have not arrived yet", lambda each: each["spooled"]
            ),
            Metric(
                "publish_delay_seconds",
                "gauge",
                "How long the last message took to arrive",
                lambda each: each["delay-ms"] / 1000,
            ),
        ],
    ),
)


class Collector:
    """A collector of prometheus_client for streams. ``watched`` and ``outputs`` are set while it is used already."""

    def __init__(self) -> None:
        self.watched: Sequence[Watched] = ()
        self.outputs: Callable[[], Sequence[QueuedOutput]] = tuple
        self._highest: dict[tuple[str, ...], float] = {}

    def describe(self) -> Iterator[Any]:
        """Yield the metrics without values."""
        for group in GROUPS:
            for metric in group.metrics:
                yield _family(metric, group.labels)

    def collect(self) -> Iterator[Any]:
        """Yield the metrics. One thread after the other."""
        streams, outputs = self.watched, self.outputs()
        for group in GROUPS:
            found = list(group.find(streams, outputs))
            for metric in group.metrics:
                family = _family(metric, group.labels)
                for labels, thing in found:
                    self._add(family, metric, labels, metric.read(thing))
                yield family

    def _add(self, family: Any, metric: Metric, labels: tuple[str, ...], value: Any) -> None:
        if value is None:
            return
        if metric.kind == "histogram":
            *limited, count = value.at_most(BUCKETS_NS)
            buckets = [*zip(map(str, BUCKETS_S), limited, strict=True), ("+Inf", count)]
            family.add_metric(labels, buckets, sum_value=value.total_ns / 1e9)
            return
        if metric.kind == "counter":  # what is read while it changes may be one too little
            key = (metric.name, *labels)
            value = self._highest[key] = max(value, self._highest.get(key, 0))
        family.add_metric(labels, value)


def _family(metric: Metric, labels: Sequence[str]) -> Any:
    from prometheus_client import core

    kinds = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily, "histogram": core.HistogramMetricFamily}
    return kinds[metric.kind](f"empycustom_{metric.name}", metric.text, labels=labels)
