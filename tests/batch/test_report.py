"""The page of ``empycustom report``, as Chromium shows it."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys

import numpy as np
import pyarrow
import pytest
from batch_helpers import OBJECTS
from PIL import Image
from pyarrow import parquet

from empycustom.batch import Outcome, Task
from empycustom.batch.results import Results
from empycustom.batch.tables import AT_ONCE, schema
from empycustom.batch.values import FRAME_COLUMNS, OBJECT_COLUMNS

WIDTHS, SCHEMES = (360, 1280), ("light", "dark")


@pytest.fixture
def report(command, new_page):
    """Make the report of a folder, and return its page in the browser, which has asked nobody for anything."""

    def make(folder, *arguments, **options):
        ended = command("report", folder, *arguments)
        assert ended.returncode == 0, ended.stderr
        return opened(new_page(**options), folder / "report.html")

    return make


def opened(page, path):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.scripts.length") == 0
    return page


def tiles(page):
    return dict(zip(texts(page, ".tiles dt"), texts(page, ".tiles dd"), strict=True))


def texts(page, selector):
    return [text.rstrip() for text in page.locator(selector).all_inner_texts()]


def titles(page, selector):
    return [each for each in page.locator(f"{selector} title").all_text_contents() if not each.endswith(": 0")]


FAILS = """
def process_ip(buffer, in_meta, options):
    if in_meta["frame"][0]["source"].endswith("2.mkv") and in_meta["frame"][0]["frame_num"] == 3:
        raise ValueError("no third frame")
"""


def test_it_has_totals_plots_values_and_what_failed(batch, report, library, videos, tmp_path):
    folder, out = videos(3), tmp_path / "results"
    (folder / "broken.mkv").write_bytes(b"no video")
    ended = batch(folder, "--lib", library(OBJECTS), "--lib", library(FAILS, "fails.py"), "--out", out)
    assert ended.returncode == 1
    page = report(out)
    assert page.title() == "results: report"
    shown = tiles(page)
    assert [shown[name] for name in ("videos done", "videos failed", "frames", "objects", "of video")] == [
        "2",
        "2",
        "20",
        "18",
        "2.0 s",
    ]
    assert texts(page, "#objects-by-class tr") == ["ball\t18"]
    one, all_at_once = page.locator("#objects-over-time .chart").all()
    assert titles(one, ".hover")[0] == "0.mkv at 0:00.1: ball 0.5 a frame"
    assert titles(one, ".hover")[-1] == "1.mkv at 0:00.9: ball 1 a frame"
    assert titles(all_at_once, ".hover")[:2] == ["0:00: no objects", "0:00.2: ball 1 a frame"]
    assert texts(page, ".values h3") == ["even of frames", "number of frames", "confidence of objects", "score of objects"]
    even, number, confidence, score = page.locator(".values article").all()
    assert texts(even, "tr") == ["true\t10", "false\t10"]
    assert titles(number, ".bar") == [f"{n}: 2" for n in range(10)]
    assert texts(number, ".facts > div") == ["values\n20", "least\n0", "median\n4.5", "mean\n4.5", "most\n9"]
    assert "always 0.5" in confidence.inner_text()
    assert sum(int(title.rpartition(": ")[2]) for title in titles(score, ".bar")) == 18
    assert sorted(texts(page, "#slowest-videos tbody th")) == ["0.mkv", "1.mkv"]
    failed = page.locator(".failed").all()
    assert [texts(each, "h3") for each in failed] == [[str(folder / "2.mkv")], [str(folder / "broken.mkv")]]
    assert "process_ip raised ValueError: no third frame at frame 3" in failed[0].inner_text()
    trace = failed[0].locator("pre")
    assert not trace.is_visible()
    failed[0].locator("summary").click()
    assert trace.is_visible()
    assert 'raise ValueError("no third frame")' in trace.inner_text()
    assert "fails.py" in page.locator("#what-was-done").inner_text()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_readable_on_a_phone_and_in_the_dark(batch, report, library, videos, tmp_path, width, scheme):
    out = tmp_path / "results"
    long = "x" * 200
    text = OBJECTS.replace('"ball"', f'"{long}"').replace('"number"', f'"{long}"')
    assert batch(videos(2), "--lib", library(text), "--out", out).returncode == 0
    page = report(out, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    small = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => e.children.length == 0 && e.innerText && "
        "parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.outerHTML)"
    )
    assert small == []
    assert contrast(page, "main p", "section") > 4.5
    assert contrast(page, ".tiles dt", ".tiles > div") > 4.5
    assert (luminance(colours(page, "body")[1]) < 0.1) == (scheme == "dark")


def colours(page, selector):
    found = page.evaluate(
        "s => { const c = getComputedStyle(document.querySelector(s)); return [c.color, c.backgroundColor]; }", selector
    )
    return [[int(each) for each in re.findall(r"\d+", colour)[:3]] for colour in found]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (each / 255 for each in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page, text, ground):
    one, other = sorted((luminance(colours(page, text)[0]), luminance(colours(page, ground)[1])))
    return (other + 0.05) / (one + 0.05)


HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script><style>*{display:none}</style>&lt;'
EVIL = f"""
EVIL = {HOSTILE!r}
def process_ip(buffer, in_meta, options):
    found = {{"obj_label": EVIL, "confidence": 0.5, "rect_params": {{"left": 1, "top": 1, "width": 8, "height": 4}}}}
    if in_meta["frame"][0]["source"].endswith("1.mkv"):
        raise ValueError(EVIL)
    return {{"frame": [{{"meta": {{EVIL: 1 + in_meta["frame"][0]["frame_num"], "text": EVIL}}, "new_object": [found]}}]}}
"""


def test_hostile_texts_are_texts(batch, report, library, videos, tmp_path):
    folder, out = videos(2), tmp_path / "results"
    name = HOSTILE.replace("/", "\\")[:60] + "\n\u202e.mkv"
    (folder / "0.mkv").rename(folder / name)
    options = {"password": "hunter2", "evil": HOSTILE}
    batch(folder, "--lib", library(EVIL), "--options", json.dumps(options), "--out", out)
    page = report(out)
    page.wait_for_timeout(200)
    assert page.title() == "results: report"
    assert page.locator("img, script").count() == 0
    assert page.locator("style").count() == 1
    assert texts(page, "#objects-by-class th") == [HOSTILE]
    assert texts(page, ".values code") == [HOSTILE, "text", "confidence"]
    assert texts(page, ".values article:nth-child(2) th") == [HOSTILE]
    assert HOSTILE in page.locator(".failed p").inner_text()
    assert texts(page, "#slowest-videos tbody th") == [name.replace("\n", "\\n").replace("\u202e", "\\u202e")]
    assert "hunter2" not in page.content()
    assert "***" in page.locator("#what-was-done").inner_text()


def test_lines_have_the_same_report(batch, report, library, videos, tmp_path):
    folder, lib, shown = videos(2), library(OBJECTS), {}
    for kind in ("parquet", "jsonl"):
        assert batch(folder, "--lib", lib, "--out", tmp_path / kind, "--format", kind).returncode == 0
        page = report(tmp_path / kind)
        parts = page.locator("section:not(#slowest-videos, #totals)").all()
        shown[kind] = [part.inner_html() for part in parts], {**tiles(page), "of work": 0, "frames a second, each process": 0}
    assert len(shown["jsonl"][0]) == 5
    assert "data:image/jpeg" in shown["jsonl"][0][2]
    assert shown["jsonl"] == shown["parquet"]


@pytest.fixture
def grey(tmp_path):
    """A folder of pictures, each lighter than the one before, and a video of them."""
    folder = tmp_path / "grey"
    folder.mkdir()
    for number in range(10):
        Image.new("RGB", (64, 48), (20 * number,) * 3).save(folder / f"{number}.png")
    line = f"multifilesrc location={folder}/%d.png caps=image/png,framerate=10/1 ! pngdec ! videoconvert ! jpegenc ! matroskamux ! filesink location={tmp_path}/grey.mkv"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=60)
    return folder


CROWD = """
def process_ip(buffer, in_meta, options):
    number = in_meta["frame"][0]["frame_num"]
    box = {"left": 10, "top": 20, "width": 8, "height": 4}
    found = [{"obj_label": "ball", "confidence": 0.5, "rotation": 0.5, "rect_params": box}]
    return {"frame": [{"new_object": found * (3 if number == 7 else 1)}]}
"""


def test_the_frames_with_most_objects_are_shown_with_boxes(batch, report, library, grey, tmp_path):
    out = tmp_path / "results"
    assert batch(grey, tmp_path / "grey.mkv", "--lib", library(CROWD), "--out", out).returncode == 0
    page = report(out)
    assert sorted(texts(page, "figcaption p")) == ["grey, frame 7", "grey.mkv, 0:00.7"]
    assert texts(page, "figcaption li") == ["ball 3", "ball 3"]
    for picture in page.locator("figure svg").all():
        jpeg = base64.b64decode(picture.locator("image").get_attribute("href").removeprefix("data:image/jpeg;base64,"))
        image = Image.open(io.BytesIO(jpeg))
        assert image.size == (64, 48)
        assert np.asarray(image).mean() == pytest.approx(140, abs=3)
        assert picture.get_attribute("viewBox") == "0 0 64 48"
        box = picture.locator("rect").first
        assert [box.get_attribute(name) for name in ("x", "y", "width", "height")] == ["10", "20", "8", "4"]
        assert box.get_attribute("transform") == "rotate(28.65 14 22)"
        assert box.locator("title").text_content() == "ball 50%"


def test_frames_that_cannot_be_shown_say_why(batch, report, library, grey, tmp_path):
    out, video = tmp_path / "results", tmp_path / "grey.mkv"
    assert batch(grey, video, "--lib", library(CROWD), "--out", out).returncode == 0
    video.unlink()
    for file in grey.iterdir():
        Image.open(file).resize((64, 64)).save(file)
    missing = texts(report(out), ".missing")
    assert sorted(missing) == ["The video is 64x64, and the frame was 64x48.", "The video is not there any more."]
    video.write_bytes(b"no video")
    (grey / "9.png").unlink()
    for number in range(3):
        (grey / f"{number}.png").unlink()
    missing = texts(report(out), ".missing")
    assert "The folder has other files now." in missing
    assert any("grey.mkv" in each for each in missing)
    assert texts(report(out, "--pictures", "0"), "figure") == []


def rows_of(folder, objects):
    """Make a data set of one video, with so many objects, ten on a frame."""
    results = Results(folder, {"libraries": [], "lines": False, "format": None}, lines=False)
    task = Task("/gone/video.mkv", "video", "/gone/video.mkv")
    numbers = np.arange(objects)
    frames, area = numbers[: objects // 10], np.random.default_rng(1).normal(100, 5, objects)
    labels = pyarrow.array(["person", "car"]).take(pyarrow.array(numbers % 2))
    tables = {
        "frames": (
            {
                "frame_num": frames,
                "time": frames / 25,
                **{key: np.full(len(frames), 10, np.int32) for key in ("width", "height", "objects")},
            },
            FRAME_COLUMNS,
            {},
        ),
        "objects": (
            {"frame_num": numbers // 10, "time": numbers // 10 / 25, "label": labels, "area": area},
            OBJECT_COLUMNS,
            {"area": "double"},
        ),
    }
    files = {}
    for name, (columns, fixed, own) in tables.items():
        wanted, count = schema(fixed, own), len(next(iter(columns.values())))
        columns = {**{field.name: pyarrow.nulls(count, field.type) for field in wanted}, **columns}
        files[name] = folder / name / ".video.parquet.tmp"
        parquet.write_table(pyarrow.table(columns, schema=wanted), files[name], row_group_size=AT_ONCE)
    outcome = Outcome(task, frames=len(frames), objects=objects, duration_ns=int(frames[-1]) * 40_000_000, seconds=60.0)
    outcome.files, outcome.columns = files, {"objects": {"area": "double"}}
    results.take(outcome)
    results.commit()
    results.close()


PEAK = """
import sys
from empycustom.app.main import main
main(["report", sys.argv[1]])
print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")])
"""


def test_a_million_rows_take_no_more_memory(report, env_with, tmp_path):
    peaks = []
    for folder, objects in ((tmp_path / "few", 200_000), (tmp_path / "many", 1_000_000)):
        rows_of(folder, objects)
        ended = subprocess.run(
            [sys.executable, "-c", PEAK, folder], env=env_with(), capture_output=True, text=True, timeout=300, check=True
        )
        peaks.append(int(ended.stdout.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 20, peaks  # MiB; the columns that are read have more than 30
    page = report(tmp_path / "many")
    assert tiles(page)["objects"] == "1,000,000"
    assert texts(page, "#objects-by-class tr") == ["person\t500,000", "car\t500,000"]
    (area,) = page.locator(".values article").all()
    assert "of 20,000 values that were drawn by chance" in area.inner_text()
    facts = dict(each.split("\n") for each in texts(area, ".facts > div"))
    assert facts["values"] == "1,000,000"
    assert float(facts["median"].removeprefix("≈ ")) == pytest.approx(100, abs=0.3)
    assert float(facts["mean"]) == pytest.approx(100, abs=0.1)
    assert "The video is not there any more." in texts(page, ".missing")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "has no results of `empycustom batch`; give the folder that was its --out."),
        ("notes.txt", "has files, but no batch.json: they are not results of `empycustom batch`; give another folder."),
    ],
)
def test_a_folder_without_results_is_refused(command, tmp_path, made, message):
    folder = tmp_path / "folder"
    folder.mkdir()
    if made:
        (folder / made).touch()
    ended = command("report", folder)
    assert ended.returncode == 1
    assert ended.stderr == f"empycustom: error: {folder} {message}\n"
    assert [file.name for file in folder.iterdir()] == ([made] if made else [])
    assert "is a folder; name a file in it." in command("report", folder, "--out", tmp_path).stderr


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(batch, command, library, videos, tmp_path):
    folder, lib, out = videos(1), library(OBJECTS), tmp_path / "results"
    assert batch(folder, "--lib", lib, "--out", out).returncode == 0
    (file,) = (out / "objects").iterdir()
    file.write_bytes(file.read_bytes()[:-50])
    ended = command("report", out)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"empycustom: error: {file} cannot be read (")
    assert not (out / "report.html").exists()
    assert [each for each in out.iterdir() if each.name.startswith(".report")] == []
    file.unlink()  # as the message says
    assert batch(folder, "--lib", lib, "--out", out).returncode == 0
    assert command("report", out, "--out", "page.html").stdout == "page.html is written: 1 video\n"
    assert (tmp_path / "page.html").stat().st_size > 5000


def test_a_page_that_cannot_be_written_is_named(batch, command, library, videos, tmp_path):
    out, page = tmp_path / "results", tmp_path / "nowhere" / "page.html"
    assert batch(videos(1), "--lib", library(OBJECTS), "--out", out).returncode == 0
    ended = command("report", out, "--out", page)
    said = f"{page} cannot be written (No such file or directory); name another file: --out FILE."
    assert (ended.returncode, ended.stderr) == (1, f"empycustom: error: {said}\n")


def test_a_chart_has_no_holes_where_videos_of_one_rate_lie_over_each_other(batch, report, library, videos, tmp_path):
    """Many short videos have more frames than there are times of frames."""
    assert batch(videos(12), "--lib", library(OBJECTS), "--out", tmp_path / "results").returncode == 0
    shown = titles(report(tmp_path / "results"), "svg .hover")
    assert shown
    assert [each for each in shown if each.endswith("no frames")] == []
