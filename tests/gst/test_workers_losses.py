"""What a library in a worker does and its parent cannot see: each of it is an error, or a warning, that says what to do."""

import pytest
from driven import TIMEOUT, WAITS, Driven

from about_time import is_about_time
from empycustom.gstreamer import Gst

ENDS = Gst.MessageType.EOS | Gst.MessageType.ERROR
LAST = "call-timeout=60000"  # the end waits so long for the last call; a second, which it has without, may be little
HEAD = """
import os, resource, time
import empycustom
from gi.repository import Gst, GstVideo

"""


def called(body, function="process_ip"):
    """Return a library whose function does something."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{HEAD}def {function}(buffer, in_meta, options):\n{lines}"


def said(driven, timeout=0):
    """Return the warnings and errors of the element that are on the bus, each with its kind; up to the end within a time."""
    found, bus = [], driven.pipeline.get_bus()
    while message := bus.timed_pop_filtered(timeout, ENDS | Gst.MessageType.WARNING):
        if message.type == Gst.MessageType.EOS:
            return [*found, ("eos", "")]
        if message.src == driven.element:
            is_error = message.type == Gst.MessageType.ERROR
            text = (message.parse_error if is_error else message.parse_warning)()[0].message
            if not is_about_time(text):
                found.append((message.type.first_value_nick, text))
            if is_error and timeout:
                return found
    assert not timeout, "the pipeline hangs"
    return found


def at_end(driven):
    """Push the end; return what was said up to it, which is the last entry, or the error."""
    driven.source.emit("end-of-stream")
    return said(driven, TIMEOUT)


def seen(driven, calls):
    """Push frames until the library was called so often; return what was said up to the end."""
    while driven.stats("processed") < (calls,):
        driven.push()
        driven.pull()
    return at_end(driven)


WRITES = {
    "map_frame": "with empycustom.map_frame(buffer, in_meta, writable=True) as frame:\n    frame.pixels[:] = 3",
    "map": "done, info = buffer.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE)\nbuffer.unmap(info)",
    "fill": "buffer.fill(0, b'12')",
    "memset": "buffer.memset(0, 1, 2)",
    "memory": "memory = buffer.peek_memory(0)\ndone, info = memory.map(Gst.MapFlags.WRITE)\nmemory.unmap(info)",
}
READS = {
    "map_frame": "with empycustom.map_frame(buffer, in_meta) as frame:\n    frame.pixels.sum()",
    "map": "done, info = buffer.map(Gst.MapFlags.READ)\nbuffer.unmap(info)",
    "extract": "buffer.extract_dup(0, 9)",
    "another buffer": "buffer.copy_deep().fill(0, b'12')",
    "a frame that it keeps": "kept = globals().setdefault('kept', [])\nkept.append(buffer)\nkept[0].extract_dup(0, 9)",
    "and writes into later": "kept = globals().setdefault('kept', [])\nkept[:1] and kept.pop().fill(0, b'12')\nkept.append(buffer)",
}


@pytest.mark.parametrize("body", WRITES.values(), ids=WRITES)
def test_latest_warns_once_that_nobody_sees_what_is_written(library, body):
    path = library(called(body))
    with Driven(path, "workers=1 pace=latest") as driven:
        (kind, text), last = seen(driven, 4)
    assert (kind, last) == ("warning", ("eos", ""))
    assert text.startswith(
        f"{path}:6: process_ip mapped the frame for writing at frame 0 (0:00:00.000), and with pace=latest nobody"
    )
    assert "Set pace=every" in text


def test_latest_warns_that_nobody_sees_other_times(library):
    with Driven(library(called("buffer.pts += 1")), "workers=1 pace=latest") as driven:
        (_, text), _ = seen(driven, 2)
    assert "process_ip changed times or flags of the frame at frame 0 (0:00:00.000), and with pace=latest" in text


@pytest.mark.parametrize("body", READS.values(), ids=READS)
def test_latest_says_nothing_about_a_library_that_reads(library, body):
    with Driven(library(called(body)), "workers=1 pace=latest") as driven:
        assert seen(driven, 4) == [("eos", "")]


@pytest.mark.parametrize("body", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("pace", ["every", "skip"])
def test_what_is_written_is_no_message_with_another_pace(library, pace, body):
    with Driven(library(called(body)), f"workers=1 pace={pace}") as driven:
        assert seen(driven, 2) == [("eos", "")]


REGION = "GstVideo.buffer_add_video_region_of_interest_meta({}, 'found', 1, 2, 3, 4)"
NEW = "made = buffer.copy_deep()\n" + REGION.format("made") + "\nreturn made, None"
ATTACHED = "changed the metadata of the buffer (GstVideoRegionOfInterestMeta)"
TO_NEW = "attached metadata to the new buffer (GstVideoRegionOfInterestMeta)"
REPLACED = "gave the buffer other memory, as a second map does that writes while the first is in use"
LOST = {
    "a region": ("process_ip", REGION.format("buffer"), ATTACHED),
    "custom metadata": (
        "process_ip",
        "Gst.Meta.register_custom('OfTheTest', [], None, None)\nbuffer.add_custom_meta('OfTheTest')",
        "changed the metadata of the buffer (OfTheTest)",
    ),
    "of the old buffer": ("process", REGION.format("buffer") + "\nreturn buffer, None", ATTACHED),
    "of the new buffer": ("process", NEW, TO_NEW),
    "a map in a map": ("process_ip", "done, info = buffer.map(Gst.MapFlags.READ)\nbuffer.fill(0, b'12')", REPLACED),
    "other memory": (
        "process_ip",
        "buffer.replace_all_memory(Gst.Buffer.new_wrapped(bytes(1024)).get_all_memory())",
        REPLACED,
    ),
    "less memory": ("process_ip", "buffer.set_size(512)", REPLACED),
}


@pytest.mark.parametrize(("function", "body", "what"), LOST.values(), ids=LOST)
def test_what_stays_in_the_worker_is_an_error(library, function, body, what):
    path = library(called(body, function))
    with Driven(path, f"workers=1 in-place={str(function == 'process_ip').lower()}") as driven:
        driven.push()
        text = driven.message().parse_error()[0].message
    assert text.startswith(f"{path}:6: {function} {what} at frame 0 (0:00:00.000), which stays in the worker; ")
    assert text.endswith("or set workers=0")


@pytest.mark.parametrize("pace", ["every", "latest"])
@pytest.mark.parametrize("policy", ["pass", "drop"])
def test_metadata_that_stays_in_the_worker_is_dealt_with_as_other_errors(library, policy, pace):
    path = library(called(REGION.format("buffer") + "\nreturn {'frame': {'n': 1}}"))
    with Driven(path, f"workers=1 pace={pace} on-error={policy} {LAST}") as driven:
        while driven.stats("processed") < (3,):
            driven.push()
        (kind, text), last = at_end(driven)
        frames = driven.pull_all()
        assert driven.stats("errors") == driven.stats("processed")
    assert (kind, ATTACHED in text, last) == ("warning", True, ("eos", ""))
    assert len(frames) == (0 if policy == "drop" and pace == "every" else driven.pushed)
    assert not any("emcustom" in frame or frame["object"] for frame in frames)


def test_in_the_streaming_thread_the_same_metadata_goes_on(library):
    for function, body in (("process_ip", REGION.format("buffer")), ("process", NEW)):
        in_place = str(function == "process_ip").lower()
        with Driven(library(called(body, function)), f"in-place={in_place}") as driven:
            driven.push()
            (found,) = driven.pull()["object"]
        assert found["obj_label"] == "found"


TIMES = """
buffer.pts += 1000
buffer.offset = 7
buffer.set_flags(Gst.BufferFlags.DROPPABLE)
"""
NEW_TIMES = f"buffer = buffer.copy_deep(){TIMES}return buffer, None"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("function", "body"), [("process_ip", TIMES), ("process", NEW_TIMES)])
def test_times_and_flags_that_a_library_sets_go_on(library, function, body, workers):
    in_place = str(function == "process_ip").lower()
    with Driven(library(called(body, function)), f"workers={workers} in-place={in_place}") as driven:
        driven.push()
        buffer = driven.pull()["buffer"]
        assert said(driven) == []
    assert (buffer.pts, buffer.offset) == (1000, 7)
    assert buffer.has_flags(Gst.BufferFlags.DROPPABLE)


LIMITED = f"{HEAD}kept = []\n\n\ndef start(options):\n    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n\n\n"
KEEPS = "def process_ip(buffer, in_meta, options):\n    kept.append(buffer)\n    return {'frame': {'n': len(kept)}}\n"
OPENS = """
def process_ip(buffer, in_meta, options):
    try:
        while True:
            kept.append(open("/dev/null"))
    except OSError:
        return {"frame": {"n": len(kept)}}
"""


def test_a_library_may_keep_more_frames_than_its_worker_may_open_files(library):
    with Driven(library(LIMITED + KEEPS), "workers=1") as driven:
        frames = [driven.push() or driven.pull() for _ in range(200)]
        assert said(driven) == []
        assert driven.stats("restarts") == (0,)
    assert [frame["emcustom"]["n"] for frame in frames] == [*range(1, 201)]


def test_a_worker_that_can_open_no_file_says_so(library):
    with Driven(library(LIMITED + OPENS), "workers=1") as driven:
        driven.push()
        driven.pull()
        driven.caps(32, 32)  # their memory is new
        driven.push()
        text = driven.message().parse_error()[0].message
    assert (
        ": the worker can take no more frames at frame 1 (0:00:00.001): Too many open files; let the library close files" in text
    )


HANGS = called("open(options['begun'], 'w').close()\ntime.sleep(600)")


@pytest.fixture
def hanging(library, tmp_path):
    """Play a library whose first call never returns; it has begun."""

    def play(properties):
        begun = tmp_path / "begun"
        driven = Driven(library(HANGS), f"workers=1 {properties}", options={"begun": str(begun)})
        driven.__enter__()
        driven.push()
        driven.wait_for(begun.exists)
        return driven

    return play


def test_a_call_that_hangs_at_the_end_is_an_error_with_latest(hanging):
    driven = hanging("pace=latest call-timeout=200")
    assert driven.end().type == Gst.MessageType.ERROR
    driven.pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize("policy", ["pass", "drop"])
def test_a_call_that_hangs_at_the_end_is_a_warning_where_the_stream_goes_on(hanging, policy):
    driven = hanging(f"pace=latest call-timeout=200 on-error={policy}")
    (kind, text), last = at_end(driven)
    assert (kind, "process_ip took longer than call-timeout=200 at frame 0 (0:00:00.000)" in text) == ("warning", True)
    assert last == ("eos", "")
    driven.pipeline.set_state(Gst.State.READY)
    assert said(driven) == []
    driven.pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize("pace", ["every", "latest"])
@pytest.mark.parametrize(("policy", "kind"), [("fail", "error"), ("pass", "warning"), ("drop", "warning")])
def test_a_call_that_hangs_when_the_element_is_stopped_is_reported_as_on_error_says(hanging, policy, kind, pace):
    driven = hanging(f"pace={pace} on-error={policy}")
    driven.pipeline.set_state(Gst.State.READY)
    ((found, text),) = said(driven)
    assert (found, ": process_ip had not returned 1 s after the stream had ended" in text) == (kind, True)
    driven.pipeline.set_state(Gst.State.NULL)


def test_an_exception_of_the_last_call_is_reported_with_latest(library, tmp_path):
    gate = tmp_path / "gate"
    path = library(WAITS.replace('return {"frame"', 'raise ValueError("late")\n    return {"frame"'))
    with Driven(path, f"workers=1 pace=latest {LAST}", options={"wait": [0], "gate": str(gate)}) as driven:
        driven.push(3)
        driven.pull()
        driven.source.emit("end-of-stream")
        gate.touch()
        message = driven.message()
    assert message.type == Gst.MessageType.ERROR
    assert "process_ip raised ValueError: late at frame 0" in message.parse_error()[0].message


@pytest.mark.parametrize("workers", [0, 1])
def test_the_text_of_an_exception_is_cut(library, workers):
    path = library(called("raise ValueError('x' * 20_000_000 + 'the end')"))
    with Driven(path, f"workers={workers}") as driven:
        driven.push()
        error, debug = driven.message().parse_error()
    assert error.message.startswith(f"{path}:7: process_ip raised ValueError: xxx")
    assert len(error.message) < 2000
    assert len(debug) < 200_000
    assert f'File "{path}", line 7, in process_ip' in debug
    assert "characters are left out" in debug
    assert "xxxthe end" in debug


STARTS = f"{HEAD}def process_ip(buffer, in_meta, options):\n    pass\n\n\ndef start(options):\n    {{}}\n"


@pytest.mark.parametrize(
    ("deed", "what"),
    {
        "os._exit(3)": "ended by itself, with exit code 3, in start: something called os._exit",
        "os.kill(os.getpid(), 9); time.sleep(60)": "was killed by SIGKILL in start",
    }.items(),
)
def test_a_library_that_dies_in_start_is_reported_with_its_line(library, play, deed, what):
    path = library(STARTS.format(deed))
    (text, _), *_ = play(
        f"videotestsrc ! video/x-raw,format=RGBA ! empycustom in-place=true workers=1 custom-lib={path} ! fakesink"
    ).errors
    assert text.startswith(f"{path}:10: the worker {what}")


def test_a_library_that_dies_while_it_is_loaded_is_reported_without_a_line(library, play):
    path = library("import os\nos._exit(3)\n")
    (text, _), *_ = play(
        f"videotestsrc ! video/x-raw,format=RGBA ! empycustom in-place=true workers=1 custom-lib={path} ! fakesink"
    ).errors
    assert text.startswith(f"{path}: the worker ended by itself, with exit code 3, while the library was loaded: something")
