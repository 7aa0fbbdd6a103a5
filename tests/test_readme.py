"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def masked(text):
    return re.sub(r'"timestamp":"[^"]*"', '"timestamp":"…"', text)


def test_the_shortest_library_in_the_first_pipeline_prints_what_is_shown(gst_env, tmp_path):
    """Python file, shell lines and JSON, as they stand at the top."""
    (_, library), (_, shell), (_, printed) = BLOCKS[:3]
    assert [kind for kind, _ in BLOCKS[:3]] == ["python", "sh", "json"]
    (tmp_path / "brightness.py").write_text(library)
    env = {**gst_env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{gst_env['PATH']}"}
    done = subprocess.run(["bash", "-ec", shell], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert masked(done.stdout) == masked(printed)
    assert done.stderr == ""


def test_the_pixels_block_works(play, library):
    from empycustom.gstreamer import Gst

    block = next(text for kind, text in BLOCKS if kind == "python" and "frame.crop" in text)
    body = "".join(f"    {line}\n" for line in block.splitlines())
    lib = library(f"import empycustom\ndef process_ip(io_buffer, in_meta, options):\n{body}    return [{{'mean': mean}}]\n")
    detector = library(
        "def process_ip(b, m, o):\n    box = {'left': 0, 'top': 20, 'width': 8, 'height': 8}\n"
        "    return {'frame': [{'new_object': [{'rect_params': box}]}]}\n",
        "detector.py",
    )
    pipeline = Gst.parse_launch(
        f"videotestsrc pattern=white num-buffers=1 ! video/x-raw,format=RGBA ! empycustom in-place=true custom-lib={detector} ! "
        f"empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    played = play(pipeline)
    assert played.ended, played.errors
    assert pipeline.get_by_name("e").get_property("last-meta") == '[{"mean":255.0}]'


def test_the_error_shown_is_the_error_printed(gst_launch, library):
    lib = library(
        "def process_ip(io_buffer, in_meta, options):\n    number = in_meta['frame'][0]['frame_num']\n"
        "    return {}['missing'] if number == 7 else None\n"
    )
    shown = next(text for kind, text in BLOCKS if text.startswith("ERROR: from element"))
    launched = gst_launch(f"videotestsrc ! video/x-raw,format=RGBA ! empycustom in-place=true custom-lib={lib} ! fakesink")
    assert shown.strip().replace("/home/me/lib.py", str(lib)) in launched.err


def test_every_property_of_the_tables_exists(play):
    from empycustom.gstreamer import Gst

    table = README.split("**`empycustom`** calls your library.")[1].split("Signals:")[0]
    names = re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)
    made = Gst.ElementFactory.make("empycustom")
    own = {spec.name for spec in made.list_properties()} - {"name", "parent"}
    assert set(names) == own
    Gst.Pipeline.new(None).add(made)


def test_the_commands_shown_exist():
    """Every `empycustom COMMAND` of the README has a help."""
    commands = set(re.findall(r"empycustom (run|launch|new|check|schema|doctor|plugin-path)\b", README))
    assert len(commands) == 7
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "empycustom", command, "--help"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "usage: empycustom" in done.stdout
