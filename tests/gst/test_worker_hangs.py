"""What takes too long in a worker is reported with the place where it is, while the pipeline plays."""

import re

import pytest
from driven import wait_until
from edited import HangOfStarts, Stream, streaming

from about_time import is_about_time
from empycustom.gstreamer import Gst
from empycustom.runners.supervisor import Supervisor

HANG = "import time\nfrom pathlib import Path\n\n\ndef hang(path):\n    Path(path).with_name('begun').touch()\n    while not Path(path).exists():\n        time.sleep(0.01)\n\n\n"
LINES = "[678]"  # those of hang
START = "def start(o):\n    hang({gate!r})\n\n\ndef process_ip(b, m, o):\n    return {{'frame': {{'value': 0}}}}\n"
CALL = (
    "def process_ip(b, m, o):\n    if Path({asked!r}).exists():\n        hang({gate!r})\n    return {{'frame': {{'value': 0}}}}\n"
)


def own_functions(details):
    """Return the functions of the library in a traceback; what they call, as ``exists``, may be on top of them."""
    return re.findall(r'/lib\.py", line \d+ in (\w+)', details)


@pytest.mark.parametrize("pace", ["every", "latest"])
def test_a_call_that_hangs_is_reported_once_and_may_go_on(library, tmp_path, monkeypatch, pace):
    gate, asked = tmp_path / "gate", tmp_path / "asked"
    path = library(HANG + CALL.format(gate=str(gate), asked=str(asked)))
    with streaming(path, f"in-place=true workers=1 pace={pace}") as stream:
        stream.wait_for(0)
        asked.touch()
        wait_until((tmp_path / "begun").exists)
        monkeypatch.setattr(Supervisor, "hang_s", 0.5)  # a busy machine may need that for any other call
        stream.element.set_property("call-timeout", 0)  # who waits for the call looks again
        text, details = stream.warning()
        assert re.search(rf"lib\.py:{LINES}: process_ip has not returned for ", text), text
        assert " s at frame " in text
        assert "set call-timeout" in text
        assert own_functions(details) == ["hang", "process_ip"]
        monkeypatch.undo()
        gate.touch()
        stream.wait_for(0)


def test_a_start_that_hangs_in_two_workers_is_reported_once_and_may_go_on(library, tmp_path, monkeypatch):
    monkeypatch.setattr(Supervisor, "hang_s", HangOfStarts())
    path, found = library(HANG + START.format(gate=str(tmp_path / "gate"))), []

    def look(_bus, message):
        """Take the warnings: the thread of the test is in the start itself."""
        if message.type == Gst.MessageType.WARNING and not is_about_time(message.parse_warning()[0].message):
            found.append(message.parse_warning())
            (tmp_path / "gate").touch()
        return Gst.BusSyncReply.PASS

    stream = Stream(path, "in-place=true workers=2")
    stream.pipeline.get_bus().set_sync_handler(look)
    try:
        stream.play()
        stream.wait_for(0)
    finally:
        stream.end()
    ((error, details),) = found
    assert re.search(rf"lib\.py:{LINES}: start has not returned for \d+ s", error.message), error.message
    assert own_functions(details) == ["hang", "start"]


def test_a_crash_shows_the_lines_of_the_library_and_what_it_called(library):
    path = library("import ctypes\n\n\ndef process_ip(b, m, o):\n    ctypes.string_at(0)\n")
    with streaming(path, "in-place=true workers=1 on-error=pass") as stream:
        _, details = stream.warning()
    lines = [line for line in details.splitlines() if "File" in line]
    assert [line.rpartition(" ")[2] for line in lines] == ["string_at", "process_ip"]
    assert "Segmentation fault" in details
    assert "Extension modules" not in details


DIES_ONCE = (
    "def start(o):\n    if Path({asked!r}).exists():\n        hang({gate!r})\n\n\n"
    "def process_ip(b, m, o):\n    if Path({asked!r}).exists():\n        try:\n            os.mkdir({died!r})\n"
    "        except FileExistsError:\n            pass\n        else:\n            os._exit(1)\n"
    "    return {{'frame': {{'value': 0}}}}\n"
)


@pytest.mark.parametrize("pace", ["every", "skip", "latest"])
def test_a_start_that_hangs_in_the_place_of_another_worker_is_reported_while_frames_go_on(library, tmp_path, monkeypatch, pace):
    gate, asked, died = (str(tmp_path / name) for name in ("gate", "asked", "died"))
    path = library("import os\n" + HANG + DIES_ONCE.format(gate=gate, asked=asked, died=died))
    with streaming(path, f"in-place=true workers=2 on-error=pass pace={pace}") as stream:
        stream.wait_for(0)
        (tmp_path / "asked").touch()
        assert "exit code 1" in stream.warning()[0]
        wait_until((tmp_path / "begun").exists)
        monkeypatch.setattr(Supervisor, "hang_s", HangOfStarts())
        text, details = stream.warning()
        assert re.search(r"lib\.py:[789]: start has not returned for \d+ s", text), text
        assert " in start" in details
        stream.wait_for(0, 20)
        (tmp_path / "gate").touch()
