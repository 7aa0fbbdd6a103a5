"""The listings of the document that asks for these elements, as they are printed there.

``listings/average_intensity.py`` is its first example to the letter; ``listings/new_lib.py`` is its new library with the array of
its next listing in it, and that one's slip (``out_obj``) mended.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LISTINGS = Path(__file__).parents[1] / "listings"
PEOPLE = """
def process_ip(b, m, o):
    found = [{"class_id": class_id, "obj_label": label, "rect_params": {"left": left, "top": 10, "width": 20, "height": 20}}
             for class_id, label, left in ((2, "person", 10), (0, "car", 30), (2, "person", 500))]
    return {"frame": [{"new_object": found}]}
"""
# The pipeline of the document, with NVIDIA's elements replaced by their plain counterparts.
PIPELINE = (
    "videotestsrc num-buffers=21 ! video/x-raw,width=640,height=360,framerate=30/1 ! queue ! videoconvert ! "
    "'video/x-raw,format=(string)RGBA' ! {before}"
    'empycustom custom-lib="{lib}" in-place=true process-interval=10 {more} ! aimeta silent=false ! perf ! fakesink'
)


@pytest.fixture
def people(library):
    return f"empycustom in-place=true custom-lib={library(PEOPLE, 'people.py')} ! "


def test_average_intensity(gst_launch, people):
    """Its axes are swapped, so the person on the right is an empty region: the mean is nan, and leaves as null."""
    launched = gst_launch(PIPELINE.format(before=people, lib="average_intensity.py", more=""), cwd=LISTINGS)
    assert launched.code == 0, launched.text
    assert "perf: perf0; timestamp:" in launched.out
    assert len(launched.documents) == 21
    for number, document in enumerate(launched.documents):
        words = [found.get("emcustom") for found in document["frame"][0]["object"]]
        if number % 10:
            assert words == [None, None, None]
        else:
            person, car, outside = words
            assert 0 < person["average_intensity"] <= 255
            assert car is None
            assert outside == {"average_intensity": None}


def test_average_intensity_with_options(gst_launch, people):
    launched = gst_launch(
        PIPELINE.format(before=people, lib="average_intensity.py", more="options='{\"person_class_id\": 0}'"), cwd=LISTINGS
    )
    assert launched.code == 0, launched.text
    words = [found.get("emcustom") for found in launched.documents[0]["frame"][0]["object"]]
    assert [word is not None for word in words] == [False, True, False]


def test_average_intensity_without_objects(gst_launch):
    launched = gst_launch(PIPELINE.format(before="", lib="average_intensity.py", more=""), cwd=LISTINGS)
    assert launched.code == 0, launched.text
    assert all(document["frame"][0]["object"] == [] for document in launched.documents)


def test_new_lib(gst_launch):
    launched = gst_launch(PIPELINE.format(before="", lib="new_lib.py", more=""), cwd=LISTINGS)
    assert launched.code == 0, launched.text
    assert launched.documents[0]["frame"][0]["emcustom"] == {"test_int": 10}
    assert "emcustom" not in launched.documents[1]["frame"][0]


def test_new_lib_with_objects(gst_launch, people):
    launched = gst_launch(PIPELINE.format(before=people, lib="new_lib.py", more=""), cwd=LISTINGS)
    words = [found.get("emcustom") for found in launched.documents[0]["frame"][0]["object"]]
    assert words == [{"test_int": 10}, None, None]


def test_the_debugging_command(gst_launch, people):
    """GST_DEBUG=*emcustom*:6 before, and silent=false on both elements."""
    launched = gst_launch(
        PIPELINE.format(before=people, lib="average_intensity.py", more="silent=false"), cwd=LISTINGS, GST_DEBUG="*emcustom*:6"
    )
    assert launched.code == 0, launched.text
    assert "do_transform_ip:<empycustom1> transform_ip" in launched.err
    assert "Processing buffer" in launched.err
    assert len(launched.documents) == 21


def test_the_mapping_chapter_rgba(play, library):
    """Normal memory, RGBA, mapped as the document shows, as a PIL image."""
    from empycustom.gstreamer import Gst

    lib = library("""
import gi
import numpy as np
gi.require_version('Gst', '1.0')
from gi.repository import Gst
from PIL import Image

def process_ip(io_buffer, in_meta, options):
    h = in_meta["frame"][0]["source_frame_height"]
    w = in_meta["frame"][0]["source_frame_width"]
    ret, map_info = io_buffer.map(Gst.MapFlags.READ)
    buffer_array = np.ndarray(shape=(h, w, 4), dtype=np.uint8,buffer=map_info.data)
    image = Image.fromarray(buffer_array)
    pixel = image.getpixel((0, 0))
    io_buffer.unmap(map_info)
    return str([{"pixel": pixel, "size": image.size}])
""")
    pipeline = Gst.parse_launch(
        f"videotestsrc pattern=red num-buffers=1 ! video/x-raw,format=RGBA,width=33,height=17 ! "
        f"empycustom name=e in-place=true custom-lib={lib} ! fakesink"
    )
    assert play(pipeline).ended
    assert json.loads(pipeline.get_by_name("e").get_property("last-meta")) == [{"pixel": [255, 0, 0, 255], "size": [33, 17]}]
