"""Modules that use gstgva as published ones do: loggers, crossings, counts, texts, saved frames, edited messages, pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from empycustom.gstreamer import Gst

MODULES = Path(__file__).with_name("gva")
SOURCE = "videotestsrc num-buffers=6 pattern=white ! video/x-raw,format={format},width=64,height=48,framerate=30/1"
FINDS = f"empycustom custom-lib={MODULES / 'objects.py'} in-place=true"


@pytest.fixture
def documents(gst_launch):
    """Run a line with the objects in front, and return the documents of its frames."""

    def run(line, *, format="BGR", aimeta="aimeta silent=false"):
        launched = gst_launch(f"{SOURCE.format(format=format)} ! {FINDS} ! {line} ! {aimeta} ! fakesink")
        assert launched.code == 0, launched.text
        return launched.documents

    return run


def module(name, rest="", workers=0):
    return f"gvapython module={MODULES / name} {rest} workers={workers}"


def messages(document):
    return document["frame"][0].get("emcustom", {}).get("messages", [])


CENTRES = [10 * number + 8 for number in range(6)]  # of the car


@pytest.mark.parametrize("workers", [0, 1])
def test_crossings_and_counts(documents, workers):
    crossing = module("crossing.py", 'class=LineCrossing kwarg=\'{"x": 30, "labels": ["car"]}\'', workers)
    found = documents(f"{crossing} ! {module('zones.py', 'function=count', workers)}")
    crossed = [before < 30 <= now for before, now in zip([99, *CENTRES[:-1]], CENTRES, strict=True)]
    assert crossed.count(True) == 1
    for document, was_crossed, centre in zip(found, crossed, CENTRES, strict=True):
        event = [{"event": "crossing", "id": 7, "label": "car"}] if was_crossed else []
        zones = {"left": int(centre < 32), "right": 1 + int(centre >= 32)}
        assert messages(document) == [*event, {"zones": zones, "events": len(event)}]


@pytest.mark.parametrize("workers", [0, 1])
def test_texts_on_regions_and_a_log_of_them(documents, tmp_path, workers):
    log = tmp_path / "log.txt"
    named = f'class=Logger function=log arg=\'["{log}"]\' kwarg=\'{{"header": "plates"}}\''
    found = documents(f"{module('plates.py', workers=workers)} ! {module('logger.py', named, workers)}")
    for document in found:
        car, person = document["frame"][0]["object"]
        (label,) = car["classifier"][0]["label_info"]
        assert (label["result_label"], label["result_prob"]) == ("AB 255", 0.5)
        plate = {"name": "licence-plate", "label": "AB 255", "confidence": 0.5, "layer_name": "ocr"}
        assert car["emcustom"] == {"tensors": [plate]}
        assert (person["classifier"], "emcustom" in person) == ([], False)
    lines = ["car 0.75 2", "text AB 255 0.5", "person 0.25 0"]
    assert log.read_text().splitlines() == ["plates", *lines * 6, "closed"]


@pytest.mark.parametrize("format", ["BGR", "RGBA", "I420"])
def test_frames_and_crops_are_saved(documents, tmp_path, format):
    documents(module("saver.py", f"class=Saver function=save arg='[\"{tmp_path}\"]' arg=2"), format=format)
    files = {file.name: np.load(file) for file in tmp_path.glob("*.npy")}
    assert {name for name in files if name.startswith("frame")} == {"frame0.npy", "frame2.npy", "frame4.npy"}
    shape = {"BGR": (48, 64, 3), "RGBA": (48, 64, 4), "I420": (72, 64, 1)}[format]
    assert {files[f"frame{number}.npy"].shape for number in (0, 2, 4)} == {shape}
    assert files["crop2-0.npy"].shape == (8, 16, shape[2])
    assert files["frame2.npy"][20:28, 20:36].tolist() == files["crop2-0.npy"].tolist()


@pytest.mark.parametrize("workers", [0, 1])
def test_messages_are_edited(documents, workers):
    for document in documents(module("editor.py", "function=add_site", workers)):
        (content,) = messages(document)
        assert content["tags"] == {"site": "north"}
        assert content["resolution"] == {"height": 48, "width": 64}
        assert [(each["roi_type"], each["id"], each["big"]) for each in content["objects"]] == [
            ("car", 7, True),
            ("person", 8, True),
        ]
        assert document["frame"][0]["emcustom"]["own_message"] is False


def test_what_is_left_out_of_messages_is_not_made_again(documents):
    found = documents(module("editor.py", "function=only_cars"))
    assert [[each["obj_label"] for each in document["frame"][0]["object"]] for document in found] == [["car"]] * 6
    assert [messages(document) for document in found] == [[]] * 6
    assert documents(module("editor.py", "function=only_cars"), aimeta="aimeta silent=false format=gva") == []


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("format", ["BGR", "GRAY8", "RGBA"])
def test_pixels_are_written_whatever_the_flag_is(play, format, workers):
    hides = module("hide.py", "class=Hide arg='[\"person\"]'", workers)
    line = f"{FINDS} ! {hides}"
    played = play(Gst.parse_launch(f"{SOURCE.format(format=format)} ! {line} ! appsink name=out"))
    assert (played.ended, len(played.samples)) == (True, 6)
    channels = {"BGR": 3, "GRAY8": 1, "RGBA": 4}[format]
    expected = np.full((48, 64, channels), 235 if format == "GRAY8" else 255, np.uint8)
    expected[4:20, 40:48] = 0
    for sample in played.samples:
        buffer = sample.get_buffer()
        assert (
            np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(48, 64, channels).tolist()
            == expected.tolist()
        )


@pytest.mark.parametrize("workers", [0, 1])
def test_frames_are_left_out_by_a_false_result(documents, workers):
    found = documents(module("hide.py", "function=first_half", workers))
    assert [document["frame"][0]["frame_num"] for document in found] == [0, 1, 2]


def test_messages_arrive_in_the_format_of_gvametaconvert(gst_launch, tmp_path):
    file = tmp_path / "meta.jsonl"
    line = f"{FINDS} ! {module('zones.py', 'function=count')} ! aimeta format=gva location={file}"
    launched = gst_launch(f"{SOURCE.format(format='BGR')} ! {line} ! fakesink")
    assert launched.code == 0, launched.text
    lines = [json.loads(each) for each in file.read_text().splitlines()]
    assert len(lines) == 12  # of each frame its own message, and that of the module
    assert [each["objects"][0]["x"] for each in lines[::2]] == [0, 10, 20, 30, 40, 50]
    assert {each["zones"]["right"] for each in lines[1::2]} == {1, 2}


@pytest.mark.parametrize("workers", [0, 1])
def test_private_names_and_those_of_util(documents, workers):
    for document in documents(module("private.py", "function=inspect", workers)):
        (found,) = messages(document)
        size = 64 * 48 * 3
        assert found == {
            "size": [size, size],
            "writable": True,
            "name": "video/x-raw",
            "tensors": ["detection", "ocr", "by position", "by position", "both"],
            "unknown": True,
            "seqnum": True,
        }
