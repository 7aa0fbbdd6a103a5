"""Claims of docs/deepstream.md about our own elements. NVIDIA's elements are on no machine without a GPU."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from empycustom.native.deepstream import LAYOUTS
from empycustom.native.deepstream_write import COMPONENT_ID, MARKER

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deepstream.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PIPELINES = [text for kind, text in BLOCKS if kind == "sh"]


@pytest.mark.parametrize("text", PIPELINES, ids=range(len(PIPELINES)))
def test_properties_in_the_pipelines_exist(play, text):
    """Of empycustom, aimeta and perf; with values that they take."""
    from empycustom.gstreamer import Gst

    found = re.findall(r"! (empycustom|aimeta|perf)\b([^!]*)", text.replace("\\\n", " "))
    assert found
    for name, properties in found:
        made = Gst.ElementFactory.make(name)
        Gst.Pipeline.new(None).add(made)
        for key, value in re.findall(r"([\w-]+)=(\S+)", properties):
            Gst.util_set_object_arg(made, key, value.strip('"'))
            assert str(made.get_property(key)).lower() == value.strip('"').lower()


def test_the_caps_in_the_pipelines_are_taken():
    from empycustom.elements.base import VIDEO_CAPS
    from empycustom.gstreamer import Gst

    found = re.findall(r"'(video/x-raw[^']*)' ! \\\n  empycustom", PAGE)
    assert len(found) == 3
    assert all(Gst.Caps.from_string(caps).can_intersect(Gst.Caps.from_string(VIDEO_CAPS)) for caps in found)


def test_the_table_of_versions_is_the_one_in_the_code():
    _, sizes, texts, masks, angles, _ = re.findall(r"^\| .*[^-|]+\|$", PAGE.split("## Versions")[1], re.MULTILINE)[-6:]
    assert [cell.strip() for cell in sizes.split("|")[2:-1]] == [", ".join(map(str, layout.sizes)) for layout in LAYOUTS]
    assert [cell.strip() for cell in texts.split("|")[2:-1]] == [str(layout.other_attrs) for layout in LAYOUTS]
    assert [cell.strip() for cell in masks.split("|")[2:-1]] == [str(layout.mask) for layout in LAYOUTS]
    assert [cell.strip() for cell in angles.split("|")[2:-1]] == [str(layout.angle or "none") for layout in LAYOUTS]


def test_the_marker_and_the_component_are_those_in_the_code():
    assert f"`objectId` is `{MARKER}`" in PAGE
    assert f"{COMPONENT_ID} (0x{COMPONENT_ID:X})" in PAGE


def test_the_library_of_the_page_has_the_result_of_the_page(play, library):
    """About the one object of one frame, as the JSON in the page has it."""
    from empycustom.gstreamer import Gst

    source = next(text for kind, text in BLOCKS if kind == "python" and "def process_ip" in text)
    shown = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
    found = {key: value for key, value in shown["object"][0].items() if key not in ("key", "emcustom")}
    detector = library(f"def process_ip(b, m, o):\n    return {{'frame': [{{'new_object': [{found!r}]}}]}}\n", "detector.py")
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 ! video/x-raw,format=RGBA ! empycustom in-place=true custom-lib={detector} ! "
        f"empycustom in-place=true custom-lib={library(source)} ! aimeta name=meta ! fakesink"
    )
    played = play(pipeline)
    assert played.ended, played.errors
    (frame,) = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"]
    assert frame["emcustom"] == shown["emcustom"]
    assert {key: frame["object"][0][key] for key in (*found, "emcustom")} == {**found, "emcustom": shown["object"][0]["emcustom"]}
