"""``output_caps``: what ``process`` makes may have another size, format or frame rate than what it gets."""

from __future__ import annotations

import json

import pytest
from programs import WORKERS

import empycustom
from empycustom.gstreamer import Gst

SIZE = (64, 48)
CAPS = "video/x-raw,format=RGBA,width=64,height=48,framerate=10/1,pixel-aspect-ratio=2/1"
SOURCE = f"videotestsrc num-buffers=4 pattern=ball ! {CAPS}"
HALF = """
import json
import empycustom

def output_caps(caps, options):
    return options.get("caps", "video/x-raw,width=32,height=24,format=GRAY8")

def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        half = frame.pixels[::2, ::2, 0].copy()
    return half, [{"name": found["obj_label"], "n": n} for n, found in enumerate(in_meta["frame"][0]["object"])] + [{"done": True}]
"""


def facts(sample):
    """Size, format and frame rate of a sample, the time of its buffer, and its pixels."""
    structure = sample.get_caps().to_string().split(", ")
    buffer = sample.get_buffer()
    return structure, buffer.pts, buffer.extract_dup(0, buffer.get_size())


@pytest.mark.parametrize(
    "said",
    [
        '"video/x-raw,width=32,height=24,format=GRAY8"',
        'Gst.Caps.from_string("video/x-raw,width=32,height=24,format=GRAY8")',
        "f\"video/x-raw,height={caps[0]['height'] // 2},width=32,format=(string)GRAY8\"",
    ],
)
def test_the_library_sets_the_caps_downstream_and_the_rest_stays(play, library, said):
    lib = library(
        f"from gi.repository import Gst\n{HALF}".replace(
            'options.get("caps", "video/x-raw,width=32,height=24,format=GRAY8")', said
        )
    )
    before = [facts(sample)[2] for sample in play(f"{SOURCE} ! appsink name=out").samples]
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! appsink name=out")
    assert played.ended, played.errors
    for number, (sample, whole) in enumerate(zip(played.samples, before, strict=True)):
        fields, pts, pixels = facts(sample)
        assert {"width=(int)32", "height=(int)24", "format=(string)GRAY8"} < set(fields)
        assert {"framerate=(fraction)10/1", "pixel-aspect-ratio=(fraction)2/1"} < set(fields)
        assert pts == number * Gst.SECOND // 10
        assert pixels == b"".join(whole[row * 256 : (row + 1) * 256 : 8] for row in range(0, 48, 2))


def test_pixels_arrive_as_the_library_made_them(play, library):
    lib = library("""
import numpy as np

def output_caps(caps, options):
    return "video/x-raw,format=I420,width=7,height=5"

def process(in_buffer, in_meta, options):
    return tuple(np.full(shape, n, np.uint8) for n, shape in enumerate([(5, 7), (3, 4), (3, 4)])), None
""")
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! appsink name=out")
    assert played.ended, played.errors
    in_meta = {"buffer": {"format": "I420", "width": 7, "height": 5, "memory": "CPU"}}
    for sample in played.samples:
        with empycustom.map_frame(sample.get_buffer(), in_meta) as frame:
            assert [set(plane.flat) for plane in frame.planes] == [{0}, {1}, {2}]


def test_colorimetry_of_rgb_does_not_reach_another_format(play, library):
    lib = library(HALF)
    played = play(f"{SOURCE},colorimetry=sRGB ! empycustom custom-lib={lib} ! appsink name=out")
    assert played.ended, played.errors
    assert "colorimetry=(string)sRGB" not in facts(played.samples[0])[0]


def test_a_buffer_of_ones_own_may_have_another_size(play, library):
    lib = library("""
from gi.repository import Gst
def output_caps(caps, options):
    return "video/x-raw,width=16,height=16"
def process(in_buffer, in_meta, options):
    return Gst.Buffer.new_wrapped(bytes([7]) * (16 * 16 * 4)), None
""")
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! appsink name=out")
    assert played.ended, played.errors
    assert [(pts, set(pixels), len(pixels)) for _, pts, pixels in map(facts, played.samples)] == [
        (number * Gst.SECOND // 10, {7}, 1024) for number in range(4)
    ]


def test_a_lower_frame_rate_is_made_by_dropping(play, library):
    lib = library("""
def output_caps(caps, options):
    return "video/x-raw,framerate=5/1"
def process(in_buffer, in_meta, options):
    return (in_buffer if in_meta["frame"][0]["frame_num"] % 2 == 0 else None), None
""")
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! appsink name=out")
    assert played.ended, played.errors
    assert [sample.get_buffer().pts for sample in played.samples] == [0, Gst.SECOND // 5]
    assert "framerate=(fraction)5/1" in facts(played.samples[0])[0]


def documents(play, lib, upstream, words=""):
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={upstream} ! {words} empycustom custom-lib={lib} ! aimeta name=m ! fakesink"
    )
    played = play(pipeline)
    assert played.ended, played.errors
    return json.loads(pipeline.get_by_name("m").get_property("last-meta"))["frame"][0]


def test_regions_are_rescaled_and_keep_their_attributes(play, library, regions):
    """Three without an id, two of which are alike in all, and one with an id."""
    frame = documents(
        play, library(HALF), regions(("car", 8, 4, 20, 10), ("car", 8, 4, 20, 10), ("bus", 0, 0, 64, 48), ("car", 2, 2, 2, 2, 9))
    )
    assert (frame["source_frame_width"], frame["source_frame_height"]) == (32, 24)
    boxes = [tuple(found["rect_params"].values()) for found in frame["object"]]
    assert boxes == [(4, 2, 10, 5), (4, 2, 10, 5), (0, 0, 32, 24), (1, 1, 1, 1)]
    assert [found["emcustom"] for found in frame["object"]] == [
        {"name": name, "n": number} for number, name in enumerate(["car", "car", "bus", "car"])
    ]
    assert frame["emcustom"] == {"done": True}


def test_earlier_attributes_stay_with_rescaled_objects(play, library, regions):
    """Also those of an element upstream, whose note repeats the boxes as they were."""
    named = library(
        "def process_ip(b, m, o):\n    return [{'first': f['obj_label']} for f in m['frame'][0]['object']]\n", "named.py"
    )
    upstream = regions(("person", 8, 4, 20, 10), ("car", 32, 24, 32, 24))
    frame = documents(play, library(HALF), upstream, f"empycustom in-place=true custom-lib={named} !")
    assert [(found["emcustom"], tuple(found["rect_params"].values())) for found in frame["object"]] == [
        ({"first": "person", "name": "person", "n": 0}, (4, 2, 10, 5)),
        ({"first": "car", "name": "car", "n": 1}, (16, 12, 16, 12)),
    ]


def test_objects_that_a_library_found_are_rescaled_too(play, library):
    """As regions, or as GstAnalytics where there is such a thing."""
    found = library(
        "def process_ip(b, m, o):\n"
        "    box = {'left': 10, 'top': 20, 'width': 30, 'height': 8}\n"
        "    return {'frame': [{'new_object': [{'obj_label': 'cat', 'class_id': 3, 'confidence': 0.5, 'rect_params': box}]}]}\n",
        "found.py",
    )
    frame = documents(play, library(HALF), found)
    (cat,) = frame["object"]
    assert (cat["obj_label"], cat["class_id"], cat["confidence"], cat["emcustom"]) == ("cat", 3, 0.5, {"name": "cat", "n": 0})
    assert tuple(cat["rect_params"].values()) == (5, 10, 15, 4)


def test_frames_that_cannot_pass_are_dropped_counted_and_reported_once(gst_launch, library):
    for properties, call in (
        ("process-interval=2", ""),
        ("on-error=pass", "\n    if in_meta['frame'][0]['frame_num'] % 2: raise ValueError\n"),
    ):
        lib = library(HALF.replace("    with empycustom", f"{call}    with empycustom"))
        launched = gst_launch(
            f"{SOURCE} ! empycustom custom-lib={lib} {properties} ! aimeta silent=false ! fakesink",
            GST_DEBUG="python-empycustom:2",
        )
        assert launched.code == 0, launched.text
        assert [document["frame"][0]["frame_num"] for document in launched.documents] == [0, 2]
        assert launched.text.count("they have other caps than those of output_caps") == 1


def test_in_place_frames_keep_their_caps_with_a_line_in_the_log(gst_launch, library):
    lib = library(HALF + "\ndef process_ip(b, m, o):\n    return [{'size': m['buffer']['width']}]\n")
    launched = gst_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={lib} ! aimeta silent=false ! fakesink", GST_DEBUG="python-empycustom:2"
    )
    assert launched.code == 0, launched.text
    assert launched.documents[0]["frame"][0]["emcustom"] == {"size": 64}
    assert "is not called: with in-place=true frames keep their caps" in launched.text


def test_it_is_asked_once_for_each_caps(play, library):
    lib = library("""
import numpy as np
asked = []
def output_caps(caps, options):
    asked.append(caps[0]["width"])
    return f"video/x-raw,width={asked[-1] // 2}"
def process(in_buffer, in_meta, options):
    about = in_meta["buffer"]
    return np.zeros((about["height"], about["width"] // 2, 4), np.uint8), [{"asked": asked.copy()}]
""")
    pipeline = Gst.parse_launch(f"appsrc name=in format=time ! empycustom custom-lib={lib} ! aimeta name=m ! appsink name=out")
    source = pipeline.get_by_name("in")
    for number, width in enumerate((64, 64, 32, 64)):
        caps = Gst.Caps.from_string(CAPS.replace("width=64", f"width={width}"))
        buffer = Gst.Buffer.new_wrapped(bytes(width * 48 * 4))
        buffer.pts = number * Gst.SECOND
        source.emit("push-sample", Gst.Sample.new(buffer, caps, None, None))
    source.emit("end-of-stream")
    played = play(pipeline)
    assert played.ended, played.errors
    widths = [next(field for field in facts(sample)[0] if field.startswith("width")) for sample in played.samples]
    assert widths == ["width=(int)32", "width=(int)32", "width=(int)16", "width=(int)32"]
    last = json.loads(pipeline.get_by_name("m").get_property("last-meta"))
    assert last["frame"][0]["emcustom"] == {"asked": [64, 32]}


REFUSED = {
    '"video/x-raw,width=[1,5]"': "'video/x-raw,width=[1,5]' leaves a choice; give every field one value",
    '"video/x-raw,format=Y41B"': "empycustom cannot output 'video/x-raw, width=(int)64",
    '"audio/x-raw"': "'audio/x-raw' is not one kind of raw video",
    '"video/x-raw;video/x-raw,width=3"': "is not one kind of raw video",
    '"ANY"': "'ANY' is not one kind of raw video",
    '""': "'' is not one kind of raw video",
    '"hello"': "'hello' is not one kind of raw video",
    "5": 'it is int; return a text such as "video/x-raw,width=320,height=240", a Gst.Caps, or None',
    '"video/x-raw,width=-3"': "is not a video format",
    '"video/x-raw,format=NONE"': "is not a video format",
    '"video/x-raw,width=wide"': "is not a video format",
    "null": "an array has the shape (24, 32) and the type uint8; RGBA of 64x48 needs an array (48, 64, 4) of uint8",
}


@pytest.mark.parametrize(("said", "told"), REFUSED.items(), ids=REFUSED)
def test_impossible_caps_are_one_error_with_the_reason(play, library, said, told):
    lib = library(HALF)
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom name=e ! fakesink")
    element = pipeline.get_by_name("e")
    element.set_property("custom-lib", str(lib))
    element.set_property("options", json.dumps({"caps": json.loads(said)}))
    played = play(pipeline)
    assert told in played.error
    if said != "null":
        assert played.error.startswith(f"{lib}:5: what output_caps returned cannot be used: ")
        assert sum("output_caps" in text for text, _ in played.errors) == 1


def test_caps_that_downstream_does_not_accept_are_an_error_that_names_both(gst_launch, library):
    launched = gst_launch(f"-q {SOURCE} ! empycustom custom-lib={library(HALF)} ! video/x-raw,width=99 ! fakesink")
    assert launched.code != 0
    assert launched.text.count("does not take video/x-raw") == 1
    assert "width=(int)32, height=(int)24, format=(string)GRAY8, but video/x-raw" in launched.text
    assert "width=(int)99; return what it takes, or put videoconvert ! videoscale behind the element" in launched.text


def test_an_exception_in_it_is_shown_with_its_traceback(gst_launch, library):
    launched = gst_launch(
        f"-q {SOURCE} ! empycustom custom-lib={library('def output_caps(caps, options):' + chr(10) + '    return 1 / 0' + HALF.replace('def output_caps', 'def other'))} ! fakesink"
    )
    assert launched.code != 0
    assert launched.text.count("lib.py:2: output_caps raised ZeroDivisionError: division by zero") == 1
    assert "Traceback (most recent call last)" in launched.text


def test_one_with_other_arguments_is_refused_at_the_start(play, library):
    lib = library("def output_caps(caps):\n    return caps\ndef process(b, m, o):\n    return b, None\n")
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! fakesink")
    assert "lib.py:1: output_caps takes (caps), but is called as output_caps(caps, options)" in played.error


WRONG_BUFFERS = {
    "in_buffer": "the new buffer has 12288 bytes, but RGBA of 32x24 was negotiated, which needs 3072; change output_caps, or the buffer",
    "Gst.Buffer.new_wrapped(bytes(100))": "the new buffer has 100 bytes, but RGBA of 32x24 was negotiated, which needs 3072",
    "described(in_buffer)": "the new buffer is RGBA of 64x48 (GstVideoMeta), but RGBA of 32x24 was negotiated",
}


@pytest.mark.parametrize(("made", "told"), WRONG_BUFFERS.items(), ids=WRONG_BUFFERS)
def test_a_buffer_that_does_not_fit_the_negotiated_caps_is_an_error_that_names_both(play, library, made, told):
    if WORKERS and made == "in_buffer":  # it comes from a pool that says how frames lie
        told = WRONG_BUFFERS["described(in_buffer)"]
    lib = library(f"""
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo
def output_caps(caps, options):
    return "video/x-raw,width=32,height=24"
def described(buffer):
    new = buffer.copy_deep()
    GstVideo.buffer_add_video_meta(new, 0, GstVideo.VideoFormat.RGBA, 64, 48)
    return new
def process(in_buffer, in_meta, options):
    return {made}, None
""")
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! fakesink")
    assert f"lib.py:11: what process returned at frame 0 (0:00:00.000) cannot be used: {told}" in played.error
