"""GStreamer's own tensor decoders, tracker and overlays with turned boxes and masks: what is theirs is read, what is ours is drawn.

Tensors are made here, as a network would: no model is needed. Pixels are compared.
"""

from __future__ import annotations

import numpy as np
import pytest

from empycustom.gstreamer import Gst
from empycustom.model.masks import decode_rle

TESTING = "gstreamer1.0-plugins-bad of Debian testing (GStreamer 1.28)"
WIDTH, HEIGHT = 320, 160
SOURCE = f"videotestsrc pattern=black num-buffers=2 ! video/x-raw,format=RGBA,width={WIDTH},height={HEIGHT}"


def needs(*elements, version=(1, 28)):
    missing = [name for name in elements if Gst.ElementFactory.find(name) is None]
    why = f"not installed here: {', '.join(missing)} (in {TESTING})" if missing else f"needs GStreamer {version[0]}.{version[1]}"
    return pytest.mark.skipif(bool(missing) or Gst.version() < version, reason=why)


NETWORK = """
import gi
gi.require_version("GstAnalytics", "1.0")
from gi.repository import GLib, Gst, GstAnalytics
import numpy as np

def attach(b, **tensors):
    GstAnalytics.buffer_add_tensor_meta(b).set([
        GstAnalytics.Tensor.new_simple(
            GLib.quark_from_string(name.replace("_", "-")), GstAnalytics.TensorDataType.FLOAT32,
            Gst.Buffer.new_wrapped(array.astype("float32").tobytes()), GstAnalytics.TensorDimOrder.COL_MAJOR, list(array.shape),
        ) for name, array in tensors.items()
    ])
"""
# Two things: the middle and the size of each, and how sure the network is.
BOXES = [[60, 60, 100, 50, 0.9], [220, 90, 60, 80, 0.8]]
YOLO = (
    NETWORK
    + f"""
def process_ip(b, m, o):
    found = np.zeros((1, 5, 3))
    found[0, :, :2] = np.array({BOXES}).T
    attach(b, yolo_v8_out=found)
"""
)
# And a mask of each: a disc, and what is below a slope. The prototypes are 160x160, for the frame between two borders.
SEGMENTS = (
    NETWORK
    + f"""
def process_ip(b, m, o):
    found, prototypes = np.zeros((1, 37, 3)), np.full((1, 32, 160, 160), -10.0)
    found[0, :5, :2] = np.array({BOXES}).T
    found[0, 5, 0] = found[0, 6, 1] = 1
    y, x = np.mgrid[:160, :160]
    x, y = 2 * x + 1, 2 * (y - 40) + 1
    prototypes[0, 0] = np.where((x - 60) ** 2 + (y - 60) ** 2 < 20 ** 2, 10, -10)
    prototypes[0, 1] = np.where(x + y > 310, 10, -10)
    attach(b, yolo_v8_segmentation_out_detections=found, yolo_v8_segmentation_out_protos=prototypes)
"""
)
GRID_Y, GRID_X = np.mgrid[:HEIGHT, :WIDTH] + 0.5
DISC, SLOPE = (GRID_X - 60) ** 2 + (GRID_Y - 60) ** 2 < 20**2, GRID_X + GRID_Y > 310


@pytest.fixture
def lib(library):
    """Make an element of the text of a library."""
    made = []

    def make(text):
        made.append(text)
        return f"empycustom in-place=true custom-lib={library(text, f'lib{len(made)}.py')}"

    return make


@pytest.fixture
def drawn(play):
    """Play a pipeline; return the last picture (RGB), black where nothing was drawn."""

    def run(line):
        played = play(f"{line} ! videoconvert ! video/x-raw,format=RGBA ! appsink name=out sync=false")
        assert played.ended, played.errors
        buffer = played.samples[-1].get_buffer()
        return np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3].astype(int)

    return run


def box_of(found):
    return tuple(found["rect_params"].values())


def in_frame(found):
    """Return where an object is in the frame by its mask, which is stretched over its box."""
    mask = decode_rle(found["mask"])
    left, top, width, height = box_of(found)
    down, across = (GRID_Y - top) / height * mask.shape[0], (GRID_X - left) / width * mask.shape[1]
    inside = (left < GRID_X) & (left + width > GRID_X) & (top < GRID_Y) & (top + height > GRID_Y)
    rows, columns = (each.astype(int).clip(0, size - 1) for each, size in zip((down, across), mask.shape, strict=True))
    return inside & (mask[rows, columns] > 0)


def grown(area, by):
    """Return an area with all that is so many pixels next to it."""
    made = area.copy()
    for down in range(-by, by + 1):
        for across in range(-by, by + 1):
            made |= np.roll(area, (down, across), (0, 1))
    return made


def assert_same(area, wanted, by):
    """Two areas are the same, but for so many pixels at their edges; else their bounds are shown."""
    assert wanted.any()
    bounds = [
        [int(edge) for axis in np.nonzero(each) for edge in (axis.min(), axis.max())] for each in (area, wanted) if each.any()
    ]
    assert not (area & ~grown(wanted, by)).any(), bounds
    assert not (wanted & ~grown(area, by)).any(), bounds


@needs("yolov8tensordec")
def test_a_library_reads_the_tensor_as_the_decoder_does(document, lib):
    reader = """
def process_ip(b, m, o):
    (tensor,) = m["frame"][0]["tensors"]
    found = tensor["data"]
    return {"frame": {"name": tensor["name"], "shape": found.shape, "boxes": found[0, :, :2].T.tolist()}}
"""
    frame = document(f"{SOURCE} ! {lib(YOLO)} ! {lib(reader)} ! yolov8tensordec")
    assert (frame["emcustom"]["name"], frame["emcustom"]["shape"]) == ("yolo-v8-out", [1, 5, 3])
    for found, (x, y, width, height, sure) in zip(frame["object"], frame["emcustom"]["boxes"], strict=True):
        assert box_of(found) == (x - width / 2, y - height / 2, width, height)
        assert found["confidence"] == pytest.approx(sure)


@needs("yolosegv8tensordec")
@pytest.mark.parametrize(
    "between", ["identity", "videoconvert ! video/x-raw,format=I420", "empycustom in-place=true custom-lib={}"]
)
def test_the_masks_of_yolosegv8tensordec_are_where_the_things_are(document, lib, library, between):
    between = between.format(library("def process_ip(b, m, o):\n    return [{'n': 0}, {'n': 1}]\n", "between.py"))
    disc, slope = document(f"{SOURCE} ! {lib(SEGMENTS)} ! yolosegv8tensordec ! {between}")["object"]
    assert (box_of(disc), box_of(slope)) == ((10, 35, 100, 50), (190, 50, 60, 80))
    assert_same(in_frame(disc), DISC, 2)
    inside = (GRID_X > 190) & (GRID_X < 250) & (GRID_Y > 50) & (GRID_Y < 130)
    assert_same(in_frame(slope), SLOPE & inside, 2)


FINDER = """
import numpy as np

def process_ip(b, m, o):
    y, x = np.mgrid[:60, :80] + 0.5
    disc = {"obj_label": "disc", "rect_params": {"left": 30, "top": 40, "width": 80, "height": 60}}
    disc["mask"] = (x - 40) ** 2 + (y - 30) ** 2 < 25 ** 2
    turned = {"obj_label": "turned", "rect_params": {"left": 190, "top": 50, "width": 80, "height": 40}, "rotation": 0.5}
    return {"frame": [{"new_object": [disc, turned]}]}
"""


@needs("segmentationoverlay")
def test_segmentationoverlay_draws_a_mask_where_the_thing_is(drawn, lib):
    picture = drawn(f"{SOURCE} ! {lib(FINDER)} ! videoconvert ! segmentationoverlay")
    disc = (GRID_X - 70) ** 2 + (GRID_Y - 70) ** 2 < 25**2
    assert_same(picture.sum(axis=2) > 60, disc, 2)


@needs("segmentationoverlay")
def test_segmentationoverlay_draws_what_a_later_library_made_of_a_mask(drawn, lib):
    later = """
import numpy as np

def process_ip(b, m, o):
    box = {"left": 200, "top": 20, "width": 40, "height": 120}
    return {"frame": [{"changed_object": [{"mask": np.repeat([[0], [1]], 60, axis=0), "rect_params": box}], "removed_object": [1]}]}
"""
    picture = drawn(f"{SOURCE} ! {lib(FINDER)} ! {lib(later)} ! videoconvert ! segmentationoverlay")
    lower = (GRID_X > 200) & (GRID_X < 240) & (GRID_Y > 80) & (GRID_Y < 140)
    assert_same(picture.sum(axis=2) > 60, lower, 2)


@needs("yolosegv8tensordec")
def test_the_mask_of_others_goes_with_a_box_that_a_library_moves(document, lib):
    later = """
def process_ip(b, m, o):
    box = {**m["frame"][0]["object"][0]["rect_params"], "left": 200}
    return {"frame": [{"changed_object": [{"rect_params": box}], "removed_object": [1]}]}
"""
    (disc,) = document(
        f"{SOURCE} ! {lib(SEGMENTS)} ! yolosegv8tensordec ! {lib(later)} ! videoconvert ! video/x-raw,format=I420"
    )["object"]
    assert_same(in_frame(disc), np.roll(DISC, 190, axis=1), 2)


def outline(left, top, width, height, angle):
    """Return where the outline of a turned box is."""
    x, y = GRID_X - left - width / 2, GRID_Y - top - height / 2
    along, across = np.abs(x * np.cos(angle) + y * np.sin(angle)), np.abs(y * np.cos(angle) - x * np.sin(angle))
    out = np.maximum(along - width / 2, across - height / 2)
    return np.abs(out) < 1


@needs("objectdetectionoverlay")
def test_objectdetectionoverlay_draws_a_turned_box_where_it_is(drawn, lib):
    later = "def process_ip(b, m, o):\n    return {'frame': [{'removed_object': [0]}]}\n"
    overlay = "videoconvert ! objectdetectionoverlay draw-labels=false"
    picture = drawn(f"{SOURCE} ! {lib(FINDER)} ! {lib(later)} ! {overlay}")
    assert_same(picture.sum(axis=2) > 200, outline(190, 50, 80, 40, 0.5), 3)


@needs("ioutracker")
def test_ioutracker_follows_objects_that_keep_what_they_have(document, lib):
    disc, turned = document(f"{SOURCE} ! {lib(FINDER)} ! ioutracker ! videoconvert ! video/x-raw,format=I420")["object"]
    assert sorted([disc["object_id"], turned["object_id"]]) == [0, 1]
    assert turned["rotation"] == 0.5
    assert_same(in_frame(disc), (GRID_X - 70) ** 2 + (GRID_Y - 70) ** 2 < 25**2, 1)
