"""What goes wrong with `empycustom.attach`, and with the probes that it takes the place of."""

from __future__ import annotations

import re

import pytest
from attaching import CAPS, COUNTS, RAISES, SOURCE, attributes, pad_of

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
from empycustom.native.memory import is_writable

pytestmark = pytest.mark.usefixtures("nothing_stays_attached")


def test_fail_is_an_error_on_the_bus_with_the_traceback(watched, library):
    lib = library(RAISES)
    pipeline = Gst.parse_launch(f"{SOURCE} ! bin.( identity name=i ) ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "i.src"), lib) as attached:
        done = watched(pipeline, "end.sink")
        assert isinstance(attached.element.error, CallbackError)
    (text, debug), flow = done.errors[0], done.errors[1][0]
    assert text.startswith(f"{lib}:3: process_ip raised ValueError: two at frame 2 (0:00:00.066); fix the library")
    assert "AtPad:i:src" in debug
    assert "raise ValueError('two')" in debug
    assert flow == "Internal data stream error."  # upstream ends, as with the element
    assert len(done.seen["end.sink"]) == 2


@pytest.mark.parametrize(("policy", "numbers"), [("pass", [0, 1, 2, 3, 4]), ("drop", [0, 1, 3, 4])])
def test_pass_and_drop_go_on_and_warn_once(policy, numbers, watched, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, "end.sink"), library(RAISES), on_error=policy) as attached:
        done = watched(pipeline, "end.sink")
        stats = attached.element.get_property("stats")
    assert done.ended, done.errors
    assert [frame["frame_num"] for frame in done.seen["end.sink"]] == numbers
    assert [text.split(": ", 1)[1].split(" at ")[0] for text, _ in done.warnings] == ["process_ip raised ValueError: two"]
    assert (stats.get_value("errors"), stats.get_value("dropped")) == (1, 5 - len(numbers))


@pytest.mark.parametrize("place", ["i.src", "end.sink"])
def test_a_library_ends_the_stream(place, watched, ends):
    pipeline = Gst.parse_launch(f"videotestsrc ! {CAPS} ! identity name=i ! fakesink name=end")
    with empycustom.attach(pad_of(pipeline, place), ends()):
        done = watched(pipeline, "end.sink")
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
def test_what_cannot_be_attached_is_an_exception_and_leaves_nothing(text, arguments, kind, message, watched, library):
    lib = text if text.endswith("where.py") else library(text)
    pipeline = Gst.parse_launch(f"{SOURCE} ! fakesink name=end")
    with pytest.raises(kind, match=re.escape(message)):
        empycustom.attach(pad_of(pipeline, "end.sink"), lib, **arguments)
    done = watched(pipeline, "end.sink")
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
def test_a_pad_without_raw_video(source, caps, watched, library):
    """Seen at once where the pad has caps, else an error on the bus."""
    pipeline = Gst.parse_launch(f"{source} ! fakesink name=end")
    pad = pad_of(pipeline, "end.sink")
    with empycustom.attach(pad, library(COUNTS)):
        done = watched(pipeline)
    assert done.error.startswith(f"what goes through end:sink is not raw video in a format that libraries can get, but {caps}")
    assert done.error.endswith(
        "attach to a pad behind the decoder, or behind a converter to a format that gst-inspect-1.0 empycustom lists"
    )
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(60 * Gst.SECOND)
    with pytest.raises(FrameError, match="what goes through end:sink is not raw video"):
        empycustom.attach(pad, library(COUNTS))
    pipeline.set_state(Gst.State.NULL)


# What it takes the place of, as docs/moving-pyds.md has it.


@pytest.mark.parametrize(
    "probe", [lambda _pad, _info: {}["no such key"], lambda _pad, _info: None], ids=["raises", "returns nothing"]
)
def test_a_probe_of_pygobjects_that_fails_loses_its_frames_in_silence(probe, watched):
    pipeline = Gst.parse_launch(f"{SOURCE} ! identity name=i ! fakesink name=end")
    pad_of(pipeline, "i.src").add_probe(Gst.PadProbeType.BUFFER, probe)
    done = watched(pipeline, "end.sink")
    assert done.ended
    assert done.seen["end.sink"] == []


def test_a_probe_of_pygobjects_cannot_write(watched):
    pipeline, writable = Gst.parse_launch(f"{SOURCE} ! identity name=i ! fakesink name=end"), []

    def probe(_pad, info):
        buffer = info.get_buffer()
        writable.append(is_writable(hash(buffer)))
        return Gst.PadProbeReturn.OK

    pad_of(pipeline, "i.src").add_probe(Gst.PadProbeType.BUFFER, probe)
    assert watched(pipeline).ended
    assert writable == [False] * 5
