"""A library for the element empycustom: it draws into the frames, here a border at each object and a bar at the top.

Try it on one synthetic frame:   empycustom check my_lib.py --save drawn.png
Run it on a video:               empycustom run video.mp4 --lib my_lib.py --save drawn.mp4

Objects come from a library before this one, such as --lib empycustom.libs.detect. That package also has a library that draws
boxes, labels and masks: empycustom.libs.draw. Write your own for all else.
"""

import empycustom

# Declared options are checked, and `empycustom check` lists them. Set them with --options '{"width": 5}'.
OPTIONS = {
    "colour": empycustom.Option([255, 200, 0], "red, green and blue of what is drawn", limits=(0, 255)),
    "width": empycustom.Option(3, "width of the border", limits=(1, 100), unit="pixels"),
}


def process_ip(io_buffer, in_meta, options):
    """Draw; called for every frame. What it writes to the pixels goes downstream.

    io_buffer: the Gst.Buffer. With writable=True, map_frame gives its pixels as arrays that can be written to.
    in_meta:   a dict that describes the frame, and the objects that elements upstream have found on it.
    Returns None: it changes the pixels, and has nothing to say about the frame.
    """
    with empycustom.map_frame(io_buffer, in_meta, writable=True) as frame:
        # frame.rgb is a view of (height, width, 3): red, green, blue. Slices of it are views, too. OpenCV, which wants whole rows
        # in memory, takes frame.pixels, with the channels that the format has: RGBA unless --format says something else.
        frame.rgb[:4] = options["colour"]
        for found in in_meta["frame"][0]["object"]:
            draw_border(frame.crop(found)[..., :3], options["colour"], options["width"])


def draw_border(pixels, colour, width):
    """Paint the border of a part of the frame; what is outside the frame is not in the part."""
    pixels[:width] = pixels[-width:] = colour
    pixels[:, :width] = pixels[:, -width:] = colour
