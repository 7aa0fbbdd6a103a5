"""An element with workers that is stopped, fails, hangs, or is told to by others: nothing hangs with it, and nothing is lost."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import time
import weakref

import pytest
from driven import TIMEOUT, UNEVEN, WAITS, Driven, numbers, results, wait_until

from empycustom.gstreamer import Gst

pytestmark = pytest.mark.usefixtures("nothing_is_left")

SOURCE = "videotestsrc ! video/x-raw,format=RGBA,width=16,height=16,framerate=30/1"
LIVE = SOURCE.replace("videotestsrc", "videotestsrc is-live=true")
HANGS = """
import time

def process_ip(b, m, o):
    if m["frame"][0]["frame_num"] == 3:
        time.sleep(600)
    return {"frame": {"n": m["frame"][0]["frame_num"]}}
"""


def parse(description):
    import empycustom

    empycustom.register()
    return Gst.parse_launch(description)


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
@pytest.mark.parametrize("source", [SOURCE, f"{SOURCE} ! queue", LIVE], ids=["source", "behind a queue", "live"])
def test_states_may_change_quickly_and_in_any_order(library, source, pace):
    lib = library(UNEVEN)
    pipeline = parse(f"{source} ! empycustom in-place=true workers=2 pace={pace} custom-lib={lib} ! aimeta name=m ! fakesink")
    came = []
    pipeline.get_by_name("m").connect("new-meta", lambda _, text: came.append(json.loads(text)["frame"][0]))
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    states = (Gst.State.PLAYING, Gst.State.PAUSED, Gst.State.READY, Gst.State.NULL)
    errors = []
    pipeline.get_bus().set_sync_handler(lambda _, message: errors.append(message) or Gst.BusSyncReply.PASS)
    for number in range(16):
        changed = pipeline.set_state(states[dice.randrange(4) if number % 4 else 0])
        assert changed != Gst.StateChangeReturn.FAILURE, f"seed {seed}"
        if number % 3:
            time.sleep(dice.random() * 0.1)
    pipeline.set_state(Gst.State.NULL)
    before = len(came)
    pipeline.set_state(Gst.State.PLAYING)
    wait_until(lambda: len(came) >= before + 10 and "emcustom" in came[-1])
    pipeline.set_state(Gst.State.NULL)
    assert [message.parse_error() for message in errors if message.type == Gst.MessageType.ERROR] == [], f"seed {seed}"
    assert numbers(came[before:]) == [*range(len(came) - before)], f"seed {seed}"
    follows = [0, *(number + 1 for number in numbers(came))]
    assert [number for number, next_one in zip(numbers(came), follows, strict=False) if number not in (0, next_one)] == [], (
        f"a frame is lost with seed {seed}"
    )
    if pace == "every":
        assert results(came) == numbers(came), f"seed {seed}"


HANGS_FROM = """
import pathlib, time

def process_ip(b, m, options):
    if m["frame"][0]["frame_num"] >= options["first"]:
        pathlib.Path(options["begun"]).touch()
        time.sleep(600)
"""


@pytest.mark.parametrize(("state", "first"), [("PAUSED", 0), ("PLAYING", 0), ("PLAYING", 3)])
@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_a_pipeline_stops_while_a_worker_hangs(library, tmp_path, pace, state, first):
    begun, lib = tmp_path / "begun", library(HANGS_FROM)
    pipeline = parse(f"{SOURCE} ! empycustom name=e in-place=true workers=1 pace={pace} custom-lib={lib} ! fakesink")
    element = pipeline.get_by_name("e")
    element.set_property("options", json.dumps({"first": first, "begun": str(begun)}))
    pipeline.set_state(getattr(Gst.State, state))
    wait_until(begun.exists)
    assert element.get_property("stats").get_value("worker-1") == "busy"
    assert pipeline.set_state(Gst.State.READY) == Gst.StateChangeReturn.SUCCESS
    error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    assert pipeline.set_state(Gst.State.NULL) == Gst.StateChangeReturn.SUCCESS
    assert "process_ip had not returned 1 s after the stream had ended" in error.parse_error()[0].message


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
@pytest.mark.parametrize("before", [0, 1], ids=["before the first frame has left", "later"])
def test_an_element_alone_may_be_stopped_while_a_worker_hangs_and_go_on(library, tmp_path, before, pace):
    """With on-error=fail the call that is ended would be an error, and with it the whole pipeline."""
    gate = tmp_path / "gate"
    words, asked = f"workers=1 pace={pace} on-error=pass", []
    options = {"wait": [before], "gate": str(gate)}
    driven = Driven(library(WAITS), words, options=options, behind="! queue")
    driven.source.connect("need-data", lambda *_: asked.append(True))
    with driven:
        for number in range(before + 2):
            driven.wait_for(lambda: len(asked) > number)  # noqa: B023 - and so the frame before has been taken
            driven.push()
        driven.wait_for(lambda: len(asked) > before + 2)
        for _ in range(before):
            driven.pull()
        driven.element.set_state(Gst.State.NULL)
        gate.touch()
        seen = len(driven.log)
        assert driven.element.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.SUCCESS
        driven.push(3)
        assert driven.pipeline.get_state(TIMEOUT)[:2] == (Gst.StateChangeReturn.SUCCESS, Gst.State.PLAYING)
        wait_until(
            lambda: [entry for entry in driven.log[seen:] if isinstance(entry, int)][-3:] == [before + 2, before + 3, before + 4]
        )
        assert driven.stats("buffers") == (3,), "it began anew"
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
    if pace == "every":
        assert results(frames)[-3:] == [0, 1, 2]


def test_started_again_it_begins_anew(library):
    driven = Driven(library(UNEVEN), "workers=2")
    for _ in range(3):
        with driven:
            driven.caps(16, 16)
            driven.push(4)
            driven.source.emit("end-of-stream")
            frames = driven.pull_all()
        assert numbers(frames) == results(frames) == [0, 1, 2, 3]


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_an_error_downstream_ends_the_stream(library, play, pace):
    lib = library(UNEVEN)
    played = play(
        f"{SOURCE} ! empycustom in-place=true workers=2 pace={pace} custom-lib={lib} ! identity error-after=5 ! fakesink"
    )
    assert played.errors[0][0] == "Failed after iterations as requested."


@pytest.mark.parametrize("count", [1, 200])
def test_without_an_element_behind_it_it_is_an_error(library, play, count):
    source = SOURCE.replace("videotestsrc", f"videotestsrc num-buffers={count}")
    played = play(f"{source} ! empycustom in-place=true workers=1 custom-lib={library(UNEVEN)}")
    assert "not-linked" in played.errors[0][0] + played.errors[0][1]


def test_the_end_that_downstream_asks_for_reaches_upstream(library, play):
    played = play(
        f"{SOURCE} ! empycustom in-place=true workers=2 custom-lib={library(UNEVEN)} ! identity eos-after=10 ! fakesink"
    )
    assert played.ended


FAILS = """
def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    if number in (3, 5):
        raise ValueError(f"frame {number}")
    return {"frame": {"n": number}}
"""
POLICIES = {
    "fail": ([0, 1, 2], [0, 1, 2], 1, 0),
    "pass": ([*range(8)], [0, 1, 2, None, 4, None, 6, 7], 2, 0),
    "drop": ([0, 1, 2, 4, 6, 7], [0, 1, 2, 4, 6, 7], 2, 2),
}


@pytest.mark.parametrize(("policy", "wanted"), POLICIES.items(), ids=POLICIES)
def test_on_error_says_what_becomes_of_a_frame(library, policy, wanted):
    lib = library(FAILS)
    with Driven(lib, f"workers=2 on-error={policy}") as driven:
        driven.push(3)
        frames = [driven.pull() for _ in range(3)]
        if policy == "fail":
            driven.source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(1024)))
            error, details = driven.message(Gst.MessageType.ERROR).parse_error()
        else:
            driven.push(5)
            driven.source.emit("end-of-stream")
            frames += driven.pull_all()
            error, details = driven.message(Gst.MessageType.WARNING).parse_warning()
        errors, dropped = driven.stats("errors", "dropped")
    assert (numbers(frames), results(frames), errors, dropped) == wanted
    assert error.message.startswith(f"{lib}:5: process_ip raised ValueError: frame 3 at frame 3")
    assert "raise ValueError" in details


def test_latest_reports_errors_and_goes_on(library):
    with Driven(library(FAILS.replace("in (3, 5)", "< 3")), "workers=1 pace=latest on-error=pass") as driven:
        frame = {}
        while "emcustom" not in frame:
            driven.push()
            frame = driven.pull()
        assert (
            driven.message(Gst.MessageType.WARNING)
            .parse_warning()[0]
            .message.startswith(f"{driven.element.get_property('custom-lib')}:5")
        )
    assert frame["from_frame"] >= 3


def test_a_call_that_takes_too_long_is_ended(library):
    lib = library(HANGS)
    with Driven(lib, "workers=1 on-error=pass") as driven:
        driven.push(3)
        frames = [driven.pull() for _ in range(3)]
        driven.element.set_property("call-timeout", 1000)  # a busy machine may need that for any other call
        driven.push(1)
        frames.append(driven.pull())
        driven.element.set_property("call-timeout", 0)
        driven.push(2)
        frames += [driven.pull() for _ in range(2)]
        error, details = driven.message(Gst.MessageType.WARNING).parse_warning()
        assert driven.stats("restarts", "errors") == (1, 1)
    assert numbers(frames) == [*range(6)]
    assert results(frames) == [0, 1, 2, None, 4, 5]
    assert "call-timeout" in error.message
    assert "at frame 3" in error.message
    assert f'File "{lib}", line 6' in details


def test_a_worker_that_dies_is_replaced(library):
    dies = "import os\n\n" + FAILS.replace('raise ValueError(f"frame {number}")', "os._exit(7)")
    with Driven(library(dies), "workers=1 on-error=drop") as driven:
        driven.push(4)
        frames = [driven.pull() for _ in range(3)]
        assert "exit code 7" in driven.message(Gst.MessageType.WARNING).parse_warning()[0].message
        driven.push(1)
        frames.append(driven.pull())
    assert results(frames) == [0, 1, 2, 4]


@pytest.mark.parametrize("pace", ["every", "skip"])
def test_a_library_ends_its_stream_in_order(library, ends, pace):
    lib = ends(when="in_meta['frame'][0]['frame_num'] == 3")
    with Driven(lib, f"workers=1 pace={pace}") as driven:
        frames = []
        for _ in range(3):
            driven.push()
            frames.append(driven.pull())
        driven.push()
        assert driven.pull() is None
        assert driven.message(Gst.MessageType.INFO).parse_info()[0].message.endswith("enough")
        assert driven.message().type == Gst.MessageType.EOS
    assert numbers(frames) == [0, 1, 2]
    assert [entry for entry in driven.log if entry == "eos"] == ["eos"]


def latency_of(pipeline):
    query = Gst.Query.new_latency()
    assert pipeline.query(query)
    return query.parse_latency()


@pytest.mark.parametrize(("pace", "frames"), [("every", 2), ("skip", 1), ("latest", 0)])
def test_latency_is_reported_where_the_source_is_live(library, pace, frames):
    lib = library("def process_ip(b, m, o):\n    pass\n")
    found, slow = [], LIVE.replace("30/1", "1/10")  # so that no call is longer than a frame
    for properties in ("", f"workers=1 pace={pace}"):
        pipeline = parse(f"{slow} ! empycustom in-place=true {properties} custom-lib={lib} ! fakesink sync=true")
        pipeline.set_state(Gst.State.PLAYING)
        pipeline.get_state(TIMEOUT)
        found.append(latency_of(pipeline))
        pipeline.set_state(Gst.State.NULL)
    assert [live for live, *_ in found] == [True, True]
    assert found[1][1] - found[0][1] == frames * 10 * Gst.SECOND


def test_latency_grows_with_the_time_that_calls_take(library):
    lib = library("import time\n\ndef process_ip(b, m, o):\n    time.sleep(0.06)\n")
    pipeline = parse(f"{LIVE} ! empycustom in-place=true workers=2 pace=skip custom-lib={lib} ! fakesink sync=true")
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_state(TIMEOUT)
    while pipeline.get_bus().timed_pop_filtered(TIMEOUT, Gst.MessageType.LATENCY):
        if latency_of(pipeline)[1] >= 60 * Gst.MSECOND + Gst.SECOND // 30:
            break
    else:
        pytest.fail("it is not said that calls take longer")
    pipeline.set_state(Gst.State.NULL)


def test_a_source_that_is_not_live_has_no_latency(library):
    with Driven(library(UNEVEN), "workers=1") as driven:
        driven.push()
        driven.pull()
        query = Gst.Query.new_latency()
        assert driven.element.srcpad.query(query)
        assert query.parse_latency()[:2] == (False, 0)


def test_options_and_events_reach_workers_before_the_next_frame(library):
    lib = library("def process_ip(b, m, options, events):\n    return {'frame': {'n': [options.get('x'), events]}}\n")
    with Driven(lib, "workers=2") as driven:
        driven.push(4)
        before = [driven.pull() for _ in range(4)]
        driven.element.set_property("options", '{"x": 1}')
        driven.element.set_property("events", '["e"]')
        driven.push(4)
        after = [driven.pull() for _ in range(4)]
    assert results(before) == [[None, {}]] * 4
    assert results(after) == [[1, ["e"]]] * 4


def test_a_slow_library_is_reported_once(library):
    lib = library("import time\n\ndef process_ip(b, m, o):\n    time.sleep(0.05)\n")
    with Driven(lib, "workers=1", rate="100/1") as driven:
        driven.push(4)
        bus = driven.pipeline.get_bus()
        text = bus.timed_pop_filtered(TIMEOUT, Gst.MessageType.WARNING).parse_warning()[0].message
        driven.end()
        assert bus.pop_filtered(Gst.MessageType.WARNING) is None
    assert text.startswith(f"{lib}:3: process_ip took ")
    assert "and a frame lasts 10.0 ms" in text


PLAYS = """
pipeline = Gst.parse_launch(
    "videotestsrc ! " + SMALL + " ! empycustom name=e in-place=true workers=2 pace={pace} custom-lib=lib.py ! {end}fakesink")
pipeline.set_state(Gst.State.PLAYING)
element = pipeline.get_by_name("e")
while element.get_property("stats").get_value("processed") < 20:
    pass
print("played", flush=True)
"""


@pytest.mark.parametrize("way", ["on", "off"])
@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_the_interpreter_ends_while_frames_are_with_workers(python, library, pace, way):
    library(UNEVEN)
    done = python(PLAYS.format(pace=pace, end=""), way)
    assert (done.stdout, done.stderr) == ("played\n", "")


@pytest.mark.parametrize("way", ["on", "off"])
@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_gst_launch_plays_it(library, gst_launch, tmp_path, pace, way):
    library(UNEVEN)
    source = SOURCE.replace("videotestsrc", "videotestsrc num-buffers=50")
    launched = gst_launch(
        f"{source} ! empycustom in-place=true workers=2 pace={pace} custom-lib=lib.py ! aimeta location=meta.jsonl ! fakesink",
        EMPYCUSTOM_FAST_PATH=way,
    )
    assert launched.code == 0, launched.text
    documents = [json.loads(line)["frame"][0] for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
    assert numbers(documents) == [*range(50)]
    if pace == "every":
        assert results(documents) == [*range(50)]


def test_several_libraries_in_a_row_have_workers_of_their_own(library, gst_launch, tmp_path):
    library(UNEVEN.replace('"n"', '"first"'), "first.py")
    library(UNEVEN.replace('"n"', '"second"').replace('"worker"', '"other"'), "second.py")
    source = SOURCE.replace("videotestsrc", "videotestsrc num-buffers=30")
    launched = gst_launch(
        f"{source} ! empycustom in-place=true workers=2 custom-lib=first.py ! empycustom in-place=true workers=1 "
        "custom-lib=second.py ! aimeta location=meta.jsonl ! fakesink"
    )
    assert launched.code == 0, launched.text
    documents = [json.loads(line)["frame"][0]["emcustom"] for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
    assert [(each["first"], each["second"]) for each in documents] == [(number, number) for number in range(30)]


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_nothing_is_left_of_an_element_that_was_stopped(library, pace):
    """No cycle of references keeps it: the garbage collector does not have to find it."""
    source = SOURCE.replace("videotestsrc", "videotestsrc num-buffers=20")
    pipeline = parse(f"{source} ! empycustom name=e in-place=true workers=1 pace={pace} custom-lib={library(UNEVEN)} ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    assert pipeline.get_bus().timed_pop_filtered(TIMEOUT, Gst.MessageType.EOS)
    element = pipeline.get_by_name("e")
    workers, frames = weakref.ref(element.workers), weakref.ref(element.frames)
    gc.disable()
    try:
        pipeline.set_state(Gst.State.NULL)
        assert workers() is None
        del element, pipeline
        assert frames() is None
    finally:
        gc.enable()


def test_frames_for_which_there_is_no_file_are_an_error_that_names_the_limit(gst_launch, library):
    lib = library("def process_ip(b, m, o):\n    return {'frame': {'n': 1}}\n")
    held = "queue max-size-buffers=400 max-size-bytes=0 max-size-time=0 min-threshold-buffers=300"
    line = f"gst-launch-1.0 -q {SOURCE.replace('src', 'src num-buffers=500', 1)} ! empycustom in-place=true workers=1"
    done = gst_launch(f"-c 'ulimit -n 120; exec {line} custom-lib={lib} ! {held} ! fakesink'", tool="bash")
    assert done.code != 0
    assert "raise a limit, with ulimit -n" in done.err
    assert "CRITICAL" not in done.err
    assert "Traceback" not in done.err


BUSY_ONCE = """
import os, pathlib, time

def start(options):
    with open(options["pids"], "a") as file:
        file.write(f"{os.getpid()}\\n")

def process_ip(b, m, options):
    while not pathlib.Path(options["gate"]).exists():
        time.sleep(0.01)
"""


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_stats_has_what_workers_do_at_this_moment(library, tmp_path, pace):
    """Also where no frame comes by which the element would hear of it."""
    gate, pids = tmp_path / "gate", tmp_path / "pids"
    options = {"gate": str(gate), "pids": str(pids)}
    with Driven(library(BUSY_ONCE), f"workers=1 on-error=pass pace={pace}", options=options) as driven:

        def worker():
            return driven.element.get_property("stats").get_value("worker-1")

        assert worker() == "idle"
        driven.push()
        wait_until(lambda: worker() == "busy")
        gate.touch()
        driven.pull()
        wait_until(lambda: worker() == "idle")
        driven.pipeline.set_state(Gst.State.PAUSED)
        assert [worker() for _ in range(20)] == ["idle"] * 20
        driven.pipeline.set_state(Gst.State.PLAYING)
        os.kill(int(pids.read_text()), signal.SIGKILL)
        wait_until(lambda: len(pids.read_text().split()) == 2 and worker() == "idle")
        os.kill(int(pids.read_text().split()[1]), signal.SIGKILL)  # the next one has to wait for its time, and for a frame
        wait_until(lambda: worker() in ("ended", "paused"))
        time.sleep(0.2)
        assert {worker() for _ in range(20)} <= {"ended", "paused"}


def test_workers_that_have_worked_are_idle_before_the_next_frame_comes(library):
    with Driven(library("def process_ip(b, m, o):\n    pass\n"), "workers=2") as driven:
        for _ in range(20):
            driven.push()
            driven.pull()
            wait_until(lambda: driven.stats("worker-1", "worker-2") == ("idle", "idle"))
