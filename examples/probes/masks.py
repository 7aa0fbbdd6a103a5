"""Save the mask of the first object in every 30th frame as a picture: 255 where the object is.

In the place of the probe of deepstream-segmask. Options: ``folder`` ("."), ``every`` (30), in frames.
It needs OpenCV: `pip install opencv-python-headless`.
"""

from pathlib import Path

import cv2
import numpy as np


def process_ip(io_buffer, in_meta, options):
    """Save masks; nothing is attached."""
    for frame in in_meta["frame"]:
        masked = [found for found in frame["object"] if "mask" in found]
        if masked and frame["frame_num"] % options.get("every", 30) == 0:
            name = f"stream_{frame.get('pad_index', 0)}_frame_{frame['frame_num']}.png"
            cv2.imwrite(str(Path(options.get("folder", "."), name)), picture_of(masked[0]))


def picture_of(found):
    """Return the mask of an object in the size of its box."""
    size = [max(int(found["rect_params"][key]), 1) for key in ("width", "height")]
    confidences = cv2.resize(found["mask"].astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.where(confidences >= 0.5, 255, 0).astype(np.uint8)
