"""A library for the element empycustom: it finds objects, here the bright part of a frame, where your model will find others.

Try it on one synthetic frame:   empycustom check my_lib.py
Run it on a video:               empycustom run video.mp4 --lib my_lib.py
Also draw what it finds:         empycustom run video.mp4 --lib my_lib.py --lib empycustom.libs.draw --save found.mp4
"""

import numpy as np

import empycustom

# Declared options are checked, and `empycustom check` lists them. Set them with --options '{"level": 150}'.
OPTIONS = {"level": empycustom.Option(180, "how bright a pixel of an object is at least", limits=(0, 255))}


def start(options):
    """Load a model here, because this may take as long as it needs; called once, before the first frame."""


def process_ip(io_buffer, in_meta, options):
    """Find objects in the pixels; called for every frame.

    io_buffer: the Gst.Buffer. map_frame gives its pixels as NumPy arrays of (height, width, channels), without a copy.
    in_meta:   a dict that describes the frame, and the objects that elements upstream have found on it.
    Returns the objects under "new_object". Elements and libraries downstream get them as objects of in_meta.
    """
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        boxes = find_boxes(frame.rgb, options["level"])
    return {"frame": [{"new_object": [make_object(box) for box in boxes]}]}


def find_boxes(pixels, level):
    """Return (left, top, right, bottom) of each object. Call your model here instead.

    pixels: an array of uint8, (height, width, 3): red, green, blue. It is a view: copy it if you keep it.
    """
    rows, columns = np.nonzero(pixels.min(axis=2) >= level)
    if not rows.size:
        return []
    return [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


def make_object(box):
    """Return an object as empycustom wants it. Only rect_params is required."""
    left, top, right, bottom = box
    return {
        "class_id": 0,
        "obj_label": "bright",
        "confidence": 1.0,  # from 0 to 1
        "rect_params": {"left": left, "top": top, "width": right - left, "height": bottom - top},  # in pixels of the frame
    }
