"""Sources whose decoder gives frames in GPU memory, as NVIDIA's does: commands bring them down, where libraries want pixels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from empycustom.app.commands import plugin_path

SOURCE = Path(__file__).with_name("fake_decoder.c")
INSTALL = "for what is written in C: apt install gcc libc6-dev libgstreamer1.0-dev pkg-config"
SRC = Path(__file__).parents[2] / "src"
FRAMES = 4
LIBRARY = """
import empycustom
def process_ip(io_buffer, in_meta, options):
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return {"frame": {"memory": in_meta["buffer"]["memory"], "sum": int(frame.rgb.sum())}}
"""
MEMORY = "def process_ip(b, in_meta, options):\n    return {'frame': {'memory': in_meta['buffer']['memory']}}\n"
PROGRAM = """
import json
import empycustom
with empycustom.process("video.mkv", "lib.py") as results:
    for result in results:
        print(json.dumps(result.document))
"""


@pytest.fixture
def video(tmp_path):
    encode = (
        f"videotestsrc pattern=ball num-buffers={FRAMES} ! video/x-raw,format=I420,width=66,height=50 ! x264enc ! matroskamux"
    )
    command = f"gst-launch-1.0 -q {encode} ! filesink location={tmp_path / 'video.mkv'}"
    subprocess.run(command.split(), check=True, timeout=120)
    return tmp_path / "video.mkv"


def build(folder, *more):
    """Compile what stands for NVIDIA's elements, into a folder."""
    asked = ["pkg-config", "--cflags", "--libs", "gstreamer-base-1.0"]
    flags = subprocess.run(asked, capture_output=True, text=True, check=False) if shutil.which("pkg-config") else None
    if flags is None or flags.returncode or shutil.which("gcc") is None:
        pytest.skip(INSTALL)
    output = ["-o", str(folder / "libgstfakedecoder.so")]
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", *more, str(SOURCE), *output, *flags.stdout.split()], check=True)
    return folder


@pytest.fixture(scope="session")
def nvidia(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvidia"))


@pytest.fixture
def ask(env_with, nvidia, tmp_path):
    """Run Python with elements that stand for NVIDIA's; ``plugins``: a folder of others, ``""``: without."""

    def run(*words, plugins=nvidia, program=sys.executable, stdin=subprocess.DEVNULL):
        env = (env_with(plugin_path(), plugins) if plugins else env_with()) | {"PYTHONPATH": str(SRC)}
        command = [program, *map(str, words)]
        return subprocess.run(command, env=env, cwd=tmp_path, stdin=stdin, capture_output=True, text=True, timeout=60)

    return run


def said(done):
    """Return what the library has returned for each frame."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["frame"][0]["emcustom"] for line in done.stdout.splitlines() if line.startswith("{")]


CLI = ("-m", "empycustom")
RUN = (*CLI, "run", "--lib", "lib.py", "--quiet")


def test_run_gives_the_frames_that_the_cpu_decodes(ask, library, video):
    library(LIBRARY)
    expected = said(ask(*RUN, "video.mkv", plugins=""))
    assert len(expected) == FRAMES
    assert expected[0]["memory"] == "CPU"

    assert said(ask(*RUN, "video.mkv")) == expected
    assert said(ask(*RUN, "video.mkv", "video.mkv")) == 2 * expected
    assert said(ask(*RUN, "video.mkv", "--workers", 1)) == expected
    with video.open("rb") as pipe:
        assert said(ask(*RUN, "/dev/stdin", stdin=pipe)) == expected


@pytest.mark.parametrize("saved", [(), ("--save", "out.mkv", "--out", "-")])
def test_the_line_for_gst_launch_does_so_too(ask, library, video, saved):
    library(LIBRARY)
    line = ask(*RUN, "video.mkv", *saved, "--dry-run").stdout
    assert said(ask("-c", line, program="sh")) == said(ask(*RUN, "video.mkv", plugins=""))


def test_process_and_check_take_it_too(ask, library, video):
    library(LIBRARY)
    assert [found["memory"] for found in said(ask("-c", PROGRAM))] == ["CPU"] * FRAMES

    checked = ask(*CLI, "check", "lib.py", "--video", "video.mkv")
    assert checked.returncode == 0, checked.stderr
    assert '"memory": "CPU"' in checked.stdout


def test_a_library_that_wants_them_on_the_gpu_gets_them_there(ask, library, video, tmp_path):
    library(MEMORY)
    stage = {"custom-lib": "lib.py", "in-place": True, "memory": "NVMM", "format": "NV12"}
    (tmp_path / "stream.json").write_text(json.dumps({"pipeline_configuration": {"empycustom": stage, "aimeta": {}}}))
    found = said(ask(*CLI, "run", "stream.json", "--source", "video.mkv", "--quiet"))
    assert found == [{"memory": "NVMM"}] * FRAMES


def test_videos_are_saved_behind_a_converter_that_simplifies_caps(ask, library, video):
    """NVIDIA's does; ranges with a step end the process then, by an assertion of GStreamer."""
    library(LIBRARY)
    done = ask(*RUN, "video.mkv", "--save", "out.mkv")
    assert done.returncode == 0, done.stderr
    assert len(said(ask(*RUN, "out.mkv", plugins=""))) == FRAMES


def test_frames_that_stay_on_the_gpu_are_saved(ask, library, video, tmp_path):
    library(MEMORY)
    stage = {"custom-lib": "lib.py", "in-place": True, "memory": "NVMM", "format": "NV12"}
    (tmp_path / "stream.json").write_text(json.dumps({"pipeline_configuration": {"empycustom": stage}}))
    done = ask(*CLI, "run", "stream.json", "--source", "video.mkv", "--save", "last.jpg", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "last.jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("piped", [False, True])
def test_without_a_converter_it_is_an_error_that_names_it(ask, library, video, tmp_path, piped):
    library(LIBRARY)
    (tmp_path / "plugins").mkdir()
    alone = build(tmp_path / "plugins", "-DDECODER_ALONE")
    with video.open("rb") as pipe:
        done = ask(*RUN, "-" if piped else "video.mkv", plugins=alone, stdin=pipe)
    assert done.returncode == 1
    assert "is decoded into GPU memory, and nvvideoconvert, NVIDIA's element that brings it down, is not installed" in done.stderr
