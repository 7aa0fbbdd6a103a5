"""Buffers straight from C and by PyGObject do the same.

(`tools/test.sh slow-path` runs the tests of this folder by PyGObject.)
"""

from __future__ import annotations

import json

import pytest
from programs import NOTHING, SMALL, SWITCH, both_ways, needs_fast_path

from empycustom.gstreamer import Gst

# Which way.


def lines_of_the_way(launched):
    return [line for line in launched.err.splitlines() if "fast path: " in line]


LAUNCH = f"videotestsrc num-buffers=2 ! {SMALL} ! empycustom in-place=true custom-lib={{}} ! fakesink"


@needs_fast_path
def test_the_log_reports_that_it_is_on(gst_launch, library):
    launched = gst_launch(LAUNCH.format(library(NOTHING)), GST_DEBUG="*empycustom*:4", **{SWITCH: ""})
    assert launched.code == 0
    (line,) = lines_of_the_way(launched)
    assert line.endswith("fast path: on")
    assert "INFO" in line
    assert "<empycustom0>" in line


@pytest.mark.parametrize("value", ["off", "No", "0"])
def test_the_log_reports_that_it_is_off_and_why(gst_launch, library, value):
    launched = gst_launch(LAUNCH.format(library(NOTHING)), GST_DEBUG="*empycustom*:4", **{SWITCH: value})
    assert launched.code == 0
    (line,) = lines_of_the_way(launched)
    assert line.endswith(f"fast path: off, because {SWITCH}={value}")


def test_without_the_log_there_is_no_message(gst_launch, library):
    assert lines_of_the_way(gst_launch(LAUNCH.format(library(NOTHING)))) == []


@pytest.mark.parametrize("way", [pytest.param("on", marks=needs_fast_path), "off"])
@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false"])
def test_the_thread_of_a_stream_is_one_to_python_only_on_the_fast_path(python, library, way, properties):
    """What belongs to a thread stays from buffer to buffer; PyGObject makes the thread state anew for each."""
    lib = library("""
import threading, __main__
mine = threading.local()
def process_ip(b, m, o):
    mine.count = getattr(mine, "count", 0) + 1
    __main__.counts.append(mine.count)
def process(b, m, o):
    return b.copy_deep(), process_ip(b, m, o)
""")
    done = python(
        f"""
counts = []
play("videotestsrc num-buffers=5 ! " + SMALL + " ! empycustom {properties} custom-lib={lib} ! fakesink")
print(counts)
""",
        way,
    )
    assert done.stdout == ("[1, 2, 3, 4, 5]\n" if way == "on" else "[1, 1, 1, 1, 1]\n")
    assert done.stderr == ""


# What is raised. (Not by gst-launch: that of 1.22 hangs now and then where the first buffer fails, whatever the element.)

FAILS = """
def errors_of(line):
    pipeline, found = Gst.parse_launch(line), []
    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    message = bus.timed_pop_filtered(60 * Gst.SECOND, WANTED)
    assert message is not None, "the pipeline hangs"
    pipeline.set_state(Gst.State.READY)
    while message is not None:
        if message.type == Gst.MessageType.ERROR and message.src.get_name().startswith(("empycustom", "aimeta")):
            found.append([message.src.get_name(), message.parse_error()[0].message])
        message = bus.pop_filtered(WANTED)
    pipeline.set_state(Gst.State.NULL)
    return found
"""


@both_ways
@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false"])
@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "ValueError('no')"])
def test_whatever_is_raised_is_an_error_on_the_bus(python, library, way, properties, raised):
    lib = library(f"def process_ip(b, m, o):\n    raise {raised}\ndef process(b, m, o):\n    raise {raised}\n")
    line = f"videotestsrc num-buffers=3 ! {SMALL} ! empycustom {properties} custom-lib={lib} ! fakesink"
    done = python(f"{FAILS}\nprint(json.dumps(errors_of({line!r})))", way)
    ((name, text),) = json.loads(done.stdout)
    assert name == "empycustom0"
    assert f"raised {raised.split('(')[0]}" in text
    assert done.stderr == ""


@both_ways
@pytest.mark.parametrize("element", ["empycustom name=empycustom-b in-place=true custom-lib={}", "aimeta name=aimeta-b"])
def test_a_fault_that_is_not_the_librarys_is_an_error_too(python, library, way, element):
    """Another element has damaged the attributes on the buffer."""
    spoils = library("""
from empycustom.native.own_metas import JsonMeta
def process_ip(b, m, o):
    JsonMeta("EmPyCustomMeta").add(hash(b), 0, "no JSON")
""")
    line = (
        f"videotestsrc num-buffers=3 ! {SMALL} ! empycustom in-place=true custom-lib={spoils} ! "
        f"{element.format(library(NOTHING, 'nothing.py'))} ! fakesink"
    )
    done = python(f"{FAILS}\nprint(json.dumps(errors_of({line!r})))", way)
    ((name, text),) = json.loads(done.stdout)
    assert name == element.split("name=")[1].split()[0]
    assert "is not as empycustom writes it" in text
    assert done.stderr == ""


# Streams beside each other, and elements behind each other.

RECORD = """
import __main__
count = 0
def process_ip(b, m, o):
    global count
    frame = m["frame"][0]
    __main__.seen.setdefault(o.get("name"), []).append([frame["frame_num"], frame["timestamp"], frame["buf_pts"], count])
    count += 1
"""


@both_ways
def test_four_streams_at_once_do_not_mix(python, library, way):
    """Each has its own size, numbers, and library."""
    done = python(
        f"""
seen = {{}}
pipelines = []
for n in range(4):
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers={{500 + n}} ! video/x-raw,format=RGBA,width={{16 + n}},height=16,framerate={{10 + n}}/1 ! "
        "empycustom name=e in-place=true custom-lib={library(RECORD)} ! fakesink")
    pipeline.get_by_name("e").set_property("options", json.dumps({{"name": n}}))
    pipelines.append(pipeline)
for pipeline in pipelines:
    pipeline.set_state(Gst.State.PLAYING)
for pipeline in pipelines:
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, WANTED)
    assert message and message.type == Gst.MessageType.EOS
    pipeline.set_state(Gst.State.NULL)
print(json.dumps(seen))
""",
        way,
    )
    seen = json.loads(done.stdout)
    assert sorted(seen) == ["0", "1", "2", "3"]
    for name, calls in seen.items():
        count, rate = 500 + int(name), 10 + int(name)
        assert [number for number, _, _, _ in calls] == list(range(count))
        assert [state for _, _, _, state in calls] == list(range(count))
        assert [pts for _, _, pts, _ in calls] == [n * 10**9 // rate for n in range(count)]


@pytest.fixture
def recorded():
    """What the recording library saw: (frame_num, timestamp) by pts. It finds the dict in the main module."""
    import __main__

    __main__.seen = {}
    yield lambda name=None: {pts: (number, time) for number, time, pts, _ in __main__.seen[name]}
    del __main__.seen


def documents_of(pipeline, name="meta"):
    """Return (frame_num, timestamp) of aimeta by pts."""
    documents = {}

    def heard(_, text):
        (frame,) = json.loads(text)["frame"]
        documents[frame["buf_pts"]] = (frame["frame_num"], frame["timestamp"])

    pipeline.get_by_name(name).connect("new-meta", heard)
    return documents


DROP = {
    "raises, on-error=drop": (
        "in-place=true on-error=drop",
        "def process_ip(b, m, o):\n    1 // (m['frame'][0]['frame_num'] % 2)\n",
    ),
    "process returns no buffer": (
        "",
        "def process(b, m, o):\n    return (b if m['frame'][0]['frame_num'] % 2 else None), None\n",
    ),
    "process makes a new buffer": (
        "",
        "def process(b, m, o):\n    return (b.copy_deep() if m['frame'][0]['frame_num'] % 2 else None), None\n",
    ),
    "raises, words on the others": (
        "in-place=true on-error=drop",
        "def process_ip(b, m, o):\n    return [{'n': 1 // (m['frame'][0]['frame_num'] % 2)}]\n",
    ),
}
SLOWLY = f"videotestsrc num-buffers=20 ! {SMALL} ! identity sleep-time=3000"  # so that each frame has a time of its own


@pytest.mark.parametrize(("properties", "drops"), DROP.values(), ids=DROP)
@pytest.mark.parametrize("behind", ["identity", "videoconvert ! video/x-raw,format=I420", "queue", "tee ! queue"])
def test_numbers_and_times_are_those_of_the_first_library_where_frames_are_dropped(
    play, library, recorded, properties, drops, behind
):
    first, second = library(RECORD, "first.py"), library(drops, "second.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true custom-lib={first} ! {behind} ! "
        f"empycustom {properties} custom-lib={second} ! {behind} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    seen = recorded()
    assert [number for number, _ in seen.values()] == list(range(20))
    assert len({time for _, time in seen.values()}) == 20
    assert [number for number, _ in documents.values()] == list(range(1, 20, 2))
    assert documents == {pts: seen[pts] for pts in documents}


def test_numbers_and_times_agree_where_the_stream_branches(play, library, recorded):
    """One branch lets the library drop, the other one only looks."""
    first, second = library(RECORD, "first.py"), library(DROP["raises, on-error=drop"][1], "second.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true custom-lib={first} ! tee name=t "
        f"t. ! queue ! empycustom in-place=true on-error=drop custom-lib={second} ! aimeta name=dropped ! fakesink "
        "t. ! queue ! videoconvert ! aimeta name=all ! fakesink"
    )
    dropped, everything = documents_of(pipeline, "dropped"), documents_of(pipeline, "all")
    assert play(pipeline).ended
    assert everything == recorded()
    assert dropped == {pts: seen for pts, seen in recorded().items() if seen[0] % 2}


def test_numbers_agree_where_the_library_that_drops_is_the_first(play, library, recorded):
    first, second = library(DROP["raises, on-error=drop"][1], "first.py"), library(RECORD, "second.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true on-error=drop custom-lib={first} ! queue ! "
        f"empycustom in-place=true custom-lib={second} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert documents == recorded()
    assert [number for number, _ in documents.values()] == list(range(1, 20, 2))


# Frames of which a library drops some and never sees, or cannot process, the others: 0, 2, 4 … are dropped.
UNSAID = {
    "process-interval": ("process-interval=2", "def process(b, m, o):\n    return None, None\n"),
    "process-interval, on-error=drop": (
        "process-interval=2 on-error=drop in-place=true",
        "def process_ip(b, m, o):\n    1 / 0\n",
    ),
    "on-error=pass": (
        "on-error=pass",
        "def process(b, m, o):\n    return None, 1 // (1 - m['frame'][0]['frame_num'] % 2) and None\n",
    ),
}


@pytest.mark.parametrize(("properties", "drops"), UNSAID.values(), ids=UNSAID)
def test_numbers_agree_on_frames_without_a_result_of_the_library_that_drops(play, library, recorded, properties, drops):
    first, second = library(drops, "first.py"), library(RECORD, "second.py")
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=20 ! {SMALL} ! empycustom {properties} custom-lib={first} ! "
        f"empycustom in-place=true custom-lib={second} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert documents == recorded()
    assert [number for number, _ in documents.values()] == list(range(1, 20, 2))


def test_an_element_between_that_is_passed_does_not_change_numbers(play, library, recorded):
    """The library behind is called for every third buffer, and returns attributes; the others also keep their number."""
    first, second = library(RECORD, "first.py"), library("def process_ip(b, m, o):\n    return [{'n': 1}]\n", "second.py")
    drops = library(DROP["raises, on-error=drop"][1], "drops.py")
    pipeline = Gst.parse_launch(
        f"{SLOWLY} ! empycustom in-place=true custom-lib={first} ! empycustom in-place=true on-error=drop custom-lib={drops} ! "
        f"empycustom in-place=true process-interval=3 custom-lib={second} ! aimeta name=meta ! fakesink"
    )
    documents = documents_of(pipeline)
    assert play(pipeline).ended
    assert len(documents) == 10
    assert documents == {pts: recorded()[pts] for pts in documents}


ALONE = """
from gi.repository import Gst
def metas_of(line):
    pipeline, found = Gst.parse_launch(line), []
    def handoff(_, buffer):
        meta = buffer.get_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-empycustom"))
        found.append(None if meta is None else meta.duration)
    pipeline.get_by_name("end").connect("handoff", handoff)
    play(pipeline)
    return found
"""
END = "identity name=end signal-handoffs=true ! fakesink"


@pytest.mark.parametrize("properties", ["in-place=true", "in-place=false", "in-place=true process-interval=2"])
def test_every_element_stamps_whoever_else_is_there(python, library, properties):
    """What is on a buffer does not depend on who else plays in the process: others may read it, here or elsewhere."""
    lib = library("def process_ip(b, m, o):\n    pass\ndef process(b, m, o):\n    return b, None\n")
    done = python(
        ALONE
        + f"""
element = "empycustom {properties} custom-lib={lib}"
source = f"videotestsrc num-buffers=3 ! {{SMALL}}"
print(metas_of(f"{{source}} ! {{element}} ! {END}"))
print(metas_of(f"{{source}} ! aimeta ! {END}"))
print(metas_of(f"{{source}} ! {{element}} ! {{element}} ! aimeta ! {END}"))
"""
    )
    assert done.stdout.splitlines() == ["[0, 1, 2]"] * 3


def test_where_others_hold_the_buffer_nothing_is_stamped(python, library):
    """Nothing is copied for it, and GStreamer complains about nothing."""
    lib = library("kept = []\ndef process_ip(b, m, o):\n    kept.append(b.copy())\n")
    done = python(ALONE + f"""
element = "empycustom in-place=true custom-lib={lib}"
print(metas_of(f"videotestsrc num-buffers=3 ! {{SMALL}} ! {{element}} ! {END}"))
print(metas_of(f"videotestsrc num-buffers=3 ! {{SMALL}} ! tee name=t t. ! queue ! fakesink t. ! queue ! aimeta ! {END}")[:0])
""")  # fmt: skip
    assert done.stdout.splitlines() == ["[None, None, None]", "[]"]
