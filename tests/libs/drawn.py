"""Pictures for the tests of libraries that write into frames: played through real pipelines, in any format."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import empycustom

FLAT = np.full((180, 320, 3), (60, 90, 120), np.uint8)


def found(left, top, width, height, **more):
    """An object of in_meta."""
    rect = {"left": left, "top": top, "width": width, "height": height}
    return {"class_id": 0, "obj_label": "person", "confidence": 0.9, "object_id": -1, "rect_params": rect, **more}


def play(library, scenes, options=None, picture=FLAT, pixel_format="RGB", attributes=None):
    """Return for each scene, a list of objects, the planes of the frame that the library wrote into, and the object's attributes."""

    def give(in_meta):
        frame = in_meta["frame"][0]
        frame["object"] = [dict(obj) for obj in scenes[frame["frame_num"]]]
        frame["emcustom"] = attributes

    def process_ip(io_buffer, in_meta, given):
        give(in_meta)
        result = library.process_ip(io_buffer, in_meta, given)
        return {"frame": {"returned": result["frame"][0]["object"] if result else []}}

    parts = SimpleNamespace(start=library.start, process_ip=process_ip, stop=library.stop, OPTIONS=library.OPTIONS)
    with empycustom.process([picture] * len(scenes), parts, options=options or {}, format=pixel_format) as results:
        return [([plane.copy() for plane in each.image.planes], each.frame["emcustom"]["returned"]) for each in results]
