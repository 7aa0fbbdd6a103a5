"""The picture in a browser: what is drawn is what the document of that very frame says; looking back, saving, the connection."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from panels import heard
from PIL import Image
from playwright.sync_api import expect
from program import wait_for

from browser import SERVER_IS_LOST

expect.set_options(timeout=30_000)
WIDTH, HEIGHT = 640, 480  # of `test`
# A white rectangle that moves over black, and an object whose box it is.
MOVES = """
import empycustom

state = {"n": 0}

def process_ip(buffer, meta, options):
    n = state["n"] = state["n"] + 1
    left, top, width, height = 20 + n * 7 % 200, 100, 64, 48
    with empycustom.map_frame(buffer, meta, writable=True) as frame:
        frame.pixels[..., :3] = 0
        frame.pixels[top : top + height, left : left + width, :3] = 255
    found = {"obj_label": "thing", "confidence": 0.75, "rect_params": {"left": left, "top": top, "width": width, "height": height}}
    found["emcustom"] = {"about": {"n": n}}
    return {"frame": [{"meta": {"left": left}, "new_object": [found]}]}
"""
# Four objects that stay where they are, on black.
STILL = """
import empycustom, math, numpy

def box(left, top, width, height):
    return {"left": left, "top": top, "width": width, "height": height}

def process_ip(buffer, meta, options):
    with empycustom.map_frame(buffer, meta, writable=True) as frame:
        frame.pixels[..., :3] = 0
    turned = {"obj_label": "turned", "object_id": 4, "rotation": math.pi / 4, "rect_params": box(60, 60, 40, 20)}
    half = numpy.zeros((4, 4), numpy.uint8)
    half[:, 2:] = 1  # the right half
    masked = {"obj_label": "masked", "object_id": 5, "mask": half, "rect_params": box(150, 60, 40, 40)}
    posed = {"obj_label": "posed", "object_id": 6, "rect_params": box(220, 60, 40, 80)}
    posed["keypoints"] = [[240, 80, 0.9], [240, 130, 0.9], [230, 100, 0.1]]
    posed["skeleton"] = [[0, 1], [0, 2]]
    large = {"obj_label": "large", "rect_params": box(140, 50, 140, 150)}
    return {"frame": [{"new_object": [turned, masked, posed, large]}]}
"""
NOISE = """
import empycustom, numpy

noise = numpy.random.default_rng(1).integers(0, 256, (1080, 1920, 3), numpy.uint8)

def process_ip(buffer, meta, options):
    with empycustom.map_frame(buffer, meta, writable=True) as frame:
        frame.pixels[..., :3] = noise
"""
HOSTILE = """
label = '<img src=x onerror="document.title=1">'

def process_ip(buffer, meta, options):
    found = {"obj_label": label, "rect_params": {"left": 20, "top": 40, "width": 90, "height": 90}}
    found["emcustom"] = {label: label, "script": "</script><script>document.title = 2</script>", "words": [label] * 3}
    return {"frame": [{"meta": {label: label}, "new_object": [found]}]}
"""
FAILS_ONCE = """
state = {"n": 0}

def process_ip(buffer, meta, options):
    state["n"] += 1
    return {"frame": {"n": state["n"]}} if state["n"] != 5 else 1 / 0
"""


@pytest.fixture
def shown(studio, page, library):
    """Play ``test`` through a library, and open its page; wait until a frame is shown."""

    def show(source, page=page):
        program = studio("test", "--lib", library(source))
        page.goto(program.url)
        expect(frame_text(page)).to_contain_text("Frame")
        return page

    return show


def frame_text(page):
    return page.locator("#strip .where")


def number(page):
    """The number of the shown frame; 0: none is shown."""
    found = re.search(r"\d+", frame_text(page).text_content())
    return int(found[0]) if found else 0


def objects(page):
    return page.get_by_role("listbox", name="Objects of the shown frame").get_by_role("option")


def colour_of(page, row):
    """The colour of an object in the list, as (red, green, blue)."""
    style = row.locator(".swatch").evaluate("(swatch) => getComputedStyle(swatch).backgroundColor")
    return np.array([int(value) for value in re.findall(r"\d+", style)[:3]])


def pixels(page, part):
    """A row of the picture as it is on the screen, at a part of its height; its height; and the attributes beside it."""
    found = page.evaluate(
        """(part) => {
            const canvas = document.querySelector("#stage canvas");
            const [width, height] = [canvas.width, canvas.height];
            const scale = Math.min(width / 640, height / 480);
            const y = Math.round((height - 480 * scale) / 2 + part * 480 * scale);
            const row = canvas.getContext("2d").getImageData(0, y, width, 1).data;
            return {width, height, row: [...row], facts: document.querySelector("#stage .facts").textContent};
        }""",
        part,
    )
    scale = min(found["width"] / WIDTH, found["height"] / HEIGHT)
    return np.array(found["row"]).reshape(-1, 4)[:, :3], scale, (found["width"] - WIDTH * scale) / 2, found["facts"]


def near(row, colour, distance=40):
    """Where a row of pixels has a colour."""
    return np.flatnonzero(np.abs(row.astype(int) - colour).max(axis=1) < distance)


def place_on(canvas, x, y):
    """Where a point of the frame is on the canvas."""
    box = canvas.bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    return {"x": (box["width"] - WIDTH * scale) / 2 + x * scale, "y": (box["height"] - HEIGHT * scale) / 2 + y * scale}


def saved(page, name, *, key=None):
    """Save what is shown, and return the path of the file and its name."""
    with page.expect_download() as download:
        if key:
            page.keyboard.press(key)
        else:
            page.get_by_role("button", name="Save").click()
            page.get_by_role("menuitem", name=name).click()
    return download.value.path(), download.value.suggested_filename


@pytest.mark.parametrize("density", [1, 2])
def test_a_box_is_where_the_picture_has_its_object_in_each_frame(shown, new_page, complaints, density):
    complaints.allow("getImageData")  # which this test uses, not the page
    page = shown(MOVES, new_page(viewport={"width": 1100, "height": 700}, device_scale_factor=density))
    page.keyboard.press("l")  # labels
    colour = colour_of(page, objects(page).first)

    places = set()
    while len(places) < 12:
        row, scale, start, facts = pixels(page, (100 + 24) / HEIGHT)
        left = int(re.search(r"\d+", facts)[0])
        sides = [start + left * scale, start + (left + 64) * scale]
        edges = near(row, colour)
        assert all(np.abs(edges - side).min() <= 1.5 * density for side in sides)
        assert (np.abs(edges[:, None] - sides).min(axis=1) <= 4 * density).all()  # mixed with what is below
        white = near(row, np.array([255, 255, 255]))
        assert sides[0] - 2 * density <= white.min() <= sides[0] + 4 * density
        assert sides[1] - 4 * density <= white.max() <= sides[1] + 2 * density
        places.add(left)


def test_all_that_an_object_has_is_drawn_and_saved_in_the_size_of_the_frame(shown):
    page = shown(STILL)
    page.keyboard.press(" ")
    page.keyboard.press("l")
    page.keyboard.press("c")  # by class
    colours = {row.locator(".label").text_content(): colour_of(page, row) for row in objects(page).all()}
    assert len({tuple(colour) for colour in colours.values()}) == 4

    path, name = saved(page, "Picture with boxes")
    assert re.fullmatch(r"stream-\d+\.png", name)
    drawn = np.asarray(Image.open(path).convert("RGB")).astype(int)
    plain = np.asarray(Image.open(saved(page, "Picture alone")[0]).convert("RGB")).astype(int)
    assert drawn.shape == plain.shape == (HEIGHT, WIDTH, 3)
    assert plain.max() < 10

    def has(x, y, label, reach=2):
        place = drawn[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3)
        return len(near(place, colours[label])) > 0

    # Turned by 45 degrees clockwise about (80, 70): the upper left corner goes up and to the right.
    assert has(73, 49, "turned")
    assert has(87, 91, "turned")
    assert not has(60, 80, "turned", 5)
    # The right half of the mask is tinted, the left half is not.
    assert np.abs(drawn[80, 180] - 0.45 * colours["masked"]).max() < 12
    assert drawn[80, 160].max() < 10
    # Two points that are sure with the line between them; the third is not.
    assert (drawn[80, 240] > 200).all()
    assert drawn[105, 239:242].max() > 100
    assert drawn[98:103, 228:231].max() < 10
    assert has(140, 120, "large")
    assert drawn[230].max() == 0

    for key, label, place in (("b", "large", (140, 120)), ("m", "masked", (180, 80)), ("k", "posed", (240, 105))):
        page.keyboard.press(key)
        path, _ = saved(page, "", key="s")
        without = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert without[place[1], place[0] - 2 : place[0] + 3].max() < 10, label


def test_the_document_that_is_saved_is_that_of_the_shown_frame(shown):
    page = shown(MOVES)
    page.keyboard.press(" ")
    path, name = saved(page, "Document")
    assert name == f"stream-{number(page)}.json"
    (frame,) = json.loads(path.read_text())["frame"]
    assert frame["emcustom"]["left"] == frame["object"][0]["rect_params"]["left"]
    expect(page.locator("#stage .facts")).to_have_text(f"left{frame['emcustom']['left']}")


def test_the_smallest_object_under_the_pointer_tells_all_about_itself(shown):
    page = shown(STILL)
    page.keyboard.press(" ")
    canvas = page.locator("#stage canvas")
    place = place_on(canvas, 240, 100)
    canvas.hover(position=place)
    expect(page.locator("#stage .card")).to_contain_text("posed #6")
    expect(objects(page).filter(has_text="posed")).to_have_class(re.compile("hovered"))
    canvas.click(position=place)
    details = page.get_by_role("region", name="The selected object")
    expect(details.get_by_role("heading")).to_have_text("posed #6")
    for text in ("object_id", "rect_params", "240.0, 80.0, 90 %", "[[0,1], [0,2]]"):
        expect(details).to_contain_text(text)
    canvas.click(position=place_on(canvas, 180, 80))
    expect(details.get_by_role("heading")).to_have_text("masked #5")
    expect(details).to_contain_text("50 %")  # covered
    page.keyboard.press("Escape")
    expect(details).to_be_hidden()

    page.keyboard.press("n")
    expect(details.get_by_role("heading")).to_have_text("large")
    page.get_by_role("listbox", name="Objects of the shown frame").press("ArrowDown")
    expect(details.get_by_role("heading")).to_have_text("masked #5")


def test_a_class_can_be_left_out(shown):
    page = shown(STILL)
    page.keyboard.press(" ")
    expect(objects(page)).to_have_count(4)
    chip = page.get_by_role("group", name="Classes that are shown").get_by_role("button", name="large")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    expect(objects(page)).to_have_count(3)
    expect(page.locator("#objects .count")).to_have_text("3 of 4 objects")
    drawn = np.asarray(Image.open(saved(page, "Picture with boxes")[0]).convert("RGB"))
    assert drawn[150, 130:150].max() < 10  # its left side


def test_one_class_alone(shown):
    page = shown(STILL)
    chips = page.get_by_role("group", name="Classes that are shown").get_by_role("button")
    expect(chips).to_have_count(4)
    chips.filter(has_text="posed").click(modifiers=["Alt"])
    expect(objects(page).locator(".label")).to_have_text(["posed"])
    page.reload()
    expect(objects(page).locator(".label")).to_have_text(["posed"])  # it is remembered
    chips.filter(has_text="posed").click(modifiers=["Alt"])
    expect(objects(page)).to_have_count(4)


def test_hostile_labels_stay_text(shown, complaints):
    page = shown(HOSTILE)
    label = '<img src=x onerror="document.title=1">'
    expect(objects(page).locator(".label")).to_have_text(label)
    expect(page.locator("#stage .facts")).to_contain_text(label)
    page.locator("#stage canvas").hover(position={"x": 10, "y": 10})
    page.keyboard.press("n")
    details = page.get_by_role("region", name="The selected object")
    expect(details).to_contain_text("</script><script>")
    for panel in ("2", "3", "4", "1"):
        page.keyboard.press(panel)
    assert page.locator("#side img, #view img").count() == 0
    assert page.locator("script").count() == 2
    assert page.title() == "stream - empycustom studio"
    path, _ = saved(page, "Picture with boxes")
    assert path.stat().st_size > 0


def test_one_can_stop_step_back_and_go_on(shown):
    page = shown(MOVES)
    wait_for(lambda: int(page.get_by_role("slider", name="Last frames").get_attribute("aria-valuemax")) > 8, "some frames")
    pictures = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: isinstance(data, bytes) and pictures.append(1)))
    page.reload()
    wait_for(lambda: number(page) and len(pictures) > 10, "pictures")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Stopped")
    expect(frame_text(page)).to_contain_text("No new pictures are asked for")
    kept = page.get_by_role("slider", name="Last frames").get_attribute("aria-valuemax")
    stopped_at = number(page)
    seen = [(stopped_at, page.locator("#stage .facts").text_content())]
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
        expect(frame_text(page)).not_to_contain_text(f"Frame {seen[-1][0]} ")
        wait_for(lambda: page.locator("#stage .facts").text_content() != seen[-1][1], "the attributes of that frame")
        seen.append((number(page), page.locator("#stage .facts").text_content()))
    numbers = [each for each, _ in seen]
    assert numbers == sorted(set(numbers), reverse=True)
    places = [(20 + (each + 1) * 7 % 200) for each in numbers]  # documents count frames from 0, the library its calls from 1
    assert [int(re.search(r"\d+", facts)[0]) for _, facts in seen] == places

    # At most one picture was on its way when it was stopped; the page was asked often since then.
    asked = len(pictures)
    page.keyboard.press("Home")
    expect(page.get_by_role("slider", name="Last frames")).to_have_attribute("aria-valuenow", "1")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("slider", name="Last frames")).to_have_attribute("aria-valuenow", "2")
    assert page.get_by_role("slider", name="Last frames").get_attribute("aria-valuemax") == kept
    assert len(pictures) == asked
    page.keyboard.press("End")
    expect(page.locator("#status")).to_have_text("Live")
    wait_for(lambda: number(page) > stopped_at, "a newer frame")


def test_a_hidden_page_asks_for_no_pictures(shown):
    page = shown(MOVES)
    page.evaluate(
        """() => {
            Object.defineProperty(document, "visibilityState", {value: "hidden", configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    last = wait_until_still(page)
    program_frames = page.locator("#status").get_attribute("title")
    wait_for(lambda: page.locator("#status").get_attribute("title") != program_frames, "that the stream goes on")
    assert number(page) == last
    page.evaluate(
        """() => {
            delete document.visibilityState;
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    wait_for(lambda: number(page) > last, "a newer frame")


def wait_until_still(page):
    """Wait until a state has come after which no picture did; return the number of the last one."""
    while True:
        last, state = number(page), page.locator("#status").get_attribute("title")
        wait_for(lambda state=state: page.locator("#status").get_attribute("title") != state, "another state")
        if number(page) == last:
            return last


def test_at_most_150_frames_are_kept(shown):
    page = shown(MOVES)
    slider = page.get_by_role("slider", name="Last frames")
    expect(slider).to_have_attribute("aria-valuemax", "150")
    newest = number(page)
    wait_for(lambda: number(page) > newest + 10, "further frames")
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "1")
    assert slider.get_attribute("aria-valuemax") == "150"
    assert number(page) > 10


def test_of_large_pictures_fewer_are_kept(studio, page, library, tmp_path):
    pipeline = {
        "input": {"width": 1920, "height": 1080},
        "empycustom": {"custom-lib": str(library(NOISE)), "in-place": True, "format": "RGBA"},
    }
    streams = [{"stream_id": "one", "location": "test"}]
    path = tmp_path / "emi_stream_config.json"
    path.write_text(json.dumps({"application_name": "large", "pipeline_configuration": pipeline, "streams": streams}))
    sizes = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: isinstance(data, bytes) and sizes.append(len(data)))
    )
    page.goto(studio(path).url)
    slider = page.get_by_role("slider", name="Last frames")
    wait_for(lambda: slider.is_visible() and sum(sizes) > 60 * 2**20, "60 MB of pictures", 120)
    page.keyboard.press(" ")
    expect(page.locator("#status")).to_have_text("Stopped")
    kept = int(slider.get_attribute("aria-valuemax"))
    assert kept < len(sizes)
    assert 40 * 2**20 < sum(sizes[-kept:]) < 50 * 2**20


def test_it_comes_back_when_the_program_was_killed_and_started(studio, page, library, complaints):
    program = studio("test", "--lib", library(MOVES))
    page.goto(program.url)
    expect(page.locator("#status")).to_have_text("Live")
    wait_for(lambda: number(page) > 5, "some frames")
    complaints.allow(*SERVER_IS_LOST)
    program.kill()
    banner = page.get_by_role("alert").filter(has_text="The connection to the program is lost")
    expect(banner).to_be_visible()
    expect(page.locator("#status")).to_have_text("Not connected")
    page.keyboard.press(" ")  # what is kept can be looked at meanwhile
    page.keyboard.press("ArrowLeft")
    said = heard(page, "#toasts")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("menuitem", name="Last seconds").click()
    said("No video was saved: the program does not answer.")

    program.restart()
    expect(banner).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Live")
    said("The program was started again")
    wait_for(lambda: number(page) > 5, "frames of the new program")


def test_the_last_seconds_are_saved(shown):
    page = shown(MOVES)
    wait_for(lambda: number(page) > 10, "some frames")
    path, name = saved(page, "Last seconds")
    assert re.fullmatch(r"stream-\d{8}-\d{6}\.(mp4|webm|mkv)", name)
    assert path.stat().st_size > 1000


def test_an_error_of_a_library_is_told_below_the_picture(shown):
    page = shown(FAILS_ONCE)
    alarm = page.get_by_role("alert").filter(has_text="ZeroDivisionError")
    expect(alarm).to_contain_text("lib.py:6")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("tab", name="Libraries")).to_have_attribute("aria-selected", "true")


def test_several_streams_and_one_that_does_not_come(studio, page, library, tmp_path):
    pipeline = {"empycustom": {"custom-lib": str(library(MOVES)), "in-place": True, "format": "RGBA"}}
    streams = [{"stream_id": "gate", "location": "test"}, {"stream_id": "roof", "location": "rtsp://127.0.0.1:9/none"}]
    path = tmp_path / "emi_stream_config.json"
    path.write_text(json.dumps({"application_name": "two", "pipeline_configuration": pipeline, "streams": streams}))
    page.goto(studio(path).url)
    expect(frame_text(page)).to_contain_text("Frame")
    tabs = page.get_by_role("tablist", name="Streams")
    expect(tabs.get_by_role("tab")).to_have_text(["gate", "roof"])
    tabs.get_by_role("tab", name="roof").click()
    cover = page.locator("#stage .cover")
    expect(cover).to_contain_text(re.compile("Reconnecting|Starting|Waiting"))
    expect(objects(page)).to_have_count(0)
    tabs.get_by_role("tab", name="roof").press("ArrowLeft")
    expect(frame_text(page)).to_contain_text("Frame")
    expect(objects(page)).to_have_count(1)
    expect(cover).to_be_hidden()


def luminance(page):
    return page.evaluate(
        "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => +a + +b, 0)"
    )


def test_light_and_dark(shown, new_page):
    page = shown(STILL, new_page(color_scheme="dark"))
    assert luminance(page) < 200
    page.emulate_media(color_scheme="light")
    wait_for(lambda: luminance(page) > 600, "the light page")
    page.get_by_role("button", name="Light or dark").click()
    wait_for(lambda: luminance(page) < 200, "the dark page")
    page.reload()
    expect(frame_text(page)).to_contain_text("Frame")
    assert luminance(page) < 200  # it is remembered


def test_a_phone(shown, new_page):
    page = shown(STILL, new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2))
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    canvas = page.locator("#stage canvas")
    assert canvas.bounding_box()["width"] == 390
    assert page.get_by_role("button", name="Light or dark").bounding_box()["x"] > 330  # at the right
    canvas.tap(position=place_on(canvas, 240, 100))
    expect(page.get_by_role("region", name="The selected object").get_by_role("heading")).to_have_text("posed #6")
    for name in ("Document", "Plots", "Libraries", "Objects"):
        page.get_by_role("tab", name=name).tap()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name


def test_keys_are_shown_and_zoom_keeps_boxes_on_their_objects(shown, complaints):
    complaints.allow("getImageData")  # which this test uses, not the page
    page = shown(MOVES)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press(" ")
    page.keyboard.press("l")
    page.keyboard.press("+")
    expect(page.locator("#stage .percent")).to_have_text("150 %")
    colour = colour_of(page, objects(page).first)
    row, _, _, _ = pixels(page, 0.5)
    edges, white = near(row, colour), near(row, np.array([255, 255, 255]))
    if len(white):  # the object is in the part that is shown
        assert np.abs(edges - white.min()).min() <= 4
    page.keyboard.press("0")
    expect(page.locator("#stage .percent")).to_have_text("100 %")


def test_the_wheel_and_two_fingers_zoom_where_they_are(shown, new_page):
    page = shown(STILL, new_page(viewport={"width": 1280, "height": 800}, has_touch=True))
    page.keyboard.press(" ")
    canvas = page.locator("#stage canvas")
    box, place = canvas.bounding_box(), place_on(canvas, 240, 100)
    page.mouse.move(box["x"] + place["x"], box["y"] + place["y"])
    page.mouse.wheel(0, -500)
    expect(page.locator("#stage .percent")).not_to_have_text("100 %")
    page.mouse.click(box["x"] + place["x"], box["y"] + place["y"])  # the same point of the frame is there
    expect(page.get_by_role("region", name="The selected object").get_by_role("heading")).to_have_text("posed #6")
    page.keyboard.press("0")
    expect(page.locator("#stage .percent")).to_have_text("100 %")

    session = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, reach in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80)):
        points = [{"x": x - reach, "y": y, "id": 0}, {"x": x + reach, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#stage .percent")).to_have_text("200 %")


def test_the_panels_become_wider_and_stay_so(shown):
    page = shown(STILL)
    divider = page.get_by_role("separator", name="Width of the panels")
    before = int(divider.get_attribute("aria-valuenow"))
    divider.press("ArrowLeft")
    expect(divider).to_have_attribute("aria-valuenow", str(before + 24))
    box = divider.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] - 96, box["y"] + 100)
    page.mouse.up()
    wait_for(lambda: int(divider.get_attribute("aria-valuenow")) > before + 100, "wider panels")
    wide = divider.get_attribute("aria-valuenow")
    page.reload()
    expect(divider).to_have_attribute("aria-valuenow", wide)


NAMED = {
    "button",
    "tab",
    "textbox",
    "combobox",
    "slider",
    "searchbox",
    "checkbox",
    "spinbutton",
    "listbox",
    "menuitem",
    "separator",
    "tree",
}


def test_every_control_has_a_name(shown):
    page = shown(MOVES)
    page.keyboard.press("n")
    session = page.context.new_cdp_session(page)
    checked = set()
    for panel in "1234":
        page.keyboard.press(panel)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        for node in nodes:
            role = node.get("role", {}).get("value")
            if role in NAMED and not node.get("ignored"):
                checked.add(role)
                assert node.get("name", {}).get("value"), node
    assert {"button", "tab", "slider", "listbox"} <= checked


def test_a_page_without_the_token_says_what_to_do(studio, page, library, complaints):
    complaints.allow("401", "403", *SERVER_IS_LOST)
    program = studio("test", "--lib", library(STILL), "--host", "0.0.0.0")
    token = program.url.split("?")[1]
    page.goto(f"{program.base}/?{token}")
    expect(page.locator("#status")).to_have_text("Live")
    program.restart()  # with another token
    banner = page.get_by_role("alert").filter(has_text="Open the address with the token that the program printed")
    expect(banner).to_be_visible()
    page.goto(f"{program.base}/?{program.url.split('?')[1]}")
    expect(page.locator("#status")).to_have_text("Live")
    expect(banner).to_be_hidden()
