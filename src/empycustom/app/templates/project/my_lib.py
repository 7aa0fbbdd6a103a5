"""Measure how bright each object is, and the whole frame.

    empycustom check my_lib.py
    empycustom run video.mp4 --lib my_lib.py

The types are for your editor: it completes the keys of in_meta, and mypy finds mistakes. At run time nothing looks at them.
"""

from __future__ import annotations

from typing import Any

import empycustom
from empycustom.types import Buffer, InMeta, Options, OutMeta

# Declared options are checked, and `empycustom check` lists them. Set them with --options '{"dark_below": 100}'.
OPTIONS = {"dark_below": empycustom.Option(64, "an object is dark if its mean is below", limits=(0, 255))}


def process_ip(io_buffer: Buffer, in_meta: InMeta, options: Options) -> OutMeta:
    """Return attributes of the frame ("meta"), and of each object, in their order ("object")."""
    results: list[dict[str, Any]] = []
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        for found in in_meta["frame"][0]["object"]:
            pixels = frame.crop(found)[..., :3]  # a view of (height, width, 3); empty where the box is outside the frame
            mean = float(pixels.mean()) if pixels.size else 0.0
            results.append({"brightness": mean, "dark": mean < options["dark_below"]})
        brightness = float(frame.rgb.mean())
    return {"frame": [{"meta": {"brightness": brightness}, "object": results}]}
