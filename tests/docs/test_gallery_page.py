"""Every command of docs/gallery.md runs, over two frames, and every picture is one that tools/gallery.py makes the same way."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from blocks import DOCS, Reader, blocks_of, clone, user_env
from gallery import CLIPS

PAGE = DOCS / "gallery.md"
BLOCKS = [block for block in blocks_of(PAGE) if block.kind == "sh"]
FILES = {block.name: block.text for block in blocks_of(PAGE) if block.name}
WITHOUT_MODEL = {"model": None}  # tools/gallery.py has it elsewhere
PLAY = "empycustom run walkers.mp4 "


def test_each_command_runs(gst_env, tmp_path):
    reader = Reader(clone(tmp_path / "reader"), user_env(gst_env, tmp_path / "registry"), play=None)
    for block in blocks_of(PAGE):
        reader.follow(
            replace(block, text=block.text.replace(PLAY, f"{PLAY}--frames 2 ").replace("walkers.mp4\n", "walkers.mp4 3\n"))
        )


def options_of(command):
    """The values of --options in a command: of a text in quotes, or of a file on the page."""
    found = re.findall(r"--options (?:'(.*?)'|@(\S+))", command, re.DOTALL)
    return [{**json.loads(text or FILES[file]), **WITHOUT_MODEL} for text, file in found]


@pytest.mark.parametrize("name", CLIPS)
def test_a_moving_picture_is_made_by_the_command_that_saves_it(name):
    (command,) = [block.text for block in BLOCKS if f"--save {name}.mp4" in block.text]
    assert re.findall(r"--lib (\S+)", command) == [library for library, _ in CLIPS[name].libraries]
    assert options_of(command) == [{**options, **WITHOUT_MODEL} for _, options in CLIPS[name].libraries if options]
    assert f"(pictures/{name}.webp)" in PAGE.read_text(encoding="utf-8")
    assert (DOCS / "pictures" / f"{name}.webp").stat().st_size < 300_000
