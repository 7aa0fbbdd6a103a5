"""`empycustom.testing`: frames and runs for the tests of library authors."""

from __future__ import annotations

import re

import numpy as np
import pytest

import empycustom
from empycustom import testing
from empycustom.errors import (
    CallbackError,
    CallbackMissingError,
    CallbackOutputError,
    FrameError,
    OutputError,
    PropertyError,
    StreamEndedError,
)
from empycustom.frames.formats import FORMATS

BOX = {"left": 2, "top": 1, "width": 4, "height": 3}


def about(_buffer, in_meta, options, *, image):
    return [{"n": index, "mean": float(image.crop(found).mean())} for index, found in enumerate(in_meta["frame"][0]["object"])]


# Frames.


@pytest.mark.parametrize(("shape", "name"), [((6, 7), "GRAY8"), ((6, 7, 3), "RGB"), ((6, 7, 4), "RGBA")])
def test_a_frame_of_an_array(shape, name):
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    frame = testing.make_frame(pixels)
    assert (frame.format.format, frame.format.width, frame.format.height) == (name, 7, 6)
    assert np.array_equal(frame.pixels, pixels)
    assert frame.objects == []


@pytest.mark.parametrize("name", FORMATS)
def test_frames_of_all_formats_drawn_and_of_arrays(name):
    drawn = testing.make_frame(format=name, size=(33, 21), objects=2)
    again = testing.make_frame(drawn.pixels, format=name, size=(33, 21), objects=2)
    assert again.objects == drawn.objects
    assert np.array_equal(np.asarray(again.pixels[0]), np.asarray(drawn.pixels[0]))
    result = testing.run(lambda b, m, o, *, image, frame: {"frame": {"w": image.width, "n": len(frame["object"])}}, again)
    assert result.attributes == {"w": 33, "n": 2}
    assert not result.changed


def test_planes_are_a_tuple():
    planes = (np.full((4, 6), 9, np.uint8), np.full((2, 3, 2), 8, np.uint8))
    frame = testing.make_frame(planes, format="NV12")
    assert [plane.shape for plane in frame.pixels] == [(4, 6), (2, 3, 2)]
    assert [int(plane.max()) for plane in frame.pixels] == [9, 8]


def test_objects_are_completed():
    frame = testing.make_frame(objects=[{"rect_params": BOX, "obj_label": "car"}])
    assert frame.objects[0]["rect_params"] == {"left": 2.0, "top": 1.0, "width": 4.0, "height": 3.0}
    assert (frame.objects[0]["obj_label"], frame.objects[0]["object_id"], frame.objects[0]["confidence"]) == ("car", -1, 1.0)
    assert [found["obj_label"] for found in testing.make_frame(objects=4).objects] == ["person", "car", "bicycle", "person"]


@pytest.mark.parametrize(
    ("given", "error", "what"),
    [
        ({"format": "NOPE"}, FrameError, "There is no format NOPE; there are RGBA, "),
        ({"format": "rgb"}, FrameError, "^There is no format rgb; RGB may be meant.$"),
        ({"format": 3}, FrameError, "There is no format 3; there are RGBA"),
        *[
            ({"size": size}, FrameError, f"^size has to be two whole numbers from 1 on, not {re.escape(repr(size))}.$")
            for size in ((0, 48), (48, 0), "64x48", (64, 48, 3), (64.0, 48), (-64, 48), (), 64, (True, 4), {1, 2}, ("6", "4"))
        ],
        ({"pixels": np.zeros((0, 48, 3), np.uint8)}, FrameError, r"from 1 on, not \(48, 0\)"),
        ({"pixels": np.zeros((4, 4, 3), np.uint8), "size": "4x4"}, FrameError, "two whole numbers"),
        ({"size": (10**12, 4)}, FrameError, "is too large: a frame has at most 16384 pixels"),
        *[
            ({"objects": objects}, FrameError, f"whole number from 0 on, or a list of dicts, not {re.escape(repr(objects))}.$")
            for objects in (-1, 1.5, "car", None, {"rect_params": BOX}, True)
        ],
        ({"objects": ["car"]}, OutputError, r"objects\[0\]"),
        ({"pixels": [1, 2]}, FrameError, r"of the shape \(\)"),
        ({"pixels": ()}, FrameError, r"of the shape \(\)"),
        ({"pixels": np.zeros((2, 2, 2), np.uint8)}, FrameError, "name it, as format='NV12'"),
        ({"pixels": np.zeros((2, 2, 3), np.uint8), "format": "RGBA"}, FrameError, "RGBA of 2x2 needs an array"),
        ({"pixels": np.zeros((2, 2, 3))}, FrameError, "the type float64; RGB of 2x2 needs"),
        ({"objects": [{"obj_label": "car"}]}, OutputError, r"objects\[0\]: rect_params is missing"),
        ({"objects": [{"rect_params": BOX}, {"rect_params": BOX, "labl": "x"}]}, OutputError, r"objects\[1\]"),
    ],
)
def test_frames_that_are_none(given, error, what):
    with pytest.raises(error, match=what):
        testing.make_frame(**given)


# Runs.


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 3), np.uint8), [], 0, "picture.png"])
def test_a_run_needs_a_frame_of_make_frame(frame):
    with pytest.raises(FrameError) as caught:
        testing.run(about, frame)
    assert str(caught.value) == "frame has to come from testing.make_frame: testing.run(lib, testing.make_frame(array))."


@pytest.mark.parametrize(
    ("options", "what"), [("x", "options have to be a dict, not a str"), ({"a": object()}, "options hold what JSON does not")]
)
def test_a_run_refuses_options_as_a_pipeline_does(options, what):
    with pytest.raises(PropertyError, match=what):
        testing.run(about, options=options)


def test_a_run_and_its_result():
    pixels = np.zeros((8, 9), np.uint8)
    pixels[1:4, 2:6] = 50
    result = testing.run(about, testing.make_frame(pixels, objects=[{"rect_params": BOX}, {"rect_params": {**BOX, "left": 5}}]))
    assert [found["emcustom"] for found in result.objects] == [{"n": 0, "mean": 50.0}, {"n": 1, "mean": 12.5}]
    assert result.document["frame"][0]["object"] == result.objects
    assert (result.attributes, result.new_objects, result.warnings, result.dropped, result.changed) == (
        None,
        [],
        [],
        False,
        False,
    )
    assert result.returned[0] == {"n": 0, "mean": 50.0}
    assert (result.callback, result.frame_num, result.time_s) == ("about", 0, 0.0)
    assert result.time_ms > 0


def test_a_library_in_a_file_with_options_and_events(library, tmp_path):
    file = tmp_path / "calls"
    lib = library(
        f"calls = []\ndef start(options): calls.append('start')\ndef process_ip(b, m, o, events):\n"
        f"    calls.append('call')\n    return {{'frame': {{'o': o, 'e': events}}}}\n"
        f"def stop(options):\n    calls.append('stop')\n    import pathlib\n    pathlib.Path({str(file)!r}).write_text(' '.join(calls))\n"
    )
    for given in (lib, str(lib)):
        result = testing.run(given, options={"a": 1}, events=[2])
        assert result.attributes == {"o": {"a": 1}, "e": [2]}
        assert file.read_text() == "start call stop"


def test_what_is_written_and_found():
    def draw(buffer, in_meta, _options):
        with empycustom.map_frame(buffer, in_meta, writable=True) as image:
            image.pixels[0, 0] = 7
        return {"meta": {"b": 1}, "frame": [{"new_object": [{"rect_params": BOX, "obj_label": "cat", "emcustom": {"x": [1]}}]}]}

    frame = testing.make_frame(np.zeros((6, 7), np.uint8), objects=1)
    result = testing.run(draw, frame)
    assert (result.pixels[0, 0], frame.pixels[0, 0], result.changed) == (7, 0, True)
    assert [found["obj_label"] for found in result.objects] == ["person", "cat"]
    assert result.objects[1]["emcustom"] == {"x": [1]}
    assert result.document["emcustom"] == {"b": 1}
    assert [found["obj_label"] for found in result.new_objects] == ["cat"]


def test_objects_that_are_changed_and_removed():
    def change(_buffer, _in_meta, _options):
        changed = [{"object_id": 7, "emcustom": {"a": 1}}, {}, {"obj_label": "cat", "rect_params": BOX}]
        return {"frame": [{"changed_object": changed, "removed_object": [1], "object": [{"b": 2}, {"c": 3}]}]}

    frame = testing.make_frame(objects=3)
    result = testing.run(change, frame)
    person, _, bicycle = frame.objects
    assert result.objects == [
        {**person, "object_id": 7, "emcustom": {"a": 1, "b": 2}},
        {**bicycle, "obj_label": "cat", "rect_params": BOX},
    ]
    assert frame.objects[0]["object_id"] == 1, "the frame is used again"
    assert result.warnings == []


def test_new_frames_of_other_caps():
    class Half:
        def output_caps(self, _caps, _options):
            return "video/x-raw,format=GRAY8,width=3,height=2"

        def process(self, _buffer, _in_meta, options):
            return np.full((2, 3), 9, np.uint8) if options.get("keep") else None, {"frame": {"half": True}}

    result = testing.run(Half(), testing.make_frame(size=(6, 4)), options={"keep": True})
    assert (result.pixels.tolist(), result.attributes) == ([[9] * 3] * 2, {"half": True})
    dropped = testing.run(Half(), testing.make_frame(size=(6, 4)))
    assert (dropped.dropped, dropped.pixels) == (True, None)
    assert dropped.warnings == ["process returned None as out_buffer: with in-place=false the frame is dropped."]


def test_several_frames_of_one_stream():
    class Counter:
        def start(self, _options):
            self.calls = 0

        def process_ip(self, buffer, in_meta, _options):
            self.calls += 1
            return {"frame": {"calls": self.calls, "pts": buffer.pts}}

    with testing.OpenLibrary(Counter()) as library:
        results = [library.run(frame) for frame in (testing.make_frame(), testing.make_frame(size=(8, 8)), None)]
    assert [(result.frame_num, result.attributes["calls"]) for result in results] == [(0, 1), (1, 2), (2, 3)]
    assert results[2].time_s == pytest.approx(2 / 30)


def test_what_a_library_changes_in_its_in_meta_is_not_in_the_document():
    def change(_buffer, in_meta, _options):
        in_meta["frame"][0]["object"].clear()
        in_meta["frame"][0]["frame_num"] = 99

    result = testing.run(change, testing.make_frame(objects=2))
    assert (result.frame_num, len(result.objects)) == (0, 2)


def test_warnings():
    assert "become null" in testing.run(lambda b, m, o: {"frame": {"a": float("nan")}}).warnings[0]
    short = testing.run(lambda b, m, o: [{"a": 1}], testing.make_frame(objects=3))
    assert short.warnings[0].startswith("It returned a list of 1 entry for 3 objects")


def test_what_goes_wrong_is_told_as_the_element_does(library):
    with pytest.raises(CallbackError, match=r"lib\.py:2: process_ip raised ZeroDivisionError") as caught:
        testing.run(library("def process_ip(b, m, o):\n    1 / 0\n"))
    assert "ZeroDivisionError" in caught.value.details
    assert str(caught.value).endswith("division by zero; fix the library")
    with pytest.raises(CallbackOutputError, match="what <lambda> returned cannot be used"):
        testing.run(lambda b, m, o: 5)
    with pytest.raises(CallbackMissingError, match="neither process_ip nor process"):
        testing.run(library("x = 1\n"))

    def end(_buffer, _in_meta, _options):
        raise empycustom.EndOfStream

    with pytest.raises(StreamEndedError):
        testing.run(end)


def test_a_frame_with_a_pipeline():
    frame = testing.make_frame(np.full((8, 9), 3, np.uint8), objects=[{"rect_params": BOX, "obj_label": "car"}])
    (played,) = empycustom.process([frame.pixels], [frame.find_objects, about], format="GRAY8")
    run = testing.run(about, frame)
    for document in (played.document, run.document):
        del document["frame"][0]["timestamp"]
    assert played.document == run.document
