"""Scenes for the tests of libraries: objects whose places are known, on small frames, played through real pipelines."""

from __future__ import annotations

import numpy as np

import empycustom

SIZE = (320, 240)


def box(x, y, width=20, height=40, **more):
    """An object whose bottom centre is at (x, y)."""
    place = {"left": x - width / 2, "top": y - height, "width": width, "height": height}
    return {"class_id": 2, "obj_label": "person", "confidence": 0.6, "rect_params": place, **more}


def play(scene, *libraries, options=(), **more):
    """Return the results of libraries for a list of the objects of each frame; options are those of the libraries, in order."""

    def find(_buffer, in_meta, _options):
        return {"frame": [{"new_object": scene[in_meta["frame"][0]["frame_num"]]}]}

    frames = [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * len(scene)
    given = [{}, *options, *({} for _ in libraries[len(options) :])]
    with empycustom.process(frames, [find, *libraries], options=given, **more) as results:
        return list(results)


def ids(result):
    """Return the numbers of the objects of a result, in their order."""
    return [found["object_id"] for found in result.objects]
