"""The site, as a browser shows it: nothing is wider than a small screen, search finds, code can be copied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from site_pictures import ROOT, opened, pages, too_wide

NARROW, WIDE = 420, 1300


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", ROOT / "docs", folder / "html"]
    done = subprocess.run([*command, "-d", folder / "trees"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_no_page_is_wider_than_a_small_screen(site, chromium):
    page = opened(chromium, NARROW)
    found = {path.name: wide for path in pages(site) if (wide := too_wide(page, path))}
    assert found == {}


@pytest.mark.parametrize("name", ["index.html", "start.html", "library.html"])
def test_pages_fit_beside_both_sidebars(site, chromium, name):
    assert too_wide(opened(chromium, WIDE), site / name) == []


def test_the_reference_has_inherited_members_and_no_internal_ones_and_sections_are_fields(site, chromium):
    page = opened(chromium, WIDE)
    page.goto((site / "api.html").as_uri())
    members = page.locator("dl:has(> dt[id='empycustom.session.process.Result'])").locator("dt.sig .sig-name").all_inner_texts()
    assert {"frame_num", "time_s", "objects", "attributes", "frame", "image", "pixels"} <= set(members)
    for internal in ("LibraryError.at", "LibraryNotFoundError.set_by", "ReloadError.about"):
        assert page.locator(f"[id='empycustom.errors.{internal}']").count() == 0
    assert page.locator("p.rubric").filter(has_text="Parameters").count() == 0
    assert page.locator("dl.field-list dt").filter(has_text="Parameters").count() > 5


def test_search_finds_a_page_and_code_has_a_button(site, chromium):
    page = opened(chromium, WIDE)
    page.goto((site / "search.html").as_uri() + "?q=zones")
    page.wait_for_selector("#search-results a[href*='libs/zones.html']")
    page.goto((site / "start.html").as_uri())
    page.wait_for_selector("button.copybtn", state="attached")
