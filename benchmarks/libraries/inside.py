"""Times the pieces that a library is made of, inside a callback, and returns what it found as attributes of the frame."""

import json
from timeit import Timer

import numpy as np
from gi.repository import Gst

import empycustom

SIDE = 64


def process_ip(io_buffer, in_meta, options):
    """Time each piece ``repeats`` times for ``seconds``, and return the µs of each."""
    found = {name: measured(piece, options) for name, piece in outside(io_buffer, in_meta).items()}
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        found.update({name: measured(piece, options) for name, piece in within(frame, in_meta).items()})
    return {"frame": [{"meta": found}]}


def measured(piece, options):
    """Return the µs that one call of the piece takes, each of several times."""
    timer = Timer(piece)
    loops, took = timer.autorange() if options["seconds"] >= 0.2 else (1, 1e-6)
    loops = max(1, round(loops * options["seconds"] / took / 10))
    return [took / loops * 1e6 for took in timer.repeat(options["repeats"], loops)]


def outside(io_buffer, in_meta):
    """Return what is done with a buffer that is not mapped yet."""

    def empty_block():
        with empycustom.map_frame(io_buffer, in_meta):
            pass

    def block_with_pixels():
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            return frame.pixels is None

    def block_with_mean():
        with empycustom.map_frame(io_buffer, in_meta) as frame:
            return frame.pixels[:SIDE, :SIDE].mean()

    def mapped_by_hand():
        _, mapped = io_buffer.map(Gst.MapFlags.READ)
        np.ndarray(shape=(720, 1280, 4), dtype=np.uint8, buffer=mapped.data)
        io_buffer.unmap(mapped)

    return {
        "a function that does nothing": lambda: None,
        "map_frame, an empty block": empty_block,
        "map_frame and frame.pixels": block_with_pixels,
        "map_frame, frame.pixels, mean of 64x64": block_with_mean,
        "by hand: buffer.map, np.ndarray, unmap": mapped_by_hand,
        "json.dumps of one attribute": lambda: json.dumps({"brightness": 0.5}),
    }


def within(frame, in_meta):
    """Return what is done with a mapped frame."""
    found = in_meta["frame"][0]["object"][0]
    pixels = frame.pixels
    small = pixels[:SIDE, :SIDE]
    return {
        "frame.pixels once more": lambda: frame.pixels,
        "frame.rgb (a view)": lambda: frame.rgb,
        "frame.crop(object) (a view)": lambda: frame.crop(found),
        "pixels[:64, :64] (a view)": lambda: pixels[:SIDE, :SIDE],
        "mean of 64x64": small.mean,
        "copy of 64x64": small.copy,
        "astype(float32) of 64x64": lambda: small.astype(np.float32),
        "np.asarray(view)": lambda: np.asarray(pixels),
        "copy of the frame": pixels.copy,
        "every 8th pixel: mean of pixels[::8, ::8]": lambda: pixels[::8, ::8].mean(),
        "mean of the frame": pixels.mean,
    }
