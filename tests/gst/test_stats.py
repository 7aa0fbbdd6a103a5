"""The property ``stats``: what is counted, and the times of calls."""

from __future__ import annotations

import gc
import random
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from element_stats import COUNTS, MS, NOTHING, OF_WORKERS, SMALL, TIMES, counts, pipeline_of, stats, times

from empycustom.elements.perf import CallTimes
from empycustom.gstreamer import GObject, Gst

# Counts.


def test_every_field_is_there_and_zero_before_the_start():
    import empycustom

    empycustom.register()
    structure = Gst.ElementFactory.make("empycustom").get_property("stats")
    names = (*COUNTS, *TIMES, *OF_WORKERS)
    assert {name: structure.get_field_type(name) for name in names} == dict.fromkeys(names, GObject.TYPE_UINT64)
    assert structure.n_fields() == len(names)
    assert [structure.get_value(name) for name in names] == [0] * len(names)


ODD = "[m['frame'][0]['frame_num'] % 2]"
COUNTED = {
    "all": ("in-place=true", NOTHING, (20, 20, 0, 0, 0)),
    "every third": ("in-place=true process-interval=3", NOTHING, (20, 7, 13, 0, 0)),
    "the first alone": ("in-place=true process-interval=1000000", NOTHING, (20, 1, 19, 0, 0)),
    "on-error=pass": ("in-place=true on-error=pass", f"def process_ip(b, m, o):\n    [0][-{ODD}[0] * 5]\n", (20, 20, 0, 10, 0)),
    "on-error=drop": ("in-place=true on-error=drop", f"def process_ip(b, m, o):\n    [0][-{ODD}[0] * 5]\n", (20, 20, 0, 10, 10)),
    "on-error=drop of every third": (
        "in-place=true on-error=drop process-interval=3",
        "def process_ip(b, m, o):\n    1 / 0\n",
        (20, 7, 13, 7, 7),
    ),
    "no meta": ("in-place=true on-error=pass", "def process_ip(b, m, o):\n    return 7\n", (20, 20, 0, 20, 0)),
    "process": ("", "def process(b, m, o):\n    return b, None\n", (20, 20, 0, 0, 0)),
    "process drops": ("", f"def process(b, m, o):\n    return [b, None]{ODD}, None\n", (20, 20, 0, 0, 10)),
    "process drops of every third": (
        "process-interval=3",
        "def process(b, m, o):\n    return None, None\n",
        (20, 7, 13, 0, 7),
    ),
    "process returns no pair": ("on-error=pass", "def process(b, m, o):\n    return b\n", (20, 20, 0, 20, 0)),
    "process drops and raises": (
        "on-error=drop",
        f"def process(b, m, o):\n    return None, [None][-{ODD}[0] * 5]\n",
        (20, 20, 0, 10, 20),
    ),
}


@pytest.mark.parametrize(("properties", "source", "expected"), COUNTED.values(), ids=COUNTED)
def test_what_is_counted(play, library, properties, source, expected):
    pipeline = pipeline_of(library(source), properties)
    after = []
    pipeline.get_by_name("after").connect("handoff", lambda _, buffer: after.append(buffer.pts))
    assert play(pipeline).ended
    found = counts(pipeline.get_by_name("e"))
    assert found == dict(zip(COUNTS, expected, strict=True))
    assert found["processed"] + found["passed"] == found["buffers"] == 20
    assert found["buffers"] - found["dropped"] == len(after)


@pytest.mark.inline("more frames than one are under way")
def test_with_on_error_fail_the_error_is_counted_once(play, library):
    pipeline = pipeline_of(library("def process_ip(b, m, o):\n    [0][m['frame'][0]['frame_num'] // 4]\n"))
    assert "IndexError" in play(pipeline).error
    assert counts(pipeline.get_by_name("e")) == dict(zip(COUNTS, (5, 5, 0, 1, 0), strict=True))


def test_every_start_begins_anew(play, library):
    pipeline = pipeline_of(library("import time\ndef process_ip(b, m, o):\n    time.sleep(o.get('s', 0))\n"), n=5)
    element = pipeline.get_by_name("e")
    element.set_property("options", '{"s": 0.02}')
    assert play(pipeline).ended
    assert counts(element)["buffers"] == 5
    assert min(times(element)) >= 20 * MS
    element.set_property("options", None)
    element.set_property("process-interval", 5)
    assert play(pipeline).ended
    assert counts(element) == dict(zip(COUNTS, (5, 1, 4, 0, 0), strict=True))
    assert len({*times(element)}) == 1, "of one call mean, percentiles and maximum are the same"


@pytest.mark.inline("more frames than one are under way")
def test_it_can_be_read_while_the_pipeline_plays(play, library):
    pipeline = pipeline_of(library(NOTHING), "in-place=true process-interval=2", n=10)
    element, seen = pipeline.get_by_name("e"), []
    pipeline.get_by_name("after").connect("handoff", lambda *_: seen.append(stats(element)))
    assert play(pipeline).ended
    assert [found["buffers"] for found in seen] == list(range(1, 11))
    assert [found["processed"] for found in seen] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [found["passed"] for found in seen] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert all(0 < found["call-mean-ns"] <= found["call-max-ns"] for found in seen)


@pytest.mark.inline("it needs objects of the program")
def test_a_library_may_read_it_in_its_own_element(play, library):
    """The call that reads is counted already, its time is not."""
    lib = library("import __main__\ndef process_ip(b, m, o):\n    __main__.read_stats()\n")
    pipeline = pipeline_of(lib, n=3)
    element, seen = pipeline.get_by_name("e"), []
    import __main__

    __main__.read_stats = lambda: seen.append(stats(element))
    assert play(pipeline).ended
    del __main__.read_stats
    assert [found["processed"] for found in seen] == [1, 2, 3]
    assert seen[0]["call-max-ns"] == 0 < seen[1]["call-max-ns"]


def test_two_elements_count_for_themselves(play, library):
    lib = library(NOTHING)
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=10 ! {SMALL} ! empycustom name=a in-place=true process-interval=2 custom-lib={lib} ! "
        f"empycustom name=b in-place=true process-interval=5 custom-lib={lib} ! fakesink"
    )
    assert play(pipeline).ended
    assert [counts(pipeline.get_by_name(name))["processed"] for name in "ab"] == [5, 2]


def test_gst_inspect_shows_it_read_only(gst_launch):
    shown = gst_launch("empycustom", tool="gst-inspect-1.0").out
    found = re.search(r"^  stats +: (.*)\n +flags: (.*)\n +(.*)$", shown, re.MULTILINE)
    assert found.group(2) == "readable"
    assert 'Boxed pointer of type "GstStructure"' in found.group(3)
    for word in ("buffers", "processed", "passed", "dropped", "errors", "ns"):
        assert word in found.group(1)


def test_it_cannot_be_set():
    import empycustom

    empycustom.register()
    with pytest.raises(TypeError, match="not writable"):
        Gst.ElementFactory.make("empycustom").set_property("stats", Gst.Structure.new_empty("mine"))


# Times.

SLEEPS = "import time\ndef process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 7:\n        time.sleep(0.2)\n"


def test_one_slow_call_in_twenty_is_the_longest(play, library):
    pipeline = pipeline_of(library(SLEEPS))
    assert play(pipeline).ended
    mean, p50, p95, longest = times(pipeline.get_by_name("e"))
    assert longest >= 200 * MS
    assert mean >= longest // 20
    assert 0 < p50 <= p95 <= longest
    assert p50 < longest
    assert p50 < mean < longest


@pytest.mark.parametrize("end", ["return b, None", "return None, None", "1 / 0"])
def test_the_time_of_a_call_counts_whatever_it_ends_with(play, library, end):
    lib = library(f"import time\ndef process(b, m, o):\n    time.sleep(0.01)\n    {end}\n")
    pipeline = pipeline_of(lib, "on-error=drop", n=3)
    assert play(pipeline).ended
    assert min(times(pipeline.get_by_name("e"))) >= 10 * MS


def exact(values, percent):
    """The smallest of the values which that many percent do not exceed."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def spread(seed, kind):
    dice = random.Random(seed)
    make = {
        "wide": lambda: int(10 ** dice.uniform(0, 11)),
        "usual": lambda: int(dice.gauss(200_000, 20_000)),
        "two humps": lambda: int(dice.gauss(*dice.choice([(10_000, 500), (5_000_000, 200_000)]))),
        "few": lambda: dice.choice([1_000, 1_001, 33_000_000]),
        "small": lambda: dice.randrange(0, 70),
    }[kind]
    return [max(make(), 0) for _ in range(dice.choice([1, 2, 3, 20, 999, 5000]))]


@pytest.mark.parametrize("kind", ["wide", "usual", "two humps", "few", "small"])
@pytest.mark.parametrize("seed", range(8))
def test_mean_and_longest_are_exact_and_percentiles_nearly(kind, seed):
    values, counted = spread(seed, kind), CallTimes()
    for value in values:
        counted.add(value)
    assert counted.mean_ns == sum(values) // len(values)
    assert counted.longest_ns == max(values)
    for percent in (1, 5, 50, 95, 99, 100):
        wanted = exact(values, percent)
        assert wanted <= counted.percentile_ns(percent) <= wanted * 1.032, percent


@pytest.mark.parametrize("power", range(64))
def test_a_single_time_is_exact_at_every_power_of_two(power):
    for value in {2**power - 1, 2**power, 2**power + 1}:
        counted = CallTimes()
        counted.add(value)
        assert [counted.percentile_ns(50), counted.percentile_ns(95), counted.longest_ns, counted.mean_ns] == [value] * 4


def test_neighbours_differ_from_below_and_are_never_too_low():
    """With a longer one, it is the end of the step."""
    for value in [*range(2000), *range(10**6, 10**6 + 5000, 7), 2**40 - 1, 2**40, 2**40 + 1]:
        counted = CallTimes()
        for ns in (value, value, 2**50):
            counted.add(ns)
        assert value <= counted.percentile_ns(50) <= max(value * 1.032, value)


def test_without_calls_there_are_no_times():
    counted = CallTimes()
    assert [counted.mean_ns, counted.percentile_ns(50), counted.percentile_ns(95), counted.longest_ns] == [0] * 4


def test_it_can_be_read_while_another_thread_counts():
    """Python that runs at a collection, as a finalizer or a tool's callback does, lets the other thread in anywhere."""
    counted, done = CallTimes(), threading.Event()
    for _ in range(1000):
        counted.add(10**6)

    def count():
        dice = random.Random(1)
        try:
            for _ in range(60_000):
                counted.add(int(10 ** dice.uniform(0, 12)))  # a new step again and again
        finally:
            done.set()

    def read():
        reads = 0
        while not done.is_set():
            assert 0 < counted.mean_ns <= 10**12
            assert 0 < counted.percentile_ns(50) <= 10**12 * 1.032
            reads += 1
        return reads

    def at_collection(*_):
        for _ in range(200):
            pass

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    gc.callbacks.append(at_collection)
    try:
        with ThreadPoolExecutor(3) as pool:
            readers, counter = [pool.submit(read) for _ in range(2)], pool.submit(count)
            assert sum(reader.result(60) for reader in readers) > 10
            assert counter.result(60) is None
    finally:
        gc.callbacks.remove(at_collection)
        sys.setswitchinterval(before)
