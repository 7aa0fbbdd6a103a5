"""The element ``empycustom`` with in-place=false: ``process`` makes new buffers."""

from __future__ import annotations

import json

import pytest

import empycustom
from empycustom.frames.formats import FORMATS
from empycustom.gstreamer import Gst

SOURCE = "videotestsrc num-buffers=4 pattern=ball ! video/x-raw,format=RGBA,width=64,height=48,framerate=10/1"
NEW = "from gi.repository import Gst\n"
INVERT = (
    NEW
    + """
def process(in_buffer, in_meta, options):
    size = in_buffer.get_size()
    data = bytes(255 - byte for byte in in_buffer.extract_dup(0, size))
    return Gst.Buffer.new_wrapped(data), [{"inverted": True}]
"""
)


def both(play, lib, properties=""):
    """Buffers before and after the element."""
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! identity name=before signal-handoffs=true ! empycustom name=e {properties} custom-lib={lib} ! appsink name=out"
    )
    before = []
    pipeline.get_by_name("before").connect("handoff", lambda _, buffer: before.append(facts(buffer)))
    played = play(pipeline)
    return before, [facts(sample.get_buffer()) for sample in played.samples], played


def facts(buffer):
    return {
        "pts": buffer.pts,
        "duration": buffer.duration,
        "offset": buffer.offset,
        "flags": int(buffer.get_flags()) & ~int(Gst.BufferFlags.TAG_MEMORY),
        "pixels": buffer.extract_dup(0, buffer.get_size()),
    }


def test_the_new_buffer_goes_downstream_with_the_times_of_the_old(play, library):
    before, after, played = both(play, library(INVERT))
    assert played.ended
    assert len(after) == 4
    for old, new in zip(before, after, strict=True):
        assert new["pixels"] == bytes(255 - byte for byte in old["pixels"])
        assert {**old, "pixels": 0} == {**new, "pixels": 0}


def test_what_the_library_set_itself_stays(play, library):
    lib = library(
        NEW
        + """
def process(in_buffer, in_meta, options):
    out = in_buffer.copy_deep()
    out.pts = in_buffer.pts + 7
    out.set_flags(Gst.BufferFlags.CORRUPTED)
    return out, None
"""
    )
    before, after, _ = both(play, lib)
    assert [new["pts"] for new in after] == [old["pts"] + 7 for old in before]
    assert [new["duration"] for new in after] == [old["duration"] for old in before]
    assert all(new["flags"] & int(Gst.BufferFlags.CORRUPTED) for new in after)


def test_the_attributes_are_on_the_new_buffer(play, library):
    pipeline = Gst.parse_launch(f"{SOURCE} ! empycustom custom-lib={library(INVERT)} ! aimeta name=meta ! fakesink")
    documents = []
    pipeline.get_by_name("meta").connect("new-meta", lambda _, text: documents.append(json.loads(text)))
    assert play(pipeline).ended
    assert [document["frame"][0]["emcustom"] for document in documents] == [{"inverted": True}] * 4


def test_metas_of_the_input_are_kept_and_attributes_find_their_object(play, library):
    detector = library(
        """
def process_ip(b, m, o):
    box = {"left": 1, "top": 2, "width": 3, "height": 4}
    return {"frame": [{"new_object": [{"obj_label": "cat", "class_id": 3, "rect_params": box}]}]}
""",
        "detector.py",
    )
    maker = library(INVERT.replace('[{"inverted": True}]', '[{"pixels": 12}]'), "maker.py")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={detector} ! empycustom custom-lib={maker} ! aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    frame = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]
    assert [(found["obj_label"], found["class_id"], found["emcustom"]) for found in frame["object"]] == [
        ("cat", 3, {"pixels": 12})
    ]


def test_none_drops_the_frame(play, library):
    lib = library(
        NEW
        + """
def process(in_buffer, in_meta, options):
    keep = in_meta["frame"][0]["frame_num"] % 2
    return (in_buffer.copy_deep() if keep else None), ''
"""
    )
    before, after, played = both(play, lib)
    assert played.ended
    assert [new["pts"] for new in after] == [before[1]["pts"], before[3]["pts"]]


def test_the_input_itself_may_be_returned(play, library):
    before, after, played = both(play, library("def process(in_buffer, in_meta, options):\n    return in_buffer, [{'n': 1}]\n"))
    assert played.ended
    assert before == after


def test_a_buffer_that_the_library_keeps_is_not_changed(play, library):
    """One buffer returned again and again: each output gets its own times."""
    lib = library(
        NEW
        + """
kept = None
def process(in_buffer, in_meta, options):
    global kept
    kept = kept or in_buffer.copy_deep()
    kept.pts = Gst.CLOCK_TIME_NONE
    return kept, None
"""
    )
    before, after, played = both(play, lib)
    assert played.ended
    assert [new["pts"] for new in after] == [old["pts"] for old in before]
    assert all(new["pixels"] == before[0]["pixels"] for new in after)


def test_buffers_between_the_interval_pass_untouched(play, library):
    before, after, played = both(play, library(INVERT), "process-interval=2")
    assert played.ended
    assert [new["pixels"] == old["pixels"] for old, new in zip(before, after, strict=True)] == [False, True, False, True]
    assert [new["pts"] for new in after] == [old["pts"] for old in before]


def test_on_error_pass_hands_on_the_input(play, library):
    lib = library("def process(in_buffer, in_meta, options):\n    raise ValueError('no')\n")
    before, after, played = both(play, lib, "on-error=pass")
    assert played.ended
    assert before == after


def test_downstreams_pool_does_not_lay_its_strides_over_ours(play, library):
    """A sink with a pool of padded buffers: the picture must not be skewed."""
    lib = library("def process(in_buffer, in_meta, options):\n    return in_buffer.copy_deep(), None\n")
    played = play(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGB,width=33,height=17 ! "
        f"empycustom custom-lib={lib} ! videoconvert ! video/x-raw,format=RGBA ! appsink name=out"
    )
    plain = play(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGB,width=33,height=17 ! "
        "videoconvert ! video/x-raw,format=RGBA ! appsink name=out"
    )
    pixels = [facts(one.samples[0].get_buffer())["pixels"] for one in (played, plain)]
    assert pixels[0] == pixels[1]


@pytest.mark.inline("metadata on the buffer does not come back from workers")
def test_regions_of_the_librarys_own_replace_those_of_the_input(play, library, regions):
    lib = library("""
import gi
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo
def process(in_buffer, in_meta, options):
    out = Gst.Buffer.new_wrapped(in_buffer.extract_dup(0, in_buffer.get_size()))
    GstVideo.buffer_add_video_region_of_interest_meta(out, "mine", 1, 2, 3, 4)
    return out, None
""")
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={regions(('theirs', 5, 6, 7, 8))} ! empycustom custom-lib={lib} ! "
        "aimeta name=meta ! fakesink"
    )
    assert play(pipeline).ended
    frame = json.loads(pipeline.get_by_name("meta").get_property("last-meta"))["frame"][0]
    assert [found["obj_label"] for found in frame["object"]] == ["mine"]


ARRAYS = """
import numpy as np
import empycustom

def process(in_buffer, in_meta, options):
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        planes = tuple(np.invert(plane) for plane in frame.planes)
    return planes if len(planes) > 1 else planes[0], [{"inverted": True}]
"""


@pytest.mark.parametrize("size", [(64, 48), (33, 17)], ids=str)
@pytest.mark.parametrize("video_format", FORMATS)
def test_arrays_become_the_new_buffer_in_every_format(play, library, video_format, size):
    """Inverted twice it is what it was, except padding; times and attributes are kept."""
    caps = f"video/x-raw,format={video_format},width={size[0]},height={size[1]},framerate=10/1"
    lib = library(ARRAYS)
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=2 pattern=smpte100 ! {caps} ! tee name=t t. ! queue ! appsink name=before "
        f"t. ! queue ! empycustom custom-lib={lib} ! empycustom custom-lib={lib} ! aimeta name=m ! appsink name=out"
    )
    before = []
    sink = pipeline.get_by_name("before")
    sink.set_property("emit-signals", True)
    sink.connect("new-sample", lambda sink: before.append(sink.emit("pull-sample")) or Gst.FlowReturn.OK)
    played = play(pipeline)
    assert played.ended, played.errors
    in_meta = {"buffer": {"format": video_format, "width": size[0], "height": size[1], "memory": "CPU"}}
    for old, new in zip(before, played.samples, strict=True):
        old, new = old.get_buffer(), new.get_buffer()
        assert (old.pts, old.duration, old.get_size()) == (new.pts, new.duration, new.get_size())
        with empycustom.map_frame(old, in_meta) as one, empycustom.map_frame(new, in_meta) as other:
            assert all((plane == same).all() for plane, same in zip(one.planes, other.planes, strict=True))
    assert json.loads(pipeline.get_by_name("m").get_property("last-meta"))["frame"][0]["emcustom"] == {"inverted": True}


WRONG = {
    "np.zeros((48, 64, 3), np.uint8)": "shape (48, 64, 3) and the type uint8; RGBA of 64x48 needs an array (48, 64, 4) of uint8",
    "np.zeros((48, 64, 4))": "type float64; RGBA of 64x48 needs an array (48, 64, 4) of uint8 (array.astype makes another type)",
    "(np.zeros((48, 64), np.uint8),) * 2": "2 arrays; RGBA of 64x48 needs an array (48, 64, 4) of uint8",
    "[7]": "it is int, not a NumPy array; RGBA",
    "seen(b, m)": "it is a view of a frame whose with block is over; return view.copy()",
    "7": "the first of the pair is int; return a Gst.Buffer, a NumPy array, a tuple of arrays (a plane each), or None",
}


@pytest.mark.parametrize(("made", "told"), WRONG.items(), ids=WRONG)
def test_arrays_that_do_not_fit_the_stream_are_an_error_that_names_both(play, library, made, told):
    lib = library(
        "import numpy as np, empycustom\n"
        "def seen(b, m):\n    with empycustom.map_frame(b, m) as frame:\n        return frame.pixels\n"
        f"def process(b, m, o):\n    return {made}, None\n"
    )
    played = play(f"{SOURCE} ! empycustom custom-lib={lib} ! fakesink")
    assert told in played.error
    assert "lib.py:5: what process returned at frame 0 (0:00:00.000) cannot be used" in played.error


def test_metas_of_the_input_travel_on_arrays_too(play, library, regions):
    lib = library(ARRAYS.replace('[{"inverted": True}]', "[{'name': f['obj_label']} for f in in_meta['frame'][0]['object']]"))
    found = regions(("person", 1, 2, 3, 4, 7), ("car", 5, 6, 7, 8, 9))
    pipeline = Gst.parse_launch(
        f"{SOURCE} ! empycustom in-place=true custom-lib={found} ! empycustom custom-lib={lib} ! aimeta name=m ! fakesink"
    )
    assert play(pipeline).ended
    (frame,) = json.loads(pipeline.get_by_name("m").get_property("last-meta"))["frame"]
    assert [(found["obj_label"], found["emcustom"]) for found in frame["object"]] == [
        ("person", {"name": "person"}),
        ("car", {"name": "car"}),
    ]
