"""docs/pixels.md is true: its libraries run, its tables and messages are those of the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from empycustom.frames.formats import FORMATS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "pixels.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([\w ]*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LIBRARIES = [text for kind, text in BLOCKS if kind == "python" and "def process" in text]
PROGRAMS = [text for kind, text in BLOCKS if kind == "python" and "def process" not in text]
SOURCE = "videotestsrc num-buffers=2 pattern=white ! video/x-raw,format=RGBA,width=64,height=48"


@pytest.fixture
def pixels_and_attributes(play, library):
    """Play a library of the page over white frames; return the last frame's caps and bytes, and what was attached to it."""
    from empycustom.gstreamer import Gst

    def run(text, source=SOURCE):
        in_place = "true" if "def process_ip" in text else "false"
        pipeline = Gst.parse_launch(
            f"{source} ! empycustom in-place={in_place} custom-lib={library(text)} ! aimeta name=m ! appsink name=out"
        )
        played = play(pipeline)
        assert played.ended, played.errors
        buffer = played.samples[-1].get_buffer()
        said = json.loads(pipeline.get_by_name("m").get_property("last-meta"))["frame"][0].get("emcustom")
        return played.samples[-1].get_caps()[0], buffer.extract_dup(0, buffer.get_size()), said

    return run


def test_there_are_five_libraries_for_any_machine():
    assert len(LIBRARIES) == 5


def test_the_program_prints_the_size_and_a_pixel():
    (program,) = PROGRAMS
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "64 48 [255, 0, 0]\n"), done.stderr


def test_the_one_that_writes_in_place(pixels_and_attributes):
    _, pixels, said = pixels_and_attributes(LIBRARIES[0])
    assert pixels == bytes(64 * 4 * 10) + bytes([255]) * (64 * 4 * 38)
    assert said["brightness"] == pytest.approx(255 * 38 / 48)


def test_the_one_for_webcams(pixels_and_attributes):
    source = SOURCE.replace("RGBA,width=64", "YUY2,width=63").replace("white", "red")
    _, _, said = pixels_and_attributes(LIBRARIES[1], source)
    assert said["red"] == pytest.approx(255, abs=6)


def test_the_one_that_draws(pixels_and_attributes):
    _, pixels, _ = pixels_and_attributes(LIBRARIES[2])
    frame = np.frombuffer(pixels, np.uint8).reshape(48, 64, 4)
    assert frame[10:41, [10, 50]].reshape(-1, 4).tolist() == [[255, 0, 0, 255]] * 62
    assert frame[20:30, 20:40].min() == 255


def test_opencv_refuses_the_views_that_the_page_names(pixels_and_attributes):
    for view in ("rgb", "bgr"):
        _, _, said = pixels_and_attributes(
            LIBRARIES[2].split("        cv2.rectangle")[0]
            + f"        gray = cv2.cvtColor(frame.{view}, cv2.COLOR_RGB2GRAY).shape\n"
            + f"        try:\n            cv2.rectangle(frame.{view}, (10, 10), (50, 40), (255, 0, 0))\n"
            + "        except cv2.error as error:\n            refusal = str(error)\n"
            + "    return {'frame': {'gray': gray, 'refusal': refusal}}\n"
        )
        assert said["gray"] == [48, 64]
        assert "Layout of the output array img is incompatible with cv::Mat" in said["refusal"]
        assert "`Layout of the output array img is incompatible with cv::Mat`" in PAGE


def test_the_one_that_returns_an_array(pixels_and_attributes):
    _, pixels, said = pixels_and_attributes(LIBRARIES[3])
    assert set(pixels) == {0}
    assert said == {"negative": True}


def test_the_one_of_another_size(pixels_and_attributes):
    structure, pixels, _ = pixels_and_attributes(LIBRARIES[4])
    assert (structure["format"], structure["width"], structure["height"]) == ("GRAY8", 32, 24)
    assert pixels == bytes([255]) * (32 * 24)


def test_those_for_a_gpu_are_python(library):
    for kind, text in BLOCKS:
        if kind == "python gpu":
            compile(text, "page", "exec")


def test_the_tables_have_every_format_and_no_other():
    """The larger one is made by tools/pages."""
    from empycustom.elements.base import VIDEO_CAPS
    from empycustom.gstreamer import Gst

    assert re.findall(r"^\| `(\w+)` \| .* \(h, w", PAGE.split("### Formats")[1], re.MULTILINE) == list(FORMATS)
    rows = [row.split("|") for row in re.findall(r"^\| .*\|$", PAGE.split("| memory (")[1].split("\n\n")[0], re.MULTILINE)]
    (system,) = [row[2] for row in rows if "`CPU`" in row[1]]
    assert system.split(",")[0].strip() == str(len(FORMATS))
    (nvmm,) = [set(re.findall(r"\w+", row[2])) for row in rows if "NVMM" in row[1]]
    caps = Gst.Caps.from_string(VIDEO_CAPS).to_string()
    assert nvmm == set(re.search(r"NVMM\), format=\(string\)\{ ([^}]*) \}", caps).group(1).split(", "))


def test_another_page_knows_how_many_formats_there_are():
    text = (ROOT / "docs" / "known-issues.md").read_text(encoding="utf-8")
    assert f"I420 and {len(FORMATS) - 1} more formats" in text


def test_the_messages_of_the_table_are_in_the_code():
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # texts over several lines
    messages = [line.split("`")[1] for line in PAGE.split("## When it is refused")[1].splitlines() if line.startswith("| `")]
    assert len(messages) == 5
    for message in messages:
        for part in message.split("…"):
            assert re.sub(r"RGB without", "{channels} without", part.strip()) in source, message


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
