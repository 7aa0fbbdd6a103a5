"""``process`` and ``output_caps`` in worker processes do what they do in the streaming thread."""

import pooled
import pytest

from empycustom import errors
from empycustom.elements.frames import FrameFormat
from empycustom.gstreamer import Gst
from empycustom.native import shared
from empycustom.native.metas import pts_at
from empycustom.runners.processes import ProcessPool

SMALL = "video/x-raw,format=RGBA,width=8,height=4,framerate=30/1"
PLANES = "video/x-raw,format=I420,width=16,height=8,framerate=30/1"
START = """\
import empycustom
import numpy as np
from gi.repository import Gst, GstVideo


def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        first = frame.planes[0].flat[0] if not isinstance(frame.planes[0], list) else 0
"""


def made_in_worker(frames, path, target):
    """Return the content and the time of the frame that comes out of a pool; None: it is dropped."""
    pool = ProcessPool(str(path), in_place=False, workers=1)
    pool.start({}, None)
    try:
        pool.target = target
        for _ in range(2):  # the second one comes in memory that was used before
            frames.reader.number = -1
            job = frames.job()
            assert pool.submit(job, queue=True)
            pool.collect(job, frames.wake)
            made = (pooled.content(job.made), pts_at(job.made)[0]) if job.made else None
            for address in {job.made, job.buffer} - {0}:
                shared.unref(address)
        return made
    finally:
        pool.stop()


BUFFERS = {
    "an array": (SMALL, "np.full((4, 8, 4), first + 9, np.uint8)"),
    "a strided array": (SMALL, "np.full((4, 16, 4), 3, np.uint8)[:, ::2]"),
    "planes": (PLANES, "(np.full((8, 16), 1, np.uint8), np.full((4, 8), 2, np.uint8), np.full((4, 8), 3, np.uint8))"),
    "a buffer": (SMALL, "Gst.Buffer.new_wrapped(bytes(range(128)))"),
    "a buffer of planes": (PLANES, "Gst.Buffer.new_wrapped(bytes(192))"),
    "a buffer with times": (SMALL, "timed(Gst.Buffer.new_wrapped(bytes(128)))"),
    "the buffer that came": (pooled.CAPS, "in_buffer"),
    "a copy of it": (pooled.CAPS, "in_buffer.copy_deep()"),
    "nothing": (SMALL, "None"),
    "a wrong shape": (SMALL, "np.zeros((4, 9, 4), np.uint8)"),
    "a wrong type": (SMALL, "np.zeros((4, 8, 4), np.float32)"),
    "too few planes": (PLANES, "(np.zeros((8, 16), np.uint8),)"),
    "too few bytes": (SMALL, "Gst.Buffer.new_wrapped(bytes(127))"),
    "too many bytes": (SMALL, "Gst.Buffer.new_wrapped(bytes(129))"),
    "more bytes than needed": (pooled.CAPS, "Gst.Buffer.new_wrapped(bytes(600))"),
    "another format": (SMALL, "described(Gst.Buffer.new_wrapped(bytes(128)))"),
    "no frame": (SMALL, "'text'"),
}
REFUSED = {
    "a wrong shape",
    "a wrong type",
    "too few planes",
    "too few bytes",
    "too many bytes",
    "another format",
    "no frame",
}
HELPERS = """\


def timed(buffer):
    buffer.pts = 77
    return buffer


def described(buffer):
    GstVideo.buffer_add_video_meta(buffer, 0, GstVideo.VideoFormat.BGRA, 8, 4)
    return buffer
"""


@pytest.mark.parametrize("name", BUFFERS)
def test_new_frames_are_those_of_the_streaming_thread(library, frames, name):
    caps, made = BUFFERS[name]
    path = library(f"{START}    return {made}, {{'frame': {{'a': 1}}}}\n{HELPERS}")
    target = FrameFormat(Gst.Caps.from_string(caps))
    failure = None
    try:
        wanted = pooled.made_inline(frames, path, target)
    except errors.LibraryError as error:
        failure = error
    assert bool(failure) == (name in REFUSED), failure
    if failure:
        with pytest.raises(type(failure)) as raised:
            made_in_worker(frames, path, target)
        assert (str(raised.value), raised.value.details) == (str(failure), failure.details)
        return
    assert (wanted is None) == (name == "nothing")
    found = made_in_worker(frames, path, target)
    if wanted is not None and "600" in made:  # the bytes behind the frame are left out
        wanted = wanted[0][: target.size], wanted[1]
    assert found == wanted


CAPS = {
    "a text": "'video/x-raw,width=320,height=240'",
    "caps": "Gst.Caps.from_string('video/x-raw,width=32')",
    "nothing": "None",
    "a number": "7",
    "an exception": "1 / 0",
    "what came": "caps.to_string()",
    "an option": "options['caps']",
}


@pytest.mark.parametrize("returned", CAPS.values(), ids=CAPS)
def test_output_caps_is_asked_in_a_worker(library, returned):
    path = library(
        "from gi.repository import Gst\ndef process(a, b, c): return None, None\n"
        f"def output_caps(caps, options):\n    return {returned}\n"
    )
    caps, options = Gst.Caps.from_string(SMALL), {"caps": "video/x-raw"}
    pool = ProcessPool(str(path), in_place=False, workers=2)
    pool.start(options, None)
    try:
        assert pool.library.has_output_caps
        if returned in ("7", "1 / 0"):
            with pytest.raises(errors.LibraryError, match="output_caps") as error:
                pool.output_caps(caps)
            assert error.value.callback == "output_caps"
            assert error.value.line == 3 + (returned == "1 / 0")
        else:
            wanted = eval(returned, {"Gst": Gst, "caps": caps, "options": options})
            assert pool.output_caps(caps) == (wanted.to_string() if isinstance(wanted, Gst.Caps) else wanted)
    finally:
        pool.stop()
