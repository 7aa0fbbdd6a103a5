"""The warning that a callback takes longer than a frame lasts."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from element_stats import SMALL, counts, pipeline_of

from empycustom.gstreamer import Gst

ALL, FIRST = "range(100)", "[0]"
SLOW = "import time\n\ndef process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] in {}:\n        time.sleep(0.03)\n"


def launch(gst_launch, lib, rate="100/1", properties="in-place=true", n=4, **extra):
    source = f"videotestsrc num-buffers={n} ! {SMALL}" + (f",framerate={rate}" if rate else "")
    return gst_launch(f"{source} ! empycustom {properties} custom-lib={lib} ! fakesink", **extra)


def warnings_in(launched):
    return [line for line in launched.text.splitlines() if line.startswith("WARNING")]


def test_a_call_that_is_longer_than_a_frame_is_reported_once(gst_launch, library):
    lib = library(SLOW.format(ALL))
    launched = launch(gst_launch, lib, n=8)
    assert launched.code == 0
    (line,) = warnings_in(launched)
    told = re.search(
        rf"{re.escape(str(lib))}:3: process_ip took ([\d.]+) ms at frame 1 \(0:00:00\.010\), and a frame lasts 10\.0 ms", line
    )
    assert told, line
    assert float(told.group(1)) >= 30
    for text in ("process-interval", "stats", "once"):
        assert text in line
    assert launched.text.count(" took ") == 1
    assert "ERROR" not in launched.text


def test_process_is_named_too(gst_launch, library):
    lib = library("import time\ndef process(b, m, o):\n    time.sleep(0.03)\n    return b, None\n")
    (line,) = warnings_in(launch(gst_launch, lib, properties="in-place=false"))
    assert f"{lib}:2: process took " in line


def test_a_slow_call_that_raises_is_also_reported(gst_launch, library):
    lib = library(SLOW.format(ALL) + "        raise ValueError('no')\n")
    launched = launch(gst_launch, lib, properties="in-place=true on-error=pass")
    assert launched.code == 0
    told = warnings_in(launched)
    assert len(told) == 2
    assert [" took " in line for line in told].count(True) == 1
    assert ["raised ValueError" in line for line in told].count(True) == 1


def test_a_slow_first_call_is_only_logged(gst_launch, library):
    """Models that are loaded at the first frame: what the library should do is in the log."""
    lib = library(SLOW.format(FIRST))
    properties = "in-place=true process-interval=100"  # a busy machine may need longer than a frame for any other call
    launched = launch(gst_launch, lib, properties=properties, GST_DEBUG="*empycustom*:2")
    assert launched.code == 0
    assert warnings_in(launched) == []
    (line,) = [line for line in launched.err.splitlines() if " took " in line]
    assert " WARN " in line
    assert f"{lib}:3: process_ip took " in line
    assert "belongs into start" in line
    silent = launch(gst_launch, lib, properties=properties)
    assert " took " not in silent.text
    assert silent.code == 0


# Frames that are long enough for a busy machine, too.
@pytest.mark.parametrize("rate", ["0/1", "1/20", "1/10"], ids=["no rate", "1/20", "1/10"])
def test_nothing_is_reported_if_a_frame_has_no_length_or_the_library_is_fast_enough(play, library, rate):
    lib = library(SLOW.format(ALL))
    pipeline = Gst.parse_launch(f"appsrc name=src format=time ! empycustom name=e in-place=true custom-lib={lib} ! fakesink")
    source = pipeline.get_by_name("src")
    source.set_property("caps", Gst.Caps.from_string(f"{SMALL},framerate={rate}"))
    pushed = []

    def push(source, _):
        pushed.append(source.emit("push-buffer", Gst.Buffer.new_allocate(None, 1024, None)))
        if len(pushed) == 4:
            source.emit("end-of-stream")

    source.connect("need-data", push)
    played = play(pipeline)
    assert played.ended, played.errors
    assert played.about_time == []
    assert counts(pipeline.get_by_name("e"))["processed"] >= 4


def test_the_length_of_a_frame_is_that_of_the_caps_now(play, library):
    """The stream becomes faster than the library."""
    lib = library("import time\ndef process_ip(b, m, o):\n    time.sleep(0.03)\n")
    slow, fast = (f"videotestsrc num-buffers=3 ! {SMALL},framerate={rate}" for rate in ("1/10", "100/1"))
    element = f"empycustom in-place=true custom-lib={lib}"
    assert play(f"{slow} ! {element} ! fakesink").about_time == []
    played = play(f"concat name=c ! {element} ! fakesink {slow} ! c. {fast} ! c.")
    assert played.ended
    assert ["a frame lasts 10.0 ms" in text for text, _ in played.about_time] == [True]


def test_every_start_reports_it_again(play, library):
    pipeline = pipeline_of(library(SLOW.format(ALL)), n=3, rate="100/1")
    for _ in range(2):
        played = play(pipeline)
        assert played.ended
        assert len(played.about_time) == 1
        text, _ = played.about_time[0]
        assert "process_ip took" in text


def test_each_of_two_elements_reports_it(play, library):
    lib = library(SLOW.format(ALL))
    elements = f"empycustom in-place=true custom-lib={lib} ! empycustom in-place=true custom-lib={lib}"
    assert len(play(f"videotestsrc num-buffers=3 ! {SMALL},framerate=100/1 ! {elements} ! fakesink").about_time) == 2


def test_buffers_that_are_only_passed_are_not_called_slow(play, library):
    lib = library(SLOW.format(ALL))
    pipeline = pipeline_of(lib, "in-place=true process-interval=100", n=10, rate="100/1")
    played = play(pipeline)
    assert played.ended
    assert played.about_time == [], "the first call alone was slow"


def command(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "empycustom", *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(("live", "told"), [("true", 1), ("false", 0)])
def test_the_command_line_reports_it_for_live_sources(library, tmp_path, live, told):
    """Where nothing is live nothing falls behind, and it takes the time that it takes."""
    lib = library(SLOW.format(ALL))
    source = f"videotestsrc is-live={live} num-buffers=4 ! {SMALL},framerate=100/1"
    done = command("launch", f"{source} ! empycustom in-place=true custom-lib={lib} ! fakesink", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("process_ip took") == told, done.stderr


def test_run_does_not_report_it_for_a_source_that_is_not_live(library, tmp_path):
    lib = library("import time\ndef process_ip(b, m, o):\n    time.sleep(0.07)\n    return [{'n': 1}]\n")
    done = command("run", "test", "--lib", str(lib), "--frames", "4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"emcustom":{"n":1}') == 4
    assert " took " not in done.stdout + done.stderr
