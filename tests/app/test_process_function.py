"""`empycustom.process`: an iterator of results, for programs."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
from process_helpers import COUNTS, gray, mean

import empycustom
from empycustom.errors import (
    CallbackError,
    CallbackSignatureError,
    FrameClosedError,
    FrameError,
    LaunchError,
    LibraryNotFoundError,
    PropertyError,
    SourceError,
)
from empycustom.frames.views import RESULT_CLOSED

pytestmark = pytest.mark.usefixtures("nothing_is_left")


# What comes out.


def test_a_result_for_each_frame_of_a_video(video, library):
    results = list(empycustom.process(video, library(COUNTS), options={"n": 1}))
    assert [result.frame_num for result in results] == list(range(40))
    assert [result.attributes for result in results] == [{"calls": n + 1, "o": {"n": 1}} for n in range(40)]
    assert results[3].time_s == pytest.approx(0.15)
    assert results[3].frame["source"] == str(video)
    assert results[3].objects == []


def test_documents_are_those_of_run(video, library, cli):
    lib = library(COUNTS)
    printed = cli("run", str(video), "--lib", lib, "--format", "RGB", "--quiet").documents
    documents = [result.document for result in empycustom.process(str(video), lib)]
    for made in (*printed, *documents):
        del made["frame"][0]["timestamp"]
    assert documents == printed


def test_objects_that_libraries_find_and_describe():
    box = {"left": 1, "top": 2, "width": 3, "height": 2}

    def find(_buffer, _in_meta, _options):
        return {"frame": [{"new_object": [{"obj_label": "dog", "rect_params": box}]}]}

    def about(_buffer, in_meta, _options):
        return [{"label": found["obj_label"] * 2} for found in in_meta["frame"][0]["object"]]

    (result,) = empycustom.process(gray(1), [find, about])
    assert [(found["obj_label"], found["rect_params"]["left"], found["emcustom"]) for found in result.objects] == [
        ("dog", 1.0, {"label": "dogdog"})
    ]


def test_libraries_of_all_kinds_in_their_order(library):
    class Last:
        def start(self, options):
            self.least = options["least"]

        def process_ip(self, _buffer, in_meta, _options):
            return {"frame": {"seen": in_meta["frame"][0]["emcustom"]["mean"] > self.least}}

    libraries = [library(COUNTS), mean, Last()]
    results = list(empycustom.process(gray(3), libraries, options=[None, None, {"least": 0.5}]))
    assert [result.attributes for result in results] == [
        {"calls": n + 1, "o": {}, "mean": float(n), "seen": n > 0} for n in range(3)
    ]


def test_a_function_called_process_makes_the_frames():
    def process(_buffer, in_meta, _options, *, image):
        return 255 - image.pixels, {"frame": {"number": in_meta["frame"][0]["frame_num"]}}

    seen = [(result.pixels[0, 0, 0], result.attributes) for result in empycustom.process(gray(3), process)]
    assert seen == [(255, {"number": 0}), (254, {"number": 1}), (253, {"number": 2})]


def test_without_a_library_frames_are_numbered_all_the_same(video):
    results = list(empycustom.process(video))
    assert [result.frame_num for result in results] == list(range(40))
    assert results[0].attributes is None


def test_several_files_are_one_stream(pictures, library):
    files = pictures(4)
    for given in (files, [str(files[0].parent)], str(files[0].parent / "*.jpg")):
        results = list(empycustom.process(given, library(COUNTS)))
        assert [result.frame_num for result in results] == [0, 1, 2, 3]
        assert [result.frame["source"] for result in results] == [str(file) for file in files]
        assert results[3].attributes["calls"] == 4


# Pixels.


def test_pixels_are_views_until_the_next_result_is_asked_for():
    results = empycustom.process(gray(3), mean)
    first = next(results)
    pixels, image = first.pixels, first.image
    assert (pixels.shape, pixels.dtype, pixels.max()) == ((6, 7, 3), np.uint8, 0)
    assert not pixels.flags.writeable
    assert image.rgb.shape == (6, 7, 3)
    kept = pixels.copy()
    second = next(results)
    for use in (lambda: pixels.mean(), lambda: image.rgb, lambda: first.pixels):
        with pytest.raises(FrameClosedError) as caught:
            use()
        assert str(caught.value) == RESULT_CLOSED
    assert repr(pixels) == f"<{RESULT_CLOSED}>"
    assert kept.max() == 0
    third = next(results)
    with pytest.raises(FrameClosedError, match=re.escape(RESULT_CLOSED)):
        second.pixels  # noqa: B018 - looking at them is the test
    results.close()
    with pytest.raises(FrameClosedError):
        third.image  # noqa: B018 - looking at it is the test
    assert (first.frame_num, third.attributes) == (0, {"mean": 2.0})


def test_formats(video):
    with empycustom.process(video, format="NV12") as results:
        image = next(results).image
        assert [plane.shape for plane in image.planes] == [(120, 160), (60, 80, 2)]
    with empycustom.process(video, format="GRAY8") as results:
        assert next(results).pixels.shape == (120, 160)
    with empycustom.process(video, format=None) as results:
        assert next(results).image.format in ("I420", "Y42B", "Y444", "YUY2")
    with pytest.raises(FrameError, match="There is no format NOPE; there are RGBA, "):
        empycustom.process(video, format="NOPE")
    with pytest.raises(FrameError, match=r"^There is no format RGBB; RGB may be meant\.$"):
        empycustom.process(video, format="RGBB")


# Arrays.


def test_arrays_are_taken_when_they_are_needed():
    taken = []

    def frames():
        for index in range(100):
            taken.append(index)
            yield np.full((5, 9, 3), (index, 0, 255), np.uint8)

    with empycustom.process(frames(), mean) as results:
        for result in results:
            assert list(result.pixels[4, 8]) == [result.frame_num, 0, 255]
            assert result.time_s == pytest.approx(result.frame_num / 30)
            if result.frame_num == 20:
                break
    assert len(taken) < 50


def test_arrays_of_other_shapes_follow_each_other():
    frames = [np.full((4, 5), 9, np.uint8), np.full((7, 5, 4), 8, np.uint8), np.full((3, 3, 3), 7, np.uint8)]
    seen = [(result.pixels.shape, result.pixels[0, 0, 0]) for result in empycustom.process(frames)]
    assert seen == [((4, 5, 3), 9), ((7, 5, 3), 8), ((3, 3, 3), 7)]


def test_no_array_at_all():
    assert list(empycustom.process([], mean)) == []


def test_what_an_iterable_raises_comes_through_and_ends_everything():
    def frames():
        yield from gray(3)
        raise KeyError("gone")

    results = empycustom.process(frames(), mean)
    with pytest.raises(KeyError, match="gone"):
        list(results)
    assert list(results) == []


@pytest.mark.parametrize("count", [1, 2, 5, 20])
@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), None])
def test_the_results_of_all_good_arrays_come_before_the_error(count, wrong):
    def frames():
        yield from gray(count)
        if wrong is None:
            raise KeyError("gone")
        yield wrong
        raise AssertionError("nothing is taken after an error")

    seen = []
    with pytest.raises(KeyError if wrong is None else SourceError, match=f"gone|Frame {count} is an array of float64"):
        seen.extend(result.attributes["mean"] for result in empycustom.process(frames(), mean))
    assert seen == list(range(count))


@pytest.mark.parametrize(
    ("video", "what"),
    [
        ([np.zeros((2, 2, 2), np.uint8)], r"Frame 0 is an array of uint8 and the shape \(2, 2, 2\); give arrays of uint8"),
        ([*gray(1), np.zeros((2, 2))], "Frame 1 is an array of float64"),
        ([5], "Frame 0 is a int"),
        ([None], "Frame 0 is a NoneType"),
        ([*gray(1), "video.mp4"], "Frame 1 is a str"),
        (5, "video is a int; give a file"),
        (np.zeros((2, 2, 3), np.uint8), "video is one array, which is one frame"),
        ("none.mp4", r"^none\.mp4 does not exist. video is a file, a URI, a camera"),
        ("", "^The name of the source is empty; give a file"),
        (["a.mp4", ""], "^(a.mp4 does not exist|The name of the source is empty)"),
        ([], None),
        ("nope://x", "GStreamer has no element here that reads nope://"),
    ],
)
def test_videos_that_are_none(video, what):
    if what is None:
        assert list(empycustom.process(video)) == []
        return
    with pytest.raises(SourceError, match=what) as caught:
        list(empycustom.process(video))
    assert "SOURCE" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# What goes wrong.


def test_what_a_library_raises_comes_after_the_frames_before():
    def late(_buffer, in_meta, _options):
        return {"frame": {"left": 3 // (3 - in_meta["frame"][0]["frame_num"])}}

    seen = []
    results = empycustom.process(gray(9), late)
    with pytest.raises(CallbackError) as caught:
        seen.extend(result.attributes for result in results)
    assert seen == [{"left": 1}, {"left": 1}, {"left": 3}]
    line = late.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(f"{__file__}:{line}: late raised ZeroDivisionError: ")
    assert "at frame 3" in str(caught.value)
    assert str(caught.value).endswith("; fix the library")  # Python shows the traceback above, if at all
    assert "ZeroDivisionError" in caught.value.details
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert list(results) == []


@pytest.mark.parametrize("callback", ["start", "stop"])
def test_what_start_and_stop_raise(callback, library):
    lib = library(f"{COUNTS}def {callback}(options):\n    1 / 0\n")
    with pytest.raises(CallbackError, match=rf"lib\.py:7: {callback} raised ZeroDivisionError"):
        list(empycustom.process(gray(3), lib))


def test_stop_that_raises_is_an_error_of_close_and_not_of_a_block_that_has_one(library):
    lib = library(f"{COUNTS}def stop(options):\n    1 / 0\n")
    results = empycustom.process(gray(9), lib)
    next(results)
    with pytest.raises(CallbackError, match="stop raised"):
        results.close()
    with pytest.raises(KeyError), empycustom.process(gray(9), lib) as results:
        raise KeyError(next(results).frame_num)


def test_libraries_that_cannot_be_called():
    with pytest.raises(LibraryNotFoundError, match=r"none\.py does not exist"):
        next(empycustom.process(gray(1), "none.py"))
    with pytest.raises(CallbackSignatureError, match="by name there are events, frame, image"):
        next(empycustom.process(gray(1), lambda b: b))
    with pytest.raises(CallbackSignatureError, match="has an argument nothing, which does not exist; by name there are events,"):
        next(empycustom.process(gray(1), lambda b, m, o, *, nothing: b))


class Watch:
    def process_ip(self, _buffer, _in_meta, _options):
        return {"frame": {"seen": True}}


class Static:
    @staticmethod
    def process_ip(_buffer, _in_meta, _options):
        return {"frame": {"seen": True}}


def test_a_class_is_not_an_object():
    with pytest.raises(CallbackSignatureError, match=r"Watch is a class; give an object, Watch\(\)$"):
        next(empycustom.process(gray(1), Watch))
    for library in (Watch(), Static, Static()):
        assert [result.attributes for result in empycustom.process(gray(1), library)] == [{"seen": True}]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("{}", "have to be a dict, not a str"),
        ({"a": object()}, "hold what JSON does not"),
        ([{}, {}], "options: there are not as many values as libraries \\(2 and 1\\); give one for all"),
    ],
)
def test_options_that_are_none(options, what):
    with pytest.raises(PropertyError, match=what):
        empycustom.process(gray(1), mean, options=options)


def test_policies_that_are_none():
    with pytest.raises(PropertyError, match="on_error is one of fail, pass, drop, not 'ignore'"):
        empycustom.process(gray(1), mean, on_error="ignore")


def test_on_error(caplog):
    def odd(_buffer, in_meta, _options):
        return {"frame": {"n": 1 // (in_meta["frame"][0]["frame_num"] % 2)}}

    with caplog.at_level(logging.WARNING, "empycustom"):
        passed = [result.attributes for result in empycustom.process(gray(4), odd, on_error="pass")]
        dropped = [(result.frame_num, result.attributes) for result in empycustom.process(gray(4), odd, on_error="drop")]
    assert passed == [None, {"n": 1}, None, {"n": 1}]
    assert [attributes for _, attributes in dropped] == [{"n": 1}, {"n": 1}]
    assert len([record for record in caplog.records if "odd raised ZeroDivisionError" in record.getMessage()]) == 2


def test_a_library_ends_the_stream():
    def enough(_buffer, in_meta, _options):
        if in_meta["frame"][0]["frame_num"] == 2:
            raise empycustom.EndOfStream("enough")

    assert len(list(empycustom.process("test", enough))) == 2


def test_a_file_that_is_no_video(tmp_path):
    path = tmp_path / "bad.mp4"
    path.write_bytes(b"nothing" * 100)
    with pytest.raises(SourceError, match=r"bad\.mp4: ") as caught:
        list(empycustom.process(path))
    assert isinstance(caught.value, LaunchError)


def test_of_several_files_a_broken_one_is_an_error_at_the_end(pictures, caplog):
    files = pictures(3)
    files[1].write_bytes(b"nothing" * 100)
    results, seen = empycustom.process(files), []
    with (
        caplog.at_level(logging.WARNING, "empycustom"),
        pytest.raises(SourceError, match=r"1 of 3 files were left out, the others") as caught,
    ):
        seen.extend(result.frame["source"] for result in results)
    assert seen == [str(files[0]), str(files[2])]
    assert "001.jpg: " in str(caught.value)
    assert "001.jpg: " in caplog.text
