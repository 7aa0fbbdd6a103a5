"""Pipelines with NVIDIA's own decoder and converter. All is skipped, with the reason, where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nvmm")]

import machine  # noqa: E402 - found by the line above
from machine import FRAMES, HEIGHT, WIDTH  # noqa: E402 - found by the line above


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if machine.WHY_NOT:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=machine.WHY_NOT))


@pytest.fixture
def gst_env(gst_env: dict[str, str]) -> dict[str, str]:
    return machine.environment(gst_env)


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    """A video of changing pictures, with frames of all kinds."""
    path = tmp_path_factory.mktemp("video") / "video.h264"
    encode = (
        f"videotestsrc num-buffers={FRAMES} horizontal-speed=4 ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT} ! "
        f"x264enc bframes=2 key-int-max=20 bitrate=4000 ! h264parse ! video/x-h264,stream-format=byte-stream ! filesink location={path}"
    )
    subprocess.run(["gst-launch-1.0", "-q", *encode.split()], check=True, timeout=120)
    return path
