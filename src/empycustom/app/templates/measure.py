"""A library for the element empycustom: it measures how bright each object is, and the whole frame.

Try it on one synthetic frame:   empycustom check my_lib.py
Run it on a video:               empycustom run video.mp4 --lib my_lib.py
"""

import sys

import empycustom

state = {"dark_below": 64, "frames": 0}


def start(options):
    """Load models here; called once, before the first frame. Leave it out if there is nothing to do.

    options: the value of the property `options` (or --options) as a dict; {} if it is not set.
    """
    state["dark_below"] = options.get("dark_below", 64)


def stop(options):
    """Close here what start opened; called once, after the last frame. Leave it out if there is nothing to do."""
    print(state["frames"], "frames seen", file=sys.stderr)


def process_ip(io_buffer, in_meta, options):
    """Measure; called for every frame. What it writes to the pixels goes downstream.

    io_buffer: the Gst.Buffer. map_frame gives its pixels as NumPy arrays of (height, width, channels), without a copy.
    in_meta:   a dict that describes the frame, and the objects that elements upstream have found on it.
    Returns attributes of the frame, {"frame": {"brightness": 0.5}}, or, as below, also of the objects: "object" is a list
    whose n-th entry belongs to the n-th object, {} for none; "meta" has the attributes of the frame. None: nothing.
    """
    state["frames"] += 1
    results = []
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        for found in in_meta["frame"][0]["object"]:
            # found has class_id, obj_label, confidence, object_id and rect_params (left, top, width, height in pixels).
            crop = frame.crop(found)[..., :3]  # the object's pixels, a view; without alpha
            results.append({"brightness": crop.mean(), "dark": crop.mean() < state["dark_below"]} if crop.size else {})
        brightness = frame.rgb.mean()
        # frame.pixels[:10] = 255                        # would paint the top ten rows white, also downstream
    return {"frame": [{"meta": {"brightness": brightness}, "object": results}]}
