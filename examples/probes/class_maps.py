"""Save the map of classes of each frame as a picture, each class in a colour of its own; attach how much each class covers.

In the place of the probe of deepstream-segmentation. Option: ``folder`` (""): where pictures go; left out, none is saved.
It needs OpenCV: `pip install opencv-python-headless`.
"""

from pathlib import Path

import cv2
import numpy as np


def process_ip(io_buffer, in_meta, options):
    """Return the part that each class has of each frame of the batch."""
    return {"frame": [about(frame, options.get("folder", "")) for frame in in_meta["frame"]]}


def about(frame, folder):
    """Save the map of a frame, and return its parts; nothing where the frame has none."""
    if not frame.get("segmentation"):
        return {}
    classes = frame["segmentation"][0]["class_map"]
    if folder:
        shades = ((classes + 1) * 37 % 256).astype(np.uint8)  # -1 is no class
        name = f"stream_{frame.get('pad_index', 0)}_frame_{frame['frame_num']}.png"
        cv2.imwrite(str(Path(folder, name)), cv2.applyColorMap(shades, cv2.COLORMAP_TURBO))
    numbers, counts = np.unique(classes, return_counts=True)
    parts = {str(number): round(count / classes.size, 3) for number, count in zip(numbers, counts, strict=True)}
    return {"meta": {"covers": parts}}
