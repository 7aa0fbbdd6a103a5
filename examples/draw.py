"""Draw the objects of each frame into it: boxes, labels and attributes.

    empycustom run street.mp4 --lib examples/people.py --lib examples/draw.py --save people.mp4

Options: ``text`` (true): write label, number, confidence and the attributes from libraries upstream.
"""

import logging

import cv2

import empycustom

# Red, green and blue of colours that are easy to distinguish; a tracked object keeps its colour.
COLOURS = [(255, 140, 120), (90, 230, 220), (255, 220, 50), (150, 240, 150), (255, 150, 220), (150, 200, 255), (255, 180, 70)]
WHITE = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def start(options):
    """Warn of the old name of the option."""
    if "words" in options:
        logging.warning("draw.py: the option 'words' is called 'text' now; the old name still works")


def process_ip(io_buffer, in_meta, options):
    """Draw every object of the frame into the frame, which goes downstream; there is no other result."""
    this = in_meta["frame"][0]
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        coloured = [(obj, colour_of(obj, index, frame.format)) for index, obj in enumerate(this["object"])]
        for obj, colour in coloured:
            draw_box(frame.pixels, obj["rect_params"], colour)
        if options.get("text", options.get("words", True)):
            for obj, colour in coloured:
                draw_text(frame.pixels, obj, colour)
            write(frame.pixels, lines(this.get("emcustom")), 0, 0, WHITE)


def colour_of(obj, index, pixel_format):
    """Return the colour of an object, by its number or, if it is not tracked, its index; in the order of the format."""
    colour = COLOURS[(obj["object_id"] if obj["object_id"] >= 0 else index) % len(COLOURS)]
    return colour[::-1] if pixel_format.startswith("BGR") else colour


def draw_box(pixels, rect, colour):
    """Draw a bright line with a dark one around it, which is visible on any background."""
    left, top, right, bottom = edges(rect)
    cv2.rectangle(pixels, (left, top), (right, bottom), (0, 0, 0, 255), 4)
    cv2.rectangle(pixels, (left, top), (right, bottom), (*colour, 255), 2)


def draw_text(pixels, obj, colour):
    """Write label, number and confidence above the box, and the attributes below it."""
    left, top, _, bottom = edges(obj["rect_params"])
    write(pixels, [title(obj)], left - 2, top - line_height(pixels) - 4, colour)
    write(pixels, lines(obj.get("emcustom")), left - 2, bottom + 3, colour)


def edges(rect):
    """Return left, top, right, bottom in whole pixels, all of them inside the box."""
    left, top = int(rect["left"]), int(rect["top"])
    return left, top, left + max(int(rect["width"]) - 1, 0), top + max(int(rect["height"]) - 1, 0)


def title(obj):
    """Return label, number and confidence of an object, as ``person 7  98%``."""
    number = f" {obj['object_id']}" if obj["object_id"] >= 0 else ""
    return f"{obj['obj_label'] or obj['class_id']}{number}  {obj['confidence']:.0%}"


def lines(attributes):
    """Return the attributes under ``emcustom`` as lines of text, one for each key of a dict."""
    if attributes is None:
        return []
    if not isinstance(attributes, dict):
        return [str(attributes)]
    return [f"{key.replace('_', ' ')} {value}" for key, value in attributes.items()]


def line_height(pixels):
    """Return the height of a line of text in this picture, in pixels."""
    return max(pixels.shape[0] // 48, 12)


def write(pixels, texts, left, top, colour):
    """Write lines of text on a darkened part of the picture, moved to stay inside it."""
    if not texts:
        return
    step = line_height(pixels)
    size = step / 30
    wide, high = max(cv2.getTextSize(text, FONT, size, 1)[0][0] for text in texts) + 6, step * len(texts) + 2
    left, top = max(min(left, pixels.shape[1] - wide), 0), max(min(top, pixels.shape[0] - high), 0)
    pixels[top : top + high, left : left + wide, :3] //= 3
    for row, text in enumerate(texts, start=1):
        cv2.putText(pixels, text, (left + 3, top + row * step - step // 4), FONT, size, (*colour, 255), 1, cv2.LINE_AA)
