"""What drawing costs: ``python -m benchmarks.draw`` prints milliseconds of one core for each frame, median and longest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

import empycustom
from empycustom.libs import draw

FRAMES = 60
WIDTH, HEIGHT = 0.06, 0.2  # of an object, as parts of the frame
BONES = [[first, first + 1] for first in range(16)]


def objects_of(width: int, height: int, parts: str, rng: np.random.Generator, places: Any) -> list[Any]:
    """Return objects that move a little from frame to frame, with the parts that are named."""
    places += rng.normal(0, 0.002, places.shape)
    objects = []
    for number, (x, y) in enumerate(places * (width, height)):
        wide, high = WIDTH * width, HEIGHT * height
        obj: dict[str, Any] = {"object_id": number, "class_id": 0, "obj_label": "person", "confidence": rng.uniform(0.3, 1)}
        obj["rect_params"] = {"left": x, "top": y, "width": wide, "height": high}
        if "attributes" in parts:
            obj["emcustom"] = {"average_intensity": rng.uniform(0, 255)}
        if "masks" in parts:
            obj["mask"] = np.ones((28, 28), np.uint8)
        if "keypoints" in parts:
            obj["keypoints"] = np.c_[rng.uniform(x, x + wide, 17), rng.uniform(y, y + high, 17), np.ones(17)]
            obj["skeleton"] = BONES
        objects.append(obj)
    return objects


def measure(pixel_format: str, size: tuple[int, int], count: int, parts: str) -> tuple[float, float]:
    """Return median and maximum of a frame, in milliseconds of the thread that draws."""
    times, rng = [], np.random.default_rng(0)
    places = rng.uniform(0.1, 0.8, (count, 2))

    def process_ip(io_buffer: Any, in_meta: Any, options: Mapping[str, Any]) -> None:
        in_meta["frame"][0]["object"] = objects_of(*size, parts, rng, places)
        began = time.thread_time()
        draw.process_ip(io_buffer, in_meta, options)
        times.append((time.thread_time() - began) * 1e3)

    library = SimpleNamespace(start=draw.start, process_ip=process_ip, stop=draw.stop, OPTIONS=draw.OPTIONS)
    frames = (np.full((size[1], size[0], 3), 90, np.uint8) for _ in range(FRAMES))
    with empycustom.process(frames, library, format=pixel_format) as results:
        for _ in results:
            pass
    return median(times), max(times)


def main() -> None:
    """Print a table for the page about the library."""
    cv2.setNumThreads(1)
    rows = [
        ("RGBA", (1920, 1080), 20, parts) for parts in ("boxes, labels, tails", "… attributes", "… attributes, masks, keypoints")
    ]
    rows += [("I420", (1920, 1080), 20, "boxes, labels, tails"), ("RGBA", (1920, 1080), 200, "boxes, labels, tails")]
    rows += [("RGBA", size, 20, "boxes, labels, tails") for size in ((320, 180), (3840, 2160))]
    print("| frame | objects | drawn | ms a frame | longest |\n|---|---:|---|---:|---:|")
    for pixel_format, size, count, parts in rows:
        usual, longest = measure(pixel_format, size, count, parts)
        print(f"| {size[0]}x{size[1]} {pixel_format} | {count} | {parts} | {usual:.1f} | {longest:.1f} |")


if __name__ == "__main__":
    main()
