"""`empycustom.attach`: a library at a pad of a program's own pipeline, which has no element of ours."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest

import empycustom
from empycustom.errors import (
    CallbackError,
    CallbackMissingError,
    CallbackSignatureError,
    FrameError,
    LibraryImportError,
    LibraryNotFoundError,
    OptionError,
    PropertyError,
)
from empycustom.gstreamer import Gst

CAPS = "video/x-raw,format=RGBA,width=64,height=48,framerate=30/1"
SOURCE = f"videotestsrc num-buffers=5 ! {CAPS}"
COUNTS = """\
calls = 0


def start(options):
    options["log"].append("start") if "log" in options else None


def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    frame = in_meta["frame"][0]
    return {"frame": {"calls": calls, "n": frame["frame_num"], "pts": frame["buf_pts"], "o": options}}
"""
RAISES = "def process_ip(b, m, o):\n    if m['frame'][0]['frame_num'] == 2:\n        raise ValueError('two')\n"
FINDS = {"frame": [{"new_object": [{"obj_label": "dog", "rect_params": {"left": 1, "top": 2, "width": 3, "height": 4}}]}]}


@pytest.fixture(autouse=True)
def nothing_stays_attached():
    """What a test attaches it closes, or lets go of."""
    yield
    from empycustom.session import attach

    until_closed = [attachment.element.get_name() for attachment in attach._open]
    for attachment in list(attach._open):
        attachment.close()
    assert until_closed == []


@pytest.fixture
def played(play):
    """Play a pipeline with probes of the test's own: the attributes of each frame at each ``name.pad``. Return what was played."""

    def run(description, *places):
        pipeline = Gst.parse_launch(description) if isinstance(description, str) else description
        seen = {place: [] for place in places}
        for place in seen:

            def look(pad, info, place=place):
                seen[place].append(empycustom.document(info.get_buffer(), pad)["frame"][0])
                return Gst.PadProbeReturn.OK

            pad_of(pipeline, place).add_probe(Gst.PadProbeType.BUFFER, look)
        done = play(pipeline)
        done.seen = seen
        return done

    return run


def pad_of(pipeline, place):
    name, pad = place.split(".")
    return pipeline.get_by_name(name).get_static_pad(pad)


def attributes(frames):
    return [frame.get("emcustom") for frame in frames]


# What a library does there.


@pytest.mark.parametrize("place", ["i.sink", "i.src", "end.sink"])
def test_results_are_on_the_buffers_from_that_pad_on(place, played, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, place), library(COUNTS), options={"least": 2}) as attached:
        done = played(pipeline, place, "end.sink")
        assert done.ended, done.errors
        expected = [{"calls": n + 1, "n": n, "pts": n * 10**9 // 30, "o": {"least": 2}} for n in range(5)]
        assert attributes(done.seen[place]) == attributes(done.seen["end.sink"]) == expected
        assert json.loads(attached.element.get_property("last-meta")) == {"frame": expected[-1]}
        assert attached.element.get_property("stats").get_value("processed") == 5


def test_it_is_what_the_element_does(played, library):
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
    by_elements = played(
        f"{SOURCE} ! empycustom in-place=true custom-lib={finds} ! empycustom in-place=true custom-lib={edits} ! appsink name=out",
        "out.sink",
    )
    pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i ! appsink name=out")
    with empycustom.attach(pad_of(pipeline, "i.src"), finds), empycustom.attach(pad_of(pipeline, "i.src"), Path(edits)):
        attached = played(pipeline, "out.sink")
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


def test_libraries_of_all_kinds(played, library, tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(COUNTS)
    monkeypatch.syspath_prepend(tmp_path)
    counter, numbers = Counter(), []
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    pad = pad_of(pipeline, "end.sink")
    attached = [
        empycustom.attach(pad, each)
        for each in ("of_mine", counter, lambda _buffer, in_meta, _options: numbers.append(in_meta["frame"][0]["emcustom"]["n"]))
    ]
    assert played(pipeline).ended
    for each in attached:
        each.close()
    assert numbers == [0, 1, 2, 3, 4]
    assert counter.called == [("start", {}), *((n, (48, 64, 4)) for n in range(5)), ("stop", {})]


def test_every_nth_frame_and_options_while_it_plays(played, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), library(COUNTS), process_interval=2) as attached:
        attached.element.set_property("options", '{"new": true}')
        texts = []
        attached.element.connect("new-meta", lambda _element, text: texts.append(text))
        done = played(pipeline, "end.sink")
        assert [found and (found["calls"], found["o"]) for found in attributes(done.seen["end.sink"])] == [
            (1, {"new": True}), None, (2, {"new": True}), None, (3, {"new": True})
        ]  # fmt: skip
        assert len(texts) == 3


def test_buffers_that_others_have_too_stay_as_they_are(played, library):
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
        done = played(pipeline, "out.sink", "other.sink")
    assert done.ended, done.errors
    assert attributes(done.seen["out.sink"]) == [{"mine": True}] * 5
    assert attributes(done.seen["other.sink"]) == [None] * 5
    assert {sample.get_buffer().extract_dup(0, 4) for sample in done.samples} == {bytes([7] * 4)}
    assert bytes([7] * 4) not in {buffer.extract_dup(0, 4) for buffer in kept}


def test_a_probe_that_reads_and_drops_its_buffer_costs_no_copy(played, library):
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
        assert played(pipeline).ended
    assert before == after
    assert len(after) == 5


@pytest.mark.parametrize("place", ["in.src", "i.sink"])
@pytest.mark.parametrize(("text", "left"), [(COUNTS, 4), (RAISES, 2)], ids=["all", "two"])
def test_the_buffers_of_a_list_come_one_by_one(text, left, place, played, library):
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
        done = played(pipeline, "end.sink")
    assert done.ended is (left == 4)
    assert [frame["buf_pts"] for frame in done.seen["end.sink"]] == list(range(left))
    assert lists == [1]


def test_a_library_that_keeps_a_copy_of_the_buffer(played, library):
    keeps = library("kept = []\ndef process_ip(b, m, o):\n    kept.append(b.copy())\n    return {'frame': {'x': 1}}\n")
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), keeps):
        done = played(pipeline)
    assert "the library keeps a reference to it. buffer.copy() does, too; keep buffer.copy_deep() instead" in done.error


def test_a_library_may_keep_the_buffer(played, library):
    keeps = library("kept = []\ndef process_ip(b, m, o):\n    kept.append(b)\n    return {'frame': {'pts': kept[0].pts}}\n")
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), keeps):
        done = played(pipeline, "end.sink")
    assert done.ended, done.errors
    assert attributes(done.seen["end.sink"]) == [{"pts": 0}] * 5


# What goes wrong.


def test_fail_is_an_error_on_the_bus_with_the_traceback(played, library):
    lib = library(RAISES)
    pipeline = Gst.parse_launch(f"{SOURCE} ! bin.( identity name=i ) ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "i.src"), lib) as attached:
        done = played(pipeline, "end.sink")
        assert isinstance(attached.element.error, CallbackError)
    (text, debug), flow = done.errors[0], done.errors[1][0]
    assert text.startswith(f"{lib}:3: process_ip raised ValueError: two at frame 2 (0:00:00.066); fix the library")
    assert "AtPad:i:src" in debug
    assert "raise ValueError('two')" in debug
    assert flow == "Internal data stream error."  # upstream ends, as with the element
    assert len(done.seen["end.sink"]) == 2


@pytest.mark.parametrize(("policy", "numbers"), [("pass", [0, 1, 2, 3, 4]), ("drop", [0, 1, 3, 4])])
def test_pass_and_drop_go_on_and_warn_once(policy, numbers, played, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), library(RAISES), on_error=policy) as attached:
        done = played(pipeline, "end.sink")
        stats = attached.element.get_property("stats")
    assert done.ended, done.errors
    assert [frame["frame_num"] for frame in done.seen["end.sink"]] == numbers
    assert [text.split(": ", 1)[1].split(" at ")[0] for text, _ in done.warnings] == ["process_ip raised ValueError: two"]
    assert (stats.get_value("errors"), stats.get_value("dropped")) == (1, 5 - len(numbers))


@pytest.mark.parametrize("place", ["i.src", "end.sink"])
def test_a_library_ends_the_stream(place, played, ends, tmp_path):
    pipeline = Gst.parse_launch(f"videotestsrc ! {CAPS} ! identity name=i ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, place), ends()):
        done = played(pipeline, "end.sink")
    assert done.ended, done.errors
    assert attributes(done.seen["end.sink"]) == [{"calls": n} for n in (1, 2, 3)]


REFUSED = [
    ("nowhere.py", {}, LibraryNotFoundError, "nowhere.py"),
    ("def process_ip(b, m, o)\n", {}, LibraryImportError, "lib.py:1"),
    ("def process_ip(b):\n    pass\n", {}, CallbackSignatureError, "lib.py:1: process_ip takes (b)"),
    ("def start(o):\n    1 / 0\ndef process_ip(b, m, o):\n    pass\n", {}, CallbackError, "lib.py:2: start raised"),
    ("x = 1\n", {}, CallbackMissingError, "has neither process_ip nor process"),
    (
        "def process(b, m, o):\n    return b, None\n",
        {},
        CallbackMissingError,
        "lib.py has process, which makes new frames, but no process_ip, and at a pad frames stay as they are; define "
        "process_ip(io_buffer, in_meta, options), or put the element empycustom into the pipeline",
    ),
    (COUNTS, {"options": [1]}, PropertyError, "options have to be a dict, not a list"),
    (COUNTS, {"options": {"a": {1}}}, PropertyError, "options hold what JSON does not"),
    (COUNTS, {"on_error": "ignore"}, PropertyError, "on_error is one of fail, pass, drop, not 'ignore'"),
    (COUNTS, {"process_interval": 0}, PropertyError, "process_interval is"),
    (COUNTS + "MANDATORY = True\n", {"on_error": "pass"}, PropertyError, "declares MANDATORY"),
    (
        "import empycustom\nOPTIONS = {'n': empycustom.Option(1)}\n" + COUNTS,
        {"options": {"m": 1}},
        OptionError,
        "n",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "arguments", "kind", "message"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_cannot_be_attached_is_an_exception_and_leaves_nothing(text, arguments, kind, message, played, library):
    lib = text if text.endswith("where.py") else library(text)
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with pytest.raises(kind, match=re.escape(message)):
        empycustom.attach(pad_of(pipeline, "end.sink"), lib, **arguments)
    done = played(pipeline, "end.sink")
    assert done.ended, done.errors
    assert attributes(done.seen["end.sink"]) == [None] * 5


def test_a_library_that_was_mended_is_the_new_one(library):
    sink = Gst.ElementFactory.make("fakesink", "its")
    pad = sink.get_static_pad("sink")
    with pytest.raises(CallbackMissingError):
        empycustom.attach(pad, library("def process(b, m, o):\n    return b, None\n"))
    with empycustom.attach(pad, library(COUNTS)) as attached:
        assert attached.element.get_name() == "its:sink"


@pytest.mark.parametrize("pad", [None, "sink"])
def test_what_is_not_a_pad(pad, library):
    with pytest.raises(PropertyError, match=r"attach needs a Gst.Pad, as element.get_static_pad\('sink'\) returns it") as caught:
        empycustom.attach(pad, library(COUNTS))
    assert ("no pad of that name" in str(caught.value)) is (pad is None)


@pytest.mark.parametrize(
    ("source", "caps"),
    [
        ("audiotestsrc num-buffers=2", "audio/x-raw"),
        (f"{SOURCE} ! videoconvert ! jpegenc", "image/jpeg"),
        ("videotestsrc num-buffers=2 ! video/x-raw,format=v210", "video/x-raw, format=(string)v210"),
    ],
)
def test_a_pad_without_raw_video(source, caps, played, library):
    """Seen at once where the pad has caps, else an error on the bus."""
    pipeline = Gst.parse_launch(f"{source} ! fakesink name=end")
    pad = pad_of(pipeline, "end.sink")
    with empycustom.attach(pad, library(COUNTS)):
        done = played(pipeline)
    assert done.error.startswith(f"what goes through end:sink is no raw video in a format that libraries can get, but {caps}")
    assert done.error.endswith(
        "attach to a pad behind the decoder, or behind a converter to a format that gst-inspect-1.0 empycustom lists"
    )
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(10 * Gst.SECOND)
    with pytest.raises(FrameError, match="what goes through end:sink is no raw video"):
        empycustom.attach(pad, library(COUNTS))
    pipeline.set_state(Gst.State.NULL)


# Streams.


def test_other_caps_in_the_stream(played, library):
    sizes = library("def process_ip(b, m, o):\n    return {'frame': {'width': m['buffer']['width']}}\n")
    pipeline = Gst.parse_launch(
        f"concat name=c ! fakesink name=end {SOURCE} ! c. videotestsrc num-buffers=2 ! {CAPS.replace('64', '32')} ! c."
    )
    with empycustom.attach(pad_of(pipeline, "end.sink"), sizes):
        done = played(pipeline, "end.sink")
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


def test_the_pipeline_goes_to_null_and_back(played, library):
    """The library goes on, and frames are numbered anew."""
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), library(COUNTS)):
        runs = [played(pipeline, "end.sink") for _ in range(3)]
    numbers = [[(found["calls"], found["n"]) for found in attributes(run.seen["end.sink"])[:5]] for run in runs]
    assert numbers == [[(5 * run + n + 1, n) for n in range(5)] for run in range(3)]


def test_a_pad_of_an_element_that_joins_its_pipeline_later(played, library):
    sink = Gst.ElementFactory.make("fakesink", "late")
    with empycustom.attach(sink.get_static_pad("sink"), library(RAISES)):
        pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i")
        pipeline.add(sink)
        pipeline.get_by_name("i").link(sink)
        assert "process_ip raised ValueError: two" in played(pipeline).error


def test_pads_of_bins(played, library):
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
        done = played(pipeline, "end.sink")
    assert done.ended, done.errors
    assert [(found["calls"], found["again"]) for found in attributes(done.seen["end.sink"])] == [(n, n) for n in range(1, 6)]


def test_streams_in_threads_of_their_own(played, library):
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
    done = played(pipeline, *places)
    assert done.ended, done.errors
    for n, place in enumerate(places):
        assert attributes(done.seen[place]) == [{"threads": 1, "calls": call, "id": n} for call in range(1, 101)]
    for each in attached:
        each.close()
