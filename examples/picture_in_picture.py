"""Enlarge the picture, and show its largest object magnified in a corner: frames of another size.

    empycustom run street.mp4 --lib examples/people.py --lib examples/picture_in_picture.py --save near.mp4

This is ``process`` with ``output_caps``, for ``in-place=false``: the new frames have another size. The objects of ``in_meta``
are rescaled with the picture. It works with RGBA, BGR and other packed colours.

Options: ``scale`` (1.5): the new size, relative to the old; ``inset`` (0.5): the largest part of width and height for the corner;
``label`` ("person"): which objects.
"""

import cv2

import empycustom


def output_caps(caps, options):
    """Return the caps of the new frames. What is omitted stays as it is in ``caps``: format, frame rate."""
    width, height = (int(caps[0][name] * options.get("scale", 1.5)) // 2 * 2 for name in ("width", "height"))
    return f"video/x-raw,width={width},height={height}"


def process(in_buffer, in_meta, options):
    """Return the new picture, which becomes a buffer, and an attribute of the frame."""
    found = [obj for obj in in_meta["frame"][0]["object"] if obj["obj_label"] == options.get("label", "person")]
    with empycustom.map_frame(in_buffer, in_meta) as frame:
        size = [int(length * options.get("scale", 1.5)) // 2 * 2 for length in (frame.width, frame.height)]
        picture = cv2.resize(frame.pixels, size)
        near = frame.crop(max(found, key=area)) if found else frame.pixels[:0]
        if near.size:
            put_into_corner(picture, near, options.get("inset", 0.5))
    return picture, {"frame": {"near": bool(found)}}


def area(obj):
    """Return the size of an object in square pixels."""
    return obj["rect_params"]["width"] * obj["rect_params"]["height"]


def put_into_corner(picture, near, inset):
    """Magnify ``near`` into the lower right corner, as large as possible, with a white border."""
    scale = min(picture.shape[0] * inset / near.shape[0], picture.shape[1] * inset / near.shape[1])
    rows, columns = (max(int(length * scale), 1) for length in near.shape[:2])
    picture[-rows - 6 :, -columns - 6 :] = 255
    picture[-rows - 3 : -3, -columns - 3 : -3] = cv2.resize(near, (columns, rows), interpolation=cv2.INTER_CUBIC)
