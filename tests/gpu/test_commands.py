"""Commands play videos that NVIDIA's decoder decodes, which GStreamer prefers: the same pixels as the CPU's, in system memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from machine import FRAMES, HEIGHT, WIDTH, printed

SRC = Path(__file__).parents[2] / "src"
RUN = ("run", "--lib", "lib.py", "--format", "NV12", "--quiet")
LIBRARY = """
import empycustom
def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return {"frame": {"memory": in_meta["buffer"]["memory"], "sums": [int(plane.sum()) for plane in frame.planes]}}
"""


@pytest.fixture
def run(gst_env, library, tmp_path):
    """Run a command; return what the library has returned for each frame, and what was printed."""
    library(LIBRARY)
    encode = (
        f"videotestsrc num-buffers={FRAMES} horizontal-speed=4 ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT} ! "
        f"x264enc bframes=2 ! matroskamux ! filesink location={tmp_path / 'video.mkv'}"
    )
    subprocess.run(["gst-launch-1.0", "-q", *encode.split()], check=True, timeout=120)

    def ended(*words, stdin=subprocess.DEVNULL, **more):
        env = {**gst_env, "PYTHONPATH": str(SRC), **more}
        command = [sys.executable, "-m", "empycustom", *map(str, words)]
        done = subprocess.run(
            command, env=env, cwd=tmp_path, stdin=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    return ended


def said(done):
    return [json.loads(line)["frame"][0]["emcustom"] for line in printed(done.stdout)]


def test_run_gives_the_frames_that_the_cpu_decodes(run, tmp_path):
    by_cpu = run(*RUN, "video.mkv", GST_PLUGIN_FEATURE_RANK="nvv4l2decoder:NONE")
    assert "BLOCKING" not in by_cpu.stdout + by_cpu.stderr
    expected = said(by_cpu)
    assert len(expected) == FRAMES

    by_gpu = run(*RUN, "video.mkv")
    assert "BLOCKING" in by_gpu.stdout + by_gpu.stderr  # what NVIDIA's decoder prints
    assert said(by_gpu) == expected
    assert said(run(*RUN, "video.mkv", "video.mkv")) == 2 * expected
    assert said(run(*RUN, "video.mkv", "--workers", 2)) == expected
    with (tmp_path / "video.mkv").open("rb") as pipe:
        assert said(run(*RUN, "-", stdin=pipe)) == expected


def test_check_takes_a_frame_of_it(run):
    assert '"memory": "CPU"' in run("check", "lib.py", "--video", "video.mkv").stdout


@pytest.mark.parametrize("memory", ["CPU", "NVMM"])
def test_videos_are_saved(run, tmp_path, memory):
    stage = {"custom-lib": "lib.py", "in-place": True, "memory": memory, "format": "NV12"}
    if memory == "NVMM":
        (tmp_path / "lib.py").write_text("def process_ip(b, m, o):\n    assert m['buffer']['memory'] == 'NVMM'\n")
    (tmp_path / "stream.json").write_text(json.dumps({"pipeline_configuration": {"empycustom": stage}}))
    run("run", "stream.json", "--source", "video.mkv", "--save", "out.mkv", "--quiet")
    (tmp_path / "lib.py").write_text(LIBRARY)
    assert len(said(run(*RUN, "out.mkv"))) == FRAMES
