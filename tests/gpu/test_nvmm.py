"""Decoded video in GPU memory through the elements, by NVIDIA's own decoder and converter. Skipped where there is no GPU."""

from __future__ import annotations

import pytest
from machine import FRAMES, HEIGHT, WIDTH

# Reads the NvBufSurface that GStreamer's map gives, and the size of its first surface.
LIBRARY = """
import ctypes
from gi.repository import Gst

def process_ip(buffer, in_meta, options):
    ok, info = buffer.map(Gst.MapFlags.READ)
    surface = bytes(info.data)
    buffer.unmap(info)
    batch_size, filled = (int.from_bytes(surface[place:place + 4], "little") for place in (4, 8))
    first = int.from_bytes(surface[24:32], "little")
    size = list((ctypes.c_uint32 * 2).from_address(first))
    return [{}] * len(in_meta["frame"][0]["object"]) + [
        {"batch": batch_size, "filled": filled, "size": size, "memory": in_meta["buffer"]["memory"]}]
"""


@pytest.mark.parametrize("format_", ["RGBA", "NV12"])
def test_frames_on_the_gpu_reach_the_library_with_their_batch(gst_launch, library, video, format_):
    launched = gst_launch(
        f"filesrc location={video} ! h264parse ! nvv4l2decoder ! nvvideoconvert ! video/x-raw(memory:NVMM),format={format_} ! "
        f"fakemux objects=2 ! empycustom in-place=true custom-lib={library(LIBRARY)} ! aimeta silent=false ! fakesink"
    )
    assert launched.code == 0, launched.text
    assert len(launched.documents) == FRAMES
    for number, document in enumerate(launched.documents):
        (frame,) = document["frame"]
        assert frame["frame_num"] == number
        assert len(frame["object"]) == 2
        assert frame["emcustom"] == {"batch": 1, "filled": 1, "size": [WIDTH, HEIGHT], "memory": "NVMM"}
