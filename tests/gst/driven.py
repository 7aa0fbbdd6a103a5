"""Pipelines that a test drives frame by frame, and libraries that wait until they are told to go on."""

from __future__ import annotations

import json
import select
import time

import empycustom
from about_time import is_about_time
from empycustom.gstreamer import Gst

TIMEOUT = 60 * Gst.SECOND
SIZE = (16, 16)
APPSINK = "appsink sync=false wait-on-eos=false"
# Calls about the frames in options["wait"] wait until there is a file.
WAITS = """
import os, threading, time

def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    while number in options.get("wait", ()) and not os.path.exists(options["gate"]):
        time.sleep(0.002)
    return {"frame": {"n": number, "worker": threading.get_native_id()}}
"""
# Calls that take a little while, each another one.
UNEVEN = """
import random, threading, time

def process_ip(buffer, in_meta, options):
    time.sleep(random.random() * 0.01)
    return {"frame": {"n": in_meta["frame"][0]["frame_num"], "worker": threading.get_native_id()}}
"""


def is_there(pid):
    """Return whether a process has not ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def is_readable(file):
    """Return whether a file has something within a second."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(1000))


def wait_until(question):
    """Wait until a question is answered with something true."""
    until = time.monotonic() + 60
    while not question():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.002)


class Driven:
    """A pipeline with an appsrc, an element with a library, and an appsink; what passes its end is recorded."""

    def __init__(self, library, properties="", *, rate="30/1", options=None, behind="", sink=APPSINK):
        empycustom.register()
        in_place = "" if "in-place" in properties else "in-place=true"
        self.pipeline = Gst.parse_launch(
            f"appsrc name=in format=time is-live=false ! empycustom name=e {in_place} custom-lib={library} {properties} {behind} ! {sink} name=out"
        )
        self.source, self.element, self.sink = map(self.pipeline.get_by_name, ("in", "e", "out"))
        if options is not None:
            self.element.set_property("options", json.dumps(options))
        self.rate, self.pushed, self.log = rate, 0, []
        self.caps(*SIZE)
        pad = self.sink.get_static_pad("sink")
        self._probes = [
            pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._see_event),
            pad.add_probe(Gst.PadProbeType.BUFFER, self._see_buffer),
        ]

    def __enter__(self):
        assert self.pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE
        return self

    def __exit__(self, *_):
        self.pipeline.set_state(Gst.State.NULL)
        while self._probes:  # which refer to the pipeline
            self.sink.get_static_pad("sink").remove_probe(self._probes.pop())

    def _see_event(self, _pad, info):
        self.log.append(info.get_event().type.value_nick)
        return Gst.PadProbeReturn.OK

    def _see_buffer(self, _pad, info):
        self.log.append(info.get_buffer().pts // Gst.MSECOND)
        return Gst.PadProbeReturn.OK

    def caps(self, width, height):
        """Let the frames that are pushed from now on have another size."""
        self.size = width, height
        caps = f"video/x-raw,format=RGBA,width={width},height={height},framerate={self.rate}"
        self.source.set_property("caps", Gst.Caps.from_string(caps))

    def push(self, count=1):
        """Push frames, a millisecond apart, their pixels the number."""
        for _ in range(count):
            buffer = Gst.Buffer.new_wrapped(bytes([self.pushed % 256]) * (self.size[0] * self.size[1] * 4))
            buffer.pts, buffer.duration = self.pushed * Gst.MSECOND, Gst.MSECOND
            assert self.source.emit("push-buffer", buffer) == Gst.FlowReturn.OK
            self.pushed += 1

    def end(self):
        """Push the end, and wait for it."""
        self.source.emit("end-of-stream")
        return self.message()

    def message(self, kinds=Gst.MessageType.EOS | Gst.MessageType.ERROR):
        while True:
            message = self.pipeline.get_bus().timed_pop_filtered(TIMEOUT, kinds)
            assert message is not None, "the pipeline hangs"
            if message.type != Gst.MessageType.WARNING or not is_about_time(message.parse_warning()[0].message):
                return message

    def pull(self):
        """Return the next frame as aimeta would describe it, with its buffer; None at the end."""
        sample = self.sink.emit("try-pull-sample", TIMEOUT)
        if sample is None:
            assert self.sink.get_property("eos"), "the pipeline hangs"
            return None
        frame = empycustom.document(sample)["frame"][0]
        frame["buffer"] = sample.get_buffer()
        return frame

    def pull_all(self):
        return [*iter(self.pull, None)]

    def stats(self, *names):
        structure = self.element.get_property("stats")
        return tuple(structure.get_value(name) for name in names)

    wait_for = staticmethod(wait_until)


def numbers(frames):
    return [frame["frame_num"] for frame in frames]


def results(frames):
    return [frame.get("emcustom", {}).get("n") for frame in frames]
