"""What the tests of the panels share: opening the page, finding rows of the document, and waiting."""

import json
import re

from playwright.sync_api import expect
from program import wait_for

expect.set_options(timeout=30_000)  # two busy cores


def open_page(page, studio, tab, **viewport):
    """Open the page of a studio at one of its tabs, and wait until it shows a frame."""
    if viewport:
        page.set_viewport_size(viewport)
    page.goto(studio.url)
    expect(page.locator("#status")).to_have_text("Live")
    page.locator(f"#tab-{tab}").click()
    return page.locator(f"#{tab}")


def stop(page):
    """Stop at the frame that is shown, once all of it is drawn."""
    page.locator("#strip").get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")


def go_on(page):
    page.locator("#strip").get_by_role("button", name="Live", exact=True).click()
    expect(page.locator("#status")).to_have_text("Live")


def settle(page):
    """Wait until what has come into sight is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")


def heard(page, selector):
    """Return a function that waits until a text is said in an element, which may be gone since; it hears from now on."""
    hears = """(selector) => {
        const place = document.querySelector(selector);
        const said = ((window.said ??= {})[selector] ??= []);
        new MutationObserver(() => said.push(place.textContent)).observe(place, {childList: true, characterData: true, subtree: true});
    }"""
    page.evaluate(hears, selector)

    def wait(text):
        texts = "(selector) => window.said[selector]"
        wait_for(lambda: any(text in each for each in page.evaluate(texts, selector)), text)

    return wait


def row(page, key, level=None):
    """The rows of the document with this key."""
    place = f"[aria-level='{level}']" if level else ""
    exact = page.locator(".key").get_by_text(re.compile(f"^{re.escape(str(key))}$"))
    return page.locator(f".node{place}").filter(has=exact)


def value(page, key, level=None):
    """What a row of the document says of its value, read as JSON."""
    shown = row(page, key, level).locator(".value")
    expect(shown).to_have_text(re.compile("."))  # while the document of another frame is drawn, it may be empty
    return json.loads(shown.text_content())


def frame_shown(page):
    """The number of the frame whose document is shown."""
    return value(page, "frame_num")


def wait_for_another(page):
    """Wait until the document is that of another frame."""
    expect(row(page, "frame_num").locator(".value")).not_to_have_text(str(frame_shown(page)))
