"""Decoded video in GPU memory through the elements, by NVIDIA's own decoder and converter. Skipped where there is no GPU."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEEPSTREAM = Path(__file__).parents[1] / "deepstream"
sys.path.insert(0, str(DEEPSTREAM))

import nvds  # noqa: E402 - found by the line above

WIDTH, HEIGHT, FRAMES = 320, 240, 30


def _why_not() -> str:
    if nvds.WHY_NOT:
        return nvds.WHY_NOT
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no GPU: NVIDIA's driver (libcuda.so.1) is not here"
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "no GPU: the driver is here, and finds none"
    try:
        ctypes.CDLL(str(nvds.FOLDER / "libnvbufsurftransform.so"))
    except OSError as error:
        return f"NVIDIA's converter lacks a library ({error}): pip install nvidia-deepstream-videodecode-cu13 with what it depends on"
    return ""


WHY_NOT = _why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

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


@pytest.fixture
def gst_env(gst_env: dict[str, str]) -> dict[str, str]:
    paths = [gst_env["GST_PLUGIN_PATH"], str(DEEPSTREAM / "plugins"), str(nvds.FOLDER)]
    return {**gst_env, "GST_PLUGIN_PATH": os.pathsep.join(paths), "LIBV4L2_PLUGIN_DIR": str(nvds.FOLDER / "v4l_plugins")}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.h264"
    encode = f"videotestsrc num-buffers={FRAMES} ! video/x-raw,width={WIDTH},height={HEIGHT} ! x264enc ! h264parse ! filesink"
    subprocess.run(["gst-launch-1.0", "-q", *encode.split(), f"location={path}"], check=True, timeout=60)
    return path


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
