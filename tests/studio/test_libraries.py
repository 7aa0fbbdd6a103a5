"""Panels of libraries: how they do, their options as a form, and what is wrong with them, until it is right again."""

import json
import re
import subprocess
import sys

import pytest
from panels import expect, frame_shown, go_on, open_page, row, settle, value, wait_for_another
from program import RAISES_ONCE

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
DECLARED = f"""
import empycustom

OPTIONS = {{
    "size": empycustom.Option(640, "width of the input", limits=(1, 1000), unit="pixels"),
    "least": empycustom.Option(0.5, limits=(0, None)),
    "label": empycustom.Option("person", {HOSTILE!r}),
    "mode": empycustom.Option("fast", choices=("fast", "exact")),
    "mirror": empycustom.Option(False),
    "zone": empycustom.Option([0, 0, 320, 240]),
}}

def process_ip(buffer, in_meta, options):
    return {{"frame": {{"said": dict(options)}}}}
"""
COUNTING = """
def process_ip(buffer, in_meta, options):
    value = in_meta["frame"][0]["frame_num"]
    return {"frame": {"version": 1, "options": options}}
"""


@pytest.fixture
def declared(studio, library, page):
    """The panel of a library that declares its options."""
    return open_page(page, studio("test", "--lib", library(DECLARED)), "libraries")


def said(page, key, expected):
    """Wait until the documents say this of an option."""
    page.locator("#tab-document").click()
    expect(row(page, "said")).to_be_visible()
    if row(page, "said").get_attribute("aria-expanded") == "false":
        row(page, "said").click()
    expect(row(page, key, 6).locator(".value")).to_have_text(expected)
    page.locator("#tab-libraries").click()


def test_options_take_effect_at_once_and_can_be_reset(declared, page):
    said(page, "size", "640")
    declared.get_by_role("spinbutton", name="size").fill("320")
    said(page, "size", "320")
    declared.get_by_role("slider", name="size").fill("500")
    said(page, "size", "500")
    expect(declared.get_by_role("spinbutton", name="size")).to_have_value("500")
    declared.get_by_role("spinbutton", name="least").fill("2.25")
    said(page, "least", "2.25")
    declared.get_by_role("textbox", name="label").fill(HOSTILE)
    said(page, "label", json.dumps(HOSTILE))
    declared.get_by_role("combobox", name="mode").select_option("exact")
    said(page, "mode", '"exact"')
    declared.get_by_role("switch", name="mirror").check()
    said(page, "mirror", "true")
    declared.get_by_role("textbox", name="zone").fill("[1, 2]")
    said(page, "zone", "[1, 2]")

    declared.get_by_role("button", name="Reset size to 640").click()
    said(page, "size", "640")
    said(page, "mirror", "true")
    declared.get_by_role("button", name="Reset all").click()
    said(page, "mirror", "false")
    said(page, "label", '"person"')
    expect(declared.get_by_role("switch", name="mirror")).not_to_be_checked()
    expect(declared.get_by_role("button", name="Reset all")).to_be_hidden()
    expect(declared.get_by_text(HOSTILE)).to_be_visible()  # the description of an option
    assert page.locator("#libraries img").count() == 0
    assert "taken" not in page.title()


def test_options_that_are_set_one_after_the_other_are_all_kept(declared, page):
    slider = declared.get_by_role("slider", name="size")
    for size in range(100, 110):
        slider.fill(str(size))
        declared.get_by_role("switch", name="mirror").set_checked(bool(size % 2))
    declared.get_by_role("combobox", name="mode").select_option("exact")
    declared.get_by_role("textbox", name="label").fill("bag")
    for key, expected in {"size": "109", "mirror": "true", "mode": '"exact"', "label": '"bag"', "least": "0.5"}.items():
        said(page, key, expected)
    expect(declared.get_by_role("spinbutton", name="size")).to_have_value("109")
    expect(declared.get_by_role("alert")).to_have_count(0)


def test_a_value_that_is_refused_stays_with_the_sentence_of_the_command_line(declared, page, library, env_with):
    command = [sys.executable, "-m", "empycustom", "run", "test", "--lib", library(DECLARED), "--options", '{"size": 2000}']
    ended = subprocess.run([*map(str, command)], env=env_with(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1

    size = declared.get_by_role("spinbutton", name="size")
    size.fill("2000")
    refused = declared.locator(".field").filter(has=page.get_by_label("size", exact=True)).get_by_role("alert")
    expect(refused).to_contain_text("the option size must be a whole number, 1 to 1000 pixels, not 2000")
    assert refused.text_content() in ended.stderr
    expect(size).to_have_attribute("aria-invalid", "true")
    assert refused.get_attribute("id") in size.get_attribute("aria-describedby").split()

    zone = declared.get_by_role("textbox", name="zone")
    zone.fill("[1, 2")
    expect(declared.get_by_role("alert")).to_contain_text(["not 2000", "This is not JSON"])
    declared.get_by_role("switch", name="mirror").check()  # the others still take effect
    said(page, "mirror", "true")
    said(page, "size", "640")
    expect(size).to_have_value("2000")
    expect(zone).to_have_value("[1, 2")
    size.fill("200")
    expect(refused).to_be_hidden()
    said(page, "size", "200")


def test_what_another_page_changes_appears_but_not_where_somebody_types(studio, library, page, client):
    running = studio("test", "--lib", library(DECLARED))
    panel = open_page(page, running, "libraries")
    label, size = panel.get_by_role("textbox", name="label"), panel.get_by_role("spinbutton", name="size")
    label.focus()
    assert client(running).set_options({"label": "theirs", "size": 7}) is None
    expect(size).to_have_value("7")
    expect(label).to_have_value("person")
    size.focus()
    expect(label).to_have_value("theirs")


def test_options_that_are_not_declared_are_json(studio, library, page):
    panel = open_page(page, studio("test", "--lib", library(COUNTING), "--options", '{"a": 1}'), "libraries")
    editor = panel.get_by_role("textbox", name="Options as JSON")
    expect(editor).to_have_value('{"a":1}')
    editor.fill('{"a": [1, 2],')
    expect(panel.get_by_role("alert")).to_contain_text("This is not JSON")
    editor.fill('[1, "not an object"]')
    expect(panel.get_by_role("alert")).to_have_text('Options are a JSON object: {"size": 640}.')
    editor.fill('{"a": [1, 2]}')
    expect(panel.get_by_role("alert")).to_be_hidden()
    page.locator("#tab-document").click()
    row(page, "options").click()
    expect(row(page, "a", 6).locator(".value")).to_have_text("[1, 2]")


def test_an_edit_shows_at_once_an_error_where_one_looks_and_it_goes_with_the_next_save(studio, library, page):
    lib = library(COUNTING)
    panel = open_page(page, studio("test", "--lib", lib), "libraries")
    card = panel.locator(".library").first
    expect(card.locator(".state")).to_have_text("running")
    library(COUNTING.replace('"version": 1', '"version": 2'))
    expect(card.locator(".version")).to_have_text("version 2")
    page.locator("#tab-document").click()
    expect(row(page, "version").locator(".value")).to_have_text("2")

    library(COUNTING.replace('"frame_num"]', '"frame_number"]  # ' + HOSTILE))
    expect(page.locator("#alarm[data-kind='error']")).to_be_visible()  # whatever panel is open
    page.locator("#alarm[data-kind='error']").get_by_role("button", name="Show").click()
    problem = panel.locator(".problem.error")
    expect(problem.locator(".sentence")).to_contain_text("process_ip raised KeyError: 'frame_number'")
    expect(problem.locator(".place code")).to_have_text(f"{lib}:3")
    expect(problem.locator(".when")).to_contain_text("frame ")
    expect(problem.locator(".failing")).to_have_count(1)
    expect(problem.locator(".failing code")).to_contain_text('["frame_number"]  # ' + HOSTILE)
    expect(problem.locator(".line")).to_have_count(4)
    problem.get_by_text("Traceback", exact=True).click()
    expect(problem.locator("details pre")).to_contain_text("KeyError: 'frame_number'")
    expect(panel.get_by_role("log")).to_contain_text("KeyError")
    expect(card.locator(".state")).to_have_text("failing")
    page.locator("#tab-document").click()
    wait_for_another(page)  # the video goes on
    page.locator("#tab-libraries").click()

    library(COUNTING.replace('"version": 1', '"version": 4'))
    expect(problem).to_have_count(0)
    expect(page.locator("#alarm[data-kind='error']")).to_be_hidden()
    expect(card.locator(".state")).to_have_text("running")
    expect(panel.get_by_role("log")).to_contain_text("There are no errors any more.")
    assert page.locator("#libraries img").count() == 0


def test_the_frame_that_caused_an_error_is_shown_also_when_the_strip_has_gone_past_it(studio, library, page, tmp_path):
    panel = open_page(page, studio("test", "--lib", library(RAISES_ONCE)), "libraries")
    (tmp_path / "raise").touch()
    problem = panel.locator(".problem.error")
    number = re.match(r"frame (\d+) ", problem.locator(".when").text_content())[1]
    strip = page.locator("#strip")
    button = problem.get_by_role("button", name="Show the frame")
    button.click()
    expect(page.locator("#status")).to_have_text("Stopped")
    expect(strip.locator(".where")).to_contain_text(re.compile(rf"^Frame {number} at .*, \d+ of the last "))

    def oldest():
        strip.get_by_role("button", name="The oldest frame").click()
        return int(re.match(r"Frame (\d+) ", strip.locator(".where").text_content())[1])

    while oldest() <= int(number):
        go_on(page)
        page.evaluate("() => new Promise(done => setTimeout(done, 500))")
    button.click()
    expect(strip.locator(".where")).to_have_text(re.compile(rf"^Frame {number} at .*, older than those of the strip\. "))
    page.locator("#tab-document").click()
    expect(row(page, "frame_num").locator(".value")).to_have_text(number)
    strip.get_by_role("button", name="One frame on").click()
    expect(strip.locator(".where")).to_have_text(re.compile(r", 1 of the last \d+\. "))


def test_a_version_that_cannot_be_loaded_is_shown_while_the_one_before_goes_on(studio, library, page):
    lib = library(COUNTING)
    panel = open_page(page, studio("test", "--lib", lib), "libraries")
    library(COUNTING.replace('"frame_num"]', '"frame_num"'))
    problem = panel.locator(".problem.error")
    expect(problem.locator(".about")).to_have_text("lib.py as it was saved last")
    expect(problem.locator(".sentence")).to_contain_text("has a syntax error")
    expect(problem.locator(".failing .number")).to_have_text("3")
    page.locator("#tab-document").click()
    settle(page)
    number = frame_shown(page)
    wait_for_another(page)
    assert value(page, "version") == 1
    assert frame_shown(page) > number
    page.locator("#tab-libraries").click()
    library(COUNTING)
    expect(problem).to_have_count(0)


def test_what_is_counted_and_measured_is_shown(declared, page):
    calls = declared.locator("dl .calls dd")
    before = calls.text_content()
    expect(calls).not_to_have_text(before)
    expect(declared.locator("dl .errors dd")).to_have_text("0")
    times = declared.locator(".times")
    expect(times.locator("p")).to_contain_text("a frame lasts 33 ms")
    label = times.locator("canvas").get_attribute("aria-label")
    assert label.startswith("Times of calls in the last seconds: ")
    drawn = times.locator("canvas").evaluate(
        "each => each.getContext('2d').getImageData(0, 0, each.width, each.height).data.some(value => value > 0)"
    )
    assert drawn


CONFIGURATION = {
    "application_name": "two gates",
    "pipeline_configuration": {
        "empycustom": {"custom-lib": "lib.py", "in-place": True, "format": "RGBA"},
    },
    "streams": [{"stream_id": "entrance", "location": "test"}, {"stream_id": "<b>garden</b>", "location": "test"}],
    "options": [
        {
            "key": {"element": "empycustom", "property": "process-interval"},
            "option_type": "gstreamer",
            "value_type": "number",
            "min-value": 1,
            "max-value": 30,
            "value": 1,
        }
    ],
}


def test_options_of_a_stream_configuration_are_a_form_for_each_stream(studio, library, page, tmp_path):
    library(COUNTING)
    (tmp_path / "emi_stream_config.json").write_text(json.dumps(CONFIGURATION))
    panel = open_page(page, studio("emi_stream_config.json"), "libraries")
    interval = panel.get_by_role("spinbutton", name="empycustom.process-interval")
    passed = panel.locator("dl .passed dd")
    expect(interval).to_have_value("1")
    expect(passed).to_have_text("0")
    interval.fill("31")
    expect(panel.locator(".settings").get_by_role("alert")).to_contain_text("must be a number from 1 to 30")
    interval.fill("10")
    expect(panel.locator(".settings").get_by_role("alert")).to_be_hidden()
    expect(passed).not_to_have_text("0")
    page.get_by_role("tab", name="<b>garden</b>").click()
    expect(interval).to_have_value("1")
    expect(passed).to_have_text("0")
    panel.get_by_role("slider", name="empycustom.process-interval").fill("5")
    expect(passed).not_to_have_text("0")


def test_a_module_that_gets_no_options_has_no_form(studio, library, page):
    """Functions for gvapython get a frame and nothing else."""
    module, own = library("def process_frame(frame):\n    return True\n", "module.py"), library(COUNTING)
    panel = open_page(page, studio("test", "--lib", module, "--lib", own), "libraries")
    cards = panel.locator(".library")
    expect(cards.filter(has_text="lib.py").locator("form.options")).to_be_visible()
    expect(cards.filter(has_text="module.py").locator("form.options")).to_have_count(1)
    expect(cards.filter(has_text="module.py").locator("form.options")).to_be_hidden()


def test_a_library_that_drops_all_frames_is_named_in_the_place_of_the_picture(studio, library, page):
    text = "def process_frame(frame):\n    frame.add_message('{}')\n"  # it forgets to return True
    page.goto(studio("test", "--lib", library(text, "counts.py")).url)
    cover = page.locator("#stage .cover")
    expect(cover).to_contain_text(re.compile(r"No frames come through\s*counts\.py drops them \([\d,]+ of [\d,]+\)"))
    expect(page.locator("#status")).to_have_text("No frames")
