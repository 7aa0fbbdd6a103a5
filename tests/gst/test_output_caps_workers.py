"""``output_caps`` of a library in a worker that raises, dies or hangs: what is reported, and nothing hangs with it."""

from __future__ import annotations

import re

import pytest
from driven import Driven, wait_until
from edited import Stream, new_frames, save, streaming

from empycustom.gstreamer import Gst

pytestmark = pytest.mark.usefixtures("nothing_is_left")

SOURCE = "videotestsrc num-buffers=5 ! video/x-raw,format=RGBA,width=16,height=16"
# It is "asked" when there is a file of that name beside it, and waits until there is a "gate".
LIBRARY = """\
import ctypes, os, time
from pathlib import Path

HERE = Path(__file__).parent


def process(buffer, in_meta, options):
    return buffer, {"frame": {"n": in_meta["frame"][0]["frame_num"]}}


def wait():
    (HERE / "asked").touch()
    while not (HERE / "gate").exists():
        time.sleep(0.01)


def output_caps(caps, options):
    DEED
    return caps.to_string()
"""
FAILS = {
    "an exception": ("1 / 0", "output_caps raised ZeroDivisionError: division by zero", True),
    "a segmentation fault": ("ctypes.string_at(0)", "the worker was killed by SIGSEGV in output_caps", True),
    "os._exit": ("os._exit(4)", "the worker ended by itself, with exit code 4, in output_caps", False),
    "SIGKILL": ("os.kill(os.getpid(), 9)", "the worker was killed by SIGKILL in output_caps", False),
    "a hang": ("time.sleep(600)", "output_caps took longer than call-timeout=1000", True),
}


@pytest.mark.parametrize("policy", ["fail", "pass"])
@pytest.mark.parametrize(("deed", "text", "has_traceback"), FAILS.values(), ids=FAILS)
def test_it_is_an_error_at_its_line_whatever_on_error_says(library, play, policy, deed, text, has_traceback):
    """Without caps no frame can go on."""
    lib = library(LIBRARY.replace("DEED", deed))
    timeout = 1000 if "call-timeout" in text else 0  # a busy machine may need that for any other call
    played = play(
        f"{SOURCE} ! empycustom custom-lib={lib} workers=2 call-timeout={timeout} on-error={policy} ! fakesink",
    )
    message, details = played.errors[0]
    line = 18 if has_traceback else 17  # else it is where the function begins
    assert message.startswith(f"{lib}:{line}: {text}")
    assert f"{lib}({line}): output_caps ()" in details
    if has_traceback:
        assert "in output_caps" in details
    assert [each for each, _ in played.errors if "Internal data stream error" not in each] == [message], "it is said once"


@pytest.mark.parametrize("state", [Gst.State.PAUSED, Gst.State.PLAYING])
def test_a_pipeline_stops_while_it_hangs(library, tmp_path, state):
    import empycustom

    empycustom.register()
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom custom-lib={library(LIBRARY.replace('DEED', 'wait()'))} workers=1 ! fakesink"
    )
    pipeline.set_state(state)
    wait_until((tmp_path / "asked").exists)
    assert pipeline.set_state(Gst.State.READY) == Gst.StateChangeReturn.SUCCESS
    error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    text = error.parse_error()[0].message
    assert re.search(r"lib\.py:1[234]: output_caps had not returned 1 s after the stream had ended, and", text), text


def test_a_flush_ends_the_wait_for_it(library, tmp_path):
    with Driven(library(LIBRARY.replace("DEED", "wait()")), "in-place=false workers=1") as driven:
        driven.push()
        wait_until((tmp_path / "asked").exists)
        assert driven.source.send_event(Gst.Event.new_flush_start())
        assert driven.source.send_event(Gst.Event.new_flush_stop(True))
        (tmp_path / "gate").touch()
        driven.push(2)
        driven.source.emit("end-of-stream")
        assert len(driven.pull_all()) == 2
        assert driven.message().type == Gst.MessageType.EOS
    assert [entry for entry in driven.log if isinstance(entry, int)] == [1, 2]


HANGS = f"""{new_frames(1)}
import time
from pathlib import Path
def output_caps(caps, options):
    (Path(__file__).parent / "asked").touch()
    time.sleep(600)
"""


def test_a_new_version_whose_output_caps_hangs_changes_nothing(library):
    path = library(new_frames(0))
    with streaming(path, "reload=true workers=1 call-timeout=5000") as stream:  # which other calls do not need
        stream.wait_for(0)
        save(path, HANGS)
        message, details = stream.warning()
        assert "output_caps took longer than call-timeout=5000" in message
        assert "in output_caps" in details
        stream.wait_for(0)
        save(path, new_frames(2))
        stream.wait_for(2)
        stream.reloaded()


def test_a_pipeline_stops_while_output_caps_of_a_new_version_hangs(library, tmp_path):
    path = library(new_frames(0))
    stream = Stream(path, "reload=true workers=1")
    stream.play()
    stream.wait_for(0)
    save(path, HANGS)
    wait_until((tmp_path / "asked").exists)
    stream.play(Gst.State.READY)
    texts = [text for text in stream.texts() if text != "not negotiated"]  # GStreamer's, where caps come too late
    stream.end()
    assert any("output_caps had not returned 1 s after the stream had ended" in text for text in texts), texts
    assert all("output_caps had not returned" in text for text in texts), texts
