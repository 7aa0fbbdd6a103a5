"""Pictures of a session: each with the document of its own frame, of files again and again, smaller where they are large."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from program import RAISES_ONCE, TIMEOUT_S

BITS = 12
# Each frame has its number in its pixels, as black and white squares, and in its document.
NUMBERED = f"""
import empycustom, time

state = {{"n": 0, "starts": 0}}

def start(options):
    state["starts"] += 1

def process_ip(buffer, meta, options):
    time.sleep(options.get("sleep", 0))
    state["n"] += 1
    with empycustom.map_frame(buffer, meta, writable=True) as frame:
        frame.pixels[:32, :, :3] = 0
        for bit in range({BITS}):
            frame.pixels[:32, 20 * bit : 20 * bit + 20, :3] = 255 * (state["n"] >> bit & 1)
    return {{"frame": dict(state)}}
"""


def picture(frame):
    return Image.open(io.BytesIO(frame.jpeg))


def number_in(frame):
    gray = np.asarray(picture(frame).convert("L"))
    return sum(int(gray[16, 20 * bit + 10] > 127) << bit for bit in range(BITS))


def said(frame):
    return frame.header["document"]["frame"][0]["emcustom"]


@pytest.fixture
def numbered(tmp_path):
    path = tmp_path / "numbered.py"
    path.write_text(NUMBERED)
    return path


@pytest.fixture
def video(tmp_path):
    """A video of 20 frames."""
    made = "videotestsrc num-buffers=20 ! video/x-raw,width=320,height=240,framerate=30/1 ! jpegenc ! avimux ! filesink location"
    subprocess.run(f"gst-launch-1.0 -q {made}={tmp_path / 'short.avi'}", shell=True, check=True, timeout=60)
    return tmp_path / "short.avi"


def beginnings(frames):
    """Return how often the video began anew."""
    times = [frame.header["document"]["frame"][0]["stream_time"] for frame in frames]
    return sum(later < earlier for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("options", [{}, {"sleep": 0.06}], ids=["quick", "slower than the video"])
def test_a_picture_and_its_document_are_of_one_frame(studio, client, numbered, options):
    page = client(studio("test", "--lib", numbered, "--options", json.dumps(options)))
    page.watch()
    frames = [page.frame() for _ in range(30)]

    assert [number_in(frame) for frame in frames] == [said(frame)["n"] for frame in frames]
    numbers = [said(frame)["n"] for frame in frames]
    assert numbers == sorted(set(numbers))
    assert {(frame.header["width"], frame.header["height"]) for frame in frames} == {picture(frames[0]).size}


def test_files_are_played_again_and_again_and_libraries_start_once(studio, client, numbered, video):
    page = client(studio(video, "--lib", numbered))
    page.watch()
    frames = [page.frame()]
    while beginnings(frames) < 3:
        assert said(frames[-1])["n"] < 2000, "it begins anew every 20 frames"
        frames.append(page.frame())

    assert {said(frame)["starts"] for frame in frames} == {1}
    assert [number_in(frame) for frame in frames] == [said(frame)["n"] for frame in frames]
    assert page.stream()["problems"] == []


def test_a_file_that_cannot_be_played_is_left_out_of_the_next_rounds(studio, client, numbered, video, tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"RIFF" + bytes(2000))
    page = client(studio(video, "broken.avi", "--lib", numbered))
    page.watch()
    while said(page.frame())["n"] < 70:
        pass
    (problem,) = page.until_stream(lambda stream: stream["problems"], "the problem")["problems"]
    assert "broken.avi" in problem["text"]
    assert problem["kind"] == "error"


def test_files_of_which_none_can_be_played_are_waited_for(studio, client, numbered, tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"RIFF" + bytes(2000))
    page = client(studio("broken.avi", "--lib", numbered))
    stream = page.until_stream(lambda stream: stream["state"] == "waiting", "the end")
    assert "broken.avi" in stream["problems"][0]["text"]
    assert stream["text"] == "Save numbered.py, and it is played again."
    assert len(stream["problems"]) == 1


def configuration(tmp_path, library, **more):
    content = {
        "application_name": "large",
        "pipeline_configuration": {
            "input": {"width": 2400, "height": 1350},
            "empycustom": {"custom-lib": str(library), "in-place": True, "format": "RGBA"},
        },
        "streams": [{"stream_id": "one", "location": "test"}],
        **more,
    }
    path = tmp_path / "emi_stream_config.json"
    path.write_text(json.dumps(content))
    return path


def test_large_frames_are_shown_smaller_and_coordinates_stay(studio, client, numbered, tmp_path):
    page = client(studio(configuration(tmp_path, numbered)))
    page.watch()
    frame = page.frame()
    assert (frame.header["width"], frame.header["height"]) == (2400, 1350)
    assert picture(frame).size == (1920, 1080)


def test_nobody_gets_pictures_that_were_not_asked_for(studio, client, numbered):
    program = studio("test", "--lib", numbered)
    quiet, other = client(program), client(program)
    quiet.watch()
    other.watch()
    first = quiet.frame()
    for _ in range(20):
        other.frame()
    next_one = quiet.frame()  # the newest one, not one that waited
    assert next_one.number > first.number + 5


def test_an_option_of_the_configuration_changes_and_is_checked(studio, client, numbered, tmp_path):
    key = {"element": "empycustom", "property": "process-interval"}
    limited = {"key": key, "option_type": "gstreamer", "value_type": "number", "min-value": 1, "max-value": 10, "value": 1}
    page = client(studio(configuration(tmp_path, numbered, options=[limited])))
    (setting,) = page.until_stream(lambda stream: stream["settings"] and stream["frames"], "a session")["settings"]
    assert (setting["name"], setting["value"], setting["limits"]) == ("empycustom.process-interval", 1, [1, 10])

    def change(value):
        page.send(type="setting", id=value, stream="one", name=setting["name"], value=value)
        return page.until(lambda message: isinstance(message, dict) and message["type"] == "reply", "the reply")["error"]

    assert change(30) == (
        "--set one:empycustom.process-interval: 30 for the option empycustom.process-interval must be a number from 1 to 10 "
        "(declared at $.options[0])"
    )
    assert change(4) is None
    page.until_stream(
        lambda stream: stream["settings"][0]["value"] == 4 and stream["libraries"][0]["passed"] > 5, "frames that pass"
    )


def clip_of(program, stream):
    with urllib.request.urlopen(f"{program.base}/clip?stream={stream}", timeout=60) as answer:
        return answer.headers["Content-Disposition"], answer.read()


def refusal_of(program, stream):
    with pytest.raises(urllib.error.HTTPError) as caught:
        clip_of(program, stream)
    with caught.value as answer:
        return answer.code, answer.read().decode()


def test_the_last_seconds_are_a_video(studio, client, numbered, tmp_path):
    program = studio("test", "--lib", numbered)
    page = client(program)
    page.watch()
    times = []
    for _ in range(20):
        page.frame()
        times.append(time.monotonic())
    named, content = clip_of(program, "stream")
    name = named.partition("''")[2]
    assert named.startswith("attachment;")
    (tmp_path / name).write_bytes(content)
    counted = subprocess.run(
        f"gst-launch-1.0 filesrc location={tmp_path / name} ! decodebin ! videoconvert ! jpegenc ! multifilesink "
        f"location={tmp_path}/clip-%d.jpg",
        shell=True,
        timeout=60,
        capture_output=True,
    )
    assert counted.returncode == 0, counted.stderr
    made = list(tmp_path.glob("clip-*.jpg"))
    recent = [each for each in times if each > times[-1] - 5]  # what is older than ten seconds is not kept
    assert len(recent) - 2 <= len(made) <= 25
    assert {Image.open(io.BytesIO(path.read_bytes())).size for path in made} == {(640, 480)}


def test_a_clip_of_nothing_is_a_sentence(studio, numbered):
    program = studio("test", "--lib", numbered)
    assert refusal_of(program, "stream") == (409, "There are no pictures yet: frames are kept while somebody watches them.")
    assert refusal_of(program, "%0d%0aX:%201") == (404, r"There is no stream '\r\nX: 1'.")


def test_it_costs_no_picture_while_nobody_watches(studio, client, numbered):
    """The gate is closed again: no frame is kept, and none is encoded."""
    program = studio("test", "--lib", numbered, "--log-level", "debug")
    page = client(program)
    page.watch()
    page.frame()
    page.watch(None)
    frames = page.stream()["frames"]
    page.until_stream(lambda stream: stream["frames"] > frames + 60, "frames that nobody sees")
    page.watch()
    assert page.frame().number > frames + 60  # and not one from before


def test_a_video_of_an_earlier_session_is_not_overwritten(studio, client, video, tmp_path):
    broken, right = "def process_ip(b, m, o): return 1 / 0\n", "def process_ip(b, m, o): return {}\n"
    library = tmp_path / "fails.py"
    library.write_text(broken)
    program = studio(video, "--lib", library, "--on-error", "fail", "--save", "seen.avi", "--out", "seen.jsonl")
    page = client(program)
    page.until_stream(lambda stream: stream["state"] == "waiting", "the end of the first session")
    library.write_text(right)
    page.until_stream(lambda stream: stream["state"] == "playing" and stream["frames"] > 20, "the second session")
    assert page.stream()["libraries"][0]["problems"] == []
    program.interrupt()
    assert program.end() == 130
    assert (tmp_path / "seen-2.avi").stat().st_size > 1000
    assert len((tmp_path / "seen.jsonl").read_text().splitlines()) > 5


def test_what_is_for_run_alone_is_refused(studio):
    program = studio("emi_stream_config.json", "--set", "-", is_served=False)
    assert program.end() == 2
    assert "--set - is for `run`; here the page changes options while it plays" in program.err


def test_values_that_json_lacks_do_not_break_the_page(studio, client, tmp_path):
    library = tmp_path / "odd.py"
    library.write_text(
        "import empycustom\n"
        'OPTIONS = {"most": empycustom.Option(1.0, limits=(0, float("inf"))), "pair": empycustom.Option((1, 2))}\n'
        'def process_ip(b, m, o): return {"frame": {"n": 2**70, "odd": "\\ud800"}}\n'
    )
    page = client(studio("test", "--lib", library))
    page.until_stream(lambda stream: stream["frames"], "a frame")
    most, pair = page.stream()["libraries"][0]["declared"]
    assert (most["limits"], pair["default"]) == ([0, None], [1, 2])
    page.watch()
    assert said(page.frame())["n"] == 2**70


@pytest.mark.parametrize("settings", [(), ("--workers", "1")], ids=["in the streaming thread", "in a worker"])
def test_the_frame_that_caused_an_error_comes_also_to_a_client_that_takes_few(studio, client, tmp_path, settings):
    (tmp_path / "raises.py").write_text(RAISES_ONCE)
    page = client(studio("test", "--lib", "raises.py", *settings))
    page.watch()
    page.frame()
    (tmp_path / "raise").touch()
    numbers, problems, until = [], [], time.monotonic() + TIMEOUT_S
    while not problems or problems[0]["number"] not in numbers:
        assert time.monotonic() < until, (numbers, problems)
        time.sleep(0.4)  # in which about ten frames come
        numbers.append(page.frame().header["document"]["frame"][0]["frame_num"])
        problems = page.stream()["libraries"][0]["problems"]
    assert f"at frame {problems[0]['number']} (" in problems[0]["text"]
    assert numbers == sorted(set(numbers))


def test_a_call_that_does_not_return_is_shown_with_its_line(studio, client, tmp_path):
    library, flag = tmp_path / "hangs.py", tmp_path / "go"
    library.write_text(
        "import os, time\n"
        "def wait():\n"
        f"    while not os.path.exists({str(flag)!r}):\n"
        "        time.sleep(0.01)\n"
        "def process_ip(b, m, o):\n"
        "    if m['frame'][0]['frame_num'] == 5:\n"
        "        wait()\n"
    )
    page = client(studio("test", "--lib", library))
    stream = page.until_stream(lambda stream: stream["libraries"] and stream["libraries"][0]["problems"], "the problem")
    (problem,) = stream["libraries"][0]["problems"]
    assert f"{library}:{problem['line']}: process_ip has not returned for more than 2 s" in problem["text"]
    assert problem["line"] in (3, 4)
    assert "in process_ip" in problem["traceback"]
    assert "in wait" in problem["traceback"]
    flag.touch()
    page.until_stream(lambda stream: not stream["libraries"][0]["problems"] and stream["frames"] > 20, "frames that go on")


OPTIONAL = """
import empycustom

OPTIONS = {"least": empycustom.Option(1, limits=(0, 9))}

def process_ip(buffer, meta, options):
    if meta["frame"][0]["frame_num"] == options["least"]:
        raise ValueError("once")
    return {"frame": {"least": options["least"]}}
"""


def test_options_that_a_library_does_not_take_can_be_mended_on_the_page(studio, client, tmp_path):
    (tmp_path / "optional.py").write_text(OPTIONAL)
    page = client(studio("test", "--lib", "optional.py", "--options", '{"leest": 3}'))
    stream = page.until_stream(lambda stream: stream["state"] == "waiting", "the refusal")
    assert "there is no option leest" in stream["libraries"][0]["problems"][0]["text"]
    assert stream["text"] == "Save optional.py, and it is played again."
    assert page.set_options({"least": 0}) is None
    page.until_stream(lambda stream: stream["frames"] > 1, "frames")
    page.watch()
    page.frame()
    assert said(page.frame())["least"] == 0


def test_a_library_that_failed_once_fails_no_more(studio, client, tmp_path):
    (tmp_path / "optional.py").write_text(OPTIONAL)
    page = client(studio("test", "--lib", "optional.py"))
    failing = page.until_stream(
        lambda stream: stream["libraries"] and stream["libraries"][0]["state"] == "failing", "the failure"
    )
    assert failing["libraries"][0]["errors"] == 1
    (library,) = page.until_stream(lambda stream: stream["libraries"][0]["state"] == "running", "calls that succeed")["libraries"]
    assert library["failed_s"] >= 5
    assert "raised ValueError: once" in library["problems"][0]["text"]


def test_a_package_that_is_missing_is_named_with_what_installs_it(tmp_path):
    code = "import sys; sys.modules['uvicorn'] = None; from empycustom.app.main import main; sys.exit(main(['studio', 'test']))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == 'empycustom: error: studio needs uvicorn: pip install "empycustom[studio]"\n'


def test_options_that_are_not_json_are_shown_as_text(studio, client, tmp_path):
    (tmp_path / "odd.py").write_text(
        "import empycustom\n"
        'OPTIONS = {"keep": empycustom.Option({"keep": {1, 2}}), "seed": empycustom.Option(2**64),\n'
        '           "least": empycustom.Option(0.5, limits=(0, float("inf")))}\n'
        "def process_ip(b, m, o): return {}\n"
    )
    page = client(studio("test", "--lib", "odd.py"))
    page.until_stream(lambda stream: stream["frames"], "a frame")
    keep, seed, least = page.stream()["libraries"][0]["declared"]
    assert (seed["default"], least["limits"]) == (2**64, [0, None])
    assert isinstance(keep["default"]["keep"], str)
    assert page.set_options({"seed": 99999999999999999999, "least": 0.25}) is None
    assert page.set_options({"seed": "\ud800"}).endswith("must be a whole number, not '\\ud800'") or page.stream()
    page.until_stream(
        lambda stream: stream["libraries"][0]["options"] == {"seed": 99999999999999999999, "least": 0.25}, "the options"
    )


def test_frames_without_documents_are_not_shown(studio, client, numbered, tmp_path):
    """Also the first one after nobody watched: it has the document of no other frame."""
    name = configuration(tmp_path, numbered)
    content = json.loads(name.read_text())
    content["pipeline_configuration"] |= {"aimeta": {"signal-interval": 10}, "input": {}}
    name.write_text(json.dumps(content))
    page = client(studio(name))
    for _ in range(4):
        page.watch()
        frame = page.frame()
        assert number_in(frame) == said(frame)["n"]
        page.watch(None)
        frames = page.stream()["frames"]
        page.until_stream(lambda stream, frames=frames: stream["frames"] > frames + 65, "frames that nobody sees")


def test_a_configuration_that_is_replaced_and_names_another_stream_is_played(studio, client, new_page, tmp_path):
    library = tmp_path / "names.py"
    library.write_text("def process_ip(b, m, o):\n    return {'frame': {'n': 1}}\n")
    name = configuration(tmp_path, library)
    program = studio(name, "--frames", "10")
    page = new_page()
    page.goto(program.url)
    reader = client(program)
    reader.until_stream(lambda stream: stream["text"].startswith("It has ended."), "the end")
    text = name.read_text().replace('"one"', '"uno"')
    name.rename(tmp_path / "old.json")
    reader.until_stream(lambda stream: any("No such file" in each["text"] for each in stream["problems"]), "the file is gone")
    (tmp_path / "new.json").write_text(text)
    (tmp_path / "new.json").rename(name)
    reader.until(lambda _: [each["name"] for each in reader.state["streams"]] == ["uno"], "the other stream")
    reader.until_stream(lambda stream: stream["text"].startswith("It has ended."), "its end")
    expect(page).to_have_title("uno - empycustom studio", timeout=30_000)


def test_a_thread_of_a_library_is_not_a_call_that_hangs(studio, client, tmp_path):
    (tmp_path / "works.py").write_text(
        "import threading, time\n"
        "def work():\n    while True: time.sleep(0.1)\n"
        "def start(options):\n    threading.Thread(target=work, daemon=True).start()\n"
        "def process_ip(b, m, o): return {}\n"
    )
    page = client(studio("test", "--lib", "works.py", "--every", "300"))
    stream = page.until_stream(lambda stream: stream["frames"] > 150, "many frames")
    assert stream["libraries"][0]["state"] == "running"
    assert stream["libraries"][0]["problems"] == []
