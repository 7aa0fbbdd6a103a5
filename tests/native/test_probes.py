"""What goes through a pad: counted, given a time, given a frame rate."""

from __future__ import annotations

import gc
import threading

import pytest

from empycustom.gstreamer import Gst
from empycustom.native import probes

FRAMES = 50
NO_TIMES = 'appsrc name=in format=time caps="video/x-raw,format=GRAY8,width=4,height=4,framerate=0/1" ! fakesink name=out'


def play(description, prepare, *, pts=None):
    """Play FRAMES buffers through ``in`` to ``out``; ``prepare`` gets the pads of both. Return what came: buffers and caps."""
    pipeline = Gst.parse_launch(description)
    source, sink = pipeline.get_by_name("in"), pipeline.get_by_name("out")
    prepare(hash(source.get_static_pad("src")), hash(sink.get_static_pad("sink")))
    sink.set_property("signal-handoffs", True)
    came = []
    sink.connect(
        "handoff", lambda _sink, buffer, pad: came.append((buffer.pts, buffer.duration, pad.get_current_caps().to_string()))
    )
    pipeline.set_state(Gst.State.PLAYING)
    kept = [Gst.Buffer.new_wrapped(bytes(16)) for _ in range(FRAMES)]  # somebody else holds them: they cannot be written
    for buffer in kept:
        if pts is not None:
            buffer.pts = pts
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    assert {buffer.pts for buffer in kept} == {Gst.CLOCK_TIME_NONE if pts is None else pts}
    return came


def test_buffers_are_counted():
    counters = []
    play(NO_TIMES, lambda source, sink: counters.extend(map(probes.BufferCounter, (source, sink))))
    assert [(counter.all, counter.order) for counter in counters] == [(FRAMES, 0)] * 2

    play(NO_TIMES, lambda _, sink: counters.append(probes.BufferCounter(sink)), pts=7)
    assert (counters[-1].all, counters[-1].order) == (FRAMES, FRAMES)


@pytest.mark.parametrize("duration", [3, None])
def test_a_time_is_given_without_writing_to_the_buffers_of_others(duration):
    asked = []

    def times_of(pts, _duration):
        asked.append(pts)
        return (5 * len(asked), duration) if len(asked) % 2 else ()

    came = play(NO_TIMES, lambda source, _: probes.replace_times(source, times_of))
    expected = (Gst.CLOCK_TIME_NONE if duration is None else duration, Gst.CLOCK_TIME_NONE)
    assert asked == [None] * FRAMES
    assert [(pts, lasts) for pts, lasts, _ in came] == [
        (5 * number, expected[0]) if number % 2 else (Gst.CLOCK_TIME_NONE, expected[1]) for number in range(1, FRAMES + 1)
    ]


def test_none_ends_the_asking_and_so_does_what_is_returned():
    asked, ends = [], []
    play(
        NO_TIMES,
        lambda source, _: probes.replace_times(
            source, lambda pts, _duration: asked.append(pts) or (None if len(asked) > 4 else ())
        ),
        pts=9,
    )
    assert asked == [9] * 5

    def once(pts, _duration):
        asked.append(pts)
        ends[0]()
        return ()

    play(NO_TIMES, lambda source, _: ends.append(probes.replace_times(source, once)), pts=8)
    assert asked == [9] * 5 + [8]
    ends[0]()  # a second time, and when the pad is gone


@pytest.mark.parametrize(("rate", "expected"), [("0/1", "25/1"), ("30000/1001", "30000/1001")])
def test_a_frame_rate_is_given_to_caps_without_one(rate, expected):
    came = play(NO_TIMES.replace("0/1", rate), lambda source, _: probes.FixedFrameRate(source, 25))
    assert {caps for _, _, caps in came} == {
        f"video/x-raw, format=(string)GRAY8, width=(int)4, height=(int)4, framerate=(fraction){expected}"
    }


def test_caps_that_do_not_name_a_frame_rate_get_one():
    came = play(NO_TIMES.replace(",framerate=0/1", ""), lambda source, _: probes.FixedFrameRate(source, 25))
    assert all("framerate=(fraction)25/1" in caps for _, _, caps in came)


@pytest.mark.parametrize(("first", "missing", "expected"), [("10/1", None, 10), ("0/1", None, 0), ("0/1", 25, 25)])
def test_the_first_frame_rate_is_kept(first, missing, expected):
    caps = f"video/x-raw,format=GRAY8,width=4,height=4,framerate={first}"
    pipeline = Gst.parse_launch(
        f"concat name=c ! fakesink name=sink sync=false async=false videotestsrc num-buffers=2 ! {caps} ! queue ! c. "
        f"videotestsrc num-buffers=2 ! {caps.replace(first, '15/1')} ! queue ! c."
    )
    sink = pipeline.get_by_name("sink").get_static_pad("sink")
    rate, seen = probes.FixedFrameRate(hash(sink), missing), []

    def look(pad, _info):
        seen.append(pad.get_current_caps()[0]["framerate"])
        return Gst.PadProbeReturn.OK

    sink.add_probe(Gst.PadProbeType.BUFFER, look)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)

    assert message is not None
    assert message.type == Gst.MessageType.EOS
    assert len(seen) > 2
    assert {float(each) for each in seen} == {expected}
    assert rate.per_second == expected


def test_nothing_is_left_behind_when_the_pads_are_gone():
    gc.collect()
    before = len(probes._callbacks)

    def prepare(source, sink):
        probes.BufferCounter(source)
        probes.replace_times(source, lambda _pts, _duration: ())
        probes.FixedFrameRate(sink, 25)

    play(NO_TIMES, prepare)
    gc.collect()
    assert len(probes._callbacks) == before


def test_pipelines_that_start_at_once_count_their_own():
    barrier, counted, failed = threading.Barrier(16), [], []

    def prepare(source, sink):
        times = iter(range(FRAMES))
        probes.replace_times(source, lambda _pts, _duration: (next(times), None))
        counted.append(probes.BufferCounter(sink))

    def run():
        try:
            barrier.wait(30)
            assert [pts for pts, _, _ in play(NO_TIMES, prepare)] == list(range(FRAMES))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert [(counter.all, counter.order) for counter in counted] == [(FRAMES, FRAMES)] * 16
