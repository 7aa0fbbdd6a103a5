"""Modules for Hailo's hailopython, on command lines as they are."""

from __future__ import annotations

import sys

import pytest

import empycustom
from empycustom import testing
from empycustom.errors import CallbackError, CallbackOutputError, LibraryImportError

SOURCE = "videotestsrc num-buffers={count} ! video/x-raw,format={format},width={width},height={height},framerate=30/1"
HEAD = "import hailo\nfrom gsthailo import VideoFrame\nfrom gi.repository import Gst\n\n\n"  # as in Hailo's pages


@pytest.fixture
def run(launch, library):
    """Run hailopython with a module, and return how it ended; ``properties`` may have more than the module."""

    def play(
        text,
        properties="",
        *,
        count=2,
        format="RGB",
        width=64,
        height=48,
        behind="",
        element="hailopython",
        launched=launch,
        **more,
    ):
        file = library(text, "module.py")
        source = SOURCE.format(count=count, format=format, width=width, height=height)
        return launched(f"{source} ! {element} module={file} {properties} ! {behind} aimeta silent=false ! fakesink", **more)

    return play


def returning(value):
    return f"from gi.repository import Gst\ndef run(video_frame):\n    return {value}\n"


def test_a_function_reads_and_adds_objects(run):
    """As in Hailo's pages: a person, with a face in it, and a class of the frame."""
    done = run(
        HEAD + "def run(video_frame: VideoFrame):\n"
        "    person = hailo.HailoDetection(bbox=hailo.HailoBBox(xmin=0.5, ymin=0.5, width=0.5, height=0.5), label='person', confidence=0.97)\n"
        "    video_frame.roi.add_object(person)\n"
        "    face = hailo.HailoDetection(bbox=hailo.HailoBBox(xmin=0.0, ymin=0.0, width=1, height=0.2), label='face', confidence=0.84)\n"
        "    person.add_object(face)\n"
        "    video_frame.roi.add_object(hailo.HailoClassification(type='animal', index=1, label='horse', confidence=0.67))\n"
        "    assert hailo.get_roi_from_buffer(video_frame.buffer) is video_frame.roi\n"
        "    found = video_frame.roi.get_objects_typed(hailo.HAILO_DETECTION)\n"
        "    print('found', [each.get_label() for each in found])\n"
        "    return Gst.FlowReturn.OK\n"
    )
    assert done.code == 0, done.text
    assert done.out.count("found ['person']") == 2
    for document in done.documents:
        person, face = document["frame"][0]["object"]
        assert (person["obj_label"], person["confidence"]) == ("person", 0.97)
        assert person["rect_params"] == {"left": 32, "top": 24, "width": 32, "height": 24}
        assert face["parent_id"] == person["unique_id"]


def test_a_function_of_another_name_and_one_at_the_end(run):
    done = run(
        "from gi.repository import Gst\ncalls = 0\n"
        "def count(video_frame):\n    global calls\n    calls += 1\n    return Gst.FlowReturn.OK\n"
        "def finish():\n    print('finished after', calls)\n",
        "function=count finalize-function=finish qos=false",
    )
    assert done.code == 0, done.text
    assert done.out.count("finished after 2") == 1


def test_finalize_function_none_is_no_function(run):
    done = run(returning("Gst.FlowReturn.OK"), "finalize-function=none")
    assert len(done.documents) == 2


def test_the_usual_module(launch, library, tmp_path):
    library(returning("print('called') or Gst.FlowReturn.OK"), "processor.py")
    done = launch("videotestsrc num-buffers=1 ! hailopython ! fakesink")
    assert "called" in done.out
    (tmp_path / "processor.py").unlink()
    done = launch("videotestsrc num-buffers=1 ! hailopython ! fakesink")
    assert done.code != 0
    assert "processor.py does not exist" in done.text


# Pixels.

PIXELS = """
from gsthailo import VideoFrame
from gi.repository import Gst

def run(video_frame):
    info = video_frame.video_info
    with video_frame.map_buffer() as map_info:
        pixels = VideoFrame.numpy_array_from_buffer(map_info, video_info=info)
        print("shape", info.width, info.height, info.finfo.name, *pixels.shape, pixels.flags.writeable, map_info.size >= pixels.size)
        print("sum", int(pixels.astype(int).sum()))
    return Gst.FlowReturn.OK
"""
SHAPES = {
    "RGB": (48, 62, 3),
    "RGBA": (48, 62, 4),
    "GRAY8": (48, 62, 1),
    "YUY2": (48, 62, 2),
    "I420": (72, 62, 1),
    "NV12": (72, 62, 1),
}


@pytest.mark.parametrize(("format", "shape"), SHAPES.items())
def test_pixels_have_their_channels_and_no_padding(run, format, shape):
    """62 pixels of RGB are 186 bytes, and rows begin at multiples of 4."""
    element = "empycustom dialect=hailopython" if format == "GRAY8" else "hailopython"
    done = run(PIXELS, format=format, width=62, count=1, element=element)
    assert f"shape 62 48 {format} {' '.join(map(str, shape))} False True" in done.out, done.text


def test_the_pixels_are_those_of_the_frame(launch, library):
    file = library(PIXELS)
    done = launch(
        f"videotestsrc num-buffers=1 pattern=white ! video/x-raw,format=RGB,width=63,height=48 ! hailopython module={file} ! fakesink"
    )
    assert f"sum {63 * 48 * 3 * 255}" in done.out, done.text


def test_caps_instead_of_video_info_and_neither(run):
    done = run(
        "from gsthailo import VideoFrame\nfrom gi.repository import Gst\n"
        "def run(video_frame):\n"
        "    caps = Gst.Caps.from_string('video/x-raw,format=RGB,width=64,height=48')\n"
        "    with video_frame.map_buffer() as map_info:\n"
        "        print('shape', VideoFrame.numpy_array_from_buffer(map_info, caps=caps).shape)\n"
        "    fits, own = video_frame.buffer.map(Gst.MapFlags.READ)\n"
        "    print('own', VideoFrame.numpy_array_from_buffer(own, caps=caps).shape)\n"
        "    video_frame.buffer.unmap(own)\n"
        "    with video_frame.map_buffer() as map_info:\n"
        "        VideoFrame.numpy_array_from_buffer(map_info)\n"
    )
    assert "shape (48, 64, 3)" in done.out
    assert "own (48, 64, 3)" in done.out
    assert "numpy_array_from_buffer needs caps or video_info: pass video_info=video_frame.video_info" in done.text
    assert "module.py:11: run raised RuntimeError" in done.text


def test_pixels_that_are_kept_raise_after_the_block(library, module_folder):
    file = library(
        "from gsthailo import VideoFrame\n"
        "def run(video_frame):\n"
        "    with video_frame.map_buffer() as map_info:\n"
        "        pixels = VideoFrame.numpy_array_from_buffer(map_info, video_info=video_frame.video_info)\n"
        "    return pixels.sum()\n"
    )
    with pytest.raises(Exception, match=r"lib\.py:5.*used after its with block"):
        testing.run(file)


# What a function returns.


@pytest.mark.parametrize("value", ["Gst.FlowReturn.OK", "0", "False"])
def test_what_lets_frames_go_on(run, value):
    done = run(returning(value))
    assert done.code == 0, done.text
    assert len(done.documents) == 2


def test_what_drops_frames(run):
    value = "Gst.FlowReturn.CUSTOM_SUCCESS if video_frame.buffer.offset else Gst.FlowReturn.OK"
    done = run(returning(value), count=4)
    assert done.code == 0, done.text
    assert len(done.documents) == 1
    assert done.complaints() == []


def test_the_end_of_the_stream(run):
    text = "from gi.repository import Gst\ncalls = 0\ndef run(video_frame):\n    global calls\n    calls += 1\n"
    done = run(f"{text}    return Gst.FlowReturn.EOS if calls == 4 else Gst.FlowReturn.OK\n", count=10000)
    assert done.code == 0, done.text
    assert len(done.documents) == 3


ERRORS = {
    "ERROR": "Gst.FlowReturn.ERROR",
    "NOT_NEGOTIATED": "Gst.FlowReturn.NOT_NEGOTIATED",
    "FLUSHING": "Gst.FlowReturn.FLUSHING",
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_return_value_that_is_an_error(run, name):
    done = run(returning(f"Gst.FlowReturn.{name}"))
    assert done.code == 1
    assert f"module.py:2: run returned Gst.FlowReturn.{name}" in done.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("None", "None"),
        ("'ok'", "str"),
        ("True", "bool"),
        ("1.0", "float"),
        ("[]", "list"),
        ("7", "int"),
    ],
)
def test_a_return_value_without_a_meaning_is_an_error(run, value, shown):
    done = run(returning(value))
    assert done.code == 1
    line = next(text for text in done.text.splitlines() if "run returned" in text)
    assert f"module.py:2: run returned {shown}" in line
    assert line.endswith("; return Gst.FlowReturn.OK")


def test_on_error_lets_frames_go_on(run):
    done = run(returning("None"), "on-error=pass")
    assert done.code == 0
    assert len(done.documents) == 2


# Errors.


@pytest.mark.parametrize(
    ("text", "properties", "says"),
    [
        ("def run(video_frame):\n    x = 1\n    raise ValueError('no')\n", "", "module.py:3: run raised ValueError: no"),
        ("def work(video_frame):\n    pass\n", "", "module.py has no run, which function=run needs; "),
        ("def run(video_frame):\n    pass\n", "function=ran", "module.py has no ran, which function=ran needs; run may be meant"),
        (
            "def run(video_frame):\n    pass\n",
            "finalize-function=end",
            "module.py has no end, which finalize-function=end needs; ",
        ),
        ("def run():\n    pass\n", "", "module.py:1: run takes (), but is called with a VideoFrame; define run(video_frame)"),
        (
            "def run(f):\n    pass\ndef end(x):\n    pass\n",
            "finalize-function=end",
            "module.py:3: end takes (x), but is called without arguments; define end()",
        ),
        ("run = 3\n", "", "module.py: run is a int, not a function"),
        ("import hailoo\ndef run(f):\n    pass\n", "", "module.py:1"),
        ("def run(f)\n    pass\n", "", "module.py:1"),
        (
            "def run(f):\n    return 0\ndef end():\n    raise ValueError('late')\n",
            "finalize-function=end",
            "module.py:4: end raised ValueError: late",
        ),
    ],
    ids=[
        "raises",
        "no function",
        "function",
        "finalize",
        "arity",
        "arity of finalize",
        "no callable",
        "import",
        "syntax",
        "raises at the end",
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(run, text, properties, says):
    done = run(text, properties)
    assert says in done.text
    assert "Traceback" not in done.out.partition("Additional debug info")[0]


def test_a_missing_module(launch):
    done = launch("videotestsrc num-buffers=1 ! hailopython module=missing.py ! fakesink")
    assert done.code != 0
    assert "missing.py does not exist" in done.text


# Without Hailo's module.


def test_without_hailos_module_frames_have_no_roi(run, gst_launch):
    module = PIXELS.replace("    info =", "    video_frame.roi\n    info =")
    done = run(module, launched=gst_launch)
    assert done.code == 1
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    assert (
        "module.py:6: run raised FrameError: video_frame.roi cannot be read: the Python module hailo is missing at frame 0 "
        f"(0:00:00.000); install that of Hailo's TAPPAS for {version}; objects of other elements are in in_meta, which libraries with process_ip get"
    ) in done.text


def test_without_hailos_module_pixels_are_read(run, gst_launch):
    done = run(PIXELS, launched=gst_launch)
    assert done.code == 0, done.text
    assert done.out.count("shape 64 48 RGB 48 64 3 False True") == 2


def test_in_a_worker_frames_have_pixels_and_no_roi(run):
    done = run(PIXELS, "workers=1")
    assert done.out.count("shape 64 48 RGB 48 64 3 False True") == 2, done.text
    done = run("def run(video_frame):\n    video_frame.roi\n", "workers=1")
    assert "module.py:2: run raised FrameError: video_frame.roi is in the process of the pipeline" in done.text


# How a module is recognized.


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        (HEAD + "def run(video_frame):\n    return Gst.FlowReturn.OK\n", ""),
        ("def run(video_frame):\n    return 0\n", ""),
        ("from gsthailo.video_frame import VideoFrame\ndef work(video_frame: VideoFrame):\n    return 0\n", "function=work"),
        ("def work(video_frame):\n    return 0\ndef end():\n    pass\n", "function=work finalize-function=end"),
    ],
)
def test_empycustom_recognizes_a_module(launch, library, text, properties):
    file = library(text)
    done = launch(f"videotestsrc num-buffers=2 ! empycustom custom-lib={file} {properties} ! aimeta silent=false ! fakesink")
    assert done.code == 0, done.text
    assert len(done.documents) == 2


def test_an_installed_gsthailo_is_not_used(run, tmp_path, module_folder):
    """Its frames have no size with Python 3.10 and later."""
    (tmp_path / "theirs" / "gsthailo").mkdir(parents=True)
    (tmp_path / "theirs" / "gsthailo" / "__init__.py").write_text("class VideoFrame:\n    pass\n")
    done = run(PIXELS, PYTHONPATH=f"{tmp_path / 'theirs'}:{module_folder}", count=1)
    assert "shape 64 48 RGB 48 64 3" in done.out, done.text


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("ERROR", "ends the stream with an error"),
        ("FLUSHING", "ends the stream with an error"),
        ("NOT_LINKED", "ends the stream with an error"),
        ("CUSTOM_ERROR_1", "ends the stream with an error"),
        ("CUSTOM_SUCCESS_1", "has no meaning here"),
        ("CUSTOM_SUCCESS_2", "has no meaning here"),
    ],
)
def test_other_values_are_named_with_the_frame(library, name, meaning):
    file = library(returning(f"Gst.FlowReturn.{name}"))
    with pytest.raises(CallbackOutputError) as caught:
        list(empycustom.process("test", file))
    said = (
        f"{file}:2: run returned Gst.FlowReturn.{name} at frame 0 (0:00:00.000), which {meaning}; return Gst.FlowReturn.OK, or "
    )
    assert str(caught.value) == f"{said}CUSTOM_SUCCESS to drop the frame"


def test_the_frame_stands_before_what_to_do_about_a_missing_roi(library):
    file = library("def run(video_frame):\n    video_frame.roi\n")
    with pytest.raises(CallbackError) as caught:
        list(empycustom.process("test", file, call={"dialect": "hailopython"}, workers=1))
    assert str(caught.value) == (
        f"{file}:2: run raised FrameError: video_frame.roi is in the process of the pipeline, and this is another one at frame 0 "
        "(0:00:00.000); set workers=0, or write the library with process_ip, which gets the objects in in_meta and returns new ones"
    )


def test_a_missing_hailo_is_explained(library, monkeypatch):
    monkeypatch.setitem(sys.modules, "hailo", None)  # other tests have a stand-in
    file = library("import hailo\ndef run(video_frame):\n    return 0\n")
    with pytest.raises(LibraryImportError) as caught:
        next(empycustom.process("test", file))
    assert "It is part of Hailo's TAPPAS, not of PyPI. A library can do without it: its objects are in in_meta" in str(
        caught.value
    )


def test_what_has_no_meaning_for_its_functions_is_a_warning(run):
    done = run(returning("Gst.FlowReturn.OK"), """options='{"a": 1}' in-place=false interface=2""")
    for name in ("options", "in-place=false", "interface"):
        assert f"{name} is set, but not used: functions for hailopython get a frame and nothing else" in done.text
