"""What the tests of the command line share: libraries, and waiting."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SRC = Path(__file__).parents[2] / "src"
TIMEOUT_S = 60

SAYS = "def process_ip(io_buffer, in_meta, options):\n    return [{'said': options.get('word', 'hello')}]\n"
SLOW = "import time\n\ndef process_ip(io_buffer, in_meta, options):\n    time.sleep(0.02)\n    return [{'slow': True}]\n"
STUCK = (
    "import pathlib, time\n\ndef process_ip(io_buffer, in_meta, options):\n"
    "    pathlib.Path('stuck').touch()\n    time.sleep(1000)\n"
)
LIB = {"custom-lib": "lib.py", "in-place": "true"}
COUNTS = """\
def update(signal):
    number = signal["frame"][0]["frame_num"]
    return [{"number": number, "options": signal["options"]}], f"saw {number}"
"""
# Loses the camera, a process, in the call ``at``, or in ``stop``; and waits, so that the source sees it.
LOSES_CAMERA = """\
import os, time

calls = 0

def process_ip(io_buffer, in_meta, options):
    global calls
    calls += 1
    lose(options, calls == options["at"])

def stop(options):
    lose(options, options["at"] is None)

def lose(options, is_now):
    if is_now:
        os.kill(options["camera"], 9)
        time.sleep(0.7)
"""


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until something is true of a child; fail if it never is."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.02)


def all_of(terminal: int) -> str:
    """Read what is shown on a terminal until nobody has it any more: it holds little at once."""
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that
        while heard := os.read(terminal, 65536):
            shown += heard
    return shown.decode()


def words(documents):
    return [document["frame"][0].get("emcustom") for document in documents]


def play(pipeline, *, push=None, look=None):
    """Play a pipeline, or a description, to its end.

    ``push`` gets its element ``in``; ``look`` is called with the pad and each buffer that comes to its element ``sink``.
    """
    from empycustom.gstreamer import Gst

    pipeline = Gst.parse_launch(pipeline) if isinstance(pipeline, str) else pipeline
    if look:
        pad = pipeline.get_by_name("sink").get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.BUFFER, lambda pad, info: look(pad, info.get_buffer()) or Gst.PadProbeReturn.OK)
    pipeline.set_state(Gst.State.PLAYING)
    if push:
        push(pipeline.get_by_name("in"))
    message = pipeline.get_bus().timed_pop_filtered(TIMEOUT_S * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None, "the pipeline hangs"
    assert message.type == Gst.MessageType.EOS, message.parse_error()


def decode(path, look, *, caps="video/x-raw"):
    """Call ``look`` with the pad and the buffer of each frame that a file decodes to."""
    play(f'filesrc location="{path}" ! decodebin ! videoconvert ! {caps} ! fakesink name=sink sync=false', look=look)


def documents_in(path):
    """The frames of the documents in a file of one stream."""
    return [json.loads(line)["frame"][0] for line in path.read_text().splitlines()] if path.exists() else []


def lines_in(path):
    """How many lines there are in a file by now. Of a line that is just being written a reader may see a part."""
    return path.read_text(errors="replace").count("\n") if path.exists() else 0
