"""Pipelines with examples: people who are not there, and people who are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from launching import BOXES, PROJECT, Launch, example


@pytest.fixture
def launch(tmp_path: Path, gst_env: dict[str, str]) -> Launch:
    return Launch(tmp_path, gst_env)


@pytest.fixture
def boxes(tmp_path: Path) -> list[str]:
    (tmp_path / "boxes.py").write_text(BOXES)
    return example(tmp_path / "boxes.py")


@pytest.fixture(scope="session")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The first twelve frames of the sample video, as arguments for gst-launch."""
    fetched = subprocess.run([PROJECT / "tools/sample_video.sh"], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the sample video is not available: {fetched.stderr.strip().splitlines()[-1]}")
    video = cv2.VideoCapture(str(PROJECT / fetched.stdout.strip()))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGBA) for _ in range(12)]
    raw = tmp_path_factory.mktemp("walkers") / "raw"
    raw.write_bytes(np.stack(frames).tobytes())
    height, width = frames[0].shape[:2]
    size = [f"width={width}", f"height={height}"]
    return ["filesrc", f"location={raw}", "!", "rawvideoparse", "format=rgba", *size, "framerate=10/1"]
