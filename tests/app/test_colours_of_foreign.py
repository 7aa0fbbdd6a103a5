"""Colours of frames as modules of other projects take them for granted, where nobody names a pixel format."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

import empycustom
from empycustom import testing

RED = (0, 0, 255)  # as OpenCV has it
SAVES = """\
import cv2

{imports}
class Saves:
    def __init__(self, path="saved.png"):
        self.path = path

    def process_frame(self, frame):
        with frame.data() as pixels:
            cv2.imwrite(self.path, pixels)
        return True


def process_frame(frame):
    return Saves().process_frame(frame)
"""
LOOKS = """\
import json
from gsthailo import VideoFrame
from gi.repository import Gst

def run(frame):
    with frame.map_buffer() as mapped:
        pixels = VideoFrame.numpy_array_from_buffer(mapped, video_info=frame.video_info)
        with open("seen.json", "w") as file:
            json.dump([list(pixels.shape), pixels[0, 0].tolist()], file)
    return Gst.FlowReturn.OK
"""
COMMANDS = {
    "run": ("run", "red.png", "--quiet", "--lib", "lib.py"),
    "run in a worker": ("run", "red.png", "--quiet", "--lib", "lib.py", "--workers", "1"),
    "check": ("check", "lib.py", "--image", "red.png"),
    "batch": ("batch", "red.png", "--lib", "lib.py", "--out", "results"),
    "a configuration": ("run", "emi_stream_config.json", "--quiet"),
}


@pytest.fixture
def red(tmp_path, library):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((48, 64, 3), RED, np.uint8))
    content = {"pipeline_configuration": {"empycustom": {"custom-lib": "lib.py"}}}
    content["streams"] = [{"stream_id": "a", "location": str(tmp_path / "red.png")}]
    (tmp_path / "emi_stream_config.json").write_text(json.dumps(content))
    return library


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_a_module_of_gvapython_saves_has_the_right_colours(red, cli, tmp_path, command):
    red(SAVES.format(imports=""))
    ended = cli(*command)
    assert ended.code == 0, ended.err
    assert tuple(cv2.imread(str(tmp_path / "saved.png"))[24, 32]) == RED


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_module_of_hailopython_gets_three_channels(red, cli, tmp_path, command):
    red(LOOKS)
    ended = cli(*command)
    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / "seen.json").read_text()) == [[48, 64, 3], [255, 0, 0]]


def test_the_format_that_is_named_counts(red, cli, tmp_path):
    red(LOOKS)
    assert cli("run", "red.png", "--quiet", "--lib", "lib.py", "--format", "RGBA").code == 0
    assert json.loads((tmp_path / "seen.json").read_text()) == [[48, 64, 4], [255, 0, 0, 255]]


IMPORTS = {
    "the import": ("from gstgva import VideoFrame\n", {}),
    "the class": ("", {"class": "Saves"}),
    "the function": ("", {}),
    "the property": ("", {"dialect": "gvapython"}),
}


@pytest.mark.parametrize(("imports", "call"), IMPORTS.values(), ids=IMPORTS)
def test_programs_get_them_too(red, tmp_path, monkeypatch, imports, call):
    monkeypatch.chdir(tmp_path)
    file = red(SAVES.format(imports=imports))
    (result,) = [each.pixels[24, 32].tolist() for each in empycustom.process("red.png", file, call=call)]
    assert (tuple(result), tuple(cv2.imread("saved.png")[24, 32])) == (RED, RED)
    testing.run(file, call=call)
    assert cv2.imread("saved.png").tolist() == testing.make_frame(format="BGR").pixels.tolist()


def test_the_library_that_has_a_usual_format_decides(red, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [red(SAVES.format(imports="")), red("def process_ip(b, m, o):\n    pass\n", "own.py")]
    for used, first in ((files, [0, 0, 255]), (files[::-1], [0, 0, 255]), (files[1:], [255, 0, 0])):
        (pixel,) = [each.pixels[24, 32].tolist() for each in empycustom.process("red.png", used)]
        assert pixel == first
