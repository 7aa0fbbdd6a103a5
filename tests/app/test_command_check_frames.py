"""`empycustom check` on pictures and frames of videos, the picture that it writes, and its JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_helpers import play
from PIL import Image

TELLS = """\
def process_ip(io_buffer, in_meta, options):
    frame = in_meta["frame"][0]
    keys = ("frame_num", "buf_pts", "stream_time", "source", "source_frame_width", "source_frame_height")
    return {"frame": {**{key: frame.get(key) for key in keys}, "objects": len(frame["object"])}}
"""
# A quarter of the frame is blue at the end; a box on the middle, and one that reaches out of the frame.
DRAWS = """\
import empycustom

def process_ip(io_buffer, in_meta, options):
    frame = in_meta["frame"][0]
    wide, high = frame["source_frame_width"], frame["source_frame_height"]
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as mapped:
        mapped.pixels[high // 2 :, wide // 2 :] = (0, 0, 255, 255)
    middle = {"left": wide / 4, "top": high / 4, "width": wide / 2, "height": high / 2}
    out = {"left": wide - 20, "top": -20, "width": 100, "height": 60}
    new = [{"obj_label": "a <b> & c", "rect_params": middle}, {"obj_label": "", "rect_params": out, "emcustom": {"a": 1.0}}]
    return {"frame": [{"meta": {"brightness": 3.14159265}, "new_object": new}]}
"""
GREY, COLOUR, OTHER = (90, 90, 90), (255, 140, 120), (90, 230, 220)


@pytest.fixture
def photo(tmp_path):
    """A photo whose left half is red as its camera held it: on its side, with the note how it is turned."""
    picture = Image.new("RGB", (240, 160), GREY)
    picture.paste((250, 0, 0), (0, 0, 120, 160))
    exif = picture.getexif()
    exif[0x0112] = 6  # turn it a quarter clockwise
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    return "photo.jpg"


@pytest.fixture
def numbered(tmp_path):
    """A video of 30 frames, 10 a second, which become lighter and lighter."""
    from empycustom.gstreamer import Gst

    def push(source):
        for number in range(30):
            buffer = Gst.Buffer.new_wrapped(bytes([8 * number]) * (64 * 48))
            buffer.pts, buffer.duration = number * Gst.SECOND // 10, Gst.SECOND // 10
            source.emit("push-buffer", buffer)
        source.emit("end-of-stream")

    play(
        "appsrc name=in format=time caps=video/x-raw,format=GRAY8,width=64,height=48,framerate=10/1 ! videoconvert ! "
        f'jpegenc quality=95 ! matroskamux ! filesink location="{tmp_path / "numbered.mkv"}"',
        push=push,
    )
    return "numbered.mkv"


def _is_close(pixel, wanted):
    return all(abs(one - other) < 24 for one, other in zip(pixel, wanted, strict=True))


def _checked(cli, *words):
    """The object of --json, of a check that is good."""
    ended = cli("check", *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_each_call_gets_the_next_frame(cli, library):
    source = "seen = []\ndef process_ip(b, m, o):\n    f = m['frame'][0]\n"
    source += "    seen.append([f['frame_num'], f['buf_pts'], b.pts, f['stream_time']])\n    return {'frame': {'seen': seen}}\n"
    (result,) = _checked(cli, library(source), "--repeat", 3)["results"]

    times = [0, 33333333, 66666666]
    assert result["frame"]["seen"] == [[number, time, time, time] for number, time in enumerate(times)]


def test_a_picture_is_the_frame_upright_and_without_objects(cli, library, photo):
    whole = _checked(cli, library(TELLS), "--image", photo, "--repeat", 2)

    assert whole["frame"] == {
        "format": "RGBA",
        "width": 160,
        "height": 240,
        "source": "photo.jpg",
        "stream_time": 0,
        "objects": [],
    }
    (result,) = whole["results"]
    said = result["frame"]
    assert (said["frame_num"], said["source"], said["objects"]) == (1, "photo.jpg", 0)
    assert (said["source_frame_width"], said["source_frame_height"]) == (160, 240)
    told = cli("check", library(TELLS), "--image", photo)
    assert told.out.startswith(f"{library(TELLS)}: one frame, RGBA, 160x240, photo.jpg; objects: none\n")


def test_size_format_and_objects_may_be_asked_for(cli, library, photo):
    frame = _checked(cli, library(TELLS), "--image", photo, "--size", "64x32", "--format", "I420", "--objects", 2)["frame"]

    assert (frame["format"], frame["width"], frame["height"], len(frame["objects"])) == ("I420", 64, 32, 2)


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_format_that_there_is_not(cli, library, photo, synthetic):
    ended = cli("check", library(TELLS), "--format", "yuy2", *([] if synthetic else ["--image", photo]))
    assert ended.code == 1
    assert "There is no format yuy2; YUY2 may be meant." in ended.err + ended.out
    assert "videoconvert" not in ended.err + ended.out


@pytest.mark.parametrize(
    ("typed", "at"),
    [([], 0.0), (["--at", "0"], 0.0), (["--at", "1.2"], 1.2), (["--at", "0:02.9"], 2.9), (["--at", "0:0:2"], 2.0)],
)
def test_a_frame_of_a_video(cli, library, numbered, typed, at):
    source = "import empycustom\ndef process_ip(b, m, o):\n    f = m['frame'][0]\n    with empycustom.map_frame(b, m) as frame:\n"
    source += "        return {'frame': {'grey': frame.rgb.mean(), 'time': f['stream_time'], 'source': f['source']}}\n"
    path = library(source)
    whole = _checked(cli, path, "--video", numbered, *typed, "--repeat", 1)

    (result,) = whole["results"]
    assert result["frame"]["grey"] == pytest.approx(round(at * 10) * 8, abs=6)
    assert (result["frame"]["time"], result["frame"]["source"]) == (round(at * 1e9), numbered)
    assert whole["frame"]["stream_time"] == round(at * 1e9)
    told = cli("check", path, "--video", numbered, *typed).out
    assert told.splitlines()[0] == f"{path}: one frame, RGBA, 64x48, {numbered} at {at:.3f} s; objects: none"


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--image", "nope.jpg"], 1, "nope.jpg does not exist"),
        (["--image", "lib.py"], 1, "lib.py: "),
        (["--video", "numbered.mkv", "--at", "3"], 1, "numbered.mkv lasts 3.000 s; give a time before that with --at, not 3."),
        (
            ["--video", "numbered.mkv", "--at", "1:2:3:4"],
            2,
            "1:2:3:4 is not a time; write seconds, such as 12.5, or 1:20, or 1:00:03.5",
        ),
        (["--video", "numbered.mkv", "--at", "-1"], 2, "--at"),
        (["--at", "1"], 2, "--at belongs to --video, and there is none; write --video FILE --at TIME"),
        (["--image", "photo.jpg", "--video", "numbered.mkv"], 2, "--image and --video are both a frame; give one of them"),
        (["--save", "a.mp4"], 1, "--save a.mp4: the ending is not that of a picture; it can be .png .jpg .jpeg."),
        (["--image", "photo.jpg", "--save", "photo.jpg"], 1, "photo.jpg would be overwritten while it is read"),
        (["--save", "nowhere\0/a.png"], 1, "nowhere"),
        (["--source", "test"], 2, "--source is for a stream configuration, a file whose name ends in .json"),
    ],
)
def test_impossible_arguments_are_errors(cli, library, photo, numbered, tmp_path, words, code, complaint):
    if "\0" in words[-1]:
        words = ["--save", "/proc/nowhere/a.png"]
    library(TELLS)
    before = (tmp_path / photo).read_bytes()
    ended = cli("check", "lib.py", *words)

    assert ended.code == code
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert (tmp_path / photo).read_bytes() == before


@pytest.mark.parametrize("name", ["a.png", "out/b.JPG"])
def test_the_picture_shows_the_frame_after_the_call_with_its_boxes(cli, library, photo, tmp_path, name):
    ended = cli("check", library(DRAWS), "--image", photo, "--save", name)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith(f"\nwritten: {name}\n")
    with Image.open(tmp_path / name) as picture:
        assert picture.size == (160, 240)
        shown = picture.convert("RGB")
    assert _is_close(shown.getpixel((80, 90)), (250, 0, 0)), "the upper half of the photo, which was on its side"
    assert _is_close(shown.getpixel((20, 200)), GREY)
    assert _is_close(shown.getpixel((150, 230)), (0, 0, 255)), "what the library wrote"
    for place in [(80, 60), (80, 179), (40, 120), (119, 120)]:
        assert _is_close(shown.getpixel(place), COLOUR), place
    assert _is_close(shown.getpixel((150, 39)), OTHER), "a box that reaches out of the frame"
    # The text is above the box and in the top corner; the shape of its letters is not tested.
    assert _colours(shown.crop((40, 40, 120, 58))) > 8
    assert _colours(shown.crop((0, 0, 90, 14))) > 8
    assert _colours(shown.crop((0, 190, 60, 240))) < 8


def _colours(picture):
    return len(np.unique(np.asarray(picture).reshape(-1, 3) // 32, axis=0))


def test_a_new_frame_of_another_size_is_saved_with_boxes_that_fit(cli, library, tmp_path):
    source = """
import numpy as np
def output_caps(caps, options):
    return "video/x-raw,format=GRAY8,width=320,height=240"
def process(in_buffer, in_meta, options):
    return (np.full((240, 320), 90, np.uint8) if options.get("frame", True) else None), None
"""
    ended = cli("check", library(source), "--size", "640x480", "--objects", 1, "--save", "a.png")
    assert ended.code == 0, ended.err
    with Image.open(tmp_path / "a.png") as picture:
        shown = picture.convert("RGB")
    assert (shown.size, shown.getpixel((5, 200))) == ((320, 240), GREY)
    assert shown.getpixel((160, 60)) == COLOUR, "half of where it is on the frame of 640x480"

    dropped = cli("check", library(source), "--options", '{"frame": false}', "--save", "b.png")
    assert dropped.code == 1
    assert "--save b.png: there is no frame to save, because process returned None as its new frame." in dropped.err
    assert not (tmp_path / "b.png").exists()


def test_as_json(cli, library):
    source = "print('imported')\ndef start(options): pass\ndef process(b, m, o): return None, None\n"
    source += "def process_ip(b, m, o, events):\n    print('called')\n    return [{'n': float('nan')}, {}]\n"
    path = library(source)
    ended = cli("check", path, "--json", "--options", '{"w": 7}', "--repeat", 2)

    assert (ended.code, ended.err) == (0, "imported\n" + "called\n" * 2)
    assert ended.out.count("\n") == 1
    whole = json.loads(ended.out)
    keys = ["empycustom", "library", "options", "frame", "declared", "mandatory", "stateful", "dialect", "call", "missing"]
    assert list(whole) == [*keys, "warnings", "calls", "results"]
    assert (whole["library"], whole["options"]) == (str(path), {"w": 7})
    assert [found["obj_label"] for found in whole["frame"]["objects"]] == ["person", "car", "bicycle"]
    assert whole["calls"] == [
        {"callback": "start", "arguments": ["options"], "line": 2},
        {"callback": "process_ip", "arguments": ["io_buffer", "in_meta", "options", "events"], "line": 4},
        {"callback": "process", "arguments": ["in_buffer", "in_meta", "options"], "line": 3},
    ]
    first, second = whole["results"]
    times = first.pop("time_ms")
    assert times["calls"] == 2
    assert 0 <= times["best"] <= times["median"] <= times["worst"]
    (warning,) = first.pop("warnings")
    assert warning == "[0].n: NaN and infinities are not JSON and become null."
    assert first == {
        "callback": "process_ip",
        "type": "list",
        "returned": [{"n": None}, {}],
        "dropped": None,
        "objects": [{"n": None}, None, None],
        "frame": None,
        "batch": None,
        "new_objects": [],
        "changed_objects": [{}, {}, {}],
        "removed_objects": [],
        "pixels": "unchanged",
    }
    assert (second["callback"], second["type"], second["pixels"]) == ("process", "NoneType", "dropped")


def test_a_library_that_ends_its_stream(cli, library, tmp_path):
    source = "import empycustom\nnumbers = []\ndef strat(options): pass\ndef process_ip(b, m, o):\n"
    source += "    if len(numbers) == o['calls']:\n        raise empycustom.EndOfStream\n"
    source += "    numbers.append(m['frame'][0]['frame_num'])\n"
    source += "    with empycustom.map_frame(b, m, writable=True) as frame:\n        frame.pixels[:] = 90\n"
    source += "    return {'frame': {'numbers': numbers}}\n"
    path = library(source)
    whole = _checked(cli, path, "--options", '{"calls": 2}', "--save", "a.png")

    assert "strat" in whole["warnings"][0]
    assert "ended the stream" in whole["ended"]
    (result,) = whole["results"]
    assert (result["frame"], result["time_ms"]["calls"], result["pixels"]) == ({"numbers": [0, 1]}, 2, "changed")
    with Image.open(tmp_path / "a.png") as picture:
        assert _is_close(picture.convert("RGB").getpixel((320, 470)), GREY), "the frame of the last call that came back"

    at_once = cli("check", path, "--options", '{"calls": 0}', "--save", "b.png")
    assert at_once.code == 1
    assert "--save b.png: there is no frame to save, because the library ended the stream before." in at_once.err


@pytest.mark.parametrize(
    ("source", "words", "complaint"),
    [
        ("def process_ip(b, m, o): 1 / 0\n", [], "process_ip raised ZeroDivisionError"),
        ("def process_ip(b, m, o)\n", [], "has a syntax error"),
        ("def process_ip(b, m, o): pass\n", ["--image", "nope.jpg"], "nope.jpg does not exist"),
    ],
)
def test_an_error_is_in_the_json_as_well(cli, library, source, words, complaint):
    ended = cli("check", library(source), "--json", *words)

    assert ended.code == 1
    error = json.loads(ended.out)["error"]
    assert set(error) == {"message", "details"}
    assert complaint in error["message"]
    assert f"empycustom: error: {error['message']}" in ended.err
    assert error["details"] in ended.err
