"""Buffers that a function of ours keeps, and a task of ours pushes: on an element of C's."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from queue import SimpleQueue

import pytest

from empycustom.gstreamer import Gst, GstBase
from empycustom.native import pads
from empycustom.native.loading import reader
from empycustom.native.memory import unref

FLUSHING = int(Gst.FlowReturn.FLUSHING)
times = reader("GstBuffer", "pts", "duration")


def offsets(of):
    return {field.get_name(): field.get_offset() for field in of.__info__.get_fields()}


LIVE = "videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=100/1"
LAYOUT = {
    **{name: offsets(Gst.Pad)[name] for name in ("chainfunc", "queryfunc", "activatemodefunc")},
    "queued_buf": offsets(GstBase.BaseTransform)["queued_buf"],
    "position": offsets(GstBase.BaseTransform)["segment"] + offsets(Gst.Segment)["position"],
    "submit_input_buffer": offsets(GstBase.BaseTransformClass)["submit_input_buffer"],
}


class Keeper:
    """Keeps the buffers of an element, and lets its task push them."""

    def __init__(self, element):
        self.accepted, self.refused, self.pushed, self.asked = [], [], [], []
        self.queue = SimpleQueue()
        addresses = (hash(element), hash(element.sinkpad), hash(element.srcpad))
        self.pads = pads.Pads(addresses, LAYOUT, self)

    def interrupt(self):
        self.queue.put(None)

    def query(self, kind, query, forward):
        self.asked.append(kind)
        done = bool(forward())
        if kind == int(Gst.QueryType.LATENCY):
            self.is_live = pads.add_latency(query, lambda: 7)
        return done

    def chain(self, buffer):
        buffer, flow = self.pads.accept(buffer)
        if not buffer:
            self.refused.append(flow)
            return 0
        self.accepted.append(times(buffer)[0])
        self.queue.put(buffer)
        return 0

    def step(self):
        buffer = self.queue.get()
        if buffer is None:
            self.pads.pause_task()
        else:
            self.pushed.append(self.pads.push(buffer))


@pytest.fixture
def made():
    def make(source, sink="fakesink name=out signal-handoffs=true"):
        pipeline = Gst.parse_launch(f"{source} ! identity name=e ! {sink}")
        keeper = Keeper(pipeline.get_by_name("e"))
        keeper.pads.open()
        seen = []
        pipeline.get_by_name("out").connect("handoff", lambda _sink, buffer, _pad: seen.append(buffer.pts))
        return pipeline, keeper, seen

    return make


def play(pipeline, keeper, frames):
    pipeline.set_state(Gst.State.PLAYING)
    until = time.monotonic() + 60
    while len(keeper.pushed) < frames:
        assert time.monotonic() < until
        time.sleep(0.01)


def stop(pipeline, keeper):
    pipeline.set_state(Gst.State.NULL)
    keeper.pads.close()


def test_what_was_kept_is_pushed_by_the_task(made):
    pipeline, keeper, seen = made(LIVE)
    play(pipeline, keeper, 20)
    stop(pipeline, keeper)
    assert keeper.pushed[:20] == [0] * 20
    assert keeper.accepted[:20] == seen[:20] == sorted(seen[:20])


def test_the_position_is_known(made):
    pipeline, keeper, _ = made(LIVE)
    play(pipeline, keeper, 5)
    known, position = pipeline.get_by_name("e").srcpad.query_position(Gst.Format.TIME)
    stop(pipeline, keeper)
    assert known
    assert position >= keeper.accepted[4] > 0
    assert int(Gst.QueryType.POSITION) in keeper.asked


def test_latency_is_added_where_the_source_is_live(made):
    pipeline, keeper, _ = made(LIVE)
    play(pipeline, keeper, 2)
    element = pipeline.get_by_name("e")
    query, before = Gst.Query.new_latency(), Gst.Query.new_latency()
    assert element.srcpad.query(query)
    assert element.sinkpad.peer_query(before)
    stop(pipeline, keeper)
    assert keeper.is_live
    assert query.parse_latency().min_latency == before.parse_latency().min_latency + 7


def test_after_closing_buffers_go_as_before(made):
    pipeline, keeper, seen = made("videotestsrc num-buffers=3 ! video/x-raw,width=16,height=16")
    keeper.queue.put(None)
    keeper.pads.stop_task()
    keeper.pads.close()
    keeper.pads.close()
    pipeline.set_state(Gst.State.PLAYING)
    assert pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS)
    pipeline.set_state(Gst.State.NULL)
    assert len(seen) == 3
    assert keeper.accepted == []


def test_a_buffer_that_somebody_else_has_gets_a_twin_that_can_be_written():
    buffer = Gst.Buffer.new_wrapped(b"1234")
    buffer.pts = 7
    address = hash(buffer)
    twin = pads.twin_of(address)
    assert twin != address
    assert times(twin)[0] == 7
    assert pads.writable(twin) == twin
    pads.mark_discontinuity(twin)
    assert not buffer.has_flags(Gst.BufferFlags.DISCONT)
    unref(twin)


PROGRAM = """
import sys
sys.path[:0] = {path!r}
from test_pads import LIVE, Gst, Keeper, play
pipeline = Gst.parse_launch(LIVE + " ! identity name=e ! fakesink")
keeper = Keeper(pipeline.get_by_name("e"))
keeper.pads.open()
play(pipeline, keeper, 30)
print("pushed")
"""


@pytest.mark.parametrize("attempt", range(5))
def test_the_interpreter_ends_while_buffers_flow(attempt, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM.format(path=[str(__file__).rpartition("/")[0]])))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "pushed\n", "")
