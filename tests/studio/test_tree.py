"""The document of the shown frame as a tree: folded, searched, copied, read by keys, and always that of the frame."""

import json

import pytest
from panels import expect, frame_shown, go_on, heard, open_page, row, stop, value, wait_for_another

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
# All that is said of a frame follows from its number.
SAYING = f"""
HOSTILE = {HOSTILE!r}

def said(number):
    return {{"twice": 2 * number, "parts": {{"half": number / 2, "odd": bool(number % 2), "none": None}},
        "embedding": [number + index for index in range(512)], "text": "word " * 200, HOSTILE: HOSTILE,
        "length": "three", "__proto__": {{"polluted": 1}}, "large": 2 ** 63 + 1}}

def process_ip(buffer, in_meta, options):
    person = {{"obj_label": "person", "object_id": 41, "confidence": 0.5, "rect_params": {{"left": 8, "top": 4, "width": 16, "height": 20}}}}
    number = in_meta["frame"][0]["frame_num"]
    return {{"frame": [{{"meta": said(number), "new_object": [dict(person, object_id=40 + index) for index in range(40)]}}]}}
"""


@pytest.fixture
def document(studio, library, page):
    """The panel with the document of a stream that plays."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return open_page(page, studio("test", "--lib", library(SAYING)), "document")


def copied(page):
    return page.evaluate("() => navigator.clipboard.readText()")


def test_it_is_that_of_the_shown_frame_and_what_is_open_stays_open(document, page):
    row(page, "parts").click()
    row(page, "object").click()
    expect(row(page, "object")).to_have_attribute("aria-expanded", "false")
    for _ in range(5):
        wait_for_another(page)
    stop(page)
    number = frame_shown(page)
    assert (value(page, "twice"), value(page, "half"), value(page, "odd")) == (2 * number, number / 2, bool(number % 2))
    assert value(page, "source_frame_width") == 320 or value(page, "source_frame_width") > 0
    expect(row(page, "object")).to_have_attribute("aria-expanded", "false")

    page.keyboard.press("ArrowLeft")  # one frame back, at once
    expect(row(page, "frame_num").locator(".value")).not_to_have_text(str(number))
    assert value(page, "twice") == 2 * frame_shown(page)
    go_on(page)
    wait_for_another(page)


def test_long_lists_and_texts_are_shortened_until_one_asks_for_more(document, page):
    stop(page)
    number = frame_shown(page)
    row(page, "embedding").click()
    expect(row(page, "31", 6).locator(".value")).to_have_text(str(number + 31))
    expect(row(page, "32", 6)).to_have_count(0)
    page.get_by_text("… 480 more").click()
    expect(row(page, "511", 6).locator(".value")).to_have_text(str(number + 511))
    expect(page.get_by_text("480 more")).to_have_count(0)

    text = row(page, "text").locator(".value")
    expect(text).to_have_attribute("title", "880 more letters")
    row(page, "text").click()
    expect(text).to_have_text(json.dumps("word " * 200))


def test_search_filters_by_keys_and_values_marks_and_counts(document, page):
    search = document.get_by_role("searchbox")
    expect(page.locator(".node")).not_to_have_count(0)  # it is drawn
    everything = page.locator(".node").count()
    search.fill("HALF")
    expect(document.locator(".hits")).to_have_text("1 hit")
    expect(page.locator(".node .key")).to_have_text(["document", "frame", "0", "emcustom", "parts", "half"])
    expect(page.locator("mark")).to_have_text("half")
    search.fill("person")  # values of objects that are closed, and more of them than are shown without a search
    expect(document.locator(".hits")).to_have_text("40 hits")
    expect(page.locator(".node.hit")).to_have_count(40)
    search.fill("onerror=")
    expect(document.locator(".hits")).to_have_text("1 hit")
    expect(page.locator("mark")).to_have_count(2)  # in the key and in the value
    search.press("Escape")
    expect(page.locator(".node")).to_have_count(everything)
    expect(page.locator("mark")).to_have_count(0)


def test_copies_are_the_document_a_part_of_it_and_its_path(document, page):
    stop(page)
    number = frame_shown(page)
    told = heard(page, "#document .done")
    document.get_by_role("button", name="Copy all").click()
    told("Copied the document")
    frame = json.loads(copied(page))["frame"][0]
    assert frame["frame_num"] == number
    assert frame["emcustom"]["embedding"] == [number + index for index in range(512)]
    assert len(frame["object"]) == 40

    row(page, "parts").focus()
    document.get_by_role("button", name="Copy", exact=True).click()
    told("Copied the value")
    assert json.loads(copied(page)) == frame["emcustom"]["parts"]
    document.get_by_role("button", name="Copy path").click()
    told("Copied the path")
    assert copied(page) == "frame[0].emcustom.parts"
    row(page, "text").focus()
    page.keyboard.press("Control+c")
    told("1,000 letters")
    assert copied(page) == "word " * 200


def test_keys_go_through_it_and_do_not_step_through_frames(document, page):
    stop(page)
    number = frame_shown(page)
    page.locator(".node[tabindex='0']").focus()

    def go(*keys):
        for key in keys:
            page.keyboard.press(key)
        return page.locator(".node:focus .key").text_content()

    assert go("End") == "large"
    assert go("Home") == "document"
    assert go("ArrowDown", "ArrowDown") == "frame"
    assert go("ArrowLeft") == "frame"  # closed
    expect(row(page, "frame")).to_have_attribute("aria-expanded", "false")
    assert go("ArrowRight", "ArrowRight", "ArrowRight") == "frame_num"
    assert go("ArrowUp", "ArrowLeft", "ArrowLeft") == "frame"
    assert go("ArrowRight", "ArrowRight", "ArrowRight") == "frame_num"
    assert frame_shown(page) == number
    names = page.locator(".node").evaluate_all("all => all.map(each => [each.ariaLevel, each.ariaPosInSet, each.ariaSetSize])")
    assert names[0] == ["1", "1", "1"]
    assert all(None not in each for each in names)
    page.keyboard.press("Enter")  # at a number: it is drawn over time
    expect(page.locator("#plots li:focus code")).to_have_text("frame_num")


def test_what_is_said_stays_text_and_numbers_that_a_browser_cannot_hold_are_marked(document, page):
    expect(row(page, HOSTILE).locator(".value")).to_have_text(json.dumps(HOSTILE))
    row(page, "__proto__").click()
    assert value(page, "polluted") == 1
    expect(row(page, "large").locator(".value")).to_have_text("≈ 9223372036854776000")
    assert page.locator("#document img").count() == 0
    assert "taken" not in page.title()
