"""The demo, as `make demo VIDEO=…` runs it: by networks, and without a registry by OpenCV."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

import cv2
import pytest
from websockets.sync.client import connect

PROJECT = Path(__file__).parents[2]
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "npm_config_registry": "http://127.0.0.1:9"}
LAST_FRAME = 120


@pytest.fixture
def demo(tmp_path):
    """Return what runs the demo in a clone, in which nothing was made yet, with people who walk as its video."""
    for folder in ("tools", "examples"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run([sys.executable, "tools/walkers.py", "walkers.mp4"], cwd=tmp_path, check=True, capture_output=True)

    def run(*words, start=subprocess.run, **more):
        environment = {key: value for key, value in {**os.environ, **more}.items() if key != "PIP_FIND_LINKS"}
        command = ["tools/demo.sh", *words, "walkers.mp4"]
        if start is subprocess.Popen:
            return start(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        return start(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


def found_in(folder):
    """The frames of the documents, after looking at the other files."""
    frames = [json.loads(line)["frame"][0] for line in (folder / "meta.jsonl").read_text().splitlines()]
    assert len(frames) == LAST_FRAME + 1
    assert cv2.imread(str(folder / "people.png")).shape == (540, 960, 3)
    assert cv2.VideoCapture(str(folder / "people.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == LAST_FRAME + 1
    return frames


def test_the_networks_find_people_and_poses_and_they_are_followed_and_counted(demo, tmp_path):
    ended = demo()
    if "cannot be fetched" in ended.stderr:
        pytest.skip(ended.stderr.splitlines()[0])
    assert ended.returncode == 0, ended.stderr
    frames = found_in(tmp_path / "demo-output")
    (line,) = frames[-1]["emcustom"]["zones"]
    assert (line["in"], line["out"]) == (1, 0)
    tracks = int(re.search(r"\((\d+) tracks\); 1 crossed the line, 1 in and 0 out", ended.stdout)[1])
    assert 6 <= tracks <= 9
    assert len(frames[-1]["object"]) >= 5, "of six"
    assert all("keypoints" in found for found in frames[-1]["object"])
    assert {found["obj_label"] for frame in frames for found in frame["object"]} == {"person"}


def test_without_a_network_opencv_finds_them_and_one_line_says_so(demo, tmp_path):
    ended = demo(**NOWHERE)
    assert ended.returncode == 0, ended.stderr
    assert (
        "\ndemo: so OpenCV's people detector (HOG) finds people: fewer, in every 6th frame, and without poses\n" in ended.stderr
    )
    frames = found_in(tmp_path / "demo-output")
    assert len(frames[-1]["object"]) == 6
    assert frames[-1]["emcustom"]["zones"][0]["in"] == 1


def test_the_page_shows_them(demo, tmp_path):
    """`make studio`: frames come with the people on them, and nothing is written."""
    with demo("--studio", start=subprocess.Popen, **NOWHERE) as process:
        late = threading.Timer(200, process.kill)
        late.start()
        try:
            address = next(line.split()[1] for line in process.stdout if line.startswith("Studio: "))
            with connect(f"{address}ws".replace("http", "ws"), proxy=None) as socket:
                (stream,) = json.loads(socket.recv(60))["streams"]
                socket.send(json.dumps({"type": "watch", "stream": stream}))
                found = []
                while not found:
                    socket.send(json.dumps({"type": "ready"}))
                    while isinstance(message := socket.recv(60), str):
                        pass
                    header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
                    found = [each for each in header["document"]["frame"][0]["object"] if each["object_id"] >= 0]
            assert {each["obj_label"] for each in found} == {"person"}
            assert urlopen(address, timeout=60).status == 200
        finally:
            process.send_signal(signal.SIGINT)
            late.cancel()
        assert process.wait(60) == 130
    assert not (tmp_path / "demo-output").exists()


def test_a_video_where_the_demo_writes_is_refused(tmp_path):
    ended = subprocess.run([PROJECT / "tools/demo.sh", "demo-output/people.mp4"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "demo-output/people.mp4 is in demo-output, where the demo writes" in ended.stderr
