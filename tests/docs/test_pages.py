"""Every page of docs/ without its own tests does what it shows; see blocks.py for how."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blocks import DOCS, Reader, blocks_of, clone, documents, masked, pattern, user_env

WITH_TESTS_OF_THEIR_OWN = {
    "deepstream.md",
    "door.md",
    "gallery.md",
    "metrics.md",
    "performance.md",
    "pixels.md",
    "publishing.md",
    "stream-configuration.md",
}
README = DOCS.parent / "README.md"
FOR_CONTRIBUTORS = [README.with_name(f"{name}.md") for name in ("CODE_OF_CONDUCT", "CONTRIBUTING", "SECURITY", "THIRD_PARTY")]
PAGES = [*sorted(DOCS.rglob("*.md")), README, *FOR_CONTRIBUTORS]
RUN = [page for page in PAGES if page.name not in WITH_TESTS_OF_THEIR_OWN and blocks_of(page)]
MOST_COLUMNS = 90  # what the site shows of a line of code where a window is 1312 pixels wide, its narrowest with two sidebars
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
    reader = Reader(clone(tmp_path / "reader"), env, over_two_objects)
    for block in blocks_of(page):
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_line_of_code_is_cut_off_on_the_site(page):
    """What is not code (JSON, what commands print) is broken into lines by the style sheet."""
    wide = [
        f"{page.name}:{block.line + number}: {line}"
        for block in blocks_of(page)
        if block.kind not in ("json", "text", "")
        for number, line in enumerate(block.text.splitlines())
        if len(line) > MOST_COLUMNS
    ]
    assert wide == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_a_page_without_tests_of_its_own_is_run():
    assert {"README.md", "start.md", "library.md", "metadata.md", "plain.md"} <= {page.name for page in RUN}


@pytest.mark.parametrize("page", [README, DOCS / "start.md", DOCS / "install.md"], ids=lambda page: page.stem)
def test_the_packages_to_install_are_those_of_the_set_up(page):
    """And libpython, which tools/setup.sh installs where GStreamer's loader of Python elements wants it."""
    (listed,) = re.findall(r"^packages=\((.*?)\)$", (README.parent / "tools" / "setup.sh").read_text(), re.MULTILINE | re.DOTALL)
    (named,) = [block.text for block in blocks_of(page) if block.text.startswith("sudo apt install ")]
    assert set(named.replace("\\\n", " ").split()) - {"sudo", "apt", "install", "--no-install-recommends"} == {
        *listed.split(),
        "libpython3-dev",
    }


def test_what_is_shown_is_compared_as_the_blocks_say():
    """The mechanism itself: anything in a line, any lines, times of day, documents in any layout."""
    assert re.fullmatch(pattern("a … c\n…\nd\n"), "a b c\n1\n2\nd\n", re.DOTALL)
    assert re.fullmatch(pattern("a\n…\nd\n"), "a\nd\n", re.DOTALL)
    assert not re.fullmatch(pattern("a … c\n"), "a b\nc\n", re.DOTALL)
    assert documents('{"a":\n 1}\n[2]') == [{"a": 1}, [2]]
    assert masked('{"timestamp":"12:00"}') == masked('{"timestamp":"13:00"}')
    assert (
        masked("66 frames of 121 (54 %), 7.2 fps\n30 frames, 7.2 fps\n121 frames in 3 s (7 fps)\n")
        == "121 frames in 3 s (7 fps)\n"
    )
