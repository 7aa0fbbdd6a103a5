"""Boxes and words, drawn into the frame where it lies: what is said about an object can be seen beside it.

    empycustom run street.mp4 --lib examples/people.py --lib examples/draw.py --save people.mp4

Options: ``words`` (true): write label, number, confidence and what libraries upstream said.
"""

import cv2

import empycustom

# Red, green and blue of colours that are told apart easily: a tracked object keeps its own.
COLOURS = [(255, 140, 120), (90, 230, 220), (255, 220, 50), (150, 240, 150), (255, 150, 220), (150, 200, 255), (255, 180, 70)]
WHITE = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def process_ip(io_buffer, in_meta, options):
    """Draw every object of the frame. What is drawn goes downstream; nothing is said about it."""
    this = in_meta["frame"][0]
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        coloured = [(obj, colour_of(obj, index, frame.format)) for index, obj in enumerate(this["object"])]
        for obj, colour in coloured:
            draw_box(frame.pixels, obj["rect_params"], colour)
        if options.get("words", True):
            for obj, colour in coloured:
                draw_words(frame.pixels, obj, colour)
            write(frame.pixels, lines(this.get("emcustom")), 0, 0, WHITE)


def colour_of(obj, index, pixel_format):
    """Choose by the tracking number, or by the place in the list where nobody tracks; in the order of the format."""
    colour = COLOURS[(obj["object_id"] if obj["object_id"] >= 0 else index) % len(COLOURS)]
    return colour[::-1] if pixel_format.startswith("BGR") else colour


def draw_box(pixels, rect, colour):
    """Draw a bright line with a dark one around it, which can be seen on anything."""
    left, top, right, bottom = edges(rect)
    cv2.rectangle(pixels, (left, top), (right, bottom), (0, 0, 0, 255), 4)
    cv2.rectangle(pixels, (left, top), (right, bottom), (*colour, 255), 2)


def draw_words(pixels, obj, colour):
    """Write what the object is above its box, and what was said about it below."""
    left, top, _, bottom = edges(obj["rect_params"])
    write(pixels, [title(obj)], left - 2, top - line_height(pixels) - 4, colour)
    write(pixels, lines(obj.get("emcustom")), left - 2, bottom + 3, colour)


def edges(rect):
    """Return left, top, right, bottom in whole pixels, all of them inside the box."""
    left, top = int(rect["left"]), int(rect["top"])
    return left, top, left + max(int(rect["width"]) - 1, 0), top + max(int(rect["height"]) - 1, 0)


def title(obj):
    """Return ``person 7  98%``, or what is known of it."""
    number = f" {obj['object_id']}" if obj["object_id"] >= 0 else ""
    return f"{obj['obj_label'] or obj['class_id']}{number}  {obj['confidence']:.0%}"


def lines(said):
    """Write what was said under ``emcustom`` as lines of text, one for each key of a dict."""
    if said is None:
        return []
    return [f"{key.replace('_', ' ')} {value}" for key, value in said.items()] if isinstance(said, dict) else [str(said)]


def line_height(pixels):
    """Return how high a line of text is in this picture, in pixels."""
    return max(pixels.shape[0] // 48, 12)


def write(pixels, texts, left, top, colour):
    """Write lines of text on a darkened part of the picture, moved into it where they would reach out."""
    if not texts:
        return
    step = line_height(pixels)
    size = step / 30
    wide, high = max(cv2.getTextSize(text, FONT, size, 1)[0][0] for text in texts) + 6, step * len(texts) + 2
    left, top = max(min(left, pixels.shape[1] - wide), 0), max(min(top, pixels.shape[0] - high), 0)
    pixels[top : top + high, left : left + wide, :3] //= 3
    for row, text in enumerate(texts, start=1):
        cv2.putText(pixels, text, (left + 3, top + row * step - step // 4), FONT, size, (*colour, 255), 1, cv2.LINE_AA)
