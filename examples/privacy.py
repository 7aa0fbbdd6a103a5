"""Hide people: blur each of them in the frame, or cover them with one colour.

    empycustom run street.mp4 --lib examples/people.py --lib examples/privacy.py --save private.mp4

Options: ``labels`` (["person"]): what is hidden; ``mask`` (false): one colour instead of a blur.
"""

import cv2

import empycustom


def process_ip(io_buffer, in_meta, options):
    """Hide every object with one of the labels, in each plane of the frame, so that it works in every format."""
    labels, hide = options.get("labels", ["person"]), mask if options.get("mask", False) else blur
    hidden = [obj for obj in in_meta["frame"][0]["object"] if obj["obj_label"] in labels]
    if not hidden:
        return None  # nothing was mapped, so nothing is copied
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        for obj in hidden:
            for plane in range(len(frame.planes)):
                area = frame.crop(obj, plane)
                if area.size:
                    hide(in_pairs(area) if frame.format in ("YUY2", "UYVY") else area)
    return [{"hidden": True} if obj in hidden else {} for obj in in_meta["frame"][0]["object"]]


def in_pairs(area):
    """View an area of YUY2 with four channels for two pixels: two of luma and the colour that they share."""
    return area.reshape(area.shape[0], -1, 4)


def blur(area):
    """Blur an area until a face is not recognisable: over a third of its width."""
    size = max(area.shape[1] // 3, 1)
    native = area.astype(area.dtype.newbyteorder("="))  # OpenCV does not look at the order of bytes
    area[...] = cv2.blur(native, (size, size))


def mask(area):
    """Cover an area with its mean colour."""
    area[...] = area.mean(axis=(0, 1)).astype(area.dtype)
