"""Take a picture of each page of the site at two widths, and report what does not fit: ``site_pictures.py [PART OF A NAME...]``.

    make docs-pictures ARGS='howto index'

The pages are those in build/docs; the pictures go to build/pages, the wide ones light, the narrow ones dark. A page that scrolls
sideways, and code that is cut off, are listed, and make the exit code 1. It needs what `tools/setup.sh dev` installs.
"""

# ruff: noqa: T201 - a script prints

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE, PICTURES = ROOT / "build" / "docs", ROOT / "build" / "pages"
LOOKS = ((1300, "light"), (420, "dark"))
NOT_PAGES = {"genindex.html", "search.html", "py-modindex.html"}
TOO_WIDE = """() => {
    const found = []
    const root = document.documentElement
    if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth - root.clientWidth} pixels wider`)
    for (const code of document.querySelectorAll("article pre"))
        if (code.scrollWidth > code.clientWidth + 1) found.push("code is cut off: " + code.textContent.trim().split("\\n")[0])
    for (const picture of document.querySelectorAll("article img"))
        if (!picture.complete || !picture.naturalWidth) found.push("a picture is missing: " + picture.src)
    return found
}"""


def pages(site: Path, *names: str) -> Iterator[Path]:
    """Give the pages of a site whose path has one of the names in it; all of them without names."""
    for path in sorted(site.rglob("*.html")):
        if path.name not in NOT_PAGES and (not names or any(name in str(path.relative_to(site)) for name in names)):
            yield path


def opened(browser: Browser, width: int, scheme: str = "light") -> Page:
    """Return an empty page of a width, in a color scheme, whose pages are loaded from files alone."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light")
    return context.new_page()


def too_wide(page: Page, path: Path) -> list[str]:
    """Open a page, and return what does not fit into its width."""
    page.goto(path.as_uri())
    page.wait_for_function("[...document.images].every(image => image.complete || image.loading === 'lazy')")
    found: list[str] = page.evaluate(TOO_WIDE)
    return found


def main(names: list[str]) -> int:
    """Take the pictures; return 1 if something does not fit."""
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser_path:
        sys.exit("site_pictures.py: Chromium is missing: apt install chromium")
    wrong, taken = 0, 0
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser_path) as browser:
        for width, scheme in LOOKS:
            page = opened(browser, width, scheme)
            for path in pages(SITE, *names):
                found = too_wide(page, path)
                name = str(path.relative_to(SITE).with_suffix("")).replace("/", "-")
                page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
                taken += 1
                for text in found:
                    print(f"{path.relative_to(SITE)}, {width} pixels: {text}")
                    wrong += 1
    print(f"{taken} pictures are in {PICTURES.relative_to(ROOT)}; {wrong or 'no'} places do not fit")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
