"""Objects of a flipped frame: what they have beside their boxes is mirrored and turned with the picture (GStreamer 1.28 and later).

The picture is compared: a library paints what it found before the flip, and another reads it behind.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import empycustom
from empycustom.gstreamer import Gst
from empycustom.model.masks import decode_rle

pytestmark = pytest.mark.skipif(Gst.version() < (1, 28), reason="before GStreamer 1.28 videoflip loses objects")

SOURCE = "videotestsrc pattern=black num-buffers=2 ! video/x-raw,format=RGBA,width=96,height=64"
# A mask that is like no reflection of itself, a point at one corner of it, and a turned box; a thing without any of it.
FINDER = """
import numpy as np
import empycustom

def process_ip(b, m, o):
    flag = np.zeros((12, 20), "uint8")
    flag[:, :4] = flag[:4, :14] = 1
    with empycustom.map_frame(b, m, writable=True) as frame:
        frame.rgb[20:32, 10:30][flag > 0] = 255
    found = [
        {"obj_label": "thing", "rect_params": {"left": 10, "top": 20, "width": 20, "height": 12}, "mask": flag, "unique_id": 3,
         "keypoints": [[12, 22, 1], [23, 23, 0.5]], "emcustom": {"n": 0}},
        {"obj_label": "thing", "rect_params": {"left": 50.5, "top": 30, "width": 30, "height": 10}, "rotation": 0.5,
         "parent_id": 3, "emcustom": {"n": 1}},
        {"obj_label": "thing", "rect_params": {"left": 70, "top": 5, "width": 4, "height": 4}, "emcustom": {"n": 2}},
    ]
    return {"frame": [{"new_object": found}]}
"""
# How far each method turns the picture clockwise, in quarters, and whether it is mirrored before.
METHODS = {
    "none": (0, False),
    "clockwise": (1, False),
    "rotate-180": (2, False),
    "counterclockwise": (3, False),
    "horizontal-flip": (0, True),
    "vertical-flip": (2, True),
    "upper-left-diagonal": (3, True),
    "upper-right-diagonal": (1, True),
}
BEHIND = [
    "identity",
    "videoconvert ! video/x-raw,format=I420 ! videoconvert ! video/x-raw,format=RGBA",
    "videobalance hue=0.5",
    "{}",
]


def turned(x, y, quarters, is_mirrored):
    """Return where a place of the frame is in the picture that was flipped."""
    width, height = 96, 64
    if is_mirrored:
        x = width - x
    for _ in range(quarters):
        x, y, width, height = height - y, x, height, width
    return x, y


def middle(found):
    left, top, width, height = found["rect_params"].values()
    return left + width / 2, top + height / 2


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("method", METHODS)
def test_what_objects_have_is_flipped_with_the_picture(play, library, method, behind):
    finder = f"empycustom in-place=true custom-lib={library(FINDER, 'finder.py')}"
    says = library("def process_ip(b, m, o):\n    return [{'seen': 1} for _ in m['frame'][0]['object']]\n", "says.py")
    behind = behind.format(f"empycustom in-place=true custom-lib={says} ! videobalance hue=0.5")
    played = play(f"{SOURCE} ! {finder} ! videoflip method={method} ! {behind} ! appsink name=out sync=false")
    assert played.ended, played.errors
    sample = played.samples[-1]
    first, second, third = empycustom.document(sample)["frame"][0]["object"]
    caps = sample.get_caps()[0]
    buffer = sample.get_buffer()
    picture = (
        np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(caps["height"], caps["width"], 4)[..., 0] > 99
    )

    assert [found["emcustom"]["n"] for found in (first, second, third)] == [0, 1, 2], "each has what is its own"
    left, top, width, height = (round(edge) for edge in first["rect_params"].values())
    mask = decode_rle(first["mask"])
    assert mask.shape == (height, width)
    painted = np.zeros_like(picture)
    painted[top : top + height, left : left + width] = mask
    near = [np.roll(painted, step, (0, 1)) for step in ((0, 0), (0, 1), (1, 0), (1, 1))]  # GStreamer is a pixel off
    assert any((each == picture).all() for each in near)
    points = np.reshape(first["keypoints"], (-1, 3))
    wanted = [turned(12, 22, *METHODS[method]), turned(23, 23, *METHODS[method])]
    assert points[:, :2] == pytest.approx(np.array(wanted), abs=1.01)
    assert points[:, 2].tolist() == [1, 0.5]

    quarters, is_mirrored = METHODS[method]
    assert middle(second) == pytest.approx(turned(65.5, 35, quarters, is_mirrored), abs=1.01)
    is_wide = list(second["rect_params"].values())[2:] == pytest.approx([30, 10], abs=0.01)
    longer = second["rotation"] + (0 if is_wide else math.pi / 2)  # the direction of its longer side
    wanted = (-0.5 if is_mirrored else 0.5) + quarters * math.pi / 2
    assert math.sin(longer - wanted) == pytest.approx(0, abs=1e-6), "either way along that side"
    assert second["parent_id"] == first["unique_id"] == 3
    assert not {"mask", "rotation", "keypoints"} & third.keys()


CHANGER = """
def process_ip(b, m, o):
    found = m["frame"][0]["object"]
    assert [each["emcustom"]["n"] for each in found] == [0, 1, 2]
    return {"frame": [{"changed_object": [{}, {"obj_label": "sign", "object_id": 4}, {"mask": [[1]]}], "object": [{"m": 0}, {"m": 1}, {"m": 2}]}]}
"""
REMOVER = "def process_ip(b, m, o):\n    return {'frame': [{'removed_object': [0]}]}\n"


@pytest.mark.parametrize("between", ["identity", "videobalance hue=0.5", "videoconvert ! video/x-raw,format=I420"])
def test_objects_of_a_flipped_frame_are_changed_and_removed(document, library, between):
    """Where GStreamer has dropped a mask it leaves an empty place, and with the next copy the ids of the others change."""
    finder, changer, remover = (
        f"empycustom in-place=true custom-lib={library(text, name)}"
        for text, name in ((FINDER, "finder.py"), (CHANGER, "changer.py"), (REMOVER, "remover.py"))
    )
    flip = "videoflip method=horizontal-flip"
    line = f"{SOURCE} ! {finder} ! {flip} ! {between} ! {changer}"
    first, second, third = document(f"{line} ! {between}")["object"]
    assert [found["emcustom"] for found in (first, second, third)] == [{"n": number, "m": number} for number in range(3)]
    assert [found["obj_label"] for found in (first, second, third)] == ["thing", "sign", "thing"]
    assert (second["object_id"], round(second["rotation"], 6)) == (4, -0.5)
    assert decode_rle(first["mask"])[:, -4:].all(), "what was left is right"
    assert decode_rle(third["mask"]).tolist() == [[1]]
    second, third = document(f"{line} ! {flip} ! {between} ! {remover} ! {between}")["object"]
    assert [found["emcustom"] for found in (second, third)] == [{"n": number, "m": number} for number in (1, 2)]
    assert round(second["rotation"], 6) == 0.5, "flipped back"
    assert "parent_id" not in second


NATIVE = """
import gi
gi.require_version("GstAnalytics", "1.0")
from gi.repository import GLib, Gst, GstAnalytics, GstVideo
import numpy as np

def process_ip(b, m, o):
    meta, angles, masks = GstAnalytics.buffer_get_analytics_relation_meta(b), [], []
    for number in range(GstAnalytics.relation_get_length(meta)):
        is_box, box = meta.get_od_mtd(number)
        if is_box:
            angles.append(round(list(box.get_oriented_location())[5], 6))
        is_mask, mask = meta.get_segmentation_mtd(number)
        if is_mask:
            picture = mask.get_mask()[0]
            about = GstVideo.buffer_get_video_meta(picture)
            numbers = np.frombuffer(picture.extract_dup(0, picture.get_size()), np.uint8).reshape(about.height, about.width)
            masks.append((numbers > 0).astype(int).tolist())
    return {"frame": {"angles": angles, "masks": masks}}
"""


@pytest.mark.parametrize("between", ["identity", "videoconvert ! video/x-raw,format=I420"])
def test_others_see_it_mirrored_behind_the_next_library(document, library, between):
    says = "def process_ip(b, m, o):\n    return [{'seen': 1} for _ in m['frame'][0]['object']]\n"
    finder, says, native = (
        f"empycustom in-place=true custom-lib={library(text, name)}"
        for text, name in ((FINDER, "finder.py"), (says, "says.py"), (NATIVE, "native.py"))
    )
    frame = document(f"{SOURCE} ! {finder} ! videoflip method=horizontal-flip ! {between} ! {says} ! {between} ! {native}")
    assert frame["emcustom"]["angles"] == [0, -0.5, 0]
    assert frame["emcustom"]["masks"] == [decode_rle(frame["object"][0]["mask"]).tolist()]


def test_objects_of_others_keep_their_attributes_when_their_masks_are_dropped(document, library):
    others = """
import gi
gi.require_version("GstAnalytics", "1.0")
from gi.repository import GLib, Gst, GstAnalytics, GstVideo

def process_ip(b, m, o):
    meta = GstAnalytics.buffer_add_analytics_relation_meta(b)
    for x in (10, 40, 70):
        _, found = meta.add_od_mtd(GLib.quark_from_string("thing"), x, 5, 10, 8, 0.5)
        picture = Gst.Buffer.new_wrapped(bytes(16))
        GstVideo.buffer_add_video_meta(picture, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.GRAY8, 4, 4)
        _, mask = meta.add_segmentation_mtd(picture, GstAnalytics.SegmentationType.INSTANCE, [1], x, 5, 10, 8)
        meta.set_relation(GstAnalytics.RelTypes.RELATE_TO, found.id, mask.id)
"""
    says = "def process_ip(b, m, o):\n    return [{'x': each['rect_params']['left']} for each in m['frame'][0]['object']]\n"
    others, says = (
        f"empycustom in-place=true custom-lib={library(text, name)}" for text, name in ((others, "others.py"), (says, "says.py"))
    )
    line = f"{SOURCE} ! {others} ! {says} ! videoflip method=horizontal-flip ! videoconvert ! video/x-raw,format=I420"
    found = document(line)["object"]
    assert [each["emcustom"]["x"] for each in found] == [10, 40, 70]
    assert [each["rect_params"]["left"] for each in found] == pytest.approx([76, 46, 16], abs=1)
