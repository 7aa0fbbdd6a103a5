"""Masks, key points and turned boxes stay on the picture of their objects, whatever scales, crops, mirrors or turns it: by pixels."""

from __future__ import annotations

import json

import pytest

from empycustom.gstreamer import Gst

pytest.importorskip("cv2", reason="masks are compared with pixels by OpenCV")

MOVES = Gst.version()[:2] >= (1, 28)  # boxes, with what crops, mirrors or turns the picture
SOURCE = "videotestsrc num-buffers=2 ! video/x-raw,format=RGBA,width=160,height=120,framerate=10/1"
# Paints objects, and finds what it has painted: a triangle, an L, a turned box.
PAINTER = """
import cv2
import numpy as np
import empycustom
from empycustom.libs.shapes import Box

SHAPES = [[(12, 10), (60, 30), (20, 70)], [(90, 20), (104, 20), (104, 60), (130, 60), (130, 74), (90, 74)]]
TURNED = Box(30, 84, 50, 16)

def process_ip(io_buffer, in_meta, options):
    objects = []
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        picture = np.zeros((120, 160), np.uint8)
        for points in SHAPES:
            cv2.fillPoly(picture, [np.array(points)], 255)
            left, top = np.min(points, axis=0).tolist()
            right, bottom = (np.max(points, axis=0) + 1).tolist()
            box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
            dense = np.zeros_like(picture)
            cv2.fillPoly(dense, [np.array(points)], 1)
            middles = [(x + 0.5, y + 0.5) for x, y in points]
            objects.append({"rect_params": box, "mask": dense[top:bottom, left:right], "keypoints": middles})
        corners = TURNED.corners(0.4)
        if options["turned"]:
            cv2.fillPoly(picture, [np.rint((corners - 0.5) * 8).astype(int)], 255, shift=3)
            objects.append({"rect_params": TURNED._asdict(), "rotation": 0.4, "keypoints": TURNED.grown(-0.3).corners(0.4)})
        frame.pixels[...] = 255
        frame.pixels[..., :3] = picture[..., None]
    return {"frame": [{"new_object": objects}]}
"""
# Compares the picture with what the objects say, and returns how many pixels differ that are not at an edge.
JUDGE = """
import cv2
import numpy as np
import empycustom
from empycustom.libs.shapes import Area, box_of, mask_in, polygon_in

def process_ip(io_buffer, in_meta, options):
    objects = in_meta["frame"][0]["object"]
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        picture = frame.rgb[..., 0] > 127
    height, width = picture.shape
    whole = Area(0, 0, width, height)
    pixel = [max(round(side / of), 1) for side, of in zip((height, width), options["size"])]  # of the picture that was painted
    window = np.ones([2 * side + 1 for side in pixel], np.uint8)
    said = np.zeros((height, width), np.uint8)
    for found in objects:
        box = box_of(found)
        said |= mask_in(found["mask"], box, whole) if "mask" in found else polygon_in(box.corners(found["rotation"]), whole)
    seen = picture.astype(np.uint8) * 255
    near = cv2.dilate(seen, window)
    beyond = (said > cv2.dilate(seen, window)) | (cv2.erode(seen, window) > said)
    points = np.concatenate([found["keypoints"][:, :2] for found in objects])
    inside = ((points >= 0) & (points < (width, height))).all(axis=1)
    lost = [point.tolist() for point, there in zip(points, inside) if there and not near[int(point[1]), int(point[0])]]
    return {"frame": {"objects": len(objects), "beyond": int(beyond.sum()), "points beside": lost, "sum": int(picture.sum())}}
"""


@pytest.fixture
def judged(document, library):
    """Play the painted objects through some elements; return what the judge says."""

    def run(way, *, turned=True, size=(120, 160)):  # a turned box that is scaled by two factors is no box any more
        painter, judge = (
            f"empycustom in-place=true custom-lib={library(text, name)}"
            for text, name in ((PAINTER, "painter.py"), (JUDGE, "judge.py"))
        )
        options = json.dumps({"turned": turned, "size": size}).replace('"', '\\"')
        return document(f'{SOURCE} ! {painter} options="{options}" ! {way} ! {judge} options="{options}"')["emcustom"]

    return run


def size(width, height):
    return f"video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1"


SCALES = [(320, 240), (480, 360), (240, 180), (80, 60), (100, 75)]
UNEQUAL = [(320, 120), (160, 240), (100, 120), (157, 333), (90, 62)]
FLIPS = ["horiz", "vert", "90r", "180", "90l", "ul-lr", "ur-ll"]


@pytest.mark.parametrize(
    "way",
    [
        "identity",
        "queue ! videoconvert ! video/x-raw,format=I420 ! tee ! queue ! videoconvert ! video/x-raw,format=RGBA",
        *(f"videoscale add-borders=false ! {size(*each)}" for each in SCALES),
        f"videoscale ! {size(320, 240)} ! videoscale ! {size(100, 75)} ! videoconvert",
    ],
)
def test_scaled(judged, way):
    said = judged(way)
    assert (said["objects"], said["beyond"], said["points beside"]) == (3, 0, [])
    assert said["sum"] > 500


@pytest.mark.parametrize("way", [f"videoscale add-borders=false ! {size(*each)}" for each in UNEQUAL])
def test_scaled_by_two_factors(judged, way):
    said = judged(way, turned=False)
    assert (said["objects"], said["beyond"], said["points beside"]) == (2, 0, [])
    assert said["sum"] > 300


@pytest.mark.skipif(not MOVES, reason="this GStreamer does not move boxes there")
@pytest.mark.parametrize(
    "way",
    [
        *(f"videoflip video-direction={flip}" for flip in FLIPS),
        f"videoflip video-direction=90r ! videoscale add-borders=false ! {size(150, 200)}",
        f"videoscale add-borders=false ! {size(120, 90)} ! videoflip video-direction=horiz ! videoconvert",
        "videoflip video-direction=horiz ! videoflip video-direction=90l",
        "videocrop left=5 top=8 right=3",
        f"videocrop left=6 top=4 ! videoscale add-borders=false ! {size(300, 240)}",
        f"videoscale ! {size(320, 120)}",
    ],
)
def test_mirrored_turned_and_cropped(judged, way):
    said = judged(way)
    assert (said["objects"], said["beyond"], said["points beside"]) == (3, 0, [])
    assert said["sum"] > 500


@pytest.mark.skipif(not MOVES, reason="this GStreamer does not move boxes there")
def test_turned_and_scaled_by_two_factors(judged):
    said = judged(
        f"videoflip video-direction=90l ! videoscale add-borders=false ! {size(150, 400)}", turned=False, size=(160, 120)
    )
    assert (said["objects"], said["beyond"], said["points beside"]) == (2, 0, [])
