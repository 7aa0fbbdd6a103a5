"""Scenes for the tests of libraries: objects whose places are known, on small frames, played through real pipelines."""

from __future__ import annotations

import importlib.util

import numpy as np

import empycustom
from empycustom.library.declared import Declaration

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


class Called:
    """A library of the package that is called without a pipeline, for frames that a pipeline does not make at will.

    Frames are a tenth of a second apart. What it returns is the entry of each frame.
    """

    def __init__(self, name, **options):
        spec = importlib.import_module(f"empycustom.libs.{name}").__spec__
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.options = Declaration.of(self.module, spec.origin).made(options)
        self.module.start(self.options)

    def __call__(self, *frames):
        return self.module.process_ip(None, {"frame": list(frames)}, self.options)["frame"]


def frame(number, *objects, source_id=0, **more):
    """A frame of in_meta; objects that say nothing else are not tracked."""
    known = [{"object_id": -1, **each} for each in objects]
    times = {"buf_pts": number * 100_000_000, "stream_time": number * 100_000_000}
    size = {"source_frame_width": SIZE[0], "source_frame_height": SIZE[1]}
    return {"frame_num": number, "source_id": source_id, "object": known, **times, **size, **more}
