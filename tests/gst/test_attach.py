"""`empycustom.attach`: a library at a pad of a program's own pipeline, which has no element of ours."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from attaching import CAPS, COUNTS, FINDS, RAISES, SOURCE, attributes, pad_of

import empycustom
from empycustom.gstreamer import Gst

pytestmark = pytest.mark.usefixtures("nothing_stays_attached")


# What a library does there.


@pytest.mark.parametrize("place", ["i.sink", "i.src", "end.sink"])
def test_results_are_on_the_buffers_from_that_pad_on(place, watched, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, place), library(COUNTS), options={"least": 2}) as attached:
        done = watched(pipeline, place, "end.sink")
        assert done.ended, done.errors
        expected = [{"calls": n + 1, "n": n, "pts": n * 10**9 // 30, "o": {"least": 2}} for n in range(5)]
        assert attributes(done.seen[place]) == attributes(done.seen["end.sink"]) == expected
        assert json.loads(attached.element.get_property("last-meta")) == {"frame": expected[-1]}
        assert attached.element.get_property("stats").get_value("processed") == 5


def test_it_is_what_the_element_does(watched, library):
    """Objects that upstream found, pixels, attributes of objects, and changed objects: the same documents."""
    finds = library(f"def process_ip(b, m, o):\n    return {FINDS!r}\n", "finds.py")
    edits = library(
        "import empycustom\n"
        "def process_ip(b, m, o):\n"
        "    frame = m['frame'][0]\n"
        "    with empycustom.map_frame(b, m, writable=True) as image:\n"
        "        image.pixels[0, 0] = frame['frame_num']\n"
        "    changed = {'obj_label': 'cat'} if frame['frame_num'] % 2 else None\n"
        "    return {'frame': [{'object': [{'name': found['obj_label']} for found in frame['object']],\n"
        "                       'changed_object': [changed]}]}\n",
        "edits.py",
    )
    by_elements = watched(
        f"{SOURCE} ! empycustom in-place=true custom-lib={finds} ! empycustom in-place=true custom-lib={edits} ! appsink name=out",
        "out.sink",
    )
    pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i ! appsink name=out")
    with empycustom.attach(pad_of(pipeline, "i.src"), finds), empycustom.attach(pad_of(pipeline, "i.src"), Path(edits)):
        attached = watched(pipeline, "out.sink")
    assert attached.ended, attached.errors
    assert [sample.get_buffer().extract_dup(0, 4) for sample in attached.samples] == [bytes([n] * 4) for n in range(5)]
    documents = [done.seen["out.sink"] for done in (by_elements, attached)]
    for made in documents[0] + documents[1]:
        del made["timestamp"]
    assert documents[0] == documents[1]
    assert documents[0][1]["object"][0]["obj_label"] == "cat"


class Counter:
    def __init__(self):
        self.called = []

    def start(self, options):
        self.called.append(("start", options))

    def process_ip(self, buffer, in_meta, options, *, frame, image):
        self.called.append((frame["frame_num"], image.pixels.shape))

    def stop(self, options):
        self.called.append(("stop", options))


def test_libraries_of_all_kinds(watched, library, tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(COUNTS)
    monkeypatch.syspath_prepend(tmp_path)
    counter, numbers = Counter(), []
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    pad = pad_of(pipeline, "end.sink")
    attached = [
        empycustom.attach(pad, each)
        for each in ("of_mine", counter, lambda _buffer, in_meta, _options: numbers.append(in_meta["frame"][0]["emcustom"]["n"]))
    ]
    assert watched(pipeline).ended
    for each in attached:
        each.close()
    assert numbers == [0, 1, 2, 3, 4]
    assert counter.called == [("start", {}), *((n, (48, 64, 4)) for n in range(5)), ("stop", {})]


def test_every_nth_frame_and_options_while_it_plays(watched, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), library(COUNTS), process_interval=2) as attached:
        attached.element.set_property("options", '{"new": true}')
        texts = []
        attached.element.connect("new-meta", lambda _element, text: texts.append(text))
        done = watched(pipeline, "end.sink")
        assert [found and (found["calls"], found["o"]) for found in attributes(done.seen["end.sink"])] == [
            (1, {"new": True}), None, (2, {"new": True}), None, (3, {"new": True})
        ]  # fmt: skip
        assert len(texts) == 3


def test_buffers_that_others_have_too_stay_as_they_are(watched, library):
    """Behind a tee the pad passes on a copy: its probes and its element see the results, the other branch does not."""
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! tee name=t ! queue ! appsink name=out t. ! queue ! identity name=other ! fakesink sync=false"
    )
    writes = library(
        "import empycustom\n"
        "def process_ip(b, m, o):\n"
        "    with empycustom.map_frame(b, m, writable=True) as image:\n"
        "        image.pixels[:] = 7\n"
        "    return {'frame': {'mine': True}}\n"
    )
    kept = []

    def keep(_pad, info):
        kept.append(info.get_buffer())
        return Gst.PadProbeReturn.OK

    pad_of(pipeline, "out.sink").add_probe(Gst.PadProbeType.BUFFER, keep)  # the program keeps what comes to the pad
    with empycustom.attach(pad_of(pipeline, "out.sink"), writes):
        done = watched(pipeline, "out.sink", "other.sink")
    assert done.ended, done.errors
    assert attributes(done.seen["out.sink"]) == [{"mine": True}] * 5
    assert attributes(done.seen["other.sink"]) == [None] * 5
    assert {sample.get_buffer().extract_dup(0, 4) for sample in done.samples} == {bytes([7] * 4)}
    assert bytes([7] * 4) not in {buffer.extract_dup(0, 4) for buffer in kept}


def test_a_probe_that_reads_and_drops_its_buffer_costs_no_copy(watched, library):
    """PyGObject's own reference is gone when the next probe is called: the buffer stays the one that it was."""
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    pad, before, after = pad_of(pipeline, "end.sink"), [], []

    def note(addresses):
        def look(_pad, info):
            addresses.append(hash(info.get_buffer()))
            return Gst.PadProbeReturn.OK

        return look

    pad.add_probe(Gst.PadProbeType.BUFFER, note(before))
    with empycustom.attach(pad, library(COUNTS)):
        pad.add_probe(Gst.PadProbeType.BUFFER, note(after))
        assert watched(pipeline).ended
    assert before == after
    assert len(after) == 5


@pytest.mark.parametrize("place", ["in.src", "i.sink"])
@pytest.mark.parametrize(("text", "left"), [(COUNTS, 4), (RAISES, 2)], ids=["all", "two"])
def test_the_buffers_of_a_list_come_one_by_one(text, left, place, watched, library):
    buffers, lists = Gst.BufferList.new(), []
    for number in range(4):
        buffer = Gst.Buffer.new_wrapped(bytes(64 * 48 * 4))
        buffer.pts = number
        buffers.insert(-1, buffer)
    pipeline = Gst.parse_launch(f"appsrc name=in format=time caps={CAPS} ! identity name=i ! fakesink name=end")
    source = pipeline.get_by_name("in")
    source.connect("need-data", lambda *_: (source.emit("push-buffer-list", buffers), source.emit("end-of-stream")))
    pad = pad_of(pipeline, place)
    pad.add_probe(Gst.PadProbeType.BUFFER_LIST, lambda *_: lists.append(1) or Gst.PadProbeReturn.OK)
    with empycustom.attach(pad, library(text)):
        done = watched(pipeline, "end.sink")
    assert done.ended is (left == 4)
    assert [frame["buf_pts"] for frame in done.seen["end.sink"]] == list(range(left))
    assert lists == [1]


def test_a_library_that_keeps_a_copy_of_the_buffer(watched, library):
    keeps = library("kept = []\ndef process_ip(b, m, o):\n    kept.append(b.copy())\n    return {'frame': {'x': 1}}\n")
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), keeps):
        done = watched(pipeline)
    assert "the library keeps a reference to it. buffer.copy() does, too; keep buffer.copy_deep() instead" in done.error


def test_a_library_may_keep_the_buffer(watched, library):
    keeps = library("kept = []\ndef process_ip(b, m, o):\n    kept.append(b)\n    return {'frame': {'pts': kept[0].pts}}\n")
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), keeps):
        done = watched(pipeline, "end.sink")
    assert done.ended, done.errors
    assert attributes(done.seen["end.sink"]) == [{"pts": 0}] * 5


# Streams.


def test_other_caps_in_the_stream(watched, library):
    sizes = library("def process_ip(b, m, o):\n    return {'frame': {'width': m['buffer']['width']}}\n")
    pipeline = Gst.parse_launch(
        f"concat name=c ! fakesink name=end {SOURCE} ! c. videotestsrc num-buffers=2 ! {CAPS.replace('64', '32')} ! c."
    )
    with empycustom.attach(pad_of(pipeline, "end.sink"), sizes):
        done = watched(pipeline, "end.sink")
    assert done.ended, done.errors
    assert [found["width"] for found in attributes(done.seen["end.sink"])] == [64] * 5 + [32] * 2


def test_attached_and_closed_while_it_plays(library):
    """Caps, segment and source are those that the pad has had before."""
    pipeline = Gst.parse_launch(f"videotestsrc is-live=true ! {CAPS} ! identity name=i ! appsink name=out sync=false")
    out = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)

    def next_frame(wanted):
        for _ in range(300):
            frame = empycustom.document(out.emit("pull-sample"))["frame"][0]
            if wanted(frame):
                return frame
        raise AssertionError("there is none")

    next_frame(lambda frame: "emcustom" not in frame)
    attached = empycustom.attach(pad_of(pipeline, "i.src"), library(COUNTS))
    frame = next_frame(lambda frame: "emcustom" in frame)
    assert frame["emcustom"]["n"] == frame["emcustom"]["calls"] - 1
    assert frame["stream_time"] == frame["emcustom"]["pts"]
    attached.close()
    next_frame(lambda frame: "emcustom" not in frame)
    pipeline.set_state(Gst.State.NULL)


def test_the_pipeline_goes_to_null_and_back(watched, library):
    """The library goes on, and frames are numbered anew."""
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), library(COUNTS)):
        runs = [watched(pipeline, "end.sink") for _ in range(3)]
    numbers = [[(found["calls"], found["n"]) for found in attributes(run.seen["end.sink"])[:5]] for run in runs]
    assert numbers == [[(5 * run + n + 1, n) for n in range(5)] for run in range(3)]


def test_a_pad_of_an_element_that_joins_its_pipeline_later(watched, library):
    sink = Gst.ElementFactory.make("fakesink", "late")
    with empycustom.attach(sink.get_static_pad("sink"), library(RAISES)):
        pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i")
        pipeline.add(sink)
        pipeline.get_by_name("i").link(sink)
        assert "process_ip raised ValueError: two" in watched(pipeline).error


def test_pads_of_bins(watched, library):
    """Ghost pads, and the source whose time begins elsewhere, seen from a source pad."""
    inner = Gst.parse_bin_from_description("identity name=i", True)
    pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=first ! fakesink name=end")
    first, end = pipeline.get_by_name("first"), pipeline.get_by_name("end")
    pipeline.add(inner)
    first.unlink(end)
    first.link(inner)
    inner.link(end)
    with (
        empycustom.attach(inner.get_static_pad("sink"), library(COUNTS, "a.py")),
        empycustom.attach(inner.get_static_pad("src"), library(COUNTS.replace('"calls"', '"again"'), "b.py")),
    ):
        done = watched(pipeline, "end.sink")
    assert done.ended, done.errors
    assert [(found["calls"], found["again"]) for found in attributes(done.seen["end.sink"])] == [(n, n) for n in range(1, 6)]


def test_streams_in_threads_of_their_own(watched, library):
    """Eight streams, each with its own library, which is called in that stream's thread alone."""
    threads = library(
        "import threading\nseen = []\ndef process_ip(b, m, o):\n    seen.append(threading.get_native_id())\n"
        "    return {'frame': {'threads': len(set(seen)), 'calls': len(seen), 'id': o['id']}}\n"
    )
    branches = " ".join(
        f"videotestsrc num-buffers=100 ! video/x-raw,format=RGBA,width=16,height=16 ! fakesink name=s{n}" for n in range(8)
    )
    pipeline = Gst.parse_launch(branches)
    places = [f"s{n}.sink" for n in range(8)]
    attached = []
    makers = [
        threading.Thread(
            target=lambda place=place, n=n: attached.append(
                empycustom.attach(pad_of(pipeline, place), threads, options={"id": n})
            )
        )
        for n, place in enumerate(places)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    done = watched(pipeline, *places)
    assert done.ended, done.errors
    for n, place in enumerate(places):
        assert attributes(done.seen[place]) == [{"threads": 1, "calls": call, "id": n} for call in range(1, 101)]
    for each in attached:
        each.close()
