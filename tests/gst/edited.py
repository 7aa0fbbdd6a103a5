"""Streams whose library is edited while they play, and what is left of them."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import empycustom
from about_time import is_about_time
from empycustom.gstreamer import Gst
from empycustom.runners.worker_errors import STARTING

PATIENCE_S = 60
CAPS = "video/x-raw,format=RGBA,width=16,height=16,framerate=100/1"


class HangOfStarts:
    """For ``Supervisor.hang_s``: a start is reported soon, but not what a busy machine needs for loading, and for calls."""

    def __get__(self, worker, _owner):
        return 3.0 if worker is None or (worker.state == STARTING and worker._starting) else 60.0


def save(path, text):
    """Save as most editors do: by renaming."""
    with open(f"{path}.tmp", "w") as file:
        file.write(text)
    os.replace(f"{path}.tmp", path)


class Stream:
    """A pipeline that plays; ``values`` are those that the library gave for each frame that came out."""

    def __init__(self, path, properties="in-place=true reload=true", source="videotestsrc is-live=true", after=""):
        empycustom.register()
        self.pipeline = Gst.parse_launch(
            f"{source} ! {CAPS} ! empycustom name=e custom-lib={path} {properties} {after} ! aimeta name=meta ! fakesink sync=false"
        )
        self.element = self.pipeline.get_by_name("e")
        self.values, self.numbers, self.messages = [], [], []
        self._changed = threading.Condition()
        self._meta = self.pipeline.get_by_name("meta")
        self._handler = self._meta.connect("new-meta", self._on_meta)

    def _on_meta(self, _element, text):
        frame = json.loads(text)["frame"][0]
        with self._changed:
            self.numbers.append(frame["frame_num"])
            self.values.append(frame.get("emcustom", {}).get("value"))
            self._changed.notify()

    def play(self, state=Gst.State.PLAYING):
        self.pipeline.set_state(state)

    def wait_for(self, value, count=3):
        """Wait until some of the frames that come out have this value."""
        with self._changed:
            began = len(self.values)
            assert self._changed.wait_for(lambda: self.values[began:].count(value) >= count, PATIENCE_S), self.texts()

    def end(self):
        self.pipeline.set_state(Gst.State.NULL)
        self._meta.disconnect(self._handler)  # which refers to the pipeline

    def next_message(self, kind):
        while True:
            message = self.pipeline.get_bus().timed_pop_filtered(PATIENCE_S * Gst.SECOND, kind | Gst.MessageType.ERROR)
            assert message, "no such message"
            assert message.type == kind, message.parse_error()
            error, details = message.parse_warning() if kind == Gst.MessageType.WARNING else message.parse_info()
            if not is_about_time(error.message):
                return error.message, details

    def warning(self):
        return self.next_message(Gst.MessageType.WARNING)

    def reloaded(self):
        assert "its new version takes over" in self.next_message(Gst.MessageType.INFO)[0]

    def texts(self):
        """Return the warnings and errors that nobody has asked for."""
        found, bus = [], self.pipeline.get_bus()
        while message := bus.pop_filtered(Gst.MessageType.WARNING | Gst.MessageType.ERROR):
            parsed = message.parse_warning() if message.type == Gst.MessageType.WARNING else message.parse_error()
            found.append(parsed[0].message)
        return [text for text in found if not is_about_time(text)]


def children():
    """The processes that this one has started and that are still there."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {pid for each in found for pid in each.read_text().split()}


def our_threads():
    """Those of reloading and workers; outputs of earlier tests in this process may have some, too."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("empycustom") and name != "empycustom output"]


@contextmanager
def streaming(path, *arguments, **more):
    stream = Stream(path, *arguments, **more)
    stream.play()
    try:
        yield stream
        assert stream.texts() == []
    finally:
        stream.end()
    assert stream.numbers == list(range(len(stream.numbers)))  # none is lost, none comes twice


def refuses(stream, path, wrong):
    """Save a version that cannot be used, and see that it is reported, and that the one before goes on."""
    text, expected, details = wrong
    save(path, text)
    message, shown = stream.warning()
    assert message.startswith("the library is not reloaded, and its version before goes on: ")
    assert expected in message
    assert details in shown
    stream.wait_for(0)


NEW_FRAMES = """\
import numpy as np
VALUE = {value}
def process(in_buffer, in_meta, options):
    made = np.full(({size}, {size}, 4), VALUE, np.uint8)
    return made, {{"frame": {{"value": VALUE}}}}
{more}
"""
OUTPUT_CAPS = "def output_caps(caps, options):\n    return 'video/x-raw,width={size},height={size}'\n"


def new_frames(value, size=16, *, has_caps=False):
    return NEW_FRAMES.format(value=value, size=size, more=OUTPUT_CAPS.format(size=size) if has_caps else "")
