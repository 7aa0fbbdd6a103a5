"""Draw into the frame: a box around each object that is near the camera, and how many these are.

    empycustom run street.mp4 --lib examples/people.py --lib examples/draw.py --save near.mp4

Options: ``height`` (0.2): from which part of the frame's height on an object is near. To draw all that was found, use the library
``empycustom.libs.draw``; this one shows how to write into frames.
"""

import cv2

import empycustom

YELLOW = {"R": 240, "G": 228, "B": 66}


def process_ip(io_buffer, in_meta, options):
    """Draw a box around objects that are near; return their number, too."""
    frame_height = in_meta["buffer"]["height"]
    near = [
        obj for obj in in_meta["frame"][0]["object"] if obj["rect_params"]["height"] >= options.get("height", 0.2) * frame_height
    ]
    if near:  # a frame that is not mapped is not copied, either
        with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
            colour = [YELLOW.get(channel, 255) for channel in frame.format]  # RGBA, BGRx, … name their channels in their order
            for obj in near:
                left, top, width, height = (int(obj["rect_params"][key]) for key in ("left", "top", "width", "height"))
                cv2.rectangle(frame.pixels, (left, top), (left + width - 1, top + height - 1), colour, 2)
    return {"frame": {"near": len(near)}}
