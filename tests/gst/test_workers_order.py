"""Frames and results of an element with workers: in their order, whoever is faster, and nothing is lost or stale."""

from __future__ import annotations

import random
import threading
import time

import pytest
from driven import TIMEOUT, UNEVEN, WAITS, Driven, numbers, results

from empycustom.gstreamer import Gst, GstVideo


@pytest.mark.parametrize("workers", [1, 3])
def test_frames_leave_in_order_each_with_its_own_result(library, workers):
    with Driven(library(UNEVEN), f"workers={workers}") as driven:
        driven.push(60)
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
    assert numbers(frames) == results(frames) == [*range(60)]
    assert [frame["buffer"].pts for frame in frames] == [number * Gst.MSECOND for number in range(60)]
    assert [frame["buffer"].extract_dup(0, 1)[0] for frame in frames] == [*range(60)]
    assert len({frame["emcustom"]["worker"] for frame in frames}) == workers


def test_a_frame_that_is_done_waits_for_one_before_it(library, tmp_path):
    gate = tmp_path / "gate"
    with Driven(library(WAITS), "workers=2", options={"wait": [0], "gate": str(gate)}) as driven:
        driven.push(4)
        driven.wait_for(lambda: driven.stats("processed") == (4,))
        assert driven.log[-1] == "segment", "nothing has left"
        gate.touch()
        assert results([driven.pull() for _ in range(4)]) == [0, 1, 2, 3]
        assert driven.end().type == Gst.MessageType.EOS


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_the_end_comes_behind_the_last_frame(library, pace, count):
    with Driven(library(UNEVEN), f"workers=2 pace={pace}") as driven:
        driven.push(count)
        assert driven.end().type == Gst.MessageType.EOS
    assert [entry for entry in driven.log if not isinstance(entry, str)] == [*range(count)]
    assert driven.log[-1] == "eos"


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_caps_come_between_the_frames_that_they_are_of(library, pace):
    with Driven(library(UNEVEN), f"workers=3 pace={pace}") as driven:
        for width in (16, 32, 16):
            driven.caps(width, 16)
            driven.push(5)
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
    assert driven.log == ["stream-start", "caps", "segment", *range(5), "caps", *range(5, 10), "caps", *range(10, 15), "eos"]
    assert [frame["buffer"].get_size() // 64 for frame in frames] == [16] * 5 + [32] * 5 + [16] * 5
    assert [frame["source_frame_width"] for frame in frames] == [16] * 5 + [32] * 5 + [16] * 5


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_gaps_come_out_where_they_came_in(library, pace):
    with Driven(library(UNEVEN), f"workers=2 pace={pace}") as driven:
        pad = driven.element.get_static_pad("sink")
        driven.push(3)
        driven.wait_for(lambda: driven.stats("buffers") == (3,))
        pad.send_event(Gst.Event.new_gap(3 * Gst.MSECOND, Gst.MSECOND))
        driven.pushed += 1
        driven.push(2)
        driven.end()
    assert driven.log[3:] == [0, 1, 2, "gap", 4, 5, "eos"]


def test_a_drain_query_waits_for_all_frames(library, tmp_path):
    gate = tmp_path / "gate"
    with Driven(library(WAITS), "workers=1", options={"wait": [1], "gate": str(gate)}, sink="fakesink sync=false") as driven:
        driven.push(2)
        driven.wait_for(lambda: driven.stats("processed") == (2,))
        opening = threading.Timer(0.1, gate.touch)
        opening.start()
        driven.element.get_static_pad("sink").query(Gst.Query.new_drain())
        assert driven.log[3:] == [0, 1]
        opening.join()


def test_no_frame_of_before_a_flush_comes_after_it(library, tmp_path):
    gate = tmp_path / "gate"
    with Driven(library(WAITS), "workers=2", options={"wait": [1], "gate": str(gate)}) as driven:
        driven.push(4)
        assert driven.pull()["frame_num"] == 0
        driven.wait_for(lambda: driven.stats("processed") == (4,))
        pad = driven.element.get_static_pad("sink")
        assert pad.send_event(Gst.Event.new_flush_start())
        assert pad.send_event(Gst.Event.new_flush_stop(True))
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        assert pad.send_event(Gst.Event.new_segment(segment))
        driven.log.clear()
        gate.touch()
        driven.push(3)
        frames = [driven.pull() for _ in range(3)]
        assert driven.end().type == Gst.MessageType.EOS
    assert driven.log == [4, 5, 6, "eos"]
    assert numbers(frames) == results(frames) == [4, 5, 6]


SEEKABLE = "videotestsrc ! video/x-raw,format=RGBA,width=16,height=16,framerate=30/1 ! empycustom in-place=true"


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_seeks_while_playing(library, pace):
    import empycustom

    empycustom.register()
    lib = library(UNEVEN)
    pipeline = Gst.parse_launch(f"{SEEKABLE} workers=2 pace={pace} custom-lib={lib} ! fakesink name=out")
    start, stale, seen = [0], [], []
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)

    def look(_pad, info):
        if info.type & Gst.PadProbeType.BUFFER:
            seen.append(info.get_buffer().pts)
            if seen[-1] < start[0]:
                stale.append(seen[-1])
        elif info.get_event().type == Gst.EventType.SEGMENT:
            start[0] = info.get_event().parse_segment().start
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("out").get_static_pad("sink").add_probe(Gst.PadProbeType.DATA_DOWNSTREAM, look)
    pipeline.set_state(Gst.State.PLAYING)
    for _ in range(25):
        pipeline.get_state(TIMEOUT)
        time.sleep(dice.random() * 0.02)
        target = dice.randrange(1000) * Gst.SECOND
        assert pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, target), f"seed {seed}"
    pipeline.get_state(TIMEOUT)
    count, until = len(seen), time.monotonic() + 60
    while len(seen) < count + 10:
        assert time.monotonic() < until, f"it does not go on; seed {seed}"
        time.sleep(0.01)
    pipeline.set_state(Gst.State.NULL)
    assert not stale, f"seed {seed}"
    assert start == [target], f"seed {seed}"


NEW_FRAMES = """
import numpy

def process(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    if number == 4:
        return None, None
    about = in_meta["buffer"]
    return numpy.full((about["height"], about["width"], 4), 100 + number, numpy.uint8), {"frame": {"n": number}}
"""


def test_new_frames_stand_where_those_stood_that_they_were_made_of(library):
    with Driven(library(NEW_FRAMES), "in-place=false workers=2 process-interval=2") as driven:
        driven.push(8)
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
        assert driven.stats("buffers", "processed", "dropped") == (8, 4, 1)
    assert numbers(frames) == [0, 1, 2, 3, 5, 6, 7]
    assert results(frames) == [0, None, 2, None, None, 6, None]
    assert [frame["buffer"].extract_dup(0, 1)[0] for frame in frames] == [100, 1, 102, 3, 5, 106, 7]
    assert [frame["buffer"].pts // Gst.MSECOND for frame in frames] == [0, 1, 2, 3, 5, 6, 7]
    lost = [frame["frame_num"] for frame in frames if frame["buffer"].has_flags(Gst.BufferFlags.DISCONT)]
    assert lost == [0, 5], "the frame behind one that was dropped says so"


SMALLER = f"""
def output_caps(caps, options):
    return "video/x-raw,width=8,height=4"
{NEW_FRAMES.replace('(about["height"], about["width"], 4)', "(4, 8, 4)")}"""


def test_new_frames_may_have_other_caps(library):
    with Driven(library(SMALLER), "in-place=false workers=2") as driven:
        driven.push(3)
        driven.caps(32, 16)
        driven.push(3)
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
    assert [frame["buffer"].get_size() for frame in frames] == [8 * 4 * 4] * 5
    assert [frame["buffer"].extract_dup(0, 1)[0] for frame in frames] == [100, 101, 102, 103, 105]
    assert {(frame["source_frame_width"], frame["source_frame_height"]) for frame in frames} == {(8, 4)}


OF_OBJECTS = "def process_ip(b, m, o):\n    return [{'named': found['obj_label']} for found in m['frame'][0]['object']]\n"
FINDS = """
def process_ip(b, m, o):
    number = m["frame"][0]["frame_num"]
    box = {"left": number, "top": 1, "width": 4, "height": 3}
    return {"frame": [{"new_object": [{"obj_label": f"found {number}", "rect_params": box}]}]}
"""


@pytest.mark.parametrize("workers", ["workers=2", "workers=0"])
def test_objects_of_one_library_get_attributes_of_the_next(library, workers):
    behind = f"! empycustom in-place=true workers=1 custom-lib={library(OF_OBJECTS, 'names.py')}"
    with Driven(library(FINDS), workers, behind=behind) as driven:
        driven.push(6)
        driven.source.emit("end-of-stream")
        frames = driven.pull_all()
    found = [each for frame in frames for each in frame["object"]]
    assert [each["obj_label"] for each in found] == [f"found {number}" for number in range(6)]
    assert [each["emcustom"] for each in found] == [{"named": f"found {number}"} for number in range(6)]
    assert [each["rect_params"]["left"] for each in found] == [*range(6)]


SOURCES = {"": "fd", "! videoconvert": "fd", "! queue": "fd", "! tee ! queue": "SystemMemory"}


@pytest.mark.parametrize(("between", "kind"), SOURCES.items(), ids=["source", "converted", "queue", "tee"])
@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_upstream_writes_into_memory_that_workers_have(library, play, pace, between, kind):
    """Behind a tee there are other branches, which nobody has asked: there it is a copy."""
    lib = library(UNEVEN)
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=8 ! video/x-raw,format=RGBA,width=16,height=16 {between} ! "
        f"empycustom name=e in-place=true workers=1 pace={pace} custom-lib={lib} ! appsink name=out"
    )
    kinds = []
    pipeline.get_by_name("e").get_static_pad("sink").add_probe(
        Gst.PadProbeType.BUFFER,
        lambda _pad, info: kinds.append(info.get_buffer().peek_memory(0).allocator.mem_type) or Gst.PadProbeReturn.OK,
    )
    played = play(pipeline)
    assert played.ended
    assert kinds == [kind] * 8
    assert len(played.samples) == 8


READERS = {"": False, "! videoconvert ! video/x-raw,format=GRAY8": True}


@pytest.mark.parametrize(("behind", "can_read"), READERS.items(), ids=["appsink", "videoconvert"])
def test_upstream_has_a_layout_of_its_own_only_where_downstream_can_read_it(library, behind, can_read):
    """The frames of decoders have padding then, which a file sink would write."""
    with Driven(library(UNEVEN), "workers=1", behind=behind) as driven:
        driven.push()
        driven.pull()
        pad = driven.element.get_static_pad("sink")
        query = Gst.Query.new_allocation(pad.get_current_caps(), True)
        assert pad.query(query)
    assert query.find_allocation_meta(GstVideo.video_meta_api_get_type())[0] is can_read
    pool, *_ = query.parse_nth_allocation_pool(0)
    assert Gst.BufferPool.config_get_allocator(pool.get_config())[1].mem_type == "fd"
