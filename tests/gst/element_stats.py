"""Pipelines with a library, and what the property stats has."""

from __future__ import annotations

from empycustom.gstreamer import Gst

COUNTS = ("buffers", "processed", "passed", "errors", "dropped")


TIMES = ("call-mean-ns", "call-p50-ns", "call-p95-ns", "call-max-ns")


OF_WORKERS = ("skipped", "waited", "restarts", "transport-mean-ns", "transport-p95-ns")


SMALL = "video/x-raw,format=RGBA,width=16,height=16"


NOTHING = "def process_ip(b, m, o):\n    pass\n"


MS = 1_000_000


def stats(element):
    """The structure as a dict."""
    structure = element.get_property("stats")
    assert structure.get_name() == "empycustom-stats"
    names = [structure.nth_field_name(index) for index in range(structure.n_fields())]
    return {name: structure.get_value(name) for name in names}


def counts(element):
    return {name: value for name, value in stats(element).items() if name in COUNTS}


def times(element):
    return tuple(stats(element)[name] for name in TIMES)


def pipeline_of(lib, properties="in-place=true", n=20, rate="30/1"):
    return Gst.parse_launch(
        f"videotestsrc num-buffers={n} ! {SMALL},framerate={rate} ! identity name=before signal-handoffs=true ! "
        f"empycustom name=e {properties} custom-lib={lib} ! identity name=after signal-handoffs=true ! fakesink"
    )
