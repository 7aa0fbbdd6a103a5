"""Save a picture of every 30th frame with an object that the detector is not sure of, the object in a box.

In the place of the probe of deepstream-imagedata-multistream, and of what deepstream-imagedata-multistream-redaction saves. It
works in system memory and in GPU memory (RGBA), where the frame is copied for the picture.

Options: ``folder`` ("."), ``every`` (30), in frames, ``above`` (0.3) and ``below`` (0.39): which confidence is not sure.
It needs OpenCV: `pip install opencv-python-headless`.
"""

from pathlib import Path

import cv2

import empycustom


def process_ip(io_buffer, in_meta, options):
    """Save pictures; return their names."""
    above, below, every = options.get("above", 0.3), options.get("below", 0.39), options.get("every", 30)
    results = []
    for frame in in_meta["frame"]:
        unsure = [found for found in frame["object"] if above < found["confidence"] < below]
        is_due = unsure and frame["frame_num"] % every == 0
        results.append({"meta": {"saved": save(io_buffer, in_meta, frame, unsure, options)}} if is_due else {})
    return {"frame": results}


def save(io_buffer, in_meta, frame, objects, options):
    """Write the picture of a frame of the batch, and return its name."""
    with empycustom.map_frame(io_buffer, in_meta, batch_id=frame.get("batch_id", 0)) as image:
        picture = image.rgb.download()[..., ::-1].copy()
    for found in objects:
        left, top, width, height = (round(found["rect_params"][key]) for key in ("left", "top", "width", "height"))
        cv2.rectangle(picture, (left, top), (left + width, top + height), (0, 0, 255), 2)
    path = Path(options.get("folder", "."), f"stream_{frame.get('pad_index', 0)}_frame_{frame['frame_num']}.jpg")
    if not cv2.imwrite(str(path), picture):
        raise OSError(f"{path} cannot be written")
    return path.name
