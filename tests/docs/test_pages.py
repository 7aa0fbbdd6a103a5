"""Every page of docs/ that has no tests of its own does what it shows; see blocks.py for how."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blocks import DOCS, Reader, blocks_of, documents, masked, pattern, user_env

WITH_TESTS_OF_THEIR_OWN = {"deepstream.md", "performance.md", "pixels.md", "stream-configuration.md"}
PAGES = sorted(DOCS.rglob("*.md"))
RUN = [page for page in PAGES if page.name not in WITH_TESTS_OF_THEIR_OWN and blocks_of(page)]
DETECTOR = """
def process_ip(io_buffer, in_meta, options):
    boxes = [{"left": 4 + 30 * index, "top": 8, "width": 20, "height": 24} for index in (0, 1)]
    labels = ["person", "car"]
    return {"frame": [{"new_object": [
        {"class_id": 2 - 2 * index, "obj_label": labels[index], "object_id": 7 + index, "confidence": 0.5, "rect_params": box}
        for index, box in enumerate(boxes)]}]}
"""


@pytest.fixture(scope="session")
def env(gst_env, tmp_path_factory):
    return user_env(gst_env, tmp_path_factory.mktemp("docs") / "registry")


@pytest.fixture
def over_two_objects(play, library):
    """Play a library over two frames with two objects each; what is wrong with it fails the test."""

    def run(text):
        in_place = "false" if "def process(" in text else "true"
        played = play(
            "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=64,height=48 ! "
            f"empycustom in-place=true custom-lib={library(DETECTOR, 'upstream/detector.py')} ! "
            f"empycustom in-place={in_place} custom-lib={library(text, 'played/lib.py')} ! fakesink"
        )
        assert played.ended, played.errors

    return run


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_happens(page, env, over_two_objects, tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    reader = Reader(folder, env, over_two_objects)
    for block in blocks_of(page):
        reader.follow(block)


@pytest.mark.parametrize("page", [*PAGES, DOCS.parent / "README.md"], ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_a_page_without_tests_of_its_own_is_run():
    assert {"start.md", "library.md", "metadata.md", "plain.md"} <= {page.name for page in RUN}


def test_what_is_shown_is_compared_as_the_blocks_say():
    """The mechanism itself: anything in a line, any lines, times of day, documents in any layout."""
    assert re.fullmatch(pattern("a … c\n…\nd\n"), "a b c\n1\n2\nd\n", re.DOTALL)
    assert re.fullmatch(pattern("a\n…\nd\n"), "a\nd\n", re.DOTALL)
    assert not re.fullmatch(pattern("a … c\n"), "a b\nc\n", re.DOTALL)
    assert documents('{"a":\n 1}\n[2]') == [{"a": 1}, [2]]
    assert masked('{"timestamp":"12:00"}') == masked('{"timestamp":"13:00"}')
