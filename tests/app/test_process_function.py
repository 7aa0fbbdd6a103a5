"""`empycustom.process`: an iterator of results, for programs."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import resource
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

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
from empycustom.frames.frame import RESULT_CLOSED
from empycustom.session import process as home

COUNTS = "calls = 0\ndef process_ip(b, m, o):\n    global calls\n    calls += 1\n    return {'frame': {'calls': calls, 'o': o}}\n"


def mean(_buffer, _in_meta, _options, *, image):
    return {"frame": {"mean": round(float(image.pixels.mean()), 3)}}


def gray(count, value=lambda index: index, size=(6, 7)):
    """Arrays of one value each."""
    return [np.full(size, value(index), np.uint8) for index in range(count)]


def threads():
    return {thread for thread in threading.enumerate() if thread is not threading.main_thread()}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No thread stays."""
    before = threads()
    yield
    gc.collect()
    until = time.monotonic() + 10
    while threads() - before and time.monotonic() < until:
        time.sleep(0.01)
    assert not threads() - before


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
        third.image  # noqa: B018
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
        ([{}, {}], "for 2 libraries, and there are 1"),
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


# Leaving early, and waiting.


def test_leaving_a_block_early_stops_the_library(library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    __import__('pathlib').Path(options['file']).write_text(str(calls))\n")
    file = tmp_path / "stopped"
    with empycustom.process("test", lib, options={"file": str(file)}) as results:
        for result in results:
            if result.frame_num == 5:
                break
    assert 6 <= int(file.read_text()) < 60
    assert list(results) == []
    results.close()


def test_an_iterator_that_nobody_holds_stops(library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    __import__('pathlib').Path(options['file']).write_text('')\n")
    file = tmp_path / "stopped"
    for result in empycustom.process("test", lib, options={"file": str(file)}):
        if result.frame_num == 2:
            break
    gc.collect()
    until = time.monotonic() + 10
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert file.exists()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", ["test", "arrays", "file", "files"])
def test_iterators_that_nobody_holds_leave_nothing_open(kind, video, pictures):
    source = {"test": lambda: "test", "arrays": lambda: gray(9), "file": lambda: video, "files": lambda: pictures(9)}[kind]()

    def first():
        for result in empycustom.process(source, mean):
            return result.attributes
        return None

    def settled():
        gc.collect()
        until = time.monotonic() + 10
        while home._playing and time.monotonic() < until:
            time.sleep(0.01)
        return descriptors()

    first()
    before = settled()
    for _ in range(40):
        assert first()
    assert settled() - before < 8


def test_an_error_of_stop_of_an_iterator_that_nobody_holds_is_logged(library, caplog):
    lib = library(f"{COUNTS}def stop(options):\n    1 / 0\n")
    with caplog.at_level(logging.ERROR, "empycustom"):
        for _result in empycustom.process("test", lib):
            break
        gc.collect()
        until = time.monotonic() + 10
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.01)
    assert "lib.py:7: stop raised ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("end", ["break", "raise SystemExit(3)", "raise KeyError", "pass"])
def test_stop_is_called_at_the_end_of_the_program(end, held, library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    import time; time.sleep(0.2); print('stopped', flush=True)\n")
    loop = (
        f"for result in results:\n    {end}\n"
        if held
        else f"for result in empycustom.process('test', {str(lib)!r}):\n    {end}\n"
    )
    if end == "pass":  # the iterator stays open
        loop = "next(results)\n" if held else f"next(empycustom.process('test', {str(lib)!r}))\n"
    program = tmp_path / "program.py"
    program.write_text(f"import empycustom\nresults = empycustom.process('test', {str(lib)!r})\n{loop}")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "stopped\n", done.stderr
    assert done.returncode == {"raise SystemExit(3)": 3, "raise KeyError": 1}.get(end, 0), done.stderr


def test_a_library_that_never_returns_does_not_hold_the_end_of_the_program(library, tmp_path):
    lib = library(f"{COUNTS}def stop(options):\n    import time; time.sleep(60)\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import empycustom\nfrom empycustom.session import process as home\nhome._GRACE_S = 0.3\n"
        f"results = empycustom.process('test', {str(lib)!r})\nnext(results)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "A pipeline does not stop within 0.3 s; the program ends without it." in done.stderr


def test_nothing_begins_before_the_first_result_is_asked_for(library, tmp_path):
    file = tmp_path / "ran"
    results = empycustom.process("test", library(f"open({str(file)!r}, 'w')\n{COUNTS}"))
    results.close()
    assert list(results) == []
    assert not file.exists()


def test_the_video_waits_for_a_slow_program():
    calls = []

    def count(_buffer, _in_meta, _options):
        calls.append(1)

    with empycustom.process("test", count) as results:
        for result in results:
            time.sleep(0.02)
            assert len(calls) <= result.frame_num + 6
            if result.frame_num == 20:
                break


def test_a_library_that_never_returns_does_not_hold_the_program(monkeypatch):
    monkeypatch.setattr(home, "_GRACE_S", 0.3)
    free = threading.Event()

    def stuck(_buffer, in_meta, _options):
        if in_meta["frame"][0]["frame_num"] == 3:
            free.wait(60)

    results = empycustom.process("test", stuck)
    next(results)
    time.sleep(0.1)
    with pytest.raises(LaunchError, match=r"does not stop within 0\.3 s: a callback of a library, or an element"):
        results.close()
    free.set()


def test_several_threads_at_once(video, library):
    barrier, found, lib = threading.Barrier(8), {}, library(COUNTS)

    def run(number):
        barrier.wait()
        source = video if number % 2 else gray(40)
        found[number] = [result.attributes["calls"] for result in empycustom.process(source, [lib, mean])]

    started = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    assert found == {number: list(range(1, 41)) for number in range(8)}


def test_memory_does_not_grow():
    frame = np.zeros((120, 160, 3), np.uint8)

    def play(count):
        for result in empycustom.process((frame for _ in range(count)), mean):
            result.pixels.max()
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    play(200)
    before = play(500)
    assert play(3000) - before < 6000  # KiB; the frames alone would be 173,000


def test_documents_are_json(video):
    for result in empycustom.process(video, mean):
        assert json.loads(json.dumps(result.document)) == result.document


@pytest.mark.parametrize("every_frame", [False, True])
def test_of_a_live_source_a_slow_program_gets_the_newest_frames(serve, pictures, caplog, every_frame):
    seen = []
    with caplog.at_level(logging.WARNING, "empycustom"):
        for result in empycustom.process(serve(pictures(60)), mean, every_frame=every_frame):
            seen.append(result.document["frame"][0]["buf_pts"])
            time.sleep(0 if every_frame else 0.1)
    assert (len(seen) == 60) is every_frame
    assert seen == sorted(seen)
    assert ("every_frame=True takes all" in caplog.text) is not every_frame
