"""Values of the documents over time: lines that are chosen, their values, gaps, and what is saved."""

import csv
import io
import itertools
import re

import pytest
from panels import expect, frame_shown, go_on, open_page, row, settle, stop
from PIL import Image
from program import wait_for

# All that is said of a frame follows from its number; two tracked objects change their places from frame to frame.
SAYING = """
def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    said = {"twice": 2 * number, "odd": bool(number % 2)}
    if number % 3:
        said["not every third"] = number / 4
    rect = {"left": 8, "top": 4, "width": 16, "height": 20}
    found = [{"obj_label": "person", "object_id": track, "confidence": track / 100, "rect_params": rect} for track in (41, 52)]
    return {"frame": [{"meta": said, "new_object": found[:: 1 if number % 2 else -1]}]}
"""


@pytest.fixture
def plots(studio, library, page):
    """The panel with the plots of a stream that plays."""
    return open_page(page, studio("test", "--lib", library(SAYING)), "plots")


def add(plots, path):
    plots.get_by_label("Path of a number to draw").fill(path)
    plots.get_by_role("button", name="Add").click()


def stop_later(page, plots, more=10):
    """Stop when there are some frames more."""

    def frames():
        return int(plots.locator(".about").text_content().split()[0].replace(",", ""))

    wanted = frames() + more
    wait_for(lambda: frames() >= wanted, f"{more} frames more")
    stop(page)


def number_shown(page):
    """The number of the frame that is shown, from its document."""
    page.locator("#tab-document").click()
    settle(page)
    number = frame_shown(page)
    page.locator("#tab-plots").click()
    return number


def legend(plots):
    """What the lines are, and the value of each at the shown frame."""
    names = plots.locator(".legend code").evaluate_all("all => all.map(each => each.title)")
    return dict(zip(names, plots.locator(".legend .value").all_text_contents(), strict=True))


def saved(page, plots, button):
    with page.expect_download() as download:
        plots.get_by_role("button", name=button, exact=True).click()
    return download.value


def table(page, plots):
    """The rows of the saved table, and the numbers of its frames."""
    text = saved(page, plots, "CSV").path().read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    return rows, [int(each["frame_num"]) for each in rows]


def test_numbers_of_the_tree_become_lines_and_the_table_is_what_the_documents_say(plots, page):
    page.locator("#tab-document").click()
    row(page, "twice").locator(".number").click()
    expect(plots.locator("canvas")).to_have_count(1)
    for path in ("emcustom.odd", 'frame[0].emcustom["not every third"]', "frame[0].object.length"):
        add(plots, path)
    expect(plots.locator("figure")).to_have_count(4)  # other names, other scales
    stop_later(page, plots)

    number = number_shown(page)
    shown = legend(plots)
    assert shown["frame[0].emcustom.twice"] == str(2 * number)
    assert shown["frame[0].object.length"] == "2"
    rows, numbers = table(page, plots)
    assert numbers[-1] == number
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 10
    assert [each["frame[0].emcustom.twice"] for each in rows] == [str(2 * each) for each in numbers]
    assert [each["frame[0].emcustom.odd"] for each in rows] == [str(each % 2) for each in numbers]
    quarters = [f"{each / 4:g}" if each % 3 else "" for each in numbers]  # a gap where there is none
    assert [each['frame[0].emcustom["not every third"]'] for each in rows] == quarters
    assert {each["frame[0].object.length"] for each in rows} == {"2"}
    times = [int(each["stream_time"]) for each in rows]
    assert times == sorted(set(times))


def test_a_line_stays_with_the_object_that_a_tracker_follows(plots, page):
    page.locator("#tab-document").click()
    stop(page)
    settle(page)
    row(page, "0", 5).click()
    row(page, "confidence", 6).locator(".number").click()
    add(plots, "frame[0].object[0].confidence")
    go_on(page)
    stop_later(page, plots)
    rows, numbers = table(page, plots)
    (followed,) = [name for name in rows[0] if "object_id" in name]
    assert followed in ("frame[0].object[object_id=41].confidence", "frame[0].object[object_id=52].confidence")
    assert {each[followed] for each in rows} == {"0.41" if "41" in followed else "0.52"}
    first = ["0.41" if number % 2 else "0.52" for number in numbers]
    assert [each["frame[0].object[0].confidence"] for each in rows] == first
    expect(plots.locator("figure")).to_have_count(1)  # the same name, the same scale


def test_what_is_no_path_or_too_much_is_refused_and_lines_can_be_removed(plots, page):
    add(plots, "frame[0")
    expect(plots.get_by_role("alert")).to_have_text(
        "A path looks like frame[0].object[0].confidence; “[0” does not go on like that."
    )
    add(plots, "frame[0].emcustom.nothing")
    expect(plots.get_by_role("alert")).to_contain_text("There is nothing at frame[0].emcustom.nothing on this frame")
    expect(plots.locator(".legend .value")).to_have_text("\N{EN DASH}")
    plots.get_by_role("button", name="Remove frame[0].emcustom.nothing").click()
    expect(plots.locator("figure")).to_have_count(0)
    expect(plots.locator(".empty")).to_be_visible()
    expect(plots.get_by_label("Path of a number to draw")).to_be_focused()

    for index in range(8):
        add(plots, f"frame[0].object[{index}].confidence")
    expect(plots.locator(".legend li")).to_have_count(8)
    colours = plots.locator(".legend .colour").evaluate_all("all => all.map(each => each.style.background)")
    assert len(set(colours)) == 8
    add(plots, "frame[0].frame_num")
    expect(plots.get_by_role("alert")).to_have_text("8 lines are shown at most; remove one first.")
    add(plots, "frame[0].object[3].confidence")  # it is there already
    expect(plots.locator(".legend li")).to_have_count(8)


def test_the_plot_stands_still_with_the_strip_and_a_click_shows_the_frame(plots, page):
    add(plots, "frame[0].emcustom.twice")
    stop_later(page, plots)
    before = plots.locator(".canvas").get_attribute("aria-label")
    number = number_shown(page)
    assert before.endswith(f"last {2 * number}")
    plots.locator(".u-over").click(position={"x": 100, "y": 50})  # an earlier frame
    page.mouse.move(0, 0)  # away from the plot, whose values were those below the mouse
    expect(plots.locator(".legend .value")).not_to_have_text(str(2 * number))
    earlier = number_shown(page)
    assert earlier < number
    assert legend(plots) == {"frame[0].emcustom.twice": str(2 * earlier)}
    assert plots.locator(".canvas").get_attribute("aria-label") == before


def test_a_part_of_the_time_can_be_chosen_with_the_mouse(plots, page):
    add(plots, "frame[0].emcustom.twice")
    add(plots, "frame[0].emcustom.odd")
    stop_later(page, plots, more=40)  # of 30 a second: a plot is at least a second wide, so that the lines reach from end to end
    box = plots.locator(".u-over").last.bounding_box()
    number = number_shown(page)

    def drag(first, last):
        page.mouse.move(box["x"] + box["width"] * first, box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * last, box["y"] + 30, steps=4)
        page.mouse.up()

    def numbers():
        """The least and the greatest number of a frame that is drawn."""
        found = re.search(r"twice: from (\d+) to (\d+)", plots.locator(".canvas").first.get_attribute("aria-label"))
        return [int(each) // 2 for each in found.groups()]

    first, last = numbers()
    assert last == number
    drag(0.25, 0.75)
    expect(plots.get_by_role("button", name="Follow")).to_be_visible()
    chosen = numbers()
    assert abs(chosen[0] - (first + (last - first) / 4)) <= 2 + (last - first) / 20
    assert abs(chosen[1] - (last - (last - first) / 4)) <= 2 + (last - first) / 20
    plots.locator(".u-over").first.dblclick()
    expect(plots.get_by_role("button", name="Follow")).to_be_hidden()
    assert numbers() == [first, last]
    drag(0.5, 0.75)
    plots.get_by_role("button", name="Follow").click()
    assert numbers() == [first, last]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_has_the_lines_in_the_colours_of_the_page(studio, library, new_page, scheme):
    page = new_page(color_scheme=scheme)
    plots = open_page(page, studio("test", "--lib", library(SAYING)), "plots")
    add(plots, "frame[0].emcustom.twice")
    stop_later(page, plots)
    picture = Image.open(saved(page, plots, "PNG").path()).convert("RGB")
    colours = {colour: count for count, colour in picture.getcolors(2**24)}
    blue = (0x2F, 0x80, 0xED)
    assert colours[blue] > 50
    background = max(colours, key=colours.get)
    assert (sum(background) > 600) == (scheme == "light")
    assert picture.height > 132


def test_samples_are_bounded_and_go_on_where_a_file_begins_anew(studio, library, page):
    """The module itself, in the browser: more frames than a test can wait for."""
    open_page(page, studio("test", "--lib", library(SAYING)), "plots")
    found = page.evaluate(
        """async () => {
            const { Samples } = await import("/static/samples.js");
            const samples = new Samples();
            const line = samples.add(["frame", 0, "frame_num"], []);
            for (let number = 0; number < 20000; number++) {
                const frame = { frame_num: number, stream_time: (number % 300) * 40_000_000 };
                samples.take({ number, at: 0, document: { frame: [frame] } });
            }
            samples.take({ number: 20000, at: 0, document: { frame: [{ frame_num: 20000, stream_time: 60e9 }] } });
            return { times: samples.times, values: line.values, starts: samples.beginnings.map(({ at, offset }) => at - offset), csv: samples.csv() };
        }"""
    )
    times, values = found["times"], found["values"]
    assert 4000 <= len(times) == len(values) < 4500
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert values[-3:] == [19999, None, 20000]  # nothing came for a while: the line is interrupted
    assert set(found["starts"]) == {0}
    assert all(
        values[index + 1] is None for index, value in enumerate(values) if value and value % 300 == 299
    )  # nor to a beginning
    rows = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [each["frame_num"] for each in rows] == [str(value) for value in values if value is not None]
    assert rows[-2] == {"frame_num": "19999", "stream_time": str(199 * 40_000_000), "frame[0].frame_num": "19999"}
